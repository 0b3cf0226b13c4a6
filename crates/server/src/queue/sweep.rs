//! Removes what is on disk and in nobody's record: of jobs that were deleted or ended, and of attempts that came to nothing.

use std::io;

use super::Queue;
use crate::store::StoreError;

impl Queue {
    /// Looks through all folders of jobs.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let failed = |error: io::Error| StoreError::Database(error.into());
        for id in self.0.folders.jobs().map_err(failed)? {
            let tidied = match self.0.store.job(&id).await? {
                Some(job) => self.0.folders.tidy(&job),
                None => self.0.folders.remove(&id),
            };
            tidied.map_err(failed)?;
        }
        Ok(())
    }
}
