//! `filter_labels`: labels that satisfy a condition.

use std::sync::Arc;

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;

pub(crate) static FILTER_LABELS: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "filter_labels",
        "Filter labels by a condition",
        "Keeps the labels of a dimension for which the condition is true. Instants reach the condition as texts.",
    )
    .category("cubes")
    .category("filter")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param(
        "condition",
        "Says whether the label `value` is kept.",
        schema::process_graph(
            [
                param("value", "", schema::label()),
                param("context", "", schema::any()).default(serde_json::Value::Null),
            ],
            schema::boolean(),
        ),
    ))
    .param(param("dimension", "The name of the dimension.", schema::string()))
    .param(super::arguments::context())
    .returns("A data cube with fewer (or the same) labels.", schema::cube())
    .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    let Some(labels) = schema.dims[dim].labels() else { return Err(Problem::Blocked) };
    let mut kept = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        let value = Input::Constant(Value::from(label));
        let condition = call.callback("condition", &[("value", value)])?;
        match condition.as_const() {
            Some(Ok(Value::Bool(true))) => kept.push(i),
            Some(Ok(_)) => {}
            Some(Err(fault)) => return Err(fault.into()),
            None => {
                return Err(Problem::argument("condition", "the condition depends on pixels"));
            }
        }
    }
    let mut indices: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    indices[dim] = Some(kept.into());
    Ok(call.add(Op::select(&schema, indices), vec![data]))
}
