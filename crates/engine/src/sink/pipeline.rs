//! Work side by side, results in order, and never more than so many under way.
//!
//! Encoding takes longer than writing and its pieces do not depend on each other; files want them in a fixed order.
//! Nothing here waits for a lock that is held for long: whoever completes the next piece in order takes it and all
//! that are ready after it, and starts as many new ones. It runs on the pool it is called on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ScopeFifo;

use super::SinkError;
use crate::meter::{self, Meter};

/// Pieces under way at a time, for a pool: enough that no thread waits for the writer.
pub(super) fn ahead(threads: usize) -> usize {
    2 * threads.max(1)
}

/// Calls `work` for every job, at most `ahead` that are not yet taken, and `take` with each result in the order of
/// the jobs. `take` may add jobs; they come before those of the iterator that did not start.
///
/// # Errors
/// The first error in the order of the jobs. Jobs that started before it may still run to their end.
pub(super) fn run<J: Send, R: Send>(
    jobs: impl Iterator<Item = J> + Send,
    ahead: usize,
    work: impl Fn(J) -> Result<R, SinkError> + Sync,
    take: impl FnMut(R, &mut VecDeque<J>) -> Result<(), SinkError> + Send,
) -> Result<(), SinkError> {
    let state = State {
        jobs,
        more: VecDeque::new(),
        started: 0,
        taken: 0,
        done: BTreeMap::new(),
        taking: false,
        failed: None,
    };
    let meter = meter::current();
    let shared = Shared { state: Mutex::new(state), take: Mutex::new(take), work, ahead, meter };
    rayon::scope_fifo(|scope| shared.start(&mut lock(&shared.state), scope));
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), Err)
}

struct Shared<I, J, R, W, T> {
    state: Mutex<State<I, J, R>>,
    /// Locked only by the one that takes.
    take: Mutex<T>,
    work: W,
    ahead: usize,
    /// Counts the work on all threads.
    meter: Option<Meter>,
}

struct State<I, J, R> {
    jobs: I,
    more: VecDeque<J>,
    started: usize,
    taken: usize,
    /// What is done and not taken, by number.
    done: BTreeMap<usize, Result<R, SinkError>>,
    taking: bool,
    failed: Option<SinkError>,
}

impl<I, J, R, W, T> Shared<I, J, R, W, T>
where
    I: Iterator<Item = J> + Send,
    J: Send,
    R: Send,
    W: Fn(J) -> Result<R, SinkError> + Sync,
    T: FnMut(R, &mut VecDeque<J>) -> Result<(), SinkError> + Send,
{
    /// Starts jobs until as many as allowed are under way.
    fn start<'s>(&'s self, state: &mut State<I, J, R>, scope: &ScopeFifo<'s>) {
        while state.failed.is_none() && state.started - state.taken < self.ahead.max(1) {
            let Some(job) = state.more.pop_front().or_else(|| state.jobs.next()) else { return };
            let number = state.started;
            state.started += 1;
            scope.spawn_fifo(move |scope| self.work(number, job, scope));
        }
    }

    fn work<'s>(&'s self, number: usize, job: J, scope: &ScopeFifo<'s>) {
        let _running = meter::enter(self.meter.as_ref());
        let result = (self.work)(job);
        let mut state = lock(&self.state);
        state.done.insert(number, result);
        if state.taking {
            return;
        }
        state.taking = true;
        while let Some(result) = {
            let next = state.taken;
            state.done.remove(&next)
        } {
            state.taken += 1;
            if state.failed.is_some() {
                continue;
            }
            drop(state);
            let mut more = VecDeque::new();
            let outcome = result.and_then(|result| lock(&self.take)(result, &mut more));
            state = lock(&self.state);
            state.more.append(&mut more);
            state.failed = outcome.err();
            self.start(&mut state, scope);
        }
        state.taking = false;
    }
}

/// A panic elsewhere is passed on by the pool.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn slow_if(condition: bool) {
        if condition {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn results_come_in_order_and_few_are_under_way() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut taken = Vec::new();
        pool.install(|| {
            let work = |job: usize| {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                slow_if(job.is_multiple_of(5));
                Ok(job)
            };
            run(0..100, 6, work, |job, more| {
                open.fetch_sub(1, Ordering::SeqCst);
                taken.push(job);
                if job < 100 && job % 10 == 9 {
                    more.push_back(1000 + job);
                }
                Ok(())
            })
            .unwrap();
        });
        assert!(most.into_inner() <= 6);
        let (added, own): (Vec<usize>, Vec<usize>) = taken.iter().partition(|&&job| job >= 1000);
        assert_eq!(own, (0..100).collect::<Vec<_>>());
        assert_eq!(added, (0..10).map(|n| 1009 + 10 * n).collect::<Vec<_>>());
        // Nine was taken while fourteen at most had started: what it added is the next that starts.
        let place = taken.iter().position(|&job| job == 1009).unwrap();
        assert_eq!(place, 15);
    }

    #[test]
    fn the_first_error_in_order_ends_it() {
        fn fail<T>(n: usize) -> Result<T, SinkError> {
            Err(SinkError::Read(n.to_string()))
        }
        let mut taken = 0;
        let work = |job: usize| {
            slow_if(job == 20);
            if job >= 20 { fail(job) } else { Ok(job) }
        };
        let error = run(0..1000, 8, work, |_, _| {
            taken += 1;
            Ok(())
        });
        assert!(matches!(error, Err(SinkError::Read(n)) if n == "20"));
        assert_eq!(taken, 20);
        let error = run(0..1000, 8, Ok, |job, _| if job == 7 { fail(job) } else { Ok(()) });
        assert!(matches!(error, Err(SinkError::Read(n)) if n == "7"));
    }
}
