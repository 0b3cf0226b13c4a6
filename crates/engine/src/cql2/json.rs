//! The JSON form: `{"op": …, "args": […]}`.

use eolith_cube::geometry::relation::Relation;
use serde_json::{Value, json};

use super::{Comparison, Cql2Error, DEEPEST, Node, Place, SPATIAL, Scalar, box_of, geometry};
use super::{instant, relation};

/// Reads a condition that stands at a depth.
pub(super) fn parse(value: &Value, depth: usize) -> Result<Node, Cql2Error> {
    if depth > DEEPEST {
        return Err(Cql2Error::Deep);
    }
    if let Value::Bool(value) = value {
        return Ok(Node::Always(*value));
    }
    let op = value.get("op").and_then(Value::as_str);
    let op = op.ok_or_else(|| unexpected(value, "an object with `op` and `args`"))?;
    let args = value.get("args").and_then(Value::as_array);
    let args = args.ok_or_else(|| unexpected(value, "an object with `op` and `args`"))?;
    let parts = || args.iter().map(|arg| parse(arg, depth + 1)).collect::<Result<Vec<_>, _>>();
    let lower = op.to_ascii_lowercase();
    if let Some(comparison) = Comparison::of(op) {
        let [a, b] = exactly(args, op)?;
        return Ok(Node::Compare(comparison, scalar(a)?, scalar(b)?));
    }
    if let Some(relation) = relation(op) {
        let [a, b] = exactly(args, op)?;
        return Ok(Node::Spatial(relation, place(a)?, place(b)?));
    }
    match lower.as_str() {
        "and" => Ok(Node::And(parts()?)),
        "or" => Ok(Node::Or(parts()?)),
        "not" => {
            let [part] = exactly(args, op)?;
            Ok(Node::Not(Box::new(parse(part, depth + 1)?)))
        }
        "isnull" => {
            let [value] = exactly(args, op)?;
            Ok(Node::IsNull(scalar(value)?))
        }
        "like" => {
            let [value, pattern] = exactly(args, op)?;
            let text = pattern.as_str().ok_or_else(|| unexpected(pattern, "a text"))?;
            Ok(Node::Like(scalar(value)?, text.to_owned()))
        }
        "between" => {
            // Earlier drafts have the bounds in a list of their own.
            let listed = args.get(1).and_then(Value::as_array).filter(|_| args.len() == 2);
            let flat = listed.map(|bounds| [&args[..1], bounds].concat());
            let [value, low, high] = exactly(flat.as_deref().unwrap_or(args), op)?;
            Ok(Node::Between(scalar(value)?, scalar(low)?, scalar(high)?))
        }
        "in" => {
            let [value, list] = exactly(args, op)?;
            let list = list.as_array().ok_or_else(|| unexpected(list, "a list of values"))?;
            Ok(Node::In(scalar(value)?, list.iter().map(scalar).collect::<Result<_, _>>()?))
        }
        _ => Err(Cql2Error::Unsupported(op.to_owned())),
    }
}

/// Recurses as deep as the condition nests, which is limited where it is read.
pub(super) fn write(node: &Node) -> Value {
    let of = |op: &str, args: Vec<Value>| json!({"op": op, "args": args});
    match node {
        Node::Always(value) => (*value).into(),
        Node::And(parts) => of("and", parts.iter().map(write).collect()),
        Node::Or(parts) => of("or", parts.iter().map(write).collect()),
        Node::Not(part) => of("not", vec![write(part)]),
        Node::Compare(comparison, a, b) => of(comparison.name(), vec![written(a), written(b)]),
        Node::IsNull(value) => of("isNull", vec![written(value)]),
        Node::Like(value, pattern) => of("like", vec![written(value), pattern.as_str().into()]),
        Node::Between(a, b, c) => of("between", [a, b, c].map(written).to_vec()),
        Node::In(value, list) => of("in", vec![written(value), list.iter().map(written).collect()]),
        Node::Spatial(relation, a, b) => {
            let name = Relation::NAMES.iter().find(|(_, own)| own == relation);
            let op = format!("{SPATIAL}{}", name.map_or("", |(name, _)| name));
            let written = |place: &Place| match place {
                Place::Property(name) => json!({"property": name}),
                Place::Geometry(geometry) => geometry.to_json(),
            };
            of(&op, vec![written(a), written(b)])
        }
    }
}

fn written(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Property(name) => json!({"property": name}),
        Scalar::Value(value) => value.clone(),
        Scalar::Time(_, text) if text.len() == "2000-01-01".len() => json!({"date": text}),
        Scalar::Time(_, text) => json!({"timestamp": text}),
    }
}

fn scalar(value: &Value) -> Result<Scalar, Cql2Error> {
    const EXPECTED: &str = "a property or a value";
    let fields = match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            return Ok(Scalar::Value(value.clone()));
        }
        Value::Object(fields) => fields,
        Value::Array(_) | Value::Null => return Err(unexpected(value, EXPECTED)),
    };
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    if let Some(name) = text("property") {
        return Ok(Scalar::Property(name.to_owned()));
    }
    if let Some(time) = text("timestamp").or(text("date")) {
        return instant(time);
    }
    match text("op") {
        Some(op) => Err(Cql2Error::Unsupported(op.to_owned())),
        None => Err(unexpected(value, EXPECTED)),
    }
}

fn place(value: &Value) -> Result<Place, Cql2Error> {
    if let Some(name) = value.get("property").and_then(Value::as_str) {
        return Ok(Place::Property(name.to_owned()));
    }
    if let Some(numbers) = value.get("bbox").and_then(Value::as_array) {
        let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        let numbers = numbers.ok_or_else(|| unexpected(value, "a box of numbers"))?;
        return box_of(&numbers).map(Place::Geometry);
    }
    geometry(value).map(Place::Geometry)
}

fn exactly<'a, const N: usize>(args: &'a [Value], op: &str) -> Result<&'a [Value; N], Cql2Error> {
    let wrong = || Cql2Error::Value(format!("`{op}` takes {N} arguments, not {}", args.len()));
    args.try_into().map_err(|_| wrong())
}

fn unexpected(found: &Value, expected: &'static str) -> Cql2Error {
    let found: String = found.to_string().chars().take(60).collect();
    Cql2Error::Unexpected { found, expected }
}
