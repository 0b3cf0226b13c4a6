//! `eolith processes`: what `GET /processes` shows.

use clap::Args as ClapArgs;
use eolith_engine::session::processes;

use crate::failure::{Failure, print};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Show this process whole, as JSON.
    id: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
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
