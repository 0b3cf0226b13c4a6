//! What a process would take, as far as its plan says it, and the share that a run may have.

use eolith_graph::{Code, Issue, NodePath, Process};
use eolith_plan::physical::Physical;

use super::Session;
use super::planning::PlanState;
use crate::scratch::Scratch;

/// What a plan says before anything is computed. Bytes are those of pixels, before any compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    pub tasks: usize,
    /// Bytes that are read and decoded.
    pub bytes_read: u64,
    /// Bytes of all results.
    pub result_bytes: u64,
    /// Bytes of values that wait between tasks.
    pub scratch_bytes: u64,
    /// Most bytes that a task holds at a time.
    pub task_bytes: u64,
}

/// Most that a run may take by its plan; `None` is no limit. Bytes are those of an [`Estimate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub bytes_read: Option<u64>,
    pub result_bytes: Option<u64>,
    pub task_bytes: Option<u64>,
    /// What is said to whom it is not enough for.
    pub hint: &'static str,
}

impl Session {
    /// The same, for runs that are refused with [`Code::PROCESS_GRAPH_COMPLEXITY`] if their plan takes more than this. What a
    /// plan depends on is computed first and is refused before that, too.
    #[must_use]
    pub fn within(self, share: Share) -> Session {
        Session { share, ..self }
    }

    /// What the process would take; `None` where that depends on values that are not computed yet.
    ///
    /// # Errors
    /// All problems of validation.
    pub async fn estimate(&self, process: &Process) -> Result<Option<Estimate>, Vec<Issue>> {
        let PlanState::Ready(plan) = self.checked_plan(process, &self.options(), None).await?
        else {
            return Ok(None);
        };
        Ok(Some(Estimate::of(&plan.physical)))
    }

    /// Whether a plan may be run, after plans that have read so many bytes for the same run; gives the bytes of all.
    pub(super) fn allowed(&self, physical: &Physical, read_before: u64) -> Result<u64, Issue> {
        if self.share == Share::default() {
            return Ok(0);
        }
        self.share.check(&Estimate::of(physical), read_before)
    }
}

impl Estimate {
    /// What a plan says of itself.
    fn of(physical: &Physical) -> Estimate {
        let roots = physical.roots.iter().flatten();
        let bytes = roots
            .map(|part| Scratch::bytes(physical.logical.schema(part.node), &part.partition.shape));
        let result_bytes = bytes.fold(0, u64::saturating_add);
        let cost = physical.cost();
        Estimate {
            tasks: super::tasks(physical),
            bytes_read: cost.as_ref().map_or(0, |cost| cost.decoded),
            result_bytes,
            scratch_bytes: cost.as_ref().map_or(0, |cost| cost.scratch),
            task_bytes: cost.as_ref().map_or(0, |cost| cost.peak),
        }
    }
}

impl Share {
    fn check(&self, estimate: &Estimate, read_before: u64) -> Result<u64, Issue> {
        let read = estimate.bytes_read.saturating_add(read_before);
        for (takes, most, verb, what) in [
            (read, self.bytes_read, "reads", "of pixels"),
            (estimate.result_bytes, self.result_bytes, "gives", "of pixels"),
            (estimate.task_bytes, self.task_bytes, "holds", "in memory for one task"),
        ] {
            if let Some(most) = most.filter(|most| takes > *most) {
                let message =
                    format!("the process {verb} {takes} bytes {what}, {most} are allowed here");
                let code = Code::PROCESS_GRAPH_COMPLEXITY;
                return Err(Issue::new(code, NodePath::default(), message).hint(self.hint));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_says_what_is_too_much() {
        let share = Share {
            bytes_read: Some(10),
            result_bytes: Some(5),
            task_bytes: None,
            hint: "elsewhere",
        };
        let plan = |bytes_read, result_bytes| Estimate {
            bytes_read,
            result_bytes,
            task_bytes: u64::MAX,
            ..Estimate::default()
        };
        assert_eq!(share.check(&plan(8, 5), 2), Ok(10));
        assert!(Share::default().check(&plan(u64::MAX, u64::MAX), u64::MAX).is_ok());
        for (estimate, before, figure) in
            [(plan(11, 5), 0, "reads 11"), (plan(4, 5), 7, "reads 11"), (plan(0, 6), 0, "gives 6")]
        {
            let issue = share.check(&estimate, before).unwrap_err();
            assert_eq!(issue.code, Code::PROCESS_GRAPH_COMPLEXITY);
            assert!(issue.message.contains(figure), "{issue}");
            assert_eq!(issue.hint.as_deref(), Some("elsewhere"));
        }
    }
}
