//! Parsing of one scope: a `process_graph` object to a [`Graph`], callbacks included.
//!
//! The entry points are in [`crate::parse`]; what the processes allow is [`crate::check`]'s.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::graph::{Arg, Graph, Node};
use crate::issue::{Code, Issue, NodePath, short};
use crate::nearest::Nearest;
use crate::order;
use crate::parse::kind;

/// The state of a run over one process.
pub(crate) struct Parser<'a> {
    issues: Vec<Issue>,
    refused: BTreeSet<(NodePath, String)>,
    nearest: Nearest,
    /// The enclosing scopes, outermost first.
    frames: Vec<Frame<'a>>,
    path: NodePath,
    /// The argument and the place inside it: `extent.west`.
    place: String,
    /// Whether the current argument has a problem outside its callbacks.
    broken: bool,
}

/// A scope whose nodes are being read.
struct Frame<'a> {
    nodes: &'a Map<String, Value>,
    ids: HashMap<&'a str, usize>,
    current: usize,
    outward: Vec<Outward>,
}

/// A reference from a callback to a node of an enclosing scope, which is an issue already.
struct Outward {
    /// The node of the enclosing scope that the callback belongs to.
    owner: usize,
    target: usize,
    issue: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new() -> Self {
        Parser {
            issues: Vec::new(),
            refused: BTreeSet::new(),
            nearest: Nearest::new(),
            frames: Vec::new(),
            path: NodePath::default(),
            place: String::new(),
            broken: false,
        }
    }

    /// Reports a problem of the process beside its graph.
    pub(crate) fn report_process(&mut self, message: String) {
        self.issues.push(Issue::new(Code::PROCESS_INVALID, NodePath::default(), message));
    }

    /// Parses the value of a `process_graph` key; `None` if there is no node.
    pub(crate) fn process_graph(&mut self, value: Option<&'a Value>) -> Option<Graph> {
        match value {
            Some(Value::Object(nodes)) if !nodes.is_empty() => Some(self.scope(nodes)),
            // R writes an empty object as `[]`.
            Some(Value::Array(nodes)) if !nodes.is_empty() => self.no_graph(
                Code::PROCESS_GRAPH_INVALID,
                "a process graph is an object of nodes, not an array".into(),
            ),
            None | Some(Value::Null) => {
                self.no_graph(Code::PROCESS_GRAPH_MISSING, "there is no process graph".into())
            }
            Some(Value::Object(_) | Value::Array(_)) => {
                self.no_graph(Code::PROCESS_GRAPH_MISSING, "the process graph is empty".into())
            }
            Some(other) => self.no_graph(
                Code::PROCESS_GRAPH_INVALID,
                format!("a process graph is an object of nodes, not {}", kind(other)),
            ),
        }
    }

    pub(crate) fn finish(self) -> (Vec<Issue>, BTreeSet<(NodePath, String)>) {
        (self.issues, self.refused)
    }

    fn no_graph(&mut self, code: Code, message: String) -> Option<Graph> {
        let issue = Issue::new(code, self.path.clone(), message);
        if self.place.is_empty() {
            self.issues.push(issue);
        } else {
            self.refuse(issue);
        }
        None
    }

    fn scope(&mut self, object: &'a Map<String, Value>) -> Graph {
        let ids = object.keys().enumerate().map(|(index, id)| (id.as_str(), index)).collect();
        self.frames.push(Frame { nodes: object, ids, current: 0, outward: Vec::new() });
        let mut nodes = Vec::with_capacity(object.len());
        for (index, (id, value)) in object.iter().enumerate() {
            if let Some(frame) = self.frames.last_mut() {
                frame.current = index;
            }
            self.path.0.push(short(id).into_owned());
            nodes.push(self.node(id, value));
            self.path.0.pop();
        }
        let outward = self.frames.pop().map(|frame| frame.outward).unwrap_or_default();
        let references = self.break_cycles(&mut nodes);
        self.explain_outward(&nodes, references.clone(), outward);
        let result = self.result(&nodes);
        sorted(nodes, &references, result)
    }

