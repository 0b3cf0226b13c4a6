//! Whether an argument matches the JSON Schema of its parameter, as far as it is literal.
//!
//! This is the subset of JSON Schema that process definitions use: `type`, `enum`, `const`,
//! `anyOf`, `oneOf` (taken as any-of), `allOf`, `not`, `items`, `minItems`, `maxItems`,
//! `uniqueItems`, the four bounds in both spellings, `minLength`, simple `pattern`s, `properties`,
//! `additionalProperties`, `required`, and the openEO subtypes that decide what an object is
//! (`process-graph`, `datacube`, `geojson`). Other keywords say nothing here: formats of dates and
//! ids of collections are checked where they are read. A reference matches everything.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::graph::Arg;
use crate::issue::short;

/// Why an argument does not match.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mismatch {
    /// The place inside the argument, to be appended to its name: `.west`, `[0]`.
    pub(crate) place: String,
    pub(crate) message: String,
    /// How much of the schema fitted; of several alternatives the closest one is reported.
    closeness: usize,
}

/// Compares within a number of steps, so that neither huge values nor huge schemas take long.
#[derive(Debug)]
pub(crate) struct Matcher {
    steps_left: usize,
}

impl Matcher {
    pub(crate) fn new() -> Self {
        Matcher { steps_left: 10_000_000 }
    }

    /// Compares with one schema, or with an array of alternatives.
    pub(crate) fn mismatch(&mut self, arg: &Arg, schema: &Value) -> Option<Mismatch> {
        let Some(steps) = self.steps_left.checked_sub(1) else {
            return Some(Mismatch::new(0, "the values are too many to be checked".into()));
        };
        self.steps_left = steps;
        match (arg, schema) {
            (Arg::Node(_) | Arg::Parameter(_), _) => None,
            (_, Value::Array(alternatives)) => self.any_of(arg, alternatives),
            (_, Value::Object(schema)) => self.keywords(arg, schema),
            _ => None,
        }
    }

    fn keywords(&mut self, arg: &Arg, schema: &Map<String, Value>) -> Option<Mismatch> {
        wrong_type(arg, schema)
            .or_else(|| wrong_value(arg, schema))
            .or_else(|| match arg {
                Arg::Int(value) => out_of_bounds(*value as f64, arg, schema),
                Arg::Float(value) => out_of_bounds(*value, arg, schema),
                Arg::Text(text) => wrong_text(text, schema),
                Arg::Array(items) => self.wrong_array(items, schema),
                Arg::Object(entries) => self.wrong_object(entries, schema),
                _ => None,
            })
            .or_else(|| self.combined(arg, schema))
    }

    fn any_of(&mut self, arg: &Arg, alternatives: &[Value]) -> Option<Mismatch> {
        let mut best: Option<Mismatch> = None;
        for alternative in alternatives {
            let mismatch = self.mismatch(arg, alternative)?;
            if best.as_ref().is_none_or(|best| mismatch.closeness > best.closeness) {
                best = Some(mismatch);
            }
        }
        match best {
            Some(best) if best.closeness == 0 && alternatives.len() > 1 => {
                let mut expected: Vec<String> = Vec::new();
                for alternative in alternatives.iter().filter_map(Value::as_object) {
                    let text = self::expected(alternative);
                    if !expected.contains(&text) {
                        expected.push(text);
                    }
                }
                let message = format!("expected {}, found {}", or(&expected), found(arg));
                Some(Mismatch::new(0, message))
            }
            best => best,
        }
    }

    fn combined(&mut self, arg: &Arg, schema: &Map<String, Value>) -> Option<Mismatch> {
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(alternatives)) = schema.get(key)
                && let Some(mismatch) = self.any_of(arg, alternatives)
            {
                return Some(mismatch);
            }
        }
        if let Some(Value::Array(parts)) = schema.get("allOf")
            && let Some(mismatch) = parts.iter().find_map(|part| self.mismatch(arg, part))
        {
            return Some(mismatch);
        }
        let excluded = schema.get("not").filter(|_| arg.is_literal())?;
        self.mismatch(arg, excluded)
            .is_none()
            .then(|| Mismatch::new(1, format!("{} is excluded here", found(arg))))
    }

    fn wrong_array(&mut self, items: &[Arg], schema: &Map<String, Value>) -> Option<Mismatch> {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let (least, most) = (bound("minItems"), bound("maxItems"));
        let count = items.len();
        if least.is_some_and(|n| count < n) || most.is_some_and(|n| count > n) {
            let expected = match (least, most) {
                (Some(least), Some(most)) if least == most => format!("exactly {least}"),
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, most) => format!("at most {}", most.unwrap_or_default()),
            };
            return Some(Mismatch::new(1, format!("expected {expected} items, found {count}")));
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                if let Some(mismatch) = self.mismatch(item, schema) {
                    return Some(mismatch.within(&format!("[{index}]")));
                }
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                if item.to_json().is_some_and(|item| !seen.insert(item.to_string())) {
                    let message = format!("{} occurs twice", found(item));
                    return Some(Mismatch::new(1, message).within(&format!("[{index}]")));
                }
            }
        }
        None
    }

    fn wrong_object(
        &mut self,
        entries: &[(String, Arg)],
        schema: &Map<String, Value>,
    ) -> Option<Mismatch> {
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|(name, _)| name == key) {
                return Some(Mismatch::new(1, format!("`{key}` is missing")));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, arg) in entries {
            let mismatch = match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => self.mismatch(arg, schema),
                None => match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        Some(Mismatch::new(0, "this property is unknown".into()))
                    }
                    Some(schema) => self.mismatch(arg, schema),
                    None => None,
                },
            };
            if let Some(mismatch) = mismatch {
                return Some(mismatch.within(&format!(".{}", short(name))));
            }
        }
        None
    }
}

