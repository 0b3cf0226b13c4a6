//! Every official vector of every process there is, the examples of the standard, and our own vectors, computed in
//! each way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::eval::{Way, answer_over};
use eolith_engine::session::{Session, Settings};
use eolith_engine::udf;
use eolith_engine::workspace::Folder;
use eolith_graph::Definitions as _;
use eolith_plan::process::{Lowering, Registry as _};
use serde_json::{Value as Json, json};

use super::compare::difference;

const WAYS: [(&str, Way); 4] = [
    ("reference", Way::Reference),
    ("whole", Way::Whole),
    ("chunks of 1", Way::Chunks(1)),
    ("chunks of 2", Way::Chunks(2)),
];

/// Examples of the standard that contradict its text: the condition of one lacks its wrapper and has the parameter of
/// an older version, the other removes an element with a length of 0.
const SLIPS: [&str; 2] = ["example:count[4]", "example:array_modify[3]"];

#[tokio::test]
async fn vectors_pass_every_way() {
    let mut lines = own();
    lines.extend(official());
    lines.extend(examples());
    let session = session();
    let known = known();
    let without_udfs = without_udfs(&session).await;
    let (mut checked, mut failures, mut failed) = (0, String::new(), BTreeSet::new());
    for (source, vector) in &lines {
        let id = vector["process_id"].as_str().unwrap();
        let name = format!("{source}:{id}[{}]", vector["index"]);
        let Some(process) = eolith_processes::registry().process(id) else { continue };
        let is_outside = matches!(process.lowering, Lowering::Outside(_));
        if (is_outside && without_udfs.is_some()) || SLIPS.contains(&&*name) {
            continue;
        }
        checked += 1;
        for (way, found) in WAYS {
            let Some(wrong) = wrong(&session, vector, found).await else { continue };
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
    let left_out = without_udfs.unwrap_or_default();
    println!("{checked} vectors, {} known failures{left_out}", known.len());
    assert!(failures.is_empty(), "{checked} vectors checked\n{failures}");
}

/// Why functions in Python cannot be run here. They have to be where `EOLITH_PYTHON` names an interpreter.
async fn without_udfs(session: &Session) -> Option<String> {
    let reason = session.host().await.err()?;
    assert!(python().is_none(), "{reason}");
    Some(format!(", none of UDFs: {reason}"))
}

fn python() -> Option<PathBuf> {
    std::env::var_os("EOLITH_PYTHON").map(PathBuf::from)
}

/// Five cases of our own for every process, an error and no-data among them, so that the proof does not hang on the
/// reference data.
#[test]
fn every_process_has_vectors() {
    let own = own();
    let mut missing = String::new();
    for id in eolith_processes::registry().ids() {
        let cases: Vec<&Json> =
            own.iter().map(|(_, vector)| vector).filter(|v| v["process_id"] == *id).collect();
        let lacks = [
            (cases.len() < 5).then(|| format!("{} of 5 cases", cases.len())),
            (!cases.iter().any(|v| v.get("throws").is_some())).then(|| "an error case".to_owned()),
            (!cases.iter().any(|v| has_nodata(&v["arguments"]) || has_nodata(&v["returns"])))
                .then(|| "a no-data case".to_owned()),
        ];
        let lacks: Vec<String> = lacks.into_iter().flatten().collect();
        if !lacks.is_empty() {
            let _ = writeln!(missing, "{id}: {}", lacks.join(", "));
        }
    }
    assert!(missing.is_empty(), "missing in crates/engine/tests/vectors:\n{missing}");
}

/// Whether no-data is anywhere in it.
fn has_nodata(json: &Json) -> bool {
    match json {
        Json::Object(map) => map.get("@") == Some(&json!("nodata")) || map.values().any(has_nodata),
        Json::Array(items) => items.iter().any(has_nodata),
        _ => false,
    }
}

/// What is wrong with the answer to a vector.
async fn wrong(session: &Session, vector: &Json, way: Way) -> Option<String> {
    let arguments = located(&vector["arguments"]);
    let request = json!({ "id": 1, "process_id": vector["process_id"], "arguments": arguments });
    let answer = answer_over(&request.to_string(), way, session).await;
    let answer: Json = serde_json::from_str(&answer).unwrap();
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

/// Files of `data` with the path they have here.
pub(crate) fn located(json: &Json) -> Json {
    match json {
        Json::Object(map) if map.get("@") == Some(&json!("file")) => {
            json!(folder().join("data").join(map["path"].as_str().unwrap()))
        }
        Json::Object(map) => map.iter().map(|(key, own)| (key.clone(), located(own))).collect(),
        Json::Array(items) => items.iter().map(located).collect(),
        plain => plain.clone(),
    }
}

pub(crate) fn session() -> Session {
    let data = Entry::parse(&folder().join("data").to_string_lossy());
    let catalog = Arc::new(Catalog::open(vec![data], None));
    let udf = udf::Settings { python: python(), ..udf::Settings::default() };
    let session = Session::new(catalog, Settings { udf, ..Settings::default() }).unwrap();
    session.with_workspace(Arc::new(Folder::new(folder().join("workspace"))))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Our own vectors, each with the name of its family.
pub(crate) fn own() -> Vec<(String, Json)> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "ndjson"));
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

pub(crate) fn official() -> Vec<(String, Json)> {
    let folder = super::reference("vectors");
    folder.map(|folder| read(&folder.join("official.ndjson"))).unwrap_or_default()
}

/// The examples in the descriptions of processes that say what comes out.
fn examples() -> Vec<(String, Json)> {
    let Some(folder) = super::reference("processes") else { return Vec::new() };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let process: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (index, example) in process["examples"].as_array().into_iter().flatten().enumerate() {
            let Some(returns) = example.get("returns") else { continue };
            let mut arguments = example["arguments"].clone();
            for argument in arguments.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
                if argument.get("process_graph").is_some() {
                    argument["@"] = json!("process");
                }
            }
            // Dates are texts in the standard and have a form of their own in answers.
            let returns = match returns.as_str() {
                Some(text) if process["id"] == "date_shift" && text.contains('T') => {
                    json!({ "@": "datetime", "value": text })
                }
                _ => returns.clone(),
            };
            let vector = json!({ "process_id": process["id"], "index": index, "arguments": arguments, "returns": returns });
            all.push(("example".to_owned(), vector));
        }
    }
    all
}

fn read(path: &Path) -> Vec<(String, Json)> {
    let source = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let line = |(i, line): (usize, &str)| {
        let vector = serde_json::from_str(line);
        (source.clone(), vector.unwrap_or_else(|e| panic!("{source} line {}: {e}", i + 1)))
    };
    text.lines().enumerate().map(line).collect()
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
