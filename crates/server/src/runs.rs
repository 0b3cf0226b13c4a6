//! Which runs are under way, so that a server that ends can stop them and leave nothing behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eolith_engine::events::Cancel;
use tokio::time::{Instant, sleep};

/// The runs of all requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, Cancel>,
    /// Counts, by its clones, those who still work on a run or send its result.
    busy: Arc<()>,
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
    _count: Arc<()>,
}

impl Runs {
    pub(crate) fn start(&self) -> (Waiting, Busy, Cancel) {
        let cancel = Cancel::default();
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, cancel.clone());
        let busy = Busy { _count: Arc::clone(&state.busy) };
        drop(state);
        (Waiting { runs: self.clone(), number, cancel: cancel.clone() }, busy, cancel)
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
        Arc::strong_count(&self.lock().busy) - 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.runs.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
