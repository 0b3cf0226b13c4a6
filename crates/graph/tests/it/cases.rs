//! The cases in `tests/cases/*.json`: an input, and the issues it must give, word for word.
//!
//! An input is a JSON value (`input`), a text (`text`), or a text with repetitions (`nested`).
//! `UPDATE_EXPECT=1` writes what was found into the files; read the difference before committing.

use std::path::{Path, PathBuf};

use eolith_graph::{Issue, check, parse};
use serde_json::{Value, json};

use crate::definitions::few;

#[test]
fn cases() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let mut differences = Vec::new();
    let mut count = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        for case in &mut cases {
            count += 1;
            let found = json!(issues_of(&input(case)));
            if case["issues"] != found {
                differences.push(format!(
                    "{} › {}\nexpected {:#}\nfound    {found:#}",
                    file.display(),
                    case["name"],
                    case["issues"]
                ));
                case["issues"] = found;
            }
        }
        if update {
            let pretty = serde_json::to_string_pretty(&cases).unwrap();
            std::fs::write(&file, pretty + "\n").unwrap();
        }
    }
    assert!(count >= 30, "only {count} cases");
    assert!(update || differences.is_empty(), "{}", differences.join("\n\n"));
}

/// The inputs of all cases.
pub(crate) fn inputs() -> Vec<String> {
    let cases = files().into_iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        serde_json::from_str::<Vec<Value>>(&text).unwrap()
    });
    cases.map(|case| input(&case)).collect()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn input(case: &Value) -> String {
    if let Some(text) = case.get("text") {
        return text.as_str().unwrap().to_owned();
    }
    if let Some(nested) = case.get("nested") {
        let part = |key: &str| nested[key].as_str().unwrap_or_default();
        let times = nested["times"].as_u64().unwrap() as usize;
        return [
            part("before"),
            &part("open").repeat(times),
            part("middle"),
            &part("close").repeat(times),
            part("after"),
        ]
        .concat();
    }
    case["input"].to_string()
}

fn issues_of(text: &str) -> Vec<String> {
    let (process, mut issues) = parse(text);
    assert!(process.is_some() || !issues.is_empty(), "neither a process nor an issue");
    if let Some(process) = &process {
        issues.extend(check(process, &few()));
    }
    issues.iter().map(Issue::to_string).collect()
}
