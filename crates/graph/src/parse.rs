//! Parsing: from JSON to a [`Process`], collecting what is wrong on the way.
//!
//! Parsing never fails and never panics. It returns a process whenever there is a graph to look at,
//! also beside issues, so that [`crate::check`] can find the other problems in the same round; such
//! a process is **not** to be run: refused arguments are null, refused process ids are empty. Run a
//! process only if there is no issue at all.
//!
//! Recursion follows the nesting of JSON values and nothing else: callbacks in callbacks and arrays
//! in arrays recurse, chains of nodes do not. `serde_json` refuses texts nested deeper than 127
//! levels (its recursion limit is 128), which bounds the stack whatever the user sends; a
//! [`serde_json::Value`] built by hand has to keep to the same.
//!
//! Two keys with the same name cannot be reported: JSON objects are read into maps, the last wins.

use serde_json::{Map, Value};

use crate::definition::Parameter;
use crate::issue::{Code, Issue, NodePath, short};
use crate::process::Process;
use crate::scope::Parser;

/// Parses the text of a process, a process graph, or a request that carries either; see
/// [`parse_value`].
pub fn parse(text: &str) -> (Option<Process>, Vec<Issue>) {
    match serde_json::from_str(text) {
        Ok(value) => parse_value(value),
        Err(error) => (None, vec![not_json(&error)]),
    }
}

/// Parses one of four forms: a process (an object with `process_graph`), an object with such a
/// `process` (a job, a service, a synchronous request), or the bare nodes of a process graph.
pub fn parse_value(value: Value) -> (Option<Process>, Vec<Issue>) {
    let Value::Object(object) = value else {
        let message = format!("a process is an object, not {}", kind(&value));
        return (None, vec![Issue::new(Code::PROCESS_INVALID, NodePath::default(), message)]);
    };
    match unwrapped(object) {
        Form::Process(object) => process(object),
        Form::Nodes(nodes) => process(Map::from_iter([("process_graph".into(), nodes.into())])),
        Form::Broken(message) => {
            (None, vec![Issue::new(Code::PROCESS_INVALID, NodePath::default(), message)])
        }
    }
}

/// What a JSON value is, with its article, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

enum Form {
    Process(Map<String, Value>),
    Nodes(Map<String, Value>),
    Broken(String),
}

fn unwrapped(mut object: Map<String, Value>) -> Form {
    let is_node = |value: &Value| value.get("process_id").is_some();
    // A node may be called `process` or `process_graph`.
    match object.get("process") {
        Some(Value::Object(_)) if !object.get("process").is_some_and(is_node) => {
            return match object.shift_remove("process") {
                Some(Value::Object(process)) => Form::Process(process),
                _ => Form::Process(Map::new()),
            };
        }
        Some(Value::Object(_)) | None => {}
        Some(other) if !object.contains_key("process_graph") && !object.values().any(is_node) => {
            return Form::Broken(format!("`process` is an object, not {}", kind(other)));
        }
        Some(_) => {}
    }
    let carries_graph = object.get("process_graph").is_some_and(|value| !is_node(value));
    if !carries_graph && object.values().any(is_node) {
        Form::Nodes(object)
    } else {
        Form::Process(object)
    }
}

fn process(mut object: Map<String, Value>) -> (Option<Process>, Vec<Issue>) {
    let graph = object.shift_remove("process_graph");
    let mut parser = Parser::new();
    let id = match object.get("id") {
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Null) | None => None,
        Some(other) => {
            parser.report_process(format!("the `id` of a process is a text, not {}", kind(other)));
            None
        }
    };
    let parameters = parameters(&mut parser, object.get("parameters"));
    let graph = parser.process_graph(graph.as_ref());
    let (issues, refused) = parser.finish();
    let process = graph.map(|graph| Process { id, parameters, graph, metadata: object, refused });
    (process, issues)
}

