//! One element of an array, by index or label.

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::expr::{Builder, ExprId, Node};
use eolith_plan::lanes::{KernelCall, Register, elements, operand};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use super::names;
use crate::arguments::{array, flag};

process! {
    ARRAY_ELEMENT = "array_element"(data, index, label, return_nodata),
    definition: || Definition::new(
        "array_element",
        "One element of an array",
        "The element at an index, counted from zero, or with a label. Exactly one of `index` and `label` has to be \
         given.",
    )
    .category("arrays")
    .category("reducer")
    .param(param("data", "Elements of any kind.", schema::array_any()))
    .param(param("index", "The index, counted from zero.", schema::integer_from(0)).optional())
    .param(param("label", "The label, for arrays that have labels.", schema::label()).optional())
    .param(
        param(
            "return_nodata",
            "Whether a missing element gives no-data instead of an error.",
            schema::boolean(),
        )
        .default(json!(false)),
    )
    .returns("The element.", schema::any())
    .throws("ArrayElementNotAvailable", "The array has no such element.")
    .throws("ArrayElementParameterMissing", "Neither `index` nor `label` is given.")
    .throws("ArrayElementParameterConflict", "Both `index` and `label` are given.")
    .throws("ArrayNotLabeled", "A label is given, but the array has none."),
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let missing_is_null = flag(args, 3, "return_nodata")?;
        let position = position(data.values.len(), data.labels.as_deref(), &args[1], &args[2])?;
        match position {
            Some(index) => Ok(data.values[index].clone()),
            None if missing_is_null => Ok(Value::Null),
            None => Err(missing(&args[1], &args[2])),
        }
    },
    result: |types| match types[0] {
        Type::Array(element, _) => (**element).clone(),
        _ => Type::Any,
    },
    kernel: Some(kernel),
    simplify: Some(simplify),
}

/// Index of the element; `None` if it is not there.
fn position(
    len: usize,
    labels: Option<&[Label]>,
    index: &Value,
    label: &Value,
) -> Result<Option<usize>, Fault> {
    match (index, label) {
        (Value::Null, Value::Null) => {
            Err(Fault::new("ArrayElementParameterMissing", "neither `index` nor `label` is given"))
        }
        (Value::Null, label) => match labels {
            Some(labels) => Ok(labels.iter().position(|own| names(label, own))),
            None => Err(Fault::new(
                "ArrayNotLabeled",
                format!("the label {} is asked for, but the array has no labels", shown(label)),
            )),
        },
        (index, Value::Null) => match index {
            Value::Int(index) => Ok(usize::try_from(*index).ok().filter(|index| *index < len)),
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 => {
                Ok(usize::try_from(*x as i64).ok().filter(|index| *index < len))
            }
            other => Err(crate::arguments::wrong("index", "an integer", other)),
        },
        _ => Err(Fault::new("ArrayElementParameterConflict", "both `index` and `label` are given")),
    }
}

fn missing(index: &Value, label: &Value) -> Fault {
    let (what, value) = if index.is_null() { ("label", label) } else { ("index", index) };
    Fault::new(
        "ArrayElementNotAvailable",
        format!("the array has no element with the {what} {}", shown(value)),
    )
}

fn shown(value: &Value) -> String {
    value.to_json().map_or_else(|| value.kind().to_owned(), |json| format!("`{json}`"))
}

/// A known element of an array of known length or labels is picked, without a call.
fn simplify(builder: &mut Builder, args: &[ExprId]) -> Option<ExprId> {
    let constant = |k: usize| builder.as_const(args[k]).cloned();
    let (index, label) = (constant(1)?, constant(2)?);
    let missing_is_null = constant(3)?.as_bool()?;
    let Type::Array(_, Some(len)) = *builder.ty(args[0]) else { return None };
    // Only the array along a dimension is known to have labels, or none, before it is evaluated.
    let labels = match builder.node(args[0]) {
        Node::Axis(_, labels) => labels.clone(),
        Node::List(_) => None,
        _ if index.is_null() => return None,
        _ => None,
    };
    match position(len, labels.as_deref(), &index, &label) {
        Ok(Some(position)) => Some(builder.pick(args[0], position)),
        Ok(None) if missing_is_null => Some(builder.constant(Value::Null)),
        Ok(None) => Some(builder.fault(missing(&index, &label))),
        Err(fault) => Some(builder.fault(fault)),
    }
}

fn kernel(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let labels = rows.labels.map(|labels| &**labels);
    let (index, label) = (call.constant(1)?, call.constant(2)?);
    match position(rows.n, labels, index, label) {
        Ok(Some(position)) => elements::element(call, position),
        Ok(None) if call.flag(3)? => Ok(operand::null()),
        Ok(None) | Err(_) => Err(operand::refusal()),
    }
}
