//! The thread that brings pixels and journal to the disk, and says so in the journal.

use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::journal::Record;
use super::{Book, Shared};

/// The disk is asked no more often, except at the end of a part.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the thread; it ends with the ledger.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let work = move || {
        let mut next = Instant::now() + PAUSE;
        while let Some(work) = Work::wait(&shared, next) {
            let synced = work.sync(&shared.folder);
            next = Instant::now() + PAUSE;
            let mut book = shared.book();
            let told = synced.and_then(|()| book.append(&Record::Synced(work.lines)));
            if let Err(error) = told
                && !book.closed
            {
                tracing::warn!(%error, "what a run has done is not on the disk yet");
                book.dirty.extend(work.parts);
            }
        }
    };
    std::thread::Builder::new().name("ledger".to_owned()).spawn(work).map(drop)
}

/// What has to be on the disk.
struct Work {
    lines: u64,
    parts: Vec<usize>,
    files: Vec<Arc<File>>,
    journal: std::io::Result<File>,
}

impl Work {
    /// Waits for something to do, and for `next`; `None` when the run has ended.
    fn wait(shared: &Shared, next: Instant) -> Option<Work> {
        let mut book = shared.book();
        loop {
            if book.closed {
                return None;
            }
            let left = next.saturating_duration_since(Instant::now());
            let idle = book.dirty.is_empty();
            if !idle && (left.is_zero() || book.hurry) {
                return Some(Work::of(&mut book));
            }
            let wait = if idle { Duration::from_hours(1) } else { left };
            let woken = shared.wake.wait_timeout(book, wait);
            book = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn of(book: &mut Book) -> Work {
        let parts: Vec<usize> = std::mem::take(&mut book.dirty).into_iter().collect();
        book.hurry = false;
        let files = parts.iter().filter_map(|&part| book.files[part].clone()).collect();
        Work { lines: book.journal.lines(), parts, files, journal: book.journal.file() }
    }

    fn sync(&self, folder: &File) -> std::io::Result<()> {
        for file in &self.files {
            file.sync_data()?;
        }
        folder.sync_all()?;
        match &self.journal {
            Ok(journal) => journal.sync_data(),
            Err(error) => Err(std::io::Error::new(error.kind(), error.to_string())),
        }
    }
}
