//! What is known of a run while it goes on: its log and its progress, and the lease that is renewed with them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eolith_engine::events::{Cancel, Event, Level};
use eolith_graph::Issue;
use serde_json::Value;
use tracing::warn;

use super::super::{BEAT, Queue};
use super::{AttemptError, Clock};
use crate::entries;
use crate::job::{self, Change, Job, Usage};
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
    done: AtomicU64,
    tasks: AtomicU64,
    bytes: AtomicU64,
    /// Tasks of parts that are done, and of all parts together.
    parts: Mutex<(u64, u64)>,
    /// Where its results are written.
    files: PathBuf,
    /// Why it was stopped by us.
    stopped: Mutex<Option<Issue>>,
}

#[derive(Debug, Default)]
struct Log {
    next: i64,
    waiting: Vec<Logged>,
}

impl Watch {
    pub(super) fn new(job: &Job, lease: Duration, files: PathBuf) -> Watch {
        let level = job.request.get("log_level").and_then(Value::as_str).and_then(entries::level);
        Watch {
            attempt: job.attempt,
            lease,
            severity: entries::severity(level.unwrap_or(Level::Info)),
            log: Mutex::default(),
            done: AtomicU64::new(0),
            tasks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            parts: Mutex::default(),
            files,
            stopped: Mutex::default(),
        }
    }

    /// Takes an event of the run; called from any thread.
    pub(super) fn see(&self, event: &Event) {
        match event {
            Event::Planned { tasks } => {
                self.parts.lock().unwrap_or_else(PoisonError::into_inner).1 = *tasks as u64;
            }
            Event::Task { done, tasks, bytes_read } => {
                // Parts come one after the other; the count begins anew with each.
                let before = self.done.swap(*done as u64, Ordering::Relaxed);
                if (*done as u64) < before {
                    let ended = self.tasks.load(Ordering::Relaxed);
                    self.parts.lock().unwrap_or_else(PoisonError::into_inner).0 += ended;
                }
                self.tasks.store(*tasks as u64, Ordering::Relaxed);
                self.bytes.store(*bytes_read, Ordering::Relaxed);
            }
            _ => {}
        }
        if let Some((level, entry)) = entries::of_event(event) {
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

    /// Why the run was stopped, if it was not by its owner and not because the server ends.
    pub(super) fn stopped(&self) -> Option<Issue> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stop(&self, issue: Issue) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(issue);
    }

    /// Percent of the tasks.
    fn progress(&self) -> f64 {
        let (before, all) = *self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let done = before + self.done.load(Ordering::Relaxed);
        if all == 0 { 0.0 } else { 100.0 * done as f64 / all.max(done) as f64 }
    }

    /// `usage` with what the run has told so far.
    pub(super) fn usage(&self, usage: Usage) -> Usage {
        Usage {
            bytes_read: usage.bytes_read + self.bytes.load(Ordering::Relaxed),
            chunks: self.parts.lock().unwrap_or_else(PoisonError::into_inner).1,
            ..usage
        }
    }
}

impl Queue {
    /// Waits for a run, and renews its lease meanwhile. A run whose lease is lost is stopped and waited for: it may not
    /// touch anything after this.
    pub(super) async fn watched<T>(
        &self,
        job: &Job,
        watch: &Watch,
        clock: &Clock,
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
            let usage = watch.usage(clock.usage());
            let lost = match self.renew(job, watch, usage).await {
                Ok(held) => {
                    if held {
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
            if looked.elapsed() > LOOK.min(watch.lease) {
                looked = Instant::now();
                match self.outgrown(job, &watch.files).await {
                    Ok(None) => {}
                    Ok(Some(issue)) => {
                        watch.stop(issue);
                        cancel.cancel();
                        return Ok(run.await);
                    }
                    Err(error) => warn!(job = job.id, %error, "its storage is not known"),
                }
            }
        }
    }

    /// Tells the store how the run goes; whether the lease is still held.
    async fn renew(&self, job: &Job, watch: &Watch, usage: Usage) -> Result<bool, AttemptError> {
        let change = Change::Renew {
            attempt: watch.attempt,
            time: watch.lease,
            progress: watch.progress(),
            usage,
            // Files are told when all are there.
            outcome: None,
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
    fn progress_goes_over_all_parts() {
        let job = Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 0);
        let watch = Watch::new(&job, Duration::from_secs(1), PathBuf::new());
        assert_eq!(watch.progress(), 0.0);
        watch.see(&Event::Planned { tasks: 8 });
        for (done, tasks) in [(1, 4), (4, 4), (1, 4), (2, 4)] {
            watch.see(&Event::Task { done, tasks, bytes_read: 1 });
        }
        assert_eq!(watch.progress(), 75.0);
    }

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
