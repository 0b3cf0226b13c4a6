//! Why a run is stopped although nothing is wrong with it: what its owner may not have, or may not spend.

use std::path::Path;

use eolith_graph::Issue;

use super::super::Queue;
use crate::accounts::{bytes_below, over_budget};
use crate::job::{Job, Usage};
use crate::prices::Micros;
use crate::store::StoreError;

impl Queue {
    /// Why a job cannot begin, if it cannot.
    pub(super) async fn refused(&self, job: &Job) -> Result<Option<Issue>, StoreError> {
        match self.too_large(job, 0).await? {
            None => self.0.accounts.unpaid(&job.user).await,
            refused => Ok(refused),
        }
    }

    /// Why results of so many bytes cannot be kept for the owner of a job, if they cannot.
    pub(super) async fn too_large(
        &self,
        job: &Job,
        results: u64,
    ) -> Result<Option<Issue>, StoreError> {
        let storage = self.0.accounts.storage(&job.user).await?;
        Ok(storage.and_then(|storage| storage.refuse(results)))
    }

    /// Why a run cannot go on, if it cannot: there are no credits, or what it has written to `folder` is too much, where
    /// that is to be looked at.
    pub(super) async fn excess(
        &self,
        job: &Job,
        folder: Option<&Path>,
    ) -> Result<Option<Issue>, StoreError> {
        if let Some(issue) = self.0.accounts.unpaid(&job.user).await? {
            return Ok(Some(issue));
        }
        let Some(folder) = folder.map(Path::to_owned) else { return Ok(None) };
        let written = tokio::task::spawn_blocking(move || bytes_below(&folder)).await;
        // What cannot be read now is added up when the run has ended.
        let written = written.ok().and_then(Result::ok).unwrap_or(0);
        if written == 0 { Ok(None) } else { self.too_large(job, written).await }
    }

    /// What a run has taken with its costs, which are never more than its budget; and whether they would be.
    pub(super) fn priced(&self, job: &Job, usage: Usage, results: u64) -> (Usage, Option<Issue>) {
        let costs = self.0.accounts.costs(&usage, results);
        match job.budget().filter(|budget| costs > *budget) {
            Some(budget) => (Usage { costs: budget, ..usage }, Some(over_budget(budget))),
            None => (Usage { costs, ..usage }, None),
        }
    }

    /// The costs of a run that has ended, of which so much was charged already; and why its results are not given, if they
    /// cannot be paid. `results` is their size, if there are any.
    pub(super) async fn settled(
        &self,
        job: &Job,
        usage: Usage,
        results: Option<u64>,
        charged: Micros,
    ) -> Result<(Usage, Option<Issue>), StoreError> {
        let without = self.priced(job, usage, 0).0;
        let Some(results) = results else { return Ok((without, None)) };
        let (with, over) = self.priced(job, usage, results);
        let over = match over {
            None => self.0.accounts.short(&job.user, with.costs - charged).await?,
            over => over,
        };
        Ok((if over.is_some() { without } else { with }, over))
    }
}
