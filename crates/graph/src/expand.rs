//! Processes that are not predefined: which ones a graph calls, and the graph with them in place.
//!
//! Like planning, expanding does no I/O: it names what it has to know ([`Reference`]), the driver looks it up, and
//! expanding starts again. A call that leads to a stored process keeps its node, with the process in [`Node::own`].
//! Arguments that are known are filled into that process, so that it is checked with them; those that depend on nodes
//! or on parameters of a callback stay parameters of its scope.
//!
//! ```text
//! namespace absent    the process of the user with that id, else the predefined one
//!           user      the process of the user
//!           backend   the predefined process
//!           u:…, URL  a process that another user, or another server, has made public
//! ```
//! Inside a process from elsewhere the first two mean the processes of the same origin, never those of who calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::definition::Definitions;
use crate::graph::{Arg, Graph, Node};
use crate::issue::{Code, Issue, NodePath, short};
use crate::parse::parse_value;
use crate::process::Process;
use crate::substitute::{MOST_VALUES, fill};

/// Nodes that stored processes may add to a graph.
const MOST_NODES: usize = 10_000;
/// Scopes in scopes, of callbacks and processes: each is a step of recursion for all that reads the graph.
const MOST_DEPTH: usize = 32;
/// The namespace of the processes that a back-end defines itself.
pub(crate) const PREDEFINED: &str = "backend";
const OF_THE_USER: &str = "user";
/// How namespaces of other users begin.
const PUBLIC: &str = "u:";

/// A process that may be stored somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// `None` for the user's own; else `u:` with the id of a user, or a URL.
    pub namespace: Option<String>,
    pub id: String,
}

/// What was found at a reference.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    Found(Value),
    Missing,
    /// The namespace cannot be used; the text says why.
    Failed(String),
}

/// What was looked up so far.
pub type Library = BTreeMap<Reference, Lookup>;

/// What expanding came to.
#[derive(Debug)]
pub enum Expansion {
    /// The process calls predefined processes only.
    Unchanged,
    Process(Box<Process>),
    /// These have to be looked up first.
    Open(BTreeSet<Reference>),
    Issues(Vec<Issue>),
}

/// Puts stored processes in place.
///
/// Calls of processes that exist nowhere stay as they are: [`crate::check`] reports them.
pub fn expand(process: &Process, definitions: &dyn Definitions, library: &Library) -> Expansion {
    let mut direct = BTreeSet::new();
    references(&process.graph, &mut direct);
    let mut expander = Expander {
        definitions,
        library,
        parsed: BTreeMap::new(),
        open: direct.iter().filter(|name| !library.contains_key(name)).cloned().collect(),
        issues: Vec::new(),
        nodes_left: MOST_NODES,
        is_full: false,
        values_left: MOST_VALUES,
        chain: Vec::new(),
        home: None,
        path: NodePath::default(),
        depth: 0,
    };
    if !expander.open.is_empty() {
        return Expansion::Open(expander.open);
    }
    let is_stored =
        |name: &Reference| name.namespace.is_some() || library.get(name) != Some(&Lookup::Missing);
    if !direct.iter().any(is_stored) {
        return Expansion::Unchanged;
    }
    let mut process = process.clone();
    expander.graph(&mut process.graph);
    if !expander.issues.is_empty() {
        Expansion::Issues(expander.issues)
    } else if !expander.open.is_empty() {
        Expansion::Open(expander.open)
    } else {
        Expansion::Process(Box::new(process))
    }
}

struct Expander<'a> {
    definitions: &'a dyn Definitions,
    library: &'a Library,
    parsed: BTreeMap<&'a Reference, Option<Arc<Process>>>,
    open: BTreeSet<Reference>,
    issues: Vec<Issue>,
    nodes_left: usize,
    /// Whether a process did not fit, which is said once.
    is_full: bool,
    values_left: usize,
    /// The processes that are being expanded, outermost first.
    chain: Vec<&'a Reference>,
    /// Where the innermost of them comes from.
    home: Option<String>,
    path: NodePath,
    depth: usize,
}

