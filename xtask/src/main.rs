//! Developer commands: `cargo xtask demo | test | tidy | measure | bench | chaos | contract | page`.
//!
//! They build, start and check the project from outside, with the tools a fresh machine has (Rust, gcc, Python with
//! pip); what else they need goes into `target/`. Nothing here is part of the product.

mod apt;
mod bench;
mod chaos;
mod contract;
mod demo;
mod http;
mod measure;
mod node;
mod postgres;
mod served;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell::say;

const USAGE: &str = "\
cargo xtask demo [--exit] [--port P]   build, serve sample data, make NDVI maps through the HTTP API, keep serving
cargo xtask test                       install what tests need into target/test-env and run all tests
cargo xtask tidy                       check what compiler and clippy do not: crate edges, file sizes, links, ...
cargo xtask measure startup            time from the start of a server to its first answer
cargo xtask measure load               a server under the requests of one and of 200 clients
cargo xtask bench [--help]             time, memory and numbers of the workloads beside other programs
cargo xtask bench --processes          nanoseconds a pixel of each process beside its bound
cargo xtask bench --micro              the kernels alone
cargo xtask chaos [--kills N]          kill and stop servers while they run jobs; nothing may be lost
cargo xtask contract [--cases N]       ask a server what the official OpenAPI document allows
cargo xtask page                       write what is generated of docs/: processes.md, configuration.md";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        ["demo", options @ ..] => demo::run(demo::Options::parse(options)?),
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["page"] => page(),
        ["measure", "startup"] => measure::startup(),
        ["measure", "load", options @ ..] => measure::load(options),
        ["contract", options @ ..] => contract::run(options),
        ["chaos", options @ ..] => chaos::run(options),
        ["bench", options @ ..] => bench::run(options),
        ["help" | "--help" | "-h"] => {
            say(USAGE);
            Ok(())
        }
        _ => bail!("unknown command `{}`\n{USAGE}", args.join(" ")),
    }
}

/// The tests that compare the pages write them as well.
fn page() -> Result<()> {
    let engine = ["test", "--package", "eolith-engine", "--test", "it", "the_page_can_be_made"];
    let cli = ["test", "--package", "eolith-cli", "the_page_has_all_options"];
    for test in [&engine[..], &cli] {
        shell::check(shell::cargo().args(test).env("EOLITH_WRITE_PAGE", "1"))?;
    }
    Ok(())
}
