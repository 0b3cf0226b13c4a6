//! The logical plan: operators with their schemas, in topological order.
//!
//! A node's schema is computed here, by the constructor of its operator, from the schemas of its inputs. Nothing
//! else writes one, so that it cannot drift from what is computed.

mod construct;
mod merge;
mod nested;
mod outside;
mod zones;

use std::sync::Arc;

use eolith_cube::{Labels, Schema};
use eolith_graph::NodePath;

use crate::op::Op;
use crate::value::Value;

pub use construct::{Bad, Groups, Windows};
pub(crate) use construct::{on_grid, pending_extent};
pub(crate) use nested::kept;
pub(crate) use zones::{Area, footprints};

/// Position of a node in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

#[derive(Clone, Debug)]
pub struct LogicalNode {
    pub op: Op,
    pub inputs: Vec<NodeId>,
    pub schema: Arc<Schema>,
    /// The node of the process graph it stands for.
    pub path: NodePath,
}

/// A plan: nodes in topological order, and what is asked of them.
#[derive(Clone, Debug, Default)]
pub struct Logical {
    pub nodes: Vec<LogicalNode>,
    pub roots: Vec<Root>,
}

/// A value that is wanted: the result of the graph, or the input of an effect.
#[derive(Clone, Debug)]
pub struct Root {
    pub value: RootValue,
    pub path: NodePath,
    /// Whether this is the value of the graph's result node.
    pub is_result: bool,
    /// What happens to the value. A cube under [`Op::Save`] is written; one without either is handed to the caller.
    pub effect: Option<Effect>,
}

/// What happens to the value of a root, once and after it is complete. It changes no other value.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A summary goes to the log.
    Log(Log),
    /// A model goes to a file, with a STAC item that describes it.
    Model(ModelFile),
    /// Something is done with the STAC resource that an earlier root gives; this one gives what it is then. The root has
    /// no value of its own.
    Stac(StacEffect),
}

/// What is done with a STAC resource.
#[derive(Clone, Debug, PartialEq)]
pub struct StacEffect {
    /// The node whose root gives the resource.
    pub of: NodePath,
    pub change: StacChange,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StacChange {
    /// A JSON merge patch (RFC 7386).
    Patch(serde_json::Value),
    /// A copy with all its files goes to a workspace of the user.
    Workspace {
        name: String,
        /// Path of the resource in the workspace that it becomes a part of; apart from all others if `None`.
        merge: Option<String>,
    },
    /// A copy with all its files becomes a part of a collection, by its id.
    Collection(String),
}

/// What is said of a model that is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    pub name: String,
    /// What it can be used for, in the words of STAC.
    pub tasks: Vec<String>,
}

/// An entry of the log about a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    /// A label that the user chose.
    pub code: String,
    pub message: String,
}

/// How severe an entry of a log is, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

#[derive(Clone, Debug)]
pub enum RootValue {
    Cube(NodeId),
    /// A number, text, array or object known from the graph alone.
    Value(Value),
}

impl Logical {
    pub fn node(&self, id: NodeId) -> &LogicalNode {
        &self.nodes[id.0]
    }

    pub fn schema(&self, id: NodeId) -> &Arc<Schema> {
        &self.nodes[id.0].schema
    }

    pub fn push(&mut self, node: LogicalNode) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// How many nodes and roots use each node.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for node in &self.nodes {
            for input in &node.inputs {
                uses[input.0] += 1;
            }
        }
        for root in &self.roots {
            if let RootValue::Cube(id) = root.value {
                uses[id.0] += 1;
            }
        }
        uses
    }

    /// The same plan without the entries of the log that are less severe than `least`, and without what only they need.
    #[must_use]
    pub fn logging(mut self, least: Level) -> Logical {
        let silent =
            |root: &Root| matches!(&root.effect, Some(Effect::Log(log)) if log.level > least);
        let before = self.roots.len();
        self.roots.retain(|root| !silent(root));
        if self.roots.len() == before { self } else { self.pruned() }
    }

    /// The same plan without nodes that no root needs; order is kept.
    #[must_use]
    pub fn pruned(self) -> Logical {
        let mut needed = vec![false; self.nodes.len()];
        for root in &self.roots {
            if let RootValue::Cube(id) = root.value {
                needed[id.0] = true;
            }
        }
        for i in (0..self.nodes.len()).rev() {
            if needed[i] {
                self.nodes[i].inputs.iter().for_each(|id| needed[id.0] = true);
            }
        }
        let mut map = vec![NodeId(usize::MAX); self.nodes.len()];
        let mut pruned = Logical::default();
        for (i, mut node) in self.nodes.into_iter().enumerate() {
            if needed[i] {
                node.inputs.iter_mut().for_each(|id| *id = map[id.0]);
                map[i] = pruned.push(node);
            }
        }
        pruned.roots = self.roots;
        for root in &mut pruned.roots {
            if let RootValue::Cube(id) = &mut root.value {
                *id = map[id.0];
            }
        }
        pruned
    }
}

/// The labels as arrays see them; coordinates of a regular axis become numbers.
pub(crate) fn label_list(labels: &Labels) -> Arc<[eolith_cube::Label]> {
    match labels {
        Labels::List(list) => Arc::clone(list),
        Labels::Regular(_) => labels.iter().collect(),
    }
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Error, Level::Warning, Level::Info, Level::Debug];

    /// openEO's name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}