impl<'a> Expander<'a> {
    fn graph(&mut self, graph: &mut Graph) {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            let message = format!("processes and callbacks nest deeper than {MOST_DEPTH} levels");
            self.report(Code::PROCESS_GRAPH_COMPLEXITY, message);
        } else {
            for node in &mut graph.nodes {
                self.path.0.push(short(&node.id).into_owned());
                for (name, arg) in &mut node.arguments {
                    self.callbacks(name, arg);
                }
                self.node(node);
                self.path.0.pop();
            }
        }
        self.depth -= 1;
    }

    /// Expands the callbacks in an argument.
    fn callbacks(&mut self, name: &str, arg: &mut Arg) {
        match arg {
            Arg::Callback(graph) => {
                self.path.0.push(short(name).into_owned());
                self.graph(Arc::make_mut(graph));
                self.path.0.pop();
            }
            Arg::Array(items) => {
                for item in items.iter_mut().filter(|item| !item.is_literal()) {
                    self.callbacks(name, item);
                }
            }
            Arg::Object(entries) => {
                for (key, item) in entries.iter_mut().filter(|(_, item)| !item.is_literal()) {
                    self.callbacks(&format!("{name}.{key}"), item);
                }
            }
            _ => {}
        }
    }

    fn node(&mut self, node: &mut Node) {
        // A callback that was handed on was expanded where it was written.
        let Some(wanted) = reference(node, self.home.as_deref()).filter(|_| node.own.is_none())
        else {
            return;
        };
        let Some((name, found)) = self.library.get_key_value(&wanted) else {
            self.open.insert(wanted);
            return;
        };
        let value = match found {
            Lookup::Found(value) => value,
            Lookup::Failed(reason) => {
                return self.report(Code::PROCESS_NAMESPACE_INVALID, reason.clone());
            }
            Lookup::Missing => {
                if let Some(namespace) = node.namespace.as_deref().filter(|own| is_foreign(own)) {
                    let (id, namespace) = (short(&wanted.id), short(namespace));
                    let message = format!("there is no process `{id}` at `{namespace}`");
                    self.report(Code::PROCESS_NAMESPACE_INVALID, message);
                }
                return;
            }
        };
        if let Some(at) = self.chain.iter().position(|own| *own == name) {
            let way = self.chain[at..].iter().chain([&name]);
            let way: Vec<String> = way.map(|own| format!("`{}`", short(&own.id))).collect();
            let message = format!("a process cannot call itself: {}", way.join(" → "));
            return self.report(Code::PROCESS_GRAPH_INVALID, message);
        }
        let Some(process) = self.parse(name, value) else { return };
        let Some(left) = self.nodes_left.checked_sub(size(&process.graph)) else {
            if !self.is_full {
                self.is_full = true;
                let message = format!(
                    "stored processes make the graph larger by more than {MOST_NODES} nodes"
                );
                self.report(Code::PROCESS_GRAPH_COMPLEXITY, message);
            }
            return;
        };
        self.nodes_left = left;
        let mut process = (*process).clone();
        let values = self.values(node, &process, name);
        if !fill(&mut process.graph, values, self.definitions, &mut self.values_left) {
            let message =
                format!("filling in the parameters gives more than {MOST_VALUES} values in total");
            return self.report(Code::PROCESS_GRAPH_COMPLEXITY, message);
        }
        let home = std::mem::replace(&mut self.home, name.namespace.clone());
        let inside = self.path.calling(&name.id);
        let outside = std::mem::replace(&mut self.path, inside);
        self.chain.push(name);
        self.graph(&mut process.graph);
        self.chain.pop();
        self.path = outside;
        self.home = home;
        node.own = Some(Arc::new(process));
    }

    /// The process at a reference; what is wrong with it is reported once.
    fn parse(&mut self, name: &'a Reference, value: &Value) -> Option<Arc<Process>> {
        if let Some(parsed) = self.parsed.get(name) {
            return parsed.clone();
        }
        let (process, issues) = if value.get("process_graph").is_some() {
            parse_value(value.clone())
        } else {
            let message = "the process has no process graph: it can run elsewhere only";
            let issue = Issue::new(Code::PROCESS_GRAPH_MISSING, NodePath::default(), message);
            (None, vec![issue])
        };
        let process = process.filter(|_| issues.is_empty()).map(Arc::new);
        for mut issue in issues {
            let mut path = self.path.calling(&name.id);
            path.0.append(&mut issue.path.0);
            issue.path = path;
            self.issues.push(issue);
        }
        self.parsed.insert(name, process.clone());
        process
    }

    /// The values of the parameters that are known before anything is computed.
    fn values(&self, node: &Node, process: &Process, name: &Reference) -> BTreeMap<String, Arg> {
        let moved = name.namespace != self.home;
        let value = |parameter: &crate::Parameter| match node.argument(&parameter.name) {
            Some(arg) if is_closed(arg) => {
                let mut arg = arg.clone();
                if moved {
                    settle(&mut arg);
                }
                Some(arg)
            }
            Some(_) => None,
            None if parameter.optional => {
                Some(parameter.default.as_ref().map_or(Arg::Null, Arg::from_json))
            }
            None => None,
        };
        let values = process.parameters.iter();
        values.filter_map(|own| Some((own.name.clone().into_owned(), value(own)?))).collect()
    }

    fn report(&mut self, code: Code, message: String) {
        self.issues.push(Issue::new(code, self.path.clone(), message));
    }
}

