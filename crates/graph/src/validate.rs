//! Holding a process against the definitions of the processes it calls.
//!
//! Static only: which processes, arguments, literal values and parameters there are. Which
//! collections, bands and dimensions exist, and what the types of results are, is found when the
//! graph is bound to a catalogue (crate `plan`).

use std::collections::BTreeSet;

use crate::advice::advice;
use crate::definition::{Definition, Definitions, Parameter};
use crate::expand::PREDEFINED;
use crate::graph::{Arg, Graph, Node};
use crate::issue::{Code, Issue, NodePath, short};
use crate::matching::Matcher;
use crate::nearest::Nearest;
use crate::process::Process;
use crate::signature::Place;

/// Finds all static problems at once, in the order of the nodes of [`Graph`], those of a callback
/// with the argument that holds it. What [`crate::parse()`] has reported is not reported again.
///
/// A parameter is in scope if the process declares it, or the callback it stands in, or an enclosing
/// callback. The parameters of callbacks of unknown processes are unknown, so any name is accepted.
pub fn check(process: &Process, definitions: &dyn Definitions) -> Vec<Issue> {
    let own = process.parameters.iter().map(|parameter| parameter.name.as_ref()).collect();
    let mut checker = Checker {
        definitions,
        ids: definitions.ids(),
        refused: &process.refused,
        nearest: Nearest::new(),
        matcher: Matcher::new(),
        issues: Vec::new(),
        scopes: vec![Some(own)],
        path: NodePath::default(),
        place: String::new(),
    };
    checker.graph(&process.graph);
    checker.issues
}

/// Whether null stands for "not given": the parameter is optional and null is its default.
pub(crate) fn takes_null(parameter: &Parameter) -> bool {
    parameter.optional && parameter.default.as_ref().is_none_or(serde_json::Value::is_null)
}

/// The definition that a node calls, unless it asks for a namespace other than the predefined one.
pub(crate) fn called<'d>(node: &Node, definitions: &'d dyn Definitions) -> Option<&'d Definition> {
    if node.own.is_some() {
        return None;
    }
    match node.namespace.as_deref() {
        None | Some(PREDEFINED) => definitions.get(&node.process_id),
        Some(_) => None,
    }
}

/// What is called, as far as a call can be wrong.
#[derive(Clone, Copy)]
struct Callee<'a> {
    id: &'a str,
    parameters: &'a [Parameter],
}

struct Checker<'a> {
    definitions: &'a dyn Definitions,
    ids: Vec<&'a str>,
    refused: &'a BTreeSet<(NodePath, String)>,
    nearest: Nearest,
    matcher: Matcher,
    issues: Vec<Issue>,
    /// The parameters of the process and of the enclosing callbacks, outermost first; `None` where
    /// they are not known.
    scopes: Vec<Option<Vec<&'a str>>>,
    path: NodePath,
    /// The argument and the place inside it.
    place: String,
}

impl<'a> Checker<'a> {
    fn graph(&mut self, graph: &'a Graph) {
        for node in &graph.nodes {
            self.path.0.push(short(&node.id).into_owned());
            self.node(node);
            self.path.0.pop();
        }
    }

    fn node(&mut self, node: &'a Node) {
        let callee = match &node.own {
            Some(own) => Some(Callee { id: &node.process_id, parameters: &own.parameters }),
            None => called(node, self.definitions)
                .map(|own| Callee { id: own.id, parameters: &own.parameters }),
        };
        if callee.is_none() && !node.process_id.is_empty() {
            self.unknown_process(node);
        }
        for (name, arg) in &node.arguments {
            let outer_place = std::mem::replace(&mut self.place, short(name).into_owned());
            self.argument(name, arg, callee);
            self.place = outer_place;
        }
        for parameter in callee.iter().flat_map(|callee| callee.parameters) {
            if !parameter.optional && node.argument(&parameter.name).is_none() {
                let (process, name) = (&node.process_id, &parameter.name);
                let message = format!("the process `{process}` needs the argument `{name}`");
                let issue = self.issue(Code::PROCESS_PARAMETER_REQUIRED, message);
                self.issues.push(issue.argument(name.as_ref()));
            }
        }
        if let Some(own) = &node.own {
            self.inside(&node.process_id, own);
        }
    }

    /// Checks a stored process at the place of its call: it sees its own parameters only.
    fn inside(&mut self, id: &str, process: &'a Process) {
        let parameters = process.parameters.iter().map(|own| own.name.as_ref()).collect();
        let scopes = std::mem::replace(&mut self.scopes, vec![Some(parameters)]);
        let inside = self.path.calling(id);
        let outside = std::mem::replace(&mut self.path, inside);
        self.graph(&process.graph);
        self.path = outside;
        self.scopes = scopes;
    }

    fn unknown_process(&mut self, node: &Node) {
        let id = &node.process_id;
        let mut message = format!("there is no process `{}`", short(id));
        if let Some(namespace) = node.namespace.as_deref().filter(|name| *name != PREDEFINED) {
            message.push_str(&format!(" in the namespace `{}`", short(namespace)));
        }
        let mut issue = self.issue(Code::PROCESS_UNSUPPORTED, message);
        issue.hint = if node.namespace.is_some() && self.definitions.get(id).is_some() {
            Some(format!("leave `namespace` out to use the predefined process `{id}`"))
        } else {
            self.nearest.hint(id, self.ids.iter().copied())
        };
        self.issues.push(issue);
    }

