//! Every official vector of every process there is, and our own ones, computed in each way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use eolith_engine::eval::{Way, answer};
use eolith_graph::Definitions as _;
use serde_json::{Value as Json, json};

use super::compare::difference;

const WAYS: [(&str, Way); 4] = [
    ("reference", Way::Reference),
    ("whole", Way::Whole),
    ("chunks of 1", Way::Chunks(1)),
    ("chunks of 2", Way::Chunks(2)),
];

#[test]
fn vectors_pass_every_way() {
    let mut lines = Vec::new();
    if let Some(folder) = super::reference("vectors") {
        read(&folder.join("official.ndjson"), &mut lines);
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<_> =
        std::fs::read_dir(own).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "ndjson"));
    files.sort();
    for path in &files {
        read(path, &mut lines);
    }
    let known = known();
    let (mut checked, mut failures, mut failed) = (0, String::new(), BTreeSet::new());
    for (source, vector) in &lines {
        let id = vector["process_id"].as_str().unwrap();
        if eolith_processes::registry().get(id).is_none() {
            continue;
        }
        checked += 1;
        let name = format!("{source}:{id}[{}]", vector["index"]);
        for (way, wrong) in WAYS.iter().filter_map(|(name, way)| Some((name, wrong(vector, *way)?)))
        {
            failed.insert(name.clone());
            if !known.contains_key(&name) {
                let _ = writeln!(failures, "{name} {way}: {wrong}");
            }
        }
    }
    for (name, reason) in &known {
        if !failed.contains(name) {
            let _ = writeln!(failures, "{name} passes, take it out of known.toml ({reason})");
        }
    }
    println!("{checked} vectors, {} known failures", known.len());
    assert!(failures.is_empty(), "{checked} vectors checked\n{failures}");
}

/// What is wrong with the answer to a vector.
fn wrong(vector: &Json, way: Way) -> Option<String> {
    let request =
        json!({ "id": 1, "process_id": vector["process_id"], "arguments": vector["arguments"] });
    let answer: Json = serde_json::from_str(&answer(&request.to_string(), way)).unwrap();
    let throws = match vector.get("throws") {
        Some(Json::String(code)) => answer["error"]["code"] == **code,
        Some(Json::Bool(true)) => answer.get("error").is_some(),
        _ => false,
    };
    if throws {
        return None;
    }
    if let Some(error) = answer.get("error") {
        return Some(format!("{}: {}", error["code"], error["message"]));
    }
    let Some(expected) = vector.get("returns") else {
        return Some(format!("should fail with {}", vector["throws"]));
    };
    let delta = vector["delta"].as_f64().unwrap_or(1e-10);
    difference(&answer["result"], expected, delta)
}

fn read(path: &Path, lines: &mut Vec<(String, Json)>) {
    let source = path.file_stem().unwrap().to_string_lossy().into_owned();
    for (i, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let vector = serde_json::from_str(line);
        lines.push((
            source.clone(),
            vector.unwrap_or_else(|e| panic!("{source} line {}: {e}", i + 1)),
        ));
    }
}

/// Names of vectors that are known to fail, with the reason: lines `"name" = "reason"`.
fn known() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known.toml");
    let text = std::fs::read_to_string(path).unwrap();
    (text.lines().filter(|line| line.starts_with('"')))
        .map(|line| {
            let (name, reason) = line.split_once(" = ").unwrap();
            (name.trim_matches('"').to_owned(), reason.trim_matches('"').to_owned())
        })
        .collect()
}
