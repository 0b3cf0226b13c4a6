//! How far a run is, from the events it tells. Its parts come one after the other, and each counts from the beginning.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eolith_engine::events::Event;

/// How far a run is.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Parts>);

#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// Whether a plan was made.
    planned: bool,
    /// Tasks of all parts.
    all: u64,
    /// Tasks and bytes of the parts that are done.
    tasks_before: u64,
    bytes_before: u64,
    /// Of the part that goes on.
    done: u64,
    tasks: u64,
    bytes: u64,
    /// Processor time of the whole run, and memory that it held, in bytes times milliseconds.
    cpu: Duration,
    memory: u64,
}

impl Progress {
    /// Takes an event of the run; called from any thread.
    pub(crate) fn see(&self, event: &Event) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { tasks } => {
                let Parts { cpu, memory, .. } = *parts;
                let bytes_before = parts.bytes_before + parts.bytes;
                let all = *tasks as u64;
                *parts =
                    Parts { planned: true, all, bytes_before, cpu, memory, ..Parts::default() };
            }
            Event::Task { done, tasks, bytes_read, cpu, memory } => {
                (parts.cpu, parts.memory) = (*cpu, *memory);
                let (done, tasks) = (*done as u64, *tasks as u64);
                if done <= parts.done || tasks != parts.tasks || *bytes_read < parts.bytes {
                    parts.tasks_before += parts.tasks;
                    parts.bytes_before += parts.bytes;
                }
                (parts.done, parts.tasks, parts.bytes) = (done, tasks, *bytes_read);
            }
            _ => {}
        }
    }

    /// Whether anything is computed yet.
    pub(crate) fn is_planned(&self) -> bool {
        self.parts().planned
    }

    /// Percent of the tasks.
    pub(crate) fn percent(&self) -> f64 {
        let Parts { all, tasks_before, done, .. } = self.parts();
        let done = tasks_before + done;
        if all == 0 { 0.0 } else { 100.0 * done as f64 / all.max(done) as f64 }
    }

    /// Tasks of the plan.
    pub(crate) fn tasks_of_all(&self) -> u64 {
        self.parts().all
    }

    /// Bytes that were read so far.
    pub(crate) fn bytes(&self) -> u64 {
        let Parts { bytes_before, bytes, .. } = self.parts();
        bytes_before + bytes
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.parts().cpu
    }

    /// Memory that was held so far, in bytes times milliseconds.
    pub(crate) fn memory(&self) -> u64 {
        self.parts().memory
    }

    fn parts(&self) -> Parts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_over_all_parts() {
        let progress = Progress::default();
        assert!(progress.percent() == 0.0 && !progress.is_planned());
        progress.see(&Event::Planned { tasks: 8 });
        for (done, tasks, bytes_read) in [(1, 3, 10), (3, 3, 30), (1, 1, 5), (1, 4, 7), (2, 4, 9)] {
            progress.see(&Event::Task { done, tasks, bytes_read, cpu: Duration::ZERO, memory: 0 });
        }
        assert_eq!((progress.percent(), progress.bytes(), progress.tasks_of_all()), (75.0, 44, 8));
        // What the plan depends on was computed; another one follows.
        progress.see(&Event::Planned { tasks: 2 });
        progress.see(&Event::Task {
            done: 1,
            tasks: 2,
            bytes_read: 6,
            cpu: Duration::ZERO,
            memory: 0,
        });
        assert_eq!((progress.percent(), progress.bytes(), progress.tasks_of_all()), (50.0, 50, 2));
    }
}
