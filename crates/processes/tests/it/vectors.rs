//! The official vectors of scalar and array processes, by folding constants and in lanes.

use std::collections::BTreeMap;

use eolith_graph::Definitions;
use eolith_plan::bind::{Argument, bind};
use eolith_plan::expr::{Builder, Expr, ExprId, type_of};
use eolith_plan::function::Function;
use eolith_plan::lanes::{self, Register};
use eolith_plan::logical::RootValue;
use eolith_plan::need::Snapshot;
use eolith_plan::process::{Lowering, Registry};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use eolith_processes::registry;
use serde_json::{Value as Json, json};

use super::encoding::{decode, matches};

#[test]
fn official_vectors_pass() {
    let Some(folder) = super::reference("vectors") else { return };
    let text = std::fs::read_to_string(folder.join("official.ndjson")).unwrap();
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in text.lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let id = vector["process_id"].as_str().unwrap();
        let Some(process) = registry().process(id) else { continue };
        let Lowering::Function(function) = process.lowering else { continue };
        let Some(arguments) = arguments(id, &vector["arguments"]) else { continue };
        let results = [
            ("constant", constant(function, &arguments)),
            ("one lane", in_lanes(function, &arguments, 1)),
            ("seven lanes", in_lanes(function, &arguments, 7)),
        ];
        let wrong: Vec<String> = (results.iter())
            .filter(|(_, result)| !accepts(&vector, result))
            .map(|(way, result)| format!("{id}[{}] {way}: {result:?}", vector["index"]))
            .collect();
        if wrong.is_empty() {
            *passed.entry(id.to_owned()).or_default() += 1;
        }
        failures.extend(wrong);
    }
    println!("{passed:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same vectors, and those with callbacks, as process graphs: parsed, checked and bound.
#[test]
fn official_vectors_pass_as_graphs() {
    let Some(folder) = super::reference("vectors") else { return };
    let text = std::fs::read_to_string(folder.join("official.ndjson")).unwrap();
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in text.lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let id = vector["process_id"].as_str().unwrap();
        if registry().get(id).is_none() {
            continue;
        }
        let Some(result) = in_graph(id, vector["arguments"].as_object().unwrap()) else { continue };
        if accepts(&vector, &result) {
            *passed.entry(id.to_owned()).or_default() += 1;
        } else {
            failures.push(format!("{id}[{}]: {result:?}", vector["index"]));
        }
    }
    println!("{passed:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The result of a graph of one process whose arguments are parameters, or callbacks as they are; `None` where an
/// argument or the result is a cube.
fn in_graph(id: &str, given: &serde_json::Map<String, Json>) -> Option<Result<Value, Fault>> {
    let mut node = serde_json::Map::new();
    let mut arguments = BTreeMap::new();
    let mut parameters = Vec::new();
    for (name, json) in given {
        if json["@"] == "process" {
            node.insert(name.clone(), json!({ "process_graph": json["process_graph"] }));
            continue;
        }
        let parameter = format!("given_{name}");
        node.insert(name.clone(), json!({ "from_parameter": parameter }));
        parameters.push(json!({ "name": parameter, "description": "", "schema": {} }));
        arguments.insert(parameter, Argument::Value(decode(json)?));
    }
    let graph = json!({ "only": { "process_id": id, "arguments": node, "result": true } });
    let process = json!({ "process_graph": graph, "parameters": parameters });
    let (process, issues) = eolith_graph::parse_value(process);
    assert_eq!(issues, [], "{id}");
    let bound =
        bind(&process.expect("a process"), &arguments, registry(), &Snapshot::default(), None);
    if let Some(issue) = bound.issues.first() {
        let code: &'static str = Box::leak(issue.code.to_string().into_boxed_str());
        return Some(Err(Fault::new(code, issue.message.to_string())));
    }
    let result = bound.logical.roots.iter().find(|root| root.is_result)?;
    match &result.value {
        RootValue::Value(value) => Some(Ok(value.clone())),
        RootValue::Cube(_) => None,
    }
}

/// The arguments in the order of the parameters, with defaults; `None` where there is a callback.
fn arguments(id: &str, given: &Json) -> Option<Vec<Value>> {
    let parameters = &registry().get(id)?.parameters;
    let value = |p: &eolith_graph::Parameter| match given.get(&*p.name) {
        Some(json) => decode(json),
        None => Some(p.default.as_ref().map_or(Value::Null, Value::from_json)),
    };
    parameters.iter().map(value).collect()
}

fn accepts(vector: &Json, result: &Result<Value, Fault>) -> bool {
    let delta = vector["delta"].as_f64().unwrap_or(1e-10);
    match result {
        Ok(value) => vector.get("returns").is_some_and(|expected| matches(value, expected, delta)),
        Err(fault) => match vector.get("throws") {
            Some(Json::String(code)) => code == fault.code,
            Some(Json::Bool(throws)) => *throws,
            _ => false,
        },
    }
}

fn constant(function: &'static Function, arguments: &[Value]) -> Result<Value, Fault> {
    let mut builder = Builder::default();
    let args = arguments.iter().map(|value| builder.constant(value.clone())).collect();
    let root = builder.call(function, args);
    builder.finish(root).as_const().expect("constant arguments give a constant")
}

/// Arguments that can be pixels or arrays of them become inputs, options stay constants.
fn in_lanes(
    function: &'static Function,
    arguments: &[Value],
    lanes: usize,
) -> Result<Value, Fault> {
    let mut builder = Builder::default();
    let mut inputs = Vec::new();
    let mut args = Vec::new();
    for value in arguments {
        let id = if is_data(value) {
            let ty = type_of(value);
            let register = Register::from_values(vec![value.clone(); lanes], &ty);
            inputs.push(register);
            input(&mut builder, inputs.len() - 1, value, ty)
        } else {
            builder.constant(value.clone())
        };
        args.push(id);
    }
    let root = builder.call(function, args);
    let expr: Expr = builder.finish(root);
    let register = lanes::evaluate(&expr, inputs, lanes).map_err(|(_, fault)| fault)?;
    let first = register.value(0, lanes);
    for lane in 1..lanes {
        assert_eq!(format!("{:?}", register.value(lane, lanes)), format!("{first:?}"));
    }
    Ok(first)
}

fn is_data(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_) | Value::Null | Value::Array(_))
}

fn input(builder: &mut Builder, k: usize, value: &Value, ty: Type) -> ExprId {
    match (value, ty) {
        (Value::Array(array), Type::Array(element, _)) => {
            builder.axis(k, *element, array.labels.clone())
        }
        (_, ty) => builder.input(k, ty),
    }
}