    fn node(&mut self, id: &str, value: &'a Value) -> Node {
        let mut node = Node {
            id: id.to_owned(),
            process_id: String::new(),
            namespace: None,
            arguments: Vec::new(),
            result: false,
            description: None,
            own: None,
        };
        let Value::Object(object) = value else {
            self.report(format!("a node is an object, not {}", kind(value)));
            return node;
        };
        match object.get("process_id") {
            Some(Value::String(id)) if !id.is_empty() => node.process_id.clone_from(id),
            Some(Value::String(_)) => self.report("`process_id` is empty".into()),
            Some(other) => self.report(format!("`process_id` is a text, not {}", kind(other))),
            None => self.report("`process_id` is missing".into()),
        }
        node.namespace = self.text(object, "namespace");
        node.description = self.text(object, "description");
        match object.get("result") {
            Some(Value::Bool(result)) => node.result = *result,
            Some(Value::Null) | None => {}
            Some(other) => self.report(format!("`result` is a boolean, not {}", kind(other))),
        }
        match object.get("arguments") {
            Some(Value::Object(arguments)) => {
                node.arguments =
                    arguments.iter().map(|(name, value)| self.argument(name, value)).collect();
            }
            // R writes an empty object as `[]`.
            Some(Value::Array(items)) if items.is_empty() => {}
            Some(Value::Null) | None => {}
            Some(other) => self.report(format!("`arguments` is an object, not {}", kind(other))),
        }
        node
    }

