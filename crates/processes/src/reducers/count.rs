//! Counting elements.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, ExprId, Node};
use eolith_plan::function::Function;
use eolith_plan::lanes::folds;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::array;
use crate::comparison::test::is_valid;

pub(crate) static COUNT: Process = Process { definition, lowering: Lowering::Custom(lower) };

/// Of an array and a condition.
pub(crate) static FUNCTION: Function = Function {
    id: "count",
    parameters: &["data", "condition"],
    scalar: count,
    result: |types| match types[0] {
        Type::Array(_, len) => {
            let hi = len.map_or(1 << 31, |n| n as i64);
            Type::Int(Interval { lo: 0, hi, narrow: false })
        }
        _ => Type::Any,
    },
    kernel: None,
    fold: Some(folds::count),
    simplify: Some(unremoved),
    blanks: None,
};

/// How many elements of an array are true.
static TRUTHS: Function = Function {
    id: "count",
    parameters: &["flags"],
    scalar: |args| {
        let flags = &array(args, 0, "flags")?.values;
        Ok(Value::Int(flags.iter().filter(|flag| **flag == Value::Bool(true)).count() as i64))
    },
    result: FUNCTION.result,
    kernel: None,
    fold: Some(folds::truths),
    simplify: None,
    blanks: None,
};

fn definition() -> Definition {
    Definition::new(
        "count",
        "Number of elements",
        "Counts the elements of an array: the valid ones (see `is_valid`), all with `condition` set to true, or \
         those for which a condition is true.",
    )
    .category("arrays")
    .category("math > statistics")
    .category("reducer")
    .param(param("data", "Elements of any kind.", schema::array_any()))
    .param(
        param(
            "condition",
            "A process that gets an element as `x` and returns whether it counts; true for all elements, null for \
             the valid ones.",
            schema::any_of([
                schema::titled("Condition", schema::process_graph(
                    [
                        param("x", "The element.", schema::any()),
                        param("context", "The value of `context`.", schema::any()).default(json!(null)),
                    ],
                    schema::boolean(),
                )),
                json!({ "title": "All elements", "type": "boolean", "const": true }),
                schema::titled("Valid elements", schema::null()),
            ]),
        )
        .default(json!(null)),
    )
    .param(
        param("context", "Passed on to the condition.", schema::any()).default(json!(null)),
    )
    .returns("How many elements count.", schema::number())
}

/// Elements that meet a condition are the true ones of what it gives for each. Where the value may be something else
/// than an array, the condition is called by the function; it knows its context when it is bound.
fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.expr("data")?;
    if call.is_callback("condition")
        && let Some(flags) = call.each("condition", data, ["x", "", ""])?
    {
        return Ok(Term::Expr(call.builder().call(&TRUTHS, vec![flags])));
    }
    let condition = if call.is_callback("condition") {
        call.lambda("condition", &["x"])?
    } else {
        call.expr("condition")?
    };
    Ok(Term::Expr(call.builder().call(&FUNCTION, vec![data, condition])))
}

/// Counting what is left after elements were removed: the valid ones are as many where the others are no-data instead,
/// and all of them are as many as the flags that keep them.
fn unremoved(builder: &mut Builder, args: &[ExprId]) -> Option<ExprId> {
    let Node::Call { function: removing, args: removed } = builder.node(args[0]) else {
        return None;
    };
    let (blanks, removed) = (removing.blanks?, removed.clone());
    match builder.as_const(args[1])? {
        Value::Null => {
            let data = builder.call(blanks, removed);
            Some(builder.call(&FUNCTION, vec![data, args[1]]))
        }
        Value::Bool(true) => Some(builder.call(&TRUTHS, vec![*removed.get(1)?])),
        _ => None,
    }
}

fn count(args: &[Value]) -> Result<Value, Fault> {
    let values = &array(args, 0, "data")?.values;
    let count = match &args[1] {
        Value::Null => values.iter().filter(|value| is_valid(value)).count(),
        Value::Bool(true) => values.len(),
        Value::Lambda(condition) => {
            let mut count = 0;
            for value in values {
                let counts = condition.call(std::slice::from_ref(value))?;
                count += usize::from(counts == Value::Bool(true));
            }
            count
        }
        other => {
            return Err(Fault::argument(
                "condition",
                format_args!("must be a process, `true` or null, not {}", other.kind()),
            ));
        }
    };
    Ok(Value::Int(count as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eolith_cube::Values;
    use eolith_plan::expr::Builder;
    use eolith_plan::lanes::stream::Slab;
    use eolith_plan::lanes::{Lanes, Register, evaluate};

    #[test]
    fn whole_arrays_and_streams_count_finite_numbers() {
        let values = Values::F64(vec![1.0, f64::NAN, f64::INFINITY, 2.0, 3.0, 4.0]);
        let mask = vec![true, true, true, true, false, true];
        let rows = || Register::Array {
            n: 3,
            lanes: Lanes::plain(values.clone(), Some(mask.clone())),
            labels: None,
        };
        for (condition, expected) in [(Value::Null, [1, 2]), (Value::Bool(true), [3, 3])] {
            let mut builder = Builder::default();
            let data = builder.axis(0, Type::F64, None);
            let condition = builder.constant(condition);
            let root = builder.call(&FUNCTION, vec![data, condition]);
            let expr = builder.finish(root);
            let result = evaluate(&expr, vec![rows()], 2).unwrap();
            let decomposed = expr.decompose().unwrap();
            let mut state = decomposed.start(values.dtype(), 2);
            for first in 0..3 {
                let mask = (first == 2).then_some(&mask[..]);
                let start = 2 * first;
                let slab =
                    Slab { values: &values, validity: mask, n: 1, lanes: 2, start, stride: 2 };
                state.push(first, &slab);
            }
            let streamed = state.finish().unwrap();
            for (lane, expected) in expected.into_iter().enumerate() {
                assert_eq!(result.value(lane, 2), Value::Int(expected));
                assert_eq!(streamed.value(lane, 2), Value::Int(expected));
                let scalar = expr.evaluate(&[rows().value(lane, 2)]).unwrap();
                assert_eq!(scalar, Value::Int(expected));
            }
        }
    }
}
