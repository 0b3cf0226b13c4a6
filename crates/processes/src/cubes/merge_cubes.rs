//! `merge_cubes`: the union of two cubes.

use eolith_cube::warp::Method;
use eolith_cube::{Grid, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;

pub(crate) static MERGE_CUBES: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "merge_cubes",
        "Merge two data cubes",
        "Makes one data cube with the dimensions and labels of both. Labels of the second cube come after those of \
         the first; instants and coordinates are sorted. A dimension that only one cube has belongs to the result, \
         and the other cube is repeated along it. Where both have a value the resolver decides. If the pixel grids \
         do not match, the second cube is brought to the one of the first with the nearest neighbour.",
    )
    .category("cubes")
    .param(param("cube1", "The first data cube.", schema::cube()))
    .param(param("cube2", "The second data cube.", schema::cube()))
    .param(
        param(
            "overlap_resolver",
            "Makes one value of `x`, from the first cube, and `y`, from the second; needed if they overlap.",
            schema::pair_callback(),
        )
        .default(serde_json::Value::Null),
    )
    .param(super::arguments::context())
    .returns("The merged data cube.", schema::cube())
    .throws("OverlapResolverMissing", "The data cubes overlap and there is no overlap resolver.")
    .throws(
        "IncompatibleGeometryTypes",
        "The geometries of the two data cubes are of different kinds.",
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (one, two) = (call.cube("cube1")?, call.cube("cube2")?);
    let first = call.schema(one);
    let two = aligned(call, &first, two)?;
    let second = call.schema(two);
    let resolver = if call.has("overlap_resolver") {
        let x = Input::Value(0, Type::of_dtype(first.dtype()));
        let y = Input::Value(1, Type::of_dtype(second.dtype()));
        Some(call.callback("overlap_resolver", &[("x", x), ("y", y)])?)
    } else {
        None
    };
    call.try_add(Op::merge([&first, &second], resolver), vec![one, two])
}

/// The second cube on pixels that are those of the first one or lie between their continuation.
fn aligned(call: &mut Call<'_, '_>, first: &Schema, two: NodeId) -> Result<NodeId, Problem> {
    let own = call.schema(two);
    match (first.grid(), own.grid()) {
        (Ok(target), Ok(grid)) if !same_lattice(&target, &grid) => {
            Ok(call.add_node(Op::warp(&own, target, Method::Near)?, vec![two]))
        }
        _ => Ok(two),
    }
}

/// Whether pixels of both lie on one lattice, wherever each begins.
fn same_lattice(a: &Grid, b: &Grid) -> bool {
    let axis = |a: eolith_cube::Regular, b: eolith_cube::Regular| {
        let steps = (b.start - a.start) / a.step;
        let longest = a.len.max(b.len) as f64;
        (steps - steps.round()).abs() <= 1e-3
            && (a.step - b.step).abs() * longest <= 1e-3 * a.step.abs()
    };
    a.crs == b.crs && axis(a.x, b.x) && axis(a.y, b.y)
}