    fn argument(&mut self, name: &str, arg: &'a Arg, callee: Option<Callee<'a>>) {
        let mut place = Place::unknown();
        if let Some(callee) = callee {
            match callee.parameters.iter().find(|parameter| parameter.name == name) {
                Some(parameter) => {
                    place = Place::of(&parameter.schema);
                    self.value(name, arg, parameter);
                }
                None => self.unknown_argument(name, callee),
            }
        }
        // Most large arguments are plain values: geometries, tables, lists.
        if !arg.is_literal() {
            self.references(arg, &place);
        }
    }

    fn unknown_argument(&mut self, name: &str, callee: Callee<'_>) {
        let names = callee.parameters.iter().map(|parameter| parameter.name.as_ref());
        let hint = self.nearest.hint(name, names.clone()).or_else(|| {
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            let id = callee.id;
            Some(match names.as_slice() {
                [] => format!("`{id}` takes no arguments"),
                names => format!("`{id}` takes {}", names.join(", ")),
            })
        });
        let name = short(name);
        let message = format!("the process `{}` has no parameter `{name}`", short(callee.id));
        let mut issue = self.issue(Code::PROCESS_PARAMETER_UNSUPPORTED, message).argument(name);
        issue.hint = hint;
        self.issues.push(issue);
    }

    fn value(&mut self, name: &str, arg: &Arg, parameter: &Parameter) {
        if *arg == Arg::Null
            && (takes_null(parameter)
                || self.refused.contains(&(self.path.clone(), short(name).into_owned())))
        {
            return;
        }
        if let Some(mismatch) = self.matcher.mismatch(arg, &parameter.schema) {
            let mut issue = self.issue(Code::PROCESS_PARAMETER_INVALID, mismatch.message);
            issue.hint = advice(arg, &parameter.schema, &mut self.nearest);
            self.issues.push(issue.argument(format!("{name}{}", mismatch.place)));
        }
    }

    /// Checks the parameters that an argument names, and its callbacks.
    fn references(&mut self, arg: &'a Arg, place: &Place<'a>) {
        match arg {
            Arg::Parameter(name) => self.parameter(name),
            Arg::Array(items) => {
                let inner = place.items();
                for (index, item) in items.iter().enumerate().filter(|(_, item)| nests(item)) {
                    self.within(&format!("[{index}]"), item, &inner);
                }
            }
            Arg::Object(entries) => {
                // Most likely the nodes of a callback without `process_graph` around them: reported
                // as a wrong value, whose parameters are no further mistakes.
                let bare = place.callback_parameters();
                let scopes = self.scopes.len();
                self.scopes.extend(bare.map(Some));
                for (key, arg) in entries.iter().filter(|(_, arg)| nests(arg)) {
                    self.within(&format!(".{}", short(key)), arg, &place.property(key));
                }
                self.scopes.truncate(scopes);
            }
            Arg::Callback(graph) => {
                self.path.0.push(std::mem::take(&mut self.place));
                self.scopes.push(place.callback_parameters());
                self.graph(graph);
                self.scopes.pop();
                self.place = self.path.0.pop().unwrap_or_default();
            }
            Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) | Arg::Text(_) => {}
            Arg::Node(_) => {}
        }
    }

    fn within(&mut self, step: &str, arg: &'a Arg, place: &Place<'a>) {
        let length = self.place.len();
        self.place.push_str(step);
        self.references(arg, place);
        self.place.truncate(length);
    }

    fn parameter(&mut self, name: &str) {
        let known = |scope: &Option<Vec<&str>>| scope.as_ref().is_none_or(|s| s.contains(&name));
        if self.scopes.iter().any(known) {
            return;
        }
        // Innermost first: the nearest name wins ties, and lists begin with the most likely.
        let in_scope: Vec<&str> = self.scopes.iter().rev().flatten().flatten().copied().collect();
        let hint = self.nearest.hint(name, in_scope.iter().copied()).or_else(|| {
            let names: Vec<String> =
                in_scope.iter().take(10).map(|name| format!("`{}`", short(name))).collect();
            Some(match names.as_slice() {
                [] => "the process declares no parameters".into(),
                names => format!("in scope: {}", names.join(", ")),
            })
        });
        let issue = self
            .issue(
                Code::PROCESS_GRAPH_INVALID,
                format!("there is no parameter `{}` here", short(name)),
            )
            .argument(self.place.clone());
        self.issues.push(Issue { hint, ..issue });
    }

    fn issue(&self, code: Code, message: String) -> Issue {
        Issue::new(code, self.path.clone(), message)
    }
}

/// Whether an argument can contain a parameter or a callback.
fn nests(arg: &Arg) -> bool {
    matches!(arg, Arg::Array(_) | Arg::Object(_) | Arg::Callback(_) | Arg::Parameter(_))
}
