//! `filter_spatial`: the pixels of geometries.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};

pub(crate) static FILTER_SPATIAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "filter_spatial",
        "Filter by geometries",
        "Keeps the rows and columns of pixels whose centres lie in the bounding box of all geometries, and takes the \
         data away from those that no geometry has. A polygon has the pixels whose centre lies inside or on its \
         boundary, a point the one it lies in, a line all that it passes through. Positions are brought to the \
         reference system of the data cube, edges stay straight. Empty geometries are passed over.",
    )
    .category("cubes")
    .category("filter")
    .param(param("data", "A raster data cube.", schema::raster_cube()))
    .param(param(
        "geometries",
        "GeoJSON, in degrees unless a named `crs` says otherwise, or a vector data cube.",
        schema::geometries(),
    ))
    .returns("A data cube with fewer (or the same) labels along x and y.", schema::raster_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let features = super::arguments::some_features(call, "geometries")?;
    call.limit(data, features)
}

#[cfg(test)]
mod tests {
    use eolith_cube::{Axis, Crs, DType, Kind, Labels, Number, Regular, SpatialAxis, Variable};
    use eolith_plan::op::Cube;
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, cube, numbers};

    /// Numbers of four rows of five pixels of 10 m, whose upper left corner is at (500000, 5000100).
    fn data() -> Cube {
        cube(&["2020-01-01"], &["a"], 4, 5, (0..20).map(f64::from).collect())
    }

    fn in_metres(kind: &str, coordinates: &Json) -> Json {
        json!({ "type": kind, "coordinates": coordinates,
            "crs": { "type": "name", "properties": { "name": "EPSG:32633" } } })
    }

    fn filtered(geometries: &Json, data: &Cube) -> Result<Cube, String> {
        call("filter_spatial", json!({ "geometries": geometries }), data).map(|o| o.cube())
    }

    fn shape(cube: &Cube) -> Vec<usize> {
        cube.schema.shape().unwrap()
    }

    #[test]
    fn a_polygon_leaves_its_bounding_box() {
        // The triangle between the centres of row 0 column 1, row 2 column 1 and row 2 column 3.
        let ring = json!([[
            [500_015, 5_000_095],
            [500_015, 5_000_075],
            [500_035, 5_000_075],
            [500_015, 5_000_095]
        ]]);
        let found = filtered(&in_metres("Polygon", &ring), &data()).unwrap();
        assert_eq!(shape(&found), [1, 1, 3, 3]);
        let expected = [
            [Some(1.0), None, None],
            [Some(6.0), Some(7.0), None],
            [Some(11.0), Some(12.0), Some(13.0)],
        ];
        assert_eq!(numbers(&found), expected.concat());
        assert_eq!(found.schema.variables, data().schema.variables);
    }

    #[test]
    fn points_and_lines_have_the_pixels_they_lie_in() {
        let points = json!([[500_019, 5_000_091], [500_031, 5_000_079]]);
        let found = filtered(&in_metres("MultiPoint", &points), &data()).unwrap();
        assert_eq!(shape(&found), [1, 1, 3, 3]);
        let kept: Vec<f64> = numbers(&found).into_iter().flatten().collect();
        assert_eq!(kept, [1.0, 13.0]);
        let line = json!([[500_002, 5_000_088], [500_048, 5_000_088]]);
        let found = filtered(&in_metres("LineString", &line), &data()).unwrap();
        assert_eq!(numbers(&found), [5.0, 6.0, 7.0, 8.0, 9.0].map(Some));
    }

    #[test]
    fn nothing_is_left_of_what_is_elsewhere() {
        let far = filtered(&in_metres("Point", &json!([0, 0])), &data()).unwrap();
        assert_eq!(shape(&far), [1, 1, 0, 0]);
        // A polygon between the centres has columns but no row.
        let ring = json!([[
            [500_001, 5_000_099],
            [500_049, 5_000_099],
            [500_049, 5_000_096],
            [500_001, 5_000_099]
        ]]);
        let between = filtered(&in_metres("Polygon", &ring), &data()).unwrap();
        assert_eq!(shape(&between), [1, 1, 0, 5]);
    }

    #[test]
    fn geometries_without_positions_are_refused() {
        let none = json!({ "type": "Feature", "properties": {}, "geometry": null });
        let empty = json!({ "type": "Polygon", "coordinates": [] });
        for geometries in
            [json!({ "type": "FeatureCollection", "features": [none] }), none.clone(), empty]
        {
            let failed = filtered(&geometries, &data()).map(|_| ());
            assert_eq!(failed, Err("ProcessParameterInvalid".to_owned()), "{geometries}");
        }
        // Beside others they are passed over.
        let point = json!({ "type": "Point", "coordinates": [500_005, 5_000_095] });
        let some = json!({ "type": "Feature", "properties": {}, "geometry": point });
        let both = json!({ "type": "FeatureCollection", "features": [none, some],
            "crs": { "type": "name", "properties": { "name": "EPSG:32633" } } });
        assert_eq!(numbers(&filtered(&both, &data()).unwrap()), [Some(0.0)]);
    }

    /// One row of 36 pixels of 10 degrees from a longitude on, each with the longitude of its centre.
    fn around_the_earth(west: f64) -> Cube {
        let mut data = cube(&["2020-01-01"], &["a"], 1, 36, vec![0.0; 36]);
        let lon = Regular { start: west + 5.0, step: 10.0, len: 36 };
        let lat = Regular { start: 0.0, step: -10.0, len: 1 };
        for (dim, axis, regular) in [(2, SpatialAxis::Y, lat), (3, SpatialAxis::X, lon)] {
            data.schema.dims[dim].kind = Kind::Spatial { axis, crs: Some(Crs::wgs84()) };
            data.schema.dims[dim].axis = Axis::Known(Labels::Regular(regular));
        }
        data.schema.variables = vec![Variable::new(DType::F64)];
        (0..36).for_each(|i| data.block.values.set(i, Number::Float(lon.at(i))));
        data
    }

    #[test]
    fn longitudes_may_be_counted_from_anywhere() {
        let box_of = |west: f64, east: f64| {
            json!([[[west, -1], [east, -1], [east, 1], [west, 1], [west, -1]]])
        };
        let one = json!({ "type": "Polygon", "coordinates": box_of(-30.0, -10.0) });
        let found = filtered(&one, &around_the_earth(0.0)).unwrap();
        assert_eq!(numbers(&found), [335.0, 345.0].map(Some));
        let found = filtered(&one, &around_the_earth(-180.0)).unwrap();
        assert_eq!(numbers(&found), [-25.0, -15.0].map(Some));
        // Cut at the antimeridian, as RFC 7946 wants it.
        let parts = json!([box_of(170.0, 180.0), box_of(-180.0, -160.0)]);
        let across = json!({ "type": "MultiPolygon", "coordinates": parts });
        let found = filtered(&across, &around_the_earth(0.0)).unwrap();
        assert_eq!(numbers(&found), [175.0, 185.0, 195.0].map(Some));
        let found = filtered(&across, &around_the_earth(-180.0)).unwrap();
        assert_eq!(shape(&found), [1, 1, 1, 36]);
        let kept: Vec<f64> = numbers(&found).into_iter().flatten().collect();
        assert_eq!(kept, [-175.0, -165.0, 175.0]);
    }
}
