//! From a process to a plan: the questions of the planner and who answers them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use eolith_graph::{Code, Issue, NodePath, Parameter, Process, substitute};
use eolith_plan::logical::Logical;
use eolith_plan::need::{Answer, Need, Snapshot};
use eolith_plan::physical::Options;
use eolith_plan::planner::{self, Plan, Planned};
use eolith_processes::{registry, registry_inside};
use futures::stream::{self, StreamExt};

use super::computed::Computing;
use super::inputs;
use super::{Session, Times};

/// Rounds of questions and answers before planning gives up; each round must bring answers, so this is only a net.
const ROUNDS: usize = 1000;

/// Questions that are answered at a time.
const QUESTIONS: usize = 16;

/// Most collections that an error names.
const NAMED: usize = 10;

/// What planning came to.
pub(super) enum PlanState {
    Ready(Box<Plan>),
    /// What is left has to be computed.
    Open {
        needs: Vec<Need>,
        so_far: Logical,
    },
}

impl PlanState {
    /// The plan, if nothing is left to compute.
    pub(super) fn ready(self) -> Result<Plan, Vec<Issue>> {
        match self {
            PlanState::Ready(plan) => Ok(*plan),
            PlanState::Open { .. } => {
                Err(vec![unfinished("it depends on values that were not computed")])
            }
        }
    }
}

impl Session {
    /// All problems that can be found without reading pixels and without running code of users. Of a process with parameters
    /// that have no value only the structure is looked at.
    pub async fn validate(&self, process: &Process) -> Vec<Issue> {
        if self.wants_values(process) {
            return match self.expanded(process).await {
                Ok(process) => self.check(&process).await,
                Err(issues) => issues,
            };
        }
        let process = match self.checked(process).await {
            Ok(process) => process,
            Err(issues) => return issues,
        };
        match self.plan(&process, &self.options(), None).await {
            Ok(PlanState::Ready(plan)) => {
                self.check_exports(&plan.physical.logical, None).await.err().into_iter().collect()
            }
            Ok(PlanState::Open { .. }) => Vec::new(),
            Err(issues) => issues,
        }
    }

    /// Plans a process that was not checked yet, and computes what the plan depends on.
    pub(super) async fn complete_plan(
        &self,
        process: &Process,
        options: &Options,
        computing: &mut Computing<'_>,
    ) -> Result<Plan, Vec<Issue>> {
        self.checked_plan(process, options, Some(computing)).await?.ready()
    }

    /// Plans a process that was not checked yet.
    pub(super) async fn checked_plan(
        &self,
        process: &Process,
        options: &Options,
        computing: Option<&mut Computing<'_>>,
    ) -> Result<PlanState, Vec<Issue>> {
        let process = self.checked(process).await?;
        self.plan(&process, options, computing).await
    }

    /// Asks the catalogue, and computes what only pixels answer, until the plan is complete. Without `computing` the
    /// latter stays open.
    pub(super) async fn plan(
        &self,
        process: &Process,
        options: &Options,
        computing: Option<&mut Computing<'_>>,
    ) -> Result<PlanState, Vec<Issue>> {
        self.plan_with(process, options, &RwLock::default(), computing).await
    }

