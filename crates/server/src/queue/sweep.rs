//! Removes what is on disk and in nobody's record: of jobs that were deleted or ended, and of attempts that came to nothing.

use std::io;

use super::Queue;
use tracing::warn;

use crate::store::StoreError;

impl Queue {
    /// Looks through all folders of jobs.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        for id in self.0.folders.jobs().map_err(failed)? {
            // What cannot be removed of one job must not keep the rest.
            if let Err(error) = self.tidy(&id).await {
                warn!(job = id, %error, "files that nobody needs could not be removed yet");
            }
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
