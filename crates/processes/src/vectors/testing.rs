//! Vector cubes for tests, through process graphs.

use std::sync::Arc;

use eolith_cube::Features;
use eolith_plan::op::Cube;
use serde_json::{Value as Json, json};

use crate::cubes::testing::run;

/// Metres of UTM 33N around (500000, 5000000), as GeoJSON names it.
pub(super) fn metres() -> Json {
    json!({ "type": "name", "properties": { "name": "EPSG:32633" } })
}

/// Features with these geometries, the ids `a`, `b`, … and a property `n`, in degrees.
pub(super) fn collection(geometries: &[Json]) -> Json {
    let features: Vec<Json> = (geometries.iter().enumerate())
        .map(|(i, geometry)| {
            let id = char::from(b'a' + i as u8).to_string();
            json!({ "type": "Feature", "id": id, "geometry": geometry, "properties": { "n": i } })
        })
        .collect();
    json!({ "type": "FeatureCollection", "features": features })
}

/// A vector cube with the values `n`, whose geometries are given in `crs`.
pub(super) fn cube(geometries: &[Json], crs: Option<Json>) -> Cube {
    let mut json = collection(geometries);
    if let Some(crs) = crs {
        json["crs"] = crs;
    }
    let features = Features::parse(&json).unwrap();
    let load = json!({ "load": { "process_id": "load_geojson", "result": true,
        "arguments": { "data": collection(geometries), "properties": ["n"] } } });
    let mut cube = run(load, &[]).unwrap().cube();
    cube.schema.dims[0].kind = eolith_cube::Kind::Geometry(Arc::new(features));
    cube
}

/// One call over a cube.
pub(super) fn call(id: &str, arguments: Json, cubes: &[(&str, &Cube)]) -> Result<Cube, String> {
    let mut arguments = arguments;
    for (name, _) in cubes {
        arguments[*name] = json!({ "from_parameter": name });
    }
    let graph = json!({ "one": { "process_id": id, "arguments": arguments, "result": true } });
    run(graph, cubes).map(|outcome| outcome.cube())
}

/// The features of a cube as GeoJSON geometries.
pub(super) fn geometries(cube: &Cube) -> Vec<Json> {
    let features = cube.schema.dims[0].features().unwrap();
    (features.list.iter())
        .map(|feature| feature.geometry.as_ref().map_or(Json::Null, |own| own.to_json()))
        .collect()
}

/// The labels of the geometries as texts.
pub(super) fn labels(cube: &Cube) -> Vec<String> {
    cube.schema.dims[0].labels().unwrap().iter().map(|label| label.to_string()).collect()
}
