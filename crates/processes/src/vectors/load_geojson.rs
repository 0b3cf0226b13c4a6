//! `load_geojson`: a vector cube from GeoJSON that stands in the process graph.

use std::sync::Arc;

use eolith_cube::{
    Block, Crs, DType, Dimension, Features, Geometry, Kind, Labels, Number, Schema, Values,
    Variable,
};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::{Cube, Op};
use eolith_plan::process::{Lowering, Process};
use serde_json::{Value as Json, json};

use crate::cubes::arguments;

pub(crate) static LOAD_GEOJSON: Process = Process { definition, lowering: Lowering::Custom(lower) };

/// Name of the dimension of geometries, as in the standard.
pub(super) const GEOMETRY: &str = "geometry";
/// Name of the dimension made of properties, as in the standard.
pub(super) const PROPERTIES: &str = "properties";

fn definition() -> Definition {
    Definition::new(
        "load_geojson",
        "Make a vector data cube of GeoJSON",
        "Makes a vector data cube of a geometry, a feature or a collection of features. Its dimension `geometry` has \
         one label a feature: the ids if all have one and no two the same, else numbers from 0. Properties stay with \
         the features; those that are numbers or booleans can become values of the data cube. Positions are \
         longitude and latitude (EPSG:4326); a `crs` that names another system is refused.",
    )
    .experimental()
    .category("import")
    .category("vector")
    .param(param(
        "data",
        "The GeoJSON object. Geometry collections are not supported.",
        schema::geojson(),
    ))
    .param(
        param(
            "properties",
            "Names of properties that become values, along a new dimension `properties`. One property that holds \
             arrays gives a label for each element, numbered from 0; otherwise the labels are the names. What a \
             feature lacks has no data. Texts cannot be values. Without names there is no such dimension and no \
             values.",
            json!({ "type": "array", "uniqueItems": true, "items": { "type": "string" } }),
        )
        .default(json!([])),
    )
    .returns("A vector data cube of one or two dimensions.", schema::vector_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let json = arguments::geojson(call, "data")?;
    let features = Features::parse(&json).map_err(|e| Problem::argument("data", e.to_string()))?;
    if features.crs != Crs::wgs84() {
        let message = format!("GeoJSON is in EPSG:4326, not `{}`", features.crs);
        return Err(Problem::argument("data", message)
            .hint("leave the `crs` out, and use `vector_reproject` afterwards"));
    }
    let is_collection = |g: &Geometry| matches!(g, Geometry::Collection(_));
    let collection = |f: &eolith_cube::Feature| f.geometry.as_ref().is_some_and(is_collection);
    if let Some(i) = features.list.iter().position(collection) {
        let message = format!("geometry {i} is a GeometryCollection, which is not supported");
        return Err(
            Problem::argument("data", message).hint("make a feature of each of its geometries")
        );
    }
    let names = arguments::texts(call, "properties")?;
    if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
        let message = format!("`{}` is named twice", names[i]);
        return Err(Problem::argument("properties", message));
    }
    let has_properties = matches!(json["type"].as_str(), Some("Feature" | "FeatureCollection"));
    let names = if has_properties { names } else { Vec::new() };
    let cube = cube(features, &names)?;
    Ok(call.add(Op::literal(Arc::new(cube)), Vec::new()))
}

