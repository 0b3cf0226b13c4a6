//! Which Python runs functions: its version, its libraries and the files it needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// How long the interpreter may take to say what it is.
const PATIENCE: Duration = Duration::from_mins(2);

/// Tells version, places and libraries; imports none of them.
const QUESTION: &str = r#"
import importlib.metadata, importlib.util, json, os, sys, sysconfig
missing = [name for name in ("numpy", "pandas", "xarray", "ctypes") if importlib.util.find_spec(name) is None]
libraries = {}
for one in importlib.metadata.distributions():
    name = one.metadata["Name"]
    if name:
        libraries.setdefault(name, one.version)
places = [os.path.abspath(path) for path in sys.path if path]
for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
    places += [os.path.join(prefix, name) for name in ("lib", "lib64", "pyvenv.cfg")]
    if prefix != "/usr":
        places += [os.path.join(prefix, "share")]
places += [sysconfig.get_config_var("LIBDIR") or ""]
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "executable": sys.executable,
    "places": sorted({path for path in places if path}),
    "libraries": libraries,
    "missing": missing,
}))
"#;

/// An interpreter.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Python {
    /// Like 3.12.1.
    pub(super) version: String,
    pub(super) executable: PathBuf,
    /// Files and folders with code and libraries.
    pub(super) places: Vec<PathBuf>,
    pub(super) libraries: BTreeMap<String, String>,
    missing: Vec<String>,
}

impl Python {
    /// Asks the interpreter at a path, or the one that is called `python3`.
    ///
    /// # Errors
    /// A text that names the interpreter and what is wrong with it.
    pub(super) async fn ask(path: Option<&Path>) -> Result<Python, String> {
        let named = path.unwrap_or(Path::new("python3"));
        let shown = named.display();
        let mut command = Command::new(named);
        command.args(["-s", "-B", "-c", QUESTION]).current_dir("/");
        command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env_remove("PYTHONSTARTUP");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error: std::io::Error| format!("`{shown}` cannot be started: {error}");
        let child = command.spawn().map_err(failed)?;
        let pid = Pid::from_child(&child);
        let answer = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(output)) => output.map_err(failed)?,
            Ok(Err(error)) => return Err(format!("`{shown}` was not waited for: {error}")),
            Err(_) => {
                let _ = kill_process(pid, Signal::KILL);
                return Err(format!("`{shown}` did not answer within {} s", PATIENCE.as_secs()));
            }
        };
        let python: Python = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().last().unwrap_or("it said nothing");
            format!("`{shown}` is no Python that can be used: {last}")
        })?;
        if python.missing.is_empty() {
            Ok(python)
        } else {
            Err(format!("`{shown}` lacks {}", python.missing.join(", ")))
        }
    }

    /// The program itself and all links on the way to it.
    pub(super) fn programs(&self) -> Vec<PathBuf> {
        let mut programs = vec![self.executable.clone()];
        programs.extend(std::fs::canonicalize(&self.executable));
        programs
    }

    /// Whether any user of this machine may read it.
    pub(super) fn is_public(&self) -> bool {
        let mut own = self.programs();
        own.extend(self.places.iter().filter(|path| path.exists()).cloned());
        own.iter()
            .filter_map(|path| std::fs::canonicalize(path).ok())
            .all(|path| path.ancestors().all(is_open))
    }
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let wanted = if path.is_dir() { 0o001 } else { 0o004 };
    path.metadata().is_ok_and(|own| own.permissions().mode() & wanted == wanted)
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}
