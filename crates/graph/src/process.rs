//! What a request carries: a process graph with its parameters and metadata.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::definition::Parameter;
use crate::graph::Graph;
use crate::issue::NodePath;

/// A process as the user wrote it, made by [`crate::parse()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    pub id: Option<String>,
    /// The declared parameters, which `from_parameter` may name.
    pub parameters: Vec<Parameter>,
    pub graph: Graph,
    /// Everything beside the process graph, unchanged and in order: `id`, `parameters`, `returns`,
    /// `summary`, … An answer that shows the process again takes it from here.
    pub metadata: Map<String, Value>,
    /// Arguments that parsing has refused and replaced by null, so that they are not reported twice.
    pub(crate) refused: BTreeSet<(NodePath, String)>,
}
