//! Results in an object store.
//!
//! ```text
//! <address>/eolith.json                          whose it is
//!           jobs/<job>/<run>/<attempt>/files/…   results, named as in the folder of the attempt
//!                                      inputs.json
//! ```
//! Nothing is ever replaced: an attempt writes below its own number, and what is there is shown when the record of the job
//! names that number. A server that was believed dead may go on writing; that goes with the next sweep.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use eolith_engine::storage::{Location, Prefix, PrefixError, StorageError};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::uploads::{Upload, Uploads};
use super::{FILES, INPUTS, ResultsError};
use crate::archive;
use crate::folders::Attempt;
use crate::job::{Home, Job, ResultFile, Status};

const JOBS: &str = "jobs";
const OWNER: &str = "eolith.json";
/// Files of a job that are sent at the same time. How much of them is in memory is the engine's to say.
const AT_A_TIME: usize = 8;
/// How long to wait before a store that is away is asked again: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// A folder in an object store that has results of one store of jobs.
#[derive(Debug)]
pub(super) struct Bucket {
    prefix: Prefix,
    /// Whose it has to be, if that is to be looked at.
    owner: Option<String>,
    owned: OnceCell<()>,
    patience: Duration,
}

/// A file that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Relative to the folder of the attempt.
    name: String,
    path: PathBuf,
    size: u64,
}

