//! Conditions on the metadata of items, and how they are said to a service.
//!
//! The condition itself is an expression that is evaluated for every item. Its form in CQL2 lets a service leave
//! items out beforehand; it never says more than the expression, so that it can only spare work.

use std::sync::Arc;

use eolith_plan::bind::{Call, Problem};
use eolith_plan::expr::{Expr, Node};
use eolith_plan::request::PropertyFilter;
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

/// Parts of a condition that is sent; larger ones are tested here only.
const MOST_PARTS: usize = 200;

/// The conditions of an argument; none for null.
pub(super) fn properties(
    call: &mut Call<'_, '_>,
    name: &str,
) -> Result<Vec<PropertyFilter>, Problem> {
    let conditions = call.conditions(name, "value")?;
    let filter = |(property, condition): (String, Arc<Expr>)| {
        let said = cql2(&property, &condition);
        PropertyFilter::new(property, condition, said)
    };
    let mut filters: Vec<PropertyFilter> = conditions.into_iter().map(filter).collect();
    filters.sort();
    Ok(filters)
}

/// What is known of a node of an expression.
#[derive(Clone)]
enum Said {
    Property,
    Literal(Value),
    /// A condition that is true wherever the node is, and its size.
    Condition(Json, usize),
    Nothing,
}

fn cql2(property: &str, condition: &Expr) -> Option<Json> {
    let mut said: Vec<Said> = Vec::with_capacity(condition.nodes.len());
    for typed in &condition.nodes {
        let node = match &typed.node {
            Node::Input(0) => Said::Property,
            Node::Const(value) => Said::Literal(value.clone()),
            Node::Call { function, args } => {
                let args: Vec<&Said> = args.iter().map(|id| &said[id.0]).collect();
                said_of(function.id, property, &args).unwrap_or(Said::Nothing)
            }
            _ => Said::Nothing,
        };
        said.push(node);
    }
    match said.swap_remove(condition.root.0) {
        Said::Condition(json, _) => Some(json),
        Said::Property | Said::Literal(_) | Said::Nothing => None,
    }
}

fn said_of(id: &str, property: &str, args: &[&Said]) -> Option<Said> {
    let own = || json!({"property": property});
    let test =
        |op: &str, value: Json| Some(Said::Condition(json!({"op": op, "args": [own(), value]}), 1));
    let is_true = |k: usize| matches!(args.get(k), Some(Said::Literal(Value::Bool(true))));
    match (id, args) {
        (
            "eq",
            [Said::Property, Said::Literal(value), Said::Literal(Value::Null), ..]
            | [Said::Literal(value), Said::Property, Said::Literal(Value::Null), ..],
        ) if is_true(3) => test("=", scalar(value)?),
        ("lt" | "lte" | "gt" | "gte", [Said::Property, Said::Literal(value)]) => {
            test(order(id, false), number(value)?)
        }
        ("lt" | "lte" | "gt" | "gte", [Said::Literal(value), Said::Property]) => {
            test(order(id, true), number(value)?)
        }
        ("between", [Said::Property, Said::Literal(min), Said::Literal(max), ..]) => {
            let parts = json!([
                {"op": ">=", "args": [own(), number(min)?]},
                {"op": "<=", "args": [own(), number(max)?]},
            ]);
            Some(Said::Condition(json!({"op": "and", "args": parts}), 2))
        }
        ("array_contains", [Said::Literal(Value::Array(array)), Said::Property]) => {
            let values: Vec<Json> = array.values.iter().map(scalar).collect::<Option<_>>()?;
            (!values.is_empty() && values.len() <= MOST_PARTS).then_some(())?;
            test("in", values.into())
        }
        (
            "text_begins" | "text_ends" | "text_contains",
            [Said::Property, Said::Literal(Value::Text(text)), ..],
        ) if is_true(2) && !text.contains(['%', '_', '\\']) => {
            let (before, after) = (
                if id == "text_begins" { "" } else { "%" },
                if id == "text_ends" { "" } else { "%" },
            );
            test("like", format!("{before}{text}{after}").into())
        }
        ("is_nodata", [Said::Property]) => {
            Some(Said::Condition(json!({"op": "isNull", "args": [own()]}), 1))
        }
        ("and" | "or", [Said::Condition(a, m), Said::Condition(b, n)]) if m + n <= MOST_PARTS => {
            Some(Said::Condition(json!({"op": id, "args": [a, b]}), m + n))
        }
        // One half of a conjunction leaves out less than both.
        ("and", [known @ Said::Condition(..), _] | [_, known @ Said::Condition(..)]) => {
            Some((*known).clone())
        }
        _ => None,
    }
}

fn order(id: &str, swapped: bool) -> &'static str {
    match (id, swapped) {
        ("lt", false) | ("gt", true) => "<",
        ("lte", false) | ("gte", true) => "<=",
        ("gt", false) | ("lt", true) => ">",
        _ => ">=",
    }
}

fn number(value: &Value) -> Option<Json> {
    value.as_f64().and_then(|_| value.to_json())
}

fn scalar(value: &Value) -> Option<Json> {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => value.to_json(),
        Value::Null
        | Value::Array(_)
        | Value::Object(_)
        | Value::Model(_)
        | Value::Network(_)
        | Value::Lambda(_) => None,
    }
}
