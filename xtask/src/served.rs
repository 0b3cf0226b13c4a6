//! A server of the built binary, stopped when it is dropped.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::http;

/// The path of the API's entry.
pub(crate) const API: &str = "/openeo/1.2";

/// How long a server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    command: Command,
    pub(crate) address: SocketAddr,
    /// From before the program was started to the end of the first answer.
    pub(crate) first_answer: Duration,
}

impl Served {
    /// Starts `binary serve` over `data` on `port` of loopback (0 takes a free one) and waits for its first answer.
    pub(crate) fn start<S: AsRef<OsStr>>(
        binary: &Path,
        data: &[S],
        port: u16,
        state: &Path,
    ) -> Result<Served> {
        let port = if port == 0 { free_port()? } else { port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_err() {
            bail!("port {port} is in use; another one can be given with --port");
        }
        let started = Instant::now();
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .args(data)
            .args(["--port", &port.to_string(), "--state"])
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child =
            command.spawn().with_context(|| format!("cannot start `{}`", binary.display()))?;
        let mut served = Served { child, command, address, first_answer: Duration::ZERO };
        loop {
            if let Ok(answer) = http::get(address, &format!("{API}/"))
                && answer.status == 200
            {
                served.first_answer = started.elapsed();
                return Ok(served);
            }
            if let Some(status) = served.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("the server did not answer within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Serves on in place of this program, so that whoever stops this program stops the server.
    #[cfg(unix)]
    pub(crate) fn become_it(mut self) -> Result<()> {
        use std::os::unix::process::CommandExt;

        self.child.kill()?;
        self.child.wait()?;
        Err(self.command.exec().into())
    }

    /// Waits until the server ends by itself.
    #[cfg(not(unix))]
    pub(crate) fn become_it(mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
