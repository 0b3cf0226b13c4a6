//! `eolith doctor`: whether a server would run with these options, before it does.

use eolith_server::diagnosis::{State, diagnose};

use crate::failure::{Failure, print};
use crate::serve::{Args, Prepared};

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Prepared { session, config, .. } = args.prepare()?;
    let findings = diagnose(&session, &config).await;
    let lines: Vec<String> = findings.iter().map(|finding| format!("{finding}\n")).collect();
    print(&lines.concat())?;
    match findings.iter().filter(|finding| finding.state == State::Broken).count() {
        0 => Ok(()),
        1 => Err(Failure::text("one thing is broken")),
        broken => Err(Failure::text(format!("{broken} things are broken"))),
    }
}
