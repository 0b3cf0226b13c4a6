//! `cargo xtask bench`: Eolith beside its peers.
//!
//! This module builds the binary and finds or makes the Python environment; what is measured and how is in `benches/`.
//! `--processes` measures each process alone. `--quick` compares the numbers of a tiny cube with numpy's and belongs to the tests; it asserts no times.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Profile, say};
use crate::test;

/// Installed without its dependencies: they include a GDAL that would be built from source.
const PEER: &str = "openeo-processes-dask==2026.9.1";

pub(crate) fn run(options: &[&str]) -> Result<()> {
    if options == ["--micro"] {
        let packages = ["--package", "eolith-plan", "--package", "eolith-cube"];
        return shell::check(shell::cargo().arg("bench").args(packages));
    }
    if let ["--processes", options @ ..] = options {
        let python = test::python()?;
        return start(&python, &shell::build(Profile::Release)?, "processes.py", options);
    }
    let (venv, options) = take_venv(options)?;
    let quick = options.contains(&"--quick");
    let help = options.iter().any(|option| ["--help", "-h"].contains(option));
    let python = match venv {
        Some(folder) => {
            let python = test::interpreter(&folder);
            if !python.exists() {
                bail!("`{}` is no Python environment", folder.display());
            }
            python
        }
        None if quick || help => test::python()?,
        None => peers()?,
    };
    let binary = shell::build(Profile::Release)?;
    start(&python, &binary, "run.py", &options)
}

/// The numbers of a tiny cube, as a part of the tests.
pub(crate) fn smoke(python: &Path, binary: &Path) -> Result<()> {
    start(python, binary, "run.py", &["--quick"])
}

fn start(python: &Path, binary: &Path, script: &str, options: &[&str]) -> Result<()> {
    let reference = fs::canonicalize(test::reference()).ok();
    let mut command = Command::new(python);
    command.arg(shell::root().join("benches").join(script)).arg("--binary").arg(binary);
    command.arg("--folder").arg(shell::target()?.join("bench"));
    if let Some(reference) = reference {
        command.arg("--reference").arg(reference);
    }
    shell::check(command.args(options).env("PYTHONDONTWRITEBYTECODE", "1"))
        .context("something was wrong or could not be measured; see above")
}

/// `--venv DIR` is ours, the rest is not.
fn take_venv<'a>(options: &[&'a str]) -> Result<(Option<PathBuf>, Vec<&'a str>)> {
    let mut rest = options.to_vec();
    let Some(at) = rest.iter().position(|option| *option == "--venv") else {
        return Ok((None, rest));
    };
    if at + 1 >= rest.len() {
        bail!("`--venv` needs a folder");
    }
    let folder = PathBuf::from(rest.remove(at + 1));
    rest.remove(at);
    Ok((Some(folder), rest))
}

/// The environment of the peers, made or brought up to date first.
fn peers() -> Result<PathBuf> {
    let list = shell::root().join("benches/requirements.txt");
    let wanted = fs::read_to_string(&list).context("cannot read benches/requirements.txt")?;
    let wanted = format!("{PEER}\n{wanted}");
    let environment = shell::target()?.join("bench/venv");
    let python = test::interpreter(&environment);
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) && python.exists() {
        return Ok(python);
    }
    say(&format!("installing the peers into {}", environment.display()));
    let system = test::make_environment(&environment)?;
    let pip = |arguments: &[OsString]| {
        let mut command = Command::new(&system);
        command.args(["-m", "pip", "--python"]).arg(&python);
        command.args(["install", "--quiet", "--disable-pip-version-check"]).args(arguments);
        shell::check(&mut command).context("pip could not install the peers")
    };
    pip(&["--no-deps".into(), PEER.into()])?;
    pip(&["--requirement".into(), list.into()])?;
    fs::write(installed, wanted)?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_taken_out_of_the_options() {
        let (venv, rest) = take_venv(&["--work", "W1", "--venv", "env", "--quick"]).unwrap();
        assert_eq!((venv, rest), (Some(PathBuf::from("env")), vec!["--work", "W1", "--quick"]));
        assert_eq!(take_venv(&["--huge"]).unwrap(), (None, vec!["--huge"]));
        assert!(take_venv(&["--venv"]).is_err());
    }
}
