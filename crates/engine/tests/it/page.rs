//! `docs/processes.md`: what is there, made of the definitions and of the vectors.
//!
//! `cargo xtask page` writes it. Without the reference data the numbers of official vectors stay what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use eolith_engine::eval::{Way, answer_over};
use eolith_engine::session::Session;
use eolith_graph::{Definition, Definitions as _};
use eolith_plan::process::{Lowering, Registry as _};
use eolith_processes::{level, registry};
use serde_json::{Value as Json, json};

use super::vectors;

const HEAD: &str = "\
# Processes

Made by `cargo xtask page` from the definitions in `crates/processes` and the vectors that the tests pass. *Status* is that of openEO processes 2.0.0-rc.2, *level* that of the openEO
profiles. *Becomes* names the operators of [architecture.md](architecture.md) that calls are lowered to, or `expression` for
what is computed value by value inside of them. *Vectors* counts the cases that pass in every way of evaluation: official
ones and [our own](../crates/engine/tests/vectors/README.md). The interfaces are the standard's but for what
[interface-narrowing.toml](../tests/interface-narrowing.toml) lists.

";

#[tokio::test]
async fn the_page_can_be_made() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/processes.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let page = page(&written).await;
    for id in registry().ids() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{id}` |"))).unwrap();
        assert_eq!(row.matches('|').count(), 7, "{row}");
    }
    if std::env::var_os("EOLITH_WRITE_PAGE").is_some() {
        std::fs::write(&path, page).unwrap();
    }
}

async fn page(written: &str) -> String {
    let (own, official) = (vectors::own(), vectors::official());
    let session = vectors::session();
    let count = |vectors: &[(String, Json)], id: &str| {
        vectors.iter().filter(|(_, vector)| vector["process_id"] == *id).count()
    };
    let before = official_before(written);
    let (mut rows, mut notes, mut stable, mut sum) = (String::new(), String::new(), 0, [0, 0]);
    for id in registry().ids() {
        let definition = registry().get(id).unwrap();
        let official = if official.is_empty() {
            before.get(id).copied().unwrap_or_default()
        } else {
            count(&official, id)
        };
        let own_count = count(&own, id);
        sum = [sum[0] + official, sum[1] + own_count];
        stable += usize::from(!definition.experimental);
        let cases: Vec<&Json> =
            own.iter().map(|(_, vector)| vector).filter(|v| v["process_id"] == *id).collect();
        let _ = writeln!(
            rows,
            "| `{id}` | {} | {} | {} | {official} | {own_count} |",
            status(definition),
            level(id).unwrap_or("–"),
            becomes(&session, id, &cases).await.join(", "),
        );
        for note in &definition.notes {
            let _ = writeln!(notes, "- `{id}`: {note}");
        }
    }
    let all = registry().ids().len();
    let [official, own] = sum;
    let summary = format!(
        "{all} processes, {stable} of them stable; {official} official vectors and {own} of our own.\n\n"
    );
    let table = "| process | status | level | becomes | official vectors | own vectors |\n|---|---|---|---|--:|--:|\n";
    let readings = "\n## Readings and deviations\n\nWhere the standard leaves something open, or contradicts itself.\n\n";
    [HEAD, &summary, table, &rows, readings, &notes].concat()
}

fn status(definition: &Definition) -> &'static str {
    match (definition.deprecated, definition.experimental) {
        (true, _) => "deprecated",
        (false, true) => "experimental",
        (false, false) => "stable",
    }
}

/// The operators in the plans of our own vectors.
async fn becomes(session: &Session, id: &str, cases: &[&Json]) -> Vec<String> {
    match registry().process(id).unwrap().lowering {
        Lowering::Function(_) => return vec!["expression".to_owned()],
        // Its plan is known once it has run.
        Lowering::Outside(_) => return vec!["Udf".to_owned()],
        Lowering::Custom(_) => {}
    }
    let mut operators = BTreeSet::new();
    for vector in cases {
        let arguments = vectors::located(&vector["arguments"]);
        let request = json!({ "op": "explain", "process_id": id, "arguments": arguments });
        let answer = answer_over(&request.to_string(), Way::Whole, session).await;
        let answer: Json = serde_json::from_str(&answer).unwrap();
        for line in answer["result"].as_str().unwrap_or_default().lines() {
            let Some(operator) = line.strip_prefix('%').and_then(|line| line.split(' ').nth(1))
            else {
                continue;
            };
            operators.insert(operator.to_owned());
        }
    }
    // The cubes that vectors give.
    if operators.len() > 1 {
        operators.remove("Literal");
    }
    if operators.is_empty() {
        operators.insert("expression".to_owned());
    }
    operators.into_iter().collect()
}

/// How many official vectors the page counts.
fn official_before(page: &str) -> BTreeMap<String, usize> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let id = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        Some((id.to_owned(), cells.get(5)?.parse().ok()?))
    };
    page.lines().filter_map(row).collect()
}
