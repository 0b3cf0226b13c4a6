//! `filter_vector`: geometries that stand in a relation to others.

use std::sync::Arc;

use eolith_cube::Geometry;
use eolith_cube::geometry::relation::{Base, Relation};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::BoundingBox;

use super::vector_cube;

pub(crate) static FILTER_VECTOR: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let relations = Relation::NAMES.map(|(name, _)| name);
    Definition::new(
        "filter_vector",
        "Filter geometries by their relation to others",
        "Keeps the geometries to which the base geometries stand in a relation of the Simple Features standard. It is \
         read from the base to the candidate: `contains` keeps what lies in the base, `within` keeps what the base \
         lies in. Several base geometries count as their union. Empty geometries are removed. Base geometries are \
         brought to the reference system of the data cube.",
    )
    .experimental()
    .category("cubes")
    .category("filter")
    .category("vector")
    .param(param("data", "The vector data cube to filter.", schema::vector_cube()))
    .param(param("geometries", "The base geometries.", schema::vector_cube()))
    .param(
        param("relation", "The relation.", schema::one_of(&relations))
            .default(relations[0].into()),
    )
    .returns("A vector data cube with fewer (or the same) geometries.", schema::vector_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, dim, candidates) = vector_cube(call, "data")?;
    let (_, _, base) = vector_cube(call, "geometries")?;
    let name = call.required_text("relation")?;
    let known = Relation::NAMES.into_iter().find(|(known, _)| *known == &*name);
    let Some((_, relation)) = known else {
        let names = Relation::NAMES.map(|(name, _)| name).join(", ");
        return Err(Problem::argument("relation", format!("there is no relation `{name}`"))
            .hint(format!("relations: {names}")));
    };
    let geometries =
        base.in_crs(&candidates.crs).map_err(|e| Problem::argument("geometries", e.to_string()))?;
    let geometries: Vec<Geometry> = geometries.into_iter().flatten().collect();
    let own = candidates.list.iter().map(|feature| feature.geometry.as_ref());
    let kept = kept(own, &Base::new(&geometries, relation));
    Ok(selected(call, data, dim, kept))
}

/// Keeps the geometries that lie within a box as a whole, for `filter_bbox`.
pub(crate) fn filter_box(
    call: &mut Call<'_, '_>,
    data: NodeId,
    dim: usize,
    bbox: &BoundingBox,
) -> Result<Term, Problem> {
    let schema = call.schema(data);
    let features = schema.dims[dim].features().ok_or(Problem::Blocked)?;
    let geometries =
        features.in_crs(&bbox.crs).map_err(|e| Problem::argument("extent", e.to_string()))?;
    let rectangle = |west: f64, east: f64| {
        let (south, north) = (bbox.south, bbox.north);
        vec![vec![[west, south], [east, south], [east, north], [west, north], [west, south]]]
    };
    // Geometries that cross the antimeridian are cut there.
    let parts = if bbox.west > bbox.east {
        vec![rectangle(bbox.west, 180.0), rectangle(-180.0, bbox.east)]
    } else {
        vec![rectangle(bbox.west, bbox.east)]
    };
    let base = Base::new(&[Geometry::MultiPolygon(parts)], Relation::Contains);
    let kept = kept(geometries.iter().map(Option::as_ref), &base);
    Ok(selected(call, data, dim, kept))
}

fn selected(call: &mut Call<'_, '_>, data: NodeId, dim: usize, kept: Vec<usize>) -> Term {
    let schema = call.schema(data);
    let mut indices: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    indices[dim] = Some(kept.into());
    call.add(Op::select(&schema, indices), vec![data])
}

/// Positions of the candidates to which the base stands in its relation.
fn kept<'a>(candidates: impl Iterator<Item = Option<&'a Geometry>>, base: &Base) -> Vec<usize> {
    let accepted = candidates.map(|own| own.is_some_and(|own| base.accepts(own)));
    accepted.enumerate().filter_map(|(i, accepted)| accepted.then_some(i)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::numbers;
    use crate::vectors::testing::{call, cube, labels, metres};

    fn square(left: f64, size: f64) -> Json {
        let (right, top) = (left + size, size);
        json!({ "type": "Polygon", "coordinates": [[
            [left, 0], [right, 0], [right, top], [left, top], [left, 0]
        ]] })
    }

    #[test]
    fn the_base_stands_in_the_relation_to_what_is_kept() {
        let points = [1.0, 4.0, 9.0].map(|x| json!({ "type": "Point", "coordinates": [x, 1] }));
        let mut all = points.to_vec();
        all.push(Json::Null);
        all.push(square(-1.0, 20.0));
        let data = cube(&all, None);
        let base = cube(&[square(0.0, 4.0), Json::Null], None);
        let found = |arguments: Json| {
            call("filter_vector", arguments, &[("data", &data), ("geometries", &base)])
        };
        let default = found(json!({})).unwrap();
        assert_eq!(labels(&default), ["a", "b", "e"]);
        assert_eq!(numbers(&default), [0.0, 1.0, 4.0].map(Some));
        for (relation, kept) in [
            ("contains", vec!["a"]),
            ("touches", vec!["b"]),
            ("disjoint", vec!["c"]),
            ("within", vec!["e"]),
            ("equals", vec![]),
        ] {
            assert_eq!(labels(&found(json!({ "relation": relation })).unwrap()), kept);
        }
        let unknown = found(json!({ "relation": "near" })).map(|_| ());
        assert_eq!(unknown, Err("ProcessParameterInvalid".to_owned()));
    }

    #[test]
    fn the_base_is_brought_to_the_system_of_the_data() {
        let points = [14.9, 15.2].map(|x| json!({ "type": "Point", "coordinates": [x, 0.001] }));
        let data = cube(&points, None);
        // East of the central meridian.
        let base = cube(&[square(500_000.0, 100_000.0)], Some(metres()));
        let found = call("filter_vector", json!({}), &[("data", &data), ("geometries", &base)]);
        assert_eq!(labels(&found.unwrap()), ["b"]);
    }

    #[test]
    fn a_box_keeps_what_lies_within_it() {
        let on_edge = json!({ "type": "LineString", "coordinates": [[0, 0], [0, 3]] });
        let inside = json!({ "type": "LineString", "coordinates": [[0, 0], [3, 3]] });
        let all = [square(0.0, 4.0), square(3.0, 4.0), on_edge, inside, Json::Null];
        let data = cube(&all, None);
        let filtered = |extent: Json, data| {
            call("filter_bbox", json!({ "extent": extent }), &[("data", data)])
        };
        let extent = json!({ "west": 0, "south": 0, "east": 4, "north": 4 });
        let found = filtered(extent, &data).unwrap();
        assert_eq!(labels(&found), ["a", "d"]);
        assert_eq!(numbers(&found), [0.0, 3.0].map(Some));
        let far = [175.0, -175.0, 100.0].map(|x| json!({ "type": "Point", "coordinates": [x, 1] }));
        let extent = json!({ "west": 170, "south": 0, "east": -170, "north": 4 });
        let far = cube(&far, None);
        assert_eq!(labels(&filtered(extent, &far).unwrap()), ["a", "b"]);
        let metres = cube(&[square(500_000.0, 100.0)], Some(metres()));
        let extent = json!({ "west": 14.9, "south": -1, "east": 15.1, "north": 1 });
        assert_eq!(labels(&filtered(extent, &metres).unwrap()), ["a"]);
    }
}
