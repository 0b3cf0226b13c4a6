//! Whether a server could run with a configuration, before it does: `eolith doctor`.
//!
//! Everything is looked at that would fail later or at night: folders, the database, the object store of results, identity
//! providers, the certificate, the data. Nothing is changed but that missing folders are made; the tables of the database
//! are left as they are.

use std::fmt;
use std::path::Path;

use eolith_engine::session::Session;
use eolith_engine::storage::{Prefix, PrefixError};
use tokio::net::TcpListener;

use crate::auth::random_id;
use crate::serve::Config;
use crate::store::{Standing, Store, private_folder};

/// Bytes that a folder should have left.
const LITTLE: u64 = 1 << 30;

/// What was found about one thing.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    pub state: State,
    /// What is so, or wrong, and what helps.
    pub text: String,
}

/// How good that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Fine,
    /// It works, but perhaps not as it was meant.
    Doubtful,
    /// The server does not start, or something it was told to offer does not work.
    Broken,
}

/// Looks at everything; the findings are in the order of the documentation.
pub async fn diagnose(session: &Session, config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        address(config).await,
        certificate(config),
        folder("state", &config.state, State::Broken),
        database(config).await,
    ];
    findings.extend(results(config).await);
    findings.extend(users(config).await);
    findings.extend(data(session).await);
    findings.extend([scratch(session), memory(session), udfs(session).await]);
    findings
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fine => "ok",
            State::Doubtful => "look",
            State::Broken => "BROKEN",
        };
        write!(f, "{state:<7} {:<12} {}", self.about, self.text)
    }
}

fn finding(about: &'static str, state: State, text: impl Into<String>) -> Finding {
    Finding { about, state, text: text.into() }
}

async fn address(config: &Config) -> Finding {
    let found = |state, text: String| finding("address", state, text);
    if let Err(error) = config.check() {
        return found(State::Broken, error.to_string());
    }
    match TcpListener::bind(config.bind).await {
        Ok(_) => found(State::Fine, config.bind.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let text = format!("`{}` is in use; by the server itself, if it runs", config.bind);
            found(State::Doubtful, text)
        }
        Err(error) => found(State::Broken, format!("cannot listen on `{}`: {error}", config.bind)),
    }
}

fn certificate(config: &Config) -> Finding {
    let found = |state, text: String| finding("encryption", state, text);
    match &config.certificate {
        Some(files) => match files.check() {
            Ok(()) => found(State::Fine, format!("`{}`", files.chain.display())),
            Err(error) => found(State::Broken, error.to_string()),
        },
        None if config.bind.ip().is_loopback() => {
            found(State::Fine, "none, for this machine only".to_owned())
        }
        None if config.public_url.as_ref().is_some_and(|url| url.starts_with("https:")) => {
            found(State::Fine, "by what stands before the server".to_owned())
        }
        None => {
            let text = "none: passwords and tokens cross the network readable; `--tls-certificate` or a proxy";
            found(State::Doubtful, text.to_owned())
        }
    }
}

/// A folder that is written to.
fn folder(about: &'static str, path: &Path, worst: State) -> Finding {
    let written = private_folder(path).and_then(|()| tempfile::tempfile_in(path));
    if let Err(error) = written {
        return finding(about, worst, format!("`{}` cannot be written: {error}", path.display()));
    }
    let Some(left) = left(path) else {
        return finding(about, State::Fine, format!("`{}`", path.display()));
    };
    let state = if left < LITTLE { State::Doubtful } else { State::Fine };
    finding(about, state, format!("`{}`, {} left", path.display(), size(left)))
}

async fn database(config: &Config) -> Finding {
    let found = |state, text: String| finding("database", state, text);
    match Store::look(&config.state, config.database.as_deref()).await {
        Ok(Standing { version: None, .. }) => {
            found(State::Fine, "new; its tables are made when the server starts".to_owned())
        }
        Ok(Standing { version: Some(version), newest }) if version == newest => {
            found(State::Fine, format!("tables of version {version}"))
        }
        Ok(Standing { version: Some(version), newest }) if version < newest => {
            let text = format!(
                "tables of version {version} are brought to {newest} when the server starts; make a copy first"
            );
            found(State::Doubtful, text)
        }
        Ok(Standing { version: Some(version), newest }) => {
            let text = format!("tables of version {version}, and this server knows {newest} only");
            found(State::Broken, text)
        }
        Err(error) => found(State::Broken, error.to_string()),
    }
}

