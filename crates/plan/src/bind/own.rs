//! Stored processes: bound where they are called, in a scope of their own.

use std::sync::LazyLock;

use eolith_graph::{Arg, Definition, Graph, Node, NodePath, Process};

use crate::bind::{Binder, Call, Problem, Scope, Term};
use crate::value::Value;

impl Binder<'_> {
    /// The result of a stored process. It sees its own parameters, and writes into the expression of the scope that
    /// calls it, so that it can stand wherever a predefined process can: in callbacks too.
    pub(super) fn own(
        &mut self,
        node: &Node,
        process: &Process,
        scope: &mut Scope,
        path: &NodePath,
    ) -> Result<Term, Problem> {
        /// Which arguments there are is checked already, and defaults are those of the process.
        static NONE: LazyLock<Definition> = LazyLock::new(|| Definition::new("", "", ""));
        let mut inner = Scope { outside: scope.outside, ..Scope::default() };
        let mut call = Call { binder: self, scope, node, definition: &NONE, path };
        call.check_inputs()?;
        for parameter in &process.parameters {
            let name = parameter.name.as_ref();
            let term = match (node.argument(name), &parameter.default) {
                // Callbacks stand where they are used.
                (Some(arg), _) if holds_callback(arg) => continue,
                (Some(_), _) => call.term(name)?,
                (None, default) => {
                    let default = default.as_ref().map_or(Value::Null, Value::from_json);
                    Term::Expr(call.builder().constant(default))
                }
            };
            inner.parameters.insert(name.to_owned(), term);
        }
        inner.builder = std::mem::take(&mut scope.builder);
        let result = self.graph(&process.graph, &mut inner, &path.calling(&node.process_id));
        scope.builder = inner.builder;
        match result {
            Term::Blocked => Err(Problem::Blocked),
            term => Ok(term),
        }
    }
}

/// Whether the nodes of a graph, or of stored processes that it calls, call a process of that kind; callbacks aside.
pub(super) fn calls(graph: &Graph, kind: impl Fn(&str) -> bool) -> bool {
    let mut open = vec![graph];
    while let Some(graph) = open.pop() {
        for node in &graph.nodes {
            match &node.own {
                Some(process) => open.push(&process.graph),
                None if kind(&node.process_id) => return true,
                None => {}
            }
        }
    }
    false
}

fn holds_callback(arg: &Arg) -> bool {
    match arg {
        Arg::Callback(_) => true,
        Arg::Array(items) => items.iter().any(holds_callback),
        Arg::Object(entries) => entries.iter().any(|(_, arg)| holds_callback(arg)),
        _ => false,
    }
}
