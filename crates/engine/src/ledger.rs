//! What is kept of a run so that it can be taken up again: which tasks are done, and their pixels.
//!
//! ```text
//! DIR/lock       locked for as long as a run uses the folder
//! DIR/journal    what was begun and done, line by line
//! DIR/pixels-N   the pixels of stage or root N, as they lie in any scratch file
//! ```
//! A process that is killed loses nothing that was done: what it wrote is with the system. A machine that stops loses
//! what was not on the disk yet, so about once a second a thread syncs pixels and journal and then says so in the
//! journal; after another start of the machine only what was said by then counts
//! ([design/0035](../../../docs/design/0035-runs-that-can-be-taken-up-again.md)).
//!
//! A ledger belongs to one plan, cut in one way, of one version of the engine. Where it does not fit, a run starts
//! anew. This module knows numbers of parts and tasks; what they are is the session's business.

mod journal;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use thiserror::Error as ThisError;

use crate::place::is_there;

use journal::{Journal, Past, Record, State};
pub use journal::{Outline, Size};

const LOCK: &str = "lock";
const JOURNAL: &str = "journal";
const PIXELS: &str = "pixels-";

/// Times that a lock is looked for whose file somebody removes.
const TRIES: usize = 16;

/// Why the folder of a run cannot be used.
#[derive(Debug, ThisError)]
pub enum LedgerError {
    #[error("another run uses the folder `{0}`")]
    InUse(String),
    #[error("the folder `{folder}` of the run cannot be used: {reason}")]
    Failed { folder: String, reason: Error },
}

/// A folder that nobody else uses.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked until it is closed.
    _held: File,
}

/// The ledger of a run that goes on; it ends with this value.
#[derive(Debug)]
pub struct Ledger {
    folder: Folder,
    shared: Arc<Shared>,
    resumed: usize,
    attempts: usize,
    effects: BTreeMap<usize, String>,
    started_anew: Option<&'static str>,
}

/// The tasks of one stage or root.
#[derive(Clone, Debug)]
pub struct Tasks {
    shared: Arc<Shared>,
    part: usize,
    resumed: bool,
    again: bool,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<Book>,
    /// There is something to sync, or nothing will be any more.
    wake: Condvar,
    folder: File,
}

#[derive(Debug)]
struct Book {
    journal: Journal,
    /// Of all tasks of all parts.
    states: Vec<Vec<State>>,
    recomputed: usize,
    files: Vec<Option<Arc<File>>>,
    /// Parts with pixels that are not synced.
    dirty: BTreeSet<usize>,
    /// A part is complete: nobody waits for the second to end.
    hurry: bool,
    closed: bool,
}

/// Removes a run that is not to be taken up again. Files that are not the run's stay.
///
/// # Errors
/// A run uses it, and what the system says.
pub fn discard(folder: &Path) -> Result<(), LedgerError> {
    if !folder.exists() {
        return Ok(());
    }
    let folder = Folder::lock(folder)?;
    let failed = |reason| LedgerError::failed(&folder.path, reason);
    folder.clear().map_err(failed)?;
    std::fs::remove_file(folder.path.join(LOCK)).map_err(failed)?;
    match std::fs::remove_dir(&folder.path) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => Err(failed(error)),
        _ => Ok(()),
    }
}

