//! `mask`: replaces pixels by another cube's word.

use std::sync::Arc;

use eolith_cube::warp::Method;
use eolith_cube::{DType, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, Expr};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use serde_json::Value as Json;

use super::arguments::{call_with_defaults, compatible};

pub(crate) static MASK: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let raster = || schema::cube_with([schema::spatial()]);
    Definition::new(
        "mask",
        "Apply a raster mask",
        "Replaces the pixels where the mask is true or a number other than zero. Pixels without data stay without \
         data, and where the mask has no data nothing is replaced. Dimensions that the mask lacks are masked all \
         along; a mask on another pixel grid is brought to the one of the data with the nearest neighbour.",
    )
    .note("No-data in the mask masks nothing.")
    .category("cubes")
    .category("masks")
    .param(param("data", "The data cube to mask.", raster()))
    .param(param("mask", "The mask, whose dimensions the data cube has too.", raster()))
    .param(
        param("replacement", "What stands in for masked values; null is no-data.", schema::scalar_or_null())
            .default(Json::Null),
    )
    .returns("The masked data cube.", raster())
    .throws(
        "IncompatibleDataCubes",
        "The mask has dimensions or labels that the data cube has not.",
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, mask) = (call.cube("data")?, call.cube("mask")?);
    let replacement = replacement(call)?;
    let schema = call.schema(data);
    let mask = aligned(call, &schema, mask)?;
    let mask_schema = call.schema(mask);
    compatible(&schema, &mask_schema, "mask")?;
    let expr = replaced(&schema, &mask_schema, replacement, true)?;
    call.try_add(Op::map(&[&schema, &mask_schema], Arc::new(expr)), vec![data, mask])
}

/// What stands in for masked values.
pub(super) fn replacement(call: &mut Call<'_, '_>) -> Result<Value, Problem> {
    match call.constant("replacement")? {
        value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_)) => Ok(value),
        other => Err(Problem::argument(
            "replacement",
            format!("a data cube holds numbers and booleans, not {}", other.kind()),
        )),
    }
}

/// The mask on the pixel grid of the data.
fn aligned(call: &mut Call<'_, '_>, schema: &Schema, mask: NodeId) -> Result<NodeId, Problem> {
    let own = call.schema(mask);
    match (schema.grid(), own.grid()) {
        (Ok(target), Ok(grid)) if !grid.aligned(&target) => {
            Ok(call.add_node(Op::warp(&own, target, Method::Near)?, vec![mask]))
        }
        _ => Ok(mask),
    }
}

/// `if(mask is set, replacement, data)`, or the other way round for what is not set.
pub(super) fn replaced(
    data: &Schema,
    mask: &Schema,
    replacement: Value,
    where_set: bool,
) -> Result<Expr, Problem> {
    let mut builder = Builder::default();
    let x = builder.input(0, Type::of_dtype(data.dtype()));
    let flag = builder.input(1, Type::of_dtype(mask.dtype()));
    let set = if mask.dtype() == DType::Bool {
        flag
    } else {
        let zero = builder.constant(Value::Int(0));
        let arguments = vec![flag, zero];
        call_with_defaults(&mut builder, "neq", arguments)?
    };
    let instead = if replacement.is_null() {
        builder.constant(Value::Null)
    } else {
        let missing = call_with_defaults(&mut builder, "is_nodata", vec![x])?;
        let (null, value) = (builder.constant(Value::Null), builder.constant(replacement));
        builder.if_(missing, null, value)
    };
    let root = if where_set { builder.if_(set, instead, x) } else { builder.if_(set, x, instead) };
    Ok(builder.finish(root))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cubes::testing::{Outcome, cube, numbers, run};
    use eolith_plan::op::Cube;

    fn masked(data: &Cube, mask: &Cube) -> Result<Outcome, String> {
        let graph = json!({ "mask": { "process_id": "mask", "result": true, "arguments": {
            "data": { "from_parameter": "data" }, "mask": { "from_parameter": "mask" }, "replacement": -1,
        } } });
        run(graph, &[("data", data), ("mask", mask)])
    }

    #[test]
    fn no_data_stays_and_a_mask_without_data_replaces_nothing() {
        let nan = f64::NAN;
        let data = cube(&["2020-01-01"], &["a"], 1, 4, vec![1.0, nan, 3.0, 4.0]);
        let mask = cube(&["2020-01-01"], &["a"], 1, 4, vec![1.0, 1.0, nan, 0.0]);
        let found = numbers(&masked(&data, &mask).unwrap().cube());
        assert_eq!(found, [Some(-1.0), None, Some(3.0), Some(4.0)]);
    }

    #[test]
    fn a_mask_on_another_grid_is_brought_to_the_data() {
        let data = cube(&["2020-01-01"], &["a"], 2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        let mut mask = cube(&["2020-01-01"], &["a"], 2, 2, vec![0.0, 0.0, 0.0, 1.0]);
        // 2.5 m to the east: the nearest pixels are still the same ones.
        let labels = [500_007.5, 500_017.5].map(eolith_cube::Label::Float);
        mask.schema.dims[3].axis = eolith_cube::Axis::Known(eolith_cube::Labels::list(labels));
        let found = numbers(&masked(&data, &mask).unwrap().cube());
        assert_eq!(found, [1.0, 2.0, 3.0, -1.0].map(Some));
    }

    #[test]
    fn labels_that_the_data_has_not_are_refused() {
        let data = cube(&["2020-01-01"], &["a"], 1, 1, vec![1.0]);
        for mask in [
            cube(&["2020-01-02"], &["a"], 1, 1, vec![1.0]),
            cube(&["2020-01-01"], &["b"], 1, 1, vec![1.0]),
            cube(&["2020-01-01"], &["a", "b"], 1, 1, vec![1.0, 1.0]),
        ] {
            assert_eq!(masked(&data, &mask), Err("IncompatibleDataCubes".to_owned()));
        }
    }
}
