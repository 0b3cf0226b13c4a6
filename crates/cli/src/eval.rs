//! `eolith eval`: process calls on stdin, answers on stdout, one JSON object a line.

use std::io::Write;

use clap::{Args as ClapArgs, ValueEnum};
use eolith_engine::eval::{Way, answer_over};

use crate::data::{Data, Limits};
use crate::failure::Failure;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How calls are evaluated.
    #[arg(long, value_enum, default_value_t = Wanted::Whole)]
    way: Wanted,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    /// The slow oracle.
    Reference,
    /// One task.
    Whole,
    /// Many small tasks.
    Chunks,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let way = match args.way {
        Wanted::Reference => Way::Reference,
        Wanted::Whole => Way::Whole,
        Wanted::Chunks => Way::Chunks(2),
    };
    let session = args.data.session(&args.limits, None)?;
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        writeln!(stdout, "{}", answer_over(&line, way, &session).await)?;
        stdout.flush()?;
    }
    Ok(())
}