/// The object store that results are brought to, if there is one: whether it can be written, read, listed and removed from.
async fn results(config: &Config) -> Option<Finding> {
    let address = config.results.bucket.as_deref()?;
    let found = |state, text: String| Some(finding("results", state, text));
    let prefix = match Prefix::open(address) {
        Ok(prefix) => prefix,
        Err(error) => return found(State::Broken, error.to_string()),
    };
    let tried = prefix.join(&format!("doctor-{}", random_id()));
    match try_out(&tried).await {
        Ok(None) => found(State::Fine, format!("`{address}`")),
        Ok(Some(what)) => found(State::Broken, format!("`{address}`: what was written {what}")),
        Err(error) => found(State::Broken, error.to_string()),
    }
}

/// What is wrong with a folder of an object store that answers.
async fn try_out(folder: &Prefix) -> Result<Option<&'static str>, PrefixError> {
    const TEXT: &[u8] = b"written by `eolith doctor`";
    let name = "tried";
    folder.put(name, TEXT.into()).await?;
    let read = folder.get(name).await?;
    let listed = folder.objects("").await?;
    folder.clear("").await?;
    let left = folder.get(name).await?;
    Ok(if read.as_deref() != Some(TEXT) {
        Some("cannot be read")
    } else if listed.len() != 1 {
        Some("is not listed")
    } else if left.is_some() {
        Some("cannot be removed")
    } else {
        None
    })
}

async fn users(config: &Config) -> Vec<Finding> {
    let auth = &config.auth;
    let mut findings = Vec::new();
    if auth.is_none() {
        let text = "everybody on this machine, without a password";
        findings.push(finding("users", State::Fine, text));
    }
    if auth.has_users() {
        findings.push(finding("users", State::Fine, "those of the database (`eolith user`)"));
    }
    for provider in &auth.providers {
        let found = |state, text| finding("provider", state, format!("`{}`: {text}", provider.id));
        findings.push(match provider.check() {
            Err(reason) => found(State::Broken, reason),
            Ok(()) => match provider.reach().await {
                Ok(0) => found(State::Broken, "it has no keys that are understood".to_owned()),
                Ok(keys) => found(State::Fine, format!("{} has {keys} keys", provider.issuer)),
                Err(reason) => found(State::Broken, reason),
            },
        });
    }
    findings
}

async fn data(session: &Session) -> Vec<Finding> {
    let (collections, problems) =
        (session.catalog().collections().await, session.catalog().problems().await);
    let state = if collections.is_empty() { State::Doubtful } else { State::Fine };
    let mut findings = vec![finding("data", state, format!("{} collections", collections.len()))];
    findings.extend(problems.iter().map(|problem| {
        finding("data", State::Doubtful, format!("`{}`: {}", problem.path, problem.reason))
    }));
    findings
}

fn scratch(session: &Session) -> Finding {
    match session.folder() {
        Ok(path) => folder("scratch", &path, State::Broken),
        Err(error) => finding("scratch", State::Broken, format!("no folder for values: {error}")),
    }
}

fn memory(session: &Session) -> Finding {
    let wanted = session.settings().memory;
    let text = format!("{} for computing", size(wanted));
    match available() {
        Some(available) if available < wanted => {
            let text = format!("{text}, and the machine has {} free now", size(available));
            finding("memory", State::Doubtful, text)
        }
        _ => finding("memory", State::Fine, text),
    }
}

async fn udfs(session: &Session) -> Finding {
    match session.host().await {
        Ok(_) => finding("UDFs", State::Fine, "Python in a sandbox"),
        Err(reason) => {
            finding("UDFs", State::Doubtful, format!("`run_udf` is not offered: {reason}"))
        }
    }
}

/// Bytes that the file system of a folder has left.
fn left(path: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(path).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Memory that nobody uses, where the system tells.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{value:.0} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [0, 1023, 1 << 30, 1536 << 40].map(size),
            ["0 B", "1023 B", "1 GiB", "1536 TiB"]
        );
    }

    #[tokio::test]
    async fn a_later_database_is_broken_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { state: dir.path().join("state"), ..Config::default() };
        assert_eq!(database(&config).await.state, State::Fine);
        assert!(!config.state.exists(), "looking makes nothing");
        drop(Store::open(&config.state, None).await.unwrap());
        let found = database(&config).await;
        assert_eq!(found.state, State::Fine);
        assert!(found.text.contains("version"), "{found}");
        let lost = Config { database: Some("postgres://127.0.0.1:1/x".to_owned()), ..config };
        assert_eq!(database(&lost).await.state, State::Broken);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_broken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(folder("state", file.path(), State::Broken).state, State::Broken);
    }
}
