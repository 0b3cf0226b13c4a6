//! What to write instead: hints for values of the wrong kind that people often write.
//!
//! A hint shows the form that is expected, with what was given in it where that is possible. Where nothing can be
//! guessed there is none; the message says what is wrong in any case.

use serde_json::Value;

use crate::graph::Arg;
use crate::issue::short;
use crate::nearest::Nearest;

/// A hint for a value that none of the alternatives of `schema` takes.
pub(crate) fn advice(arg: &Arg, schema: &Value, nearest: &mut Nearest) -> Option<String> {
    let alternatives = match schema {
        Value::Array(alternatives) => alternatives.as_slice(),
        other => std::slice::from_ref(other),
    };
    let takes = |field: &str, value: &str| {
        let has = |found: &Value| {
            found == value || found.as_array().is_some_and(|all| all.iter().any(|v| v == value))
        };
        alternatives.iter().any(|one| has(&one[field]))
    };
    let numeric = takes("type", "number") || takes("type", "integer");
    match arg {
        Arg::Text(text) if numeric => number(text),
        Arg::Text(text) if takes("subtype", "process-graph") => Some(callback(text)),
        Arg::Text(text) if takes("subtype", "temporal-interval") => Some(format!(
            "an interval has a start and an end, which is left out: `[\"{}\", \"2021-02-01\"]`",
            short(text)
        )),
        Arg::Text(text) if is_geojson(text) && takes("subtype", "geojson") => {
            Some("GeoJSON is an object here: leave out the quotes around it".to_owned())
        }
        Arg::Text(text) => {
            let names = alternatives.iter().filter_map(|one| one["enum"].as_array()).flatten();
            let known = nearest.hint(text, names.filter_map(Value::as_str));
            let cube = takes("subtype", "datacube") || takes("subtype", "raster-cube");
            known.or_else(|| {
                cube.then(|| "`{\"from_node\": \"…\"}` is the result of a node".to_owned())
            })
        }
        Arg::Array(items) if takes("subtype", "bounding-box") => bounding_box(items),
        _ => None,
    }
}

/// For a text in the place of a number.
fn number(text: &str) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.parse::<f64>().is_ok_and(f64::is_finite) {
        return Some(format!("numbers have no quotes: `{}`", short(trimmed)));
    }
    let end = trimmed.find(|c: char| !(c.is_ascii_digit() || ".-".contains(c)))?;
    let digits = &trimmed[..end];
    let is_number = digits.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then(|| format!("numbers have neither units nor quotes: `{}`", short(digits)))
}

/// For the name of a process in the place of a callback.
fn callback(text: &str) -> String {
    let id: String = text.chars().filter(|c| c.is_alphanumeric() || *c == '_').take(40).collect();
    let id = if id.is_empty() { "mean".to_owned() } else { id };
    format!(
        "a callback is a process graph: `{{\"process_graph\": {{\"a\": {{\"process_id\": \"{id}\", \"arguments\": \
         {{\"data\": {{\"from_parameter\": \"data\"}}}}, \"result\": true}}}}}}`"
    )
}

/// For four numbers in the place of a box, in the order that other programs use.
fn bounding_box(items: &[Arg]) -> Option<String> {
    let number = |arg: &Arg| match arg {
        Arg::Int(value) => Some(*value as f64),
        Arg::Float(value) => Some(*value),
        _ => None,
    };
    let numbers: Vec<f64> = items.iter().filter_map(number).collect();
    let [west, south, east, north] = numbers[..] else { return None };
    (items.len() == 4).then(|| {
        format!(
            "a bounding box is an object: \
             `{{\"west\": {west}, \"south\": {south}, \"east\": {east}, \"north\": {north}}}`"
        )
    })
}

fn is_geojson(text: &str) -> bool {
    let trimmed = text.trim_start();
    trimmed.starts_with('{') && trimmed.contains("\"type\"")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hint(arg: Arg, schema: Value) -> Option<String> {
        advice(&arg, &schema, &mut Nearest::new())
    }

    #[test]
    fn what_people_write_is_shown_as_it_should_be() {
        let text = |text: &str| Arg::Text(text.to_owned());
        let number = json!({"type": ["number", "null"]});
        let plain = json!([{"type": "null"}, {"type": "number"}]);
        assert_eq!(hint(text("1.5"), plain.clone()).unwrap(), "numbers have no quotes: `1.5`");
        assert!(hint(text("10m"), plain.clone()).unwrap().ends_with("`10`"));
        assert_eq!(hint(text("ten"), plain), None);
        assert_eq!(hint(text("1"), number).unwrap(), "numbers have no quotes: `1`");
        let reducer = json!({"type": "object", "subtype": "process-graph"});
        assert!(hint(text("max"), reducer).unwrap().contains("\"process_id\": \"max\""));
        let methods = json!({"type": "string", "enum": ["near", "bilinear"]});
        assert_eq!(hint(text("biliner"), methods).unwrap(), "did you mean `bilinear`?");
        let area = json!([{"type": "object", "subtype": "bounding-box"}, {"type": "null"}]);
        let corners = [Arg::Int(14), Arg::Int(46), Arg::Float(15.5), Arg::Int(47)];
        let shown = hint(Arg::Array(corners.to_vec()), area.clone()).unwrap();
        assert!(shown.contains(r#"{"west": 14, "south": 46, "east": 15.5, "north": 47}"#));
        assert_eq!(hint(Arg::Array(corners[..3].to_vec()), area), None);
        let interval = json!({"type": "array", "subtype": "temporal-interval"});
        assert!(hint(text("2021-01-01"), interval).unwrap().contains("[\"2021-01-01\", "));
        let cube = json!({"type": "object", "subtype": "datacube"});
        assert!(hint(text("B04"), cube).unwrap().contains("from_node"));
    }
}
