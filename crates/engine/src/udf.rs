//! Functions of users: Python in processes of its own, inside a sandbox.
//!
//! ```text
//! plan::need::Need::Udf ─► Host::outcome   a made-up cell: what comes out, as type, dimensions and labels
//! stage of a plan       ─► Host::pool ─► Pool::call   a cell's pixels in, pixels out
//!                            worker    the process and the protocol      python    which interpreter
//!                            sandbox   files, rights, limits             syscalls  what it may call
//! ```
//! A process is used again for cells of the same function and ends with its stage. Numbers go in as floating point (as
//! `f32` where that holds every value, else as `f64`: integers above 2⁵³ lose digits), no-data as NaN; NaN that comes back
//! is no-data.

mod cells;
mod python;
mod sandbox;
mod syscalls;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eolith_cube::{Block, DType, Region, Schema};
use eolith_plan::need::Answer;
use eolith_plan::udf::{Outcome, Udf, describe};
use eolith_plan::value::Fault;
use serde_json::{Value as Json, json};

use self::python::Python;
use self::sandbox::Sandbox;
use self::worker::{Allowance, Log, Trouble, Worker};
use crate::events::{Cancel, Event, Listener};
use crate::scratch::space::Space;

/// The only runtime.
const RUNTIME: &str = "Python";

/// Memory of an interpreter with its libraries, before a function takes any.
pub const INTERPRETER: u64 = 128 << 20;

/// Answers that are remembered, so that validating and running a process asks once.
const REMEMBERED: usize = 64;

/// How functions are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interpreter; `python3` if `None`.
    pub python: Option<PathBuf>,
    /// Bytes a function may take besides the interpreter; an eighth of the session's memory if `None`.
    pub memory: Option<u64>,
    /// How long a cell may take.
    pub time: Duration,
}

/// A runtime as `GET /udf_runtimes` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    pub name: &'static str,
    /// Versions that a process may name, the default first.
    pub versions: Vec<String>,
    pub libraries: BTreeMap<String, String>,
}

/// What runs functions.
#[derive(Debug)]
pub struct Host {
    python: Python,
    sandbox: Sandbox,
    memory: u64,
    time: Duration,
    space: Arc<Space>,
    known: Mutex<BTreeMap<Question, Arc<Outcome>>>,
}

type Question = (Arc<Udf>, Arc<str>, DType);

/// The processes of one stage.
pub struct Pool {
    host: Arc<Host>,
    udf: Arc<Udf>,
    idle: Mutex<Vec<Worker>>,
    log: Log,
}

/// Why a cell has no pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum CellError {
    Fault(Fault),
    Cancelled,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { python: None, memory: None, time: Duration::from_mins(1) }
    }
}

impl Host {
    /// Looks for the interpreter and tries the sandbox. `memory` is what a function may take.
    ///
    /// # Errors
    /// Why functions cannot be run here, for operators.
    pub async fn open(settings: &Settings, memory: u64, space: Arc<Space>) -> Result<Host, String> {
        let python = Python::ask(settings.python.as_deref()).await?;
        let sandbox = Sandbox::new(&python)?;
        let memory = settings.memory.unwrap_or(memory);
        let (time, known) = (settings.time, Mutex::default());
        let host = Host { python, sandbox, memory, time, space, known };
        match host.start(quiet()).await {
            Ok(_) => Ok(host),
            Err(Trouble::Function(reason) | Trouble::Result(reason)) => Err(reason),
            Err(Trouble::Cancelled) => Err("the trial was cancelled".to_owned()),
        }
    }

    /// What a process may name.
    pub fn runtime(&self) -> Runtime {
        let parts: Vec<&str> = self.python.version.split('.').collect();
        let versions = (1..=parts.len()).rev().map(|n| parts[..n].join(".")).collect();
        Runtime { name: RUNTIME, versions, libraries: self.python.libraries.clone() }
    }

