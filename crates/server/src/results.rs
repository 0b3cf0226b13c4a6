//! Where the results of jobs are: beside the runs in the folder of the server, or in an object store.
//!
//! A run writes to its own folder in either case ([`crate::folders`]), and what is complete while it goes on is shown from
//! there. With a bucket its files are brought there before the job is finished, under a name that no other attempt has
//! ([`bucket`]); the record of the job says where they are, so that a server with another configuration still finds them.
//! The store of jobs is right, always: what it does not know is removed, here and there.

mod bucket;
mod uploads;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use eolith_engine::storage::{Location, PrefixError, StorageError};
use thiserror::Error;

use self::bucket::Bucket;
use self::uploads::Uploads;
use crate::folders::{Attempt, Folders};
use crate::job::{Home, Job, Outcome};
use crate::serve::Config;

const FILES: &str = "files";
const INPUTS: &str = "inputs.json";
/// How long a client waits until what it removes is gone.
const PROMPT: Duration = Duration::from_secs(5);

/// How the results of jobs are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The address of a folder in an object store; they stay in the folder of the server if `None`.
    pub bucket: Option<String>,
    /// How long the object store may be away before a job that has ended fails.
    pub patience: Duration,
}

/// The results of all jobs.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    folders: Folders,
    bucket: Option<Arc<Bucket>>,
    uploads: Uploads,
}

/// Why results were not kept, or not removed. Texts are for the operator.
#[derive(Debug, Error)]
pub(crate) enum ResultsError {
    #[error("the folder of the job cannot be used: {0}")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    Bucket(#[from] PrefixError),
    #[error(transparent)]
    Address(#[from] StorageError),
    #[error(
        "`{0}` has results of another server: two servers may share it if they share the database"
    )]
    Foreign(String),
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { bucket: None, patience: Duration::from_mins(10) }
    }
}

impl Results {
    /// As the configuration says. `owner` is a name of the store of jobs that no other one has.
    ///
    /// # Errors
    /// The address is none of an object store that is known.
    pub(crate) fn new(config: &Config, owner: String) -> Result<Results, StorageError> {
        let Keeping { bucket, patience } = &config.results;
        let bucket = bucket.as_deref().map(|address| Bucket::open(address, owner, *patience));
        Ok(Results {
            folders: Folders::new(&config.state),
            bucket: bucket.transpose()?.map(Arc::new),
            uploads: Uploads::new(&config.state),
        })
    }

    /// Finds out whether the object store is there, and nobody else's.
    pub(crate) async fn check(&self) -> Result<(), ResultsError> {
        match &self.bucket {
            Some(bucket) => bucket.own().await,
            None => Ok(()),
        }
    }

    /// Makes the folders of the current attempt.
    pub(crate) async fn begin(&self, job: &Job) -> io::Result<Attempt> {
        let (folders, job) = (self.folders.clone(), job.clone());
        blocking(move || folders.begin(&job)).await
    }

    /// Brings what an attempt has written to where it stays. `say` is told what its owner should know. May be dropped at any
    /// time: what is left then goes when somebody tidies up.
    pub(crate) async fn keep(
        &self,
        job: &Job,
        attempt: &Attempt,
        outcome: Outcome,
        say: &(dyn Fn(String) + Sync),
    ) -> Result<Outcome, ResultsError> {
        let Some(bucket) = &self.bucket else { return Ok(outcome) };
        let (files, own) = (outcome.files.clone(), attempt.clone());
        let sources = blocking(move || bucket::sources(&files, &own)).await?;
        bucket.keep(job, sources, &self.uploads, say).await?;
        Ok(Outcome { home: Home::Bucket(bucket.address().to_owned()), ..outcome })
    }

    /// The folder with the files of an outcome of a job.
    pub(crate) fn files(&self, job: &Job, outcome: &Outcome) -> Result<Location, StorageError> {
        match &outcome.home {
            Home::Folder => Location::local(&self.folders.files(job, outcome.attempt)),
            Home::Bucket(address) => bucket::place(address, job, outcome.attempt, FILES),
        }
    }

    /// The file with the items that an outcome was made of.
    pub(crate) fn inputs(&self, job: &Job, outcome: &Outcome) -> Result<Location, StorageError> {
        match &outcome.home {
            Home::Folder => Location::local(&self.folders.inputs(job, outcome.attempt)),
            Home::Bucket(address) => bucket::place(address, job, outcome.attempt, INPUTS),
        }
    }

    /// Removes what a job has and does not need, everywhere. `former` is where results were that its record names no more.
    pub(crate) async fn tidy(&self, job: &Job, former: Option<&Home>) -> Result<(), ResultsError> {
        self.tidy_folder(&job.id, Some(job)).await?;
        self.end_uploads(&job.id, Some(job)).await?;
        for bucket in self.buckets(former)? {
            bucket.tidy(job).await?;
        }
        Ok(())
    }

    /// Removes what a job, or one that is not there any more, has on disk and does not need.
    pub(crate) async fn tidy_folder(&self, id: &str, job: Option<&Job>) -> io::Result<()> {
        let (folders, id, job) = (self.folders.clone(), id.to_owned(), job.cloned());
        blocking(move || match job {
            Some(job) => folders.tidy(&job),
            None => folders.remove(&id),
        })
        .await
    }

    /// Removes everything of a job that is not there any more.
    pub(crate) async fn remove(&self, id: &str, former: Option<&Home>) -> Result<(), ResultsError> {
        self.tidy_folder(id, None).await?;
        self.end_uploads(id, None).await?;
        for bucket in self.buckets(former)? {
            bucket.remove(id).await?;
        }
        Ok(())
    }

    /// The jobs that have something on disk.
    pub(crate) async fn in_folder(&self) -> io::Result<Vec<String>> {
        let folders = self.folders.clone();
        blocking(move || folders.jobs()).await
    }

    /// The jobs that have something in the object store.
    pub(crate) async fn in_bucket(&self) -> Result<Vec<String>, ResultsError> {
        match &self.bucket {
            Some(bucket) => bucket.jobs().await,
            None => Ok(Vec::new()),
        }
    }

    /// The jobs of which something is, or was, being sent.
    pub(crate) async fn sending(&self) -> Result<BTreeSet<String>, ResultsError> {
        Ok(self.uploads.all().await?.into_iter().map(|upload| upload.job).collect())
    }

    /// Gives up what was being sent by attempts of a job that are over.
    pub(crate) async fn end_uploads(
        &self,
        id: &str,
        job: Option<&Job>,
    ) -> Result<(), ResultsError> {
        for upload in self.uploads.all().await? {
            if upload.job == id && !upload.goes_on(job) {
                self.uploads.end(&upload).await?;
            }
        }
        Ok(())
    }

    /// The object store of the configuration, and the one that is named.
    fn buckets(&self, home: Option<&Home>) -> Result<Vec<Arc<Bucket>>, StorageError> {
        let mut all: Vec<Arc<Bucket>> = self.bucket.iter().cloned().collect();
        if let Some(Home::Bucket(address)) = home
            && all.iter().all(|known| known.address() != address)
        {
            all.push(Arc::new(Bucket::former(address)?));
        }
        Ok(all)
    }
}

/// Does something that goes on even if the client has gone, and waits for it, but not for long: a store may be away.
pub(crate) async fn promptly(work: impl Future<Output = ()> + Send + 'static) {
    // Who does not wait any more needs not know how it ends.
    let _ = tokio::time::timeout(PROMPT, tokio::spawn(work)).await;
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten()
}
