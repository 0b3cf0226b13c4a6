//! Batch jobs: what is kept of them, and the one function that changes a status.
//!
//! ```text
//! created ─Start─► queued ─Lease─► running ─Finish─► finished
//!    ▲               ▲ │              │ └────Fail──► error
//!    └──── Cancel ───┼─┘  ◄──Park─────┤ └──Cancel──► canceled (with results of a part), else created
//!                    └── Start: from created, finished, error and canceled; earlier results go
//! ```
//! A *run* begins each time a job is started. A *lease* is the right of one server to work on a run until some instant;
//! it is renewed while the work goes on. Every lease of a job has a higher number (its *attempt*) than the one before,
//! and who does not hold the last one cannot change anything any more: that is all that keeps a server that was
//! believed dead from doing harm. A lease that has run out is given to whoever asks next.
//!
//! Nothing here knows of the database ([`crate::store`]), of files or of the engine ([`crate::queue`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::inputs::Input;
use crate::prices::{Micros, budget};

/// How often, and for how long, a run is begun again without getting any further before it is taken for the cause.
const FRUITLESS: u32 = 5;
const FRUITLESS_TIME: Duration = Duration::from_mins(10);

/// Milliseconds since 1970 (UTC).
pub(crate) type Millis = i64;

/// This instant.
pub(crate) fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// `2026-01-31T12:00:00Z`, as openEO writes instants.
pub(crate) fn instant(millis: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Created,
    Queued,
    Running,
    Canceled,
    Finished,
    Error,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) user: String,
    /// What the client sent: `process`, `title`, … with what it means nothing to us.
    pub(crate) request: Map<String, Value>,
    pub(crate) status: Status,
    pub(crate) created: Millis,
    /// When the status changed last.
    pub(crate) updated: Millis,
    pub(crate) queued: Option<Millis>,
    pub(crate) started: Option<Millis>,
    /// When the last run ended.
    #[serde(default)]
    pub(crate) ended: Option<Millis>,
    /// When its results were removed because their time was over.
    #[serde(default)]
    pub(crate) expired: Option<Millis>,
    /// Counts how often it was started.
    pub(crate) run: i64,
    /// Counts leases over all runs.
    pub(crate) attempt: i64,
    pub(crate) lease: Option<Lease>,
    /// Leases of this run that ran out without any progress, in a row, and when the first was given.
    pub(crate) fruitless: u32,
    pub(crate) fruitless_since: Option<Millis>,
    /// Percent.
    pub(crate) progress: f64,
    #[serde(default)]
    pub(crate) usage: Usage,
    /// Results that are complete: of a job that is running or was cancelled, a part of all.
    pub(crate) outcome: Option<Outcome>,
    /// Why it failed: a log entry.
    pub(crate) failure: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The server that works.
    pub(crate) owner: String,
    pub(crate) until: Millis,
    given: Millis,
    /// The progress when it was given.
    progress: f64,
}

/// What a run took, over all its leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    /// Time that a server worked on it, in milliseconds.
    pub(crate) duration: i64,
    /// Processor time of its tasks, in milliseconds.
    pub(crate) cpu: i64,
    /// Memory that its tasks held, in bytes times milliseconds.
    pub(crate) memory: u64,
    pub(crate) bytes_read: u64,
    /// Tasks of the last attempt, and those of it that were taken over from an earlier one.
    pub(crate) chunks: u64,
    pub(crate) chunks_resumed: u64,
    /// Tasks that were begun more than once.
    pub(crate) chunks_recomputed: u64,
    /// What the owner was charged.
    pub(crate) costs: Micros,
}

/// Files that are complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The attempt whose folder they are in.
    pub(crate) attempt: i64,
    #[serde(default)]
    pub(crate) home: Home,
    pub(crate) finished: Millis,
    pub(crate) files: Vec<ResultFile>,
    /// STAC items of the results; the `href` of an asset is the name of its file.
    pub(crate) items: Vec<Value>,
    /// The dimensions of the cubes that were saved, where the items do not say them.
    #[serde(default)]
    pub(crate) dimensions: Vec<Value>,
    #[serde(default)]
    pub(crate) inputs: Vec<Input>,
}

