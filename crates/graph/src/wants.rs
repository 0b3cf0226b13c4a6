//! What a process graph asks of a back-end: the processes it calls, and the formats, runtimes and the like it names.
//!
//! Which arguments name something is known from the `subtype` of their schemas, so processes that a back-end does not
//! have say nothing of what their arguments name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::Definitions;
use crate::graph::{Arg, Graph, Node};
use crate::issue::NodePath;
use crate::process::Process;
use crate::validate::called;

/// Names, each with the nodes that use it, in the order of the graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wants {
    /// Process ids; of those with a namespace of their own `id@namespace`.
    pub processes: BTreeMap<String, Vec<NodePath>>,
    /// Texts given for parameters with a `subtype`, by that subtype.
    pub named: BTreeMap<String, BTreeMap<String, Vec<NodePath>>>,
}

/// Everything that the graph and the callbacks in it ask for.
pub fn wants(process: &Process, definitions: &dyn Definitions) -> Wants {
    let mut wants = Wants::default();
    let mut open: Vec<(Vec<String>, &Graph)> = vec![(Vec::new(), &process.graph)];
    while let Some((outer, graph)) = open.pop() {
        for node in &graph.nodes {
            let mut path = outer.clone();
            path.push(node.id.clone());
            wants.node(node, &path, definitions);
            for (name, arg) in &node.arguments {
                let inner = [&path[..], std::slice::from_ref(name)].concat();
                open.extend(callbacks(arg).into_iter().map(|graph| (inner.clone(), graph)));
            }
        }
    }
    wants
}

impl Wants {
    fn node(&mut self, node: &Node, path: &[String], definitions: &dyn Definitions) {
        let path = NodePath(path.to_vec());
        let definition = called(node, definitions);
        let name = match (&definition, &node.namespace) {
            (None, Some(namespace)) => format!("{}@{namespace}", node.process_id),
            _ => node.process_id.clone(),
        };
        self.processes.entry(name).or_default().push(path.clone());
        let Some(definition) = definition else { return };
        for (name, arg) in &node.arguments {
            let (Arg::Text(text), Some(parameter)) = (arg, definition.parameter(name)) else {
                continue;
            };
            for subtype in subtypes(&parameter.schema) {
                let names = self.named.entry(subtype.to_owned()).or_default();
                names.entry(text.clone()).or_default().push(path.clone());
            }
        }
    }
}

/// The subtypes that a text may have.
fn subtypes(schema: &Value) -> Vec<&str> {
    let one = |schema: &Value| schema["type"] == "string" && schema["subtype"].is_string();
    let all = match schema {
        Value::Array(several) => several.iter().collect(),
        single => vec![single],
    };
    all.into_iter().filter(|schema| one(schema)).filter_map(|s| s["subtype"].as_str()).collect()
}

fn callbacks(arg: &Arg) -> Vec<&Graph> {
    let (mut found, mut open) = (Vec::new(), vec![arg]);
    while let Some(arg) = open.pop() {
        match arg {
            Arg::Callback(graph) => found.push(&**graph),
            Arg::Array(items) => open.extend(items),
            Arg::Object(entries) => open.extend(entries.iter().map(|(_, arg)| arg)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::{Definition, param};
    use crate::{parse_value, schema};

    struct Own(Vec<Definition>);

    impl Definitions for Own {
        fn get(&self, id: &str) -> Option<&Definition> {
            self.0.iter().find(|definition| definition.id == id)
        }

        fn ids(&self) -> Vec<&str> {
            self.0.iter().map(|definition| definition.id).collect()
        }
    }

    #[test]
    fn callbacks_are_looked_into_and_subtypes_are_named() {
        let format = json!({ "type": "string", "subtype": "output-format" });
        let save = Definition::new("save", "", "").param(param("format", "", format));
        let apply = Definition::new("apply", "", "").param(param("process", "", schema::any()));
        let inner = json!({ "b": { "process_id": "strange", "arguments": {}, "result": true } });
        let graph = json!({
            "a": { "process_id": "apply", "arguments": { "process": { "process_graph": inner } } },
            "c": { "process_id": "save", "arguments": { "format": "CLAY" }, "result": true },
            "d": { "process_id": "own", "namespace": "user", "arguments": { "format": "CLAY" } }
        });
        let (process, issues) = parse_value(json!({ "process_graph": graph }));
        assert!(issues.is_empty(), "{issues:?}");
        let wants = wants(&process.unwrap(), &Own(vec![save, apply]));
        let path = |ids: &[&str]| vec![NodePath(ids.iter().map(|id| (*id).to_owned()).collect())];
        assert_eq!(wants.processes["strange"], path(&["a", "process", "b"]));
        assert_eq!(wants.processes["own@user"], path(&["d"]));
        assert_eq!(wants.named["output-format"]["CLAY"], path(&["c"]));
        assert_eq!(wants.named.len(), 1);
    }
}
