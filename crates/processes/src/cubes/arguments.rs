//! Arguments that several cube processes take: extents, intervals, lists of texts, the temporal dimension.

use std::sync::Arc;

use eolith_cube::time::{Instant, Interval, TimeError, TimeLabel};
use eolith_cube::{Crs, Dimension, Feature, Features, Kind, Label, Labels, Schema};
use eolith_graph::{Definitions as _, Parameter, param, schema};
use eolith_plan::bind::{Call, Problem};
use eolith_plan::expr::{Builder, ExprId};
use eolith_plan::function::Function;
use eolith_plan::process::{Lowering, Registry as _};
use eolith_plan::request::{BoundingBox, LoadRequest};
use eolith_plan::value::Value;
use serde_json::Value as Json;

/// The parameter `context`, handed on to the callback.
pub(crate) fn context() -> Parameter {
    param("context", "Anything; handed on to the callback.", schema::any()).default(Json::Null)
}

/// The parameter `dimension` of temporal processes.
pub(crate) fn temporal_dimension() -> Parameter {
    param(
        "dimension",
        "The name of the temporal dimension; null if the data cube has only one.",
        schema::string_or_null(),
    )
    .default(Json::Null)
}

/// A kind of data, or of request, that this back-end does not know yet.
pub(crate) fn unsupported(argument: &str, message: impl Into<String>) -> Problem {
    Problem::new("FeatureUnsupported", message).at(argument)
}

/// A list of texts; empty for null.
pub(crate) fn texts(call: &mut Call<'_, '_>, name: &str) -> Result<Vec<String>, Problem> {
    let value = call.constant(name)?;
    let wrong = |found: &Value| {
        Problem::argument(name, format!("an array of texts is expected, not {}", found.kind()))
    };
    match &value {
        Value::Null => Ok(Vec::new()),
        Value::Array(array) => {
            let text = |v: &Value| v.as_text().map(str::to_owned).ok_or_else(|| wrong(v));
            array.values.iter().map(text).collect()
        }
        other => Err(wrong(other)),
    }
}

/// A list of labels; empty for null.
pub(crate) fn labels(call: &mut Call<'_, '_>, name: &str) -> Result<Vec<Label>, Problem> {
    let value = call.constant(name)?;
    match &value {
        Value::Null => Ok(Vec::new()),
        Value::Array(array) => array.values.iter().map(|v| label(v, name)).collect(),
        other => Err(Problem::argument(
            name,
            format!("an array of labels is expected, not {}", other.kind()),
        )),
    }
}

/// A number or a text as a label.
pub(crate) fn label(value: &Value, name: &str) -> Result<Label, Problem> {
    match value {
        Value::Int(value) => Ok(Label::Int(*value)),
        Value::Float(value) => Ok(Label::Float(*value)),
        Value::Text(text) => Ok(Label::Text(text.clone())),
        other => Err(Problem::argument(
            name,
            format!("a label is a number or a text, not {}", other.kind()),
        )),
    }
}

/// The label as a dimension of this kind has it: texts of temporal dimensions are instants where they can be.
pub(crate) fn label_of(kind: &Kind, label: Label) -> Label {
    match (kind, &label) {
        (Kind::Temporal, Label::Text(text)) => TimeLabel::parse(text).map_or(label, Label::Time),
        _ => label,
    }
}

/// Whether two labels name the same thing, an instant and its text included.
pub(crate) fn same_label(a: &Label, b: &Label) -> bool {
    a.same(b)
        || match (a, b) {
            (Label::Time(time), Label::Text(text)) | (Label::Text(text), Label::Time(time)) => {
                time.text == *text
                    || TimeLabel::parse(text).is_ok_and(|own| own.instant == time.instant)
            }
            _ => false,
        }
}

/// A bounding box; `None` for null.
pub(crate) fn bounding_box(
    call: &mut Call<'_, '_>,
    name: &str,
) -> Result<Option<BoundingBox>, Problem> {
    let map = match call.constant(name)? {
        Value::Null => return Ok(None),
        Value::Object(map) => map,
        other => {
            return Err(Problem::argument(
                name,
                format!("a bounding box is expected, not {}", other.kind()),
            ));
        }
    };
    if map.contains_key("type") && !map.contains_key("west") {
        return Err(Problem::argument(name, "a bounding box is expected, not GeoJSON")
            .hint("use `filter_spatial` with geometries"));
    }
    let edge = |key: &str| -> Result<f64, Problem> {
        let number = map.get(key).and_then(Json::as_f64).filter(|v| v.is_finite());
        number.ok_or_else(|| Problem::argument(name, format!("`{key}` must be a number")))
    };
    let (west, south, east, north) = (edge("west")?, edge("south")?, edge("east")?, edge("north")?);
    let crs = match map.get("crs") {
        None | Some(Json::Null) => Crs::wgs84(),
        Some(json) => crs(json, name)?,
    };
    let level = |key: &str| match map.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(_) => edge(key).map(Some),
    };
    let vertical = match (level("base")?, level("height")?) {
        (None, None) => None,
        (base, height) => {
            Some([base.unwrap_or(f64::NEG_INFINITY), height.unwrap_or(f64::INFINITY)])
        }
    };
    if let Some([base, height]) = vertical
        && base > height
    {
        let message = format!("`base` ({base}) is above `height` ({height})");
        return Err(Problem::argument(name, message));
    }
    if south > north {
        return Err(Problem::argument(
            name,
            format!("`south` ({south}) is above `north` ({north})"),
        ));
    }
    if west > east && !crs.is_geographic() {
        return Err(Problem::argument(name, format!("`west` ({west}) is beyond `east` ({east})")));
    }
    Ok(Some(BoundingBox { west, south, east, north, crs, vertical }))
}

