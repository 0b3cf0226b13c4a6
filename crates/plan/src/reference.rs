//! The reference evaluator: whole cubes, one scalar at a time.
//!
//! It is the oracle: slow, obvious, and independent. It evaluates the bound plan before any rule has touched it,
//! shares the scalar definitions of processes with everything else and no kernel, no tile and no region with
//! anything.

mod nested;

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::warp::Warp;
use eolith_cube::{Block, DType, Label, Number, Schema, SpatialAxis, Values};

use crate::compute::Failure;
use crate::expr::Expr;
use crate::logical::{Logical, NodeId};
use crate::op::{Burn, Coarsen, Merge, Op, Reshape, Zonal};
use crate::value::{Array, Fault, Value};

/// A pixel: exact, also where a value of an expression would be a float (the upper half of `u64`).
type Pixel = Option<Number>;

/// A whole cube as plain pixels in C order.
#[derive(Clone, Debug)]
struct Plain {
    shape: Vec<usize>,
    pixels: Vec<Pixel>,
    is_bool: bool,
}

/// The pixels of a node; `scan` gives those of a scan's or parameter's whole schema.
pub fn evaluate<E: From<Failure>>(
    logical: &Logical,
    target: NodeId,
    mut scan: impl FnMut(NodeId) -> Result<Block, E>,
) -> Result<Block, E> {
    let mut done: BTreeMap<NodeId, Plain> = BTreeMap::new();
    for (i, node) in logical.nodes.iter().enumerate().take(target.0 + 1) {
        let id = NodeId(i);
        let plain = if node.op.is_read() {
            Plain::of(&scan(id)?)
        } else {
            let inputs: Vec<&Plain> = node.inputs.iter().map(|input| &done[input]).collect();
            let schemas: Vec<&Schema> =
                node.inputs.iter().map(|input| logical.schema(*input).as_ref()).collect();
            run(&node.op, &node.schema, &inputs, &schemas)
                .and_then(|pixels| stored(pixels, &node.schema))
                .map_err(|fault| Failure { node: id, fault })?
        };
        done.insert(id, plain);
    }
    Ok(done[&target].block(logical.schema(target).dtype()))
}

fn run(
    op: &Op,
    schema: &Schema,
    inputs: &[&Plain],
    schemas: &[&Schema],
) -> Result<Vec<Pixel>, Fault> {
    let shape = schema.shape().ok_or_else(|| Fault::new("Internal", "an axis is pending"))?;
    match op {
        Op::Scan(_) => Err(Fault::new("Internal", "a scan is read by its source")),
        Op::Pending => Err(Fault::new("Internal", "the cube is not known yet")),
        Op::Literal(cube) => Ok(Plain::of(&cube.block).pixels),
        Op::Inside(footprint) => each(&shape, |index| {
            Ok(Some(Number::Int(i128::from(footprint.contains(index[0], index[1])))))
        }),
        Op::Burn(own) => {
            let values = Plain::of(&own.block);
            each(&shape, |index| Ok(burnt(own, &values, index)))
        }
        Op::Save(_) => Ok(inputs[0].pixels.clone()),
        Op::Select(kept) => each(&shape, |index| {
            let source: Vec<usize> = (index.iter().zip(kept))
                .map(|(&i, kept)| kept.as_ref().map_or(i, |kept| kept[i]))
                .collect();
            Ok(inputs[0].at(&source))
        }),
        Op::Relabel { dims } => {
            each(&shape, |index| Ok(inputs[0].at(&aligned(inputs[0], dims, index))))
        }
        Op::Map { expr, inputs: alignments } => each(&shape, |index| {
            let values: Vec<Value> = (inputs.iter().zip(alignments))
                .map(|(input, dims)| input.value(&aligned(input, dims, index)))
                .collect();
            expr.evaluate(&values)?.to_pixel()
        }),
        Op::Reduce { dim, expr } => {
            let labels = labels(schemas[0], *dim);
            each(&shape, |index| {
                let all: Vec<usize> = (0..inputs[0].shape[*dim]).collect();
                let array = lane(inputs[0], *dim, index, Some(*dim), &all, labels.as_deref());
                expr.evaluate(&[array])?.to_pixel()
            })
        }
        Op::Along { dim, expr } => along(expr, *dim, &shape, inputs[0], schemas[0]),
        Op::Group { dim, groups, expr } => {
            let labels = labels(schemas[0], *dim);
            let groups = groups.as_deref().unwrap_or_default();
            each(&shape, |index| {
                let members = &groups[index[*dim]];
                let array = lane(inputs[0], *dim, index, None, members, labels.as_deref());
                expr.evaluate(&[array])?.to_pixel()
            })
        }
        Op::Warp { grid, method } => {
            let from = schemas[0]
                .grid()
                .map_err(|e| Fault::new("ProcessParameterInvalid", e.to_string()))?;
            let warp = Warp::new(from, grid.clone(), *method)
                .map_err(|e| Fault::new("ProcessParameterInvalid", e.to_string()))?;
            let (Some(y), Some(x)) =
                (schema.spatial(SpatialAxis::Y), schema.spatial(SpatialAxis::X))
            else {
                return Err(Fault::new("DimensionMissing", "the data cube has no x and y"));
            };
            each(&shape, |index| {
                let pixel = |row: usize, col: usize| -> Option<Number> {
                    let mut source = index.to_vec();
                    source[y] = row;
                    source[x] = col;
                    inputs[0].at(&source)
                };
                Ok(warp.pixel(index[y], index[x], &pixel))
            })
        }
        Op::Window { dims: [y, x], stencil } => each(&shape, |index| {
            let pixel = |row: usize, col: usize| -> Option<Number> {
                let mut source = index.to_vec();
                (source[*y], source[*x]) = (row, col);
                inputs[0].at(&source)
            };
            let size = [shape[*y], shape[*x]];
            Ok(Some(Number::Float(stencil.pixel(index[*y], index[*x], size, &pixel))))
        }),
        Op::Coarsen(own) => each(&shape, |index| window(own, inputs[0], index)),
        Op::Reshape(own) => each(&shape, |index| Ok(inputs[0].at(&unshaped(own, index)))),
        Op::Zonal(zonal) => each(&shape, |index| zone(zonal, inputs[0], index)),
        Op::Merge(merge) => each(&shape, |index| merged(merge, inputs, index)),
        Op::Nested(own) => nested::run(own, inputs, &shape),
        Op::Parameter(_) => Err(Fault::new("Internal", "a parameter is given to its plan")),
        Op::Udf(_) => Err(crate::udf::outside()),
    }
}

