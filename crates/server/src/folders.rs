//! The folders of attempts at jobs: one for each, so that two servers never write to the same place.
//!
//! ```text
//! jobs/<job>/<run>/<attempt>/files/   results; they can be seen when the store says that they are here
//!                            inputs.json  items that were read for them
//!                            kept/    what finished tasks gave, until the run ends
//! ```
//! An attempt takes the kept part of the one before it by renaming: a server that still works on it, because it was
//! stopped or cut off, finds its folder gone. The store is right, always: what it does not know is removed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::job::{Home, Job, Status};

const FILES: &str = "files";
const KEPT: &str = "kept";
const INPUTS: &str = "inputs.json";

/// All folders of jobs.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    root: PathBuf,
}

/// The folders of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) files: PathBuf,
    pub(crate) kept: PathBuf,
    /// The file with the items that were read.
    pub(crate) inputs: PathBuf,
}

impl Folders {
    /// Below the folder of the server's state.
    pub(crate) fn new(state: &Path) -> Folders {
        Folders { root: state.join("jobs") }
    }

    /// Where the results of an attempt of the current run are.
    pub(crate) fn files(&self, job: &Job, attempt: i64) -> PathBuf {
        self.run(job).join(attempt.to_string()).join(FILES)
    }

    /// Where the items are that the results of an attempt of the current run were made of.
    pub(crate) fn inputs(&self, job: &Job, attempt: i64) -> PathBuf {
        self.run(job).join(attempt.to_string()).join(INPUTS)
    }

    /// Makes the folders of the current attempt, with what earlier ones of the same run have kept.
    pub(crate) fn begin(&self, job: &Job) -> io::Result<Attempt> {
        let run = self.run(job);
        let own = run.join(job.attempt.to_string());
        let attempt =
            Attempt { files: own.join(FILES), kept: own.join(KEPT), inputs: own.join(INPUTS) };
        std::fs::create_dir_all(&attempt.files)?;
        let mut earlier: Vec<i64> =
            numbers(&run)?.into_keys().filter(|n| *n < job.attempt).collect();
        earlier.sort_unstable();
        for number in earlier.into_iter().rev() {
            let folder = run.join(number.to_string());
            match std::fs::rename(folder.join(KEPT), &attempt.kept) {
                // Somebody who is stopped may hold the lock of it for ever.
                Ok(()) => absent(std::fs::remove_file(attempt.kept.join("lock")))?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // What was taken already is newer.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(error),
            }
            absent(std::fs::remove_dir_all(folder))?;
        }
        Ok(attempt)
    }

    /// Removes what a job has on disk and does not need: earlier runs, attempts that gave nothing, and what was kept of a
    /// run that is over.
    pub(crate) fn tidy(&self, job: &Job) -> io::Result<()> {
        let here = job.outcome.as_ref().filter(|outcome| outcome.home == Home::Folder);
        let needed = here.map(|outcome| outcome.attempt);
        for (run, folder) in numbers(&self.root.join(&job.id))? {
            // Somebody has started it again meanwhile.
            if run > job.run {
                continue;
            }
            if run < job.run {
                absent(std::fs::remove_dir_all(folder))?;
                continue;
            }
            // A run that is going on, or will, has the last attempt and takes what it needs from earlier ones.
            if job.is_active() {
                continue;
            }
            for (attempt, folder) in numbers(&folder)? {
                if Some(attempt) == needed {
                    absent(std::fs::remove_dir_all(folder.join(KEPT)))?;
                    only(&folder.join(FILES), job)?;
                } else {
                    absent(std::fs::remove_dir_all(folder))?;
                }
            }
            empty(std::fs::remove_dir(folder))?;
        }
        empty(std::fs::remove_dir(self.root.join(&job.id)))
    }

    /// Removes everything of a job.
    pub(crate) fn remove(&self, job: &str) -> io::Result<()> {
        absent(std::fs::remove_dir_all(self.root.join(job)))
    }

    /// The jobs that have something here.
    pub(crate) fn jobs(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn run(&self, job: &Job) -> PathBuf {
        self.root.join(&job.id).join(job.run.to_string())
    }
}

/// The folders that have a number as their name.
fn numbers(folder: &Path) -> io::Result<BTreeMap<i64, PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}