    fn text(&mut self, object: &Map<String, Value>, key: &str) -> Option<String> {
        match object.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) | None => None,
            Some(other) => {
                self.report(format!("`{key}` is a text, not {}", kind(other)));
                None
            }
        }
    }

    fn argument(&mut self, name: &str, value: &'a Value) -> (String, Arg) {
        let outer_place = std::mem::replace(&mut self.place, short(name).into_owned());
        let outer_broken = std::mem::replace(&mut self.broken, false);
        let mut arg = self.arg(value);
        if self.broken {
            self.refused.insert((self.path.clone(), short(name).into_owned()));
            arg = Arg::Null;
        }
        self.place = outer_place;
        self.broken = outer_broken;
        (name.to_owned(), arg)
    }

    fn arg(&mut self, value: &'a Value) -> Arg {
        match value {
            Value::Array(items) => Arg::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| match item {
                        Value::Array(_) | Value::Object(_) => {
                            self.within(format_args!("[{index}]"), item)
                        }
                        literal => Arg::from_json(literal),
                    })
                    .collect(),
            ),
            Value::Object(object) => self.object(object),
            literal => Arg::from_json(literal),
        }
    }

    fn object(&mut self, object: &'a Map<String, Value>) -> Arg {
        for key in ["from_node", "from_parameter", "from_argument"] {
            let Some(target) = object.get(key) else { continue };
            let Value::String(target) = target else {
                return self.refused(format!("`{key}` is a text, not {}", kind(target)), None);
            };
            if object.len() > 1 {
                return self.refused(format!("beside `{key}` no other key is allowed"), None);
            }
            return match key {
                "from_node" => self.reference(target),
                "from_parameter" => Arg::Parameter(target.clone()),
                _ => self.refused(
                    format!(
                        "`from_argument` (here `{}`) is not part of openEO since 1.0",
                        short(target)
                    ),
                    Some("write `from_parameter` instead".into()),
                ),
            };
        }
        if let Some(graph) = object.get("process_graph") {
            let place = self.place.clone();
            self.path.0.push(place);
            let callback = match graph {
                Value::Object(nodes) if !nodes.is_empty() => {
                    let outer_place = std::mem::take(&mut self.place);
                    let outer_broken = std::mem::replace(&mut self.broken, false);
                    let graph = self.scope(nodes);
                    self.place = outer_place;
                    self.broken = outer_broken;
                    Some(graph)
                }
                _ => None,
            };
            self.path.0.pop();
            let callback = callback.or_else(|| self.process_graph(Some(graph)));
            return callback.map_or(Arg::Null, |graph| Arg::Callback(Arc::new(graph)));
        }
        let entries = object.iter().map(|(key, value)| {
            let arg = self.within(format_args!(".{}", short(key)), value);
            (key.clone(), arg)
        });
        Arg::Object(entries.collect())
    }

    fn within(&mut self, step: std::fmt::Arguments<'_>, value: &'a Value) -> Arg {
        let length = self.place.len();
        // Writing to a text does not fail.
        let _ = self.place.write_fmt(step);
        let arg = self.arg(value);
        self.place.truncate(length);
        arg
    }

    fn reference(&mut self, target: &str) -> Arg {
        let levels = self.frames.len();
        let found = self.frames.iter().enumerate().rev().find_map(|(level, frame)| {
            frame.ids.get(target).map(|&index| (level, frame.current, index))
        });
        match found {
            Some((level, _, index)) if level + 1 == levels => Arg::Node(index),
            Some((level, owner, target_index)) => {
                let outward = Outward { owner, target: target_index, issue: self.issues.len() };
                self.frames[level].outward.push(outward);
                self.refused(
                    format!("node `{}` is outside this callback", short(target)),
                    Some(
                        "a callback sees its parameters only; many processes hand on `context`"
                            .into(),
                    ),
                )
            }
            None => {
                let ids = self.frames.last().into_iter().flat_map(|frame| frame.nodes.keys());
                let hint = self.nearest.hint(target, ids.map(String::as_str));
                self.refused(format!("there is no node `{}`", short(target)), hint)
            }
        }
    }

    /// Reports cycles, and nulls the arguments that close them. Returns the references that are left.
    fn break_cycles(&mut self, nodes: &mut [Node]) -> order::References {
        let references = references(nodes);
        let component = order::components(&references);
        let cycles = order::cycles(&references, &component);
        if cycles.is_empty() {
            return references;
        }
        let mut cyclic = BTreeSet::new();
        for cycle in cycles {
            let (Some(&first), Some(&last)) = (cycle.first(), cycle.last()) else { continue };
            cyclic.insert(component[first]);
            let mut names: Vec<String> = cycle
                .iter()
                .take(10)
                .map(|&node| format!("`{}`", short(&nodes[node].id)))
                .collect();
            if cycle.len() > 10 {
                names.push(format!("… ({} nodes)", cycle.len()));
                names.push(format!("`{}`", short(&nodes[last].id)));
            }
            names.push(format!("`{}`", short(&nodes[first].id)));
            let message = if cycle.len() == 1 {
                format!("node `{}` needs its own result", short(&nodes[first].id))
            } else {
                format!("the nodes need each other's results: {}", names.join(" → "))
            };
            let path = self.path.join(short(&nodes[first].id));
            let argument = closing_argument(&nodes[first], &component, component[first]);
            let mut issue = Issue::new(Code::PROCESS_GRAPH_INVALID, path, message);
            issue.argument = argument;
            self.issues.push(issue);
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            if !cyclic.contains(&component[index]) {
                continue;
            }
            let path = self.path.join(short(&node.id));
            for (name, arg) in &mut node.arguments {
                if arg.nodes().iter().any(|&target| component[target] == component[index]) {
                    *arg = Arg::Null;
                    self.refused.insert((path.clone(), short(name).into_owned()));
                }
            }
        }
        self::references(nodes)
    }

    /// Tells those references out of callbacks that close a cycle from the others.
    fn explain_outward(
        &mut self,
        nodes: &[Node],
        mut references: order::References,
        outward: Vec<Outward>,
    ) {
        if outward.is_empty() {
            return;
        }
        for reference in &outward {
            references[reference.owner].push(reference.target);
        }
        let component = order::components(&references);
        for Outward { owner, target, issue } in outward {
            if component[owner] == component[target] {
                let same = owner == target;
                let (owner, target) = (short(&nodes[owner].id), short(&nodes[target].id));
                let message = if same {
                    format!("cycle across callback levels: the callback is part of node `{owner}`")
                } else {
                    format!(
                        "cycle across callback levels: node `{target}` needs node `{owner}`, \
                         which the callback is part of"
                    )
                };
                self.issues[issue].message = message.into();
            }
        }
    }

    fn result(&mut self, nodes: &[Node]) -> usize {
        let results: Vec<usize> = (0..nodes.len()).filter(|&index| nodes[index].result).collect();
        let report = |parser: &mut Self, message: String, hint: &str| {
            let issue = Issue::new(Code::PROCESS_GRAPH_INVALID, parser.path.clone(), message);
            parser.issues.push(issue.hint(hint));
        };
        match results.as_slice() {
            [] if nodes.len() == 1 => report(
                self,
                "no node is marked as the result".into(),
                &format!("add `\"result\": true` to the only node, `{}`", short(&nodes[0].id)),
            ),
            [] => report(
                self,
                "no node is marked as the result".into(),
                "add `\"result\": true` to the node whose value is wanted",
            ),
            [_] => {}
            several => {
                let mut ids: Vec<String> = several
                    .iter()
                    .take(10)
                    .map(|&i| format!("`{}`", short(&nodes[i].id)))
                    .collect();
                if several.len() > 10 {
                    ids.push("…".into());
                }
                report(
                    self,
                    format!("{} nodes are marked as the result: {}", several.len(), ids.join(", ")),
                    "leave `\"result\": true` at one of them",
                );
            }
        }
        results.first().copied().unwrap_or_default()
    }

    /// Reports a problem of the current node.
    fn report(&mut self, message: String) {
        self.issues.push(Issue::new(Code::PROCESS_GRAPH_INVALID, self.path.clone(), message));
    }

    /// Reports a problem of the current argument, which is then left out of further checks.
    fn refused(&mut self, message: String, hint: Option<String>) -> Arg {
        let mut issue = Issue::new(Code::PROCESS_GRAPH_INVALID, self.path.clone(), message);
        issue.hint = hint;
        self.refuse(issue);
        Arg::Null
    }

    fn refuse(&mut self, issue: Issue) {
        self.issues.push(issue.argument(self.place.clone()));
        self.broken = true;
    }
}

