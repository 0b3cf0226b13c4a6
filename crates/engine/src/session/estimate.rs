//! What a process would take, as far as its plan says it.

use eolith_graph::{Issue, Process};

use super::Session;
use super::planning::PlanState;
use crate::scratch::Scratch;

/// What a plan says before anything is computed. Bytes are those of pixels, before any compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub tasks: usize,
    /// Bytes that are read and decoded.
    pub bytes_read: u64,
    /// Bytes of all results.
    pub result_bytes: u64,
    /// Bytes of values that wait between tasks.
    pub scratch_bytes: u64,
}

impl Session {
    /// What the process would take; `None` where that depends on values that are not computed yet.
    ///
    /// # Errors
    /// All problems of validation.
    pub async fn estimate(&self, process: &Process) -> Result<Option<Estimate>, Vec<Issue>> {
        let PlanState::Ready(plan) = self.checked_plan(process, &self.options(), None).await?
        else {
            return Ok(None);
        };
        let physical = &plan.physical;
        let roots = physical.roots.iter().flatten();
        let bytes = roots
            .map(|part| Scratch::bytes(physical.logical.schema(part.node), &part.partition.shape));
        let result_bytes = bytes.sum();
        let cost = physical.cost();
        Ok(Some(Estimate {
            tasks: super::tasks(physical),
            bytes_read: cost.as_ref().map_or(0, |cost| cost.decoded),
            result_bytes,
            scratch_bytes: cost.as_ref().map_or(0, |cost| cost.scratch),
        }))
    }
}
