//! A parsed scope of a process graph: nodes in topological order, arguments with resolved references.
//!
//! A [`Graph`] is what [`crate::parse()`] makes of one `process_graph` object; a callback is a
//! `Graph` of its own inside an argument. References between nodes are indices, so walking a graph
//! needs no look-up and no recursion over nodes. An [`Arg`] nests no deeper than JSON may (127
//! levels in text), so recursion over one argument is safe.
//!
//! Nothing here knows which processes exist; see [`crate::check`] for that.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::process::Process;

/// The nodes of one scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// In topological order: every [`Arg::Node`] points to a lower index. Nodes that do not depend
    /// on each other stand as they were written.
    pub nodes: Vec<Node>,
    /// The index of the node whose value is the result of the scope.
    pub result: usize,
}

/// One call of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The key of the node in the process graph.
    pub id: String,
    pub process_id: String,
    /// `None` (also for JSON null) means predefined or the user's own.
    pub namespace: Option<String>,
    /// As written.
    pub arguments: Vec<(String, Arg)>,
    pub result: bool,
    pub description: Option<String>,
    /// The stored process that is called, once [`crate::expand`] has put it in place.
    pub own: Option<Arc<Process>>,
}

/// The value of an argument, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    Null,
    Bool(bool),
    /// A JSON number written without fraction and exponent that fits.
    Int(i64),
    /// Any other JSON number.
    Float(f64),
    Text(String),
    Array(Vec<Arg>),
    Object(Vec<(String, Arg)>),
    /// The result of a node of the same scope, by index.
    Node(usize),
    /// A parameter of this callback, of an enclosing one, or of the process.
    Parameter(String),
    Callback(Arc<Graph>),
}

impl Graph {
    /// The node with this id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

impl Node {
    /// The argument with this name.
    pub fn argument(&self, name: &str) -> Option<&Arg> {
        self.arguments.iter().find(|(key, _)| key == name).map(|(_, arg)| arg)
    }
}

impl Arg {
    /// Takes a JSON value literally: an object that looks like a reference stays an object.
    pub fn from_json(value: &Value) -> Arg {
        match value {
            Value::Null => Arg::Null,
            Value::Bool(value) => Arg::Bool(*value),
            Value::Number(number) => Arg::from(number),
            Value::String(text) => Arg::Text(text.clone()),
            Value::Array(items) => Arg::Array(items.iter().map(Arg::from_json).collect()),
            Value::Object(map) => Arg::Object(
                map.iter().map(|(key, value)| (key.clone(), Arg::from_json(value))).collect(),
            ),
        }
    }

    /// The JSON value, or `None` if the argument contains a reference or a callback.
    ///
    /// A float that is not finite, which no JSON text can contain, becomes null.
    pub fn to_json(&self) -> Option<Value> {
        Some(match self {
            Arg::Null => Value::Null,
            Arg::Bool(value) => Value::Bool(*value),
            Arg::Int(value) => Value::from(*value),
            Arg::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Arg::Text(text) => Value::String(text.clone()),
            Arg::Array(items) => {
                Value::Array(items.iter().map(Arg::to_json).collect::<Option<_>>()?)
            }
            Arg::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, arg)| Some((key.clone(), arg.to_json()?)))
                    .collect::<Option<Map<_, _>>>()?,
            ),
            Arg::Node(_) | Arg::Parameter(_) | Arg::Callback(_) => return None,
        })
    }

    /// Whether the argument contains neither a reference nor a callback.
    pub fn is_literal(&self) -> bool {
        match self {
            Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) | Arg::Text(_) => true,
            Arg::Array(items) => items.iter().all(Arg::is_literal),
            Arg::Object(entries) => entries.iter().all(|(_, arg)| arg.is_literal()),
            Arg::Node(_) | Arg::Parameter(_) | Arg::Callback(_) => false,
        }
    }

    /// The entry of an object.
    pub fn get(&self, key: &str) -> Option<&Arg> {
        match self {
            Arg::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, a)| a),
            _ => None,
        }
    }

    /// The indices of the nodes that this argument refers to, in the order written; callbacks have
    /// nodes of their own and contribute none.
    pub fn nodes(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(arg) = open.pop() {
            match arg {
                Arg::Node(index) => found.push(*index),
                Arg::Array(items) => open.extend(items.iter().rev()),
                Arg::Object(entries) => open.extend(entries.iter().rev().map(|(_, arg)| arg)),
                _ => {}
            }
        }
        found
    }
}

impl From<&Number> for Arg {
    fn from(number: &Number) -> Arg {
        match number.as_i64() {
            Some(value) => Arg::Int(value),
            // Without serde_json's `arbitrary_precision` every number that is no i64 is an f64.
            None => Arg::Float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }
}
