//! The operators: everything the optimiser, the physical planner and the executors understand.
//!
//! An operator says what a node computes from its inputs. Its schema is computed by its constructor in
//! [`crate::logical`] and nowhere else. What a rule may do with it is asked through a property ([`Op::selectable`],
//! [`Op::reaches`]): one `match` over all operators, so that a new operator does not compile until its author has
//! decided. A rule matches only the operators that it rewrites. [`Op::scale`] is such a property.

mod compare;

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::warp::Method;
use eolith_cube::window::Stencil;
use eolith_cube::zonal::Footprint;
use eolith_cube::{Block, Dimension, Grid, Kind, Region, Schema};

use crate::expr::Expr;
use crate::need::Piece;
use crate::nested::Nested;
use crate::request::LoadRequest;
use crate::udf::Udf;

#[derive(Clone, Debug)]
pub enum Op {
    /// Pixels of a collection.
    Scan(Scan),
    /// A cube that was given with the graph.
    Literal(Arc<Cube>),
    /// Whether each pixel of a grid (y, x) belongs to geometries.
    Inside(Arc<Footprint>),
    /// Values of geometries on the pixels of a grid that they have.
    Burn(Arc<Burn>),
    /// Labels kept along each dimension, in this order; repeats are fine. `None` keeps all.
    Select(Vec<Option<Arc<[usize]>>>),
    /// New metadata over the same pixels: dimension `i` of the result is dimension `dims[i]` of the input, or a
    /// new one with a single label. Input dimensions that do not occur have a single label.
    Relabel { dims: Vec<Option<usize>> },
    /// Element by element over aligned inputs.
    Map { expr: Arc<Expr>, inputs: Vec<Alignment> },
    /// A whole dimension to one value.
    Reduce { dim: usize, expr: Arc<Expr> },
    /// A whole dimension to an array of another (or the same) length in its place.
    Along { dim: usize, expr: Arc<Expr> },
    /// Groups of labels of one dimension, each to one value. `None` while the labels are pending.
    Group { dim: usize, groups: Option<Arc<[Arc<[usize]>]>>, expr: Arc<Expr> },
    /// Another pixel grid.
    Warp { grid: Grid, method: Method },
    /// Weighted sums over a window that moves over y and x (`dims`, in this order).
    Window { dims: [usize; 2], stencil: Arc<Stencil> },
    /// Windows of y and x that lie side by side, each to one value.
    Coarsen(Coarsen),
    /// The same pixels in the same order under other dimensions.
    Reshape(Reshape),
    /// The pixels of each geometry to one value.
    Zonal(Zonal),
    /// The aligned union of two cubes.
    Merge(Merge),
    /// Cell by cell, each with a plan of its own. Input 0 is cut into cells, the plans see all others whole.
    Nested(Arc<Nested>),
    /// In the plan of a cell: what it is given, see [`crate::nested::Plan`].
    Parameter(usize),
    /// A function of the user's, which runs outside of the engine. Always a stage of its own.
    Udf(Arc<Udf>),
    /// Hands the result to a sink; identity on values.
    Save(Save),
    /// A cube that nothing is known of but its dimensions until a part of the plan was computed. It stands in plans
    /// that are not complete only.
    Pending,
}

/// A read of a source.
#[derive(Clone, Debug)]
pub struct Scan {
    pub request: LoadRequest,
    /// `None` while the items are pending.
    pub source: Option<Arc<ScanSource>>,
    /// Indices of the source kept along each dimension, in this order; `None` keeps all.
    pub window: Vec<Option<Arc<[usize]>>>,
    /// Native pixels in one that is read, along x, where overviews are read in their place.
    pub level: Option<f64>,
}

impl Scan {
    /// The arrays that hold what is kept.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let all = self.source.iter().flat_map(|source| source.pieces.iter());
        all.filter(|piece| {
            piece.region.0.iter().zip(&self.window).all(|(own, window)| match window {
                Some(window) => window.iter().any(|index| own.contains(index)),
                None => true,
            })
        })
    }
}

