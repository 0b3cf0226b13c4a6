//! `cargo xtask test`: everything that can be tested, from a fresh clone.
//!
//! Rust tests run through cargo; the Python tests of `tests/python` run against the built binary, in a virtual
//! environment under `target/test-env` with the versions that `tests/python/requirements*.txt` pin, beside the packages
//! of `tests/js` and over a PostgreSQL of their own; the benches compute a tiny cube. A part that cannot be installed or run fails the whole; nothing is skipped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::postgres::Postgres;
use crate::shell::{self, Profile, say};
use crate::{bench, node};

/// What the Python tests need, and what of it is installed without its dependencies.
const LIST: &str = "requirements.txt";
const PEER: &str = "requirements-peer.txt";

/// Where reference data is looked for: `$EOLITH_REFERENCE`, else `shared` beside the workspace.
pub(crate) fn reference() -> PathBuf {
    std::env::var_os("EOLITH_REFERENCE")
        .map_or_else(|| shell::root().join("../shared"), PathBuf::from)
}

pub(crate) fn run() -> Result<()> {
    let python = python()?;
    let modules = node::modules()?;
    let postgres = Postgres::start()?;
    let binary = shell::build(Profile::Dev)?;
    // Files that Rust tests write and Python tests look at with other tools.
    let output = shell::target()?.join("test-output");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let mut cargo = shell::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).env("EOLITH_TEST_OUTPUT", &output);
    // Functions of users run in it.
    cargo.env("EOLITH_PYTHON", &python).env("EOLITH_TEST_POSTGRES", postgres.url());
    let (mut lines, rust) =
        shell::watch(&mut cargo, |line| line.starts_with("test result:")).context("cargo test")?;
    let mut pytest = Command::new(&python);
    pytest
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python"])
        .current_dir(shell::root())
        .env("EOLITH_BIN", &binary)
        .env("EOLITH_TEST_OUTPUT", output)
        .env("EOLITH_TEST_NODE", modules)
        .env("EOLITH_TEST_POSTGRES", postgres.url())
        .env("EOLITH_REFERENCE", reference())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let (last, peers) = shell::watch(&mut pytest, pytest_summary)?;
    match last.last() {
        None if peers => bail!("pytest said nothing of how it ended"),
        Some(line) if line.contains("skipped") => bail!("Python tests were skipped: {line}"),
        _ => {}
    }
    lines.extend(last.into_iter().next_back());
    let smoke = bench::smoke(&python, &binary);
    // On stdout, as the runners printed them.
    writeln!(std::io::stdout().lock(), "\n{}", lines.join("\n"))?;
    match (rust, peers) {
        (true, true) => smoke.context("the numbers of the benches are wrong"),
        (false, true) => bail!("Rust tests failed"),
        (true, false) => bail!("Python tests failed"),
        (false, false) => bail!("Rust and Python tests failed"),
    }
}

/// `12 passed, 1 failed in 3.05s`
fn pytest_summary(line: &str) -> bool {
    let counts = ["passed", "failed", "error", "no tests ran"];
    line.contains(" in ")
        && line.ends_with(['s', ')', '='])
        && counts.iter().any(|word| line.contains(word))
}

/// The interpreter of the environment of the tests, made or brought up to date first.
pub(crate) fn python() -> Result<PathBuf> {
    let list = |name: &str| {
        let path = shell::root().join("tests/python").join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
    };
    let wanted = list(LIST)? + &list(PEER)?;
    let environment = shell::target()?.join("test-env");
    let python = interpreter(&environment);
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) && python.exists() {
        return Ok(python);
    }
    say(&format!("installing Python packages into {}", environment.display()));
    let system = make_environment(&environment)?;
    install(&system, &python, &["-r", LIST])
        .with_context(|| format!("pip could not install tests/python/{LIST}"))?;
    // Its own dependencies include a GDAL that would be built from source.
    install(&system, &python, &["--no-deps", "-r", PEER])
        .with_context(|| format!("pip could not install tests/python/{PEER}"))?;
    fs::write(installed, wanted)?;
    Ok(python)
}

/// Where the interpreter of a virtual environment is.
pub(crate) fn interpreter(environment: &Path) -> PathBuf {
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    environment.join(folder).join(if cfg!(windows) { "python.exe" } else { "python" })
}

/// Makes an empty virtual environment, over one that is there, and gives the interpreter that has pip.
pub(crate) fn make_environment(environment: &Path) -> Result<PathBuf> {
    let system = system_python()?;
    // Without pip of its own: Debian keeps the part that would bring it in a package that may be missing.
    shell::check(
        Command::new(&system).args(["-m", "venv", "--clear", "--without-pip"]).arg(environment),
    )
    .context("Python cannot make a virtual environment")?;
    Ok(system)
}

fn install(system: &Path, python: &Path, what: &[&str]) -> Result<()> {
    shell::check(
        Command::new(system)
            .args(["-m", "pip", "--python"])
            .arg(python)
            .args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
            .args(what)
            .current_dir(shell::root().join("tests/python")),
    )
}

/// Python 3.11 or newer.
fn system_python() -> Result<PathBuf> {
    let question = "import sys; sys.exit(sys.version_info < (3, 11))";
    let fits = |name: &str| {
        Command::new(name).args(["-c", question]).status().is_ok_and(|status| status.success())
    };
    ["python3", "python3.13", "python3.12", "python3.11", "python"]
        .into_iter()
        .find(|name| fits(name))
        .map(PathBuf::from)
        .context("the tests need Python 3.11 or newer with pip as `python3`")
}

#[cfg(test)]
mod tests {
    use super::pytest_summary;

    #[test]
    fn summaries_are_recognised() {
        assert!(pytest_summary("12 passed in 3.05s"));
        assert!(pytest_summary("1 failed, 12 passed in 63.05s (0:01:03)"));
        assert!(pytest_summary("===== 3 passed, 2 warnings in 0.12s ====="));
        assert!(!pytest_summary("test_x.py passed in the morning"));
    }
}
