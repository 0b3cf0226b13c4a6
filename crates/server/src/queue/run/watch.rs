//! What is known of a run while it goes on: its log and its progress, and the lease that is renewed with them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eolith_engine::events::{Cancel, Completed, Event, Level};
use eolith_engine::session::Input;
use eolith_graph::Issue;
use serde_json::Value;
use tracing::warn;

use super::super::{BEAT, Queue};
use super::partial::Partial;
use super::{AttemptError, Clock};
use crate::entries;
use crate::job::{self, Change, Job, Outcome, Usage};
use crate::prices::Micros;
use crate::progress::Progress;
use crate::store::{Changed, Logged};

/// How often is looked at what a run has written.
const LOOK: Duration = Duration::from_secs(10);

/// Collects what a run tells.
#[derive(Debug)]
pub(super) struct Watch {
    attempt: i64,
    lease: Duration,
    /// Less severe entries are dropped.
    severity: i64,
    log: Mutex<Log>,
    progress: Progress,
    /// Where its results are written.
    folder: PathBuf,
    /// Costs that its owner was charged, in this and in earlier attempts.
    charged: AtomicI64,
    /// Why it was stopped by us.
    stopped: Mutex<Option<Issue>>,
    pub(super) process: Value,
    files: Mutex<Files>,
}

/// Results that were completed since somebody asked, and what is read for all.
#[derive(Debug, Default)]
struct Files {
    saved: Vec<Arc<Completed>>,
    read: Arc<[Input]>,
}

#[derive(Debug, Default)]
struct Log {
    next: i64,
    waiting: Vec<Logged>,
}

impl Watch {
    pub(super) fn new(job: &Job, lease: Duration, folder: PathBuf) -> Watch {
        let level = job.request.get("log_level").and_then(Value::as_str).and_then(entries::level);
        Watch {
            attempt: job.attempt,
            lease,
            severity: entries::severity(level.unwrap_or(Level::Info)),
            log: Mutex::default(),
            progress: Progress::default(),
            folder,
            charged: AtomicI64::new(job.usage.costs),
            stopped: Mutex::default(),
            process: job.request.get("process").cloned().unwrap_or_default(),
            files: Mutex::default(),
        }
    }

    /// Results that were completed since the last call.
    pub(super) fn saved(&self) -> Vec<Arc<Completed>> {
        std::mem::take(&mut self.files().saved)
    }

    /// What the run reads.
    pub(super) fn read(&self) -> Arc<[Input]> {
        Arc::clone(&self.files().read)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event of the run; called from any thread.
    pub(super) fn see(&self, event: &Event) {
        self.progress.see(event);
        match event {
            Event::Reads(read) => self.files().read = Arc::clone(read),
            Event::Completed(saved) => self.files().saved.push(Arc::clone(saved)),
            _ => {}
        }
        if let Some((level, entry)) = entries::of_event(event, &self.process) {
            self.add(level, entry);
        }
    }

    pub(super) fn say(&self, level: Level, message: &str, more: Value) {
        self.add(level, entries::entry(level, message, more).1);
    }

    pub(super) fn add(&self, level: Level, entry: Value) {
        let level = entries::severity(level);
        if level < self.severity {
            return;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let number = log.next;
        log.next += 1;
        log.waiting.push(Logged { attempt: self.attempt, number, level, entry });
    }

    /// The entries that are not in the store yet.
    pub(super) fn take(&self) -> Vec<Logged> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }

    /// Costs that the owner was charged so far.
    pub(super) fn charged(&self) -> Micros {
        self.charged.load(Ordering::Relaxed)
    }

    /// Why the run was stopped, if it was not by its owner and not because the server ends.
    pub(super) fn stopped(&self) -> Option<Issue> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stop(&self, issue: Issue) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(issue);
    }

    /// `usage` with what the run has told so far.
    pub(super) fn usage(&self, usage: Usage) -> Usage {
        let bytes_read = usage.bytes_read + self.progress.bytes();
        let cpu = usage.cpu + self.progress.cpu().as_millis() as i64;
        let memory = usage.memory + self.progress.memory();
        Usage { cpu, memory, bytes_read, chunks: self.progress.tasks_of_all(), ..usage }
    }
}

impl Queue {
    /// Waits for a run, and renews its lease meanwhile. A run whose lease is lost is stopped and waited for: it may not
    /// touch anything after this.
    pub(super) async fn watched<T>(
        &self,
        job: &Job,
        watch: &Watch,
        (clock, mut partial): (&Clock, Partial),
        cancel: &Cancel,
        run: impl Future<Output = T>,
    ) -> Result<T, AttemptError> {
        tokio::pin!(run);
        let mut beat = tokio::time::interval(BEAT.min(watch.lease / 4));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until = job::now() + watch.lease.as_millis() as i64;
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                ended = &mut run => return Ok(ended),
                _ = beat.tick() => {}
            }
            let (usage, over) = self.priced(job, watch.usage(clock.usage()), 0);
            let outcome = partial.more(watch).await;
            let lost = match self.renew(job, watch, usage, outcome).await {
                Ok(held) => {
                    if held {
                        watch.charged.store(usage.costs, Ordering::Relaxed);
                        until = job::now() + watch.lease.as_millis() as i64;
                    }
                    !held
                }
                Err(error) => {
                    warn!(job = job.id, %error, "a lease could not be renewed");
                    job::now() >= until
                }
            };
            if lost {
                cancel.cancel();
                run.await;
                return Err(AttemptError::Lost);
            }
            let look = looked.elapsed() > LOOK.min(watch.lease);
            if look {
                looked = Instant::now();
            }
            let excess = match over {
                // It ends when its tasks and functions do, and keeps its lease until then.
                _ if watch.stopped().is_some() => Ok(None),
                Some(issue) => Ok(Some(issue)),
                None => self.excess(job, look.then_some(watch.folder.as_path())).await,
            };
            match excess {
                Ok(None) => {}
                Ok(Some(issue)) => {
                    watch.stop(issue);
                    cancel.cancel();
                }
                Err(error) => warn!(job = job.id, %error, "the account of its owner is not known"),
            }
        }
    }

    /// Tells the store how the run goes; whether the lease is still held.
    async fn renew(
        &self,
        job: &Job,
        watch: &Watch,
        usage: Usage,
        outcome: Option<Outcome>,
    ) -> Result<bool, AttemptError> {
        let change = Change::Renew {
            attempt: watch.attempt,
            time: watch.lease,
            progress: watch.progress.percent(),
            usage,
            outcome,
        };
        match self.0.store.change_job(&job.id, change, job::now()).await? {
            Changed::Done(_) => {}
            Changed::Refused(..) | Changed::Gone => return Ok(false),
        }
        let log = watch.take();
        if !log.is_empty() {
            self.0.store.add_logs(&job.id, &log).await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn the_log_takes_what_is_severe_enough() {
        let mut job = Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 0);
        job.request.insert("log_level".to_owned(), json!("WARNING"));
        let watch = Watch::new(&job, Duration::from_secs(1), PathBuf::new());
        watch.say(Level::Info, "a", json!({}));
        watch.say(Level::Warning, "b", json!({}));
        watch.say(Level::Error, "c", json!({}));
        let numbers: Vec<_> = watch.take().into_iter().map(|log| (log.number, log.level)).collect();
        assert_eq!(numbers, [(0, 2), (1, 3)]);
        assert!(watch.take().is_empty());
    }
}
