//! Names, order, defaults, schemas, categories, exceptions and flags equal the standard's.

use eolith_graph::Definitions;
use eolith_plan::process::{Lowering, Registry};
use eolith_processes::registry;
use serde_json::{Map, Value, json};

#[test]
fn definitions_equal_the_standard() {
    let Some(folder) = super::reference("processes") else { return };
    let mut differences = Vec::new();
    for id in registry().ids() {
        let name = format!("{id}.json");
        // What is in no release of the standard yet is written down here.
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interfaces");
        let text = std::fs::read_to_string(folder.join(&name))
            .or_else(|_| std::fs::read_to_string(std::path::Path::new(own).join(&name)))
            .expect("a process of the standard");
        let standard: Value = serde_json::from_str(&text).unwrap();
        let own = registry().get(id).unwrap().to_json();
        for (part, ours, theirs) in compare(&interface(&own), &interface(&standard)) {
            differences.push(format!("{id} {part}: {ours} is not {theirs}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn functions_have_the_parameters_of_their_definition() {
    for id in registry().ids() {
        let definition = registry().get(id).unwrap();
        if let Lowering::Function(function) = &registry().process(id).unwrap().lowering {
            let names: Vec<&str> = definition.parameters.iter().map(|p| &*p.name).collect();
            assert_eq!((function.id, function.parameters), (definition.id, &names[..]));
        }
    }
}

#[test]
fn ids_are_sorted() {
    assert!(registry().ids().is_sorted());
}

fn compare(ours: &Value, theirs: &Value) -> Vec<(String, Value, Value)> {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else { return Vec::new() };
    (theirs.iter())
        .filter(|(key, value)| ours.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), ours[key].clone(), value.clone()))
        .collect()
}

/// What clients depend on, in one form for both sides.
fn interface(process: &Value) -> Value {
    let parameter = |parameter: &Value| {
        json!({
            "name": parameter["name"],
            "optional": parameter["optional"].as_bool().unwrap_or(false),
            "default": parameter.get("default"),
            "schema": without_texts(&parameter["schema"]),
            "deprecated": parameter["deprecated"].as_bool().unwrap_or(false),
            "experimental": parameter["experimental"].as_bool().unwrap_or(false),
        })
    };
    let mut parameters = Map::new();
    for (i, value) in process["parameters"].as_array().expect("a list").iter().enumerate() {
        parameters.insert(format!("{i}"), parameter(value));
    }
    let exceptions: Vec<&String> =
        process["exceptions"].as_object().map(|map| map.keys().collect()).unwrap_or_default();
    json!({
        "parameters": parameters,
        "returns": without_texts(&process["returns"]["schema"]),
        "categories": process["categories"],
        "exceptions": exceptions,
        "experimental": process["experimental"].as_bool().unwrap_or(false),
        "deprecated": process["deprecated"].as_bool().unwrap_or(false),
    })
}

fn without_texts(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept =
                map.iter().filter(|(key, value)| *key != "description" || !value.is_string());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_texts(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_texts).collect()),
        other => other.clone(),
    }
}