impl Mismatch {
    fn new(closeness: usize, message: String) -> Self {
        Mismatch { place: String::new(), message, closeness }
    }

    fn within(mut self, step: &str) -> Self {
        self.place.insert_str(0, step);
        self.closeness += 1;
        self
    }
}

fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn wrong_type(arg: &Arg, schema: &Map<String, Value>) -> Option<Mismatch> {
    let types = types(schema);
    let fits = |name: &&str| match (*name, arg) {
        ("null", Arg::Null) | ("boolean", Arg::Bool(_)) | ("string", Arg::Text(_)) => true,
        ("number", Arg::Int(_) | Arg::Float(_)) | ("integer", Arg::Int(_)) => true,
        ("integer", Arg::Float(value)) => value.fract() == 0.0,
        ("array", Arg::Array(_)) => true,
        ("object", Arg::Object(_) | Arg::Callback(_)) => is_subtype(arg, schema),
        // R has one value for an empty list and an empty object, and sends it as a list.
        ("object", Arg::Array(items)) => {
            items.is_empty() && is_subtype(arg, schema) && !schema.contains_key("required")
        }
        _ => false,
    };
    (!types.is_empty() && !types.iter().any(fits))
        .then(|| Mismatch::new(0, format!("expected {}, found {}", expected(schema), found(arg))))
}

/// Whether an object is what the openEO subtype asks for.
fn is_subtype(arg: &Arg, schema: &Map<String, Value>) -> bool {
    let subtype = schema.get("subtype").and_then(Value::as_str);
    match (subtype, arg) {
        (Some("process-graph") | None, Arg::Callback(_)) => true,
        (_, Arg::Callback(_)) | (Some("process-graph"), _) => false,
        // The standard describes GeoJSON where its schemas have vector data cubes only.
        (Some("datacube"), _) => has_geometries(schema) && is_geojson(arg),
        (Some("geojson"), _) => is_geojson(arg),
        _ => true,
    }
}

fn is_geojson(arg: &Arg) -> bool {
    match arg.get("type") {
        Some(Arg::Text(kind)) => GEOJSON.contains(&kind.as_str()),
        Some(Arg::Node(_) | Arg::Parameter(_)) => true,
        _ => false,
    }
}

/// Whether a data cube must have a dimension of geometries.
fn has_geometries(schema: &Map<String, Value>) -> bool {
    let dimensions = schema.get("dimensions").and_then(Value::as_array);
    dimensions.is_some_and(|all| all.iter().any(|dim| dim["type"] == "geometry"))
}

const GEOJSON: [&str; 9] = [
    "Feature",
    "FeatureCollection",
    "GeometryCollection",
    "LineString",
    "MultiLineString",
    "MultiPoint",
    "MultiPolygon",
    "Point",
    "Polygon",
];

fn wrong_value(arg: &Arg, schema: &Map<String, Value>) -> Option<Mismatch> {
    let allowed: Vec<&Value> = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (_, Some(value)) => vec![value],
        _ => return None,
    };
    let value = arg.to_json()?;
    if allowed.iter().any(|allowed| same(&value, allowed)) {
        return None;
    }
    let names: Vec<String> = allowed.iter().map(|value| quoted(value)).collect();
    Some(Mismatch::new(1, format!("expected {}, found {}", or(&names), found(arg))))
}

