//! Random calls of cube processes, with arguments that make sense for the cube they get.

use eolith_cube::{DType, Kind, Schema, SpatialAxis};
use eolith_plan::op::Cube;
use eolith_plan::value::Value;
use serde_json::{Map, Value as Json, json};

use super::callbacks::{array, callback, element, reducer};
use super::chance::Chance;
use super::{focal, learning};

pub(crate) const CUBE_PROCESSES: &[&str] = &[
    "add_dimension",
    "aggregate_spatial",
    "aggregate_spatial_window",
    "aggregate_temporal",
    "aggregate_temporal_period",
    "anomaly",
    "apply",
    "apply_dimension",
    "apply_kernel",
    "apply_neighborhood",
    "apply_polygon",
    "climatological_normal",
    "drop_dimension",
    "filter_bands",
    "filter_bbox",
    "filter_labels",
    "filter_spatial",
    "filter_temporal",
    "filter_vector",
    "fit_curve",
    "flatten_dimensions",
    "mask",
    "mask_polygon",
    "merge_cubes",
    "ml_predict",
    "ndvi",
    "predict_curve",
    "predict_onnx",
    "raster_to_vector",
    "reduce_dimension",
    "reduce_spatial",
    "rename_dimension",
    "rename_labels",
    "resample_cube_spatial",
    "resample_cube_temporal",
    "resample_spatial",
    "save_result",
    "trim_cube",
    "unflatten_dimension",
    "vector_buffer",
    "vector_reproject",
    "vector_to_raster",
];

