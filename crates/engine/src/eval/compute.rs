//! Computes the result of a plan without sources.

use eolith_cube::Block;
use eolith_plan::compute::{Failure, run_task};
use eolith_plan::logical::RootValue;
use eolith_plan::op::Cube;
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
        Way::Whole | Way::Chunks(_) => {
            let shape = schema.shape().ok_or_else(|| internal("an axis is pending"))?;
            tasks(plan, index, Block::nulls(schema.dtype(), shape))?
        }
    };
    Ok(Outcome::Cube(Cube { schema, block }))
}

/// All tasks of a root, pasted together.
fn tasks(plan: &Plan, root: usize, mut whole: Block) -> Result<Block, EvalError> {
    let physical = &plan.physical.roots[root];
    let node = physical.node.ok_or_else(|| EvalError::new("Internal", "the result is no cube"))?;
    for i in 0..physical.partition.len() {
        let task = plan.physical.task(root, i);
        let part: Result<Block, EvalError> =
            run_task(&plan.physical, node, &task, |_, _| Err(no_source()));
        let start: Vec<usize> = task.output.0.iter().map(|range| range.start).collect();
        whole.paste(&start, &part?);
    }
    Ok(whole.canonical())
}

fn no_source() -> EvalError {
    EvalError::new("CollectionNotFound", "there are no collections here")
}

impl From<Failure> for EvalError {
    fn from(failure: Failure) -> EvalError {
        EvalError::new(failure.fault.code, failure.fault.message)
    }
}
