//! What crates may know of each other, and who may name a process.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::File;

/// A crate and the crates of the workspace it may use. The same table stands in `docs/architecture.md`.
const EDGES: [(&str, &[&str]); 8] = [
    ("cube", &[]),
    ("graph", &[]),
    ("plan", &["cube", "graph"]),
    ("processes", &["cube", "graph", "plan"]),
    ("engine", &["cube", "graph", "plan", "processes"]),
    ("server", &["cube", "graph", "plan", "engine"]),
    ("cli", &["cube", "graph", "plan", "engine", "server"]),
    ("xtask", &[]),
];

/// What the pure crates must not depend on: input and output, threads of an executor, clocks.
const IMPURE: [&str; 7] =
    ["tokio", "reqwest", "axum", "object_store", "rayon", "tempfile", "tracing"];
const PURE: [&str; 4] = ["cube", "graph", "plan", "processes"];

/// Where planning and execution know operators only.
const WITHOUT_IDS: [&str; 4] = [
    "crates/plan/src/optimize",
    "crates/plan/src/physical",
    "crates/plan/src/compute",
    "crates/engine/src/run",
];

/// Fewer than that, and the ids were not found where they are looked for.
const FEWEST_IDS: usize = 60;

pub(super) fn edges(files: &[File]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for file in files {
        let Some(folder) = file.path.strip_suffix("/Cargo.toml") else { continue };
        let name = folder.strip_prefix("crates/").unwrap_or(folder);
        let Some((_, allowed)) = EDGES.iter().find(|(own, _)| *own == name) else {
            complaints.push(file.at(0, "this crate is not in the table of allowed edges"));
            continue;
        };
        seen += 1;
        for (i, line) in file.text.lines().enumerate() {
            let key: String = line
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
            if let Some(other) = key.strip_prefix("eolith-")
                && line.contains(['.', '='])
                && !allowed.contains(&other)
            {
                complaints.push(file.at(i, &format!("`{name}` may not depend on `{other}`")));
            }
            if PURE.contains(&name) && IMPURE.contains(&key.as_str()) {
                complaints
                    .push(file.at(i, &format!("`{name}` is pure and may not depend on `{key}`")));
            }
        }
    }
    if seen != EDGES.len() {
        bail!("{} crates are in the table of allowed edges, {seen} were found", EDGES.len());
    }
    Ok(complaints)
}

pub(super) fn process_ids(files: &[File]) -> Result<Vec<String>> {
    let mut ids = BTreeSet::new();
    for file in files.iter().filter(|f| f.path.starts_with("crates/processes/src/")) {
        ids.extend(defined_ids(&file.text));
    }
    if ids.len() < FEWEST_IDS {
        bail!(
            "only {} process ids were found in crates/processes: has their form changed?",
            ids.len()
        );
    }
    let mut complaints = Vec::new();
    for file in
        files.iter().filter(|f| f.is_rust() && WITHOUT_IDS.iter().any(|p| f.path.starts_with(p)))
    {
        for (i, line) in file.text.lines().enumerate() {
            // Tests may name processes: they stand at the end of a file.
            if line.trim() == "#[cfg(test)]" {
                break;
            }
            let named = literals(line).find(|text| ids.contains(*text));
            if let Some(id) = named {
                complaints
                    .push(file.at(i, &format!("names the process `{id}`: only its lowering may")));
            }
        }
    }
    Ok(complaints)
}

/// The first text of every `Definition::new(` and of every `NAME = "id"(`.
pub(super) fn defined_ids(text: &str) -> Vec<&str> {
    let constructors = text.split("Definition::new(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('"')?;
        rest.split('"').next()
    });
    let items = text.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(" = \"")?;
        let (id, rest) = rest.split_once('"')?;
        let item = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        (item && rest.starts_with('(')).then_some(id)
    });
    constructors.chain(items).collect()
}

/// Texts in double quotes of a line of code.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn wrong_edges_are_found() {
        let mut files: Vec<File> = (EDGES.iter())
            .map(|(name, _)| match *name {
                "xtask" => file("xtask/Cargo.toml", ""),
                name => file(&format!("crates/{name}/Cargo.toml"), "eolith-cube.workspace = true"),
            })
            .collect();
        files[0].text.clear();
        let complaints = edges(&files).unwrap();
        assert_eq!(complaints, ["crates/graph/Cargo.toml:1: `graph` may not depend on `cube`"]);
        files[2].text.push_str("\ntokio.workspace = true");
        assert_eq!(edges(&files).unwrap().len(), 2);
        files.pop();
        assert!(edges(&files).is_err());
    }

    #[test]
    fn ids_and_literals() {
        let text =
            "process! {\n    MIN = \"min\"(data),\n Definition::new(\n  \"extrema\",\n \"Text\")";
        assert_eq!(defined_ids(text), ["extrema", "min"]);
        assert_eq!(literals("a(\"b\", \"c\") // \"d\"").collect::<Vec<_>>(), ["b", "c"]);
    }
}
