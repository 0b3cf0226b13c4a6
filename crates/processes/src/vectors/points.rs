//! `vector_to_random_points` and `vector_to_regular_points`: points sampled from geometries.

use std::sync::Arc;

use eolith_cube::geometry::Position;
use eolith_cube::geometry::sample::Random;
use eolith_cube::{Axis, Feature, Features, Geometry, Kind, Schema};
use eolith_graph::{Definition, Parameter, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

use super::{identity, in_metres, vector_cube, with_features};
use crate::cubes::arguments::number;

/// Most points of one call.
const MOST: usize = 5_000_000;

pub(crate) static VECTOR_TO_RANDOM_POINTS: Process =
    Process { definition: random_definition, lowering: Lowering::Custom(random) };

pub(crate) static VECTOR_TO_REGULAR_POINTS: Process =
    Process { definition: regular_definition, lowering: Lowering::Custom(regular) };

fn random_definition() -> Definition {
    let count = |name, text| {
        let counts = [schema::integer_from(1), json!({ "title": "Unrestricted", "type": "null" })];
        param(name, text, schema::any_of(counts)).default(Json::Null)
    };
    Definition::new(
        "vector_to_random_points",
        "Sample random points from geometries",
        "Takes points at random, evenly distributed over the area of polygons and the length of lines; of points each \
         is taken at most once. Without a count it is one point a geometry. The same seed gives the same points, on \
         every machine. Empty geometries are passed through; properties and values stay with the points.",
    )
    .experimental()
    .category("cubes")
    .category("vector")
    .param(param("data", "A vector data cube.", schema::vector_cube()))
    .param(count("geometry_count", "The most points of one geometry; null for no limit."))
    .param(count(
        "total_count",
        "The most points of all geometries, which get equal shares; the first ones one more where it does not come \
         out even. Null for no limit.",
    ))
    .param(group())
    .param(
        param(
            "seed",
            "What the random numbers start from; null for 0, so that equal process graphs have equal results.",
            schema::integer_or_null(),
        )
        .default(Json::Null),
    )
    .returns("A vector data cube of points.", points_cube())
    .throws("CountMismatch", "There are more geometries than points in total.")
}

fn regular_definition() -> Definition {
    Definition::new(
        "vector_to_regular_points",
        "Sample regular points from geometries",
        "Takes points at a distance from each other. Of each polygon they are the centres of square cells, counted \
         from the upper left corner of the box around it, that lie inside or on the boundary, or its first position \
         where there is none; of each line they are counted along it from its start; points stay. Empty geometries \
         are passed through; properties and values stay with the points.",
    )
    .experimental()
    .category("cubes")
    .category("vector")
    .param(param("data", "A vector data cube.", schema::vector_cube()))
    .param(param(
        "distance",
        "The distance in metres.",
        json!({ "type": "number", "minimumExclusive": 0 }),
    ))
    .param(group())
    .returns("A vector data cube of points.", points_cube())
    .throws("UnitMismatch", "The unit of the reference system is not the metre.")
}

fn group() -> Parameter {
    param(
        "group",
        "Whether the points of a geometry become one `MultiPoint` under its label; otherwise each is a `Point` of its \
         own without id.",
        schema::boolean(),
    )
    .default(true.into())
}

fn points_cube() -> Json {
    schema::cube_with([json!({ "type": "geometry", "geometry_type": ["Point", "MultiPoint"] })])
}

fn random(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, dim, features) = vector_cube(call, "data")?;
    let each = count(call, "geometry_count")?;
    let total = count(call, "total_count")?;
    let seed = match call.constant("seed")? {
        Value::Null => 0,
        Value::Int(seed) => seed as u64,
        other => {
            let message = format!("an integer is expected, not {}", other.kind());
            return Err(Problem::argument("seed", message));
        }
    };
    if let Some(total) = total.filter(|total| *total < features.list.len()) {
        let message = format!("{total} points are fewer than {} geometries", features.list.len());
        return Err(Problem::new("CountMismatch", message).at("total_count"));
    }
    let full: Vec<bool> = features.list.iter().map(has_positions).collect();
    let some = full.iter().filter(|full| **full).count();
    let share = |rank: usize| {
        let of_total = total.map(|total| total / some + usize::from(rank < total % some));
        match (each, of_total) {
            (None, None) => 1,
            (Some(most), None) | (None, Some(most)) => most,
            (Some(most), Some(own)) => most.min(own),
        }
    };
    if (0..some).map(share).fold(0, usize::saturating_add) > MOST {
        return Err(too_many());
    }
    let mut rank = 0;
    let mut points = Vec::with_capacity(full.len());
    for (i, feature) in features.list.iter().enumerate() {
        let own = feature.geometry.as_ref().filter(|_| full[i]).map(|geometry| {
            rank += 1;
            geometry.random_points(share(rank - 1), &mut Random::new(seed, i as u64))
        });
        points.push(own.unwrap_or_default());
    }
    sampled(call, data, dim, &features, points)
}

