//! Three-valued logic: no-data is "unknown", the result is known where it does not depend on it.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::lanes::kernels;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};

use crate::arguments::boolean;
use crate::comparison::among;

pub(crate) static ALL: &[&Process] = &[&AND, &IF, &NOT, &OR, &XOR];

pub(crate) static IF: Process = Process {
    definition: || {
        Definition::new(
            "if",
            "One of two values",
            "Gives `accept` if the condition is true, otherwise `reject`, also for no-data. The other branch is not \
             evaluated.",
        )
        .category("logic")
        .category("comparison")
        .category("masks")
        .param(param("value", "The condition.", schema::boolean_or_null()))
        .param(param("accept", "The result if the condition is true.", schema::any()))
        .param(
            param("reject", "The result in all other cases.", schema::any())
                .default(serde_json::Value::Null),
        )
        .returns("One of the two values.", schema::any())
    },
    lowering: Lowering::Custom(lower_if),
};

/// Whether a value is true for sure and whether it is false for sure.
type Known = [bool; 2];

process! {
    AND = "and"(x, y),
    definition: || definition(
        "and",
        "Logical AND",
        "Whether both values are true. False next to no-data is false, true next to no-data is no-data.",
    ),
    scalar: |args| logic(args, and),
    result: result,
    kernel: Some(|call| kernels::logic(call, and)),
    simplify: Some(among::neither),
}

process! {
    OR = "or"(x, y),
    definition: || definition(
        "or",
        "Logical OR",
        "Whether at least one value is true. True next to no-data is true, false next to no-data is no-data.",
    ),
    scalar: |args| logic(args, or),
    result: result,
    kernel: Some(|call| kernels::logic(call, or)),
    simplify: Some(among::either),
}

process! {
    XOR = "xor"(x, y),
    definition: || definition(
        "xor",
        "Logical exclusive OR",
        "Whether exactly one value is true. A no-data operand gives no-data.",
    ),
    scalar: |args| logic(args, xor),
    result: result,
    kernel: Some(|call| kernels::logic(call, xor)),
    simplify: None,
}

process! {
    NOT = "not"(x),
    definition: || Definition::new(
        "not",
        "Logical NOT",
        "True for false and false for true. No-data stays no-data.",
    )
    .category("logic")
    .param(param("x", "A boolean.", schema::boolean_or_null()))
    .returns("The inverse.", schema::boolean_or_null()),
    scalar: |args| Ok(boolean(args, 0, "x")?.map_or(Value::Null, |x| Value::Bool(!x))),
    result: result,
    kernel: Some(kernels::not),
    simplify: None,
}

pub(crate) fn and([x, not_x]: Known, [y, not_y]: Known) -> Known {
    [x & y, not_x | not_y]
}

pub(crate) fn or([x, not_x]: Known, [y, not_y]: Known) -> Known {
    [x | y, not_x & not_y]
}

fn xor([x, not_x]: Known, [y, not_y]: Known) -> Known {
    [(x & not_y) | (not_x & y), (x & y) | (not_x & not_y)]
}

/// With a known condition also between data cubes.
fn lower_if(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let condition = call.expr("value")?;
    if let Some(value) = call.builder().as_const(condition) {
        let branch = if *value == Value::Bool(true) { "accept" } else { "reject" };
        return match call.cube(branch) {
            Ok(cube) => Ok(Term::Cube(cube)),
            Err(Problem::Blocked) => Err(Problem::Blocked),
            Err(_) => Ok(Term::Expr(call.expr(branch)?)),
        };
    }
    let (accept, reject) = (call.expr("accept")?, call.expr("reject")?);
    Ok(Term::Expr(call.builder().if_(condition, accept, reject)))
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("logic")
        .param(param("x", "First boolean.", schema::boolean_or_null()))
        .param(param("y", "Second boolean.", schema::boolean_or_null()))
        .returns("The answer; no-data if it is not known.", schema::boolean_or_null())
}

fn logic(args: &[Value], f: fn(Known, Known) -> Known) -> Result<Value, Fault> {
    let known = |value: Option<bool>| [value == Some(true), value == Some(false)];
    let (x, y) = (boolean(args, 0, "x")?, boolean(args, 1, "y")?);
    Ok(match f(known(x), known(y)) {
        [true, _] => Value::Bool(true),
        [false, true] => Value::Bool(false),
        [false, false] => Value::Null,
    })
}

fn result(types: &[&Type]) -> Type {
    if types.iter().all(|ty| matches!(ty, Type::Bool | Type::Null)) {
        Type::Bool
    } else {
        Type::Any
    }
}