/// GeoJSON: an object that is written out, or the value of a parameter.
pub(crate) fn geojson(call: &mut Call<'_, '_>, name: &str) -> Result<Json, Problem> {
    if let Some(json) = call.written_object(name)? {
        return Ok(json);
    }
    match call.constant(name)? {
        Value::Object(map) => Ok(Json::Object((*map).clone())),
        other => Err(Problem::argument(name, format!("GeoJSON is expected, not {}", other.kind()))),
    }
}

/// Features from GeoJSON or from the geometries of a vector data cube.
pub(crate) fn features(call: &mut Call<'_, '_>, name: &str) -> Result<Arc<Features>, Problem> {
    if !call.is_cube(name) {
        let features = Features::parse(&geojson(call, name)?);
        return features.map(Arc::new).map_err(|e| Problem::argument(name, e.to_string()));
    }
    let cube = call.cube(name)?;
    let schema = call.schema(cube);
    let features = schema.dims.iter().find_map(|dim| dim.features());
    features
        .map(Arc::clone)
        .ok_or_else(|| Problem::argument(name, "the data cube has no dimension of geometries"))
}

/// Features of which at least one has positions.
pub(crate) fn some_features(call: &mut Call<'_, '_>, name: &str) -> Result<Arc<Features>, Problem> {
    let features = features(call, name)?;
    let placed = |feature: &Feature| feature.geometry.as_ref().is_some_and(|g| !g.is_empty());
    if features.list.iter().any(placed) {
        return Ok(features);
    }
    Err(Problem::argument(name, "none of the geometries has positions"))
}

/// Features that are polygons; empty geometries may be among them.
pub(crate) fn areas(call: &mut Call<'_, '_>, name: &str) -> Result<Arc<Features>, Problem> {
    let features = some_features(call, name)?;
    let other = |feature: &Feature| feature.geometry.as_ref().is_some_and(|g| !g.is_area());
    match features.list.iter().position(other) {
        None => Ok(features),
        Some(i) => {
            let message = format!("polygons are expected, geometry {i} has points or lines");
            Err(Problem::argument(name, message)
                .hint("`filter_spatial` keeps the pixels of points and lines"))
        }
    }
}

/// Narrows a request to a bounding box or polygons; null leaves it as it is.
pub(crate) fn spatial_extent(
    call: &mut Call<'_, '_>,
    name: &str,
    request: &mut LoadRequest,
) -> Result<(), Problem> {
    let is_box = call.constant(name).is_ok_and(|value| match value {
        Value::Null => true,
        Value::Object(map) => map.contains_key("west") || !map.contains_key("type"),
        _ => false,
    });
    if is_box {
        request.boxes.extend(bounding_box(call, name)?);
    } else {
        request.geometries.push(areas(call, name)?);
    }
    Ok(())
}

/// A reference system: an EPSG code or a text.
pub(crate) fn crs(json: &Json, name: &str) -> Result<Crs, Problem> {
    let found = match json {
        Json::Number(number) => match number.as_u64().and_then(|code| u32::try_from(code).ok()) {
            Some(code) => Crs::epsg(code),
            None => {
                return Err(Problem::argument(name, format!("`{number}` is not an EPSG code")));
            }
        },
        Json::String(text) => Crs::parse(text),
        _ => {
            return Err(Problem::argument(
                name,
                "a reference system is an EPSG code or a WKT2 text",
            ));
        }
    };
    found.map_err(|e| Problem::argument(name, e.to_string()))
}

/// A reference system that must be there, from an argument.
pub(crate) fn projection(call: &mut Call<'_, '_>, name: &str) -> Result<Crs, Problem> {
    crs(&call.constant(name)?.to_json().unwrap_or_default(), name)
}

/// A finite number.
pub(crate) fn number(call: &mut Call<'_, '_>, name: &str) -> Result<f64, Problem> {
    let value = call.constant(name)?;
    value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| {
        Problem::argument(name, format!("a finite number is expected, not {}", value.kind()))
    })
}

/// A left-closed interval; `None` for null.
pub(crate) fn interval(call: &mut Call<'_, '_>, name: &str) -> Result<Option<Interval>, Problem> {
    let value = call.constant(name)?;
    match &value {
        Value::Null => Ok(None),
        Value::Array(array) => {
            let [start, end] = array.values.as_slice() else {
                return Err(Problem::argument(name, "a temporal extent has a start and an end"));
            };
            let interval = Interval::new(instant(start, name)?, instant(end, name)?);
            interval.map(Some).map_err(|e| time_problem(&e, name))
        }
        other => Err(Problem::argument(
            name,
            format!("a temporal extent is an array of two texts, not {}", other.kind()),
        )),
    }
}

