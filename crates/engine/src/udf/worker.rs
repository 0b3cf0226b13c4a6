//! One process that runs a function: how it is started, asked and ended.
//!
//! ```text
//! request   16 bytes (mark, length of JSON, length of pixels) · JSON · pixels      → standard input
//! answer    the same                                                               ← standard output
//! log       lines                                                                  ← standard error
//! ```
//! Nothing that comes back is believed: lengths are checked before memory is taken for them, and whoever does not keep
//! to the protocol, the time or the folder's size is killed with everything it started.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::sandbox::{self, Sandbox};
use super::syscalls;
use crate::events::Cancel;

const SCRIPT: &str = concat!(include_str!("stand.py"), "\n", include_str!("worker.py"));
const MARK: &[u8; 4] = b"EUDF";
const HEAD: usize = 16;

/// Bytes of the JSON of an answer.
const LONGEST: u64 = 8 << 20;

/// Characters of an error.
const MESSAGE: usize = 4000;

/// Bytes and entries of the temporary folder.
const FOLDER: u64 = sandbox::LARGEST_FILE;
const ENTRIES: usize = 10_000;

/// How long an interpreter may take to load its libraries.
const LOADING: Duration = Duration::from_mins(3);

/// How often a call is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// How long a process that closed its pipe may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// A call may take its time, not counting what it waits for a processor, and in all so many times as long.
const PATIENCE: u32 = 20;

/// Bytes of what a function prints that are kept, and characters of one line.
const SAID: usize = 64 << 10;
const LINE: usize = 500;

/// Takes the lines that a function prints.
pub(super) type Log = Arc<dyn Fn(String) + Send + Sync>;

/// A process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    /// `None` once it was waited for.
    child: Option<Child>,
    pid: Pid,
    input: Sender,
    output: Receiver,
    folder: TempDir,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// The function did something wrong; our words or Python's.
    Function(String),
    /// It returned something else than its first cell.
    Result(String),
    Cancelled,
}

/// What one call may use and give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) time: Duration,
    /// Bytes of pixels that may come back.
    pub(super) pixels: u64,
}

/// The JSON of an answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Said {
    ok: bool,
    #[serde(default)]
    message: String,
    #[serde(default)]
    trace: String,
    #[serde(default)]
    pub(super) dtype: String,
    #[serde(default)]
    pub(super) shape: Vec<usize>,
    #[serde(default)]
    pub(super) dims: Vec<String>,
    /// One a dimension: `times`, `numbers` or `texts`.
    #[serde(default)]
    pub(super) labels: Vec<Option<Json>>,
    /// Names of bands that `apply_metadata` gave, by dimension.
    #[serde(default)]
    pub(super) bands: Option<std::collections::BTreeMap<String, Vec<String>>>,
}

impl Worker {
    /// Starts an interpreter and waits until it is ready for code of users.
    pub(super) async fn start(
        sandbox: &Sandbox,
        parent: &Path,
        memory: u64,
        log: Log,
    ) -> Result<Worker, Trouble> {
        let failed = |what: String| Trouble::Function(format!("Python cannot be started: {what}"));
        let folder = tempfile::Builder::new()
            .prefix("udf-")
            .tempdir_in(parent)
            .and_then(|folder| sandbox.give(folder.path()).map(|()| folder))
            .map_err(|error| failed(error.to_string()))?;
        let mut command = sandbox.command(SCRIPT, folder.path()).map_err(failed)?;
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        drop(command);
        let (id, pid) = (child.id(), Pid::from_child(&child));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut guard = Reaper(Some(child));
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let pipes = || {
            let input = Sender::from_owned_fd(input.into())?;
            let output = Receiver::from_owned_fd(output.into())?;
            Ok((input, output, Receiver::from_owned_fd(errors.into())?))
        };
        let (input, output, errors) =
            pipes().map_err(|error: std::io::Error| failed(error.to_string()))?;
        tokio::spawn(listen(errors, log));
        let mut worker = Worker { child: guard.0.take(), pid, input, output, folder };
        let program = syscalls::second(id);
        let program = program.map_err(|error| failed(error.to_string()))?;
        let hello = json!({ "seccomp": syscalls::SECCOMP });
        let allowance = Allowance { time: LOADING, pixels: 0 };
        worker.exchange(&hello, &program, allowance, &Cancel::default()).await?;
        // Only the process itself may set its limits where we are not allowed to do everything.
        let lost = |error: std::io::Error| {
            Trouble::Function(format!("the sandbox does not hold: {error}"))
        };
        let most = sandbox::used(pid).map_err(lost)?.saturating_add(memory);
        let limit = json!({ "memory": most });
        worker.exchange(&limit, &[], allowance, &Cancel::default()).await?;
        worker.confirmed(most).map_err(lost)?;
        Ok(worker)
    }

