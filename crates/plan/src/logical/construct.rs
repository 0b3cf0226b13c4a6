//! Constructors: an operator and the schema it gives, from the schemas of its inputs.

use std::sync::Arc;

use eolith_cube::warp::Method;
use eolith_cube::window::Stencil;
use eolith_cube::zonal::Footprint;
use eolith_cube::{
    Axis, DType, Dimension, Extent, Features, Grid, Kind, Labels, Schema, SpatialAxis, Variable,
};

use crate::expr::Expr;
use crate::logical::{merge, zones};
use crate::need::Collection;
use crate::nested::{Partition, Plan};
use crate::op::{Alignment, Burn, Coarsen, Cube, Merge, Op, Reshape, Save, Scan, Zonal};
use crate::request::LoadRequest;
use crate::types::Type;

/// Why an operator cannot be made: an openEO code and our words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    pub code: &'static str,
    pub message: String,
}

impl Bad {
    pub fn new(code: &'static str, message: impl Into<String>) -> Bad {
        Bad { code, message: message.into() }
    }
}

/// Windows side by side along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// Pixels of a window.
    pub size: usize,
    /// Pixels without data in front of the first pixel.
    pub before: usize,
    /// One a window.
    pub labels: Labels,
}

/// Positions of the members of each group, and the labels of the groups.
pub type Groups = (Vec<Arc<[usize]>>, Labels);

type Made = Result<(Op, Schema), Bad>;

impl Op {
    /// A read. Its schema comes from the request and the answers (see `bind::load`), not from other operators.
    pub fn scan(scan: Scan, schema: Schema) -> (Op, Schema) {
        (Op::Scan(scan), schema)
    }

    pub fn literal(cube: Arc<Cube>) -> (Op, Schema) {
        let schema = cube.schema.clone();
        (Op::Literal(cube), schema)
    }

    /// A cube with these dimensions, whose labels are not known yet whatever the schema says.
    pub fn pending(mut schema: Schema) -> (Op, Schema) {
        for dim in &mut schema.dims {
            if let Axis::Known(labels) = &dim.axis {
                let range = (!labels.is_empty())
                    .then(|| (labels.get(0), labels.get(labels.len() - 1)))
                    .map(|(first, last)| (first.to_string(), last.to_string()));
                dim.axis = Axis::Pending(Extent { range });
            }
        }
        (Op::Pending, schema)
    }

    /// Whether each pixel of the cube's grid belongs to geometries: booleans over y and x.
    pub fn inside(input: &Schema, footprint: Arc<Footprint>) -> Made {
        let dims = [horizontal(input, SpatialAxis::Y)?, horizontal(input, SpatialAxis::X)?];
        let dims = dims.map(|dim| input.dims[dim].clone()).to_vec();
        Ok((Op::Inside(footprint), Schema { dims, variables: vec![Variable::new(DType::Bool)] }))
    }

    /// The values of a vector cube on the grid of another cube: y and x as last dimensions in place of the geometries.
    /// Where geometries share a pixel, the last one has it.
    pub fn burn(vectors: &Cube, target: &Schema) -> Made {
        let wrong = |message: String| Bad::new("ProcessParameterInvalid", message);
        let axes = [horizontal(target, SpatialAxis::Y)?, horizontal(target, SpatialAxis::X)?];
        let grid = target.grid().map_err(|e| wrong(e.to_string()))?;
        let found = vectors.schema.dims.iter().enumerate();
        let mut found = found.filter_map(|(dim, own)| Some((dim, own.features()?)));
        let (Some((geometry, features)), None) = (found.next(), found.next()) else {
            return Err(wrong("one dimension of geometries is expected".to_owned()));
        };
        let zones = zones::footprints(features, &grid)?;
        let mut order: Vec<usize> = (0..vectors.schema.dims.len()).collect();
        order.remove(geometry);
        let mut dims: Vec<Dimension> =
            order.iter().map(|&dim| vectors.schema.dims[dim].clone()).collect();
        order.push(geometry);
        for axis in axes {
            let axis = target.dims[axis].clone();
            if dims.iter().any(|dim| dim.name == axis.name) {
                return Err(wrong(format!(
                    "the vector data cube has a dimension `{}` already",
                    axis.name
                )));
            }
            dims.push(axis);
        }
        let block = vectors.block.permute(&order);
        let variables = vectors.schema.variables.clone();
        Ok((Op::Burn(Arc::new(Burn { block, zones })), Schema { dims, variables }))
    }

