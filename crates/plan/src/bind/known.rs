//! Values and cubes that binding has to know: computed by a part of the plan before the rest is planned.

use std::sync::Arc;

use eolith_cube::{Label, Schema};
use eolith_graph::{Code, Issue};

use crate::bind::{Argument, Call, Problem, Term};
use crate::logical::{NodeId, label_list};
use crate::model::Forest;
use crate::model::network::Network;
use crate::need::{Answer, Need};
use crate::op::{Cube, Op};
use crate::subplan::{Derivation, Subplan};
use crate::value::{Array, Value};

impl Call<'_, '_> {
    /// The pixels of cubes, all of them; `None` until they are computed. They are held in memory while the plan is
    /// made: ask for small cubes only (what is too large ends the plan with `ProcessGraphComplexity`).
    pub fn computed(&mut self, nodes: &[NodeId]) -> Option<Vec<Arc<Cube>>> {
        let known = self.known(nodes, None)?;
        let cubes = known.iter().map(|argument| match argument {
            Argument::Cube(cube) => Some(Arc::clone(cube)),
            Argument::Value(_) => None,
        });
        cubes.collect()
    }

    /// What a derivation makes of cubes; `None` until it is computed. Its context is part of the question.
    pub fn derived(
        &mut self,
        nodes: &[NodeId],
        derivation: &'static Derivation,
        context: Value,
    ) -> Option<Argument> {
        self.known(nodes, Some((derivation, context)))?.first().cloned()
    }

    /// A model that was saved.
    ///
    /// # Errors
    /// `FileNotFound`; `ModelUnsuitable`, which says what is wrong with it.
    pub fn saved_model(&mut self, uri: &str) -> Result<Arc<Forest>, Problem> {
        self.model(uri, Need::Model { uri: uri.to_owned() }, |answer| match answer {
            Answer::Model(model) => Some(Arc::clone(model)),
            _ => None,
        })
    }

    /// A model in an ONNX file, for samples of so many values; errors are those of [`Call::saved_model`].
    pub fn network(&mut self, uri: &str, features: usize) -> Result<Arc<Network>, Problem> {
        let need = Need::Network { uri: uri.to_owned(), features };
        self.model(uri, need, |answer| match answer {
            Answer::Network(network) => Some(Arc::clone(network)),
            _ => None,
        })
    }

    /// Stands for a cube with these dimensions until it is known what it looks like.
    pub fn pending(&mut self, schema: Schema, inputs: Vec<NodeId>) -> Term {
        self.add(Op::pending(schema), inputs)
    }

    /// The value of a cube without dimensions, the array of one with a single dimension.
    pub(super) fn value_of(&mut self, id: NodeId, name: &str) -> Result<Value, Problem> {
        let rank = self.schema(id).dims.len();
        if rank > 1 {
            return Err(Problem::argument(
                name,
                format!(
                    "a single value or an array is expected, not a data cube with {rank} dimensions"
                ),
            )
            .hint("use `apply` or `reduce_dimension` with this process as the callback"));
        }
        self.binder.uses.taken(id);
        let cube = self.computed(&[id]).ok_or(Problem::Blocked)?.swap_remove(0);
        let is_bool = cube.schema.dtype() == eolith_cube::DType::Bool;
        let value = |i: usize| Value::of_pixel(cube.block.get(i), is_bool);
        Ok(match cube.schema.dims.first() {
            None => value(0),
            Some(dim) => {
                let labels: Option<Arc<[Label]>> = dim.labels().map(label_list);
                let values = (0..cube.block.len()).map(value).collect();
                Value::Array(Arc::new(Array { values, labels }))
            }
        })
    }

    fn model<T>(
        &mut self,
        uri: &str,
        need: Need,
        found: impl Fn(&Answer) -> Option<T>,
    ) -> Result<T, Problem> {
        match self.binder.snapshot.get(&need) {
            Some(Answer::Missing) => {
                Err(Problem::new("FileNotFound", format!("there is no model at `{uri}`")))
            }
            Some(Answer::Failed(reason)) => {
                Err(Problem::new("ModelUnsuitable", format!("the model cannot be used: {reason}")))
            }
            answer => answer.and_then(found).ok_or_else(|| {
                self.binder.needs.insert(need);
                Problem::Blocked
            }),
        }
    }

    fn known(
        &mut self,
        nodes: &[NodeId],
        then: Option<(&'static Derivation, Value)>,
    ) -> Option<Arc<[Argument]>> {
        let subplan = Subplan::new(&self.binder.logical, nodes, then)?;
        if subplan.plan().nodes.iter().any(|node| matches!(node.op, Op::Parameter(_))) {
            let message = "what a part of a data cube looks like cannot depend on its pixels";
            let code = Code::new("FeatureUnsupported");
            self.binder.issues.push(Issue::new(code, self.path.clone(), message));
            return None;
        }
        let need = Need::Computed(subplan);
        if let Some(Answer::Computed(known)) = self.binder.snapshot.get(&need) {
            return Some(Arc::clone(known));
        }
        self.binder.needs.insert(need);
        None
    }
}
