//! `apply_polygon`: a process on the pixels of polygons.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

pub(crate) static APPLY_POLYGON: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let callback = schema::process_graph(
        [
            param("data", "", schema::raster_cube()),
            param("context", "", schema::any()).default(Json::Null),
        ],
        json!({ "schema": schema::raster_cube() }),
    );
    Definition::new(
        "apply_polygon",
        "Apply a process to the pixels of polygons",
        "Runs a process for each polygon. It gets the rows and columns with pixels whose centres lie inside of the \
         polygon or on its boundary, where all other pixels have the mask value, and returns a data cube with the \
         same dimensions, of which the pixels of the polygon are taken. Pixels that no polygon has stay as they are. \
         Empty geometries are passed over.",
    )
    .category("cubes")
    .param(param("data", "A raster data cube.", schema::raster_cube()))
    .param(param(
        "geometries",
        "Polygons: GeoJSON, in degrees unless a named `crs` says otherwise, or a vector data cube.",
        schema::cube_with([
            json!({ "type": "geometry", "geometry_type": ["Polygon", "MultiPolygon"] }),
        ]),
    ))
    .param(param("process", "Computes new values of the pixels of a polygon.", callback))
    .param(
        param(
            "mask_value",
            "What the process sees in place of pixels that the polygon has not; null is no-data.",
            schema::any_of([
                schema::number(),
                schema::boolean(),
                schema::string(),
                schema::null(),
            ]),
        )
        .default(Json::Null),
    )
    .param(super::arguments::context())
    .returns("A data cube with the new values and the same dimensions.", schema::raster_cube())
    .throws("GeometriesOverlap", "A pixel belongs to several of the polygons.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let features = super::arguments::areas(call, "geometries")?;
    let outside = match call.constant("mask_value")? {
        value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_)) => value,
        other => {
            let message = format!("a data cube holds numbers and booleans, not {}", other.kind());
            return Err(Problem::argument("mask_value", message));
        }
    };
    call.areas("process", data, &features, &outside)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, callback, cube, numbers};
    use eolith_plan::op::Cube;

    /// Two rows of six pixels, 1 to 6 and 7 to 12; polygons have pixels of the first one.
    fn data() -> Cube {
        cube(&["2020-01-01"], &["a"], 2, 6, (1..=12).map(f64::from).collect())
    }

    /// The first row.
    fn first(cube: &Cube) -> Vec<Option<f64>> {
        numbers(cube)[..6].to_vec()
    }

    /// A box around the pixels `first..=last` of the row.
    fn pixels(first: i32, last: i32) -> Json {
        let (west, east) = (500_001 + 10 * first, 500_009 + 10 * last);
        json!([[
            [west, 5_000_091],
            [east, 5_000_091],
            [east, 5_000_099],
            [west, 5_000_099],
            [west, 5_000_091]
        ]])
    }

    fn applied(polygons: &[Json], process: Json, mask_value: Json) -> Result<Cube, String> {
        let features: Vec<Json> = (polygons.iter())
            .map(|ring| json!({ "type": "Feature", "properties": {}, "geometry": { "type": "Polygon", "coordinates": ring } }))
            .collect();
        let crs = json!({ "type": "name", "properties": { "name": "EPSG:32633" } });
        let geometries = json!({ "type": "FeatureCollection", "features": features, "crs": crs });
        let arguments =
            json!({ "geometries": geometries, "process": process, "mask_value": mask_value });
        call("apply_polygon", arguments, &data()).map(|outcome| outcome.cube())
    }

    fn smooth() -> Json {
        callback(
            "apply_kernel",
            json!({ "data": { "from_parameter": "data" }, "kernel": [[1, 1, 1]] }),
        )
    }

    #[test]
    fn pixels_of_no_polygon_stay_and_are_not_seen() {
        let found = applied(&[pixels(0, 1), pixels(3, 4)], smooth(), Json::Null).unwrap();
        assert_eq!(first(&found), [3.0, 3.0, 3.0, 9.0, 9.0, 6.0].map(Some));
    }

    #[test]
    fn the_mask_value_is_seen() {
        // Two parts of one polygon with a pixel between them that it has not.
        let geometry = json!({ "type": "MultiPolygon", "coordinates": [pixels(0, 0), pixels(2, 2)],
            "crs": { "type": "name", "properties": { "name": "EPSG:32633" } } });
        let run = |mask_value: Json| {
            let arguments =
                json!({ "geometries": geometry, "process": smooth(), "mask_value": mask_value });
            first(&call("apply_polygon", arguments, &data()).unwrap().cube())
        };
        assert_eq!(run(json!(100)), [101.0, 2.0, 103.0, 4.0, 5.0, 6.0].map(Some));
        assert_eq!(run(Json::Null), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some));
    }

    #[test]
    fn a_pixel_belongs_to_one_polygon_at_most() {
        let found = applied(&[pixels(0, 2), pixels(2, 4)], smooth(), Json::Null);
        assert_eq!(found, Err("GeometriesOverlap".to_owned()));
    }
}