fn along(
    expr: &Expr,
    dim: usize,
    shape: &[usize],
    input: &Plain,
    schema: &Schema,
) -> Result<Vec<Pixel>, Fault> {
    let labels = labels(schema, dim);
    let all: Vec<usize> = (0..input.shape[dim]).collect();
    each(shape, |index| {
        let value = expr.evaluate(&[lane(input, dim, index, None, &all, labels.as_deref())])?;
        let single = std::slice::from_ref(&value);
        let values = value.as_array().map_or(single, |array| &array.values);
        let own = values.get(index[dim]).filter(|_| values.len() == shape[dim]);
        own.map_or_else(
            || {
                let (found, planned) = (values.len(), shape[dim]);
                let message =
                    format!("the callback returned {found} values where {planned} were planned");
                Err(Fault::new("ProcessParameterInvalid", message))
            },
            Value::to_pixel,
        )
    })
}

/// The value of a window.
fn window(own: &Coarsen, input: &Plain, index: &[usize]) -> Result<Pixel, Fault> {
    let [y, x] = own.dims;
    let place = |axis: usize, window: usize, i: usize| {
        let place = (window * own.size[axis] + i).checked_sub(own.before[axis]);
        place.filter(|place| *place < input.shape[own.dims[axis]])
    };
    let mut values = Vec::new();
    for i in 0..own.size[0] {
        for j in 0..own.size[1] {
            let mut source = index.to_vec();
            values.push(match (place(0, index[y], i), place(1, index[x], j)) {
                (Some(row), Some(col)) => {
                    (source[y], source[x]) = (row, col);
                    input.value(&source)
                }
                _ => Value::Null,
            });
        }
    }
    own.expr.evaluate(&[Value::Array(Arc::new(Array { values, labels: None }))])?.to_pixel()
}

/// The index of the input that an index of the result is.
fn unshaped(own: &Reshape, index: &[usize]) -> Vec<usize> {
    let (first, rest) = index.split_at(own.first);
    let (reshaped, last) = rest.split_at(own.to.len());
    let mut place = reshaped.iter().zip(own.to.iter()).fold(0, |place, (i, n)| place * n + i);
    let mut source = vec![0; own.from.len()];
    for (i, n) in source.iter_mut().zip(own.from.iter()).rev() {
        (*i, place) = (place % n, place / n);
    }
    [first, &source, last].concat()
}

/// The value of the last geometry that has a pixel.
fn burnt(burn: &Burn, values: &Plain, index: &[usize]) -> Pixel {
    let (lane, pixel) = index.split_at(index.len() - 2);
    let owner = burn.zones.iter().rposition(|zone| zone.contains(pixel[0], pixel[1]))?;
    values.at(&[lane, &[owner]].concat())
}

/// The value, or one of the counts, of a zone.
fn zone(zonal: &Zonal, input: &Plain, index: &[usize]) -> Result<Pixel, Fault> {
    let zone = &zonal.zones[index[zonal.position]];
    let mut source = vec![0; input.shape.len()];
    for (dim, &i) in index.iter().enumerate() {
        if let Some(own) = zonal.source_dim(dim) {
            source[own] = i;
        }
    }
    let [y, x] = zonal.dims;
    let mut values = Vec::new();
    for row in 0..input.shape[y] {
        for col in 0..input.shape[x] {
            if zone.contains(row, col) {
                (source[y], source[x]) = (row, col);
                values.push(input.value(&source));
            }
        }
    }
    let valid = |value: &Value| match value {
        Value::Null => false,
        Value::Float(value) => value.is_finite(),
        _ => true,
    };
    match zonal.counts.map(|dim| index[dim]) {
        Some(1) => Ok(Some(Number::Int(values.len() as i128))),
        Some(2) => Ok(Some(Number::Int(values.iter().filter(|v| valid(v)).count() as i128))),
        _ if values.is_empty() => Ok(None),
        _ => {
            let array = Value::Array(Arc::new(Array { values, labels: None }));
            zonal.expr.evaluate(&[array])?.to_pixel()
        }
    }
}

