//! `cargo xtask contract`: the official OpenAPI document against a server; `tests/python/contract.py` says what must hold.
//! The test command asks less of the same.

use std::process::Command;

use anyhow::Result;

use crate::shell::{self, Profile};
use crate::test;

/// Passes `--cases N` and `--only TEXT` on.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let python = test::python()?;
    let binary = shell::build(Profile::Release)?;
    shell::check(
        Command::new(python)
            .arg(shell::root().join("tests/python/contract.py"))
            .args(options)
            .env("EOLITH_BIN", binary)
            .env("EOLITH_REFERENCE", test::reference())
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}
