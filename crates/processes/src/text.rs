//! Processes on texts. Positions are those of characters, not of bytes.

use eolith_graph::{Definition, param, schema};
use eolith_plan::process::Process;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::{array, flag, text, wrong};

pub(crate) static ALL: &[&Process] =
    &[&TEXT_BEGINS, &TEXT_CONCAT, &TEXT_CONTAINS, &TEXT_ENDS, &TEXT_FIND];

process! {
    TEXT_BEGINS = "text_begins"(data, pattern, case_sensitive),
    definition: || test(
        "text_begins",
        "Does a text begin with another",
        "Whether a text begins with another one. No-data stays no-data.",
    ),
    scalar: |args| search(args, |text, pattern| Value::Bool(text.starts_with(pattern))),
    result: |_| Type::Bool,
    kernel: None,
    simplify: None,
}

process! {
    TEXT_ENDS = "text_ends"(data, pattern, case_sensitive),
    definition: || test(
        "text_ends",
        "Does a text end with another",
        "Whether a text ends with another one. No-data stays no-data.",
    ),
    scalar: |args| search(args, |text, pattern| Value::Bool(text.ends_with(pattern))),
    result: |_| Type::Bool,
    kernel: None,
    simplify: None,
}

process! {
    TEXT_CONTAINS = "text_contains"(data, pattern, case_sensitive),
    definition: || test(
        "text_contains",
        "Does a text contain another",
        "Whether a text contains another one. No-data stays no-data.",
    ),
    scalar: |args| search(args, |text, pattern| Value::Bool(contains(text, pattern).is_some())),
    result: |_| Type::Bool,
    kernel: None,
    simplify: None,
}

process! {
    TEXT_FIND = "text_find"(data, pattern, case_sensitive),
    definition: || pattern(Definition::new(
        "text_find",
        "Position of a text in another",
        "The position of the first character of the pattern in a text, counted from zero; no-data if it is not \
         there.",
    )
    .experimental()
    .category("texts"))
    .returns("The position.", json!({ "type": ["integer", "null"], "minimum": 0 })),
    scalar: |args| search(args, |text, pattern| {
        contains(text, pattern).map_or(Value::Null, |i| Value::Int(i as i64))
    }),
    result: |_| Type::Int(Interval { lo: 0, hi: 1 << 31, narrow: false }),
    kernel: None,
    simplify: None,
}

process! {
    TEXT_CONCAT = "text_concat"(data, separator),
    definition: || Definition::new(
        "text_concat",
        "Join texts",
        "Writes the elements of an array one after the other, as JSON does, with a separator between them.",
    )
    .category("texts")
    .param(param("data", "Texts, numbers, booleans or no-data.", schema::array(writable())))
    .param(
        param("separator", "What is written between two elements.", writable())
            .default(json!("")),
    )
    .returns("The text.", schema::string()),
    scalar: |args| {
        let values = &array(args, 0, "data")?.values;
        let parts: Result<Vec<String>, Fault> = values.iter().map(|v| written(v, "data")).collect();
        Ok(Value::text(parts?.join(&written(&args[1], "separator")?)))
    },
    result: |_| Type::Text,
    kernel: None,
    simplify: None,
}

fn writable() -> serde_json::Value {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

fn test(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    pattern(Definition::new(id, summary, description).category("texts").category("comparison"))
        .returns("The answer; no-data for no-data.", schema::boolean_or_null())
}

fn pattern(definition: Definition) -> Definition {
    definition
        .param(param("data", "The text to search in.", schema::string_or_null()))
        .param(param("pattern", "The text to search for.", schema::string()))
        .param(
            param("case_sensitive", "Whether the case of letters counts.", schema::boolean())
                .default(json!(true)),
        )
}

/// Text and pattern as characters, folded one by one where case does not count, so that positions stay those of
/// the text.
fn search(args: &[Value], f: fn(&[String], &[String]) -> Value) -> Result<Value, Fault> {
    let case_sensitive = flag(args, 2, "case_sensitive")?;
    let (Some(data), Some(pattern)) = (text(args, 0, "data")?, text(args, 1, "pattern")?) else {
        return Ok(Value::Null);
    };
    let characters = |text: &str| -> Vec<String> {
        let fold = |c: char| {
            if case_sensitive {
                c.to_string()
            } else {
                c.to_uppercase().flat_map(char::to_lowercase).collect()
            }
        };
        text.chars().map(fold).collect()
    };
    Ok(f(&characters(data), &characters(pattern)))
}

fn contains(text: &[String], pattern: &[String]) -> Option<usize> {
    if pattern.is_empty() {
        return Some(0);
    }
    text.windows(pattern.len()).position(|window| window == pattern)
}

fn written(value: &Value, name: &str) -> Result<String, Fault> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => text.as_ref().to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_nan() => "NaN".to_owned(),
        Value::Float(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Value::Float(value) => value.to_string(),
        other => return Err(wrong(name, "texts, numbers, booleans or null", other)),
    })
}
