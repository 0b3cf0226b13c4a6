//! Graphs of ten thousand nodes and more: no recursion over nodes, no quadratic time.

use std::time::{Duration, Instant};

use eolith_graph::{Arg, Code, check, parse};
use serde_json::{Map, Value, json};

use crate::definitions::few;

const NODES: usize = 10_000;
/// Fractions of a second are usual in debug builds, half of it for reading the JSON; this bound only
/// tells quadratic from linear.
const BOUND: Duration = Duration::from_secs(20);

fn chain(ids: impl Iterator<Item = usize>, last: usize) -> String {
    let mut nodes = Map::new();
    for id in ids {
        let x = if id == 0 { json!(1) } else { json!({ "from_node": format!("n{}", id - 1) }) };
        let mut node = json!({ "process_id": "add", "arguments": { "x": x, "y": 1.5 } });
        if id == last {
            node["result"] = true.into();
        }
        nodes.insert(format!("n{id}"), node);
    }
    Value::Object(nodes).to_string()
}

fn assert_chain(text: &str) {
    let start = Instant::now();
    let value = serde_json::from_str::<Value>(text).unwrap();
    let read = start.elapsed();
    drop(value);
    let start = Instant::now();
    let (process, issues) = parse(text);
    assert_eq!(issues, []);
    let process = process.unwrap();
    let parsed = start.elapsed();
    assert_eq!(check(&process, &few()), []);
    let checked = start.elapsed();
    assert_eq!(process.graph.nodes.len(), NODES);
    assert_eq!(process.graph.result, NODES - 1);
    for (index, node) in process.graph.nodes.iter().enumerate() {
        assert_eq!(node.id, format!("n{index}"));
        let x = if index == 0 { Arg::Int(1) } else { Arg::Node(index - 1) };
        assert_eq!(node.arguments[0].1, x);
    }
    drop(process);
    println!("{NODES} nodes: JSON alone {read:?}, parsed in {parsed:?}, checked by {checked:?}");
    assert!(start.elapsed() < BOUND);
}

#[test]
fn a_long_chain() {
    assert_chain(&chain(0..NODES, NODES - 1));
}

#[test]
fn a_long_chain_in_reverse_order() {
    assert_chain(&chain((0..NODES).rev(), NODES - 1));
}

#[test]
fn a_long_ring_is_one_issue() {
    let text = chain(0..NODES, NODES - 1).replacen(
        "\"x\":1,",
        &format!("\"x\":{{\"from_node\":\"n{}\"}},", NODES - 1),
        1,
    );
    let start = Instant::now();
    let (process, issues) = parse(&text);
    assert_eq!(issues.len(), 1);
    assert!(issues[0].message.contains("(10000 nodes)"), "{}", issues[0]);
    assert_eq!(check(&process.unwrap(), &few()), []);
    assert!(start.elapsed() < BOUND);
}

#[test]
fn many_different_mistakes_take_no_quadratic_time() {
    let mut nodes = Map::new();
    for id in 0..NODES {
        let missing = json!({ "from_node": format!("m{id}") });
        let inner = json!({ "process_id": "e", "arguments": { "x": { "from_node": "n0" } } });
        nodes.insert(
            format!("n{id}"),
            json!({
                "process_id": format!("proces{id}"),
                "arguments": { "x": missing, "f": { "process_graph": { "e": inner } } },
            }),
        );
    }
    let text = Value::Object(nodes).to_string();
    let start = Instant::now();
    let (process, mut issues) = parse(&text);
    issues.extend(check(&process.unwrap(), &few()));
    // Per node: a missing node, a node outside, no result in the callback, an unknown process,
    // an unknown argument of `e`. And no result at all.
    assert_eq!(issues.len(), 5 * NODES + 1);
    println!("{} issues in {:?}", issues.len(), start.elapsed());
    assert!(start.elapsed() < BOUND);
}

#[test]
fn many_issues_about_one_long_name_stay_small() {
    let name = "n".repeat(100_000);
    let bad: Vec<Value> = (0..1000).map(|_| json!({ "from_node": "x" })).collect();
    let text = json!({ &name: {
        "process_id": "apply",
        "arguments": { "process": { "process_graph": {
            &name: { "process_id": "mean", "arguments": { &name: { &name: bad } }, "result": true },
        } } },
        "result": true,
    } })
    .to_string();
    let (process, mut issues) = parse(&text);
    issues.extend(check(&process.unwrap(), &few()));
    assert!(issues.len() > 1000);
    assert!(issues.iter().all(|issue| issue.to_string().len() < 1000));
}

#[test]
fn deep_but_legal_nesting_fits_a_small_stack() {
    // 31 callbacks, each four JSON levels, is what fits into 127 levels.
    let mut graph = json!({ "e": { "process_id": "e", "result": true } });
    let mut depth = 0;
    let text = loop {
        let outer = json!({ "a": {
            "process_id": "apply",
            "arguments": { "process": { "process_graph": graph } },
            "result": true,
        } });
        if serde_json::from_str::<Value>(&outer.to_string()).is_err() {
            break graph.to_string();
        }
        graph = outer;
        depth += 1;
    };
    assert_eq!(depth, 31);
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let (process, issues) = parse(&text);
        assert_eq!(issues, []);
        let issues = check(&process.unwrap(), &few());
        assert!(issues.iter().all(|issue| issue.code == Code::PROCESS_PARAMETER_REQUIRED));
        assert_eq!(issues.len(), depth);
    });
    thread.unwrap().join().unwrap();
}