/// A cube laid out over arrays in files. Where pieces overlap, the first one with a valid pixel wins.
#[derive(Clone, Debug)]
pub struct ScanSource {
    pub schema: Schema,
    pub pieces: Arc<[Piece]>,
}

/// Pixels with their schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Cube {
    pub schema: Schema,
    pub block: Block,
}

/// A vector cube on a grid. The result has y and x in place of the geometries. The values are known while the plan is made:
/// they are few, and every tile needs all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Burn {
    /// The values; the geometries are the last dimension.
    pub block: Block,
    /// The pixels of each geometry. A pixel that several have is the last one's.
    pub zones: Arc<[Footprint]>,
}

/// For each dimension of the result, the dimension of this input, or `None` where the input is repeated.
pub type Alignment = Vec<Option<usize>>;

/// Windows of equal size side by side. The result has one pixel a window in the same dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Coarsen {
    /// Positions of y and x.
    pub dims: [usize; 2],
    /// Rows and columns of a window.
    pub size: [usize; 2],
    /// Rows and columns without data in front of the first pixels, in the first window. What the last window lacks is
    /// without data too.
    pub before: [usize; 2],
    /// From the array of a window's pixels, row by row.
    pub expr: Arc<Expr>,
}

/// Neighbouring dimensions that become others with as many pixels: C order stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// Position of the first of them, in input and result.
    pub first: usize,
    /// Their lengths in the input.
    pub from: Arc<[usize]>,
    /// Their lengths in the result.
    pub to: Arc<[usize]>,
}

/// Values of zones. The result has a dimension of geometries in place of y and x.
#[derive(Clone, Debug, PartialEq)]
pub struct Zonal {
    /// Positions of y and x in the input.
    pub dims: [usize; 2],
    /// Position of the geometries in the result.
    pub position: usize,
    /// The pixels of each geometry, in the order of the labels; a zone without pixels has no value.
    pub zones: Arc<[Footprint]>,
    /// From the array of a zone's pixels in row-major order of the grid, those without data included.
    pub expr: Arc<Expr>,
    /// The last dimension of the result, if it is one of the value, the number of pixels, and that of the valid ones.
    pub counts: Option<usize>,
}

/// How two cubes become one. Every index list is as long as the result's dimension and says which label of the
/// input belongs there, if any; a `None` list repeats the input along that dimension, which it does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    pub dims: [Vec<Option<usize>>; 2],
    /// `None` while labels are pending.
    pub indices: Option<[Vec<LabelMap>; 2]>,
    /// Input 0 is the value of the first cube, input 1 that of the second.
    pub resolver: Option<Arc<Expr>>,
}

/// Index in the input of each label of the result.
pub type LabelMap = Arc<[Option<usize>]>;

/// What `save_result` asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Save {
    pub format: String,
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// How an operator depends on the size of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A pixel of the result is computed from the pixels of the inputs in the same place: larger pixels give the same in
    /// larger pixels, as far as an expression of means is the mean of the expression.
    Pointwise,
    /// It sums up pixels that lie beside each other: larger ones give nearly the same where it is a mean, and something
    /// else where it is a sum or a count.
    Aggregate,
    /// It counts pixels or knows their places: only native ones mean what its arguments say.
    NativeOnly,
}

/// What rules and planner ask of an operator: one line for each, see [`Op::facts`].
struct Facts<'a> {
    name: &'static str,
    expression: Option<&'a Expr>,
    array: Option<usize>,
    reduced: Option<usize>,
    reaches: bool,
}

