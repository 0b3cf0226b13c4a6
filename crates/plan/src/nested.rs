//! Cells of a cube that are computed one by one, each by a plan of its own.
//!
//! ```text
//! %1 Nested 4 windows [%0]          cell 0: rows 0..64, cols 0..64, seen with 8 pixels around them
//!      plan of 4 cells                plan: %0 Parameter 0 → %1 Window → result %1
//! ```
//!
//! The plans are bound when the graph is, one for each cell, so that whatever depends on labels (a grid, a polygon, a
//! date) is that of the cell and every mistake is found before anything runs. Equal plans are kept once.

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::zonal::Footprint;
use eolith_cube::{Axis, Dimension, Features, Kind, Label, Labels, Region, Regular, Schema};

use crate::logical::{Logical, NodeId, RootValue};
use crate::op::Op;

/// A cube cut into cells, and how each is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    pub partition: Partition,
    /// The different plans; each has one root, a cube with the shape of its cell.
    pub plans: Vec<Plan>,
    /// For each cell the position of its plan.
    pub cells: Vec<usize>,
    /// Dimensions along which a box of the result needs the same box of input 0 and nothing else.
    pub free: Vec<bool>,
}

/// The plan of a cell. Its [`Op::Parameter`] `0` is the cell, `k` is input `k` of the operator, whole.
#[derive(Clone, Debug)]
pub struct Plan {
    pub logical: Logical,
}

/// Where the cells of a cube are.
#[derive(Clone, Debug, PartialEq)]
pub enum Partition {
    /// For each dimension windows in order, whose cores cover it; the cells are their combinations.
    Windows(Vec<Vec<Window>>),
    /// The pixels of each polygon; none belongs to two. `dims` are the positions of y and x, `shape` is the cube's.
    Areas { dims: [usize; 2], shape: Vec<usize>, areas: Arc<[Footprint]> },
}

/// Labels along one dimension that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What is kept of the result.
    pub core: Range<usize>,
    /// What the callback sees; it may begin before the cube and end behind it.
    pub outer: Range<isize>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The box of the cube that the cell is kept in.
    pub core: Region,
    /// Where the box that the callback sees begins in the cube, and its size.
    pub start: Vec<isize>,
    pub shape: Vec<usize>,
}

impl Plan {
    /// The node that is the result.
    pub fn result(&self) -> NodeId {
        match self.logical.roots.first().map(|root| &root.value) {
            Some(RootValue::Cube(id)) => *id,
            Some(RootValue::Value(_)) | None => {
                unreachable!("invariant: the plan of a cell has one root, a cube")
            }
        }
    }

    pub fn schema(&self) -> &Schema {
        self.logical.schema(self.result())
    }

    /// For every dimension whether a box of the result needs the same box of the cell and nothing else.
    fn free(&self, rank: usize) -> Vec<bool> {
        (0..rank).map(|dim| passes_through(&self.logical, self.result(), dim)).collect()
    }
}

impl PartialEq for Plan {
    /// Whether both compute the same from the same pixels; coordinates that nothing looks at may differ.
    fn eq(&self, other: &Plan) -> bool {
        let (a, b) = (&self.logical, &other.logical);
        let same = |i: usize| {
            let (one, two) = (&a.nodes[i], &b.nodes[i]);
            let grids = || {
                let of = |plan: &Logical, node: &[NodeId]| Arc::clone(plan.schema(node[0]));
                of(a, &one.inputs) == of(b, &two.inputs)
            };
            one.inputs == two.inputs
                && one.op.same(&two.op)
                && one.schema.shape() == two.schema.shape()
                && one.schema.variables == two.schema.variables
                && (!matches!(one.op, Op::Warp { .. }) || grids())
        };
        self.result() == other.result()
            && a.nodes.len() == b.nodes.len()
            && (0..a.nodes.len()).all(same)
    }
}

impl Nested {
    /// For plans in the order of the cells.
    pub(crate) fn new(partition: Partition, plans: Vec<Plan>, cells: Vec<usize>) -> Nested {
        let rank = partition.rank();
        let mut free = vec![true; rank];
        for plan in &plans {
            free.iter_mut().zip(plan.free(rank)).for_each(|(all, own)| *all &= own);
        }
        Nested { partition, plans, cells, free }
    }

