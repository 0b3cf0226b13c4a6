//! The JSON Schemas that process definitions use again and again.
//!
//! They equal those of the openEO processes 2.0, without their nested descriptions. Where the
//! standard gives alternatives, the value is an array of schemas; see [`any_of`].

use serde_json::{Value, json};

use crate::definition::{Parameter, param};

/// Anything, null included.
pub fn any() -> Value {
    json!({})
}

pub fn null() -> Value {
    json!({ "type": "null" })
}

/// The alternative "no filter is applied".
pub fn no_filter() -> Value {
    json!({ "title": "No filter", "type": "null" })
}

pub fn number() -> Value {
    json!({ "type": "number" })
}

pub fn number_or_null() -> Value {
    json!({ "type": ["number", "null"] })
}

/// A number or null within closed bounds.
pub fn number_or_null_between(minimum: i64, maximum: i64) -> Value {
    json!({ "type": ["number", "null"], "minimum": minimum, "maximum": maximum })
}

/// A number or null not below a bound.
pub fn number_or_null_from(minimum: i64) -> Value {
    json!({ "type": ["number", "null"], "minimum": minimum })
}

/// A number or null above zero. The standard writes the bound as `minimumExclusive`, which is not
/// a JSON Schema keyword; [`crate::check`] honours it all the same.
pub fn positive_number_or_null() -> Value {
    json!({ "type": ["number", "null"], "minimumExclusive": 0 })
}

pub fn integer() -> Value {
    json!({ "type": "integer" })
}

/// An integer not below a bound.
pub fn integer_from(minimum: i64) -> Value {
    json!({ "type": "integer", "minimum": minimum })
}

pub fn integer_or_null() -> Value {
    json!({ "type": ["integer", "null"] })
}

pub fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub fn boolean_or_null() -> Value {
    json!({ "type": ["boolean", "null"] })
}

pub fn string() -> Value {
    json!({ "type": "string" })
}

pub fn string_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

/// One of these strings.
pub fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

/// A number, a boolean, a text or null: what comparisons and masks take.
pub fn scalar_or_null() -> Value {
    json!({ "type": ["number", "boolean", "string", "null"] })
}

/// Alternatives, of which one must match.
pub fn any_of(schemas: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(schemas.into_iter().collect())
}

/// The label of a dimension: a number or a text.
pub fn label() -> Value {
    any_of([number(), string()])
}

/// The schema with a title, as user interfaces show it for alternatives.
pub fn titled(title: &str, schema: Value) -> Value {
    let mut titled = serde_json::Map::new();
    titled.insert("title".into(), title.into());
    if let Value::Object(entries) = schema {
        titled.extend(entries);
    }
    Value::Object(titled)
}

/// An array whose items match a schema.
pub fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// An array of at least so many items that match a schema.
pub fn array_from(least: usize, items: Value) -> Value {
    json!({ "type": "array", "minItems": least, "items": items })
}

/// An array of two items that match a schema.
pub fn pair(items: Value) -> Value {
    json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": items })
}

pub fn array_any() -> Value {
    array(any())
}

pub fn array_number_or_null() -> Value {
    array(number_or_null())
}

pub fn array_boolean_or_null() -> Value {
    array(boolean_or_null())
}

/// An array of anything that may carry labels.
pub fn labeled_array() -> Value {
    json!({ "type": "array", "subtype": "labeled-array", "items": {} })
}

/// A data cube of any kind.
pub fn cube() -> Value {
    json!({ "type": "object", "subtype": "datacube" })
}

/// A data cube with certain dimensions, see [`spatial`], [`temporal`], [`bands`], [`geometry`].
pub fn cube_with(dimensions: impl IntoIterator<Item = Value>) -> Value {
    let dimensions: Vec<Value> = dimensions.into_iter().collect();
    json!({ "type": "object", "subtype": "datacube", "dimensions": dimensions })
}

/// A data cube with the spatial dimensions x and y.
pub fn raster_cube() -> Value {
    cube_with([spatial()])
}

/// A data cube with a geometry dimension.
pub fn vector_cube() -> Value {
    cube_with([geometry()])
}

/// Geometries as a vector data cube or, on its way out, as GeoJSON.
pub fn geometries() -> Value {
    any_of([titled("Vector Data Cube", vector_cube()), deprecated_geojson()])
}

/// The same for processes that take polygons only.
pub fn polygons() -> Value {
    let polygons = json!({ "type": "geometry", "geometry_type": ["Polygon", "MultiPolygon"] });
    any_of([titled("Vector Data Cube", cube_with([polygons])), deprecated_geojson()])
}

/// Either kind of cube, as `filter_bbox` takes and gives it.
pub fn raster_or_vector_cube() -> Value {
    any_of([titled("Raster data cube", raster_cube()), titled("Vector data cube", vector_cube())])
}

/// The dimensions x and y, for [`cube_with`].
pub fn spatial() -> Value {
    json!({ "type": "spatial", "axis": ["x", "y"] })
}

/// A temporal dimension, for [`cube_with`].
pub fn temporal() -> Value {
    json!({ "type": "temporal" })
}

/// A bands dimension, for [`cube_with`].
pub fn bands() -> Value {
    json!({ "type": "bands" })
}

/// A geometry dimension, for [`cube_with`].
pub fn geometry() -> Value {
    json!({ "type": "geometry" })
}

