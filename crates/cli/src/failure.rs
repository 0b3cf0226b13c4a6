//! How a command ends when it does not succeed.

use std::io::Write;
use std::process::ExitCode;

use eolith_graph::Issue;

/// Problems to print; all of them.
#[derive(Debug)]
pub(crate) struct Failure(Vec<String>);

impl Failure {
    pub(crate) fn text(text: impl Into<String>) -> Failure {
        Failure(vec![text.into()])
    }

    /// Prints to stderr and gives exit code 1.
    pub(crate) fn report(self) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        for text in self.0 {
            // Nobody is left to tell if stderr is gone.
            let _ = writeln!(stderr, "error: {text}");
        }
        ExitCode::from(1)
    }
}

impl From<Vec<Issue>> for Failure {
    fn from(issues: Vec<Issue>) -> Failure {
        Failure(issues.iter().map(ToString::to_string).collect())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::text(error.to_string())
    }
}

/// Writes to stdout; a closed pipe ends the command quietly.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}

/// Writes a line to stderr.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
