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
    .note("No-data in one of two overlapping values goes through the resolver.")
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{Outcome, callback, cube, numbers, run};
    use eolith_plan::op::Cube;

    fn merged(one: &Cube, two: &Cube, resolver: Json) -> Result<Outcome, String> {
        let graph = json!({ "merge": { "process_id": "merge_cubes", "result": true, "arguments": {
            "cube1": { "from_parameter": "one" }, "cube2": { "from_parameter": "two" },
            "overlap_resolver": resolver,
        } } });
        run(graph, &[("one", one), ("two", two)])
    }

    #[test]
    fn instants_are_sorted_and_bands_are_appended() {
        let one = cube(&["2020-01-01", "2020-01-03"], &["b"], 1, 1, vec![1.0, 3.0]);
        let two = cube(&["2020-01-02"], &["a"], 1, 1, vec![2.0]);
        let result = merged(&one, &two, Json::Null).unwrap().cube();
        let labels = |d: usize| -> Vec<String> {
            result.schema.dims[d].labels().unwrap().iter().map(|label| label.to_string()).collect()
        };
        assert_eq!(labels(0), ["2020-01-01", "2020-01-02", "2020-01-03"]);
        assert_eq!(labels(1), ["b", "a"]);
        assert_eq!(numbers(&result), [Some(1.0), None, None, Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn overlaps_need_a_resolver_that_sees_both_values() {
        let one = cube(&["2020-01-01"], &["a"], 1, 2, vec![5.0, f64::NAN]);
        let two = cube(&["2020-01-01"], &["a"], 1, 2, vec![2.0, 1.0]);
        assert_eq!(merged(&one, &two, Json::Null), Err("OverlapResolverMissing".to_owned()));
        let (x, y) = (json!({ "from_parameter": "x" }), json!({ "from_parameter": "y" }));
        let difference = callback("subtract", json!({ "x": x, "y": y }));
        let found = numbers(&merged(&one, &two, difference).unwrap().cube());
        assert_eq!(found, [Some(3.0), None]);
    }

    #[test]
    fn tiles_of_one_grid_lie_side_by_side() {
        let one = cube(&["2020-01-01"], &["a"], 1, 2, vec![1.0, 2.0]);
        let mut two = cube(&["2020-01-01"], &["a"], 1, 2, vec![3.0, 4.0]);
        let labels = [500_025.0, 500_035.0].map(eolith_cube::Label::Float);
        two.schema.dims[3].axis = eolith_cube::Axis::Known(eolith_cube::Labels::list(labels));
        let found = numbers(&merged(&two, &one, Json::Null).unwrap().cube());
        assert_eq!(found, [1.0, 2.0, 3.0, 4.0].map(Some));
    }
}