/// Where the folders of attempts are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Home {
    /// Below the state of the server.
    #[default]
    Folder,
    /// Below this address, without settings.
    Bucket(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultFile {
    /// With slashes, relative to the folder of the results.
    pub(crate) name: String,
    pub(crate) media_type: String,
    /// A folder (Zarr) is many files; it is also sent as one archive.
    pub(crate) is_folder: bool,
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal; of a file only.
    pub(crate) sha256: Option<String>,
    /// Guesses that were made, and which value stands for no-data.
    pub(crate) notes: Vec<String>,
}

/// What can happen to a job.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Its owner changes what was sent; what is null goes.
    Edit(Map<String, Value>),
    /// Its owner wants it to run.
    Start,
    /// Its owner wants it to stop.
    Cancel,
    /// Nobody needs results any more of what ended before this.
    Expire {
        before: Millis,
    },
    /// A server wants to work on it.
    Lease {
        owner: String,
        time: Duration,
    },
    /// A server goes on.
    Renew {
        attempt: i64,
        time: Duration,
        progress: f64,
        usage: Usage,
        outcome: Option<Outcome>,
    },
    /// A server that ends gives it back.
    Park {
        attempt: i64,
        usage: Usage,
    },
    Finish {
        attempt: i64,
        usage: Usage,
        outcome: Outcome,
    },
    Fail {
        attempt: i64,
        usage: Usage,
        failure: Value,
    },
}

/// Why something cannot happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is queued or running and must not be changed.
    Locked,
    /// There is nothing to do: it is there already, or it is not the time.
    Idle,
    /// Somebody else works on it, or nobody should.
    LeaseLost,
}

/// The job after a change.
pub(crate) fn transition(job: &Job, change: Change, now: Millis) -> Result<Job, Refusal> {
    let mut next = job.clone();
    match change {
        Change::Edit(fields) => {
            if job.is_active() {
                return Err(Refusal::Locked);
            }
            for (name, value) in fields {
                if value.is_null() {
                    next.request.shift_remove(&name);
                } else {
                    next.request.insert(name, value);
                }
            }
            next.updated = now;
        }
        Change::Start => {
            if job.is_active() {
                return Err(Refusal::Idle);
            }
            next.run += 1;
            next.queued = Some(now);
            next.started = None;
            next.fruitless = 0;
            next.fruitless_since = None;
            next.progress = 0.0;
            next.usage = Usage::default();
            next.outcome = None;
            next.expired = None;
            next.failure = None;
            next.enter(Status::Queued, now);
        }
        Change::Expire { before } => {
            let over = job.ended.is_some_and(|ended| ended <= before);
            if job.is_active() || !over || job.outcome.is_none() {
                return Err(Refusal::Idle);
            }
            next.outcome = None;
            next.expired = Some(now);
        }
        Change::Cancel => {
            if !job.is_active() {
                return Err(Refusal::Idle);
            }
            let partial = job.status == Status::Running
                && job.outcome.as_ref().is_some_and(|outcome| !outcome.files.is_empty());
            next.outcome = next.outcome.filter(|_| partial);
            next.queued = None;
            next.enter(if partial { Status::Canceled } else { Status::Created }, now);
        }
        Change::Lease { owner, time } => {
            let expired = job.lease.as_ref().is_some_and(|lease| lease.until < now);
            match job.status {
                Status::Queued => {}
                Status::Running if expired => {
                    let before = job.lease.as_ref().map_or(0.0, |lease| lease.progress);
                    if job.progress > before {
                        next.fruitless = 0;
                        next.fruitless_since = None;
                    } else {
                        next.fruitless += 1;
                        next.fruitless_since.get_or_insert(job.lease_given());
                    }
                }
                _ => return Err(Refusal::Idle),
            }
            next.attempt += 1;
            let time_lost = now - next.fruitless_since.unwrap_or(now);
            if next.fruitless >= FRUITLESS && time_lost > FRUITLESS_TIME.as_millis() as i64 {
                let times = next.fruitless;
                let text = format!(
                    "the server ended {times} times while it worked on the job, which got no further; \
                     it probably takes more memory than there is"
                );
                let failure = serde_json::json!({
                    "id": "given-up", "level": "error", "code": "Internal", "message": text,
                });
                next.failure = Some(failure);
                next.enter(Status::Error, now);
                return Ok(next);
            }
            // The files of an earlier attempt go when the next one begins, which writes them again.
            next.outcome = None;
            let until = now + time.as_millis() as i64;
            if job.status != Status::Running {
                next.enter(Status::Running, now);
                next.started.get_or_insert(now);
            }
            next.lease = Some(Lease { owner, until, given: now, progress: job.progress });
        }
        Change::Renew { attempt, time, progress, usage, outcome } => {
            next.holds(attempt)?;
            if let Some(lease) = &mut next.lease {
                lease.until = now + time.as_millis() as i64;
            }
            // Everything being done is said by the status alone.
            next.progress = progress.clamp(0.0, 99.0).max(job.progress);
            next.take(usage);
            next.outcome = outcome.or(next.outcome);
        }
        Change::Park { attempt, usage } => {
            next.holds(attempt)?;
            next.take(usage);
            next.enter(Status::Queued, now);
        }
        Change::Finish { attempt, usage, outcome } => {
            next.holds(attempt)?;
            next.progress = 100.0;
            next.take(usage);
            next.outcome = Some(outcome);
            next.enter(Status::Finished, now);
        }
        Change::Fail { attempt, usage, failure } => {
            next.holds(attempt)?;
            next.take(usage);
            next.failure = Some(failure);
            next.enter(Status::Error, now);
        }
    }
    Ok(next)
}

