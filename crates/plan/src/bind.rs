//! Binding: from the nodes of a process graph to operators and expressions.
//!
//! Every node of the graph is lowered by its process ([`crate::process`]), in topological order and without
//! recursion over nodes; callbacks recurse, as deep as JSON nests. All problems are collected with the path of
//! their node; a node whose inputs have problems or open needs is passed over, so that one mistake is reported
//! once.

mod area;
mod call;
mod callbacks;
mod effects;
mod known;
mod load;
mod nested;
mod onto;
mod outside;
mod own;
mod scope;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eolith_graph::{Code, Graph, Issue, NodePath, Process as UserProcess};

use crate::expr::ExprId;
use crate::logical::{Bad, Logical, LogicalNode, NodeId, Root};
use crate::need::{Need, Snapshot};
use crate::op::{Cube, Op};
use crate::process::{Lowering, Registry};
use crate::request::LoadRequest;
use crate::target::TargetGrid;
use crate::value::{Fault, Value};

pub use call::Call;
pub use callbacks::Input;
pub use effects::merge_patch;
pub use load::Filter;
pub(crate) use scope::Scope;
use uses::Uses;

/// What a node of the process graph became.
#[derive(Clone, Debug)]
pub enum Term {
    /// A node of the expression of its scope.
    Expr(ExprId),
    Cube(NodeId),
    /// The STAC resource that an effect gives, by the place of the effect among all.
    Stac(usize),
    /// Unknown because of a need or a problem upstream.
    Blocked,
}

/// A value for a parameter of the graph.
#[derive(Clone, Debug)]
pub enum Argument {
    Value(Value),
    Cube(Arc<Cube>),
}

/// A problem of one call; the binder adds the node.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    Issue {
        code: Code,
        argument: Option<String>,
        message: String,
        hint: Option<String>,
    },
    /// Not a mistake: the world has to be asked first, or an input is blocked.
    Blocked,
}

/// What binding gives: as much of the plan as could be made, what is open and what is wrong.
#[derive(Debug)]
pub struct Bound {
    pub logical: Logical,
    pub needs: BTreeSet<Need>,
    pub issues: Vec<Issue>,
}

/// Binds a process. Static checks (unknown processes, missing arguments) are `eolith_graph::check`'s; they are
/// repeated here only as far as a plan cannot be made without.
pub fn bind(
    process: &UserProcess,
    arguments: &BTreeMap<String, Argument>,
    registry: &dyn Registry,
    snapshot: &Snapshot,
    target: Option<&TargetGrid>,
) -> Bound {
    let mut binder = Binder {
        registry,
        snapshot,
        logical: Logical::default(),
        needs: BTreeSet::new(),
        open_scans: Vec::new(),
        loads: BTreeMap::new(),
        uses: Uses::default(),
        issues: Vec::new(),
        effects: Vec::new(),
    };
    let mut scope = Scope::default();
    for (name, argument) in arguments {
        let term = match argument {
            Argument::Value(value) => Term::Expr(scope.builder.constant(value.clone())),
            Argument::Cube(cube) => {
                let (op, schema) = Op::literal(Arc::clone(cube));
                Term::Cube(binder.push(op, Vec::new(), schema, NodePath::default()))
            }
        };
        scope.parameters.insert(name.clone(), term);
    }
    let result = binder.graph(&process.graph, &mut scope, &NodePath::default());
    binder.ask(&result);
    let result = match target {
        Some(target) => binder.onto(result, target, &process.graph),
        None => result,
    };
    binder.roots(&process.graph, result, &scope);
    Bound { logical: binder.logical.pruned(), needs: binder.needs, issues: binder.issues }
}

pub(crate) struct Binder<'a> {
    registry: &'a dyn Registry,
    snapshot: &'a Snapshot,
    logical: Logical,
    needs: BTreeSet<Need>,
    /// Scans whose scenes are not known yet.
    open_scans: Vec<(NodeId, Need)>,
    /// The requests behind cubes that are what they ask for and nothing else, for filters that follow.
    loads: BTreeMap<NodeId, LoadRequest>,
    uses: Uses,
    issues: Vec<Issue>,
    /// What happens besides the result, in the order of the nodes: inputs come before what depends on them.
    effects: Vec<Root>,
}