/// Removes what was written after the job was stopped, or was not finished then.
fn only(folder: &Path, job: &Job) -> io::Result<()> {
    if !matches!(job.status, Status::Canceled | Status::Error) {
        return Ok(());
    }
    let files = job.outcome.iter().flat_map(|outcome| &outcome.files);
    let named: Vec<&str> = files.filter_map(|file| file.name.split('/').next()).collect();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| named.contains(&name)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            absent(std::fs::remove_dir_all(entry.path()))?;
        } else {
            absent(std::fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Only what is empty is to be removed.
fn empty(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        outcome => absent(outcome),
    }
}

/// What is not there needs not be removed.
pub(crate) fn absent(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Map;

    use super::*;
    use crate::job::{Outcome, ResultFile};

    fn job(run: i64, attempt: i64, status: Status) -> Job {
        let job = Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 0);
        Job { status, run, attempt, ..job }
    }

    #[test]
    fn an_attempt_takes_what_the_one_before_has_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(dir.path());
        let first = folders.begin(&job(1, 3, Status::Running)).unwrap();
        fs::create_dir_all(&first.kept).unwrap();
        fs::write(first.kept.join("lock"), "").unwrap();
        fs::write(first.kept.join("journal"), "x").unwrap();
        fs::write(first.files.join("a.tif"), "half").unwrap();
        let second = folders.begin(&job(1, 5, Status::Running)).unwrap();
        assert_eq!(fs::read_to_string(second.kept.join("journal")).unwrap(), "x");
        assert!(!second.kept.join("lock").exists() && !first.files.exists());
        // Another run begins with nothing.
        let third = folders.begin(&job(2, 6, Status::Running)).unwrap();
        assert!(!third.kept.exists() && second.kept.exists());
        // The first one does not find its way any more.
        assert!(fs::write(first.kept.join("journal"), "late").is_err());
    }

    #[test]
    fn only_what_the_store_knows_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(dir.path());
        for (run, attempt) in [(1, 1), (2, 2)] {
            let made = folders.begin(&job(run, attempt, Status::Running)).unwrap();
            fs::create_dir_all(&made.kept).unwrap();
        }
        let running = job(2, 2, Status::Running);
        folders.tidy(&running).unwrap();
        assert!(
            !dir.path().join("jobs/j/1").exists() && dir.path().join("jobs/j/2/2/kept").exists()
        );
        let outcome = Some(Outcome { attempt: 2, ..Outcome::default() });
        let finished = Job { outcome, ..job(2, 2, Status::Finished) };
        folders.tidy(&finished).unwrap();
        assert!(
            folders.files(&finished, 2).exists() && !dir.path().join("jobs/j/2/2/kept").exists()
        );
        // Of a job that was stopped stays what had been told.
        for name in ["a.tif", "late.tif"] {
            fs::write(folders.files(&finished, 2).join(name), "x").unwrap();
        }
        let told = ResultFile {
            name: "a.tif".to_owned(),
            media_type: "image/tiff".to_owned(),
            is_folder: false,
            size: 1,
            sha256: None,
            notes: Vec::new(),
        };
        let outcome = Some(Outcome { attempt: 2, files: vec![told], ..Outcome::default() });
        let stopped = Job { outcome, ..job(2, 2, Status::Canceled) };
        folders.tidy(&stopped).unwrap();
        let left = fs::read_dir(folders.files(&stopped, 2)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.tif"]);
        // What is in a bucket need not be here.
        let home = Home::Bucket("s3://b".to_owned());
        let elsewhere = Some(Outcome { attempt: 2, home, ..Outcome::default() });
        folders.tidy(&Job { outcome: elsewhere, ..job(2, 2, Status::Finished) }).unwrap();
        assert!(!folders.files(&finished, 2).exists());
        assert!(folders.jobs().unwrap().is_empty());
        folders.begin(&job(3, 3, Status::Running)).unwrap();
        assert_eq!(folders.jobs().unwrap(), ["j"]);
        folders.remove("j").unwrap();
        folders.remove("j").unwrap();
        assert!(folders.jobs().unwrap().is_empty());
    }
}
