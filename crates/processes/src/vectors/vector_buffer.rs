//! `vector_buffer`: geometries grown or shrunk by a distance.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

use super::{changed, in_metres, vector_cube, with_features};

pub(crate) static VECTOR_BUFFER: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "vector_buffer",
        "Grow or shrink geometries by a distance",
        "Replaces each geometry by all that is at most the distance away from it. A negative distance leaves the part \
         of polygons that is at least so far from their boundary, which may be nothing, and nothing of points and \
         lines. Round corners have 16 chords a quarter circle. Empty geometries, properties and values stay as they \
         are.",
    )
    .experimental()
    .category("vector")
    .param(param("geometries", "A vector data cube.", schema::vector_cube()))
    .param(param(
        "distance",
        "The distance in metres, positive or negative.",
        json!({ "type": "number", "not": { "const": 0 } }),
    ))
    .returns("A vector data cube of polygons, of which some may be empty.", schema::vector_cube())
    .throws("UnitMismatch", "The unit of the reference system is not the metre.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, dim, features) = vector_cube(call, "geometries")?;
    let distance = crate::cubes::arguments::number(call, "distance")?;
    if distance == 0.0 {
        return Err(Problem::argument("distance", "a distance of 0 changes nothing"));
    }
    in_metres(&features, "distance")?;
    let buffered = changed(&features, |geometry| geometry.buffered(distance));
    with_features(call, data, dim, buffered)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::numbers;
    use crate::vectors::testing::{call, cube, geometries, labels, metres};

    fn square() -> Json {
        json!({ "type": "Polygon", "coordinates": [[
            [500_000, 0], [500_010, 0], [500_010, 10], [500_000, 10], [500_000, 0]
        ]] })
    }

    #[test]
    fn polygons_shrink_and_everything_else_stays() {
        let point = json!({ "type": "Point", "coordinates": [500_000, 0] });
        let empty = json!({ "type": "MultiPoint", "coordinates": [] });
        let data = cube(&[square(), point, empty.clone(), Json::Null], Some(metres()));
        let found = call("vector_buffer", json!({ "distance": -2 }), &[("geometries", &data)]);
        let found = found.unwrap();
        assert_eq!(labels(&found), ["a", "b", "c", "d"]);
        assert_eq!(numbers(&found), [0.0, 1.0, 2.0, 3.0].map(Some));
        let shapes = geometries(&found);
        let bounds = found.schema.dims[0].features().unwrap().list[0].geometry.as_ref();
        let expected = [500_002.0, 2.0, 500_008.0, 8.0];
        let near = bounds
            .unwrap()
            .bounds()
            .unwrap()
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{:?}", shapes[0]);
        assert_eq!(shapes[1], json!({ "type": "MultiPolygon", "coordinates": [] }));
        assert_eq!(shapes[2..], [empty, Json::Null]);
    }

    #[test]
    fn distances_that_mean_nothing_are_refused() {
        let degrees = cube(&[json!({ "type": "Point", "coordinates": [7, 50] })], None);
        let buffered = |distance: Json, data| {
            let found =
                call("vector_buffer", json!({ "distance": distance }), &[("geometries", data)]);
            found.map(|_| ())
        };
        assert_eq!(buffered(json!(5), &degrees), Err("UnitMismatch".to_owned()));
        let data = cube(&[square()], Some(metres()));
        let invalid = Err("ProcessParameterInvalid".to_owned());
        assert_eq!(buffered(json!(0), &data), invalid);
        assert_eq!(buffered(json!("5"), &data), invalid);
        assert_eq!(buffered(Json::Null, &data), invalid);
    }
}
