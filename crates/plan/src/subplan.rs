//! Parts of a plan whose values the planner has to know before it can go on.
//!
//! Some shapes and values follow from pixels: which labels have data, the value of a cube without dimensions, a model
//! that is trained. Binding asks for them by [`crate::need::Need::Computed`] with the part of the plan that gives
//! them; the driver runs it like any other plan and plans again from the start. Nothing is computed here.

use std::fmt::{self, Write};
use std::sync::Arc;

use eolith_cube::Block;
use eolith_graph::NodePath;
use xxhash_rust::xxh3::Xxh3;

use crate::bind::Argument;
use crate::compute::Failure;
use crate::logical::{Logical, NodeId, Root, RootValue};
use crate::need::Answer;
use crate::op::{Cube, Op};
use crate::value::{Fault, Value};

/// A plan whose roots are all cubes, and what is made of them. Two are equal if they give the same.
#[derive(Clone)]
pub struct Subplan {
    plan: Arc<Logical>,
    then: Option<(&'static Derivation, Value)>,
    digest: u128,
}

/// Makes one value or cube of the cubes of a subplan. It is pure, runs once, and may take long: it asks now and then
/// whether it shall stop, and may give any fault then.
pub struct Derivation {
    /// Unique; part of what tells subplans apart.
    pub id: &'static str,
    pub run: Derive,
}

/// The function of a derivation: of the cubes and of its context.
pub type Derive = fn(&[Arc<Cube>], &Value, &Stop<'_>) -> Result<Argument, Fault>;

/// Whether nobody waits for the value any more.
pub type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

impl Subplan {
    /// The part of a plan that gives these nodes; `None` while labels of anything in it are pending.
    pub fn new(
        logical: &Logical,
        nodes: &[NodeId],
        then: Option<(&'static Derivation, Value)>,
    ) -> Option<Subplan> {
        let root = |id: &NodeId| Root {
            value: RootValue::Cube(*id),
            path: logical.node(*id).path.clone(),
            is_result: true,
            effect: None,
        };
        let plan =
            Logical { nodes: logical.nodes.clone(), roots: nodes.iter().map(root).collect() };
        let plan = plan.pruned();
        if plan.nodes.iter().any(|node| !node.schema.pending().is_empty()) {
            return None;
        }
        let digest = digest(&plan, then.as_ref());
        Some(Subplan { plan: Arc::new(plan), then, digest })
    }

    /// The plan, as bound.
    pub fn plan(&self) -> &Logical {
        &self.plan
    }

    /// The node of the process graph that asks, or whose cube is asked for.
    pub fn path(&self) -> NodePath {
        self.plan.roots.first().map_or_else(NodePath::default, |root| root.path.clone())
    }

    /// The cubes that are computed, by their node.
    pub fn targets(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.plan.roots.iter().filter_map(|root| match root.value {
            RootValue::Cube(id) => Some(id),
            RootValue::Value(_) => None,
        })
    }

    /// The answer, from the pixels of the targets in their order.
    ///
    /// # Errors
    /// What the derivation says.
    pub fn answer(&self, blocks: Vec<Block>, stop: &Stop<'_>) -> Result<Answer, Fault> {
        let cubes: Vec<Arc<Cube>> = (self.targets().zip(blocks))
            .map(|(id, block)| Arc::new(Cube { schema: (**self.plan.schema(id)).clone(), block }))
            .collect();
        Ok(Answer::Computed(match &self.then {
            Some((derivation, context)) => [(derivation.run)(&cubes, context, stop)?].into(),
            None => cubes.into_iter().map(Argument::Cube).collect(),
        }))
    }

    /// The answer, where `pixels` gives the whole cube of a target: for tests and small plans.
    ///
    /// # Errors
    /// Those of `pixels`, and what the derivation says.
    pub fn answer_with<E: From<Failure>>(
        &self,
        mut pixels: impl FnMut(&Logical, NodeId) -> Result<Block, E>,
    ) -> Result<Answer, E> {
        let blocks: Result<Vec<Block>, E> =
            self.targets().map(|id| pixels(&self.plan, id)).collect();
        let first = self.targets().next().unwrap_or(NodeId(0));
        self.answer(blocks?, &|| false).map_err(|fault| Failure { node: first, fault }.into())
    }
}

/// Of everything that decides the values. Paths do not, nor how a scan is laid out, which follows from its request.
fn digest(plan: &Logical, then: Option<&(&'static Derivation, Value)>) -> u128 {
    let mut hash = Hashed(Xxh3::new());
    for node in &plan.nodes {
        hash.add(&node.inputs);
        hash.add(&node.schema);
        match &node.op {
            Op::Scan(scan) => {
                hash.add(&scan.request);
                hash.add(&scan.window);
            }
            Op::Literal(cube) => {
                hash.0.update(&cube.block.values.le_bytes(0..cube.block.values.len()));
                hash.add(&cube.block.validity);
            }
            op => hash.add(op),
        }
    }
    for root in &plan.roots {
        hash.add(&root.value);
    }
    if let Some((derivation, context)) = then {
        hash.add(&derivation.id);
        hash.add(context);
    }
    hash.0.digest128()
}

/// Text as it is written, without keeping it.
struct Hashed(Xxh3);

impl Hashed {
    /// Equal texts of different things would be a confusion: every text ends with a separator.
    fn add(&mut self, thing: &dyn fmt::Debug) {
        let _ = write!(self, "{thing:?}\0");
    }
}

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl PartialEq for Subplan {
    fn eq(&self, other: &Subplan) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Subplan {}

impl PartialOrd for Subplan {
    fn partial_cmp(&self, other: &Subplan) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Subplan {
    fn cmp(&self, other: &Subplan) -> std::cmp::Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl std::hash::Hash for Subplan {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Subplan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subplan(")?;
        for (i, id) in self.targets().enumerate() {
            let node = self.plan.node(id);
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}%{} {} of {}", id.0, node.op.name(), node.path)?;
        }
        if let Some((derivation, _)) = &self.then {
            write!(f, " to {}", derivation.id)?;
        }
        write!(f, ")")
    }
}

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}