impl Op {
    /// The operator's name in `explain`.
    pub fn name(&self) -> &'static str {
        self.facts().name
    }

    /// What it computes for each pixel, lane or overlap.
    pub fn expression(&self) -> Option<&Expr> {
        self.facts().expression
    }

    /// The axis of its input that it hands to its expression as an array.
    pub fn array_axis(&self) -> Option<usize> {
        self.facts().array
    }

    /// The axis of its input that it takes away or regroups, and along which it can be folded.
    pub fn reduced(&self) -> Option<usize> {
        self.facts().reduced
    }

    /// Whether a box of the result needs more than the same box of the inputs in x or y.
    pub fn reaches(&self) -> bool {
        self.facts().reaches
    }

    fn facts(&self) -> Facts<'_> {
        let none =
            |name| Facts { name, expression: None, array: None, reduced: None, reaches: false };
        let along = |name, dim: &usize, expr, reduces: bool| Facts {
            expression: Some(expr),
            array: Some(*dim),
            reduced: reduces.then_some(*dim),
            ..none(name)
        };
        match self {
            Op::Scan(_) => none("Scan"),
            Op::Literal(_) => none("Literal"),
            Op::Inside(_) => none("Inside"),
            Op::Burn(_) => none("Burn"),
            Op::Select(_) => none("Select"),
            Op::Relabel { .. } => none("Relabel"),
            Op::Map { expr, .. } => Facts { expression: Some(expr), ..none("Map") },
            Op::Reduce { dim, expr } => along("Reduce", dim, expr, true),
            Op::Along { dim, expr } => along("Along", dim, expr, false),
            Op::Group { dim, expr, .. } => along("Group", dim, expr, true),
            Op::Warp { .. } => Facts { reaches: true, ..none("Warp") },
            Op::Window { .. } => Facts { reaches: true, ..none("Window") },
            Op::Coarsen(own) => {
                Facts { expression: Some(&own.expr), reduced: Some(own.dims[0]), ..none("Coarsen") }
            }
            Op::Reshape(_) => Facts { reaches: true, ..none("Reshape") },
            Op::Zonal(zonal) => Facts {
                expression: Some(&zonal.expr),
                reduced: Some(zonal.dims[0]),
                reaches: true,
                ..none("Zonal")
            },
            Op::Merge(merge) => Facts { expression: merge.resolver.as_deref(), ..none("Merge") },
            Op::Nested(nested) => Facts { reaches: nested.free.contains(&false), ..none("Nested") },
            Op::Parameter(_) => none("Parameter"),
            Op::Udf(_) => none("Udf"),
            Op::Save(_) => none("Save"),
            Op::Pending => none("Pending"),
        }
    }

    /// Whether its pixels come from outside of the plan.
    pub fn is_read(&self) -> bool {
        matches!(self, Op::Scan(_) | Op::Parameter(_))
    }

    /// Whether selecting labels of dimension `dim` of the result, whose schema this is, is the same as selecting
    /// labels of one dimension of *every* input that has it, with the operator unchanged otherwise.
    pub fn selectable(&self, dim: usize, schema: &Schema) -> bool {
        match self {
            Op::Map { .. } | Op::Relabel { .. } => true,
            Op::Reduce { .. } => true,
            Op::Along { dim: own, .. } | Op::Group { dim: own, .. } => *own != dim,
            Op::Window { dims, .. } | Op::Coarsen(Coarsen { dims, .. }) => !dims.contains(&dim),
            Op::Reshape(own) => own.source_dim(dim).is_some(),
            Op::Zonal(zonal) => zonal.source_dim(dim).is_some(),
            // Along x and y it needs a margin and another grid, and pixels must not depend on what else is asked for.
            Op::Warp { .. } => !matches!(schema.dims[dim].kind, Kind::Spatial { .. }),
            // Scans and merges select by narrowing their own index lists; a save is the end.
            Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => false,
            Op::Parameter(_) | Op::Pending => false,
            // The plans of cells are made for what they are given.
            Op::Nested(_) => false,
            Op::Select(_) | Op::Merge(_) | Op::Save(_) => false,
            // What a function makes of a part of its cell nobody knows.
            Op::Udf(_) => false,
        }
    }
}

impl Coarsen {
    /// The pixels of windows along y (0) or x (1), of `len` pixels that there are.
    pub fn pixels(&self, axis: usize, windows: &Range<usize>, len: usize) -> Range<usize> {
        let pixel =
            |window: usize| (window * self.size[axis]).saturating_sub(self.before[axis]).min(len);
        pixel(windows.start)..pixel(windows.end)
    }
}