    /// Keeps these labels; dimensions whose labels are pending stay pending.
    pub fn select(input: &Schema, indices: Vec<Option<Arc<[usize]>>>) -> (Op, Schema) {
        let mut schema = input.clone();
        for (dim, indices) in schema.dims.iter_mut().zip(&indices) {
            if let (Some(indices), Axis::Known(labels)) = (indices, &dim.axis) {
                dim.axis = Axis::Known(labels.take(indices));
                if let Kind::Geometry(features) = &dim.kind {
                    dim.kind = Kind::Geometry(Arc::new(features.take(indices)));
                }
            }
        }
        if let Some(bands) = input.bands()
            && let Some(kept) = &indices[bands]
        {
            schema.variables = kept.iter().map(|&i| input.variables[i].clone()).collect();
        }
        (Op::Select(indices), schema)
    }

    /// New dimensions over the same pixels: `dims` pairs each with the input dimension it comes from.
    pub fn relabel(input: &Schema, dims: Vec<(Dimension, Option<usize>)>) -> Made {
        for (i, dim) in input.dims.iter().enumerate() {
            let dropped = !dims.iter().any(|(_, from)| *from == Some(i));
            if dropped && dim.len().is_some_and(|n| n != 1) {
                return Err(Bad::new(
                    "DimensionLabelCountMismatch",
                    format!(
                        "dimension `{}` has {} labels, only a single one can be dropped",
                        dim.name,
                        dim.len().unwrap_or_default()
                    ),
                ));
            }
        }
        let from: Vec<Option<usize>> = dims.iter().map(|(_, from)| *from).collect();
        let dims: Vec<Dimension> = dims.into_iter().map(|(dim, _)| dim).collect();
        // Only the first dimension of bands says what each band stores.
        let bands = dims.iter().position(|d| d.kind == Kind::Bands);
        let kept = match bands {
            Some(bands) => from[bands].is_some() && from[bands] == input.bands(),
            None => input.variables.len() == 1,
        };
        let variables = if kept {
            input.variables.clone()
        } else {
            vec![common_variable(input); band_count(&dims)]
        };
        Ok((Op::Relabel { dims: from }, Schema { dims, variables }))
    }

    /// Element by element. The first input gives the dimensions; the others are found in it by name and must have
    /// as many labels, or are repeated along dimensions they lack.
    pub fn map(inputs: &[&Schema], expr: Arc<Expr>) -> Made {
        let frame = inputs[0];
        let mut alignments: Vec<Alignment> = Vec::new();
        for input in inputs {
            let alignment: Alignment =
                frame.dims.iter().map(|dim| input.position(&dim.name)).collect();
            if let Some(lost) = input.dims.iter().find(|dim| frame.position(&dim.name).is_none()) {
                return Err(Bad::new(
                    "IncompatibleDataCubes",
                    format!("dimension `{}` does not exist in the other data cube", lost.name),
                ));
            }
            for (dim, from) in frame.dims.iter().zip(&alignment) {
                if let Some(own) = from.map(|i| &input.dims[i])
                    && let (Some(n), Some(m)) = (dim.len(), own.len())
                    && n != m
                {
                    return Err(Bad::new(
                        "IncompatibleDataCubes",
                        format!(
                            "dimension `{}` has {n} labels in one data cube and {m} in the other",
                            dim.name
                        ),
                    ));
                }
            }
            alignments.push(alignment);
        }
        let variables = map_variables(frame, inputs, &alignments, &expr)?;
        Ok((Op::Map { expr, inputs: alignments }, Schema { dims: frame.dims.clone(), variables }))
    }