fn references(nodes: &[Node]) -> order::References {
    nodes
        .iter()
        .map(|node| node.arguments.iter().flat_map(|(_, arg)| arg.nodes()).collect())
        .collect()
}

/// The name of the first argument that refers into the component.
fn closing_argument(node: &Node, component: &[usize], own: usize) -> Option<String> {
    let closes = |arg: &Arg| arg.nodes().iter().any(|&target| component[target] == own);
    node.arguments.iter().find(|(_, arg)| closes(arg)).map(|(name, _)| short(name).into_owned())
}

/// Brings nodes without cycles into topological order.
fn sorted(nodes: Vec<Node>, references: &order::References, result: usize) -> Graph {
    let order = order::topological(references);
    let mut place = vec![0; nodes.len()];
    for (index, &node) in order.iter().enumerate() {
        place[node] = index;
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let mut nodes = Vec::with_capacity(slots.len());
    for node in order {
        if let Some(mut node) = slots[node].take() {
            node.arguments.iter_mut().for_each(|(_, arg)| renumber(arg, &place));
            nodes.push(node);
        }
    }
    Graph { nodes, result: place[result] }
}

fn renumber(arg: &mut Arg, place: &[usize]) {
    match arg {
        Arg::Node(index) => *index = place[*index],
        Arg::Array(items) => items.iter_mut().for_each(|item| renumber(item, place)),
        Arg::Object(entries) => entries.iter_mut().for_each(|(_, arg)| renumber(arg, place)),
        _ => {}
    }
}
