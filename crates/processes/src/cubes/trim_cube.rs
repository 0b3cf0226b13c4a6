//! `trim_cube`: without labels that have only no-data.

use std::sync::Arc;

use eolith_cube::{Block, Dimension, Kind, Label, Labels, Number, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::Builder;
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::Value;

use super::arguments::function;

pub(crate) static TRIM_CUBE: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "trim_cube",
        "Remove labels without data",
        "Removes the labels at both ends of every dimension under which all values are no-data. Bands, geometries and \
         other labels that are texts have no order, so that such labels are removed between others as well. `NaN` and \
         infinities are data.",
    )
    .category("cubes")
    .param(param("data", "A data cube.", schema::cube()))
    .returns(
        "The data cube with the same dimensions and fewer, or the same, labels.",
        schema::cube(),
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    if !schema.pending().is_empty() {
        return Ok(call.pending((*schema).clone(), vec![data]));
    }
    let tables = tables(&schema);
    let present = present(call, data)?;
    let nodes: Result<Vec<NodeId>, Problem> =
        tables.iter().map(|dims| table(call, present, dims)).collect();
    let Some(found) = call.computed(&nodes?) else {
        return Ok(call.pending((*schema).clone(), vec![data]));
    };
    let mut has_data: Vec<Vec<bool>> =
        schema.dims.iter().map(|dim| vec![false; dim.len().unwrap_or_default()]).collect();
    for (dims, table) in tables.iter().zip(&found) {
        mark(&table.block, dims, &mut has_data);
    }
    let kept = schema.dims.iter().zip(&has_data).map(|(dim, has_data)| kept(dim, has_data));
    Ok(call.add(Op::select(&schema, kept.collect()), vec![data]))
}

/// Which dimensions each table of present data has; together all. Tables are small: rows and columns stand alone, the
/// others do if there are too many of them.
fn tables(schema: &Schema) -> Vec<Vec<usize>> {
    let spatial = |dim: &usize| matches!(schema.dims[*dim].kind, Kind::Spatial { .. });
    let (alone, others): (Vec<usize>, Vec<usize>) = (0..schema.dims.len()).partition(spatial);
    let size = others.iter().map(|&dim| schema.dims[dim].len().unwrap_or_default());
    let size = size.fold(1, usize::saturating_mul);
    let mut tables: Vec<Vec<usize>> = alone.into_iter().map(|dim| vec![dim]).collect();
    if others.is_empty() {
        return tables;
    }
    if size <= LARGEST {
        tables.push(others);
    } else {
        tables.extend(others.into_iter().map(|dim| vec![dim]));
    }
    tables
}

/// Most entries of a table over several dimensions.
const LARGEST: usize = 1 << 20;

/// Whether each pixel has data.
fn present(call: &mut Call<'_, '_>, data: NodeId) -> Result<NodeId, Problem> {
    let schema = call.schema(data);
    let mut builder = Builder::default();
    let pixel = builder.input(0, Type::of_dtype(schema.dtype()));
    let missing = builder.call(function("is_nodata")?, vec![pixel]);
    let present = builder.call(function("not")?, vec![missing]);
    let made = Op::map(&[&schema], Arc::new(builder.finish(present)))?;
    Ok(call.add_node(made, vec![data]))
}

/// Whether there is data under the labels of these dimensions. Others than rows and columns go first, so that the tables
/// of rows and of columns share that.
fn table(call: &mut Call<'_, '_>, present: NodeId, dims: &[usize]) -> Result<NodeId, Problem> {
    let schema = call.schema(present);
    let spatial = |dim: usize| matches!(schema.dims[dim].kind, Kind::Spatial { .. });
    let mut reduced: Vec<usize> =
        (0..schema.dims.len()).rev().filter(|dim| !dims.contains(dim)).collect();
    reduced.sort_by_key(|dim| spatial(*dim));
    let mut node = present;
    for name in reduced.into_iter().map(|dim| &schema.dims[dim].name) {
        let schema = call.schema(node);
        let dim = schema.position(name).expect("invariant: reduced once");
        node = call.add_node(any(&schema, dim)?, vec![node]);
    }
    Ok(node)
}

/// Marks the labels of `dims` under which the table says that there is data.
fn mark(table: &Block, dims: &[usize], has_data: &mut [Vec<bool>]) {
    let present = |i: &usize| table.get(*i).is_some_and(|present| !present.same(Number::Int(0)));
    for place in (0..table.len()).filter(present) {
        let mut rest = place;
        for (&dim, &n) in dims.iter().zip(&table.shape).rev() {
            has_data[dim][rest % n] = true;
            rest /= n;
        }
    }
}

/// Whether any value along a dimension is true.
fn any(schema: &Schema, dim: usize) -> Result<(Op, Schema), Problem> {
    let mut builder = Builder::default();
    let axis = builder.axis(0, Type::Bool, None);
    let ignore = builder.constant(Value::Bool(true));
    let root = builder.call(function("any")?, vec![axis, ignore]);
    Ok(Op::reduce(schema, dim, Arc::new(builder.finish(root)))?)
}

/// The labels that stay; `None` for all.
fn kept(dim: &Dimension, has_data: &[bool]) -> Option<Arc<[usize]>> {
    let n = has_data.len();
    let kept: Vec<usize> = if is_categorical(dim) {
        (0..n).filter(|&i| has_data[i]).collect()
    } else {
        let first = (0..n).find(|&i| has_data[i]).unwrap_or(n);
        let end = (first..n).rfind(|&i| has_data[i]).map_or(first, |last| last + 1);
        (first..end).collect()
    };
    (kept.len() < n).then(|| kept.into())
}

/// Whether the labels are names without order and distance.
fn is_categorical(dim: &Dimension) -> bool {
    match dim.kind {
        Kind::Bands | Kind::Geometry(_) => true,
        Kind::Spatial { .. } | Kind::Temporal => false,
        Kind::Other => match dim.labels() {
            Some(Labels::List(list)) => list.iter().any(|label| matches!(label, Label::Text(_))),
            Some(Labels::Regular(_)) | None => false,
        },
    }
}
