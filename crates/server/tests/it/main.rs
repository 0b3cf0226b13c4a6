//! The API as clients see it: scenarios in `tests/api/*.json`, asked in-process and through a socket, and the cases
//! that are about the connection itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod connections;
mod data;
mod host;
mod issuer;
mod scenario;
mod socket;

use std::path::{Path, PathBuf};

use crate::host::{Access, Host};
use crate::scenario::Scenario;

fn scenarios() -> Vec<(PathBuf, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/api");
    // What beginners do wrong has a folder of its own: each answer says how to mend it.
    let mut paths: Vec<PathBuf> = [folder.join("mistakes"), folder]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| Scenario::read(path);
    paths.iter().map(|path| (path.clone(), read(path))).collect()
}

async fn run_all(access: Access) {
    let mut problems = Vec::new();
    let mut steps = 0;
    for (path, scenario) in scenarios() {
        let host = Host::start(&scenario.server, access).await;
        steps += scenario.steps.len();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        problems.extend(scenario.run(&host).await.into_iter().map(|p| format!("{name}: {p}")));
        host.stop().await;
    }
    assert!(steps > 0);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_in_process() {
    run_all(Access::InProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_through_a_socket() {
    run_all(Access::Socket).await;
}
