//! `cargo xtask measure`: figures that depend on the machine and are therefore no tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::served::Served;
use crate::shell::{self, Profile, say};

/// Files of the generated folder.
const FILES: usize = 20_000;
const REPEATS: usize = 5;

/// Time from the start of `eolith serve` to the end of its first answer: without data, over the reference data where
/// it is, over a folder of many files; with a fresh state folder first, then with what the first start left there.
pub(crate) fn startup() -> Result<()> {
    let binary = shell::build(Profile::Release)?;
    let work = shell::target()?.join("measure");
    fs::create_dir_all(&work)?;
    let empty = work.join("empty");
    fs::create_dir_all(&empty)?;
    let mut cases = vec![("an empty folder", empty)];
    let reference = crate::test::reference().join("data/real");
    if reference.is_dir() {
        cases.push(("the reference data", reference));
    }
    cases.push(("a folder of 20,000 files", many_files(&work)?));
    for (what, folder) in cases {
        let state = work.join("state");
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        let mut times = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let served = Served::start(&binary, &[&folder], 0, &state)?;
            times.push(format!("{:.0}", served.first_answer.as_secs_f64() * 1e3));
        }
        say(&format!("start to first answer over {what}: {} ms", times.join(", ")));
    }
    Ok(())
}

/// Requests of one client and of many; `benches/load.py` says what is wanted. Its load is made by wrk.
pub(crate) fn load(options: &[&str]) -> Result<()> {
    let binary = shell::build(Profile::Release)?;
    let there = || Command::new("wrk").arg("--version").output().is_ok();
    let ready = there() || (apt::install("wrk")? && there());
    if !ready {
        bail!("this needs wrk: `apt-get install wrk`, or run as root so that it can be installed");
    }
    let script = shell::root().join("benches/load.py");
    shell::check(Command::new("python3").arg(script).args(options).env("EOLITH_BIN", binary))
}

/// Copies of a small GeoTIFF, a hundred a folder.
fn many_files(work: &Path) -> Result<PathBuf> {
    let folder = work.join("many");
    let done = folder.join("done");
    if done.exists() {
        return Ok(folder);
    }
    let source = shell::root().join("crates/engine/tests/fixtures/tiff/tiled-lzw-2.tif");
    let bytes = fs::read(&source).with_context(|| format!("cannot read `{}`", source.display()))?;
    for i in 0..FILES {
        let part = folder.join(format!("{:03}", i / 100));
        if i % 100 == 0 {
            fs::create_dir_all(&part)?;
        }
        fs::write(part.join(format!("scene_{i:05}.tif")), &bytes)?;
    }
    fs::write(done, "")?;
    Ok(folder)
}