    /// Asks once. After an error the process is of no use any more.
    pub(super) async fn call(
        &mut self,
        request: &Json,
        pixels: &[u8],
        allowance: Allowance,
        cancel: &Cancel,
    ) -> Result<(Said, Vec<u8>), Trouble> {
        self.exchange(request, pixels, allowance, cancel).await
    }

    async fn exchange(
        &mut self,
        request: &Json,
        pixels: &[u8],
        allowance: Allowance,
        cancel: &Cancel,
    ) -> Result<(Said, Vec<u8>), Trouble> {
        let folder = self.folder.path().to_owned();
        let clock = Clock::start(self.pid);
        let outcome = {
            let work = exchange(&mut self.input, &mut self.output, request, pixels, allowance);
            tokio::pin!(work);
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = look.tick() => {
                        if cancel.is_cancelled() {
                            return Err(Trouble::Cancelled);
                        }
                        if clock.is_over(allowance.time) {
                            let seconds = allowance.time.as_secs();
                            return Err(Trouble::Function(format!(
                                "it took longer than the {seconds} s that it may take"
                            )));
                        }
                        if is_full(&folder) {
                            return Err(Trouble::Function(format!(
                                "it wrote more than {} MiB or {ENTRIES} files into its temporary folder",
                                FOLDER >> 20
                            )));
                        }
                    }
                }
            }
        };
        match outcome {
            Ok(answer) => Ok(answer),
            Err(Broken::Said(message)) => Err(Trouble::Function(message)),
            Err(Broken::Protocol(what)) => Err(Trouble::Function(format!(
                "it wrote something into the pipe of its results that is no result: {what}"
            ))),
            Err(Broken::Pipe) => Err(Trouble::Function(self.ended().await)),
        }
    }

    /// How a process ended that does not talk any more.
    async fn ended(&mut self) -> String {
        let started = Instant::now();
        while started.elapsed() < ENDING {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) => {
                    self.child = None;
                    let how = told(status);
                    return format!("its process ended before it returned anything: {how}");
                }
                Some(Ok(None)) => tokio::time::sleep(LOOK).await,
                Some(Err(_)) | None => break,
            }
        }
        "it closed the pipe of its results".to_owned()
    }

    /// Whether the filters of system calls and the limit of memory are in place, as the kernel says.
    fn confirmed(&self, memory: u64) -> std::io::Result<()> {
        let file =
            |name| std::fs::read_to_string(format!("/proc/{}/{name}", self.pid.as_raw_nonzero()));
        let (text, limits) = (file("status")?, file("limits")?);
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
        let numbers = limit.unwrap_or_default().split_whitespace();
        let numbers: Vec<u64> = numbers.filter_map(|word| word.parse().ok()).collect();
        if numbers != [memory, memory] {
            return Err(std::io::Error::other("the limit of memory is not in place"));
        }
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u32>().ok()
        };
        let filters = of("Seccomp_filters:").unwrap_or(3);
        if of("Seccomp:") == Some(2) && of("NoNewPrivs:") == Some(1) && filters >= 3 {
            return Ok(());
        }
        Err(std::io::Error::other("the filters of system calls are not in place"))
    }
}

/// The time that a process takes by itself: what it waits for a processor because others have it does not count.
#[derive(Debug)]
struct Clock {
    pid: Pid,
    started: Instant,
    waited: Duration,
}

impl Clock {
    fn start(pid: Pid) -> Clock {
        Clock { pid, started: Instant::now(), waited: waited(pid) }
    }

    fn is_over(&self, limit: Duration) -> bool {
        let elapsed = self.started.elapsed();
        elapsed > limit
            && (elapsed.saturating_sub(waited(self.pid).saturating_sub(self.waited)) > limit
                || elapsed > limit.saturating_mul(PATIENCE))
    }
}

/// How long the first thread of a process was ready to run and did not; nothing where the kernel does not count it.
fn waited(pid: Pid) -> Duration {
    let path = format!("/proc/{}/schedstat", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let nanoseconds = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(Reaper(self.child.take()));
    }
}

