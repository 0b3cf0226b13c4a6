//! Processor time of this process's threads, by what it was spent on.
//!
//! Threads of the CPU pool take up work of other tasks in the middle of their own, so that the time between two
//! readings of a thread's clock belongs to several. A [`Meter`] that is entered stops the one that was running on the
//! thread until it is left again: every moment is counted once. Work that goes to other threads of the pool takes the
//! meter along ([`current`]). Clocks are read a few times a task and a chunk, never for single pixels.
//!
//! Not measured: the async threads, on which bytes from the network arrive.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A sum of processor time.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

/// A meter that runs on this thread until this is dropped.
#[derive(Debug)]
#[must_use = "it runs until it is dropped"]
pub struct Running {
    /// Threads have clocks of their own.
    thread: PhantomData<*const ()>,
}

#[derive(Default)]
struct Thread {
    /// The last one runs, the others wait for it.
    entered: Vec<Meter>,
    /// What the thread's clock showed when it began to run.
    since: u64,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

tokio::task_local! {
    /// The meter of an async task, for the work that it gives to blocking threads.
    static TASK: Meter;
}

impl Meter {
    pub fn enter(&self) -> Running {
        THREAD.with_borrow_mut(|thread| {
            thread.count();
            thread.entered.push(self.clone());
        });
        Running { thread: PhantomData }
    }

    /// What was counted so far; what runs is counted when it stops.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// The meter of blocking work that a future starts.
    pub async fn around<F: Future>(self, work: F) -> F::Output {
        TASK.scope(self, work).await
    }
}

/// The meter that runs on this thread.
pub fn current() -> Option<Meter> {
    THREAD.with_borrow(|thread| thread.entered.last().cloned())
}

/// The meter of the async task.
pub fn of_task() -> Option<Meter> {
    TASK.try_with(Meter::clone).ok()
}

/// Runs a meter if there is one.
pub fn enter(meter: Option<&Meter>) -> Option<Running> {
    meter.map(Meter::enter)
}

impl Drop for Running {
    fn drop(&mut self) {
        THREAD.with_borrow_mut(|thread| {
            thread.count();
            thread.entered.pop();
        });
    }
}

impl Thread {
    /// Gives the time since the last reading to the meter that runs.
    fn count(&mut self) {
        let now = clock();
        if let Some(running) = self.entered.last() {
            running.0.fetch_add(now.saturating_sub(self.since), Ordering::Relaxed);
        }
        self.since = now;
    }
}

/// Processor time of this thread in nanoseconds.
fn clock() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps this thread's processor busy.
    fn work(time: Duration) {
        let end = clock() + u64::try_from(time.as_nanos()).unwrap();
        while clock() < end {}
    }

    #[test]
    fn a_moment_is_counted_once() {
        let (outer, inner) = (Meter::default(), Meter::default());
        let time = Duration::from_millis(10);
        {
            let _outer = outer.enter();
            work(time);
            {
                let _inner = inner.enter();
                assert!(current().is_some());
                work(3 * time);
            }
            work(time);
            // Nobody works.
            std::thread::sleep(3 * time);
        }
        work(time);
        assert!(current().is_none());
        let near = |meter: &Meter, expected: Duration| {
            meter.time() >= expected && meter.time() < expected + time
        };
        assert!(near(&outer, 2 * time), "{:?}", outer.time());
        assert!(near(&inner, 3 * time), "{:?}", inner.time());
    }

    #[tokio::test]
    async fn blocking_work_has_the_meter_of_its_task() {
        let meter = Meter::default();
        let started = async { of_task().is_some() };
        assert!(meter.around(started).await);
        assert!(of_task().is_none());
    }
}
