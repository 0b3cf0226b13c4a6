//! `apply`: each value on its own.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;

pub(crate) static APPLY: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "apply",
        "Apply a process to each value",
        "Replaces every value of the data cube by what the process makes of it. Dimensions and labels stay as they \
         are. No-data reaches the process as null, and null becomes no-data.",
    )
    .category("cubes")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param("process", "Computes a new value from the value `x`.", schema::element_callback()))
    .param(super::arguments::context())
    .returns("A data cube with the new values and the same dimensions.", schema::cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let x = Input::Value(0, Type::of_dtype(schema.dtype()));
    let process = call.callback("process", &[("x", x)])?;
    call.try_add(Op::map(&[&schema], process), vec![data])
}
