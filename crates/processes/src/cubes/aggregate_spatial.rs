//! `aggregate_spatial`: the pixels of each geometry to one value.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use serde_json::Value as Json;

pub(crate) static AGGREGATE_SPATIAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "aggregate_spatial",
        "Reduce the pixels of each geometry to one value",
        "Hands the pixels of each geometry to the reducer, one array for every combination of labels of the other \
         dimensions. A polygon has the pixels whose centre lies inside or on its boundary, a point the one it lies \
         in, a line all that it passes through; pixels may belong to several geometries. Positions are brought to \
         the reference system of the data cube, edges stay straight. The dimension `geometry` takes the place of x \
         and y; its labels are the ids of the features, or numbers where these are missing or not distinct. \
         Geometries without pixels have no data.",
    )
    .category("cubes")
    .category("aggregate")
    .param(param("data", "A raster data cube.", schema::cube_with([schema::spatial()])))
    .param(param(
        "geometries",
        "GeoJSON, in degrees unless a named `crs` says otherwise, or a vector data cube. One value is computed for \
         each feature, or for the one geometry.",
        schema::geometries(),
    ))
    .param(param(
        "reducer",
        "Computes one value from the array `data` of pixels, which are in the order of the grid, row by row.",
        schema::plain_reducer_callback(),
    ))
    .param(
        param(
            "target_dimension",
            "The name of a new dimension with the labels `value`, `total_count` (of pixels) and `valid_count` (of \
             those that are finite numbers); null for the value only.",
            schema::string_or_null(),
        )
        .default(Json::Null),
    )
    .param(super::arguments::context())
    .returns("A vector data cube.", schema::cube_with([schema::geometry()]))
    .throws("TargetDimensionExists", "The data cube has a dimension with the name of the new one.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let features = super::arguments::features(call, "geometries")?;
    let members = super::aggregate_temporal::members(&schema);
    let reducer = call.callback("reducer", &[("data", members)])?;
    let target = call.text("target_dimension")?;
    if !schema.pending().is_empty() && schema.grid().is_err() {
        return Err(Problem::Blocked);
    }
    let made = Op::zonal(&schema, features, reducer, target.as_deref());
    call.try_add(made, vec![data])
}

#[cfg(test)]
mod tests {
    use eolith_cube::{Kind, Labels};
    use eolith_plan::op::Cube;
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{Outcome, call, callback, cube, numbers};

    const NAN: f64 = f64::NAN;

    /// Two dates of 3 × 3 pixels of 10 m, whose upper left corner is at (500000, 5000100).
    fn data() -> Cube {
        let first = [1.0, 2.0, 3.0, 4.0, NAN, 6.0, 7.0, 8.0, 9.0];
        let values = first.iter().chain(&first.map(|v| v * 10.0)).copied().collect();
        cube(&["2020-01-01", "2020-01-02"], &["a"], 3, 3, values)
    }

    fn square(id: &str, (left, top): (f64, f64), size: f64) -> Json {
        let (right, bottom) = (left + size, top - size);
        let ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            .map(|[x, y]| [500_000.0 + x, 5_000_100.0 + y]);
        json!({ "type": "Feature", "id": id, "properties": {},
            "geometry": { "type": "Polygon", "coordinates": [ring] } })
    }

    fn collection(features: &[Json]) -> Json {
        json!({ "type": "FeatureCollection", "features": features,
            "crs": { "type": "name", "properties": { "name": "EPSG:32633" } } })
    }

    fn reduced(reducer: &str, geometries: Json, target: Json) -> Result<Outcome, String> {
        let reducer = callback(reducer, json!({ "data": { "from_parameter": "data" } }));
        let arguments =
            json!({ "geometries": geometries, "reducer": reducer, "target_dimension": target });
        call("aggregate_spatial", arguments, &data())
    }

    #[test]
    fn one_value_a_geometry_and_label() {
        let none = json!({ "type": "Feature", "id": "none", "properties": {}, "geometry": null });
        let zones = collection(&[
            square("upper left", (0.0, 0.0), 20.0),
            square("all", (0.0, 0.0), 30.0),
            square("hole", (11.0, -11.0), 8.0),
            square("far", (500.0, 0.0), 20.0),
            none,
        ]);
        let found = reduced("mean", zones.clone(), Json::Null).unwrap().cube();
        let names: Vec<&str> = found.schema.dims.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["t", "bands", "geometry"]);
        let geometry = &found.schema.dims[2];
        let ids = ["upper left", "all", "hole", "far", "none"];
        assert_eq!(geometry.labels(), Some(&Labels::texts(ids)));
        assert!(matches!(&geometry.kind, Kind::Geometry(features) if features.list.len() == 5));
        let mean = [Some(7.0 / 3.0), Some(5.0), None, None, None];
        let tenfold = [Some(70.0 / 3.0), Some(50.0), None, None, None];
        let expected: Vec<Option<f64>> = mean.iter().chain(&tenfold).copied().collect();
        assert_eq!(numbers(&found), expected);
        // Row by row of the grid.
        let last = reduced("last", zones, Json::Null).unwrap().cube();
        assert_eq!(numbers(&last)[..2], [Some(4.0), Some(9.0)]);
    }

    #[test]
    fn counts_stand_beside_the_value() {
        let zones = collection(&[
            square("all", (0.0, 0.0), 30.0),
            square("hole", (11.0, -11.0), 8.0),
            square("far", (500.0, 0.0), 20.0),
        ]);
        let found = reduced("max", zones.clone(), json!("statistics")).unwrap().cube();
        let last = found.schema.dims.last().unwrap();
        assert_eq!(last.name, "statistics");
        assert_eq!(last.labels(), Some(&Labels::texts(["value", "total_count", "valid_count"])));
        let expected = [
            [Some(9.0), Some(9.0), Some(8.0)],
            [None, Some(1.0), Some(0.0)],
            [None, Some(0.0), Some(0.0)],
        ];
        assert_eq!(numbers(&found)[..9], expected.concat());
        let taken = reduced("max", zones, json!("bands"));
        assert_eq!(taken, Err("TargetDimensionExists".to_owned()));
    }

    #[test]
    fn one_geometry_in_degrees_is_one_zone() {
        // The central meridian of the zone is the left edge of the cube.
        let point = json!({ "type": "Point", "coordinates": [15.000_06, 45.153_7] });
        let found = reduced("count", point, Json::Null).unwrap().cube();
        assert_eq!(found.schema.dims[2].labels(), Some(&Labels::enumerated(1)));
        assert_eq!(found.block.len(), 2);
    }

    #[test]
    fn what_is_no_geometry_is_refused() {
        for geometries in [
            json!({ "type": "Circle" }),
            json!({ "west": 1 }),
            json!(3),
            Json::Null,
            json!({ "type": "Point", "coordinates": [0, 0],
                "crs": { "type": "name", "properties": { "name": "EPSG:1" } } }),
        ] {
            let failed = reduced("mean", geometries.clone(), Json::Null);
            assert_eq!(failed, Err("ProcessParameterInvalid".to_owned()), "{geometries}");
        }
    }
}