fn parameters(parser: &mut Parser<'_>, value: Option<&Value>) -> Vec<Parameter> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(Value::Null) | None => &[],
        Some(other) => {
            parser.report_process(format!("`parameters` is an array, not {}", kind(other)));
            &[]
        }
    };
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(name) = item.get("name").and_then(Value::as_str) else {
            parser.report_process(format!("`parameters[{index}]` has no `name`"));
            continue;
        };
        if !names.insert(name) {
            parser.report_process(format!("the parameter `{}` is declared twice", short(name)));
            continue;
        }
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |key: &str| item.get(key).and_then(Value::as_bool).unwrap_or_default();
        parameters.push(Parameter {
            name: name.to_owned().into(),
            description: text("description").into(),
            schema: item.get("schema").cloned().unwrap_or_else(crate::schema::any),
            optional: flag("optional"),
            default: item.get("default").cloned(),
            experimental: flag("experimental"),
            deprecated: flag("deprecated"),
        });
    }
    parameters
}

fn not_json(error: &serde_json::Error) -> Issue {
    let text = error.to_string();
    let issue = |message| Issue::new(Code::PROCESS_INVALID, NodePath::default(), message);
    if text.starts_with("recursion limit exceeded") {
        issue("the JSON is nested deeper than 127 levels".into())
            .hint("give intermediate results nodes of their own")
    } else {
        issue(format!("not JSON: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::Arg;

    fn good(value: Value) -> Process {
        let (process, issues) = parse_value(value);
        assert_eq!(issues, []);
        process.expect("a process")
    }

    #[test]
    fn resolves_references_in_topological_order() {
        let process = good(json!({
            "last": {
                "process_id": "reduce_dimension",
                "arguments": {
                    "data": { "from_node": "first" },
                    "reducer": { "process_graph": { "mean": {
                        "process_id": "mean",
                        "arguments": { "data": { "from_parameter": "data" } },
                        "result": true,
                    } } },
                    "dimension": "t",
                },
                "result": true,
            },
            "first": { "process_id": "load_collection", "arguments": [] },
        }));
        let ids: Vec<_> = process.graph.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["first", "last"]);
        assert_eq!(process.graph.result, 1);
        let last = &process.graph.nodes[1];
        assert_eq!(last.argument("data"), Some(&Arg::Node(0)));
        let Some(Arg::Callback(reducer)) = last.argument("reducer") else { panic!("no callback") };
        let data = reducer.nodes[0].argument("data");
        assert_eq!(data, Some(&Arg::Parameter("data".into())));
    }

    #[test]
    fn keeps_integers_and_floats_apart() {
        let text = r#"{"a": {"process_id": "p", "result": true,
            "arguments": {"x": [1, 1.0, -9223372036854775808, 9223372036854775808, 1e3]}}}"#;
        let (process, issues) = parse(text);
        assert_eq!(issues, []);
        let process = process.expect("a process");
        assert_eq!(
            process.graph.nodes[0].argument("x"),
            Some(&Arg::Array(vec![
                Arg::Int(1),
                Arg::Float(1.0),
                Arg::Int(i64::MIN),
                Arg::Float(9_223_372_036_854_775_808.0),
                Arg::Float(1000.0),
            ]))
        );
    }

    #[test]
    fn accepts_all_four_forms() {
        let nodes = json!({ "e1": { "process_id": "e", "arguments": {}, "result": true } });
        let bare = good(nodes.clone());
        let process = good(json!({ "process_graph": nodes }));
        let job = good(json!({ "title": "a job", "process": { "process_graph": nodes } }));
        assert_eq!(bare, process);
        assert_eq!(bare, job);
        let named = good(json!({ "id": "euler", "process_graph": nodes, "summary": null }));
        assert_eq!(named.id.as_deref(), Some("euler"));
        assert_eq!(Value::from(named.metadata), json!({ "id": "euler", "summary": null }));
    }

    #[test]
    fn nodes_may_have_the_names_of_wrappers() {
        for name in ["process", "process_graph"] {
            let process = good(json!({ name: { "process_id": "e", "result": true } }));
            assert_eq!(process.graph.nodes[0].id, name);
        }
    }
}