/// A date or a date-time; `None` for null, an open end.
pub(crate) fn instant(value: &Value, name: &str) -> Result<Option<Instant>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Instant::parse(text).map(Some).map_err(|e| time_problem(&e, name)),
        other => Err(Problem::argument(
            name,
            format!("a date or a date-time is expected, not {}", other.kind()),
        )),
    }
}

/// The problem of a temporal text or interval.
pub(crate) fn time_problem(error: &TimeError, name: &str) -> Problem {
    let code = match error {
        TimeError::Empty => "TemporalExtentEmpty",
        TimeError::Text(_) | TimeError::Unbounded => "ProcessParameterInvalid",
    };
    let hint = match error {
        TimeError::Empty => "the first value is the start, the second the end, which is left out",
        TimeError::Text(_) => "like `2021-05-31` or `2021-05-31T10:00:00Z`",
        TimeError::Unbounded => "leave the argument out, or make it null, for all times",
    };
    Problem::new(code, error.to_string()).at(name).hint(hint)
}

/// The temporal dimension to aggregate.
pub(crate) fn temporal(call: &mut Call<'_, '_>, schema: &Schema) -> Result<usize, Problem> {
    if call.text("dimension")?.is_some() {
        let dim = call.dimension(schema, "dimension")?;
        if schema.dims[dim].kind != Kind::Temporal {
            return Err(Problem::argument(
                "dimension",
                format!("dimension `{}` is not temporal", schema.dims[dim].name),
            ));
        }
        return Ok(dim);
    }
    only_temporal(schema, "dimension")
}

/// The temporal dimension of a cube that has only one.
pub(super) fn only_temporal(schema: &Schema, argument: &str) -> Result<usize, Problem> {
    match schema.temporal().as_slice() {
        [] => Err(Problem::new("DimensionNotAvailable", "the data cube has no temporal dimension")
            .at(argument)),
        [only] => Ok(*only),
        several => {
            let names: Vec<&str> = several.iter().map(|&d| schema.dims[d].name.as_str()).collect();
            Err(Problem::new("TooManyDimensions", "the data cube has several temporal dimensions")
                .at(argument)
                .hint(format!("temporal dimensions: {}", names.join(", "))))
        }
    }
}

/// Every dimension of the cube of argument `name` is one of the data, with the same labels.
pub(super) fn compatible(schema: &Schema, other: &Schema, name: &str) -> Result<(), Problem> {
    for dim in &other.dims {
        let problem = |what: &str| {
            let message = format!("dimension `{}` of the other data cube {what}", dim.name);
            Problem::new("IncompatibleDataCubes", message).at(name)
        };
        let own =
            schema.dim(&dim.name).ok_or_else(|| problem("does not exist in the data cube"))?;
        let (Some(a), Some(b)) = (own.labels(), dim.labels()) else { return Err(Problem::Blocked) };
        let same = a.len() == b.len()
            && (same_pixels(own, dim) || a.iter().zip(b.iter()).all(|(a, b)| same_label(&a, &b)));
        if !same {
            return Err(problem("has other labels in the data cube"));
        }
    }
    Ok(())
}

/// Whether two axes of as many pixels have them in the same places (1e-3 of a pixel).
fn same_pixels(a: &Dimension, b: &Dimension) -> bool {
    let regular = |dim: &Dimension| match dim.kind {
        Kind::Spatial { .. } => dim.labels().and_then(Labels::regular),
        _ => None,
    };
    let (Some(own), Some(other)) = (regular(a), regular(b)) else { return false };
    let near = |i: usize| (own.at(i) - other.at(i)).abs() <= 1e-3 * own.step.abs();
    let one_crs = a.crs().zip(b.crs()).is_none_or(|(a, b)| a == b);
    one_crs && near(0) && near(own.len)
}

/// A scalar process, for expressions that a lowering builds itself.
pub(crate) fn function(id: &str) -> Result<&'static Function, Problem> {
    match crate::registry().process(id).map(|process| &process.lowering) {
        Some(Lowering::Function(function)) => Ok(function),
        Some(Lowering::Custom(_) | Lowering::Outside(_)) | None => {
            Err(Problem::new("Internal", format!("process `{id}` is not a function")))
        }
    }
}

/// A call of a scalar process, with the defaults of its definition for the parameters that are left.
pub(super) fn call_with_defaults(
    builder: &mut Builder,
    id: &str,
    mut arguments: Vec<ExprId>,
) -> Result<ExprId, Problem> {
    let function = function(id)?;
    let definition = crate::registry().get(id);
    for name in &function.parameters[arguments.len()..] {
        let parameter = definition.and_then(|definition| definition.parameter(name));
        let default = parameter.and_then(|parameter| parameter.default.as_ref());
        arguments.push(builder.constant(default.map_or(Value::Null, Value::from_json)));
    }
    Ok(builder.call(function, arguments))
}
