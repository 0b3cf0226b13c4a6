//! `mask_polygon`: replaces the pixels outside (or inside) of polygons.

use std::sync::Arc;

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

use super::mask::{replaced, replacement};

pub(crate) static MASK_POLYGON: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "mask_polygon",
        "Apply a mask of polygons",
        "Replaces the pixels whose centre lies outside of all polygons, or those whose centre lies inside or on the \
         boundary of one. Pixels without data stay without data. Positions are brought to the reference system of the \
         data cube, edges stay straight. Empty geometries are passed over.",
    )
    .category("cubes")
    .category("masks")
    .param(param("data", "The data cube to mask.", schema::raster_cube()))
    .param(param(
        "mask",
        "Polygons: GeoJSON, in degrees unless a named `crs` says otherwise, or a vector data cube.",
        schema::polygons(),
    ))
    .param(
        param(
            "replacement",
            "What stands in for masked values; null is no-data.",
            schema::any_of([
                schema::number(),
                schema::boolean(),
                schema::string(),
                schema::null(),
            ]),
        )
        .default(Json::Null),
    )
    .param(
        param("inside", "Whether the pixels inside are replaced.", schema::boolean())
            .default(json!(false)),
    )
    .returns("The masked data cube.", schema::raster_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let features = super::arguments::areas(call, "mask")?;
    let replacement = replacement(call)?;
    let inside = match call.constant("inside")? {
        Value::Bool(inside) => inside,
        other => {
            let message = format!("a boolean is expected, not {}", other.kind());
            return Err(Problem::argument("inside", message));
        }
    };
    let mask = call.inside(data, &features)?;
    let (schema, mask_schema) = (call.schema(data), call.schema(mask));
    let expr = replaced(&schema, &mask_schema, replacement, inside)?;
    call.try_add(Op::map(&[&schema, &mask_schema], Arc::new(expr)), vec![data, mask])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, cube, numbers};

    /// Two rows of three pixels of 10 m, the middle one of the first without data.
    fn masked(arguments: Json) -> Result<Vec<Option<f64>>, String> {
        let values = vec![1.0, f64::NAN, 3.0, 4.0, 5.0, 6.0];
        let data = cube(&["2020-01-01"], &["a"], 2, 3, values);
        call("mask_polygon", arguments, &data).map(|outcome| numbers(&outcome.cube()))
    }

    /// Around the first two columns.
    fn left() -> Json {
        let (west, east, south, north) = (500_000, 500_020, 5_000_000, 5_000_200);
        json!({ "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
            "crs": { "type": "name", "properties": { "name": "EPSG:32633" } } })
    }

    #[test]
    fn the_pixels_outside_are_replaced_or_those_inside() {
        let found = masked(json!({ "mask": left() })).unwrap();
        assert_eq!(found, [Some(1.0), None, None, Some(4.0), Some(5.0), None]);
        let found = masked(json!({ "mask": left(), "inside": true })).unwrap();
        assert_eq!(found, [None, None, Some(3.0), None, None, Some(6.0)]);
    }

    #[test]
    fn what_has_no_data_is_not_replaced() {
        let found = masked(json!({ "mask": left(), "replacement": -1, "inside": true })).unwrap();
        let expected = [Some(-1.0), None, Some(3.0), Some(-1.0), Some(-1.0), Some(6.0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        for arguments in [
            json!({ "mask": { "type": "Point", "coordinates": [0, 0] } }),
            json!({ "mask": { "type": "LineString", "coordinates": [[0, 0], [1, 1]] } }),
            json!({ "mask": { "type": "FeatureCollection", "features": [] } }),
            json!({ "mask": left(), "replacement": "none" }),
            json!({ "mask": left(), "inside": 1 }),
        ] {
            assert_eq!(
                masked(arguments.clone()),
                Err("ProcessParameterInvalid".to_owned()),
                "{arguments}"
            );
        }
    }
}