    /// The same with what is known already; new answers are added to it.
    pub(super) async fn plan_with(
        &self,
        process: &Process,
        options: &Options,
        known: &RwLock<Snapshot>,
        mut computing: Option<&mut Computing<'_>>,
    ) -> Result<PlanState, Vec<Issue>> {
        let learn = |answers: Vec<(Need, Answer)>| {
            let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
            for (need, answer) in answers {
                known.insert(need, answer);
            }
        };
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let planned = {
                let known = known.read().unwrap_or_else(PoisonError::into_inner);
                let target = self.target.as_deref();
                planner::plan(process, &self.given, registry(), &known, target, options)
            };
            times.plan += started.elapsed();
            let (needs, so_far) = match planned {
                Planned::Ready(plan) => {
                    if let Some(computing) = computing {
                        let read = {
                            let known = known.read().unwrap_or_else(PoisonError::into_inner);
                            inputs::of(&plan.physical.logical, &known)
                        };
                        computing.report.inputs = Box::pin(self.inputs(read)).await;
                        computing.report.times.plan += times.plan;
                        computing.report.times.open += times.open;
                    }
                    return Ok(PlanState::Ready(plan));
                }
                Planned::Issues(issues) => return Err(self.with_collections(issues).await),
                Planned::Needs { needs, so_far } => (needs, so_far),
            };
            let started = Instant::now();
            let (open, asked): (Vec<Need>, Vec<Need>) =
                needs.into_iter().partition(|need| need.subplan().is_some() || need.runs_code());
            let ask = |need: Need| async move {
                let answer = self.catalog.answer(&need, &*self.workspace).await;
                (need, answer)
            };
            let asked: Vec<_> = asked.into_iter().map(ask).collect();
            let mut answers: Vec<(Need, Answer)> =
                stream::iter(asked).buffered(QUESTIONS).collect().await;
            for need in &open {
                if let Some(refused) = self.refused(need).await {
                    answers.push((need.clone(), refused));
                }
            }
            let answered = !answers.is_empty();
            learn(answers);
            times.open += started.elapsed();
            // What is computed may change with what the catalogue says, so that comes first.
            if answered {
                continue;
            }
            let Some(computing) = computing.as_deref_mut() else {
                return Ok(PlanState::Open { needs: open, so_far });
            };
            for need in open {
                let answer = match need.subplan() {
                    Some(subplan) => self.compute(subplan, computing).await?,
                    None => self.tried(&need).await,
                };
                learn(vec![(need, answer)]);
            }
        }
        Err(vec![unfinished(&format!("it has open questions after {ROUNDS} rounds"))])
    }

    /// Says which collections there are where one was not found. Paths of data that cannot be used are in the log: who
    /// asks over HTTP has no business with them.
    async fn with_collections(&self, mut issues: Vec<Issue>) -> Vec<Issue> {
        let unknown =
            |issue: &Issue| issue.code == Code::COLLECTION_NOT_FOUND && issue.hint.is_none();
        if !issues.iter().any(unknown) {
            return issues;
        }
        let mut known = self.catalog.ids().await;
        let more = if known.len() > NAMED { ", …" } else { "" };
        known.truncate(NAMED);
        let hint = if known.is_empty() {
            "there are no collections".to_owned()
        } else {
            format!("collections: {}{more}", known.join(", "))
        };
        for issue in issues.iter_mut().filter(|issue| unknown(issue)) {
            issue.hint = Some(hint.clone());
        }
        issues
    }

    /// The process with stored ones in place.
    ///
    /// # Errors
    /// What is wrong with it before anything is planned.
    pub(super) async fn checked<'p>(
        &self,
        process: &'p Process,
    ) -> Result<Cow<'p, Process>, Vec<Issue>> {
        let process = self.expanded(process).await?;
        let issues = self.check(&process).await;
        if issues.is_empty() { self.with_defaults(process) } else { Err(issues) }
    }

    /// The process with the defaults of its parameters in their places; those that were given are bound as values.
    ///
    /// # Errors
    /// A parameter that has no value.
    fn with_defaults<'p>(&self, process: Cow<'p, Process>) -> Result<Cow<'p, Process>, Vec<Issue>> {
        let is_given = |parameter: &Parameter| self.given.contains_key(&*parameter.name);
        if process.parameters.iter().all(is_given) {
            return Ok(process);
        }
        let mut process = process.into_owned();
        let (given, mut open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut process.parameters).into_iter().partition(is_given);
        for parameter in &mut open {
            // Who states a default means it.
            parameter.optional |= parameter.default.is_some();
        }
        process.parameters = open;
        let (mut process, issues) = substitute(process, &BTreeMap::new(), registry());
        process.parameters.extend(given);
        if issues.is_empty() { Ok(Cow::Owned(process)) } else { Err(issues) }
    }

    /// Whether a process has parameters that nothing gives a value: it is meant for others to call.
    fn wants_values(&self, process: &Process) -> bool {
        process.parameters.iter().any(|parameter| {
            let has = parameter.optional || parameter.default.is_some();
            !has && !self.given.contains_key(&*parameter.name)
        })
    }

    /// What is wrong with a process before anything is asked.
    async fn check(&self, process: &Process) -> Vec<Issue> {
        let issues = eolith_graph::check(process, registry());
        if !issues.is_empty() {
            return issues;
        }
        let mut outside = eolith_graph::check(process, registry_inside());
        if outside.is_empty() {
            return outside;
        }
        match self.host().await {
            Ok(_) => Vec::new(),
            Err(reason) => {
                // What the machine lacks is the operator's business.
                let operator = self.catalog.access().private;
                let why = if operator { format!(": {reason}") } else { String::new() };
                for issue in &mut outside {
                    issue.hint = Some(format!("UDFs cannot be run here{why}"));
                }
                outside
            }
        }
    }

    /// The answer to a question about a function that cannot be run at all.
    async fn refused(&self, need: &Need) -> Option<Answer> {
        let Need::Udf { udf, .. } = need else { return None };
        match self.host().await {
            Ok(host) => host.check(udf).err().map(Answer::Fault),
            Err(reason) => Some(Answer::Failed(reason.to_owned())),
        }
    }

    /// What comes out of a function of a user's: it is run on a made-up cell.
    async fn tried(&self, need: &Need) -> Answer {
        let (Need::Udf { udf, cell, dtype }, Ok(host)) = (need, self.host().await) else {
            return Answer::Missing;
        };
        let bytes = host.memory();
        let Some(_room) = self.machine.reserve(bytes).await else {
            return Answer::Failed(format!("a UDF may take {bytes} bytes, there is less memory"));
        };
        host.outcome(udf, cell, *dtype).await
    }
}

fn unfinished(why: &str) -> Issue {
    let message = format!("the plan was not complete: {why}");
    Issue::new(Code::INTERNAL, NodePath::default(), message)
}