/// A callback that is called with these parameters.
pub fn process_graph(parameters: impl IntoIterator<Item = Parameter>, returns: Value) -> Value {
    let parameters: Vec<Value> = parameters.into_iter().map(callback_parameter).collect();
    json!({
        "type": "object",
        "subtype": "process-graph",
        "parameters": parameters,
        "returns": { "schema": returns },
    })
}

/// A callback for one value: `x` and `context`.
pub fn element_callback() -> Value {
    process_graph([callback_value("x"), callback_context()], any())
}

/// A callback for two values: `x`, `y` and `context`.
pub fn pair_callback() -> Value {
    process_graph([callback_value("x"), callback_value("y"), callback_context()], any())
}

/// A callback that makes one value of a labelled array: `data` and `context`.
pub fn reducer_callback() -> Value {
    process_graph([callback_array(), callback_context()], any())
}

/// A callback that makes one value of an array without labels: `data` and `context`.
pub fn plain_reducer_callback() -> Value {
    process_graph([param("data", "", array_any()), callback_context()], any())
}

/// A callback that makes an array of a labelled array: `data` and `context`.
pub fn array_callback() -> Value {
    process_graph([callback_array(), callback_context()], array_any())
}

/// A name of a band.
pub fn band_name() -> Value {
    json!({ "type": "string", "subtype": "band-name" })
}

pub fn collection_id() -> Value {
    json!({ "type": "string", "subtype": "collection-id", "pattern": "^[\\w\\-\\.~/]+$" })
}

pub fn output_format() -> Value {
    json!({ "type": "string", "subtype": "output-format" })
}

pub fn output_format_options() -> Value {
    json!({ "type": "object", "subtype": "output-format-options" })
}

/// The result of `save_result`.
pub fn stac() -> Value {
    json!({ "type": "object", "subtype": "stac" })
}

/// Rows of weights.
pub fn kernel() -> Value {
    let rows = array(array(number()));
    let mut schema = json!({ "type": "array", "subtype": "kernel" });
    schema["items"] = rows["items"].clone();
    schema
}

pub fn geojson() -> Value {
    json!({ "type": "object", "subtype": "geojson" })
}

/// GeoJSON where a vector data cube is preferred.
pub fn deprecated_geojson() -> Value {
    json!({ "title": "GeoJSON", "type": "object", "subtype": "geojson", "deprecated": true })
}

/// West, south, east, north, optionally base and height, in any CRS.
pub fn bounding_box() -> Value {
    json!({
        "type": "object",
        "subtype": "bounding-box",
        "required": ["west", "south", "east", "north"],
        "properties": {
            "west": { "type": "number" },
            "south": { "type": "number" },
            "east": { "type": "number" },
            "north": { "type": "number" },
            "base": { "type": ["number", "null"], "default": null },
            "height": { "type": ["number", "null"], "default": null },
            "crs": { "anyOf": [epsg_code(), wkt2()], "default": 4326 },
        },
    })
}

/// A bounding box, a geometry in one of two forms, or null: what loading takes.
pub fn spatial_extent() -> Value {
    any_of([
        titled("Bounding Box", bounding_box()),
        deprecated_geojson(),
        titled("Vector data cube", vector_cube()),
        no_filter(),
    ])
}

/// A left-closed interval of two instants or dates, either of which may be null.
pub fn temporal_interval() -> Value {
    json!({
        "type": "array",
        "subtype": "temporal-interval",
        "minItems": 2,
        "maxItems": 2,
        "items": { "anyOf": [date_time(), date(), { "type": "null" }] },
        "examples": [
            ["2015-01-01T00:00:00Z", "2016-01-01T00:00:00Z"],
            ["2015-01-01", "2016-01-01"],
        ],
    })
}

/// A temporal interval with two different bounds, or null: what loading takes.
pub fn temporal_extent() -> Value {
    let mut interval = temporal_interval();
    interval["uniqueItems"] = true.into();
    any_of([interval, no_filter()])
}

pub fn date_time() -> Value {
    json!({ "type": "string", "format": "date-time", "subtype": "date-time" })
}

pub fn date() -> Value {
    json!({ "type": "string", "format": "date", "subtype": "date" })
}

pub fn epsg_code() -> Value {
    json!({
        "title": "EPSG Code",
        "type": "integer",
        "subtype": "epsg-code",
        "minimum": 1000,
        "examples": [3857],
    })
}

pub fn wkt2() -> Value {
    json!({ "title": "WKT2", "type": "string", "subtype": "wkt2-definition" })
}

/// The CRS to resample to; null keeps the present one.
pub fn target_projection() -> Value {
    any_of([epsg_code(), wkt2(), titled("Don't change projection", null())])
}

/// Conditions on the metadata of items: a callback with the parameter `value` for each property.
pub fn metadata_filter() -> Value {
    json!({
        "type": "object",
        "subtype": "metadata-filter",
        "title": "Filters",
        "additionalProperties": {
            "type": "object",
            "subtype": "process-graph",
            "parameters": [{ "name": "value", "schema": {} }],
            "returns": { "schema": { "type": "boolean" } },
        },
    })
}

fn callback_value(name: &'static str) -> Parameter {
    param(name, "", any())
}

fn callback_array() -> Parameter {
    param("data", "", labeled_array())
}

fn callback_context() -> Parameter {
    param("context", "", any()).default(Value::Null)
}

/// The wire form of a callback's parameter; the standard gives it a text only where one is needed.
fn callback_parameter(parameter: Parameter) -> Value {
    let mut json = parameter.to_json();
    if let Value::Object(entries) = &mut json
        && parameter.description.is_empty()
    {
        entries.shift_remove("description");
    }
    json
}