/// Equality of JSON values in which 1 and 1.0 are the same.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn out_of_bounds(value: f64, arg: &Arg, schema: &Map<String, Value>) -> Option<Mismatch> {
    type Holds = fn(&f64, &f64) -> bool;
    // The standard's definitions write `minimumExclusive` where JSON Schema has `exclusiveMinimum`.
    let rules: [(&str, Holds, &str); 6] = [
        ("minimum", f64::ge, "at least"),
        ("maximum", f64::le, "at most"),
        ("exclusiveMinimum", f64::gt, "more than"),
        ("minimumExclusive", f64::gt, "more than"),
        ("exclusiveMaximum", f64::lt, "less than"),
        ("maximumExclusive", f64::lt, "less than"),
    ];
    rules.iter().find_map(|(key, holds, text)| {
        let bound = schema.get(*key)?;
        let broken = bound.as_f64().is_some_and(|bound| !holds(&value, &bound));
        broken.then(|| Mismatch::new(1, format!("expected {text} `{bound}`, found {}", found(arg))))
    })
}

fn wrong_text(text: &str, schema: &Map<String, Value>) -> Option<Mismatch> {
    if let Some(least) = schema.get("minLength").and_then(Value::as_u64)
        && (text.chars().count() as u64) < least
    {
        return Some(Mismatch::new(1, format!("expected at least {least} characters")));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    (follows(text, pattern) == Some(false)).then(|| {
        let found = quoted(&Value::from(text));
        Mismatch::new(1, format!("{found} does not follow the pattern `{pattern}`"))
    })
}

/// Whether a text follows a pattern of the form `^\w+$`, `^[…]+$` or `^https?://`; `None` for
/// patterns of other forms, which are not checked.
fn follows(text: &str, pattern: &str) -> Option<bool> {
    if pattern == "^https?://" {
        // Addresses of files and buckets, and absolute paths, are known beside those of the standard; who may read
        // them is decided where they are read.
        const KNOWN: [&str; 9] = [
            "http://", "https://", "file://", "s3://", "gs://", "az://", "abfs://", "abfss://", "/",
        ];
        return Some(KNOWN.iter().any(|start| text.starts_with(start)));
    }
    let repeated = pattern.strip_prefix('^')?.strip_suffix("+$")?;
    let class = match repeated.strip_prefix('[') {
        Some(class) => class.strip_suffix(']')?,
        None if repeated == "\\w" => repeated,
        None => return None,
    };
    let (negated, class) = match class.strip_prefix('^') {
        Some(class) => (true, class),
        None => (false, class),
    };
    let chars: Vec<char> = class.chars().collect();
    let within = |c: char| {
        let mut rest = chars.as_slice();
        while let Some((&first, after)) = rest.split_first() {
            let found;
            (found, rest) = match (first, after) {
                ('\\', ['w', after @ ..]) => (c.is_ascii_alphanumeric() || c == '_', after),
                ('\\', ['d', after @ ..]) => (c.is_ascii_digit(), after),
                ('\\', [escaped, after @ ..]) => (c == *escaped, after),
                (low, ['-', high, after @ ..]) => ((low..=*high).contains(&c), after),
                (literal, after) => (c == literal, after),
            };
            if found {
                return true;
            }
        }
        false
    };
    Some(!text.is_empty() && text.chars().all(|c| within(c) != negated))
}

/// What a schema asks for, for messages.
fn expected(schema: &Map<String, Value>) -> String {
    let subtype = schema.get("subtype").and_then(Value::as_str);
    let types = types(schema);
    let names: Vec<String> = types
        .iter()
        .map(|name| match (*name, subtype) {
            ("object", Some("datacube")) => "a data cube (the result of another node)".into(),
            ("object", Some("process-graph")) => {
                "a callback (an object with `process_graph`)".into()
            }
            ("object", Some("geojson")) => "GeoJSON".into(),
            ("object", Some(subtype)) => format!("an object ({subtype})"),
            ("object", None) => "an object".into(),
            ("boolean", _) => "a boolean".into(),
            ("integer", _) => "an integer".into(),
            ("number", _) => "a number".into(),
            ("string", _) => "a text".into(),
            ("array", _) => "an array".into(),
            (other, _) => other.to_owned(),
        })
        .collect();
    if names.is_empty() { "another value".into() } else { or(&names) }
}

/// What was given, for messages.
fn found(arg: &Arg) -> String {
    match arg {
        Arg::Null => "null".into(),
        Arg::Bool(value) => format!("the boolean `{value}`"),
        Arg::Int(value) => format!("the number `{value}`"),
        Arg::Float(value) => format!("the number `{value:?}`"),
        Arg::Text(text) => format!("the text {}", quoted(&Value::from(text.as_str()))),
        Arg::Array(_) => "an array".into(),
        Arg::Object(_) => "an object".into(),
        Arg::Node(_) | Arg::Parameter(_) => "a reference".into(),
        Arg::Callback(_) => "a callback".into(),
    }
}

/// A value in backticks, shortened.
fn quoted(value: &Value) -> String {
    const MOST: usize = 60;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > MOST {
        let start: String = text.chars().take(MOST).collect();
        format!("`{start}…`")
    } else {
        format!("`{text}`")
    }
}

fn or(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [names @ .., last] => format!("{} or {last}", names.join(", ")),
    }
}
