//! Filling in parameters.

use std::collections::BTreeMap;

use eolith_graph::{Arg, Code, Process, parse_value, substitute};
use serde_json::{Value, json};

use crate::definitions::few;

fn process() -> Process {
    let (process, issues) = parse_value(json!({
        "id": "shifted",
        "parameters": [
            { "name": "cube", "description": "", "schema": { "type": "object" } },
            { "name": "x", "description": "", "schema": { "type": "number" } },
            { "name": "by", "description": "", "schema": { "type": "number" },
              "optional": true, "default": 0.5 },
            { "name": "note", "description": "", "schema": {}, "optional": true },
        ],
        "process_graph": {
            "outer": {
                "process_id": "apply",
                "arguments": {
                    "data": { "from_parameter": "cube" },
                    "process": { "process_graph": { "add": {
                        "process_id": "add",
                        "arguments": { "x": { "from_parameter": "x" }, "y": { "from_parameter": "by" } },
                        "result": true,
                    } } },
                    "context": [{ "from_parameter": "x" }, { "n": { "from_parameter": "note" } }],
                },
                "result": true,
            },
        },
    }));
    assert_eq!(issues, []);
    process.unwrap()
}

fn given(values: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(values).unwrap()
}

#[test]
fn fills_in_values_and_defaults_where_they_are_not_shadowed() {
    let values = given(json!({ "cube": { "a": 1 }, "x": 7 }));
    let (process, issues) = substitute(process(), &values, &few());
    assert_eq!(issues, []);
    assert!(process.parameters.is_empty());
    let outer = &process.graph.nodes[0];
    assert_eq!(outer.argument("data").unwrap().to_json(), Some(json!({ "a": 1 })));
    assert_eq!(outer.argument("context").unwrap().to_json(), Some(json!([7, { "n": null }])));
    let Some(Arg::Callback(inner)) = outer.argument("process") else { panic!("no callback") };
    // `x` is the callback's own parameter, `by` is the process's.
    assert_eq!(inner.nodes[0].argument("x"), Some(&Arg::Parameter("x".into())));
    assert_eq!(inner.nodes[0].argument("y"), Some(&Arg::Float(0.5)));
}

#[test]
fn reports_missing_unknown_and_unfit_values() {
    let values = given(json!({ "x": "seven", "bye": 1 }));
    let (process, issues) = substitute(process(), &values, &few());
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "ProcessParameterUnsupported at argument `bye`: the process has no parameter `bye`\n\
             hint: did you mean `by`?",
            "ProcessParameterRequired at argument `cube`: the parameter `cube` needs a value",
            "ProcessParameterInvalid at argument `x`: expected a number, found the text `seven`",
        ]
    );
    let left: Vec<_> = process.parameters.iter().map(|p| p.name.as_ref()).collect();
    assert_eq!(left, ["cube", "x"]);
    assert_eq!(process.graph.nodes[0].argument("data"), Some(&Arg::Parameter("cube".into())));
}

#[test]
fn a_value_that_would_be_copied_too_often_is_refused() {
    let names = vec![json!({ "from_parameter": "list" }); 10_000];
    let (process, issues) = parse_value(json!({
        "parameters": [{ "name": "list", "schema": {} }],
        "process_graph": {
            "a": { "process_id": "array_create", "arguments": { "data": names }, "result": true },
        },
    }));
    assert_eq!(issues, []);
    let values = given(json!({ "list": vec![0; 1000] }));
    let (_, issues) = substitute(process.unwrap(), &values, &few());
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].code, Code::PROCESS_GRAPH_COMPLEXITY);
}
