//! The program of a cube: in which sweeps over the pixels its nodes are computed.
//!
//! ```text
//! %0 Scan (t y x)                        sweep %3 along nothing: tiles of %3 [%0, %2]
//! %1 Map ndvi [%0]                  →      before: sweep %1 along t: tiles of %1 [%0] → fold %2
//! %2 Reduce t: mean [%1]
//! %3 Map x - y [%1, %2]
//! ```
//!
//! A *sweep* reads its scans step by step and computes everything else on tiles that stay in the cache. Most
//! operators need nothing but the tile of their inputs. A reduction whose reducer can be folded ends a sweep of its
//! own: it takes the tiles of its input in the order of the reduced axis and keeps a small state a pixel, so that
//! only one step of that axis is in memory. What such a sweep gives is *held* while the sweep that uses it runs:
//! once, or anew for each step where its box shrinks with the steps.
//!
//! A program depends on operators and schemas alone. Which boxes it computes is decided by
//! [`super::schedule`], and how, by `crate::compute`.

use std::collections::BTreeMap;

use eolith_cube::Kind;

use super::{Physical, memory, zones};
use crate::logical::NodeId;
use crate::op::{Op, Zonal};

/// Nested sweeps beyond this depth are computed on tiles; each removes an axis, so that no sane plan comes near.
const DEEPEST: usize = 8;

/// Axes of bands up to this length are reduced on tiles: their labels are read together anyway.
const FEW_BANDS: usize = 16;

/// How one node is computed.
#[derive(Clone, Debug)]
pub struct Program {
    pub target: NodeId,
    /// Whether this makes the values of a node that everything else reads from the scratch store.
    making: bool,
    pub sweep: Sweep,
}

/// One reading of scans, step by step along one axis.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Reductions that are needed whole.
    pub before: Vec<Sweep>,
    /// Reductions of which every step needs a part of its own.
    pub each: Vec<Sweep>,
    /// What is computed on tiles; all feeds step along axes of the same length.
    pub feeds: Vec<Feed>,
}

/// The tiles of one node and what becomes of them.
#[derive(Clone, Debug)]
pub struct Feed {
    pub source: NodeId,
    /// The axis of the source along which the steps go; `None` is one step.
    pub along: Option<usize>,
    /// Reductions of that axis; without any the tiles are the result.
    pub folds: Vec<NodeId>,
    /// The operators that a tile of the source takes, inputs first, the source last. Empty if the source is read.
    pub nodes: Vec<NodeId>,
    /// Scans and stored nodes that are read.
    pub reads: Vec<NodeId>,
    /// For each axis of the source how many labels tiles must keep together, counted from the first label of all: 1 if
    /// it does not matter, [`usize::MAX`] where an operator needs all at once.
    pub grain: Vec<usize>,
    /// Whether an operator looks beyond the tile in x or y.
    pub reaches: bool,
    /// Length of the decoding unit of what is read along the axis of the steps.
    pub unit: usize,
    /// Labels of the first of these units that lie before the first label of the axis.
    pub origin: usize,
}

impl Program {
    pub(super) fn new(physical: &Physical, target: NodeId, making: bool) -> Program {
        let target = if making { target } else { beneath_saves(physical, target) };
        let making = making.then_some(target);
        let streams = streams(physical, target, making);
        let builder = Builder { physical, streams, making };
        let sweep = if builder.streams[target.0] {
            builder.sweep(vec![target], &Held::new())
        } else {
            let axis = builder.step_axis(target);
            builder.around(vec![builder.feed(target, axis, Vec::new(), &Held::new())], &Held::new())
        };
        Program { target, making: making.is_some(), sweep }
    }

    /// Whether an operator looks beyond its task in x or y.
    pub(super) fn reaches(&self) -> bool {
        fn any(sweep: &Sweep) -> bool {
            let feeds = sweep.feeds.iter().any(|feed| feed.reaches);
            feeds || sweep.before.iter().chain(&sweep.each).any(any)
        }
        any(&self.sweep)
    }

