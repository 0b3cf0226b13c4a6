//! The room on disk for what does not fit into memory: a folder for each process, and a limit.
//!
//! ```text
//! DIR/eolith-scratch-4fA2c1.lock   locked for as long as its process lives
//! DIR/eolith-scratch-4fA2c1/       what the process writes
//! ```
//! A lock ends with its process, however that ends: who finds a lock that nobody holds removes the folder of a process
//! that was killed. Folders of processes that live are left alone, on whatever machine of a shared folder they run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::budget::{Budget, Reservation};
use crate::place::{free, is_there};

const PREFIX: &str = "eolith-scratch-";
const LOCK: &str = "lock";

/// Names that are tried for a folder.
const TRIES: usize = 16;

/// Room on disk.
#[derive(Debug)]
pub struct Space {
    parent: PathBuf,
    limit: Option<Budget>,
    folder: Mutex<Option<Folder>>,
}

/// A file that has its room on disk already.
#[derive(Debug)]
pub struct Spilled {
    pub file: File,
    _room: Option<Reservation>,
}

/// Why something cannot be put on disk.
#[derive(Debug, Error)]
pub enum SpaceError {
    /// What the operator allows is used up.
    #[error("it needs {needed} bytes of scratch space, {free} of the limit of {limit} are free")]
    Limit { needed: u64, free: u64, limit: u64 },
    /// The file system is full.
    #[error("it needs {needed} bytes of scratch space, the file system has {free} left")]
    Full { needed: u64, free: u64 },
    /// A quota, or a limit of the process.
    #[error("it needs {needed} bytes of scratch space, which the system does not give: {reason}")]
    Refused { needed: u64, reason: Error },
    #[error("the scratch folder cannot be used: {0}")]
    Failed(#[from] Error),
}

/// The folder of this process; dropping it removes it.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    lock: PathBuf,
    /// Locked until it is closed.
    _held: File,
}

impl Space {
    /// Below `parent`, or the system's temporary folder. Nothing is made before it is needed.
    pub fn new(parent: Option<PathBuf>, limit: Option<u64>) -> Space {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        Space { parent, limit: limit.map(Budget::new), folder: Mutex::new(None) }
    }

    /// The folder of this process, which is made at the first use.
    ///
    /// # Errors
    /// What the system says.
    pub fn folder(&self) -> std::io::Result<PathBuf> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*folder {
            return Ok(folder.path.clone());
        }
        Ok(folder.insert(Folder::make(&self.parent)?).path.clone())
    }

    /// Removes what killed processes left behind.
    pub fn clean(&self) {
        clean(&self.parent);
    }

    /// Bytes that a plan may count on: no more than the limit, and than the file system has left.
    pub fn room(&self) -> u64 {
        self.room_in(&self.parent)
    }

    /// The same for a run that keeps its values in a folder. What an earlier attempt left there counts as free, so that
    /// the plan comes out the same.
    pub fn room_of_kept(&self, folder: &Path) -> u64 {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let held: u64 = files.filter_map(|file| Some(held(&file.metadata().ok()?))).sum();
        let limit = self.limit.as_ref().map_or(u64::MAX, Budget::total);
        self.room_in(folder).saturating_add(held).min(limit)
    }

    fn room_in(&self, folder: &Path) -> u64 {
        let limit = self.limit.as_ref().map_or(u64::MAX, Budget::total);
        // Where the folder is not there yet, it will be made in one that is.
        let folder = folder.ancestors().find(|folder| folder.is_dir());
        let left = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| free(&folder));
        left.map_or(limit, |left| left.min(limit))
    }

    /// A file of this many bytes that vanishes when it is closed.
    ///
    /// # Errors
    /// [`SpaceError::Limit`] and [`SpaceError::Full`] before anything is written.
    pub fn file(&self, needed: u64) -> Result<Spilled, SpaceError> {
        let room = self.reserve(needed)?;
        Self::taken(tempfile::tempfile_in(self.folder()?)?, room, needed)
    }

    /// A file of this many bytes at `path`, which stays; one that is there keeps its bytes.
    ///
    /// # Errors
    /// Those of [`Space::file`].
    pub fn kept(&self, path: &Path, needed: u64) -> Result<Spilled, SpaceError> {
        let room = self.reserve(needed)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        Self::taken(file, room, needed)
    }

    /// Room under the limit, if there is one.
    fn reserve(&self, needed: u64) -> Result<Option<Reservation>, SpaceError> {
        let Some(limit) = &self.limit else { return Ok(None) };
        let full = || SpaceError::Limit { needed, free: limit.free(), limit: limit.total() };
        limit.try_reserve(needed).map(Some).ok_or_else(full)
    }

    /// The file with all its room on disk.
    fn taken(file: File, room: Option<Reservation>, needed: u64) -> Result<Spilled, SpaceError> {
        let free = free(&file)?.saturating_add(held(&file.metadata()?));
        if needed > free {
            return Err(SpaceError::Full { needed, free });
        }
        match allocate(&file, needed) {
            Ok(()) => Ok(Spilled { file, _room: room }),
            Err(error) => Err(match error.kind() {
                ErrorKind::StorageFull => SpaceError::Full { needed, free },
                ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    SpaceError::Refused { needed, reason: error }
                }
                _ => error.into(),
            }),
        }
    }
}