fn regular(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, dim, features) = vector_cube(call, "data")?;
    let distance = number(call, "distance")?;
    if distance <= 0.0 {
        return Err(Problem::argument("distance", "the distance must be greater than 0"));
    }
    in_metres(&features, "distance")?;
    let mut left = MOST;
    let mut points = Vec::with_capacity(features.list.len());
    for feature in &features.list {
        let own = match feature.geometry.as_ref() {
            Some(geometry) => geometry.regular_points(distance, left).map_err(|_| too_many())?,
            None => Vec::new(),
        };
        left -= own.len();
        points.push(own);
    }
    sampled(call, data, dim, &features, points)
}

/// The cube over the points of each feature; features without points are passed through.
fn sampled(
    call: &mut Call<'_, '_>,
    data: NodeId,
    dim: usize,
    features: &Features,
    points: Vec<Vec<Position>>,
) -> Result<Term, Problem> {
    let grouped = match call.constant("group")? {
        Value::Bool(grouped) => grouped,
        other => {
            let message = format!("a boolean is expected, not {}", other.kind());
            return Err(Problem::argument("group", message));
        }
    };
    if grouped {
        let mut features = features.clone();
        for (feature, own) in features.list.iter_mut().zip(points) {
            if !own.is_empty() {
                feature.geometry = Some(Geometry::MultiPoint(own));
            }
        }
        return with_features(call, data, dim, features);
    }
    let mut list = Vec::new();
    let mut sources: Vec<usize> = Vec::new();
    for (i, (feature, own)) in features.list.iter().zip(points).enumerate() {
        let alone =
            |geometry| Feature { id: None, geometry, properties: feature.properties.clone() };
        if own.is_empty() {
            list.push(alone(feature.geometry.clone()));
            sources.push(i);
        }
        for position in own {
            list.push(alone(Some(Geometry::Point(position))));
            sources.push(i);
        }
    }
    let schema = call.schema(data);
    let mut indices: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    indices[dim] = Some(sources.into());
    let repeated = call.add_node(Op::select(&schema, indices), vec![data]);
    let schema: Arc<Schema> = call.schema(repeated);
    let features = Features { crs: features.crs.clone(), list };
    let mut dims = identity(&schema);
    dims[dim].0.axis = Axis::Known(features.labels());
    dims[dim].0.kind = Kind::Geometry(Arc::new(features));
    call.try_add(Op::relabel(&schema, dims), vec![repeated])
}

/// A number of points; `None` for no limit.
fn count(call: &mut Call<'_, '_>, name: &str) -> Result<Option<usize>, Problem> {
    match call.constant(name)? {
        Value::Null => Ok(None),
        Value::Int(count) if count >= 1 => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
        _ => Err(Problem::argument(name, "an integer from 1 on, or null, is expected")),
    }
}

fn has_positions(feature: &Feature) -> bool {
    feature.geometry.as_ref().is_some_and(|geometry| !geometry.is_empty())
}