/// Ends a process and waits for it, beside everything else.
struct Reaper(Option<Child>);

impl Drop for Reaper {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // The number is its own until it was waited for.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.kill();
        std::thread::spawn(move || child.wait());
    }
}

/// Why an exchange ended early.
enum Broken {
    Said(String),
    Protocol(&'static str),
    Pipe,
}

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Broken {
        Broken::Pipe
    }
}

async fn exchange(
    input: &mut Sender,
    output: &mut Receiver,
    request: &Json,
    pixels: &[u8],
    allowance: Allowance,
) -> Result<(Said, Vec<u8>), Broken> {
    let text = request.to_string();
    let mut head = MARK.to_vec();
    head.extend((text.len() as u32).to_le_bytes());
    head.extend((pixels.len() as u64).to_le_bytes());
    let write = async {
        // Who does not read may still have something to say.
        let all = async {
            input.write_all(&head).await?;
            input.write_all(text.as_bytes()).await?;
            input.write_all(pixels).await?;
            input.flush().await
        };
        let _: std::io::Result<()> = all.await;
        Ok(())
    };
    let read = async {
        let mut head = [0; HEAD];
        output.read_exact(&mut head).await?;
        let (mark, lengths) = head.split_at(MARK.len());
        if mark != MARK {
            return Err(Broken::Protocol("it does not begin as one"));
        }
        let [a, b, c, d, lengths @ ..] = lengths else { return Err(Broken::Protocol("its head")) };
        let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        let bytes = lengths.try_into().map_or(u64::MAX, u64::from_le_bytes);
        if length > LONGEST {
            return Err(Broken::Protocol("it is too large"));
        }
        let said: Said = serde_json::from_slice(&taken(output, length).await?)
            .map_err(|_| Broken::Protocol("its JSON cannot be read"))?;
        if !said.ok {
            let trace = said.trace.trim_end();
            let text =
                if trace.is_empty() { said.message } else { format!("{}\n{trace}", said.message) };
            return Err(Broken::Said(plain(&text, MESSAGE)));
        }
        // More than there may be is not read: what the JSON says is wrong then too, and says it better.
        let fits = bytes <= allowance.pixels;
        Ok((said, if fits { taken(output, bytes).await? } else { Vec::new() }))
    };
    let (answer, ()) = futures::try_join!(read, write)?;
    Ok(answer)
}

/// Exactly this many bytes; memory is taken as they come.
async fn taken(output: &mut Receiver, length: u64) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    output.take(length).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(Broken::Pipe) }
}

/// Hands on what a function prints, as much as is worth keeping, and reads away the rest.
async fn listen(mut errors: Receiver, log: Log) {
    let (mut kept, mut line) = (0, Vec::new());
    let mut buffer = vec![0; 8 << 10];
    let say = |line: &[u8]| {
        let shown = plain(&String::from_utf8_lossy(line), LINE);
        if !shown.is_empty() {
            log(shown);
        }
    };
    while let Ok(n @ 1..) = errors.read(&mut buffer).await {
        if kept > SAID {
            continue;
        }
        kept += n;
        for part in buffer[..n].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() > 4 * LINE {
                say(&line);
                line.clear();
            }
        }
        if kept > SAID {
            log("… what else it prints is not kept".to_owned());
            line.clear();
        }
    }
    say(&line);
}

/// Text that cannot do anything to a terminal or a log.
fn plain(text: &str, most: usize) -> String {
    let shown = text.chars().filter(|c| !c.is_control() || *c == '\n').take(most);
    shown.collect::<String>().trim_end().to_owned()
}

/// Whether a folder holds more than it may. Links are not followed.
fn is_full(folder: &Path) -> bool {
    let (mut bytes, mut entries) = (0, 0);
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(listed) = std::fs::read_dir(folder) else { continue };
        for entry in listed.flatten() {
            entries += 1;
            let Ok(own) = entry.metadata() else { continue };
            bytes += own.len();
            if own.is_dir() {
                open.push(entry.path());
            }
            if bytes > FOLDER || entries > ENTRIES {
                return true;
            }
        }
    }
    false
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(6)) => "it was aborted (signal 6)".to_owned(),
        (None, Some(9)) => "it was killed (signal 9)".to_owned(),
        (None, Some(11)) => "it crashed (signal 11)".to_owned(),
        (None, Some(24)) => "it used up its processor time (signal 24)".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "it is not known how".to_owned(),
    }
}
