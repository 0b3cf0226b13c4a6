//! The planner: restartable, without I/O.
//!
//! [`plan`] takes what the user said and all answers so far. It gives the plan, or the questions that are still
//! open; the driver answers them and plans again from the start. Planning is cheap, so nothing is patched.

use std::collections::{BTreeMap, BTreeSet};

use eolith_graph::{Issue, Process};

use crate::bind::{self, Argument};
use crate::logical::Logical;
use crate::need::{Need, Snapshot};
use crate::optimize;
use crate::physical::{Options, Physical};
use crate::process::Registry;
use crate::target::{Reading, TargetGrid};

/// What planning gives.
#[derive(Debug)]
pub enum Planned {
    Ready(Box<Plan>),
    /// To be answered; `so_far` is what is known of the plan already, with pending axes.
    Needs {
        needs: BTreeSet<Need>,
        so_far: Logical,
    },
    Issues(Vec<Issue>),
}

/// All three stages of a plan.
#[derive(Debug)]
pub struct Plan {
    /// As bound: what the reference evaluates.
    pub bound: Logical,
    /// Optimised and partitioned: what is run.
    pub physical: Physical,
}

/// Plans a process, on the grid of a target if there is one. Equal inputs give equal plans.
pub fn plan(
    process: &Process,
    arguments: &BTreeMap<String, Argument>,
    registry: &dyn Registry,
    snapshot: &Snapshot,
    target: Option<&TargetGrid>,
    options: &Options,
) -> Planned {
    let bound = bind::bind(process, arguments, registry, snapshot, target);
    if !bound.issues.is_empty() {
        return Planned::Issues(bound.issues);
    }
    if !bound.needs.is_empty() {
        return Planned::Needs { needs: bound.needs, so_far: bound.logical };
    }
    let bound = bound.logical.logging(options.log);
    let mut optimized = optimize::optimize(bound.clone());
    if target.is_some_and(|target| target.reading == Reading::Approximate) {
        let needs;
        (optimized, needs) = optimize::approximate(optimized, snapshot);
        if !needs.is_empty() {
            return Planned::Needs { needs, so_far: bound };
        }
    }
    match Physical::new(optimized, options) {
        Ok(physical) => Planned::Ready(Box::new(Plan { bound, physical })),
        Err(issues) => Planned::Issues(issues),
    }
}