    pub fn plan(&self, cell: usize) -> &Plan {
        &self.plans[self.cells[cell]]
    }

    /// The box of input 0 behind a box of the result; `shape` is the cube's.
    pub(crate) fn input(&self, region: &Region, shape: &[usize]) -> Region {
        let mut ranges = region.0.clone();
        let around = |d: usize, own: &mut Range<usize>, outer: Range<isize>| {
            if !self.free[d] {
                let len = shape[d] as isize;
                let start = outer.start.clamp(0, len) as usize;
                let end = outer.end.clamp(0, len) as usize;
                *own = own.start.min(start)..own.end.max(end);
            }
        };
        match &self.partition {
            Partition::Windows(windows) => {
                for (d, (range, windows)) in ranges.iter_mut().zip(windows).enumerate() {
                    for k in touched(windows, &region.0[d]) {
                        around(d, range, windows[k].outer.clone());
                    }
                }
            }
            Partition::Areas { .. } => {
                for i in self.partition.touching(region) {
                    let cell = self.partition.cell(i);
                    for (d, range) in ranges.iter_mut().enumerate() {
                        around(d, range, cell.outer(d));
                    }
                }
            }
        }
        Region(ranges)
    }

    /// How many labels along a dimension of the result should be computed together: 1 if that does not matter,
    /// [`usize::MAX`] if all.
    pub(crate) fn grain(&self, dim: usize) -> usize {
        match &self.partition {
            _ if self.free[dim] => 1,
            Partition::Areas { .. } => usize::MAX,
            Partition::Windows(windows) => {
                let own = &windows[dim];
                let Some((last, others)) = own.split_last() else { return 1 };
                let first = own[0].core.len();
                let regular = others.iter().all(|window| window.core.len() == first);
                if regular && last.core.len() <= first && !others.is_empty() {
                    first
                } else {
                    usize::MAX
                }
            }
        }
    }
}