impl Job {
    /// A new one.
    pub(crate) fn new(id: String, user: String, request: Map<String, Value>, now: Millis) -> Job {
        Job {
            id,
            user,
            request,
            status: Status::Created,
            created: now,
            updated: now,
            queued: None,
            started: None,
            ended: None,
            expired: None,
            run: 0,
            attempt: 0,
            lease: None,
            fruitless: 0,
            fruitless_since: None,
            progress: 0.0,
            usage: Usage::default(),
            outcome: None,
            failure: None,
        }
    }

    /// Whether it is queued or running.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.status, Status::Queued | Status::Running)
    }

    /// What a run of it may cost, if its owner has said so.
    pub(crate) fn budget(&self) -> Option<Micros> {
        budget(self.request.get("budget"))
    }

    /// What is charged with the change that made this of `before`. A new run begins at nothing.
    pub(crate) fn charge(&self, before: &Job) -> Micros {
        (self.usage.costs - before.usage.costs).max(0)
    }

    /// What a run has taken. Costs that were charged are not given back.
    fn take(&mut self, usage: Usage) {
        self.usage = Usage { costs: usage.costs.max(self.usage.costs), ..usage };
    }

    /// Bytes of its results.
    pub(crate) fn bytes(&self) -> u64 {
        self.outcome.as_ref().map_or(0, Outcome::bytes)
    }

    /// Whether a server that has this attempt may go on.
    pub(crate) fn is_leased(&self, attempt: i64) -> bool {
        self.status == Status::Running && self.attempt == attempt
    }

    /// When the lease that it has was given.
    fn lease_given(&self) -> Millis {
        self.lease.as_ref().map_or(self.updated, |lease| lease.given)
    }

    fn holds(&self, attempt: i64) -> Result<(), Refusal> {
        if self.is_leased(attempt) { Ok(()) } else { Err(Refusal::LeaseLost) }
    }

    fn enter(&mut self, status: Status, now: Millis) {
        self.status = status;
        self.updated = now;
        self.lease = None;
        self.ended = (!self.is_active()).then_some(now);
    }
}

impl Outcome {
    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

impl Status {
    pub(crate) const ALL: [Status; 6] = [
        Status::Created,
        Status::Queued,
        Status::Running,
        Status::Canceled,
        Status::Finished,
        Status::Error,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Canceled => "canceled",
            Status::Finished => "finished",
            Status::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests;
