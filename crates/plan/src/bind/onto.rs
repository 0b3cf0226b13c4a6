//! The grid that a plan is made for.

use std::sync::Arc;

use eolith_cube::Schema;
use eolith_graph::{Code, Graph, Issue, NodePath};

use crate::bind::{Binder, Term};
use crate::logical::{NodeId, Root, RootValue};
use crate::op::Op;
use crate::target::TargetGrid;

impl Binder<'_> {
    /// The result on the grid of a target; if it is saved, that is what the file gets. What else is saved or logged stays
    /// what it is.
    pub(super) fn onto(&mut self, result: Term, target: &TargetGrid, graph: &Graph) -> Term {
        let path = NodePath::node(&graph.nodes[graph.result].id);
        let (made, wrong) = match &result {
            Term::Blocked => return result,
            Term::Cube(own) => match self.on_target(*own, target, &path) {
                Ok(made) => (Term::Cube(made), None),
                Err(wrong) => (Term::Blocked, Some(wrong)),
            },
            Term::Stac(effect) => match self.saved_on_target(*effect, target, &path) {
                Ok(()) => (result, None),
                Err(wrong) => (Term::Blocked, Some(wrong)),
            },
            Term::Expr(_) => (Term::Blocked, Some(no_cube(&path))),
        };
        self.issues.extend(wrong);
        made
    }

    /// Brings a cube to the grid, if it is not there.
    fn on_target(
        &mut self,
        own: NodeId,
        target: &TargetGrid,
        path: &NodePath,
    ) -> Result<NodeId, Issue> {
        let schema: Arc<Schema> = Arc::clone(self.logical.schema(own));
        if schema.grid().is_ok_and(|grid| grid.aligned(&target.grid)) {
            return Ok(own);
        }
        let (op, schema) = Op::warp(&schema, target.grid.clone(), target.method)
            .map_err(|bad| Issue::new(Code::new(bad.code), path.clone(), bad.message))?;
        Ok(self.push(op, vec![own], schema, path.clone()))
    }

    /// The same for what a file gets.
    fn saved_on_target(
        &mut self,
        effect: usize,
        target: &TargetGrid,
        path: &NodePath,
    ) -> Result<(), Issue> {
        let saved = match self.effects.get(effect) {
            Some(Root { value: RootValue::Cube(id), effect: None, .. }) => *id,
            _ => return Err(no_cube(path)),
        };
        let node = self.logical.node(saved).clone();
        let Op::Save(save) = node.op else { return Err(no_cube(path)) };
        let made = self.on_target(node.inputs[0], target, path)?;
        if made != node.inputs[0] {
            let (op, schema) = Op::save(self.logical.schema(made), save);
            let saved = self.push(op, vec![made], schema, node.path);
            self.effects[effect].value = RootValue::Cube(saved);
        }
        Ok(())
    }
}

fn no_cube(path: &NodePath) -> Issue {
    let message = "the result is no data cube and cannot be brought to a grid";
    Issue::new(Code::PROCESS_PARAMETER_INVALID, path.clone(), message)
}
