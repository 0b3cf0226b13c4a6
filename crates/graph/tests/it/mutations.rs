//! Damaged inputs: whatever arrives, nothing panics and what is returned keeps its invariants.

use eolith_graph::{Arg, Graph, check, parse, substitute};
use serde_json::Value;

use crate::cases::inputs;
use crate::definitions::few;

#[test]
fn damaged_cases_never_panic() {
    let inputs: Vec<String> = inputs().into_iter().filter(|text| text.len() < 10_000).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut graphs, mut clean) = (0, 0);
    for text in &inputs {
        for _ in 0..25 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=random.below(3) {
                damage(&mut bytes, &inputs, &mut random);
            }
            let (process, issues) = parse(&String::from_utf8_lossy(&bytes));
            let Some(process) = process else {
                assert!(!issues.is_empty());
                continue;
            };
            graphs += 1;
            clean += usize::from(issues.is_empty());
            assert_ordered(&process.graph);
            for issue in check(&process, &few()).iter().chain(&issues) {
                assert!(!issue.message.is_empty());
            }
            let (process, _) = substitute(process, &std::collections::BTreeMap::new(), &few());
            assert_ordered(&process.graph);
        }
    }
    assert!(graphs > 500 && clean > 100, "{graphs} graphs, {clean} clean: too few to tell");
}

fn assert_ordered(graph: &Graph) {
    assert!(graph.result < graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        for (_, arg) in &node.arguments {
            assert!(arg.nodes().iter().all(|&target| target < index));
            let mut open = vec![arg];
            while let Some(arg) = open.pop() {
                match arg {
                    Arg::Array(items) => open.extend(items),
                    Arg::Object(entries) => open.extend(entries.iter().map(|(_, arg)| arg)),
                    Arg::Callback(graph) => assert_ordered(graph),
                    _ => {}
                }
            }
        }
    }
}

/// Damages text, or exchanges whole values so that the JSON stays valid.
fn damage(bytes: &mut Vec<u8>, inputs: &[String], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(6) {
        0 => bytes[at] = b"{}[]\",:0naex "[random.below(13)],
        1 => {
            bytes.remove(at);
        }
        _ => {
            let other = &inputs[random.below(inputs.len())];
            let (Ok(mut value), Ok(other)) =
                (serde_json::from_slice::<Value>(bytes), serde_json::from_str::<Value>(other))
            else {
                return;
            };
            let (count, choices) = (size(&value), size(&other));
            let part = nth(&mut other.clone(), &mut random.below(choices)).cloned();
            if let (Some(slot), Some(part)) = (nth(&mut value, &mut random.below(count)), part) {
                *slot = part;
            }
            *bytes = value.to_string().into_bytes();
        }
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(entries) => entries.values().map(size).sum(),
        _ => 0,
    }
}

/// The value at a position in document order.
fn nth<'v>(value: &'v mut Value, position: &mut usize) -> Option<&'v mut Value> {
    if *position == 0 {
        return Some(value);
    }
    *position -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, position)),
        Value::Object(entries) => entries.values_mut().find_map(|value| nth(value, position)),
        _ => None,
    }
}

/// A xorshift generator: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
