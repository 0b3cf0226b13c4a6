//! Running other programs, and where things are.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_owned(), Path::to_owned)
}

/// The target folder: two levels above this program, wherever cargo was told to build.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("where is this program?")?;
    let target = program.parent().and_then(Path::parent).context("where is the target folder?")?;
    Ok(target.to_owned())
}

/// Cargo, as it was called.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the binary and says where it is.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let (options, folder): (&[&str], _) = match profile {
        // As the tests build it: with the features their dependencies ask for, so that nothing is compiled twice.
        Profile::Dev => (&["--workspace", "--bins", "--tests"], "debug"),
        Profile::Release => (&["--package", "eolith-cli", "--release"], "release"),
    };
    check(cargo().arg("build").args(options))?;
    Ok(target()?.join(folder).join(format!("eolith{}", std::env::consts::EXE_SUFFIX)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// Runs to the end.
///
/// # Errors
/// The program cannot be started or does not succeed.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Runs to the end, shows what the program prints, and gives the lines of its stdout that `keep` wants, and whether
/// it succeeded.
pub(crate) fn watch(command: &mut Command, keep: fn(&str) -> bool) -> Result<(Vec<String>, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let stdout = child.stdout.take().context("no stdout")?;
    let mut kept = Vec::new();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        if keep(&line) {
            kept.push(line);
        }
    }
    Ok((kept, child.wait()?.success()))
}

/// Writes a line to stderr.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
