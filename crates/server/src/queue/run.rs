//! One attempt at a job: from its process to files, log and outcome.

mod partial;
mod results;
mod stop;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use eolith_engine::events::{Cancel, Event, Level, Listener};
use eolith_engine::session::{Report, Target, json_text};
use eolith_graph::{Code, Issue, NodePath, Process};
use serde_json::{Value, json};
use thiserror::Error;
use tracing::{Instrument, error, info_span};

use super::Queue;
use crate::entries;
use crate::folders::Attempt;
use crate::inputs;
use crate::job::{self, Change, Job, Outcome, Usage};
use crate::places::Places;
use crate::results::ResultsError;
use crate::store::{Changed, StoreError};
use partial::Partial;
use results::Known;
use watch::Watch;

/// The value of a run that wrote no file.
const VALUE: &str = "result.json";
/// How soon results that are being sent notice that nobody wants them.
const STOP: Duration = Duration::from_millis(100);

/// Why an attempt was not brought to its end; nothing that the owner of the job has to know.
#[derive(Debug, Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its folder cannot be used: {0}")]
    Folder(#[from] std::io::Error),
    #[error("somebody else has it")]
    Lost,
}

impl Queue {
    /// Works on a job until it is finished, has failed, was cancelled or this server ends.
    pub(super) async fn attempt(&self, job: Job, cancel: &Cancel) -> Result<(), AttemptError> {
        let attempt = self.0.results.begin(&job).await?;
        let watch = Arc::new(Watch::new(&job, self.0.limits.lease, attempt.files.clone()));
        let log: Listener = {
            let watch = Arc::clone(&watch);
            Arc::new(move |event| watch.see(&event))
        };
        let clock = Clock::start(job.usage);
        let span = info_span!("job", id = job.id, attempt = job.attempt);
        let known = Known::default();
        let partial = Partial::new(job.attempt, attempt.clone(), known.clone());
        let run = Box::pin(self.compute(&job, (&attempt, known), &log, cancel)).instrument(span);
        let ended = self.watched(&job, &watch, (&clock, partial), cancel, run).await?;
        let mut stopped = watch.stopped();
        let usage = watch.usage(clock.usage());
        let usage = match &ended {
            Ok((report, _)) => Usage {
                cpu: clock.before.cpu + report.cpu.as_millis() as i64,
                memory: clock.before.memory + report.memory,
                bytes_read: clock.before.bytes_read + report.bytes_read,
                chunks: report.tasks as u64,
                chunks_resumed: report.resumed as u64,
                chunks_recomputed: report.recomputed as u64,
                ..usage
            },
            Err(_) => usage,
        };
        let results = ended.as_ref().ok().filter(|_| stopped.is_none());
        let results = results.map(|(_, outcome)| outcome.bytes());
        let (usage, over) = self.settled(&job, usage, results, watch.charged()).await?;
        stopped = stopped.or(over);
        let ended = stopped.clone().map_or(ended, |issue| Err(vec![issue]));
        let change = match ended {
            Ok((_, files)) => {
                watch.say(Level::Info, "the job is finished", json!({"usage": shown(&usage)}));
                let attempt = job.attempt;
                let outcome = Outcome { attempt, finished: job::now(), ..files };
                Change::Finish { attempt, usage, outcome }
            }
            // It was stopped, and not by its owner: somebody goes on with it.
            Err(_)
                if stopped.is_none() && cancel.is_cancelled() && self.0.ending.is_cancelled() =>
            {
                watch.say(Level::Info, "the server ends; the job goes on later", json!({}));
                Change::Park { attempt: job.attempt, usage }
            }
            Err(_) if stopped.is_none() && cancel.is_cancelled() => return Ok(()),
            Err(issues) => {
                for issue in &issues {
                    watch.add(Level::Error, entries::of_issue(issue, &watch.process));
                }
                let failure = issues
                    .first()
                    .map_or(Value::Null, |issue| entries::of_issue(issue, &watch.process));
                Change::Fail { attempt: job.attempt, usage, failure }
            }
        };
        self.0.store.add_logs(&job.id, &watch.take()).await?;
        match self.0.store.change_job(&job.id, change, job::now()).await? {
            Changed::Done(_) => Ok(()),
            Changed::Refused(..) | Changed::Gone => Err(AttemptError::Lost),
        }
    }

