//! `filter_vector`: geometries that stand in a relation to others.

use std::sync::Arc;

use eolith_cube::geometry::relation::{Base, Relation};
use eolith_cube::{Features, Geometry};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};

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
    let kept = kept(&candidates, &base, relation)?;
    let schema = call.schema(data);
    let mut indices: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    indices[dim] = Some(kept.into());
    Ok(call.add(Op::select(&schema, indices), vec![data]))
}

/// Positions of the candidates that are kept.
fn kept(candidates: &Features, base: &Features, relation: Relation) -> Result<Vec<usize>, Problem> {
    let geometries =
        base.in_crs(&candidates.crs).map_err(|e| Problem::argument("geometries", e.to_string()))?;
    let geometries: Vec<Geometry> = geometries.into_iter().flatten().collect();
    let base = Base::new(&geometries, relation);
    let accepted = |i: &usize| {
        let geometry = candidates.list[*i].geometry.as_ref();
        geometry.is_some_and(|own| !own.is_empty() && base.accepts(own))
    };
    Ok((0..candidates.list.len()).filter(accepted).collect())
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
}
