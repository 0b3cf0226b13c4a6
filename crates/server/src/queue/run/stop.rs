//! Why a run is stopped although nothing is wrong with it: what its user may not have.

use std::path::Path;

use eolith_graph::Issue;

use super::super::Queue;
use crate::accounts::bytes_below;
use crate::job::Job;
use crate::store::StoreError;

impl Queue {
    /// Why results of so many bytes cannot be kept for the owner of a job, if they cannot.
    pub(super) async fn refused(
        &self,
        job: &Job,
        results: u64,
    ) -> Result<Option<Issue>, StoreError> {
        let storage = self.0.accounts.storage(&job.user).await?;
        Ok(storage.and_then(|storage| storage.refuse(results)))
    }

    /// The same for what a run has written so far.
    pub(super) async fn outgrown(
        &self,
        job: &Job,
        folder: &Path,
    ) -> Result<Option<Issue>, StoreError> {
        let folder = folder.to_owned();
        let written = tokio::task::spawn_blocking(move || bytes_below(&folder)).await;
        // What cannot be read now is added up when the run has ended.
        let written = written.ok().and_then(Result::ok).unwrap_or(0);
        if written == 0 { Ok(None) } else { self.refused(job, written).await }
    }
}
