//! `eolith eval`: process calls on stdin, answers on stdout, one JSON object a line.

use std::io::{BufRead, Write};

use clap::{Args as ClapArgs, ValueEnum};
use eolith_engine::eval::{Way, answer};

use crate::failure::Failure;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How calls are evaluated.
    #[arg(long, value_enum, default_value_t = Wanted::Whole)]
    way: Wanted,
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

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let way = match args.way {
        Wanted::Reference => Way::Reference,
        Wanted::Whole => Way::Whole,
        Wanted::Chunks => Way::Chunks(2),
    };
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        writeln!(stdout, "{}", answer(&line, way))?;
        stdout.flush()?;
    }
    Ok(())
}