    /// Whether it makes values of zones while rows go by.
    pub(super) fn has_zones(&self, physical: &Physical) -> bool {
        fn any(physical: &Physical, sweep: &Sweep) -> bool {
            let feeds = sweep.feeds.iter().any(|feed| zones::of(physical, feed).is_some());
            feeds || sweep.before.iter().chain(&sweep.each).any(|own| any(physical, own))
        }
        any(physical, &self.sweep)
    }

    /// How many labels along an axis of the target are computed together, 1 if that does not matter.
    pub(super) fn grain(&self, axis: usize) -> usize {
        let feed = self.sweep.feeds.iter().find(|feed| feed.source == self.target);
        feed.map(|feed| feed.grain[axis]).filter(|&n| n != usize::MAX).unwrap_or(1)
    }

    /// Whether a node is read from the scratch store.
    pub(super) fn reads_stored(&self, physical: &Physical, id: NodeId) -> bool {
        physical.is_stored(id) && !(self.making && id == self.target)
    }
}

impl Feed {
    /// Whether tiles must not cut an axis of the source.
    pub fn is_whole(&self, axis: usize) -> bool {
        self.grain[axis] == usize::MAX
    }

    /// Whether a node is computed on tiles of this feed.
    pub fn computes(&self, id: NodeId) -> bool {
        self.nodes.binary_search(&id).is_ok()
    }
}

/// The node whose values a chain of saves hands on.
fn beneath_saves(physical: &Physical, mut id: NodeId) -> NodeId {
    while let Op::Save(_) = &physical.logical.node(id).op
        && !physical.is_stored(id)
    {
        id = physical.logical.node(id).inputs[0];
    }
    id
}

/// Which nodes under `target` are folded in sweeps of their own.
fn streams(physical: &Physical, target: NodeId, making: Option<NodeId>) -> Vec<bool> {
    let nodes = &physical.logical.nodes;
    let mut depth = vec![0; target.0 + 1];
    let mut streams = vec![false; target.0 + 1];
    let mut grains = Grains::new();
    for i in 0..=target.0 {
        let node = &nodes[i];
        let below = node.inputs.iter().map(|input| depth[input.0]).max().unwrap_or_default();
        let stored = physical.is_stored(NodeId(i)) && making != Some(NodeId(i));
        streams[i] = !stored
            && below < DEEPEST
            && physical.steps(NodeId(i))
            && node.op.reduced().is_some_and(|dim| {
                // What an operator needs whole is in memory at once anyway.
                if grains[&node.inputs[0]][dim] == usize::MAX {
                    return false;
                }
                let own = &physical.logical.schema(node.inputs[0]).dims[dim];
                let n = own.len().unwrap_or_default();
                let few = own.kind == Kind::Bands && n <= FEW_BANDS;
                n > 1 && !few && !is_reshaped(physical, node.inputs[0], dim)
            });
        let own =
            if stored || streams[i] { None } else { Some(grain(physical, &grains, NodeId(i))) };
        grains.insert(NodeId(i), own.unwrap_or_else(|| vec![1; node.schema.dims.len()]));
        depth[i] = if stored { 0 } else { below + usize::from(streams[i]) };
    }
    streams
}

/// Whether steps along an axis would go through what is read again and again, since it was made of other dimensions.
fn is_reshaped(physical: &Physical, mut id: NodeId, mut dim: usize) -> bool {
    loop {
        let node = physical.logical.node(id);
        let Some(&input) = node.inputs.first().filter(|_| !physical.is_stored(id)) else {
            return false;
        };
        match (downwards(&node.op, 0, dim), &node.op) {
            (Some(below), _) => (id, dim) = (input, below),
            (None, op) => return matches!(op, Op::Reshape(_)),
        }
    }
}

struct Builder<'a> {
    physical: &'a Physical,
    streams: Vec<bool>,
    /// The stored node that is being made.
    making: Option<NodeId>,
}