/// A node that calls the process with the parameter `data` as its cube; `None` where that makes no sense.
pub(crate) fn call(
    chance: &mut Chance,
    id: &str,
    schema: &Schema,
    from: &str,
    other: Option<&Cube>,
) -> Option<Json> {
    let data = json!({ "from_parameter": "data" });
    let numeric = schema.dtype() != DType::Bool;
    let dim = |chance: &mut Chance| schema.dims[chance.below(schema.dims.len())].name.clone();
    if schema.dims.is_empty() && id != "add_dimension" && id != "apply" && id != "save_result" {
        return None;
    }
    let arguments = match id {
        "add_dimension" => json!({
            "name": format!("new_{from}"),
            "label": chance.pick(&[json!("a"), json!(1), json!(2.5)]),
            "type": chance.pick(&["other", "temporal", "bands"]),
        }),
        "aggregate_spatial" => {
            json!({
                "geometries": polygons(chance, schema, 3)?,
                "reducer": reducer(chance, numeric),
                "target_dimension": chance.pick(&[Json::Null, json!("statistics")]),
            })
        }
        "aggregate_spatial_window" => {
            schema.spatial(SpatialAxis::X).and(schema.spatial(SpatialAxis::Y))?;
            json!({
                "reducer": reducer(chance, numeric),
                "size": [1 + chance.below(6), 1 + chance.below(6)],
                "boundary": chance.pick(&["pad", "trim"]),
                "align": chance.pick(&["lower-left", "upper-left", "lower-right", "upper-right"]),
            })
        }
        "aggregate_temporal" => {
            let intervals = [
                ["2020-01-01", "2020-01-02"],
                ["2020-01-02", "2020-03-01"],
                ["2019-01-01", "2020-01-05"],
                ["2021-01-01", "2022-01-01"],
            ];
            let n = 1 + chance.below(intervals.len());
            json!({ "intervals": intervals[..n], "reducer": reducer(chance, numeric) })
        }
        "aggregate_temporal_period" => json!({
            "period": chance.pick(&["day", "week", "dekad", "month", "season", "year"]),
            "reducer": reducer(chance, numeric),
        }),
        "anomaly" => {
            // A cube of one date is a normal.
            json!({ "normals": { "from_parameter": "data" }, "period": "single-period" })
        }
        "apply" => json!({ "process": element(chance, &["x"], numeric) }),
        "apply_kernel" => {
            schema.spatial(SpatialAxis::X).and(schema.spatial(SpatialAxis::Y))?;
            let (rows, columns) = (1 + 2 * chance.below(3), 1 + 2 * chance.below(3));
            let weights: Vec<Vec<f64>> = (0..rows)
                .map(|_| (0..columns).map(|_| chance.below(100) as f64 / 7.0 - 5.0).collect())
                .collect();
            let borders = ["replicate", "reflect", "reflect_pixel", "wrap"];
            let border =
                if chance.below(3) == 0 { json!(1.5) } else { json!(chance.pick(&borders)) };
            json!({ "kernel": weights, "border": border, "factor": 0.3, "replace_invalid": -2 })
        }
        "apply_neighborhood" => {
            schema.spatial(SpatialAxis::X).and(schema.spatial(SpatialAxis::Y))?;
            let mut named = |most: usize, least: usize, rare: usize| -> Vec<Json> {
                let mut entries = Vec::new();
                for dim in &schema.dims {
                    if chance.one_in(rare) {
                        let value = least + chance.below(most);
                        entries
                            .push(json!({ "dimension": dim.name, "value": value, "unit": "px" }));
                    }
                }
                entries
            };
            let (size, overlap) = (named(4, 1, 2), named(2, 0, 3));
            let process = focal::callback(chance, schema, numeric);
            json!({ "size": size, "overlap": overlap, "process": process })
        }
        "apply_polygon" => json!({
            "geometries": focal::apart(chance, schema)?,
            "mask_value": chance.pick(&[json!(null), json!(-1), json!(0.5)]),
            "process": focal::callback(chance, schema, numeric),
        }),
        "apply_dimension" => {
            let target = match chance.below(4) {
                0 => json!("target"),
                1 => json!(dim(chance)),
                _ => Json::Null,
            };
            json!({ "dimension": dim(chance), "target_dimension": target, "process": array(chance, numeric) })
        }
        "climatological_normal" => json!({
            "period": chance.pick(&["day", "month", "season", "tropical-season", "climatology-period"]),
            "climatology_period": [2020, 2020],
        }),
        "drop_dimension" => {
            let single = schema.dims.iter().find(|dim| dim.len() == Some(1))?;
            json!({ "name": single.name })
        }
        "filter_bands" => {
            let mut names = vec!["B2", "red", "B0", "nope", "B1", "nir"];
            chance.shuffle(&mut names);
            names.truncate(1 + chance.below(3));
            json!({ "bands": names, "wavelengths": if chance.one_in(3) { json!([[0.5, 0.8]]) } else { json!([]) } })
        }
        "filter_bbox" => {
            schema.spatial(SpatialAxis::X)?;
            let (west, north) = (500_000 + 10 * chance.below(4), 5_000_100 - 5 * chance.below(6));
            let (east, south) = (west + 10 * chance.below(4), north - 10 * chance.below(4));
            json!({ "extent": { "west": west, "south": south, "east": east, "north": north, "crs": 32633 } })
        }
        "filter_labels" => {
            let own = &schema.dims[chance.below(schema.dims.len())];
            let labels = own.labels()?;
            if labels.is_empty() {
                return None;
            }
            let label = Value::from(labels.get(chance.below(labels.len()))).to_json()?;
            let kind = if chance.one_in(2) { "eq" } else { "neq" };
            let condition =
                callback(kind, json!({ "x": { "from_parameter": "value" }, "y": label }));
            json!({ "dimension": own.name, "condition": condition })
        }
        "filter_spatial" => {
            let mut geometries = polygons(chance, schema, 2)?;
            if chance.one_in(3) {
                let geometry = &mut geometries["features"][0]["geometry"];
                *geometry =
                    json!({ "type": "LineString", "coordinates": geometry["coordinates"][0] });
            }
            json!({ "geometries": geometries })
        }
        "filter_temporal" => json!({
            "extent": chance.pick(&[
                json!(["2020-01-01", "2020-01-03"]),
                json!([null, "2020-01-02"]),
                json!(["2020-02-01", null]),
                json!(["2020-01-01T01:00:00Z", "2020-01-01T04:00:00Z"]),
            ]),
        }),
        "filter_vector" => {
            let relations = ["intersects", "disjoint", "contains", "within", "touches", "overlaps"];
            geometries(schema)?;
            let second = other.is_some_and(|cube| geometries(&cube.schema).is_some());
            json!({
                "geometries": { "from_parameter": if second { "second" } else { "data" } },
                "relation": chance.pick(&relations),
            })
        }
        "fit_curve" => {
            if !numeric {
                return None;
            }
            // Labels that are numbers or instants.
            let kinds = |kind: &Kind| matches!(kind, Kind::Temporal | Kind::Spatial { .. });
            let own = schema.dims.iter().find(|dim| kinds(&dim.kind))?;
            let process = learning::fitted(chance);
            let arguments = json!({ "data": data, "dimension": own.name, "process": process });
            return Some(json!({ "process_id": "apply_dimension", "arguments": arguments }));
        }
        "flatten_dimensions" => {
            let mut names: Vec<&str> = schema.dims.iter().map(|dim| dim.name.as_str()).collect();
            chance.shuffle(&mut names);
            names.truncate(1 + chance.below(3));
            json!({ "dimensions": names, "target_dimension": format!("flat_{from}") })
        }
        "mask" => {
            // A mask made of the data itself: without some dimensions, or with all.
            let second = json!({ "from_parameter": if other.is_some() && chance.one_in(2) { "second" } else { "data" } });
            let replacements = [json!(null), json!(null), json!(-1), json!(0.5), json!(true)];
            let replacement = chance.pick(&replacements);
            return Some(json!({
                "process_id": "mask",
                "arguments": { "data": data, "mask": second, "replacement": replacement },
            }));
        }
        "mask_polygon" => {
            let count = 1 + chance.below(2);
            json!({
                "mask": polygons(chance, schema, count)?,
                "replacement": chance.pick(&[json!(null), json!(-1), json!(0.5), json!(true)]),
                "inside": chance.one_in(2),
            })
        }
        "merge_cubes" => {
            let second = if chance.one_in(4) { "data" } else { "second" };
            let resolver =
                if chance.one_in(4) { Json::Null } else { element(chance, &["x", "y"], numeric) };
            return Some(json!({
                "process_id": "merge_cubes",
                "arguments": { "cube1": data, "cube2": { "from_parameter": second }, "overlap_resolver": resolver },
            }));
        }
        "ml_predict" => {
            if !numeric {
                return None;
            }
            learning::asked(chance, schema)?
        }
        "ndvi" => {
            if !numeric {
                return None;
            }
            let target = if chance.one_in(2) { json!("index") } else { Json::Null };
            let (nir, red) = if chance.one_in(2) { ("nir", "red") } else { ("B0", "B1") };
            json!({ "nir": nir, "red": red, "target_band": target })
        }
        "predict_curve" => {
            let (count, function) = learning::curve(chance);
            let own = schema.dims.iter().find(|dim| dim.len().is_some_and(|n| n >= count))?;
            let labels = learning::labels(chance, &own.kind);
            return Some(json!({ "process_id": "predict_curve", "arguments": {
                "parameters": data, "function": function, "dimension": own.name, "labels": labels,
            } }));
        }
        "predict_onnx" => json!({ "model": chance.pick(&learning::NETWORKS) }),
        "raster_to_vector" => {
            schema.spatial(SpatialAxis::X).and(schema.spatial(SpatialAxis::Y))?;
            json!({})
        }
        "reduce_dimension" => {
            json!({ "dimension": dim(chance), "reducer": reducer(chance, numeric) })
        }
        "reduce_spatial" => {
            schema.spatial(SpatialAxis::X).and(schema.spatial(SpatialAxis::Y))?;
            json!({ "reducer": reducer(chance, numeric) })
        }
        "rename_dimension" => json!({ "source": dim(chance), "target": format!("renamed_{from}") }),
        "rename_labels" => {
            let own = schema.dims.iter().find(|d| matches!(d.kind, Kind::Bands | Kind::Other))?;
            let source: Vec<Json> = (own.labels()?.iter())
                .filter_map(|label| Value::from(label).to_json())
                .take(1 + chance.below(3))
                .collect();
            let target: Vec<String> = (0..source.len()).map(|i| format!("{from}_{i}")).collect();
            json!({ "dimension": own.name, "source": source, "target": target })
        }
        "resample_cube_spatial" => {
            let target = if chance.one_in(8) { "data" } else { "second" };
            json!({
                "target": { "from_parameter": target },
                "method": chance.pick(&["near", "bilinear", "average", "max"]),
            })
        }
        "resample_cube_temporal" => {
            let target = if chance.one_in(8) { "data" } else { "second" };
            json!({
                "target": { "from_parameter": target },
                "valid_within": chance.pick(&[json!(null), json!(0), json!(1.5), json!(40)]),
            })
        }
        "resample_spatial" => {
            schema.grid().ok()?;
            let methods = [
                "near",
                "near",
                "bilinear",
                "cubic",
                "average",
                "sum",
                "max",
                "min",
                "mode",
                "med",
                "q1",
                "rms",
                "lanczos",
                "cubicspline",
            ];
            let projection = if chance.one_in(3) {
                json!(*chance.pick(&[4326, 3035, 32632]))
            } else {
                Json::Null
            };
            let resolution = if projection.is_null() {
                json!(*chance.pick(&[5.0, 7.0, 10.0, 20.0, 25.0]))
            } else {
                json!(0)
            };
            json!({
                "resolution": resolution,
                "projection": projection,
                "method": chance.pick(&methods),
                "align": chance.pick(&["lower-left", "upper-left", "lower-right", "upper-right"]),
            })
        }
        "save_result" => json!({ "format": "GTiff" }),
        "trim_cube" => json!({}),
        "unflatten_dimension" => {
            // Labels of bands (`B0`, …) have two parts around the letter B.
            let flat = schema.dims.iter().find(|dim| dim.name.starts_with("flat_"));
            let own = flat.or(schema.dims.iter().find(|dim| dim.kind == Kind::Bands))?;
            let parts = own.labels()?.iter().next()?.to_string();
            let separator = if parts.contains('~') { "~" } else { "B" };
            let count = parts.split(separator).count();
            let names: Vec<String> = (0..count).map(|i| format!("part{i}_{from}")).collect();
            json!({ "dimension": own.name, "target_dimensions": names, "label_separator": separator })
        }
        "vector_buffer" => {
            geometries(schema)?;
            let distance = *chance.pick(&[5.0, 20.5, -3.0]);
            return Some(json!({ "process_id": "vector_buffer",
                "arguments": { "geometries": data, "distance": distance } }));
        }
        "vector_reproject" => {
            geometries(schema)?;
            json!({ "projection": chance.pick(&[4326, 3857, 32633]) })
        }
        "vector_to_raster" => {
            geometries(schema)?;
            other?.schema.grid().ok()?;
            json!({ "target": { "from_parameter": "second" } })
        }
        other => panic!("no arguments for {other}"),
    };
    let mut arguments = arguments;
    arguments["data"] = data;
    Some(json!({ "process_id": id, "arguments": arguments }))
}

