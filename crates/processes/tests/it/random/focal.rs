//! Arguments of processes that work on parts of a cube: callbacks for cubes, polygons apart from each other.

use eolith_cube::Schema;
use serde_json::{Value as Json, json};

use super::callbacks;
use super::chance::Chance;

/// Boxes beside each other, of which no two share a pixel.
pub(super) fn apart(chance: &mut Chance, schema: &Schema) -> Option<Json> {
    let grid = schema.grid().ok()?;
    let [west, south, east, north] = grid.bounds();
    let middle = west + (east - west) * chance.below(1000) as f64 / 1000.0 + 0.001;
    let slope = (east - west) * (chance.below(200) as f64 - 100.0) / 400.0;
    let ring = |points: Vec<[f64; 2]>| {
        let geometry = json!({ "type": "Polygon", "coordinates": [points] });
        json!({ "type": "Feature", "properties": null, "geometry": geometry })
    };
    let gap = (east - west) / 997.0;
    let left = [
        [west - 5.0, south],
        [middle - gap, south],
        [middle + slope - gap, north],
        [west - 5.0, south],
    ];
    let right =
        [[middle, south], [east, south], [east, north], [middle + slope, north], [middle, south]];
    let crs = json!({ "type": "name", "properties": { "name": grid.crs.to_string() } });
    let features = [ring(left.to_vec()), ring(right.to_vec())];
    Some(json!({ "type": "FeatureCollection", "features": features, "crs": crs }))
}

/// A callback for cubes that keeps their dimensions.
pub(super) fn callback(chance: &mut Chance, schema: &Schema, numeric: bool) -> Json {
    let data = json!({ "from_parameter": "data" });
    let dim = schema.dims[chance.below(schema.dims.len())].name.clone();
    let x = json!({ "from_parameter": "x" });
    if !numeric {
        let negated = callbacks::callback("not", json!({ "x": x }));
        return callbacks::callback("apply", json!({ "data": data, "process": negated }));
    }
    let kernel = json!([[0.5, -1, 2], [1, 0.25, 1], [3, 1, -0.125]]);
    match chance.below(6) {
        0 => callbacks::callback(
            "apply_kernel",
            json!({ "data": data, "kernel": kernel, "border": 1.5 }),
        ),
        1 => {
            let process = callbacks::element(chance, &["x"], true);
            callbacks::callback("apply", json!({ "data": data, "process": process }))
        }
        2 => {
            let sums = callbacks::callback("cumsum", json!({ "data": data }));
            callbacks::callback(
                "apply_dimension",
                json!({ "data": data, "dimension": dim, "process": sums }),
            )
        }
        // The distance from the mean of the window, along one dimension or two.
        3 | 4 => {
            let mean = callbacks::callback("mean", json!({ "data": data }));
            let minus =
                callbacks::callback("subtract", json!({ "x": x, "y": { "from_parameter": "y" } }));
            let other = schema.dims.iter().map(|own| &own.name).find(|name| **name != dim);
            let mut nodes = json!({
                "one": { "process_id": "reduce_dimension",
                    "arguments": { "data": data, "dimension": dim, "reducer": mean } },
                "both": { "process_id": "merge_cubes", "result": true,
                    "arguments": { "cube1": data, "cube2": { "from_node": "one" }, "overlap_resolver": minus } },
            });
            if let Some(other) = other.filter(|_| chance.one_in(2)) {
                nodes["two"] = json!({ "process_id": "reduce_dimension",
                    "arguments": { "data": { "from_node": "one" }, "dimension": other, "reducer": mean } });
                nodes["both"]["arguments"]["cube2"] = json!({ "from_node": "two" });
            }
            json!({ "process_graph": nodes })
        }
        _ => json!({ "process_graph": {
            "wide": { "process_id": "apply_neighborhood", "arguments": {
                "data": data,
                "size": [{ "dimension": dim, "value": 2, "unit": "px" }],
                "process": callbacks::callback("apply_kernel", json!({ "data": data, "kernel": kernel })),
            } },
            "mask": { "process_id": "mask", "result": true, "arguments": {
                "data": { "from_node": "wide" },
                "mask": { "from_node": "flags" },
            } },
            "flags": { "process_id": "apply", "arguments": {
                "data": data,
                "process": callbacks::callback("gt", json!({ "x": x, "y": 3 })),
            } },
        } }),
    }
}