    /// A dimension to one value.
    pub fn reduce(input: &Schema, dim: usize, expr: Arc<Expr>) -> Made {
        let mut dims = input.dims.clone();
        dims.remove(dim);
        let variables = if input.bands() == Some(dim) {
            let dtype = pixel_dtype(expr.ty())?;
            vec![rewritten(&common_variable(input), dtype); band_count(&dims)]
        } else {
            (input.variables.iter())
                .map(|v| Ok(rewritten(v, pixel_dtype(&expr.type_for(&[Type::of_dtype(v.dtype)]))?)))
                .collect::<Result<_, Bad>>()?
        };
        Ok((Op::Reduce { dim, expr }, Schema { dims, variables }))
    }

    /// A dimension to an array, which becomes `target` in its place (its labels must be as many as the array has).
    pub fn along(input: &Schema, dim: usize, target: Dimension, expr: Arc<Expr>) -> Made {
        let mut dims = input.dims.clone();
        dims[dim] = target;
        let first = dims.iter().position(|d| d.kind == Kind::Bands);
        let variables = if input.bands() == Some(dim) || first != input.bands() {
            let dtype = pixel_dtype(expr.ty().element())?;
            vec![rewritten(&common_variable(input), dtype); band_count(&dims)]
        } else {
            (input.variables.iter())
                .map(|v| {
                    let ty = expr.type_for(&[Type::of_dtype(v.dtype)]);
                    Ok(rewritten(v, pixel_dtype(ty.element())?))
                })
                .collect::<Result<_, Bad>>()?
        };
        Ok((Op::Along { dim, expr }, Schema { dims, variables }))
    }

    /// Groups of labels of a dimension to one value each, under new labels; `None` while these are pending.
    pub fn group(input: &Schema, dim: usize, groups: Option<Groups>, expr: Arc<Expr>) -> Made {
        let mut dims = input.dims.clone();
        let (groups, axis) = match groups {
            Some((groups, labels)) => (Some(groups.into()), Axis::Known(labels)),
            None => (None, Axis::Pending(Extent::default())),
        };
        dims[dim].axis = axis;
        let variables = (input.variables.iter())
            .map(|v| Ok(rewritten(v, pixel_dtype(&expr.type_for(&[Type::of_dtype(v.dtype)]))?)))
            .collect::<Result<_, Bad>>()?;
        Ok((Op::Group { dim, groups, expr }, Schema { dims, variables }))
    }

    /// Another pixel grid over the same two dimensions.
    pub fn warp(input: &Schema, grid: Grid, method: Method) -> Made {
        horizontal(input, SpatialAxis::X)?;
        horizontal(input, SpatialAxis::Y)?;
        let mut schema = on_grid(input, &grid);
        for variable in &mut schema.variables {
            let dtype = method.dtype(variable.dtype);
            if dtype != variable.dtype {
                variable.dtype = dtype;
                variable.nodata = None;
            }
        }
        Ok((Op::Warp { grid, method }, schema))
    }

    /// Weighted sums over y and x.
    pub fn window(input: &Schema, stencil: Arc<Stencil>) -> Made {
        let dims = [horizontal(input, SpatialAxis::Y)?, horizontal(input, SpatialAxis::X)?];
        let variables = input.variables.iter().map(|v| rewritten(v, DType::F64)).collect();
        Ok((Op::Window { dims, stencil }, Schema { dims: input.dims.clone(), variables }))
    }

    /// Windows side by side along y and x, each to one value.
    pub fn coarsen(input: &Schema, windows: [Windows; 2], expr: Arc<Expr>) -> Made {
        let dims = [horizontal(input, SpatialAxis::Y)?, horizontal(input, SpatialAxis::X)?];
        let size = [windows[0].size, windows[1].size];
        let before = [windows[0].before, windows[1].before];
        let mut kept = input.dims.clone();
        for (dim, windows) in dims.into_iter().zip(windows) {
            kept[dim].axis = Axis::Known(windows.labels);
        }
        let variables = (input.variables.iter())
            .map(|v| Ok(rewritten(v, pixel_dtype(&expr.type_for(&[Type::of_dtype(v.dtype)]))?)))
            .collect::<Result<_, Bad>>()?;
        let coarsen = Coarsen { dims, size, before, expr };
        Ok((Op::Coarsen(coarsen), Schema { dims: kept, variables }))
    }

