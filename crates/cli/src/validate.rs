//! `eolith validate`: all problems of a process graph.

use clap::Args as ClapArgs;

use crate::data::{Data, Graph, Limits};
use crate::failure::{Failure, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    graph: Graph,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    limits: Limits,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let session = args.data.session(&args.limits, None)?;
    let process = args.graph.process()?;
    let issues = session.validate(&process).await;
    if !issues.is_empty() {
        return Err(issues.into());
    }
    say("valid");
    Ok(())
}