fn merged(merge: &Merge, inputs: &[&Plain], index: &[usize]) -> Result<Pixel, Fault> {
    let Some(indices) = &merge.indices else {
        return Err(Fault::new("Internal", "an axis is pending"));
    };
    let side = |side: usize| -> Option<Vec<usize>> {
        let mut source = vec![0; inputs[side].shape.len()];
        for ((dim, map), &i) in merge.dims[side].iter().zip(&indices[side]).zip(index) {
            let own = map[i]?;
            if let Some(dim) = dim {
                source[*dim] = own;
            }
        }
        Some(source)
    };
    match (side(0), side(1), &merge.resolver) {
        (Some(x), Some(y), Some(resolver)) => {
            resolver.evaluate(&[inputs[0].value(&x), inputs[1].value(&y)])?.to_pixel()
        }
        (Some(_), Some(_), None) => Err(Fault::new(
            "OverlapResolverMissing",
            "the data cubes overlap, so an overlap resolver is needed",
        )),
        (Some(source), None, _) => Ok(inputs[0].at(&source)),
        (None, Some(source), _) => Ok(inputs[1].at(&source)),
        (None, None, _) => Ok(None),
    }
}

/// The labelled array along `dim` at a position. `removed` says that `index` has no entry for `dim`.
fn lane(
    input: &Plain,
    dim: usize,
    index: &[usize],
    removed: Option<usize>,
    members: &[usize],
    labels: Option<&[Label]>,
) -> Value {
    let mut source = index.to_vec();
    if let Some(dim) = removed {
        source.insert(dim, 0);
    }
    let values = (members.iter())
        .map(|&i| {
            source[dim] = i;
            input.value(&source)
        })
        .collect();
    let labels = labels.map(|all| members.iter().map(|&i| all[i].clone()).collect());
    Value::Array(Arc::new(Array { values, labels }))
}

fn labels(schema: &Schema, dim: usize) -> Option<Arc<[Label]>> {
    schema.dims[dim].labels().map(crate::logical::label_list)
}

fn aligned(input: &Plain, dims: &[Option<usize>], index: &[usize]) -> Vec<usize> {
    let mut source = vec![0; input.shape.len()];
    for (dim, &i) in dims.iter().zip(index) {
        if let Some(dim) = dim {
            source[*dim] = i;
        }
    }
    source
}

/// Calls `f` for every index of `shape` in C order.
fn each(
    shape: &[usize],
    mut f: impl FnMut(&[usize]) -> Result<Pixel, Fault>,
) -> Result<Vec<Pixel>, Fault> {
    let len: usize = shape.iter().product();
    let mut index = vec![0; shape.len()];
    let mut pixels = Vec::with_capacity(len);
    for _ in 0..len {
        pixels.push(f(&index)?);
        for dim in (0..shape.len()).rev() {
            index[dim] += 1;
            if index[dim] < shape[dim] {
                break;
            }
            index[dim] = 0;
        }
    }
    Ok(pixels)
}

/// Pixels as the schema's type stores them: what the next operator reads.
fn stored(pixels: Vec<Pixel>, schema: &Schema) -> Result<Plain, Fault> {
    let shape = schema.shape().ok_or_else(|| Fault::new("Internal", "an axis is pending"))?;
    let plain = Plain { shape, pixels, is_bool: false };
    Ok(Plain::of(&plain.block(schema.dtype())))
}

impl Plain {
    fn of(block: &Block) -> Plain {
        Plain {
            shape: block.shape.clone(),
            pixels: (0..block.len()).map(|i| block.get(i)).collect(),
            is_bool: block.dtype() == DType::Bool,
        }
    }

    fn at(&self, index: &[usize]) -> Pixel {
        self.pixels[index.iter().zip(&self.shape).fold(0, |flat, (i, n)| flat * n + i)]
    }

    /// The pixel as an expression sees it.
    fn value(&self, index: &[usize]) -> Value {
        Value::of_pixel(self.at(index), self.is_bool)
    }

    fn block(&self, dtype: DType) -> Block {
        let mut values = Values::zeros(dtype, self.pixels.len());
        let mut validity = vec![true; self.pixels.len()];
        for (i, pixel) in self.pixels.iter().enumerate() {
            match pixel {
                Some(number) => values.set(i, *number),
                None => validity[i] = false,
            }
        }
        Block { shape: self.shape.clone(), values, validity: Some(validity) }.canonical()
    }
}