    /// `count` dimensions from `first` on become `target`, which have as many pixels: the last dimension varies
    /// fastest before and after.
    pub fn reshape(input: &Schema, first: usize, count: usize, target: Vec<Dimension>) -> Made {
        let lengths = |dims: &[Dimension]| -> Result<Arc<[usize]>, Bad> {
            let lengths: Option<_> = dims.iter().map(Dimension::len).collect();
            lengths.ok_or_else(|| Bad::new("Internal", "the labels of a dimension are not known"))
        };
        let gone = &input.dims[first..first + count];
        let (from, to) = (lengths(gone)?, lengths(&target)?);
        if from.iter().product::<usize>() != to.iter().product::<usize>() {
            let message = format!("{from:?} labels cannot become {to:?}");
            return Err(Bad::new("ProcessParameterInvalid", message));
        }
        let kept = input.bands().is_some_and(|bands| !(first..first + count).contains(&bands));
        let mut dims = input.dims.clone();
        dims.splice(first..first + count, target);
        let variables = if kept || input.bands().is_none() && band_count(&dims) == 1 {
            input.variables.clone()
        } else {
            vec![common_variable(input); band_count(&dims)]
        };
        Ok((Op::Reshape(Reshape { first, from, to }), Schema { dims, variables }))
    }

    /// The pixels of each feature to one value. The geometries take the place of the first of y and x; `counts`
    /// names a last dimension for the value, the number of pixels and that of the valid ones.
    pub fn zonal(
        input: &Schema,
        features: Arc<Features>,
        expr: Arc<Expr>,
        counts: Option<&str>,
    ) -> Made {
        let dims = [horizontal(input, SpatialAxis::Y)?, horizontal(input, SpatialAxis::X)?];
        let grid = input.grid().map_err(|e| Bad::new("ProcessParameterInvalid", e.to_string()))?;
        let zones = zones::footprints(&features, &grid)?;
        let position = dims[0].min(dims[1]);
        let mut kept: Vec<Dimension> = input.dims.clone();
        kept.remove(dims[0].max(dims[1]));
        let labels = features.labels();
        kept[position] = Dimension::new(GEOMETRY, Kind::Geometry(features), labels);
        if kept.iter().filter(|dim| dim.name == GEOMETRY).count() > 1 {
            let message = format!("the data cube has a dimension `{GEOMETRY}` already");
            return Err(Bad::new("ProcessParameterInvalid", message));
        }
        let mut variables: Vec<Variable> = (input.variables.iter())
            .map(|v| Ok(rewritten(v, pixel_dtype(&expr.type_for(&[Type::of_dtype(v.dtype)]))?)))
            .collect::<Result<_, Bad>>()?;
        if let Some(name) = counts {
            if input.position(name).is_some() || name == GEOMETRY {
                let message = format!("the data cube has a dimension `{name}` already");
                return Err(Bad::new("TargetDimensionExists", message));
            }
            let labels = Labels::texts(["value", "total_count", "valid_count"]);
            kept.push(Dimension::new(name, Kind::Other, labels));
            variables = variables.iter().map(|v| rewritten(v, DType::F64)).collect();
        }
        let counts = counts.map(|_| kept.len() - 1);
        let zonal = Zonal { dims, position, zones, expr, counts };
        Ok((Op::Zonal(zonal), Schema { dims: kept, variables }))
    }

    /// The aligned union of two cubes.
    pub fn merge(inputs: [&Schema; 2], resolver: Option<Arc<Expr>>) -> Made {
        let (merge, schema): (Merge, Schema) = merge::construct(inputs, resolver)?;
        Ok((Op::Merge(merge), schema))
    }

    /// Cells of a cube, each computed by its own plan: `cells` says by which. The binder has checked that plans keep the
    /// shape of their cell.
    pub(crate) fn nested(
        input: &Schema,
        partition: Partition,
        plans: Vec<Plan>,
        cells: Vec<usize>,
    ) -> (Op, Schema) {
        let (nested, schema) = super::nested::construct(input, partition, plans, cells);
        (Op::Nested(Arc::new(nested)), schema)
    }

