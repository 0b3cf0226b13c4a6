//! `resample_cube_spatial`: onto the pixel grid of another cube.

use eolith_cube::{Dimension, Schema, SpatialAxis};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

use super::resample_spatial::{METHODS, grid, method};

pub(crate) static RESAMPLE_CUBE_SPATIAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let raster = || schema::cube_with([schema::spatial()]);
    Definition::new(
        "resample_cube_spatial",
        "Resample to the pixel grid of another data cube",
        "Brings x and y of the data cube to the labels and the reference system of x and y of another one. Pixels \
         beyond the data have no data. The methods are those of `gdalwarp`; pixels without data take no part.",
    )
    .category("cubes")
    .category("reproject")
    .param(param("data", "A raster data cube.", raster()))
    .param(param("target", "The raster data cube whose pixel grid is taken.", raster()))
    .param(
        param("method", "The resampling method.", schema::one_of(&METHODS)).default(json!("near")),
    )
    .returns("The data cube on the other grid.", raster())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, target) = (call.cube("data")?, call.cube("target")?);
    let (schema, other) = (call.schema(data), call.schema(target));
    let method = method(call)?;
    let (axes, targets) = (axes(&schema, "data")?, axes(&other, "target")?);
    let same = |(own, other): (&&Dimension, &&Dimension)| {
        own.axis == other.axis && own.crs() == other.crs()
    };
    if axes.iter().zip(&targets).all(same) {
        return Ok(Term::Cube(data));
    }
    let (from, to) = (grid(&schema, "data")?, grid(&other, "target")?);
    let (node, warped) = if to.aligned(&from) {
        (data, schema.as_ref().clone())
    } else {
        let (op, warped) = Op::warp(&schema, to, method)?;
        (call.add_node((op, warped.clone()), vec![data]), warped)
    };
    // The labels as the other cube has them, not as steps from the first one.
    let mut dims: Vec<_> = warped.dims.iter().cloned().zip((0..).map(Some)).collect();
    for (own, other) in axes.iter().zip(&targets) {
        let dim = schema.position(&own.name).expect("invariant: a dimension of the schema");
        dims[dim].0.axis = other.axis.clone();
        dims[dim].0.kind = other.kind.clone();
    }
    call.try_add(Op::relabel(&warped, dims), vec![node])
}

/// The dimensions y and x.
fn axes<'a>(schema: &'a Schema, argument: &str) -> Result<[&'a Dimension; 2], Problem> {
    let axis = |axis: SpatialAxis| {
        schema.spatial(axis).map(|dim| &schema.dims[dim]).ok_or_else(|| {
            let message =
                format!("the data cube has no dimension for the spatial axis `{}`", axis.name());
            Problem::argument(argument, message)
        })
    };
    Ok([axis(SpatialAxis::Y)?, axis(SpatialAxis::X)?])
}