    /// Runs the process of the job; gives its results with their files described.
    async fn compute(
        &self,
        job: &Job,
        (attempt, known): (&Attempt, Known),
        log: &Listener,
        cancel: &Cancel,
    ) -> Result<(Report, Outcome), Vec<Issue>> {
        let process = process(job)?;
        let internal =
            |reason: String| vec![Issue::new(Code::INTERNAL, NodePath::default(), reason)];
        let allowed = |refused: Result<Option<Issue>, StoreError>| {
            let refused = refused.map_err(|error| internal(error.to_string()))?;
            refused.map_or(Ok(()), |issue| Err(vec![issue]))
        };
        allowed(self.refused(job).await)?;
        let places = self.places(job).await.map_err(|error| internal(error.to_string()))?;
        let level = job.request.get("log_level").and_then(Value::as_str);
        let session = self.0.session.as_ref().clone();
        let session = session.with_workspace(Arc::new(places)).kept_in(attempt.kept.clone());
        let session = session.logging(level.and_then(entries::level).unwrap_or(Level::Info));
        let target = Target::CubeFolder(attempt.files.clone());
        let report = session.run(&process, &target, log, cancel).await?;
        let (files, given, inputs) =
            (attempt.files.clone(), report.clone(), attempt.inputs.clone());
        let described = tokio::task::spawn_blocking(move || {
            if let ([], Some(value)) = (given.outputs.as_slice(), &given.value) {
                std::fs::write(files.join(VALUE), json_text(value))?;
            }
            inputs::write(&inputs, &given.inputs)?;
            results::describe(&files, &given, &known)
        });
        let described = described.await.map_err(|error| internal(error.to_string()))?;
        let outcome =
            described.map_err(|error| internal(format!("the results cannot be read: {error}")))?;
        allowed(self.too_large(job, outcome.bytes()).await)?;
        Ok((report, self.kept(job, attempt, outcome, log, cancel).await?))
    }

    /// The results of a run, brought to where they stay.
    async fn kept(
        &self,
        job: &Job,
        attempt: &Attempt,
        outcome: Outcome,
        log: &Listener,
        cancel: &Cancel,
    ) -> Result<Outcome, Vec<Issue>> {
        let say = |text: String| log(Event::Note(text));
        let kept = tokio::select! {
            kept = self.0.results.keep(job, attempt, outcome, &say) => kept,
            () = cancelled(cancel) => return Err(Vec::new()),
        };
        kept.map_err(|failure| {
            // Names of buckets and files of this machine are the operator's business.
            error!(%failure, "results could not be kept");
            let message = match &failure {
                ResultsError::Bucket(failure) if failure.is_away() => {
                    "the results are computed, but the object store of the server was away for too long to keep them"
                }
                _ => "the results are computed, but the server could not keep them",
            };
            let issue = Issue::new(Code::STORAGE_FAILURE, NodePath::default(), message);
            vec![issue.hint("start the job again later; the log of the server says what is wrong")]
        })
    }

    async fn places(&self, job: &Job) -> Result<Places, StoreError> {
        let root = self.0.homes.of(&job.user);
        let process = job.request.get("process").unwrap_or(&Value::Null);
        let known = (&self.0.store, &self.0.accounts);
        Places::open(root, &job.user, process, known, &self.0.results).await
    }
}

/// Ends when somebody stops the run.
async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(STOP).await;
    }
}

/// What was sent, as a process.
fn process(job: &Job) -> Result<Process, Vec<Issue>> {
    let given = job.request.get("process").cloned().unwrap_or_default();
    match eolith_graph::parse_value(given) {
        (Some(process), issues) if issues.is_empty() => Ok(process),
        (_, issues) => Err(issues),
    }
}

/// What a run took, as clients read it.
pub(crate) fn shown(usage: &Usage) -> Value {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    json!({
        "duration": {"value": seconds(usage.duration), "unit": "seconds"},
        "cpu": {"value": seconds(usage.cpu), "unit": "cpu-seconds"},
        "memory": {"value": usage.memory as f64 / 1e9, "unit": "mb-seconds"},
        "input_bytes": {"value": usage.bytes_read, "unit": "bytes"},
        "chunks": {"value": usage.chunks, "unit": "chunks"},
        "chunks_resumed": {"value": usage.chunks_resumed, "unit": "chunks"},
        "chunks_recomputed": {"value": usage.chunks_recomputed, "unit": "chunks"},
    })
}

/// Time of an attempt, on top of what earlier ones took.
#[derive(Debug)]
struct Clock {
    before: Usage,
    started: Instant,
}

impl Clock {
    fn start(before: Usage) -> Clock {
        Clock { before, started: Instant::now() }
    }

    fn usage(&self) -> Usage {
        let duration = self.before.duration + self.started.elapsed().as_millis() as i64;
        Usage { duration, ..self.before }
    }
}