/// The cube of features and the properties that become values.
pub(super) fn cube(features: Features, names: &[String]) -> Result<Cube, Problem> {
    let is_array = |name: &String| {
        features.list.iter().any(|feature| feature.properties.get(name).is_some_and(Json::is_array))
    };
    let (labels, cells) = match names {
        [] => (None, vec![&Json::Null; features.list.len()]),
        [name] if is_array(name) => elements(&features, name)?,
        _ => (
            Some(Labels::texts(names)),
            (features.list.iter())
                .flat_map(|feature| names.iter().map(|name| feature.properties.get(name)))
                .map(|cell| cell.unwrap_or(&Json::Null))
                .collect(),
        ),
    };
    let per_feature = labels.as_ref().map_or(1, Labels::len);
    let (values, validity) = stored(&cells).map_err(|(i, message)| {
        let name = names.get(i % per_feature).or(names.first());
        let name = name.map(String::as_str).unwrap_or_default();
        let message = format!("property `{name}` of feature {}: {message}", i / per_feature);
        Problem::argument("properties", message)
            .hint("other properties stay with their features without being named here")
    })?;
    let geometry =
        Dimension::new(GEOMETRY, Kind::Geometry(Arc::new(features.clone())), features.labels());
    let mut shape = vec![features.list.len()];
    let mut dims = vec![geometry];
    if let Some(labels) = labels {
        shape.push(labels.len());
        dims.push(Dimension::new(PROPERTIES, Kind::Other, labels));
    }
    let schema = Schema { dims, variables: vec![Variable::new(values.dtype())] };
    let block = Block { shape, values, validity: Some(validity) }.canonical();
    Ok(Cube { schema, block })
}

/// The elements of a property of arrays, as many a feature as the longest has.
fn elements<'a>(
    features: &'a Features,
    name: &str,
) -> Result<(Option<Labels>, Vec<&'a Json>), Problem> {
    let mut arrays: Vec<&[Json]> = Vec::with_capacity(features.list.len());
    for (i, feature) in features.list.iter().enumerate() {
        arrays.push(match feature.properties.get(name) {
            Some(Json::Array(items)) => items,
            None | Some(Json::Null) => &[],
            Some(_) => {
                let message = format!(
                    "property `{name}` is an array in some features and a single value in feature {i}"
                );
                return Err(Problem::argument("properties", message));
            }
        });
    }
    let longest = arrays.iter().map(|items| items.len()).max().unwrap_or(0);
    let cells =
        arrays.iter().flat_map(|items| (0..longest).map(|i| items.get(i).unwrap_or(&Json::Null)));
    Ok((Some(Labels::enumerated(longest)), cells.collect()))
}

type Stored = (Values, Vec<bool>);

/// Cells in the narrowest of the types boolean, 32 and 64 bit integer, and float that holds all of them; the error is
/// the place of a cell and what is wrong with it.
fn stored(cells: &[&Json]) -> Result<Stored, (usize, &'static str)> {
    let mut dtype: Option<DType> = None;
    let mut numbers: Vec<Option<Number>> = Vec::with_capacity(cells.len());
    for (i, cell) in cells.iter().enumerate() {
        let (number, own) = match cell {
            Json::Null => {
                numbers.push(None);
                continue;
            }
            Json::Bool(value) => (Number::Int((*value).into()), DType::Bool),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) if i32::try_from(value).is_ok() => {
                    (Number::Int(value.into()), DType::I32)
                }
                (Some(value), _) => (Number::Int(value.into()), DType::I64),
                (None, Some(value)) => (Number::Float(value), DType::F64),
                (None, None) => return Err((i, "the number is out of range")),
            },
            Json::String(_) => {
                return Err((
                    i,
                    "a text cannot be a value, a data cube holds numbers and booleans",
                ));
            }
            Json::Array(_) | Json::Object(_) => {
                return Err((i, "a data cube holds numbers and booleans"));
            }
        };
        dtype = Some(dtype.map_or(own, |known| known.common(own)));
        numbers.push(Some(number));
    }
    let mut values = Values::zeros(dtype.unwrap_or(DType::F64), numbers.len());
    for (i, number) in numbers.iter().enumerate() {
        if let Some(number) = number {
            values.set(i, *number);
        }
    }
    Ok((values, numbers.iter().map(Option::is_some).collect()))
}

#[cfg(test)]
mod tests {
    use eolith_cube::{DType, Labels};
    use eolith_plan::op::Cube;
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{numbers, run};

