//! `eolith`: the command line.
//!
//! Every subcommand is a file of its own. They read arguments, open a session and print; planning and reading are
//! the engine's. Data goes to stdout, talk to stderr. Exit code 0 is success, 1 a problem with the input or the run,
//! 2 a wrong command line.

mod collections;
mod config;
mod data;
mod doctor;
mod eval;
mod explain;
mod failure;
mod processes;
mod run;
mod sample;
mod serve;
mod talk;
mod target;
mod usage;
mod user;
mod validate;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// openEO on your own data: one binary, any folder or catalogue.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    /// Say more on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Form of what is said on stderr: for people, or an object of JSON a line.
    #[arg(long, global = true, value_enum, env = "EOLITH_LOG_FORMAT", default_value = "text")]
    log_format: talk::LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a process graph and write its result.
    Run(run::Args),
    /// Serve folders, files and catalogues as openEO.
    Serve(serve::Args),
    /// Look whether a server would run with these options, without serving.
    Doctor(serve::Args),
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
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli: Cli = match config::parse(&arguments) {
        Ok(cli) => cli,
        Err(failure) => return failure.report(),
    };
    // The first use of TLS needs a provider; a second installation would be the only way to fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _talk = talk::start(cli.verbose, cli.log_format);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Failure::text(format!("cannot start: {error}")).report(),
        };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args, started).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
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
