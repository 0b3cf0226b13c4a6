//! Operators beside each other: whether two are the same, and what one needs of its inputs axis by axis.

use std::sync::Arc;

use eolith_cube::{Kind, Schema};

use super::{Op, Scan};
use crate::nested::SameBox;

impl Op {
    /// Whether both compute the same from the same inputs; may miss equal operators, never the other way round.
    pub(crate) fn same(&self, other: &Op) -> bool {
        match (self, other) {
            (Op::Scan(a), Op::Scan(b)) => same_scan(a, b),
            (Op::Literal(a), Op::Literal(b)) => Arc::ptr_eq(a, b),
            (Op::Parameter(a), Op::Parameter(b)) => a == b,
            (Op::Inside(a), Op::Inside(b)) => a == b,
            (Op::Burn(a), Op::Burn(b)) => a == b,
            (Op::Select(a), Op::Select(b)) => a == b,
            (Op::Relabel { dims: a }, Op::Relabel { dims: b }) => a == b,
            (Op::Map { expr: a, inputs: m }, Op::Map { expr: b, inputs: n }) => a == b && m == n,
            (Op::Reduce { dim: d, expr: a }, Op::Reduce { dim: e, expr: b })
            | (Op::Along { dim: d, expr: a }, Op::Along { dim: e, expr: b }) => d == e && a == b,
            (
                Op::Group { dim: d, groups: g, expr: a },
                Op::Group { dim: e, groups: h, expr: b },
            ) => d == e && g == h && a == b,
            (Op::Warp { grid: g, method: m }, Op::Warp { grid: h, method: n }) => g == h && m == n,
            (Op::Window { dims: d, stencil: a }, Op::Window { dims: e, stencil: b }) => {
                d == e && a == b
            }
            (Op::Coarsen(a), Op::Coarsen(b)) => a == b,
            (Op::Reshape(a), Op::Reshape(b)) => a == b,
            (Op::Zonal(a), Op::Zonal(b)) => a == b,
            (Op::Merge(a), Op::Merge(b)) => a == b,
            (Op::Nested(a), Op::Nested(b)) => a == b,
            (Op::Udf(a), Op::Udf(b)) => a == b,
            _ => false,
        }
    }

    /// What a box along axis `dim` of the result needs of input `k`, whose schema this is.
    pub(crate) fn same_box(&self, k: usize, dim: usize, input: &Schema) -> SameBox {
        let along =
            |same: bool, dim: usize| if same { SameBox::Along(dim) } else { SameBox::Other };
        let through = |dims: &[Option<usize>]| dims[dim].map_or(SameBox::Repeated, SameBox::Along);
        match self {
            Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => SameBox::Other,
            Op::Parameter(_) | Op::Pending | Op::Udf(_) => SameBox::Other,
            Op::Save(_) => SameBox::Along(dim),
            Op::Select(indices) => along(indices[dim].is_none(), dim),
            Op::Relabel { dims } => through(dims),
            Op::Map { inputs, .. } => through(&inputs[k]),
            Op::Reduce { dim: gone, .. } => SameBox::Along(dim + usize::from(dim >= *gone)),
            Op::Along { dim: own, .. } | Op::Group { dim: own, .. } => along(dim != *own, dim),
            Op::Warp { .. } => along(!matches!(input.dims[dim].kind, Kind::Spatial { .. }), dim),
            Op::Window { dims, .. } => along(!dims.contains(&dim), dim),
            Op::Coarsen(coarsen) => along(!coarsen.dims.contains(&dim), dim),
            Op::Reshape(own) => own.source_dim(dim).map_or(SameBox::Other, SameBox::Along),
            Op::Zonal(zonal) => zonal.source_dim(dim).map_or(SameBox::Other, SameBox::Along),
            Op::Merge(merge) => {
                let Some(indices) = &merge.indices else { return SameBox::Other };
                let Some(own) = merge.dims[k][dim] else { return SameBox::Repeated };
                let map = &indices[k][dim];
                along(map.iter().copied().eq((0..map.len()).map(Some)), own)
            }
            Op::Nested(nested) if k == 0 => along(nested.free[dim], dim),
            Op::Nested(_) => SameBox::Repeated,
        }
    }
}

fn same_scan(a: &Scan, b: &Scan) -> bool {
    a.request == b.request && a.window == b.window
}