/// Nodes whose values are held already; the value is the number of the group that made them.
type Held = BTreeMap<NodeId, usize>;

impl Builder<'_> {
    /// The sweep that folds these reductions, which step along axes of one length.
    fn sweep(&self, folds: Vec<NodeId>, held: &Held) -> Sweep {
        // Zones cut their source in tiles of their own.
        let mut by_source: BTreeMap<(NodeId, usize, Option<NodeId>), Vec<NodeId>> = BTreeMap::new();
        for fold in folds {
            let node = self.physical.logical.node(fold);
            let dim = node.op.reduced().expect("invariant: a stream is a reduction");
            let own = matches!(node.op, Op::Zonal(_)).then_some(fold);
            by_source.entry((node.inputs[0], dim, own)).or_default().push(fold);
        }
        let feeds = (by_source.into_iter())
            .map(|((source, dim, _), folds)| self.feed(source, Some(dim), folds, held))
            .collect();
        self.around(feeds, held)
    }

    /// The sweep of these feeds with the sweeps it needs.
    fn around(&self, mut feeds: Vec<Feed>, held: &Held) -> Sweep {
        // What shrinks with the steps in every feed that needs it is made for each step, the rest before.
        let mut each: BTreeMap<NodeId, bool> = BTreeMap::new();
        for feed in &feeds {
            let axes = self.axes(feed, held);
            for (id, axis) in axes {
                if self.streams[id.0] && !held.contains_key(&id) && id != feed.source {
                    let shrinks = feed.along.is_some() && axis.is_some();
                    each.entry(id).and_modify(|known| *known &= shrinks).or_insert(shrinks);
                }
            }
            if self.streams[feed.source.0] && !held.contains_key(&feed.source) {
                // The source itself is a reduction (a mean over x of a mean over t).
                each.entry(feed.source)
                    .and_modify(|known| *known &= feed.along.is_some())
                    .or_insert(feed.along.is_some());
            }
        }
        let mut known = held.clone();
        let needed_before: Vec<NodeId> =
            each.iter().filter(|(_, each)| !**each).map(|(id, _)| *id).collect();
        let before = self.groups(needed_before, &mut known);
        let needed_each: Vec<NodeId> =
            each.into_iter().filter(|(_, e)| *e).map(|(id, _)| id).collect();
        let each = self.groups(needed_each, &mut known);
        for feed in &mut feeds {
            *feed = self.feed(feed.source, feed.along, std::mem::take(&mut feed.folds), &known);
        }
        Sweep { before, each, feeds }
    }

    /// Sweeps that make all of `wanted`, in order; what they make is held afterwards.
    fn groups(&self, wanted: Vec<NodeId>, held: &mut Held) -> Vec<Sweep> {
        let mut groups: Vec<(usize, Vec<NodeId>)> = Vec::new();
        // Ascending ids: what a reduction is made of comes first.
        for id in wanted {
            let earliest = self.earliest(id, held, groups.len());
            let node = self.physical.logical.node(id);
            let dim = node.op.reduced().expect("invariant: a stream is a reduction");
            let n =
                self.physical.logical.schema(node.inputs[0]).dims[dim].len().unwrap_or_default();
            let group = (earliest..groups.len()).find(|&g| groups[g].0 == n).unwrap_or_else(|| {
                groups.push((n, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(id);
            held.insert(id, group + 1);
        }
        let mut sweeps = Vec::with_capacity(groups.len());
        for (number, (_, members)) in groups.into_iter().enumerate() {
            let visible: Held = (held.iter())
                .filter(|(id, group)| **group <= number && !members.contains(id))
                .map(|(id, _)| (*id, 0))
                .collect();
            sweeps.push(self.sweep(members, &visible));
        }
        for group in held.values_mut() {
            *group = 0;
        }
        sweeps
    }

    /// The first of the groups being made that may make `id`: all that it is made of are in groups before it.
    fn earliest(&self, id: NodeId, held: &Held, groups: usize) -> usize {
        if groups == 0 {
            return 0;
        }
        let mut latest = vec![0; id.0 + 1];
        for i in 0..=id.0 {
            let own = held.get(&NodeId(i)).copied();
            let below = || {
                let inputs = &self.physical.logical.node(NodeId(i)).inputs;
                inputs.iter().map(|input| latest[input.0]).max().unwrap_or_default()
            };
            latest[i] = own.unwrap_or_else(below);
        }
        latest[id.0]
    }

    fn feed(&self, source: NodeId, along: Option<usize>, folds: Vec<NodeId>, held: &Held) -> Feed {
        let nodes = &self.physical.logical.nodes;
        let mut needed = vec![false; source.0 + 1];
        needed[source.0] = true;
        let (mut own, mut reads) = (Vec::new(), Vec::new());
        let outside = |id: NodeId| held.contains_key(&id) || (self.streams[id.0] && id != source);
        for i in (0..=source.0).rev() {
            let id = NodeId(i);
            // The source is outside too where it is a reduction that is held.
            if !needed[i] || outside(id) || (self.streams[i] && id == source) {
                continue;
            }
            let stored = self.physical.is_stored(id) && self.making != Some(id);
            if nodes[i].op.is_read() || stored {
                reads.push(id);
                continue;
            }
            own.push(id);
            nodes[i].inputs.iter().for_each(|input| needed[input.0] = true);
        }
        own.reverse();
        reads.reverse();
        let reaches = own.iter().any(|id| nodes[id.0].op.reaches());
        let mut grain = self.grain(source, &own);
        for fold in &folds {
            // Windows are gathered from whole rows.
            if let Op::Coarsen(coarsen) = &nodes[fold.0].op {
                grain[coarsen.dims[1]] = usize::MAX;
            }
        }
        let mut feed =
            Feed { source, along, folds, nodes: own, reads, grain, reaches, unit: 1, origin: 0 };
        let axes = self.axes(&feed, held);
        let units = feed.reads.iter().filter_map(|id| {
            let axis = (*axes.get(id)?)?;
            let unit = memory::unit(self.physical, *id, axis)?;
            Some((unit, memory::origin(self.physical, *id, axis) % unit))
        });
        (feed.unit, feed.origin) = units.max().unwrap_or((1, 0));
        if let Some(grain) = along.map(|axis| feed.grain[axis]).filter(|&n| n != usize::MAX) {
            let unit = feed.unit.max(1).next_multiple_of(grain);
            // Cells are counted from the first label of the cube.
            (feed.unit, feed.origin) = (unit, if grain > 1 { 0 } else { feed.origin });
        }
        feed
    }

    /// What tiles of the source must keep together for the operators of a feed.
    fn grain(&self, source: NodeId, nodes: &[NodeId]) -> Vec<usize> {
        let mut grains = Grains::new();
        for &id in nodes {
            grains.insert(id, grain(self.physical, &grains, id));
        }
        grains
            .remove(&source)
            .unwrap_or_else(|| vec![1; self.physical.logical.schema(source).dims.len()])
    }

    /// For every node that the feed touches the axis along which its steps go there; `None` where a step needs
    /// everything.
    fn axes(&self, feed: &Feed, held: &Held) -> BTreeMap<NodeId, Option<usize>> {
        let mut axes: BTreeMap<NodeId, Option<usize>> = BTreeMap::from([(feed.source, feed.along)]);
        for &id in feed.nodes.iter().rev() {
            let Some(&axis) = axes.get(&id) else { continue };
            let node = self.physical.logical.node(id);
            for (k, input) in node.inputs.iter().enumerate() {
                if held.contains_key(input) {
                    continue;
                }
                let below = axis.and_then(|axis| downwards(&node.op, k, axis));
                axes.entry(*input)
                    .and_modify(|known| {
                        if *known != below {
                            *known = None;
                        }
                    })
                    .or_insert(below);
            }
        }
        axes
    }

    /// The axis along which a result that is no reduction is computed step by step: the longest that is neither x
    /// nor y nor one of geometries, and that no operator needs whole.
    fn step_axis(&self, target: NodeId) -> Option<usize> {
        let feed = self.feed(target, None, Vec::new(), &BTreeMap::new());
        let dims = &self.physical.logical.schema(target).dims;
        // Steps over geometries would read the same pixels again and again.
        let steps = |kind: &Kind| !matches!(kind, Kind::Spatial { .. } | Kind::Geometry(_));
        let other = |d: &usize| steps(&dims[*d].kind) && !feed.is_whole(*d);
        (0..dims.len()).filter(other).max_by_key(|&d| (dims[d].len(), usize::MAX - d))
    }
}

/// What must be kept together along each axis of some nodes, see [`Feed::grain`].
type Grains = BTreeMap<NodeId, Vec<usize>>;

/// What must be kept together along the axes of a node, for itself and for those inputs that are there.
fn grain(physical: &Physical, known: &Grains, id: NodeId) -> Vec<usize> {
    let node = physical.logical.node(id);
    let mut own = vec![1; node.schema.dims.len()];
    for (k, input) in node.inputs.iter().enumerate() {
        let Some(below) = known.get(input) else { continue };
        for (d, &grain) in below.iter().enumerate() {
            if let Some(d) = upwards(&node.op, k, d) {
                own[d] = own[d].max(grain);
            }
        }
    }
    match &node.op {
        Op::Along { dim, .. } | Op::Zonal(Zonal { counts: Some(dim), .. }) => {
            own[*dim] = usize::MAX;
        }
        Op::Nested(nested) => {
            own.iter_mut().enumerate().for_each(|(d, own)| *own = (*own).max(nested.grain(d)));
        }
        _ => {}
    }
    own
}

/// The axis of input `k` that axis `dim` of the result is, where a part of one needs a part of the other.
pub(super) fn downwards(op: &Op, k: usize, dim: usize) -> Option<usize> {
    match op {
        Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => None,
        Op::Parameter(_) | Op::Pending => None,
        Op::Select(_)
        | Op::Save(_)
        | Op::Group { .. }
        | Op::Warp { .. }
        | Op::Window { .. }
        | Op::Coarsen(_) => Some(dim),
        Op::Reshape(own) => own.source_dim(dim),
        Op::Nested(nested) => (k == 0 && nested.grain(dim) != usize::MAX).then_some(dim),
        Op::Zonal(zonal) => zonal.source_dim(dim),
        Op::Along { dim: own, .. } => (*own != dim).then_some(dim),
        Op::Relabel { dims } => dims[dim],
        Op::Map { inputs, .. } => inputs[k][dim],
        Op::Reduce { dim: gone, .. } => Some(dim + usize::from(dim >= *gone)),
        Op::Merge(merge) => merge.dims[k][dim],
        Op::Udf(_) => None,
    }
}

/// The axis of the result that axis `dim` of input `k` is.
fn upwards(op: &Op, k: usize, dim: usize) -> Option<usize> {
    let found = |dims: &[Option<usize>]| dims.iter().position(|from| *from == Some(dim));
    match op {
        Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => None,
        Op::Parameter(_) | Op::Pending => None,
        Op::Nested(_) => (k == 0).then_some(dim),
        Op::Select(_)
        | Op::Save(_)
        | Op::Group { .. }
        | Op::Warp { .. }
        | Op::Window { .. }
        | Op::Coarsen(_)
        | Op::Along { .. } => Some(dim),
        // What must not be cut is part of all reshaped dimensions; the first of them stands for them.
        Op::Reshape(own) => Some(own.result_dim(dim).unwrap_or(own.first)),
        Op::Zonal(zonal) => zonal.result_dim(dim),
        Op::Relabel { dims } => found(dims),
        Op::Map { inputs, .. } => found(&inputs[k]),
        Op::Reduce { dim: gone, .. } => (dim != *gone).then(|| dim - usize::from(dim > *gone)),
        Op::Merge(merge) => found(&merge.dims[k]),
        Op::Udf(_) => None,
    }
}