impl Reshape {
    /// The dimension of the input that dimension `dim` of the result is; `None` for the reshaped ones.
    pub fn source_dim(&self, dim: usize) -> Option<usize> {
        Self::across(self.first, self.to.len(), self.from.len(), dim)
    }

    /// The dimension of the result that dimension `dim` of the input is; `None` for the reshaped ones.
    pub fn result_dim(&self, dim: usize) -> Option<usize> {
        Self::across(self.first, self.from.len(), self.to.len(), dim)
    }

    fn across(first: usize, from: usize, to: usize, dim: usize) -> Option<usize> {
        match dim {
            dim if dim < first => Some(dim),
            dim if dim < first + from => None,
            dim => Some(dim - from + to),
        }
    }
}

impl Op {
    /// How it depends on the size of pixels, for inputs and a result of these schemas.
    pub fn scale(&self, inputs: &[&Schema], schema: &Schema) -> Scale {
        let on_map = |schema: &Schema, dim: usize| schema.dims[dim].is_horizontal();
        let along = |dim: usize| match inputs.first() {
            Some(input) if on_map(input, dim) => Scale::Aggregate,
            _ => Scale::Pointwise,
        };
        let only = |pointwise: bool| if pointwise { Scale::Pointwise } else { Scale::NativeOnly };
        match self {
            Op::Scan(_) | Op::Map { .. } => Scale::Pointwise,
            Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => Scale::NativeOnly,
            Op::Parameter(_) | Op::Pending => Scale::NativeOnly,
            Op::Select(indices) => {
                let kept =
                    |(dim, indices): (usize, &Option<_>)| indices.is_none() || !on_map(schema, dim);
                only(indices.iter().enumerate().all(kept))
            }
            // Rows and columns may have other names, not other places.
            Op::Relabel { dims } => only(dims.iter().zip(&schema.dims).all(|(from, dim)| {
                let source = from.and_then(|from| inputs.first()?.dims.get(from));
                let same = |source: &Dimension| source.kind == dim.kind && source.axis == dim.axis;
                let mapped = dim.is_horizontal() || source.is_some_and(Dimension::is_horizontal);
                !mapped || source.is_some_and(same)
            })),
            Op::Reduce { dim, .. } | Op::Along { dim, .. } | Op::Group { dim, .. } => along(*dim),
            Op::Merge(merge) => {
                let whole = |(dim, map): (usize, &LabelMap)| {
                    !on_map(schema, dim) || map.iter().enumerate().all(|(i, own)| *own == Some(i))
                };
                let all = |maps: &[Vec<LabelMap>; 2]| {
                    maps.iter().all(|maps| maps.iter().enumerate().all(whole))
                };
                only(merge.indices.as_ref().is_some_and(all))
            }
            Op::Zonal(_) => Scale::Aggregate,
            Op::Warp { .. } | Op::Window { .. } | Op::Coarsen(_) => Scale::NativeOnly,
            // What cells, functions and texts of dimensions make of the number of pixels nobody knows.
            Op::Nested(_) | Op::Udf(_) | Op::Reshape(_) | Op::Save(_) => Scale::NativeOnly,
        }
    }
}

impl Zonal {
    /// The dimension of the input that dimension `dim` of the result is.
    pub fn source_dim(&self, dim: usize) -> Option<usize> {
        if dim == self.position || Some(dim) == self.counts {
            return None;
        }
        // The geometries stand where the first of y and x was.
        let [y, x] = self.dims;
        Some(if dim < y.max(x) { dim } else { dim + 1 })
    }

    /// The dimension of the result that dimension `dim` of the input is.
    pub fn result_dim(&self, dim: usize) -> Option<usize> {
        let [y, x] = self.dims;
        (dim != y && dim != x).then(|| if dim < y.max(x) { dim } else { dim - 1 })
    }
}

impl Scan {
    /// The source indices behind `region` of the scan's own schema.
    pub fn source_indices(&self, region: &Region) -> Vec<Vec<usize>> {
        (region.0.iter().zip(&self.window))
            .map(|(range, window)| match window {
                None => range.clone().collect(),
                Some(indices) => indices[range.clone()].to_vec(),
            })
            .collect()
    }
}