/// The files that belong to the results of an attempt. Blocks.
pub(super) fn sources(files: &[ResultFile], attempt: &Attempt) -> io::Result<Vec<Source>> {
    let mut all = Vec::new();
    for file in files {
        let below = archive::entries(&attempt.files, &attempt.files.join(&file.name))?;
        all.extend(below.into_iter().map(|entry| {
            let path = attempt.files.join(&entry.name);
            Source { name: format!("{FILES}/{}", entry.name), path, size: entry.size() }
        }));
    }
    match std::fs::metadata(&attempt.inputs) {
        Ok(meta) => {
            let (name, path) = (INPUTS.to_owned(), attempt.inputs.clone());
            all.push(Source { name, path, size: meta.len() });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(all)
}

/// Where something of an attempt is.
pub(super) fn place(
    address: &str,
    job: &Job,
    attempt: i64,
    name: &str,
) -> Result<Location, StorageError> {
    Prefix::open(address)?.location(&format!("{}/{attempt}/{name}", run(job)))
}

impl Bucket {
    pub(super) fn open(
        address: &str,
        owner: String,
        patience: Duration,
    ) -> Result<Bucket, StorageError> {
        let (prefix, owner) = (Prefix::open(address)?, Some(owner));
        Ok(Bucket { prefix, owner, owned: OnceCell::new(), patience })
    }

    /// One that has results of jobs, and gets no more.
    pub(super) fn former(address: &str) -> Result<Bucket, StorageError> {
        let (prefix, patience) = (Prefix::open(address)?, Duration::ZERO);
        Ok(Bucket { prefix, owner: None, owned: OnceCell::new(), patience })
    }

    pub(super) fn address(&self) -> &str {
        self.prefix.href()
    }

    /// Makes sure that nothing else lies there: what the store of jobs does not know is removed.
    pub(super) async fn own(&self) -> Result<(), ResultsError> {
        let Some(owner) = &self.owner else { return Ok(()) };
        self.owned.get_or_try_init(|| self.claim(owner)).await?;
        Ok(())
    }

    async fn claim(&self, owner: &str) -> Result<(), ResultsError> {
        let Some(bytes) = self.prefix.get(OWNER).await? else {
            let about = "Results of batch jobs, which this server removes when nobody needs them";
            let text = json!({"about": about, "owner": owner}).to_string();
            return Ok(self.prefix.put(OWNER, text.into()).await?);
        };
        let known: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if known["owner"] == owner {
            Ok(())
        } else {
            Err(ResultsError::Foreign(self.address().to_owned()))
        }
    }

    /// Sends all files of an attempt.
    pub(super) async fn keep(
        &self,
        job: &Job,
        sources: Vec<Source>,
        uploads: &Uploads,
        say: &(dyn Fn(String) + Sync),
    ) -> Result<(), ResultsError> {
        let mut patience = self.patience();
        while let Err(error) = self.own().await {
            patience.wait(error, say).await?;
        }
        let folder = &self.prefix.join(&format!("{}/{}", run(job), job.attempt));
        let sent = stream::iter(sources).map(|source| async move {
            let mut patience = self.patience();
            while let Err(error) = send(folder, job, &source, uploads).await {
                patience.wait(error, say).await?;
            }
            Ok(())
        });
        sent.buffer_unordered(AT_A_TIME).try_collect().await
    }

    /// Removes runs and attempts that a job does not need.
    pub(super) async fn tidy(&self, job: &Job) -> Result<(), ResultsError> {
        self.own().await?;
        let here = Home::Bucket(self.address().to_owned());
        let outcome = job.outcome.as_ref().filter(|outcome| outcome.home == here);
        let own = format!("{JOBS}/{}", job.id);
        for run in self.numbers(&own).await?.into_iter().filter(|run| *run <= job.run) {
            let folder = format!("{own}/{run}");
            if run < job.run {
                self.prefix.clear(&folder).await?;
                continue;
            }
            for attempt in self.numbers(&folder).await? {
                let goes_on = attempt > job.attempt
                    || (attempt == job.attempt && job.status == Status::Running);
                let needed = outcome.is_some_and(|outcome| outcome.attempt == attempt);
                if !goes_on && !needed {
                    self.prefix.clear(&format!("{folder}/{attempt}")).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes everything of a job.
    pub(super) async fn remove(&self, id: &str) -> Result<(), ResultsError> {
        self.own().await?;
        self.prefix.clear(&format!("{JOBS}/{id}")).await?;
        Ok(())
    }

    /// The jobs that have something there.
    pub(super) async fn jobs(&self) -> Result<Vec<String>, ResultsError> {
        self.own().await?;
        Ok(self.prefix.folders(JOBS).await?)
    }

    async fn numbers(&self, folder: &str) -> Result<Vec<i64>, ResultsError> {
        let names = self.prefix.folders(folder).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn patience(&self) -> Patience {
        Patience { all: self.patience, since: None, pause: PAUSES[0] }
    }
}

/// How long something is tried again while the store is away.
#[derive(Debug)]
struct Patience {
    all: Duration,
    since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    /// Waits until something may be tried again.
    ///
    /// # Errors
    /// The error itself, if that does not help or has taken too long.
    async fn wait(
        &mut self,
        error: ResultsError,
        say: &(dyn Fn(String) + Sync),
    ) -> Result<(), ResultsError> {
        let is_away = matches!(&error, ResultsError::Bucket(error) if error.is_away());
        let first = self.since.is_none();
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        if !is_away || waited >= self.all {
            return Err(error);
        }
        warn!(%error, "results cannot be kept yet");
        if first {
            let seconds = self.all.as_secs();
            say(format!("the object store of results is away; it is asked for {seconds} seconds"));
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES[1]);
        Ok(())
    }
}

async fn send(
    folder: &Prefix,
    job: &Job,
    source: &Source,
    uploads: &Uploads,
) -> Result<(), ResultsError> {
    let Source { name, path, size } = source;
    if Prefix::is_small(*size) {
        return Ok(folder.put_file(name, path, *size).await?);
    }
    let id = folder.begin(name).await?;
    let upload = Upload { folder: folder.href().to_owned(), name: name.clone(), id };
    let begun = uploads.begun(job, &upload).await?;
    let sent: Result<(), PrefixError> = folder.send(name, &upload.id, path, *size).await;
    if let Err(error) = sent {
        // The next try is another upload. If it cannot be given up now that is done later.
        if folder.abandon(name, &upload.id).await.is_ok() {
            uploads.ended(&begun).await?;
        }
        return Err(error.into());
    }
    uploads.ended(&begun).await
}

/// The folder of the current run of a job.
fn run(job: &Job) -> String {
    format!("{JOBS}/{}/{}", job.id, job.run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_an_attempt_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let attempt = Attempt { files: at("files"), kept: at("kept"), inputs: at("inputs.json") };
        std::fs::create_dir_all(at("files/b.zarr/c")).unwrap();
        for (name, text) in [("a.tif", "abc"), ("b.zarr/c/0", "12345"), (".writing", "x")] {
            std::fs::write(at("files").join(name), text).unwrap();
        }
        let file = |name: &str, is_folder| ResultFile {
            name: name.to_owned(),
            media_type: String::new(),
            is_folder,
            size: 0,
            sha256: None,
            notes: Vec::new(),
        };
        let files = [file("a.tif", false), file("b.zarr", true)];
        let named = |sources: Vec<Source>| -> Vec<(String, u64)> {
            sources.into_iter().map(|source| (source.name, source.size)).collect()
        };
        let all = [("files/a.tif".to_owned(), 3), ("files/b.zarr/c/0".to_owned(), 5)];
        assert_eq!(named(sources(&files, &attempt).unwrap()), all);
        std::fs::write(at("inputs.json"), "[]").unwrap();
        let all = sources(&files, &attempt).unwrap();
        assert_eq!(all[2], Source { name: INPUTS.to_owned(), path: at("inputs.json"), size: 2 });
        assert!(sources(&[file("c.nc", false)], &attempt).is_err());
    }
}
