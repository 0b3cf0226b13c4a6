//! Names, order, defaults, schemas, categories, exceptions and flags equal the standard's, but for what
//! `tests/interface-narrowing.toml` lists.

use std::path::Path;

use eolith_graph::Definitions;
use eolith_plan::process::{Lowering, Registry};
use eolith_processes::registry;
use serde_json::{Map, Value, json};

#[test]
fn definitions_equal_the_standard() {
    let Some(folder) = super::reference("processes") else { return };
    let narrowed = narrowings();
    let mut differences = Vec::new();
    for id in registry().ids() {
        let name = format!("{id}.json");
        // What is in no release of the standard yet is written down here.
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interfaces");
        let text = std::fs::read_to_string(folder.join(&name))
            .or_else(|_| std::fs::read_to_string(own.join(&name)));
        let Ok(text) = text else {
            differences.push(format!("{id} is neither in the standard nor in `tests/interfaces`"));
            continue;
        };
        let mut standard: Value = serde_json::from_str(&text).unwrap();
        for narrowing in narrowed.iter().filter(|own| own.process == id) {
            differences.extend(narrow(&mut standard, narrowing).err());
        }
        let own = registry().get(id).unwrap().to_json();
        for (part, ours, theirs) in compare(&interface(&own), &interface(&standard)) {
            differences.push(format!("{id} {part}: {ours} is not {theirs}"));
        }
    }
    for own in &narrowed {
        if registry().get(&own.process).is_none() {
            differences.push(format!("{}, which is narrowed, is not there", own.process));
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

/// Values of an enumeration that are not offered.
#[derive(Debug, Default)]
struct Narrowing {
    process: String,
    parameter: String,
    removed: Vec<Value>,
    reason: String,
}

/// What `tests/interface-narrowing.toml` lists.
fn narrowings() -> Vec<Narrowing> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interface-narrowing.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut all: Vec<Narrowing> = Vec::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines.filter(|line| !line.starts_with('#')) {
        if line == "[[narrowed]]" {
            all.push(Narrowing::default());
            continue;
        }
        let (key, value) = line.split_once('=').expect("a key and a value");
        let value: Value = serde_json::from_str(value.trim()).expect("a text or a list of texts");
        let table = all.last_mut().expect("a table");
        let text = || value.as_str().expect("a text").to_owned();
        match key.trim() {
            "process" => table.process = text(),
            "parameter" => table.parameter = text(),
            "reason" => table.reason = text(),
            "removed" => table.removed.clone_from(value.as_array().expect("a list")),
            other => panic!("`{other}` is not a key of this file"),
        }
    }
    for table in &all {
        assert!(!table.reason.is_empty(), "{} has no reason", table.process);
    }
    all
}

/// Takes values out of an enumeration of the standard, where it leaves them to back-ends, and the schema with it where
/// none is left.
fn narrow(standard: &mut Value, own: &Narrowing) -> Result<(), String> {
    let name = format!("{} {}", own.process, own.parameter);
    let parameters = standard["parameters"].as_array_mut().ok_or("no parameters")?;
    let parameter = parameters.iter_mut().find(|parameter| parameter["name"] == *own.parameter);
    let parameter = parameter.ok_or_else(|| format!("{name} is not in the standard"))?;
    let texts = format!("{}{}", parameter["description"], parameter["schema"]);
    if !texts.contains("back-end") {
        return Err(format!("{name}: the standard does not leave its values to back-ends"));
    }
    let mut schemas = match parameter["schema"].take() {
        Value::Array(several) => several,
        single => vec![single],
    };
    let removed = |value: &Value| own.removed.contains(value);
    let mut found = Vec::new();
    for all in schemas.iter_mut().filter_map(|schema| schema.get_mut("enum")?.as_array_mut()) {
        found.extend(all.extract_if(.., |value| removed(value)));
    }
    if let Some(value) = own.removed.iter().find(|value| !found.contains(value)) {
        return Err(format!("{name}: the standard has no value {value}"));
    }
    schemas.retain(|schema| schema["enum"].as_array().is_none_or(|all| !all.is_empty()));
    if own.removed.is_empty() || schemas.is_empty() {
        return Err(format!("{name}: something has to be removed, and something to be left"));
    }
    parameter["schema"] = Value::Array(schemas);
    Ok(())
}

fn compare(ours: &Value, theirs: &Value) -> Vec<(String, Value, Value)> {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else { return Vec::new() };
    (theirs.iter())
        .filter(|(key, value)| ours.get(*key) != Some(value))
        .map(|(key, value)| {
            (key.clone(), ours.get(key).cloned().unwrap_or_default(), value.clone())
        })
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