/// The position of the geometries.
fn geometries(schema: &Schema) -> Option<usize> {
    schema.dims.iter().position(|dim| matches!(dim.kind, Kind::Geometry(_)))
}

/// Features of four corners each in and around the grid of a cube.
fn polygons(chance: &mut Chance, schema: &Schema, count: usize) -> Option<Json> {
    let grid = schema.grid().ok()?;
    let [west, south, east, north] = grid.bounds();
    let mut place =
        |low: f64, high: f64| low + (high - low) * (chance.below(1200) as f64 - 100.0) / 1000.0;
    let features: Vec<Json> = (0..count)
        .map(|_| {
            let mut ring: Vec<[f64; 2]> =
                (0..4).map(|_| [place(west, east), place(south, north)]).collect();
            ring.push(ring[0]);
            let geometry = json!({ "type": "Polygon", "coordinates": [ring] });
            json!({ "type": "Feature", "properties": null, "geometry": geometry })
        })
        .collect();
    let crs = json!({ "type": "name", "properties": { "name": grid.crs.to_string() } });
    Some(json!({ "type": "FeatureCollection", "features": features, "crs": crs }))
}

/// Lets a node take its first cube from another node, and its second one now and then from any earlier node.
pub(crate) fn rewire(
    chance: &mut Chance,
    node: &mut Json,
    from: &str,
    earlier: &Map<String, Json>,
) {
    let first = match node["process_id"].as_str() {
        Some("merge_cubes") => "cube1",
        Some("vector_buffer") => "geometries",
        Some("predict_curve") => "parameters",
        _ => "data",
    };
    node["arguments"][first] = json!({ "from_node": from });
    let names: Vec<&String> = earlier.keys().collect();
    for name in ["mask", "cube2", "normals", "target"] {
        if node["arguments"].get(name).is_some() && chance.one_in(2) {
            node["arguments"][name] = json!({ "from_node": chance.pick(&names) });
        }
    }
}
