//! What happens besides the result: saving, logging, exporting.

use std::sync::Arc;

use eolith_graph::{Code, Graph, Issue, NodePath};
use serde_json::Value as Json;

use crate::bind::{Binder, Call, Problem, Scope, Term, fault_issue};
use crate::logical::{Effect, Log, ModelFile, NodeId, Root, RootValue, StacChange, StacEffect};
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

    /// Writes a cube to a file. What it gives is the STAC resource of the files.
    pub fn save(&mut self, data: NodeId, save: Save) -> Term {
        let schema = self.schema(data);
        let node = self.add_node(Op::save(&schema, save), vec![data]);
        self.effect(RootValue::Cube(node), None)
    }

    /// A STAC resource that is changed: one that is known changes at once, one that an effect gives once it is there.
    pub fn patch(&mut self, name: &str, changes: &Json) -> Result<Term, Problem> {
        if let Term::Stac(of) = self.term(name)? {
            return Ok(self.stac(of, StacChange::Patch(changes.clone())));
        }
        let Value::Object(resource) = self.constant(name)? else { return Err(not_stac(name)) };
        let mut resource = Json::Object((*resource).clone());
        merge_patch(&mut resource, changes);
        Ok(Term::Expr(self.scope.builder.constant(Value::from_json(&resource))))
    }

    /// Copies a STAC resource that an effect gives.
    pub fn export(&mut self, name: &str, change: StacChange) -> Result<Term, Problem> {
        match self.term(name)? {
            Term::Blocked => Err(Problem::Blocked),
            Term::Stac(of) => Ok(self.stac(of, change)),
            Term::Cube(_) => Err(not_stac(name)),
            Term::Expr(_) => {
                let hint =
                    "only what `save_result` gives in the same process graph can be exported";
                Err(not_stac(name).hint(hint))
            }
        }
    }

    fn stac(&mut self, of: usize, change: StacChange) -> Term {
        let of = self.binder.effects[of].path.clone();
        let effect = Effect::Stac(StacEffect { of, change });
        self.effect(RootValue::Value(Value::Null), Some(effect))
    }

    /// The cube behind a resource, if saving gave it.
    pub(super) fn saved(&self, effect: usize) -> Option<NodeId> {
        match self.binder.effects.get(effect)? {
            Root { value: RootValue::Cube(id), effect: None, .. } => Some(*id),
            _ => None,
        }
    }

    /// Tells the log about a value. Of values that only pixels have, the log gets to know the type.
    pub fn log(&mut self, term: &Term, log: Log) {
        let value = match term {
            Term::Blocked => return,
            Term::Stac(effect) => match self.saved(*effect) {
                Some(id) => RootValue::Cube(id),
                None => RootValue::Value(Value::text("a STAC resource")),
            },
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
        let _ = self.effect(value, Some(Effect::Log(log)));
    }

    /// Writes a model to a file.
    pub fn save_model(&mut self, model: Arc<Forest>, file: ModelFile) {
        let _ = self.effect(RootValue::Value(Value::Model(model)), Some(Effect::Model(file)));
    }

    fn effect(&mut self, value: RootValue, effect: Option<Effect>) -> Term {
        let path = self.path.clone();
        self.binder.effects.push(Root { value, path, is_result: false, effect });
        Term::Stac(self.binder.effects.len() - 1)
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
            Term::Stac(effect) => roots[effect].is_result = true,
            Term::Blocked => {}
        }
        self.logical.roots = roots;
    }
}

/// Changes a JSON value by a merge patch (RFC 7386): members replace those of the value, objects are merged, null removes.
pub fn merge_patch(value: &mut Json, patch: &Json) {
    // JSON that was parsed nests a bounded number of levels.
    let Json::Object(patch) = patch else {
        value.clone_from(patch);
        return;
    };
    if !value.is_object() {
        *value = Json::Object(serde_json::Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    for (key, change) in patch {
        if change.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.as_str()).or_insert(Json::Null), change);
        }
    }
}

fn not_stac(name: &str) -> Problem {
    Problem::argument(name, "a STAC resource is expected: what `save_result` gives")
}