impl SpaceError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SpaceError::Limit { .. } => Some("raise `--scratch-limit` or narrow the extent"),
            SpaceError::Full { .. } | SpaceError::Refused { .. } => {
                Some("name a folder with more room by `--scratch`")
            }
            SpaceError::Failed(_) => None,
        }
    }
}

impl Folder {
    fn make(parent: &Path) -> std::io::Result<Folder> {
        std::fs::create_dir_all(parent)?;
        clean(parent);
        for _ in 0..TRIES {
            let (file, lock) = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(&format!(".{LOCK}"))
                .tempfile_in(parent)?
                .keep()
                .map_err(|error| error.error)?;
            // Another process may have found it before it was locked, and taken it for one that was left behind.
            if file.try_lock().is_err() || !is_there(&file, &lock) {
                continue;
            }
            let path = lock.with_extension("");
            std::fs::create_dir(&path)?;
            return Ok(Folder { path, lock, _held: file });
        }
        Err(Error::other("no name for a folder is free"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path, &self.lock);
    }
}

/// Removes the folders in `parent` whose processes are gone.
fn clean(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for lock in entries.flatten().map(|entry| entry.path()) {
        let name = lock.file_name().unwrap_or_default().to_string_lossy();
        let ours = name.starts_with(PREFIX) && lock.extension().is_some_and(|e| e == LOCK);
        if !ours {
            continue;
        }
        // Who may not write there leaves it to its owner.
        let Ok(file) = OpenOptions::new().write(true).open(&lock) else { continue };
        match file.try_lock() {
            Ok(()) => remove(&lock.with_extension(""), &lock),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %lock.display(), %error, "whether it is in use is not known");
            }
        }
    }
}

/// Removes a folder, and its lock when nothing is left.
fn remove(folder: &Path, lock: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %folder.display(), %error, "a scratch folder is left behind");
        }
        _ => drop(std::fs::remove_file(lock)),
    }
}

/// Bytes of the disk that a file has.
#[cfg(unix)]
fn held(file: &std::fs::Metadata) -> u64 {
    /// The unit of `st_blocks`, whatever the blocks of the file system are.
    const BLOCK: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(file).saturating_mul(BLOCK)
}

#[cfg(not(unix))]
fn held(file: &std::fs::Metadata) -> u64 {
    file.len()
}

/// Takes the room on disk, so that nobody else can take it before it is written.
fn allocate(file: &File, bytes: u64) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    if bytes > 0 {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // Not every file system can.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            taken => return Ok(taken?),
        }
    }
    file.set_len(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_all_files_together() {
        let parent = tempfile::tempdir().unwrap();
        let space = Space::new(Some(parent.path().join("new")), Some(1 << 20));
        let first = space.file(700 << 10).unwrap();
        assert_eq!(first.file.metadata().unwrap().len(), 700 << 10);
        let error = space.file(400 << 10).unwrap_err();
        // Rooms are whole units of 64 KiB.
        let text =
            "it needs 409600 bytes of scratch space, 327680 of the limit of 1048576 are free";
        assert_eq!(error.to_string(), text);
        assert!(error.hint().unwrap().contains("--scratch-limit"));
        assert_eq!(space.room(), 1 << 20);
        drop(first);
        space.file(400 << 10).unwrap();
        let unlimited = Space::new(Some(parent.path().to_owned()), None);
        assert!((1 << 20..1 << 60).contains(&unlimited.room()));
        let error = unlimited.file(1 << 60).unwrap_err();
        assert!(matches!(error, SpaceError::Full { needed, .. } if needed == 1 << 60), "{error}");
        assert!(error.hint().unwrap().contains("--scratch"));
    }

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let space = || Space::new(Some(parent.path().to_owned()), None);
        let living = space();
        let own = living.folder().unwrap();
        assert_eq!(living.folder().unwrap(), own);
        let dead = parent.path().join("eolith-scratch-dead");
        std::fs::create_dir_all(dead.join("more")).unwrap();
        std::fs::write(dead.join("more/pixels"), [0; 9]).unwrap();
        std::fs::write(parent.path().join("eolith-scratch-dead.lock"), "").unwrap();
        // Not ours: no lock beside it, another name.
        for other in ["eolith-scratch-x", "mine"] {
            std::fs::create_dir(parent.path().join(other)).unwrap();
        }
        space().clean();
        assert!(own.exists() && !dead.exists());
        assert!(!parent.path().join("eolith-scratch-dead.lock").exists());
        drop(living);
        let mut left: Vec<_> = std::fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["eolith-scratch-x", "mine"]);
    }
}
