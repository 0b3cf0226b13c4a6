//! Arrays whose elements a callback computes or selects. It gets the element, its index and its label.

use std::sync::Arc;

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::Term;
use eolith_plan::expr::Lambda;
use eolith_plan::function::Function;
use eolith_plan::lanes::elements;
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
    lowering: Lowering::Custom(|call| {
        let data = call.expr("data")?;
        if let Some(each) = call.each("process", data, PARAMETERS)? {
            return Ok(Term::Expr(each));
        }
        let process = call.lambda("process", &PARAMETERS)?;
        Ok(Term::Expr(call.builder().call(&APPLY, vec![data, process])))
    }),
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
    lowering: Lowering::Custom(|call| {
        let data = call.expr("data")?;
        if let Some(kept) = call.each("condition", data, PARAMETERS)? {
            return Ok(Term::Expr(call.builder().call(&KEPT, vec![data, kept])));
        }
        let condition = call.lambda("condition", &PARAMETERS)?;
        Ok(Term::Expr(call.builder().call(&FILTER, vec![data, condition])))
    }),
};

/// What the callbacks call the element, its index and its label.
const PARAMETERS: [&str; 3] = ["x", "index", "label"];

/// Of what may be an array only when it is computed.
static APPLY: Function = Function {
    id: "array_apply",
    parameters: &["data", "process"],
    scalar: |args| lambda(args, "process")?.each(&args[0]),
    result: |types| Type::array(Type::Any, types[0].length()),
    kernel: None,
    fold: None,
    simplify: None,
    blanks: None,
};

/// Like [`APPLY`].
static FILTER: Function = Function {
    id: "array_filter",
    parameters: &["data", "condition"],
    scalar: |args| {
        let kept = lambda(args, "condition")?.each(&args[0])?;
        keep(array(args, 0, "data")?, &kept)
    },
    result: shorter,
    kernel: None,
    fold: None,
    simplify: None,
    blanks: None,
};

/// The elements for which an array as long as theirs is true.
static KEPT: Function = Function {
    id: "array_filter",
    parameters: &["data", "kept"],
    scalar: |args| keep(array(args, 0, "data")?, &args[1]),
    result: shorter,
    kernel: Some(elements::keep),
    fold: None,
    simplify: None,
    blanks: Some(&BLANKED),
};

/// The elements, with no-data where [`KEPT`] removes them.
static BLANKED: Function = Function {
    id: "array_filter",
    parameters: &["data", "kept"],
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let kept = array(args, 1, "condition")?;
        let value = |(value, kept): (&Value, &Value)| {
            if *kept == Value::Bool(true) { value.clone() } else { Value::Null }
        };
        let values = data.values.iter().zip(&kept.values).map(value).collect();
        Ok(Value::Array(Arc::new(Array { values, labels: data.labels.clone() })))
    },
    result: |types| types[0].clone(),
    kernel: Some(elements::blank),
    fold: None,
    simplify: None,
    blanks: None,
};

fn keep(data: &Array, kept: &Value) -> Result<Value, Fault> {
    let kept = kept.as_array().ok_or_else(|| wrong("condition", "an array", kept))?;
    let indices: Vec<usize> =
        (0..data.values.len()).filter(|i| kept.values[*i] == Value::Bool(true)).collect();
    let values = indices.iter().map(|&i| data.values[i].clone()).collect();
    let labels = (data.labels.as_ref())
        .map(|labels| indices.iter().map(|&i| labels[i].clone()).collect::<Arc<[Label]>>());
    Ok(Value::Array(Arc::new(Array { values, labels })))
}

fn shorter(types: &[&Type]) -> Type {
    match types[0] {
        Type::Array(element, _) => Type::array((**element).clone(), None),
        _ => Type::Any,
    }
}

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

fn lambda<'a>(args: &'a [Value], name: &str) -> Result<&'a Lambda, Fault> {
    match &args[1] {
        Value::Lambda(lambda) => Ok(lambda),
        other => Err(wrong(name, "a process", other)),
    }
}
