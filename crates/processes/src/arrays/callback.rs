//! Arrays whose elements a callback computes or selects. It gets the element, its index and its label.

use std::sync::Arc;

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::Lambda;
use eolith_plan::function::Function;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Array, Fault, Value};
use serde_json::json;

use crate::arguments::{array, wrong};

pub(crate) static ARRAY_APPLY: Process = Process {
    definition: || {
        Definition::new(
            "array_apply",
            "Apply a process to each element",
            "Replaces each element by what a process returns for it. Labels are kept.",
        )
        .category("arrays")
        .param(param("data", "An array.", schema::array_any()))
        .param(param("process", "The process, which gets one element.", callback(schema::any())))
        .param(context())
        .returns("An array of the same length.", schema::array_any())
    },
    lowering: Lowering::Custom(|call| lower(call, "process", &APPLY)),
};

pub(crate) static ARRAY_FILTER: Process = Process {
    definition: || {
        Definition::new(
            "array_filter",
            "Keep elements that meet a condition",
            "Keeps the elements for which a process returns true, with their labels.",
        )
        .category("arrays")
        .category("filter")
        .param(param("data", "An array.", schema::array_any()))
        .param(param(
            "condition",
            "The process, which gets one element and returns whether it is kept.",
            callback(schema::boolean()),
        ))
        .param(context())
        .returns("The elements that are kept.", schema::array_any())
    },
    lowering: Lowering::Custom(|call| lower(call, "condition", &FILTER)),
};

static APPLY: Function = Function {
    id: "array_apply",
    parameters: &["data", "process"],
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let values = results(data, lambda(args, "process")?)?;
        Ok(Value::Array(Arc::new(Array { values, labels: data.labels.clone() })))
    },
    result: |types| Type::array(Type::Any, types[0].length()),
    kernel: None,
    fold: None,
    simplify: None,
};

static FILTER: Function = Function {
    id: "array_filter",
    parameters: &["data", "condition"],
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let kept = results(data, lambda(args, "condition")?)?;
        let kept = |i: &usize| kept[*i] == Value::Bool(true);
        let indices: Vec<usize> = (0..data.values.len()).filter(kept).collect();
        let values = indices.iter().map(|&i| data.values[i].clone()).collect();
        let labels = (data.labels.as_ref())
            .map(|labels| indices.iter().map(|&i| labels[i].clone()).collect::<Arc<[Label]>>());
        Ok(Value::Array(Arc::new(Array { values, labels })))
    },
    result: |types| match types[0] {
        Type::Array(element, _) => Type::array((**element).clone(), None),
        _ => Type::Any,
    },
    kernel: None,
    fold: None,
    simplify: None,
};

fn callback(returns: serde_json::Value) -> serde_json::Value {
    let label = schema::any_of([schema::number(), schema::string(), schema::null()]);
    schema::process_graph(
        [
            param("x", "", schema::any()),
            param("index", "", schema::integer_from(0)),
            param("label", "", label).default(json!(null)),
            param("context", "", schema::any()).default(json!(null)),
        ],
        returns,
    )
}

fn context() -> eolith_graph::Parameter {
    param("context", "Passed on to the process.", schema::any()).default(json!(null))
}

fn lower(
    call: &mut Call<'_, '_>,
    name: &str,
    function: &'static Function,
) -> Result<Term, Problem> {
    let data = call.expr("data")?;
    let callback = call.lambda(name, &["x", "index", "label"])?;
    Ok(Term::Expr(call.builder().call(function, vec![data, callback])))
}

fn lambda<'a>(args: &'a [Value], name: &str) -> Result<&'a Lambda, Fault> {
    match &args[1] {
        Value::Lambda(lambda) => Ok(lambda),
        other => Err(wrong(name, "a process", other)),
    }
}

/// What the callback returns for each element.
fn results(data: &Array, lambda: &Lambda) -> Result<Vec<Value>, Fault> {
    (data.values.iter().enumerate())
        .map(|(i, value)| {
            let label = data.labels.as_ref().map_or(Value::Null, |l| l[i].clone().into());
            lambda.call(&[value.clone(), Value::Int(i as i64), label])
        })
        .collect()
}
