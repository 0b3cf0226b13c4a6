//! `eolith processes`: what `GET /processes` shows, as a list, one by one, as a page; and what a process graph would lack.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use eolith_engine::catalog::Catalog;
use eolith_engine::session::{Session, Settings};
use eolith_engine::sink::SinkFormat;
use eolith_engine::source::InputFormat;
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
    /// Python that would run UDFs; `python3` if not given.
    #[arg(long, value_name = "PATH")]
    udf_python: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let defaults = Settings::default();
    let udf = eolith_engine::udf::Settings { python: args.udf_python, ..defaults.udf };
    let catalog = Arc::new(Catalog::open(Vec::new(), None));
    let session = Session::new(catalog, Settings { udf, ..defaults })?;
    if let Some(graph) = &args.missing {
        return missing(graph, &session).await;
    }
    let all = session.processes().await;
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

/// What arguments name that can be known here: the subtype of their schema, and what to call it.
const NAMED: [(&str, &str); 3] = [
    ("output-format", "output format"),
    ("input-format", "input format"),
    ("udf-runtime", "runtime of functions"),
];

async fn missing(path: &Path, session: &Session) -> Result<(), Failure> {
    let (all, host) = (session.processes().await, session.host().await);
    let is_known = |subtype: &str, name: &str| match subtype {
        "output-format" => SinkFormat::from_name(name).is_some(),
        "input-format" => InputFormat::from_name(name).is_some(),
        _ => host.is_ok_and(|host| host.runtime().name.eq_ignore_ascii_case(name)),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::text(format!("cannot read `{}`: {e}", path.display())))?;
    let (process, issues) = eolith_graph::parse(&text);
    let Some(process) = process else { return Err(issues.into()) };
    let wants = wants(&process, eolith_engine::session::processes());
    let mut lines = Vec::new();
    for (id, at) in &wants.processes {
        if all.get(id).is_none() {
            lines.push(line("process", id, at));
        }
    }
    for (subtype, what) in NAMED {
        for (name, at) in wants.named.get(subtype).into_iter().flatten() {
            if !is_known(subtype, name) {
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
