//! Whether `docs/processes.md` has all processes and as many of our own vectors as there are. A test compares the rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::File;
use super::crates::defined_ids;

const PAGE: &str = "docs/processes.md";
const REMEDY: &str = "`cargo xtask page` writes it";

pub(super) fn rules(files: &[File]) -> Result<Vec<String>> {
    let page = files.iter().find(|file| file.path == PAGE).context("there is no reference page")?;
    let sources: Vec<&File> =
        files.iter().filter(|f| f.path.starts_with("crates/processes/src/")).collect();
    // Macros hide some ids from `defined_ids`; they are texts of the sources all the same.
    let known = |id: &str| sources.iter().any(|file| file.text.contains(&format!("\"{id}\"")));
    let mut missing: BTreeSet<&str> =
        sources.iter().flat_map(|file| defined_ids(&file.text)).collect();
    let vectors = vectors(files);
    let mut complaints = Vec::new();
    for (i, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let id = cells.get(1).and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let Some(id) = id else { continue };
        missing.remove(id);
        let count = vectors.get(id).copied().unwrap_or(0);
        if !known(id) {
            complaints.push(page.at(i, &format!("there is no process `{id}`: {REMEDY}")));
        } else if cells.get(6) != Some(&&*count.to_string()) {
            let what = format!("`{id}` has {count} vectors of our own: {REMEDY}");
            complaints.push(page.at(i, &what));
        }
    }
    complaints.extend(missing.iter().map(|id| page.at(0, &format!("`{id}` is missing: {REMEDY}"))));
    Ok(complaints)
}

/// How many vectors of our own each process has.
fn vectors(files: &[File]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    let own = |file: &&File| file.path.ends_with(".ndjson") && file.path.contains("/vectors/");
    for line in files.iter().filter(own).flat_map(|file| file.text.lines()) {
        let id = line.strip_prefix("{\"process_id\": \"").and_then(|rest| rest.split('"').next());
        if let Some(id) = id {
            *counts.entry(id).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_vectors_are_counted() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let complaints = rules(&[
            file(
                "crates/processes/src/a.rs",
                "Definition::new(\"a\", Definition::new(\"b\", Definition::new(\"c\",",
            ),
            file(
                "crates/x/vectors/f.ndjson",
                "{\"process_id\": \"a\", }\n{\"process_id\": \"b\"}\n",
            ),
            file(PAGE, "| `a` | | | | 3 | 1 |\n| `b` | | | | 3 | 2 |\n| `d` | | | | 0 | 0 |\n"),
        ]);
        let complaints = complaints.unwrap().join("\n");
        assert!(!complaints.contains("`a`"), "{complaints}");
        for wrong in ["`b` has 1 vectors", "`c` is missing", "no process `d`"] {
            assert!(complaints.contains(wrong), "{complaints}");
        }
    }
}
