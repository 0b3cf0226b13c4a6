//! Codes and schemas against the standard's own files, where they are present.

use std::path::{Path, PathBuf};

use eolith_graph::{Code, schema};
use serde_json::{Value, json};

/// A file of the reference data, or `None` where there is none.
fn reference(path: &str) -> Option<Value> {
    let root = std::env::var_os("EOLITH_REFERENCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = root.join("openeo").join(path);
    if !root.exists() {
        return None;
    }
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn every_code_has_the_status_of_the_standard() {
    let Some(Value::Object(errors)) = reference("api/errors.json") else { return };
    assert!(errors.len() > 40);
    for (code, error) in errors {
        let status = Code::new(code.clone()).http_status();
        assert_eq!(Some(u64::from(status)), error["http"].as_u64(), "{code}");
    }
    assert_eq!(Code::new("NirBandAmbiguous").http_status(), 400);
}

#[test]
fn schemas_equal_the_standard() {
    let element_or_null = |least: i64| schema::number_or_null_from(least);
    let cases = [
        ("absolute", "x", schema::number_or_null()),
        ("absolute", "", element_or_null(0)),
        ("arccos", "x", schema::number_or_null_between(-1, 1)),
        ("eq", "delta", schema::positive_number_or_null()),
        ("eq", "x", schema::scalar_or_null()),
        ("eq", "case_sensitive", schema::boolean()),
        ("and", "x", schema::boolean_or_null()),
        ("int", "", schema::integer_or_null()),
        ("between", "min", schema::number()),
        ("round", "p", schema::integer()),
        ("array_create", "data", schema::array_any()),
        ("array_create", "repeat", schema::integer_from(1)),
        ("array_element", "label", schema::label()),
        ("max", "data", schema::array_number_or_null()),
        ("all", "data", schema::array_boolean_or_null()),
        ("load_collection", "id", schema::collection_id()),
        ("load_collection", "spatial_extent", schema::spatial_extent()),
        ("load_collection", "temporal_extent", schema::temporal_extent()),
        (
            "load_collection",
            "bands",
            schema::any_of([schema::array_from(1, schema::band_name()), schema::no_filter()]),
        ),
        (
            "load_collection",
            "properties",
            schema::any_of([schema::metadata_filter(), schema::no_filter()]),
        ),
        ("load_collection", "", schema::cube()),
        ("save_result", "format", schema::output_format()),
        ("save_result", "options", schema::output_format_options()),
        ("save_result", "", schema::stac()),
        ("filter_bbox", "data", schema::raster_or_vector_cube()),
        ("filter_bbox", "extent", schema::bounding_box()),
        ("filter_bands", "data", schema::cube_with([schema::bands()])),
        ("filter_bands", "bands", schema::array(schema::band_name())),
        ("filter_temporal", "data", schema::cube_with([schema::temporal()])),
        ("filter_temporal", "extent", schema::temporal_interval()),
        ("filter_temporal", "dimension", schema::string_or_null()),
        ("reduce_dimension", "reducer", schema::reducer_callback()),
        ("reduce_dimension", "dimension", schema::string()),
        ("reduce_dimension", "context", schema::any()),
        ("apply", "process", schema::element_callback()),
        ("apply_dimension", "process", schema::array_callback()),
        ("merge_cubes", "overlap_resolver", schema::pair_callback()),
        ("mask", "mask", schema::raster_cube()),
        ("ndvi", "data", schema::cube_with([schema::spatial(), schema::bands()])),
        ("ndvi", "nir", schema::band_name()),
        ("resample_spatial", "projection", schema::target_projection()),
        (
            "resample_spatial",
            "resolution",
            schema::any_of([
                json!({ "type": "number", "minimum": 0 }),
                schema::pair(json!({ "type": "number", "minimum": 0 })),
            ]),
        ),
        (
            "add_dimension",
            "type",
            schema::one_of(&["bands", "geometry", "spatial", "temporal", "other"]),
        ),
    ];
    for (process, parameter, ours) in cases {
        let Some(definition) = reference(&format!("processes/{process}.json")) else { return };
        let standard = if parameter.is_empty() {
            &definition["returns"]["schema"]
        } else {
            let parameters = definition["parameters"].as_array().unwrap();
            &parameters.iter().find(|p| p["name"] == parameter).unwrap()["schema"]
        };
        assert_eq!(ours, without_texts(standard), "{process}.{parameter}");
    }
}

fn without_texts(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(without_texts).collect(),
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .filter(|(key, value)| *key != "description" || !value.is_string())
                .map(|(key, value)| (key.clone(), without_texts(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}