impl Binder<'_> {
    /// Binds all nodes of one scope and gives the term of its result.
    fn graph(&mut self, graph: &Graph, scope: &mut Scope, path: &NodePath) -> Term {
        for node in &graph.nodes {
            let path = path.join(&node.id);
            let term = match self.call(node, scope, &path) {
                Ok(term) => term,
                Err(Problem::Blocked) => Term::Blocked,
                Err(Problem::Issue { code, argument, message, hint }) => {
                    let issue = Issue::new(code, path, message);
                    self.issues.push(Issue { argument, hint, ..issue });
                    Term::Blocked
                }
            };
            scope.terms.push(term);
        }
        scope.terms[graph.result].clone()
    }

    fn call(
        &mut self,
        node: &eolith_graph::Node,
        scope: &mut Scope,
        path: &NodePath,
    ) -> Result<Term, Problem> {
        if let Some(process) = &node.own {
            return self.own(node, process, scope, path);
        }
        let Some(process) = self.registry.process(&node.process_id) else {
            return Err(Problem::Issue {
                code: Code::PROCESS_UNSUPPORTED,
                argument: None,
                message: format!("there is no process `{}`", node.process_id),
                hint: None,
            });
        };
        let definition =
            self.registry.get(&node.process_id).expect("invariant: a process is defined");
        let mut call = Call { binder: self, scope, node, definition, path };
        call.check_inputs()?;
        match &process.lowering {
            Lowering::Custom(lower) | Lowering::Outside(lower) => lower(&mut call),
            Lowering::Function(function) => {
                let args: Result<Vec<ExprId>, Problem> =
                    function.parameters.iter().map(|name| call.expr(name)).collect();
                let args = args?;
                Ok(Term::Expr(call.builder().call(function, args)))
            }
        }
    }

    fn push(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        schema: eolith_cube::Schema,
        path: NodePath,
    ) -> NodeId {
        self.logical.push(LogicalNode { op, inputs, schema: Arc::new(schema), path })
    }

    /// Asks for the scenes of open scans, except of those that are used only by filters which were folded into
    /// narrower scans: nobody will read them.
    fn ask(&mut self, result: &Term) {
        for (node, need) in std::mem::take(&mut self.open_scans) {
            let is_result = matches!(result, Term::Cube(id) if *id == node);
            if is_result || self.uses.is_used(node) {
                self.needs.insert(need);
            }
        }
    }
}

impl Problem {
    pub fn new(
        code: impl Into<std::borrow::Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Problem {
        Problem::Issue {
            code: Code::new(code),
            argument: None,
            message: message.into(),
            hint: None,
        }
    }

    /// A wrong argument: `ProcessParameterInvalid`.
    pub fn argument(name: &str, message: impl Into<String>) -> Problem {
        Problem::new("ProcessParameterInvalid", message).at(name)
    }

    /// Names the argument.
    #[must_use]
    pub fn at(self, name: &str) -> Problem {
        match self {
            Problem::Issue { code, message, hint, .. } => {
                Problem::Issue { code, argument: Some(name.to_owned()), message, hint }
            }
            Problem::Blocked => Problem::Blocked,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Problem {
        match self {
            Problem::Issue { code, argument, message, .. } => {
                Problem::Issue { code, argument, message, hint: Some(text.into()) }
            }
            Problem::Blocked => Problem::Blocked,
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        Problem::new(fault.code, fault.message)
    }
}

impl From<Bad> for Problem {
    fn from(bad: Bad) -> Problem {
        Problem::new(bad.code, bad.message)
    }
}

fn fault_issue(fault: Fault, path: NodePath) -> Issue {
    Issue::new(Code::new(fault.code), path, fault.message)
}
