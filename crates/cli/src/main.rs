//! `eolith`: the command line.
//!
//! Every subcommand is a file of its own. They read arguments, open a session and print; planning and reading are
//! the engine's. Data goes to stdout, talk to stderr. Exit code 0 is success, 1 a problem with the input or the run,
//! 2 a wrong command line.

mod collections;
mod config;
mod data;
mod eval;
mod explain;
mod failure;
mod processes;
mod run;
mod sample;
mod serve;
mod target;
mod usage;
mod user;
mod validate;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// openEO on your own data: one binary, any folder or catalogue.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    /// Say more on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a process graph and write its result.
    Run(run::Args),
    /// Serve folders, files and catalogues as openEO.
    Serve(serve::Args),
    /// Show the plan of a process graph.
    Explain(explain::Args),
    /// List all problems of a process graph.
    Validate(validate::Args),
    /// List the processes, or show one.
    Processes(processes::Args),
    /// List the collections of folders, files and catalogues, or show those whose ids are among the arguments.
    Collections(collections::Args),
    /// Write a small generated cube with clouds, the same on any machine.
    Sample(sample::Args),
    /// Add, list, change and remove those who may log in to a server.
    User(user::Args),
    /// Answer process calls on stdin, one JSON object a line, over data for those that load some.
    Eval(eval::Args),
}

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    // The first use of TLS needs a provider; a second installation would be the only way to fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Failure::text(format!("cannot start: {error}")).report(),
        };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args, started).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Validate(args) => validate::run(args).await,
            Command::Processes(args) => processes::run(args).await,
            Command::Collections(args) => collections::run(args).await,
            Command::Sample(args) => sample::run(&args),
            Command::User(args) => user::run(args).await,
            Command::Eval(args) => eval::run(args).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("EOLITH_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