impl Folder {
    /// Makes the folder if it is not there, and takes it for this run.
    ///
    /// # Errors
    /// A run uses it, and what the system says.
    pub fn lock(path: &Path) -> Result<Folder, LedgerError> {
        let failed = |reason| LedgerError::failed(path, reason);
        for _ in 0..TRIES {
            std::fs::create_dir_all(path).map_err(failed)?;
            let lock = path.join(LOCK);
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
            let file = file.map_err(failed)?;
            match file.try_lock() {
                // Whoever had it may have removed it.
                Ok(()) if !is_there(&file, &lock) => {}
                Ok(()) => return Ok(Folder { path: path.to_owned(), _held: file }),
                Err(TryLockError::WouldBlock) => {
                    return Err(LedgerError::InUse(path.display().to_string()));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(LedgerError::InUse(path.display().to_string()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on with the run of this outline, or begins it.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_up(self, outline: &Outline) -> Result<Ledger, LedgerError> {
        let path = self.path.clone();
        self.opened(outline, &journal::boot()).map_err(|error| LedgerError::failed(&path, error))
    }

    fn opened(self, outline: &Outline, boot: &str) -> std::io::Result<Ledger> {
        let path = self.path.join(JOURNAL);
        let past = match std::fs::read(&path) {
            Ok(bytes) => self.past(&bytes, outline, boot),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(None),
            Err(error) => return Err(error),
        };
        let (past, started_anew) = match past {
            Ok(past) => (past, None),
            Err(reason) => {
                self.clear()?;
                (Journal::create(&self.path, JOURNAL, outline)?, reason)
            }
        };
        let Past { states, recomputed, attempts, effects, end } = past;
        let mut journal = Journal::open(&path, end)?;
        journal.append(&Record::Boot(boot.to_owned()))?;
        let done = |states: &Vec<State>| states.iter().filter(|s| **s == State::Done).count();
        let resumed = states.iter().map(done).sum();
        let files = vec![None; states.len()];
        let (dirty, hurry, closed) = (BTreeSet::new(), false, false);
        let book = Book { journal, states, recomputed, files, dirty, hurry, closed };
        let folder = File::open(&self.path)?;
        let shared = Arc::new(Shared { book: Mutex::new(book), wake: Condvar::new(), folder });
        sync::start(&shared)?;
        let attempts = attempts + 1;
        Ok(Ledger { folder: self, shared, resumed, attempts, effects, started_anew })
    }

    /// What the journal says of this run; else why it is of no use.
    fn past(
        &self,
        bytes: &[u8],
        outline: &Outline,
        boot: &str,
    ) -> Result<Past, Option<&'static str>> {
        let (found, past) = journal::replay(bytes, boot).ok_or("it is damaged")?;
        if let Some(difference) = found.difference(outline) {
            return Err(Some(difference));
        }
        for (number, (states, size)) in past.states.iter().zip(&outline.parts).enumerate() {
            let length = || std::fs::metadata(self.pixels(number)).map(|meta| meta.len());
            if states.contains(&State::Done) && length().ok() != Some(size.bytes) {
                return Err(Some("pixels of it are gone"));
            }
        }
        Ok(past)
    }

    fn pixels(&self, part: usize) -> PathBuf {
        self.path.join(format!("{PIXELS}{part}"))
    }

    /// Removes all but the lock. The journal goes first: without it nothing counts.
    fn clear(&self) -> std::io::Result<()> {
        let remove = |path: &Path| match std::fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        remove(&self.path.join(JOURNAL))?;
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let number = name.strip_prefix(PIXELS);
            if number.is_some_and(|n| n.parse::<usize>().is_ok()) || *name == *Journal::NEW {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Ledger {
    /// The file for the pixels of a part.
    pub fn pixels(&self, part: usize) -> PathBuf {
        self.folder.pixels(part)
    }

    /// The tasks of a part, whose pixels are in this file.
    ///
    /// # Errors
    /// The system gives no other handle of the file.
    pub fn tasks(&self, part: usize, file: &File) -> std::io::Result<Tasks> {
        let file = Arc::new(file.try_clone()?);
        let mut book = self.shared.book();
        if let Some(own) = book.files.get_mut(part) {
            *own = Some(file);
        }
        let resumed = book.states.get(part).is_some_and(|states| states.contains(&State::Done));
        let again = self.attempts > 1;
        Ok(Tasks { shared: Arc::clone(&self.shared), part, resumed, again })
    }

    /// The name under which an earlier attempt began what a root does outside of the folder: it may be done, or half done.
    pub fn effect(&self, root: usize) -> Option<&str> {
        self.effects.get(&root).map(String::as_str)
    }

    /// What a root does outside of the folder begins under a name without spaces: when this returns, no later attempt will
    /// take it for the work of somebody else.
    ///
    /// # Errors
    /// What the system says of the journal.
    pub fn begin_effect(&self, root: usize, name: &str) -> std::io::Result<()> {
        let journal = {
            let mut book = self.shared.book();
            book.append(&Record::Effect(root, name.to_owned()))?;
            book.journal.file()?
        };
        journal.sync_data()
    }

    /// Tasks that earlier attempts finished.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// How often a task was begun that had been begun before, in all attempts together.
    pub fn recomputed(&self) -> usize {
        self.shared.book().recomputed
    }

    /// This one counted.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    /// Why what was in the folder is of no use, if there was anything.
    pub fn started_anew(&self) -> Option<&'static str> {
        self.started_anew
    }
}

impl Drop for Ledger {
    /// Tasks of a run that was stopped may still hold the shared part: nothing of theirs counts from here on.
    fn drop(&mut self) {
        self.shared.book().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Tasks {
    /// Whether any task was done before this attempt.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether an earlier attempt may have written to the file.
    pub fn again(&self) -> bool {
        self.again
    }

    pub fn is_done(&self, task: usize) -> bool {
        self.shared.book().states[self.part].get(task) == Some(&State::Done)
    }

    /// # Errors
    /// What the system says of the journal.
    pub fn begin(&self, task: usize) -> std::io::Result<()> {
        let mut book = self.shared.book();
        book.append(&Record::Begin(self.part, task))?;
        let state = &mut book.states[self.part][task];
        let again = *state != State::New;
        *state = State::Begun;
        book.recomputed += usize::from(again);
        Ok(())
    }

    /// All pixels of the task are written.
    ///
    /// # Errors
    /// What the system says of the journal.
    pub fn end(&self, task: usize) -> std::io::Result<()> {
        let mut book = self.shared.book();
        book.append(&Record::Done(self.part, task))?;
        book.states[self.part][task] = State::Done;
        book.dirty.insert(self.part);
        book.hurry |= book.states[self.part].iter().all(|state| *state == State::Done);
        drop(book);
        self.shared.wake.notify_all();
        Ok(())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn append(&mut self, record: &Record) -> std::io::Result<()> {
        if self.closed {
            return Err(Error::other("the run has ended"));
        }
        self.journal.append(record)
    }
}

impl LedgerError {
    pub(crate) fn failed(folder: &Path, reason: Error) -> LedgerError {
        LedgerError::Failed { folder: folder.display().to_string(), reason }
    }
}

#[cfg(test)]
mod tests;
