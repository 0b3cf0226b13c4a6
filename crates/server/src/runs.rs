//! Which synchronous runs are under way, so that a server that ends can stop them and leave nothing behind; and the logs
//! of the last ones, which go with the server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eolith_engine::events::{Cancel, Level};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::entries;
use crate::store::Logged;

/// Runs whose logs are kept.
const LOGS: usize = 200;
/// Entries of one run that are kept.
const ENTRIES: usize = 500;

/// The runs of all requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, Cancel>,
    /// Runs that are computed or sent.
    busy: usize,
    /// How many of them are requests of a user that are not computed yet.
    requests: BTreeMap<String, u64>,
    /// The oldest first.
    logs: VecDeque<Arc<Log>>,
}

/// The log of a run.
#[derive(Debug)]
pub(crate) struct Log {
    id: String,
    user: String,
    severity: i64,
    entries: Mutex<Vec<Logged>>,
}

/// A client that waits for a run. Dropped, it cancels the run.
#[derive(Debug)]
pub(crate) struct Waiting {
    runs: Runs,
    number: u64,
    cancel: Cancel,
}

/// A worker that must end before the server may.
#[derive(Debug)]
pub(crate) struct Busy {
    runs: Runs,
    /// Whose request it is, if it counts.
    user: Option<String>,
}

impl Runs {
    /// Begins a run that is no request of a user: for a map.
    pub(crate) fn start(&self) -> (Waiting, Busy, Cancel) {
        self.begin(&mut self.lock(), None)
    }

    /// Begins a request of a user, unless `most` are under way already.
    pub(crate) fn start_request(
        &self,
        user: &str,
        most: Option<u64>,
    ) -> Option<(Waiting, Busy, Cancel)> {
        let mut state = self.lock();
        let count = state.requests.entry(user.to_owned()).or_default();
        if most.is_some_and(|most| *count >= most) {
            return None;
        }
        *count += 1;
        Some(self.begin(&mut state, Some(user.to_owned())))
    }

    fn begin(&self, state: &mut State, user: Option<String>) -> (Waiting, Busy, Cancel) {
        let cancel = Cancel::default();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, cancel.clone());
        state.busy += 1;
        let busy = Busy { runs: self.clone(), user };
        (Waiting { runs: self.clone(), number, cancel: cancel.clone() }, busy, cancel)
    }

    /// A log for a run of a user, which takes entries of this level and more severe ones.
    pub(crate) fn log(&self, id: String, user: String, level: Level) -> Arc<Log> {
        let severity = entries::severity(level);
        let log = Arc::new(Log { id, user, severity, entries: Mutex::default() });
        let mut state = self.lock();
        if state.logs.len() >= LOGS {
            state.logs.pop_front();
        }
        state.logs.push_back(Arc::clone(&log));
        log
    }

    /// The log of a run of the user.
    pub(crate) fn find_log(&self, user: &str, id: &str) -> Option<Arc<Log>> {
        self.lock().logs.iter().find(|log| log.id == id && log.user == user).cloned()
    }

    /// Cancels everything and waits until it has ended, at most for `time`.
    pub(crate) async fn stop(&self, time: Duration) {
        for cancel in self.lock().waiting.values() {
            cancel.cancel();
        }
        let end = Instant::now() + time;
        while self.busy() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs that are computed or sent.
    pub(crate) fn busy(&self) -> usize {
        self.lock().busy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn add(&self, level: Level, entry: Value) {
        let level = entries::severity(level);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if level >= self.severity && entries.len() < ENTRIES {
            let number = entries.len() as i64;
            entries.push(Logged { attempt: 1, number, level, entry });
        }
    }

    /// At most `limit` entries of this level and more severe ones, after the given place.
    pub(crate) fn entries(&self, after: (i64, i64), level: i64, limit: i64) -> Vec<Logged> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted =
            entries.iter().filter(|log| log.level >= level && (log.attempt, log.number) > after);
        wanted.take(limit as usize).cloned().collect()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.runs.lock().waiting.remove(&self.number);
    }
}

impl Busy {
    /// Everything is computed: the next request of the user may come while the result is sent.
    pub(crate) fn computed(&mut self) {
        let Some(user) = self.user.take() else { return };
        let mut state = self.runs.lock();
        if let Some(count) = state.requests.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                state.requests.remove(&user);
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.computed();
        self.runs.lock().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_the_last_runs_are_kept_for_their_users() {
        let runs = Runs::default();
        let log = runs.log("a".to_owned(), "ada".to_owned(), Level::Info);
        log.add(Level::Debug, Value::Null);
        for _ in 0..3 {
            log.add(Level::Warning, Value::Null);
        }
        let found = runs.find_log("ada", "a").unwrap();
        assert_eq!(found.entries((-1, -1), 0, 10).len(), 3);
        assert_eq!(found.entries((1, 0), 0, 10).len(), 2);
        assert_eq!(found.entries((-1, -1), 3, 10).len(), 0);
        assert!(runs.find_log("bob", "a").is_none());
        for i in 0..LOGS {
            runs.log(i.to_string(), "ada".to_owned(), Level::Info);
        }
        assert!(runs.find_log("ada", "a").is_none());
    }

    #[tokio::test]
    async fn who_stops_waiting_cancels_and_the_end_cancels_all() {
        let runs = Runs::default();
        let (waiting, busy, cancel) = runs.start();
        let (_other, _busy, other_cancel) = runs.start();
        assert_eq!(runs.busy(), 2);
        drop(waiting);
        assert!(cancel.is_cancelled() && !other_cancel.is_cancelled());
        drop(busy);
        runs.stop(Duration::from_millis(20)).await;
        assert!(other_cancel.is_cancelled());
        assert_eq!(runs.busy(), 1);
    }

    #[test]
    fn a_user_has_so_many_runs_at_a_time() {
        let runs = Runs::default();
        let first = runs.start_request("ada", Some(2)).unwrap();
        let (_waiting, busy, _cancel) = runs.start_request("ada", Some(2)).unwrap();
        assert!(runs.start_request("ada", Some(2)).is_none());
        assert!(
            runs.start_request("bob", Some(2)).is_some()
                && runs.start_request("ada", None).is_some()
        );
        drop(busy);
        assert!(runs.start_request("ada", Some(2)).is_some());
        let (_waiting, mut sending, _cancel) = first;
        sending.computed();
        assert_eq!((runs.busy(), runs.lock().requests.len()), (1, 0));
        drop(sending);
        assert_eq!(runs.busy(), 0);
        assert!(runs.lock().requests.is_empty());
    }
}