fn too_many() -> Problem {
    Problem::new("ProcessGraphComplexity", format!("there would be more than {MOST} points"))
        .hint("sample fewer points, or of fewer geometries")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::numbers;
    use crate::vectors::testing::{call, cube, geometries, labels, metres};

    const RANDOM: &str = "vector_to_random_points";
    const REGULAR: &str = "vector_to_regular_points";

    fn data() -> eolith_plan::op::Cube {
        let ring = json!([[[500_000, 0], [500_004, 0], [500_004, 4], [500_000, 4], [500_000, 0]]]);
        let line = json!([[500_000, 0], [500_005, 0]]);
        let all = [
            json!({ "type": "Polygon", "coordinates": ring }),
            json!({ "type": "LineString", "coordinates": line }),
            Json::Null,
            json!({ "type": "MultiPoint", "coordinates": [[1, 1], [2, 2], [3, 3]] }),
        ];
        cube(&all, Some(metres()))
    }

    fn counts(found: &eolith_plan::op::Cube) -> Vec<usize> {
        let of = |own: &Json| own["coordinates"].as_array().map_or(0, Vec::len);
        geometries(found).iter().map(of).collect()
    }

    #[test]
    fn counts_are_limits() {
        let data = data();
        let found = |arguments: Json| call(RANDOM, arguments, &[("data", &data)]);
        let one = found(json!({})).unwrap();
        assert_eq!(counts(&one), [1, 1, 0, 1]);
        assert_eq!(labels(&one), ["a", "b", "c", "d"]);
        assert_eq!(numbers(&one), [0.0, 1.0, 2.0, 3.0].map(Some));
        assert_eq!(counts(&found(json!({ "geometry_count": 5 })).unwrap()), [5, 5, 0, 3]);
        assert_eq!(counts(&found(json!({ "total_count": 8 })).unwrap()), [3, 3, 0, 2]);
        let both = json!({ "total_count": 20, "geometry_count": 4 });
        assert_eq!(counts(&found(both).unwrap()), [4, 4, 0, 3]);
        let failed = |arguments: Json| found(arguments).map(|_| ()).unwrap_err();
        assert_eq!(failed(json!({ "total_count": 3 })), "CountMismatch");
        assert_eq!(failed(json!({ "geometry_count": 0 })), "ProcessParameterInvalid");
        assert_eq!(failed(json!({ "geometry_count": 1_000_000_000 })), "ProcessGraphComplexity");
    }

    #[test]
    fn a_seed_decides_the_points() {
        let data = data();
        let found = |seed: Json| {
            let arguments = json!({ "geometry_count": 3, "seed": seed });
            geometries(&call(RANDOM, arguments, &[("data", &data)]).unwrap())
        };
        assert_eq!(found(json!(7)), found(json!(7)));
        assert_eq!(found(json!(null)), found(json!(0)));
        assert_ne!(found(json!(7)), found(json!(-7)));
    }

    #[test]
    fn points_alone_repeat_the_values() {
        let data = data();
        let arguments = json!({ "distance": 2, "group": false });
        let found = call(REGULAR, arguments, &[("data", &data)]).unwrap();
        let at = |x: f64, y: f64| json!({ "type": "Point", "coordinates": [x, y] });
        let expected = [
            at(500_001.0, 3.0),
            at(500_003.0, 3.0),
            at(500_001.0, 1.0),
            at(500_003.0, 1.0),
            at(500_000.0, 0.0),
            at(500_002.0, 0.0),
            at(500_004.0, 0.0),
            Json::Null,
            at(1.0, 1.0),
            at(2.0, 2.0),
            at(3.0, 3.0),
        ];
        assert_eq!(geometries(&found), expected);
        let values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0].map(Some);
        assert_eq!(numbers(&found), values);
        assert_eq!(labels(&found)[10], "10");
        let features = found.schema.dims[0].features().unwrap();
        assert_eq!((&features.list[0].id, &features.list[5].properties["n"]), (&None, &json!(1)));
        let grouped = call(REGULAR, json!({ "distance": 2 }), &[("data", &data)]).unwrap();
        assert_eq!(counts(&grouped), [4, 3, 0, 3]);
    }

    #[test]
    fn distances_are_metres() {
        let degrees = cube(&[json!({ "type": "Point", "coordinates": [7, 50] })], None);
        let failed = |distance: f64, data| {
            call(REGULAR, json!({ "distance": distance }), &[("data", data)])
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(failed(2.0, &degrees), "UnitMismatch");
        let data = data();
        assert_eq!(failed(0.0, &data), "ProcessParameterInvalid");
        assert_eq!(failed(1e-9, &data), "ProcessGraphComplexity");
    }
}
