//! Expressions of one lane: slow and obvious, what all other evaluators are compared with.

use std::sync::Arc;

use super::{Expr, ExprId, Lambda, Node};
use crate::types::Type;
use crate::value::{Array, Fault, Value};

impl Expr {
    /// Evaluates for one lane: `inputs[k]` stands for `Input(k)` and `Axis(k)` alike.
    pub fn evaluate(&self, inputs: &[Value]) -> Result<Value, Fault> {
        let mut done: Vec<Result<Value, Fault>> = Vec::with_capacity(self.nodes.len());
        for typed in &self.nodes {
            let value =
                evaluate_node(&typed.node, inputs, &done).map(|value| coerce(value, &typed.ty));
            done.push(value);
        }
        done.swap_remove(self.root.0)
    }
}

impl Lambda {
    /// Calls the callback with its parameters.
    pub fn call(&self, parameters: &[Value]) -> Result<Value, Fault> {
        let inputs: Vec<Value> = parameters.iter().chain(&self.captured).cloned().collect();
        self.body.evaluate(&inputs)
    }

    /// Calls it with each element of an array, its index and its label.
    pub fn each(&self, array: &Value) -> Result<Value, Fault> {
        let Value::Array(array) = array else {
            return Err(Fault::argument(
                "data",
                format_args!("must be an array, not {}", array.kind()),
            ));
        };
        let values: Result<Vec<Value>, Fault> = (array.values.iter().enumerate())
            .map(|(i, value)| {
                let label = array.labels.as_ref().map_or(Value::Null, |l| l[i].clone().into());
                self.call(&[value.clone(), Value::Int(i as i64), label])
            })
            .collect();
        Ok(Value::Array(Arc::new(Array { values: values?, labels: array.labels.clone() })))
    }
}

fn evaluate_node(
    node: &Node,
    inputs: &[Value],
    done: &[Result<Value, Fault>],
) -> Result<Value, Fault> {
    let at = |id: &ExprId| done[id.0].clone();
    match node {
        Node::Input(k) | Node::Axis(k, _) => Ok(inputs[*k].clone()),
        Node::Const(value) => Ok(value.clone()),
        Node::Fault(fault) => Err(fault.clone()),
        Node::Call { function, args } => {
            let args: Result<Vec<Value>, Fault> = args.iter().map(at).collect();
            (function.scalar)(&args?)
        }
        Node::Pick { array, index } => {
            let array = at(array)?;
            let element = array.as_array().and_then(|a| a.values.get(*index)).cloned();
            Ok(element.unwrap_or(Value::Null))
        }
        Node::List(items) => {
            let items: Result<Vec<Value>, Fault> = items.iter().map(at).collect();
            Ok(Value::array(items?))
        }
        Node::If { condition, accept, reject } => {
            if at(condition)? == Value::Bool(true) {
                at(accept)
            } else {
                at(reject)
            }
        }
        Node::Each { array, body, captures } => {
            let captured: Result<Vec<Value>, Fault> = captures.iter().map(at).collect();
            Lambda { body: Arc::clone(body), captured: captured? }.each(&at(array)?)
        }
        Node::Lambda { body, captures, .. } => {
            let captured: Result<Vec<Value>, Fault> = captures.iter().map(at).collect();
            Ok(Value::Lambda(Arc::new(Lambda { body: Arc::clone(body), captured: captured? })))
        }
    }
}

/// The value as the node's type stores it: `f32` rounding and integer to float, nothing else.
pub(crate) fn coerce(value: Value, ty: &Type) -> Value {
    match (ty, value) {
        (Type::F32, Value::Int(value)) => Value::Float(f64::from(value as f32)),
        (Type::F32, Value::Float(value)) => Value::Float(f64::from(value as f32)),
        (Type::F64, Value::Int(value)) => Value::Float(value as f64),
        (Type::Array(element, _), Value::Array(array))
            if matches!(**element, Type::F32 | Type::F64) =>
        {
            let values = array.values.iter().map(|v| coerce(v.clone(), element)).collect();
            Value::Array(Arc::new(Array { values, labels: array.labels.clone() }))
        }
        (_, value) => value,
    }
}