impl Partition {
    fn rank(&self) -> usize {
        match self {
            Partition::Windows(windows) => windows.len(),
            Partition::Areas { shape, .. } => shape.len(),
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Partition::Windows(windows) => {
                windows.iter().fold(1, |n, own| usize::saturating_mul(n, own.len()))
            }
            Partition::Areas { areas, .. } => areas.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn cell(&self, index: usize) -> Cell {
        match self {
            Partition::Windows(windows) => {
                let mut rest = index;
                let mut own: Vec<&Window> = Vec::with_capacity(windows.len());
                for windows in windows.iter().rev() {
                    own.push(&windows[rest % windows.len()]);
                    rest /= windows.len();
                }
                own.reverse();
                Cell {
                    core: Region(own.iter().map(|window| window.core.clone()).collect()),
                    start: own.iter().map(|window| window.outer.start).collect(),
                    shape: own.iter().map(|window| window.outer.len()).collect(),
                }
            }
            Partition::Areas { dims: [y, x], shape, areas } => {
                let mut core = Region::whole(shape);
                core.0[*y] = areas[index].rows.clone();
                core.0[*x] = areas[index].cols.clone();
                let start = core.0.iter().map(|range| range.start as isize).collect();
                let shape = core.shape();
                Cell { core, start, shape }
            }
        }
    }

    /// The cells that have pixels in a box, in order.
    pub fn touching(&self, region: &Region) -> Vec<usize> {
        if region.is_empty() {
            return Vec::new();
        }
        match self {
            Partition::Windows(windows) => {
                let mut cells = vec![0];
                for (windows, range) in windows.iter().zip(&region.0) {
                    let n = windows.len();
                    let own = touched(windows, range);
                    cells = (cells.iter())
                        .flat_map(|&before| own.clone().map(move |k| before * n + k))
                        .collect();
                }
                cells
            }
            Partition::Areas { dims: [y, x], areas, .. } => {
                let meets = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
                let touches = |i: &usize| {
                    meets(&areas[*i].rows, &region.0[*y]) && meets(&areas[*i].cols, &region.0[*x])
                };
                (0..areas.len()).filter(touches).collect()
            }
        }
    }

    /// What a cell looks like from inside.
    pub(crate) fn schema(&self, whole: &Schema, index: usize) -> Schema {
        let cell = self.cell(index);
        let mut schema = whole.clone();
        for (d, dim) in schema.dims.iter_mut().enumerate() {
            let outer = cell.outer(d);
            let labels = labels_in(&whole.dims[d], &outer);
            dim.axis = Axis::Known(labels);
            let kept: Vec<usize> = (outer.start.max(0)..outer.end).map(|i| i as usize).collect();
            if let Kind::Geometry(features) = &whole.dims[d].kind {
                let features: Features = features.take(&kept);
                dim.kind = Kind::Geometry(Arc::new(features));
            }
            if whole.bands() == Some(d) {
                schema.variables = kept.iter().map(|&i| whole.variables[i].clone()).collect();
            }
        }
        schema
    }

    /// Windows of `size` labels each, the last one maybe of fewer, with so many more before and behind.
    pub fn windows_of(dim: &Dimension, size: usize, overlap: usize) -> Vec<Window> {
        let len = dim.len().unwrap_or_default();
        let size = size.clamp(1, len.max(1));
        let margin = overlap as isize;
        (0..len.div_ceil(size))
            .map(|k| {
                let core = k * size..((k + 1) * size).min(len);
                let outer = core.start as isize - margin..core.end as isize + margin;
                Window { outer: possible(dim, outer), core }
            })
            .collect()
    }

    /// Windows that begin at the given labels, with so many more before and behind.
    pub fn windows_at(dim: &Dimension, starts: &[usize], overlap: usize) -> Vec<Window> {
        let len = dim.len().unwrap_or_default();
        let margin = overlap as isize;
        let ends = starts.iter().skip(1).copied().chain([len]);
        (starts.iter().copied().zip(ends))
            .map(|(start, end)| {
                let outer = start as isize - margin..end as isize + margin;
                Window { core: start..end, outer: possible(dim, outer) }
            })
            .collect()
    }
}

impl Cell {
    /// What the callback sees along a dimension.
    pub fn outer(&self, dim: usize) -> Range<isize> {
        self.start[dim]..self.start[dim] + self.shape[dim] as isize
    }

    /// A box of the cube in the indices of what the callback sees, which must contain it.
    pub(crate) fn inside(&self, region: &Region) -> Region {
        let shifted = |(range, start): (&Range<usize>, &isize)| {
            let at = |i: usize| (i as isize - start) as usize;
            at(range.start)..at(range.end)
        };
        Region(region.0.iter().zip(&self.start).map(shifted).collect())
    }
}

/// Two footprints that have a pixel in common.
pub(crate) fn overlap(areas: &[Footprint]) -> Option<[usize; 2]> {
    let pixels: usize = areas.iter().map(Footprint::len).sum();
    if Footprint::union(areas).len() == pixels {
        return None;
    }
    // Spans of each row by their first column: overlapping ones are neighbours.
    let mut spans: Vec<(usize, usize, usize, usize)> = Vec::new();
    for (i, area) in areas.iter().enumerate() {
        for row in area.rows.clone() {
            spans.extend(area.spans(row).iter().map(|span| (row, span.start, span.end, i)));
        }
    }
    spans.sort_unstable();
    let mut furthest = (usize::MAX, 0, 0);
    for (row, start, end, i) in spans {
        if furthest.0 == row && start < furthest.1 {
            return Some([furthest.2.min(i), furthest.2.max(i)]);
        }
        if furthest.0 != row || end > furthest.1 {
            furthest = (row, end, i);
        }
    }
    None
}

/// The windows whose cores have labels in a range.
fn touched(windows: &[Window], range: &Range<usize>) -> Range<usize> {
    if range.is_empty() {
        return 0..0;
    }
    let first = windows.partition_point(|window| window.core.end <= range.start);
    first..windows.partition_point(|window| window.core.start < range.end).max(first)
}

/// The part of a range of labels that can be named: instants and numbers go on beyond the ends of a dimension, other
/// labels end there.
fn possible(dim: &Dimension, outer: Range<isize>) -> Range<isize> {
    let len = dim.len().unwrap_or_default() as isize;
    let goes_on = match (&dim.kind, dim.labels()) {
        (Kind::Bands | Kind::Geometry(_), _) | (_, None | Some(Labels::List(_))) if len == 0 => {
            false
        }
        (Kind::Bands | Kind::Geometry(_), _) | (_, None) => false,
        (_, Some(Labels::Regular(_))) => true,
        (_, Some(Labels::List(list))) => {
            list.iter().all(|label| label.as_f64().is_some())
                || list.iter().all(|label| label.as_time().is_some())
        }
    };
    if goes_on { outer } else { outer.start.max(0)..outer.end.min(len) }
}

/// The labels of a range, continued with the last step beyond the ends (of a single label: 1, or a day).
fn labels_in(dim: &Dimension, outer: &Range<isize>) -> Labels {
    const DAY: i64 = 86_400_000_000;
    let none = Labels::list([]);
    let labels = dim.labels().unwrap_or(&none);
    let len = labels.len() as isize;
    if outer.start >= 0 && outer.end <= len {
        return labels.take(&(outer.start as usize..outer.end as usize).collect::<Vec<_>>());
    }
    let list = match labels {
        Labels::Regular(regular) => {
            let start = regular.start + outer.start as f64 * regular.step;
            return Labels::Regular(Regular { start, step: regular.step, len: outer.len() });
        }
        Labels::List(list) => list,
    };
    let (last, single) = (list.len() - 1, list.len() == 1);
    let beyond = |end: &Label, inner: &Label, steps: i64| match (end, inner) {
        (Label::Time(a), Label::Time(b)) => {
            let step = if single { DAY } else { a.instant.0 - b.instant.0 };
            Label::Time(TimeLabel::of(Instant(a.instant.0 + steps * step)))
        }
        (Label::Int(a), Label::Int(b)) => Label::Int(a + steps * if single { 1 } else { a - b }),
        (a, b) => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            Label::Float(a + steps as f64 * if single { 1.0 } else { a - b })
        }
    };
    let sign = |steps: isize, single: bool| if single { -(steps as i64) } else { steps as i64 };
    Labels::list(outer.clone().map(|i| match i {
        i if i < 0 => beyond(&list[0], &list[1.min(last)], sign(-i, single)),
        i if i >= len => beyond(&list[last], &list[last.saturating_sub(1)], (i - len + 1) as i64),
        i => list[i as usize].clone(),
    }))
}

/// Whether a box of a node along `dim` needs the same box of the cell along `dim`, all the way down.
fn passes_through(plan: &Logical, result: NodeId, dim: usize) -> bool {
    // For each node the axis that stands for `dim`, where a box of it is wanted.
    let mut axes: Vec<Option<usize>> = vec![None; plan.nodes.len()];
    axes[result.0] = Some(dim);
    for i in (0..=result.0).rev() {
        let Some(axis) = axes[i] else { continue };
        let node = &plan.nodes[i];
        if let Op::Parameter(k) = node.op {
            // Other inputs are given whole.
            if k == 0 && axis != dim {
                return false;
            }
            continue;
        }
        for (k, input) in node.inputs.iter().enumerate() {
            match node.op.same_box(k, axis, plan.schema(*input)) {
                SameBox::Along(below) if axes[input.0].is_none_or(|known| known == below) => {
                    axes[input.0] = Some(below);
                }
                SameBox::Repeated if !reaches_cell(plan, *input) => {}
                SameBox::Along(_) | SameBox::Repeated | SameBox::Other => return false,
            }
        }
    }
    true
}

/// What an operator needs of an input for a box along one axis of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SameBox {
    /// The same box along this axis.
    Along(usize),
    /// The input has no such axis.
    Repeated,
    /// Something else.
    Other,
}

/// Whether a node is made of pixels of the cell.
fn reaches_cell(plan: &Logical, node: NodeId) -> bool {
    let mut needed = vec![false; node.0 + 1];
    needed[node.0] = true;
    for i in (0..=node.0).rev() {
        if needed[i] {
            if matches!(plan.nodes[i].op, Op::Parameter(0)) {
                return true;
            }
            plan.nodes[i].inputs.iter().for_each(|input| needed[input.0] = true);
        }
    }
    false
}
