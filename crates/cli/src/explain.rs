//! `eolith explain`: the plan of a process graph as text.

use clap::{Args as ClapArgs, ValueEnum};
use eolith_engine::session::Stage;

use crate::data::{Data, Graph, Limits};
use crate::failure::{Failure, print};
use crate::target::Target;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    graph: Graph,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    target: Target,
    /// How far to go.
    #[arg(long, value_enum, default_value_t = Wanted::All)]
    stage: Wanted,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Bound,
    Optimized,
    Physical,
    All,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let session = args.target.on(args.data.session(&args.limits, None)?);
    let process = args.graph.process()?;
    let stage = match args.stage {
        Wanted::Bound => Stage::Bound,
        Wanted::Optimized => Stage::Optimized,
        Wanted::Physical => Stage::Physical,
        Wanted::All => Stage::All,
    };
    print(&session.explain(&process, stage).await?)
}
