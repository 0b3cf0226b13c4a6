//! `eolith processes`: what `GET /processes` shows, as a list, one by one, as a page; and what a process graph would lack.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use eolith_engine::session::processes;
use eolith_engine::sink::SinkFormat;
use eolith_graph::{NodePath, wants};

use crate::failure::{Failure, print, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Show this process whole, as JSON.
    id: Option<String>,
    /// List what a process graph (JSON) names and this back-end has not: processes, formats, languages of functions. Ends
    /// with 1 if there is something.
    #[arg(long, value_name = "GRAPH.json", conflicts_with = "id")]
    missing: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(graph) = &args.missing {
        return missing(graph);
    }
    let all = processes();
    let Some(id) = &args.id else {
        let width = all.ids().iter().map(|id| id.len()).max().unwrap_or_default();
        let mut text = String::new();
        for id in all.ids() {
            let summary = all.get(id).map_or("", |definition| definition.summary);
            text.push_str(&format!("{id:width$}  {summary}\n"));
        }
        return print(&text);
    };
    let definition = all
        .get(id)
        .ok_or_else(|| Failure::text(format!("ProcessUnsupported: there is no process `{id}`")))?;
    print(&format!("{:#}\n", definition.to_json()))
}

/// What arguments name that is known here: the subtype of their schema, what to call it, and whether there is one.
type Known = (&'static str, &'static str, fn(&str) -> bool);

const KNOWN: [Known; 3] = [
    ("output-format", "output format", |name| SinkFormat::from_name(name).is_some()),
    // No file is read by the name of its format, and no function of users runs yet.
    ("input-format", "input format", |_| false),
    ("udf-runtime", "runtime of functions", |_| false),
];

fn missing(path: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::text(format!("cannot read `{}`: {e}", path.display())))?;
    let (process, issues) = eolith_graph::parse(&text);
    let Some(process) = process else { return Err(issues.into()) };
    let wants = wants(&process, processes());
    let mut lines = Vec::new();
    for (id, at) in &wants.processes {
        if processes().get(id).is_none() {
            lines.push(line("process", id, at));
        }
    }
    for (subtype, what, is_known) in KNOWN {
        for (name, at) in wants.named.get(subtype).into_iter().flatten() {
            if !is_known(name) {
                lines.push(line(what, name, at));
            }
        }
    }
    if lines.is_empty() {
        say("nothing is missing");
        return Ok(());
    }
    print(&lines.concat())?;
    Err(Failure::text(format!("{} of what the process graph names is not there", lines.len())))
}

fn line(what: &str, name: &str, at: &[NodePath]) -> String {
    let at: Vec<String> = at.iter().map(ToString::to_string).collect();
    format!("{what} `{name}` at {}\n", at.join(", "))
}