    /// What comes out of a function, found by running it on a made-up cell.
    pub async fn outcome(&self, udf: &Arc<Udf>, cell: &Arc<str>, dtype: DType) -> Answer {
        let question = (Arc::clone(udf), Arc::clone(cell), dtype);
        if let Some(known) =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&question)
        {
            return Answer::Udf(Arc::clone(known));
        }
        if let Err(fault) = self.check(udf) {
            return Answer::Fault(fault);
        }
        match self.probe(udf, cell, dtype).await {
            Ok(outcome) => {
                let outcome = Arc::new(outcome);
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(question, Arc::clone(&outcome));
                Answer::Udf(outcome)
            }
            Err(trouble) => Answer::Fault(fault(trouble, udf)),
        }
    }

    /// Processes for a stage. What the function prints goes to the listener.
    pub fn pool(self: &Arc<Host>, udf: &Arc<Udf>, listener: &Listener) -> Pool {
        let listener = Arc::clone(listener);
        let log: Log = Arc::new(move |line| {
            tracing::info!(line, "a UDF printed");
            listener(Event::Note(format!("the UDF says: {line}")));
        });
        Pool { host: Arc::clone(self), udf: Arc::clone(udf), idle: Mutex::default(), log }
    }

    /// Runtime and version of a function.
    ///
    /// # Errors
    /// `InvalidRuntime`, `InvalidVersion`.
    pub fn check(&self, udf: &Udf) -> Result<(), Fault> {
        let own = self.runtime();
        if !udf.runtime.eq_ignore_ascii_case(own.name) {
            let message = format!("there is no runtime `{}`, only `{}`", udf.runtime, own.name);
            return Err(Fault::new("InvalidRuntime", message));
        }
        match &udf.version {
            Some(version) if !own.versions.contains(version) => {
                let message = format!(
                    "{RUNTIME} is not there in version `{version}`, only in {}",
                    self.python.version
                );
                Err(Fault::new("InvalidVersion", message))
            }
            _ => Ok(()),
        }
    }

    async fn probe(&self, udf: &Udf, cell: &str, dtype: DType) -> Result<Outcome, Trouble> {
        let cell = serde_json::from_str(cell).unwrap_or_default();
        let mut request = request(udf, cell, dtype, self.seconds());
        request["synthetic"] = true.into();
        let allowance = Allowance { time: self.time, pixels: 0 };
        let mut worker = self.start(quiet()).await?;
        let (said, _) = worker.call(&request, &[], allowance, &Cancel::default()).await?;
        cells::outcome(said).map_err(Trouble::Result)
    }

    async fn start(&self, log: Log) -> Result<Worker, Trouble> {
        let parent = self.space.folder();
        let parent =
            parent.map_err(|error| Trouble::Function(format!("no scratch folder: {error}")))?;
        Worker::start(&self.sandbox, &parent, self.memory, log).await
    }

    /// Seconds of a processor that a call may use; threads add up.
    fn seconds(&self) -> u64 {
        self.time.as_secs().saturating_mul(4).max(1)
    }

    /// Bytes that one call holds, interpreter included.
    pub fn memory(&self) -> u64 {
        self.memory.saturating_add(INTERPRETER)
    }
}

impl Pool {
    /// The pixels of one cell: `block` is `region` of the function's input; what comes back has this type and shape.
    ///
    /// # Errors
    /// What the function ends with, and results that differ from what was planned.
    pub async fn call(
        &self,
        input: &Schema,
        region: &Region,
        block: Block,
        wanted: (&Schema, &Region),
        cancel: &Cancel,
    ) -> Result<Block, CellError> {
        let failed = |trouble| match trouble {
            Trouble::Cancelled => CellError::Cancelled,
            other => CellError::Fault(fault(other, &self.udf)),
        };
        let cell = describe(input, region).unwrap_or_default();
        let mut request = request(&self.udf, cell, input.dtype(), self.host.seconds());
        let (result, region) = wanted;
        let order: Vec<&str> = result.dims.iter().map(|dim| dim.name.as_str()).collect();
        request["order"] = json!(order);
        let expected = cells::Expected { dtype: result.dtype(), shape: region.shape(), order };
        let allowance = Allowance { time: self.host.time, pixels: expected.bytes() };
        let pixels = cells::handed_over(block, input.dtype());
        let mut worker = match self.take() {
            Some(worker) => worker,
            None => self.host.start(Arc::clone(&self.log)).await.map_err(failed)?,
        };
        let answer = worker.call(&request, &pixels, allowance, cancel).await.map_err(failed)?;
        drop(pixels);
        let block = expected.block(answer).map_err(Trouble::Result).map_err(failed)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(block)
    }

    fn take(&self) -> Option<Worker> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool of {}", self.udf.digest())
    }
}

/// What a call says besides pixels.
fn request(udf: &Udf, mut cell: Json, dtype: DType, seconds: u64) -> Json {
    use eolith_plan::udf::Role;
    let context: Json = serde_json::from_str(&udf.context).unwrap_or_default();
    let axis = match udf.role {
        Role::Along(dim) | Role::Reduce(dim) => cell["dims"][dim]["name"].clone(),
        Role::Apply | Role::Whole => Json::Null,
    };
    if let (Role::Apply | Role::Along(_), Some(dims)) = (udf.role, cell["dims"].as_array()) {
        let order: Vec<Json> = dims.iter().map(|dim| dim["name"].clone()).collect();
        cell["order"] = order.into();
    }
    if let (Role::Reduce(gone), Some(dims)) = (udf.role, cell["dims"].as_array()) {
        let kept = dims.iter().enumerate().filter(|(d, _)| *d != gone);
        let order: Vec<Json> = kept.map(|(_, dim)| dim["name"].clone()).collect();
        cell["order"] = order.into();
    }
    cell["code"] = udf.code.as_ref().into();
    cell["context"] = context;
    cell["dtype"] = cells::name(cells::handed(dtype)).into();
    cell["axis"] = axis;
    cell["synthetic"] = false.into();
    cell["seconds"] = seconds.into();
    cell
}

fn quiet() -> Log {
    Arc::new(|line| tracing::info!(line, "a UDF printed"))
}

fn fault(trouble: Trouble, udf: &Udf) -> Fault {
    match trouble {
        Trouble::Function(message) => {
            Fault::new("UdfExecutionFailed", format!("the UDF {} failed: {message}", udf.digest()))
        }
        Trouble::Result(message) => Fault::new("UdfResultInvalid", message),
        Trouble::Cancelled => Fault::new("UdfExecutionFailed", "the run was cancelled"),
    }
}
