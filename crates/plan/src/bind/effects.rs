//! What happens besides the result: saving, logging.

use std::sync::Arc;

use eolith_graph::{Code, Graph, Issue, NodePath};

use crate::bind::{Binder, Call, Problem, Scope, Term, fault_issue};
use crate::logical::{Effect, Log, ModelFile, NodeId, Root, RootValue};
use crate::model::Forest;
use crate::op::{Op, Save};
use crate::value::Value;

impl Call<'_, '_> {
    /// A value of any kind.
    pub fn any(&mut self, name: &str) -> Result<Term, Problem> {
        let term = self.term(name)?;
        if let Term::Cube(id) = term {
            self.binder.uses.taken(id);
        }
        Ok(term)
    }

    /// Writes a cube to a file.
    pub fn save(&mut self, data: NodeId, save: Save) -> Term {
        let schema = self.schema(data);
        let node = self.add_node(Op::save(&schema, save), vec![data]);
        self.effect(RootValue::Cube(node), None);
        Term::Cube(node)
    }

    /// Tells the log about a value. Of values that only pixels have, the log gets to know the type.
    pub fn log(&mut self, term: &Term, log: Log) {
        let value = match term {
            Term::Blocked => return,
            Term::Cube(id) => RootValue::Cube(*id),
            Term::Expr(id) => {
                let known = self.scope.builder.as_const(*id).cloned();
                RootValue::Value(known.unwrap_or_else(|| {
                    let kind = format!("{} of every pixel", self.scope.builder.ty(*id));
                    let map = [("type".to_owned(), kind.into())].into_iter().collect();
                    Value::Object(Arc::new(map))
                }))
            }
        };
        self.effect(value, Some(Effect::Log(log)));
    }

    /// Writes a model to a file.
    pub fn save_model(&mut self, model: Arc<Forest>, file: ModelFile) {
        self.effect(RootValue::Value(Value::Model(model)), Some(Effect::Model(file)));
    }

    fn effect(&mut self, value: RootValue, effect: Option<Effect>) {
        let path = self.path.clone();
        self.binder.effects.push(Root { value, path, is_result: false, effect });
    }
}

impl Binder<'_> {
    /// The roots of the plan: what happens besides, and the value of the result node.
    pub(super) fn roots(&mut self, graph: &Graph, result: Term, scope: &Scope) {
        let path = NodePath::node(&graph.nodes[graph.result].id);
        let mut roots = std::mem::take(&mut self.effects);
        let root = |value| Root { value, path: path.clone(), is_result: true, effect: None };
        match result {
            Term::Cube(id) => {
                let is_it = |root: &&mut Root| {
                    root.effect.is_none() && matches!(root.value, RootValue::Cube(own) if own == id)
                };
                match roots.iter_mut().find(is_it) {
                    Some(root) => root.is_result = true,
                    None => roots.push(root(RootValue::Cube(id))),
                }
            }
            Term::Expr(id) => match scope.builder.finish(id).as_const() {
                Some(Ok(value)) => roots.push(root(RootValue::Value(value))),
                Some(Err(fault)) => self.issues.push(fault_issue(fault, path)),
                None => self.issues.push(Issue::new(
                    Code::INTERNAL,
                    path,
                    "the result depends on a value that is not known",
                )),
            },
            Term::Blocked => {}
        }
        self.logical.roots = roots;
    }
}
