//! Removes results and logs whose time is over, and what is on disk and in nobody's record: of jobs that were deleted or
//! ended, of attempts that came to nothing, and of uploads that were never completed. Several servers may do so at a time: who decides is the store, and what is
//! gone is gone.

use std::io;

use futures::{StreamExt, stream};
use thiserror::Error;
use tracing::{info, warn};

use super::{Queue, Shared};
use crate::files::Files;
use crate::job::{self, Change, Home};
use crate::results::ResultsError;
use crate::store::{Changed, StoreError};

/// Jobs whose results are removed in one sweep; the next ones follow with the next.
const TOGETHER: i64 = 1000;
/// Jobs that are looked at in an object store at the same time.
const AT_A_TIME: usize = 8;

/// Why something is left.
#[derive(Debug, Error)]
pub(super) enum Untidy {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl Queue {
    /// Looks through all jobs that ended long ago, all folders of jobs, and all that was being sent.
    pub(super) async fn sweep(&self) -> Result<(), Untidy> {
        let Shared { store, results, .. } = &*self.0;
        self.expire().await?;
        for id in results.in_folder().await.map_err(ResultsError::from)? {
            let job = store.job(&id).await?;
            // What cannot be removed of one job must not keep the rest.
            if let Err(error) = results.tidy_folder(&id, job.as_ref()).await {
                untidy(&id, &error);
            }
        }
        for id in results.sending().await? {
            let job = store.job(&id).await?;
            if let Err(error) = results.end_uploads(&id, job.as_ref()).await {
                untidy(&id, &error);
            }
        }
        self.forget_uploads().await
    }

    /// Removes what users began to send and never completed.
    async fn forget_uploads(&self) -> Result<(), Untidy> {
        let homes = self.0.homes.clone();
        let forgotten = tokio::task::spawn_blocking(move || {
            let homes = homes.all()?.into_iter();
            Ok(homes.map(|home| Files::new(home).forget()).sum::<usize>())
        });
        let forgotten = forgotten.await.map_err(io::Error::other).flatten();
        match forgotten.map_err(ResultsError::Folder)? {
            0 => {}
            count => info!(count, "uploads that were never completed are removed"),
        }
        Ok(())
    }

    /// Looks through everything in the object store.
    pub(super) async fn sweep_bucket(&self) {
        let jobs = match self.0.results.in_bucket().await {
            Ok(jobs) => jobs,
            Err(error) => {
                warn!(%error, "the object store cannot be looked through");
                return;
            }
        };
        let tidied = stream::iter(jobs).for_each_concurrent(AT_A_TIME, |id| async move {
            if let Err(error) = self.tidy(&id, None).await {
                untidy(&id, &error);
            }
        });
        tidied.await;
    }

    /// Removes what is kept no longer.
    async fn expire(&self) -> Result<(), StoreError> {
        let Shared { store, retention, .. } = &*self.0;
        let now = job::now();
        if let Some(before) = retention.results_before(now) {
            for id in store.jobs_ended(before, TOGETHER).await? {
                let outcome = store.job(&id).await?.and_then(|job| job.outcome);
                // Its owner may have started it again, and other servers look, too.
                if let Changed::Done(_) =
                    store.change_job(&id, Change::Expire { before }, now).await?
                {
                    info!(job = id, "its results are removed: their time is over");
                    let home = outcome.map(|outcome| outcome.home);
                    if let Err(error) = self.tidy(&id, home.as_ref()).await {
                        untidy(&id, &error);
                    }
                }
            }
        }
        if let Some(before) = retention.logs_before(now) {
            store.remove_logs_of_ended(before).await?;
        }
        Ok(())
    }

    /// Looks at everything that one job has. `former` is where its results were.
    pub(super) async fn tidy(&self, id: &str, former: Option<&Home>) -> Result<(), Untidy> {
        match self.0.store.job(id).await? {
            Some(job) => self.0.results.tidy(&job, former).await?,
            None => self.0.results.remove(id, former).await?,
        }
        Ok(())
    }
}

fn untidy(job: &str, error: &(dyn std::error::Error + 'static)) {
    warn!(job, error, "files that nobody needs could not be removed yet");
}
