//! Scopes: the nodes and parameters a callback sees.

use std::collections::{BTreeMap, BTreeSet};

use eolith_graph::{Arg, Graph};

use crate::bind::Term;
use crate::expr::{Builder, ExprId};
use crate::logical::NodeId;
use crate::udf::Role;

/// One process graph or callback while it is bound.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) builder: Builder,
    /// Own parameters and those of enclosing scopes that the callback uses.
    pub(crate) parameters: BTreeMap<String, Term>,
    /// What each node became, by index.
    pub(crate) terms: Vec<Term>,
    /// In a callback that takes cubes: the cube, and what the calling process does with it.
    pub(crate) outside: Option<(NodeId, Role)>,
}

impl Scope {
    /// A scope for a callback of this one: it sees the parameters of the enclosing scopes, where it does not
    /// define them itself. Values that are not constant become captures: inputs numbered from `first_capture` on.
    pub(crate) fn child(
        &self,
        graph: &Graph,
        own: &BTreeSet<&str>,
        first_capture: usize,
    ) -> (Scope, Vec<ExprId>) {
        let mut child = Scope::default();
        let mut captures = Vec::new();
        for name in parameters_of(graph) {
            let Some(term) = self.parameters.get(name).filter(|_| !own.contains(name)) else {
                continue;
            };
            let term = match term {
                Term::Expr(id) => match (self.builder.as_const(*id), self.builder.as_fault(*id)) {
                    (Some(value), _) => Term::Expr(child.builder.constant(value.clone())),
                    (None, Some(fault)) => Term::Expr(child.builder.fault(fault)),
                    (None, None) => {
                        let ty = self.builder.ty(*id).clone();
                        captures.push(*id);
                        Term::Expr(child.builder.input(first_capture + captures.len() - 1, ty))
                    }
                },
                Term::Cube(id) => Term::Cube(*id),
                Term::Stac(effect) => Term::Stac(*effect),
                Term::Blocked => Term::Blocked,
            };
            child.parameters.insert(name.to_owned(), term);
        }
        (child, captures)
    }
}

/// Names of all parameters used in a graph and its callbacks.
fn parameters_of(graph: &Graph) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut open: Vec<&Arg> =
        graph.nodes.iter().flat_map(|n| n.arguments.iter().map(|(_, a)| a)).collect();
    while let Some(arg) = open.pop() {
        match arg {
            Arg::Parameter(name) => {
                names.insert(name.as_str());
            }
            Arg::Array(items) => open.extend(items),
            Arg::Object(entries) => open.extend(entries.iter().map(|(_, arg)| arg)),
            Arg::Callback(graph) => {
                open.extend(graph.nodes.iter().flat_map(|n| n.arguments.iter().map(|(_, a)| a)));
            }
            Arg::Null
            | Arg::Bool(_)
            | Arg::Int(_)
            | Arg::Float(_)
            | Arg::Text(_)
            | Arg::Node(_) => {}
        }
    }
    names
}