/// What a node may lead to besides a predefined process.
fn reference(node: &Node, home: Option<&str>) -> Option<Reference> {
    let namespace = match node.namespace.as_deref() {
        None | Some(OF_THE_USER) => home.map(str::to_owned),
        Some(namespace) if is_foreign(namespace) => Some(namespace.to_owned()),
        Some(_) => return None,
    };
    (!node.process_id.is_empty()).then(|| Reference { namespace, id: node.process_id.clone() })
}

fn is_foreign(namespace: &str) -> bool {
    [PUBLIC, "https://", "http://"].iter().any(|start| namespace.starts_with(start))
}

/// The references of a graph as it was written, callbacks included.
fn references(graph: &Graph, found: &mut BTreeSet<Reference>) {
    each_node(graph, |node| found.extend(reference(node, None)));
}

/// The number of nodes, with those of callbacks.
fn size(graph: &Graph) -> usize {
    let mut count = 0;
    each_node(graph, |_| count += 1);
    count
}

fn each_node<'g>(graph: &'g Graph, mut see: impl FnMut(&'g Node)) {
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.nodes {
            see(node);
            let mut open: Vec<&Arg> = node.arguments.iter().map(|(_, arg)| arg).collect();
            while let Some(arg) = open.pop() {
                match arg {
                    Arg::Callback(graph) => graphs.push(graph),
                    Arg::Array(items) => open.extend(items),
                    Arg::Object(entries) => open.extend(entries.iter().map(|(_, arg)| arg)),
                    _ => {}
                }
            }
        }
    }
}

/// Whether a value means the same in another scope. A callback does: it sees the parameters of the place it stands at.
fn is_closed(arg: &Arg) -> bool {
    match arg {
        Arg::Node(_) | Arg::Parameter(_) => false,
        Arg::Array(items) => items.iter().all(is_closed),
        Arg::Object(entries) => entries.iter().all(|(_, arg)| is_closed(arg)),
        _ => true,
    }
}

/// Predefined processes stay what they are in callbacks that are handed to a process from elsewhere.
fn settle(arg: &mut Arg) {
    match arg {
        Arg::Callback(graph) => {
            for node in &mut Arc::make_mut(graph).nodes {
                if node.own.is_none() && node.namespace.is_none() {
                    node.namespace = Some(PREDEFINED.to_owned());
                }
                node.arguments.iter_mut().for_each(|(_, arg)| settle(arg));
            }
        }
        Arg::Array(items) => items.iter_mut().for_each(settle),
        Arg::Object(entries) => entries.iter_mut().for_each(|(_, arg)| settle(arg)),
        _ => {}
    }
}