    fn feature(properties: Json) -> Json {
        json!({ "type": "Feature", "properties": properties,
            "geometry": { "type": "Point", "coordinates": [7, 50] } })
    }

    fn loaded(data: &Json, properties: &[&str]) -> Result<Cube, String> {
        let arguments = json!({ "data": data, "properties": properties });
        let graph = json!({ "one": { "process_id": "load_geojson", "arguments": arguments,
            "result": true } });
        run(graph, &[]).map(|outcome| outcome.cube())
    }

    fn collection(properties: &[Json]) -> Json {
        let features: Vec<Json> = properties.iter().cloned().map(feature).collect();
        json!({ "type": "FeatureCollection", "features": features })
    }

    #[test]
    fn properties_become_values_where_they_are_named() {
        let data = collection(&[
            json!({ "n": 3, "yield": 1.5, "crop": "rye" }),
            json!({ "n": 4_000_000_000_i64, "organic": true }),
        ]);
        let plain = loaded(&data, &[]).unwrap();
        assert_eq!(plain.schema.shape(), Some(vec![2]));
        assert_eq!(numbers(&plain), [None, None]);
        let features = plain.schema.dims[0].features().unwrap();
        assert_eq!(features.list[0].properties["crop"], "rye");
        let one = loaded(&data, &["n"]).unwrap();
        assert_eq!(one.schema.dims[1].labels(), Some(&Labels::texts(["n"])));
        assert_eq!(one.schema.dtype(), DType::I64);
        let several = loaded(&data, &["yield", "organic", "n"]).unwrap();
        assert_eq!(several.schema.dims[1].name, "properties");
        let expected = [Some(1.5), None, Some(3.0), None, Some(1.0), Some(4e9)];
        assert_eq!(numbers(&several), expected);
    }

    #[test]
    fn a_property_of_arrays_has_a_label_an_element() {
        let data = collection(&[json!({ "a": [1, 2] }), json!({ "a": [5, null, 7] }), json!({})]);
        let found = loaded(&data, &["a"]).unwrap();
        assert_eq!(found.schema.dims[1].labels(), Some(&Labels::enumerated(3)));
        let expected =
            [[Some(1.0), Some(2.0), None], [Some(5.0), None, Some(7.0)], [None, None, None]];
        assert_eq!(numbers(&found), expected.concat());
        let mixed = collection(&[json!({ "a": [1] }), json!({ "a": 1 })]);
        assert_eq!(loaded(&mixed, &["a"]), Err("ProcessParameterInvalid".to_owned()));
        assert_eq!(loaded(&data, &["a", "b"]), Err("ProcessParameterInvalid".to_owned()));
    }

    #[test]
    fn a_geometry_has_no_properties() {
        let point = json!({ "type": "Point", "coordinates": [7, 50] });
        let found = loaded(&point, &["n"]).unwrap();
        assert_eq!(found.schema.shape(), Some(vec![1]));
    }

    #[test]
    fn what_cannot_be_loaded_is_refused() {
        let invalid = Err("ProcessParameterInvalid".to_owned());
        let members = json!([{ "type": "Point", "coordinates": [7, 50] }]);
        let several = json!({ "type": "GeometryCollection", "geometries": members });
        assert_eq!(loaded(&several, &[]), invalid);
        let inside = json!({ "type": "Feature", "properties": {}, "geometry": several });
        assert_eq!(loaded(&inside, &[]), invalid);
        let mut elsewhere = collection(&[json!({})]);
        elsewhere["crs"] = json!({ "type": "name", "properties": { "name": "EPSG:32633" } });
        assert_eq!(loaded(&elsewhere, &[]), invalid);
        let crop = collection(&[json!({ "crop": "rye" })]);
        assert_eq!(loaded(&crop, &["crop"]), invalid);
        assert_eq!(loaded(&crop, &["a", "a"]), invalid);
        assert_eq!(loaded(&json!({ "type": "Circle" }), &[]), invalid);
    }
}
