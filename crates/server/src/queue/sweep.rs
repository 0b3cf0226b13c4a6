//! Removes results and logs whose time is over, and what is on disk and in nobody's record: of jobs that were deleted or
//! ended, and of attempts that came to nothing. Several servers may do so at a time: who decides is the store, and what is
//! gone is gone.

use std::io;

use tracing::{info, warn};

use super::{Queue, Shared};
use crate::job::{self, Change};
use crate::store::{Changed, StoreError};

/// Jobs whose results are removed in one sweep; the next ones follow with the next.
const TOGETHER: i64 = 1000;

impl Queue {
    /// Looks through all jobs that ended long ago, and all folders of jobs.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        self.expire().await?;
        for id in self.0.folders.jobs().map_err(failed)? {
            // What cannot be removed of one job must not keep the rest.
            if let Err(error) = self.tidy(&id).await {
                warn!(job = id, %error, "files that nobody needs could not be removed yet");
            }
        }
        Ok(())
    }

    /// Removes what is kept no longer.
    async fn expire(&self) -> Result<(), StoreError> {
        let Shared { store, retention, .. } = &*self.0;
        let now = job::now();
        if let Some(before) = retention.results_before(now) {
            for id in store.jobs_ended(before, TOGETHER).await? {
                // Its owner may have started it again, and other servers look, too.
                if let Changed::Done(_) =
                    store.change_job(&id, Change::Expire { before }, now).await?
                {
                    info!(job = id, "its results are removed: their time is over");
                }
            }
        }
        if let Some(before) = retention.logs_before(now) {
            store.remove_logs_of_ended(before).await?;
        }
        Ok(())
    }

    /// Looks through the folder of one job.
    pub(super) async fn tidy(&self, id: &str) -> Result<(), StoreError> {
        let job = self.0.store.job(id).await?;
        let (folders, id) = (self.0.folders.clone(), id.to_owned());
        let tidied = tokio::task::spawn_blocking(move || match job {
            Some(job) => folders.tidy(&job),
            None => folders.remove(&id),
        });
        let tidied = tidied.await.map_err(io::Error::other).flatten();
        tidied.map_err(failed)
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Database(error.into())
}
