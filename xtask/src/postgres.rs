//! A PostgreSQL for the tests: installed by apt where it is missing, with its data in `target/test-env`, on a free port of
//! loopback, as an unprivileged user (it refuses root).

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::apt::{self, is_root};
use crate::shell::{self, say};

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
}

/// The user that Debian's package makes.
const USER: &str = "postgres";

impl Postgres {
    /// Installs and starts a server with a new, empty folder of data.
    pub(crate) fn start() -> Result<Postgres> {
        let programs = programs()?;
        everyone_writes_to_null()?;
        // Below the target folder an unprivileged user may not have the right to go.
        let data = std::env::temp_dir().join(format!("eolith-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data)?;
        if is_root() {
            shell::check(Command::new("chown").arg(USER).arg(&data))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let postgres = Postgres { programs, data, port };
        let folder = postgres.folder();
        postgres.run(
            "initdb",
            &["-D", &folder, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
        )?;
        // As real servers have it, but for the disk: these tests do not pull the plug.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=200"
        );
        let log = postgres.data.join("log").display().to_string();
        postgres.run("pg_ctl", &["-D", &folder, "-l", &log, "-o", &options, "-w", "start"])?;
        Ok(postgres)
    }

    /// The address, without a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}", self.port)
    }

    fn folder(&self) -> String {
        self.data.join("data").display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.data).stdout(Stdio::null());
        shell::check(command.args(args)).with_context(|| format!("PostgreSQL: {program}"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let folder = self.folder();
        if let Err(error) = self.run("pg_ctl", &["-D", &folder, "-m", "immediate", "-w", "stop"]) {
            say(&format!("the PostgreSQL of the tests goes on: {error}"));
        }
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Programs of the server write to `/dev/null`, which in some containers only root may.
fn everyone_writes_to_null() -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let null = Path::new("/dev/null");
        let mode = fs::metadata(null)?.permissions().mode();
        if is_root() && mode & 0o666 != 0o666 {
            say(
                "only root may write to /dev/null here: giving it to everyone, as it is everywhere",
            );
            fs::set_permissions(null, fs::Permissions::from_mode(0o666))?;
        }
    }
    Ok(())
}

/// The folder of the server's programs, of the newest version.
fn programs() -> Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    apt::install("postgresql")?;
    installed().context(
        "the tests need PostgreSQL: `apt-get install postgresql`, or run as root so that they can",
    )
}

fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort_unstable();
    found.pop().map(|(_, path)| path)
}