    /// What the plan of a cell is given.
    pub(crate) fn parameter(k: usize, schema: Schema) -> (Op, Schema) {
        (Op::Parameter(k), schema)
    }

    pub fn save(input: &Schema, save: Save) -> (Op, Schema) {
        (Op::Save(save), input.clone())
    }
}

/// The same cube with its pixels on another grid, as far as it has dimensions x and y.
pub(crate) fn on_grid(schema: &Schema, grid: &Grid) -> Schema {
    let mut schema = schema.clone();
    for (axis, regular) in [(SpatialAxis::X, grid.x), (SpatialAxis::Y, grid.y)] {
        if let Some(dim) = schema.spatial(axis) {
            schema.dims[dim].axis = Axis::Known(Labels::Regular(regular));
            schema.dims[dim].kind = Kind::Spatial { axis, crs: Some(grid.crs.clone()) };
        }
    }
    schema
}

/// What is known of the time of a load before its items are.
pub(crate) fn pending_extent(collection: &Collection, request: &LoadRequest) -> Extent {
    let time = match &collection.content {
        crate::need::Content::Scenes(scenes) => request.time.or(Some(scenes.time)),
        crate::need::Content::Cube { .. } => request.time,
    };
    let range = time.and_then(|t| Some((t.start?.to_string(), t.end?.to_string())));
    Extent { range }
}

/// Name of a dimension of geometries, as in the standard.
const GEOMETRY: &str = "geometry";

fn horizontal(schema: &Schema, axis: SpatialAxis) -> Result<usize, Bad> {
    schema.spatial(axis).ok_or_else(|| {
        let message = format!("the data cube has no dimension `{}`", axis.name());
        Bad::new("DimensionMissing", message)
    })
}

/// Labels of the first dimension of bands; one where there is none.
fn band_count(dims: &[Dimension]) -> usize {
    dims.iter().find(|dim| dim.kind == Kind::Bands).and_then(Dimension::len).unwrap_or(1)
}

/// One variable that can stand for all: the common type, and what they agree on.
pub(crate) fn common_variable(schema: &Schema) -> Variable {
    let mut variable = Variable::new(schema.dtype());
    variable.nodata = schema.nodata();
    let agreed = |get: fn(&Variable) -> Option<f64>| {
        let first = schema.variables.first().and_then(get);
        schema.variables.iter().all(|v| get(v) == first).then_some(first).flatten()
    };
    variable.scale = agreed(|v| v.scale);
    variable.offset = agreed(|v| v.offset);
    variable
}

/// The band after an expression: a changed type loses the no-data value, new numbers lose scale and unit.
fn rewritten(variable: &Variable, dtype: DType) -> Variable {
    let mut new = Variable::new(dtype);
    new.common_name.clone_from(&variable.common_name);
    new.center_wavelength = variable.center_wavelength;
    if dtype == variable.dtype {
        new.nodata = variable.nodata;
    }
    new
}

fn map_variables(
    frame: &Schema,
    inputs: &[&Schema],
    alignments: &[Alignment],
    expr: &Expr,
) -> Result<Vec<Variable>, Bad> {
    let bands = frame.bands();
    let type_of = |input: &Schema, alignment: &Alignment, band: usize| {
        let aligned = bands.and_then(|b| alignment[b]).filter(|&i| input.bands() == Some(i));
        let dtype = match aligned {
            Some(_) => input.variables[band].dtype,
            None => input.dtype(),
        };
        Type::of_dtype(dtype)
    };
    let keeps = expr.selects(0);
    (0..frame.variables.len())
        .map(|band| {
            let types: Vec<Type> =
                inputs.iter().zip(alignments).map(|(input, a)| type_of(input, a, band)).collect();
            let own = &frame.variables[band];
            let dtype = pixel_dtype(&expr.type_for(&types))?;
            Ok(if keeps && dtype == own.dtype { own.clone() } else { rewritten(own, dtype) })
        })
        .collect()
}

fn pixel_dtype(ty: &Type) -> Result<DType, Bad> {
    ty.dtype().ok_or_else(|| {
        Bad::new(
            "ProcessParameterInvalid",
            format!("the callback returns {ty}, a data cube holds numbers and booleans"),
        )
    })
}
