//! `reduce_spatial`: all pixels of x and y to one value.

use eolith_cube::{Labels, SpatialAxis};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::Windows;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};

pub(crate) static REDUCE_SPATIAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "reduce_spatial",
        "Reduce x and y to one value",
        "Makes one value of all pixels along x and y; both dimensions are gone afterwards. Reducers such as `mean` \
         see the pixels row by row without keeping them; others, such as `median`, need all of them in memory.",
    )
    .experimental()
    .category("aggregate")
    .category("cubes")
    .category("reducer")
    .param(param("data", "A raster data cube.", schema::cube_with([schema::spatial()])))
    .param(param(
        "reducer",
        "Computes one value from the array `data` of all pixels.",
        schema::plain_reducer_callback(),
    ))
    .param(super::arguments::context())
    .returns("The data cube without x and y.", schema::cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let mut windows = Vec::with_capacity(2);
    let mut gone = Vec::with_capacity(2);
    for axis in [SpatialAxis::Y, SpatialAxis::X] {
        let dim = schema.spatial(axis).ok_or_else(|| {
            let message =
                format!("the data cube has no dimension for the spatial axis `{}`", axis.name());
            Problem::new("DimensionMissing", message).at("data")
        })?;
        let size = schema.dims[dim].len().ok_or(Problem::Blocked)?;
        windows.push(Windows { size, before: 0, labels: Labels::enumerated(1) });
        gone.push(dim);
    }
    let input = super::aggregate_temporal::members(&schema);
    let reducer = call.callback("reducer", &[("data", input)])?;
    let windows: Result<[Windows; 2], _> = windows.try_into();
    let windows = windows.map_err(|_| Problem::new("Internal", "windows along two axes"))?;
    let (op, reduced) = Op::coarsen(&schema, windows, reducer)?;
    let node = call.add_node((op, reduced.clone()), vec![data]);
    let kept = reduced.dims.iter().cloned().enumerate().filter(|(dim, _)| !gone.contains(dim));
    let kept = kept.map(|(dim, own)| (own, Some(dim))).collect();
    call.try_add(Op::relabel(&reduced, kept), vec![node])
}
