//! `cargo xtask chaos`: servers that are killed and stopped while they run jobs, many times; `tests/python/chaos.py` says
//! what must hold. The test command does a few rounds of the same.

use std::process::Command;

use anyhow::Result;

use crate::postgres::Postgres;
use crate::shell::{self, Profile};
use crate::test;

/// Passes `--kills N`, `--stops N` and `--seed N` on.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let python = test::python()?;
    let postgres = Postgres::start()?;
    let binary = shell::build(Profile::Dev)?;
    let folder = std::env::temp_dir().join(format!("eolith-chaos-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let ran = shell::check(
        Command::new(python)
            .arg(shell::root().join("tests/python/chaos.py"))
            .args(["--postgres", &postgres.url(), "--folder"])
            .arg(&folder)
            .args(options)
            .env("EOLITH_BIN", binary)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    if ran.is_ok() {
        std::fs::remove_dir_all(folder)?;
    }
    ran
}
