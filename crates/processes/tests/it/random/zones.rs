//! Zones of several accumulation cells: strips of rows, tiles of lanes and cuts through every zone give the same bits.

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{
    Block, Crs, DType, Dimension, Kind, Label, Labels, Number, Regular, Schema, SpatialAxis,
    Values, Variable,
};
use eolith_plan::op::Cube;
use serde_json::{Map, Value as Json, json};

use super::chance::Chance;
use super::run::{self, Problem};

const ROWS: usize = 31;
const COLUMNS: usize = 23;

/// Dates, rows and columns with gaps and NaN, in any order of dimensions.
fn cube(chance: &mut Chance, dtype: DType) -> Cube {
    let crs = Some(Crs::epsg(32633).unwrap());
    let regular = |start, step, len| Labels::Regular(Regular { start, step, len });
    let spatial = |name: &str, axis, labels| {
        Dimension::new(name, Kind::Spatial { axis, crs: crs.clone() }, labels)
    };
    let times = (0..2).map(|i| Label::Time(TimeLabel::of(Instant(i * 86_400_000_000))));
    let mut dims = vec![
        Dimension::new("t", Kind::Temporal, Labels::list(times)),
        spatial("y", SpatialAxis::Y, regular(5_000_095.0, -10.0, ROWS)),
        spatial("x", SpatialAxis::X, regular(500_005.0, 10.0, COLUMNS)),
    ];
    chance.shuffle(&mut dims);
    let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap()).collect();
    let len = shape.iter().product();
    let mut values = Values::zeros(dtype, len);
    let mut valid = vec![true; len];
    for (i, valid) in valid.iter_mut().enumerate() {
        *valid = !chance.one_in(6);
        let number = if !dtype.is_float() {
            Number::Int(chance.below(120) as i128)
        } else if chance.one_in(2000) {
            Number::Float(f64::NAN)
        } else {
            Number::Float(f64::from(chance.below(1000) as f32 / 7.0))
        };
        if *valid {
            values.set(i, number);
        }
    }
    let schema = Schema::uniform(dims, Variable::new(dtype));
    Cube { schema, block: Block { shape, values, validity: Some(valid) }.canonical() }
}

/// All pixels, parts of them in any order, one pixel, and none.
fn zones(chance: &mut Chance) -> Json {
    let place = |x: usize, y: usize| [500_000.0 + 10.0 * x as f64, 5_000_100.0 - 10.0 * y as f64];
    let mut rings = vec![
        vec![place(0, 0), place(COLUMNS, 0), place(COLUMNS, ROWS), place(0, ROWS)],
        vec![place(4, 29), place(5, 29), place(5, 30), place(4, 30)],
        vec![place(90, 90), place(91, 90), place(91, 91), place(90, 91)],
    ];
    for _ in 0..5 {
        rings.push((0..5).map(|_| place(chance.below(COLUMNS), chance.below(ROWS))).collect());
    }
    chance.shuffle(&mut rings);
    let features: Vec<Json> = (rings.into_iter())
        .map(|mut ring| {
            ring.push(ring[0]);
            let geometry = json!({ "type": "Polygon", "coordinates": [ring] });
            json!({ "type": "Feature", "properties": null, "geometry": geometry })
        })
        .collect();
    let crs = json!({ "type": "name", "properties": { "name": "EPSG:32633" } });
    json!({ "type": "FeatureCollection", "features": features, "crs": crs })
}

#[test]
fn zones_in_strips_are_zones_at_once() {
    let reducers = ["mean", "sum", "sd", "median", "first", "last", "count", "max", "product"];
    let mut compared = 0;
    for (seed, reducer) in reducers.into_iter().enumerate() {
        let mut chance = Chance::new(seed as u64);
        let dtype = if seed % 3 == 2 { DType::U8 } else { DType::F32 };
        let cubes: [Cube; 2] = std::array::from_fn(|_| cube(&mut chance, dtype));
        let reduced = json!({ "process_graph": { "only": { "process_id": reducer, "result": true,
            "arguments": { "data": { "from_parameter": "data" } } } } });
        let target = if seed % 2 == 0 { Json::Null } else { json!("statistics") };
        let zonal = |from: Json, chance: &mut Chance| {
            json!({ "process_id": "aggregate_spatial", "arguments": { "data": from,
                "geometries": zones(chance), "reducer": reduced, "target_dimension": target } })
        };
        let data = || json!({ "from_parameter": "data" });
        let kernel = json!({ "process_id": "apply_kernel",
            "arguments": { "data": data(), "kernel": [[1, 2, 1], [2, 3, 2], [1, 2, 1]], "factor": 0.1 } });
        let highest = json!({ "process_id": "reduce_dimension", "arguments": { "data": data(),
            "dimension": "t", "reducer": { "process_graph": { "only": { "process_id": "max",
            "arguments": { "data": { "from_parameter": "data" } }, "result": true } } } } });
        // What comes before the zones, and what comes after them.
        for (before, after) in [(None, None), (Some(kernel), None), (Some(highest), Some("add"))] {
            let mut graph = Map::new();
            let from = match before {
                Some(node) => {
                    graph.insert("before".to_owned(), node);
                    json!({ "from_node": "before" })
                }
                None => data(),
            };
            graph.insert("zones".to_owned(), zonal(from, &mut chance));
            if after.is_some() {
                // Two reductions of one axis, each with zones of its own.
                graph.insert("others".to_owned(), zonal(data(), &mut chance));
                graph.insert("both".to_owned(), json!({ "process_id": "merge_cubes", "arguments": {
                    "cube1": { "from_node": "others" }, "cube2": { "from_node": "zones" },
                    "overlap_resolver": { "process_graph": { "only": { "process_id": "subtract",
                        "arguments": { "x": { "from_parameter": "x" }, "y": { "from_parameter": "y" } },
                        "result": true } } } } }));
            }
            let last = if after.is_some() { "both" } else { "zones" };
            graph[last]["result"] = json!(true);
            match run::check(&graph, &cubes) {
                Ok(()) => compared += 1,
                Err(Problem::Different(text)) => {
                    panic!("{reducer} {}", text.chars().take(3000).collect::<String>())
                }
                Err(Problem::Refused | Problem::Failed) => {}
            }
        }
    }
    assert!(compared >= 2 * reducers.len(), "only {compared} were compared");
}
