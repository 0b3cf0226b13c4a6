//! `vector_reproject`: geometries in another reference system.

use std::sync::Arc;

use eolith_cube::{Features, Kind};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use serde_json::Value as Json;

use super::{identity, vector_cube};
use crate::cubes::arguments;

pub(crate) static VECTOR_REPROJECT: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "vector_reproject",
        "Bring geometries to another reference system",
        "Transforms the positions of all geometries; edges stay straight between them. Labels, properties and values \
         stay as they are, empty geometries are passed through.",
    )
    .experimental()
    .category("cubes")
    .category("reproject")
    .category("vector")
    .param(param("data", "A vector data cube.", schema::vector_cube()))
    .param(param(
        "projection",
        "The reference system, as EPSG code or WKT2 text.",
        schema::any_of([schema::epsg_code(), schema::wkt2()]),
    ))
    .param(
        param(
            "dimension",
            "The name of the dimension of geometries; null for all of them.",
            schema::string_or_null(),
        )
        .default(Json::Null),
    )
    .returns("The vector data cube with the geometries transformed.", schema::vector_cube())
    .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, _, _) = vector_cube(call, "data")?;
    let schema = call.schema(data);
    let to = arguments::projection(call, "projection")?;
    let only = match call.text("dimension")? {
        Some(_) => Some(call.dimension(&schema, "dimension")?),
        None => None,
    };
    let mut dims = identity(&schema);
    for (i, (dim, _)) in dims.iter_mut().enumerate().filter(|(i, _)| only.is_none_or(|o| o == *i)) {
        let Kind::Geometry(features) = &dim.kind else {
            if only.is_some() {
                let message = format!("dimension `{}` has no geometries", schema.dims[i].name);
                return Err(Problem::argument("dimension", message));
            }
            continue;
        };
        let geometries =
            features.in_crs(&to).map_err(|e| Problem::argument("projection", e.to_string()))?;
        let list = features.list.iter().cloned().zip(geometries);
        let list = list.map(|(mut feature, geometry)| {
            feature.geometry = geometry;
            feature
        });
        let list = list.collect();
        dim.kind = Kind::Geometry(Arc::new(Features { crs: to.clone(), list }));
    }
    call.try_add(Op::relabel(&schema, dims), vec![data])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::numbers;
    use crate::vectors::testing::{call, cube, geometries};

    #[test]
    fn positions_move_and_values_stay() {
        let point = json!({ "type": "Point", "coordinates": [15, 45] });
        let data = cube(&[point, Json::Null], None);
        let found = call("vector_reproject", json!({ "projection": 32633 }), &[("data", &data)]);
        let found = found.unwrap();
        assert_eq!(found.schema.dims[0].crs().unwrap().code(), Some(32633));
        // The central meridian of the zone.
        let position = &geometries(&found)[0]["coordinates"];
        assert!((position[0].as_f64().unwrap() - 500_000.0).abs() < 1e-6, "{position}");
        // 0.9996 of the meridian arc from the equator to 45 degrees, 4984944.378 m.
        assert!((position[1].as_f64().unwrap() - 4_982_950.4).abs() < 0.1, "{position}");
        assert_eq!(geometries(&found)[1], Json::Null);
        assert_eq!(numbers(&found), [0.0, 1.0].map(Some));
        let back = call(
            "vector_reproject",
            json!({ "projection": 4326, "dimension": "geometry" }),
            &[("data", &found)],
        );
        let position = geometries(&back.unwrap())[0]["coordinates"].clone();
        assert!((position[1].as_f64().unwrap() - 45.0).abs() < 1e-9, "{position}");
    }

    #[test]
    fn what_cannot_be_transformed_is_refused() {
        let data = cube(&[json!({ "type": "Point", "coordinates": [15, 450] })], None);
        let failed = |arguments: Json| {
            call("vector_reproject", arguments, &[("data", &data)]).map(|_| ()).unwrap_err()
        };
        assert_eq!(failed(json!({ "projection": 3857 })), "ProcessParameterInvalid");
        assert_eq!(failed(json!({ "projection": 999_999 })), "ProcessParameterInvalid");
        assert_eq!(failed(json!({ "projection": "here" })), "ProcessParameterInvalid");
        assert_eq!(
            failed(json!({ "projection": 4326, "dimension": "zones" })),
            "DimensionNotAvailable"
        );
        assert_eq!(
            failed(json!({ "projection": 4326, "dimension": "properties" })),
            "ProcessParameterInvalid"
        );
    }
}
