//! Stored processes in the place of their calls.

use eolith_graph::{
    Arg, Expansion, Issue, Library, Lookup, Process, Reference, check, expand, parse_value,
};
use serde_json::{Value, json};

use crate::definitions::few;

fn process(graph: Value) -> Process {
    let (process, issues) = parse_value(json!({ "process_graph": graph }));
    assert_eq!(issues, []);
    process.unwrap()
}

fn stored(id: &str, parameters: &[&str], graph: Value) -> (String, Value) {
    let parameters: Vec<Value> =
        parameters.iter().map(|name| json!({"name": name, "schema": {}})).collect();
    (id.to_owned(), json!({"id": id, "parameters": parameters, "process_graph": graph}))
}

/// Looks everything up among the processes of the user and of one other namespace.
fn expanded(
    graph: Value,
    own: &[(String, Value)],
    others: &[(String, Value)],
) -> Result<Process, Vec<Issue>> {
    let process = process(graph);
    let mut library = Library::new();
    for _ in 0..100 {
        match expand(&process, &few(), &library) {
            Expansion::Unchanged => return Ok(process),
            Expansion::Process(process) => return Ok(*process),
            Expansion::Issues(issues) => return Err(issues),
            Expansion::Open(open) => {
                assert!(!open.is_empty());
                for name in open {
                    let all = if name.namespace.is_none() { own } else { others };
                    let found = all.iter().find(|(id, _)| *id == name.id);
                    let found = found.map(|(_, value)| Lookup::Found(value.clone()));
                    let before = library.insert(name, found.unwrap_or(Lookup::Missing));
                    assert_eq!(before, None, "nothing is asked twice");
                }
            }
        }
    }
    panic!("it goes on asking")
}

fn add(x: Value, y: Value) -> Value {
    json!({"a": {"process_id": "add", "arguments": {"x": x, "y": y}, "result": true}})
}

fn call(id: &str, arguments: Value) -> Value {
    json!({"c": {"process_id": id, "arguments": arguments, "result": true}})
}

fn inner(process: &Process) -> &Process {
    process.graph.nodes[process.graph.result].own.as_ref().unwrap()
}

#[test]
fn what_is_known_is_filled_in_and_the_rest_stays_a_parameter() {
    let own = [stored(
        "sum",
        &["x", "y"],
        add(json!({"from_parameter": "x"}), json!({"from_parameter": "y"})),
    )];
    let graph = json!({
        "e": {"process_id": "e", "arguments": {}},
        "c": {"process_id": "sum", "arguments": {"x": 3, "y": {"from_node": "e"}}, "result": true}
    });
    let process = expanded(graph, &own, &[]).unwrap();
    let node = &inner(&process).graph.nodes[0];
    assert_eq!(node.argument("x"), Some(&Arg::Int(3)));
    assert_eq!(node.argument("y"), Some(&Arg::Parameter("y".to_owned())));
    assert_eq!(check(&process, &few()), []);
}

#[test]
fn predefined_processes_alone_change_nothing() {
    let process = process(add(json!(1), json!(2)));
    let name = Reference { namespace: None, id: "add".to_owned() };
    assert!(
        matches!(expand(&process, &few(), &Library::new()), Expansion::Open(open) if open.contains(&name))
    );
    let library = Library::from([(name, Lookup::Missing)]);
    assert!(matches!(expand(&process, &few(), &library), Expansion::Unchanged));
}

#[test]
fn the_own_process_comes_before_the_predefined_one() {
    let own = [stored("add", &["x"], call("e", json!({})))];
    let process = expanded(call("add", json!({"x": 1})), &own, &[]).unwrap();
    assert_eq!(inner(&process).graph.nodes[0].process_id, "e");
    let node = json!({"c": {"process_id": "add", "namespace": "backend", "arguments": {"x": 1, "y": 2}, "result": true}});
    let process = expanded(node, &own, &[]).unwrap();
    assert_eq!(process.graph.nodes[0].own, None);
}

#[test]
fn processes_from_elsewhere_do_not_see_those_of_the_caller() {
    let own = [stored("helper", &[], call("e", json!({})))];
    let others = [stored("f", &[], call("helper", json!({})))];
    let node = json!({"c": {"process_id": "f", "namespace": "https://example.org", "arguments": {}, "result": true}});
    let process = expanded(node.clone(), &own, &others).unwrap();
    let issues = check(&process, &few());
    assert_eq!(issues.len(), 1);
    assert_eq!(
        issues[0].to_string(),
        "ProcessUnsupported at node `c` → process `f` → node `c`: there is no process `helper`"
    );
    let both = [others[0].clone(), stored("helper", &[], add(json!(1), json!(2)))];
    assert_eq!(check(&expanded(node, &own, &both).unwrap(), &few()), []);
}

#[test]
fn processes_do_not_call_themselves() {
    let own = [stored("a", &[], call("b", json!({}))), stored("b", &[], call("a", json!({})))];
    let issues = expanded(call("b", json!({})), &own, &[]).unwrap_err();
    assert_eq!(
        issues[0].to_string(),
        "ProcessGraphInvalid at node `c` → process `b` → node `c` → process `a` → node `c`: a process cannot \
         call itself: `b` → `a` → `b`"
    );
}

#[test]
fn graphs_that_explode_or_nest_too_deep_are_refused() {
    let ten = |id: usize| {
        let below = format!("p{}", id + 1);
        let nodes = (0..10).map(|i| {
            (format!("n{i}"), json!({"process_id": below, "arguments": {}, "result": i == 0}))
        });
        stored(&format!("p{id}"), &[], nodes.collect::<serde_json::Map<_, _>>().into())
    };
    let own: Vec<_> = (0..9).map(ten).chain([stored("p9", &[], call("e", json!({})))]).collect();
    let issues = expanded(call("p0", json!({})), &own, &[]).unwrap_err();
    assert!(issues.iter().all(|issue| issue.code.as_str() == "ProcessGraphComplexity"));
    let one = |id: usize| stored(&format!("p{id}"), &[], call(&format!("p{}", id + 1), json!({})));
    let own: Vec<_> = (0..50).map(one).collect();
    let issues = expanded(call("p0", json!({})), &own, &[]).unwrap_err();
    assert!(issues[0].message.contains("nest deeper than 32 levels"), "{issues:?}");
}

#[test]
fn what_is_wrong_with_a_stored_process_is_said_with_its_place() {
    let own = [(
        "f".to_owned(),
        json!({"id": "f", "process_graph": {"n": {"arguments": {}, "result": true}}}),
    )];
    let issues = expanded(call("f", json!({})), &own, &[]).unwrap_err();
    assert_eq!(
        issues[0].to_string(),
        "ProcessGraphInvalid at node `c` → process `f` → node `n`: `process_id` is missing"
    );
    let others = [("f".to_owned(), json!({"id": "f"}))];
    let node =
        json!({"c": {"process_id": "f", "namespace": "u:bob", "arguments": {}, "result": true}});
    let issues = expanded(node, &[], &others).unwrap_err();
    assert_eq!(issues[0].code.as_str(), "ProcessGraphMissing");
}
