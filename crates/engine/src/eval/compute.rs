//! Computes the result of a plan without sources.

use eolith_cube::Block;
use eolith_plan::compute::{Failure, run_root};
use eolith_plan::logical::RootValue;
use eolith_plan::need::{Answer, Need};
use eolith_plan::op::Cube;
use eolith_plan::optimize::optimize;
use eolith_plan::physical::{Options, Physical};
use eolith_plan::planner::Plan;
use eolith_plan::reference;
use eolith_plan::value::Value;

use super::{EvalError, Way};

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Value(Value),
    Cube(Cube),
}

/// The value of the result node of a plan that reads nothing.
pub fn outcome(plan: &Plan, way: Way) -> Result<Outcome, EvalError> {
    let internal = |message: &str| EvalError::new("Internal", message);
    let roots = &plan.bound.roots;
    let index = roots.iter().position(|root| root.is_result);
    let index = index.ok_or_else(|| internal("the plan has no result"))?;
    let id = match &roots[index].value {
        RootValue::Value(value) => return Ok(Outcome::Value(value.clone())),
        RootValue::Cube(id) => *id,
    };
    let schema = plan.bound.schema(id).as_ref().clone();
    let block = match way {
        Way::Reference => reference::evaluate(&plan.bound, id, |_| Err(no_source()))?,
        Way::Whole | Way::Chunks(_) => root(&plan.physical, index)?,
    };
    Ok(Outcome::Cube(Cube { schema, block }))
}

/// What planning has to know, computed in the same way as the result.
pub(super) fn answer(need: &Need, options: &Options, way: Way) -> Result<Answer, EvalError> {
    let subplan = need.subplan().ok_or_else(no_source)?;
    if way == Way::Reference {
        return subplan
            .answer_with(|bound, id| reference::evaluate(bound, id, |_| Err(no_source())));
    }
    let physical = Physical::new(optimize(subplan.plan().clone()), options);
    let physical = physical.map_err(|issues| EvalError::from(&issues[0]))?;
    let mut roots = 0..physical.roots.len();
    subplan.answer_with(|_, _| root(&physical, roots.next().unwrap_or_default()))
}

fn root(physical: &Physical, index: usize) -> Result<Block, EvalError> {
    let part = physical.roots[index].as_ref();
    let part = part.ok_or_else(|| EvalError::new("Internal", "the result is no cube"))?;
    run_root(physical, part, |_, _| Err(no_source()))
}

fn no_source() -> EvalError {
    EvalError::new("CollectionNotFound", "there are no collections here")
}

impl From<Failure> for EvalError {
    fn from(failure: Failure) -> EvalError {
        EvalError::new(failure.fault.code, failure.fault.message)
    }
}
