//! What a user has, as the engine wants it: files, workspaces and collections in a folder, results of the jobs, stored
//! processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eolith_engine::workspace::{Folder, Workspace, WorkspaceError};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::folders::Folders;
use crate::job::{Job, Status};
use crate::serve::Config;
use crate::store::{Store, StoreError};

/// How the namespaces of users begin.
pub(crate) const OF_USER: &str = "u:";
/// How ids of jobs begin.
pub(crate) const JOB: &str = "j-";

/// The places of one user, with the results of the jobs that a process names.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    folder: Folder,
    results: BTreeMap<String, PathBuf>,
    user: String,
    store: Store,
}

/// The folder of a user below the folder of the server's state. Ids of users are safe names of files, but for dots.
pub(crate) fn root(state: &Path, user: &str) -> PathBuf {
    state.join("users").join(format!("u-{user}"))
}

/// Where the folders of all users are.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    state: PathBuf,
    /// Of the only user of a server without authentication, if the operator has named one.
    only: Option<PathBuf>,
}

impl Homes {
    pub(crate) fn new(config: &Config) -> Homes {
        let only = config.workspace.clone().filter(|_| config.auth.is_none());
        Homes { state: config.state.clone(), only }
    }

    pub(crate) fn of(&self, user: &str) -> PathBuf {
        self.only.clone().unwrap_or_else(|| root(&self.state, user))
    }
}

impl Places {
    /// The places that `process`, a request of the user, can name.
    pub(crate) async fn open(
        root: PathBuf,
        user: &str,
        process: &Value,
        store: &Store,
        folders: &Folders,
    ) -> Result<Places, StoreError> {
        let mut results = BTreeMap::new();
        for id in jobs(process) {
            let Some(job) = store.job(&id).await? else { continue };
            if job.user == user
                && let Some(files) = results_of(&job, folders)
            {
                results.insert(id, files);
            }
        }
        // A user who has uploaded nothing can export all the same.
        if let Err(error) = tokio::fs::create_dir_all(&root).await {
            tracing::warn!(%error, user, "the folder of the user cannot be made");
        }
        Ok(Places {
            folder: Folder::new(root),
            results,
            user: user.to_owned(),
            store: store.clone(),
        })
    }
}

/// Where the results of a finished job are.
pub(crate) fn results_of(job: &Job, folders: &Folders) -> Option<PathBuf> {
    let outcome = job.outcome.as_ref().filter(|_| job.status == Status::Finished)?;
    Some(folders.files(job, outcome.attempt))
}

impl Workspace for Places {
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.file(path)
    }

    fn results(&self, job: &str) -> Result<PathBuf, WorkspaceError> {
        self.results.get(job).cloned().ok_or_else(|| WorkspaceError::Job(job.to_owned()))
    }

    fn results_at(&self, address: &str) -> Option<PathBuf> {
        self.results.get(job_at(address)?).cloned()
    }

    fn place(&self, workspace: &str, path: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.place(workspace, path)
    }

    fn collection(&self, id: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.collection(id)
    }

    fn collections(&self) -> Vec<String> {
        self.folder.collections()
    }

    fn processes<'a>(
        &'a self,
        namespace: Option<&'a str>,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<BTreeMap<String, Value>, WorkspaceError>> {
        let (owner, public) = match namespace {
            None => (self.user.as_str(), false),
            Some(namespace) => (namespace.strip_prefix(OF_USER).unwrap_or_default(), true),
        };
        Box::pin(async move {
            let found = self.store.processes_named(owner, ids, public).await;
            found.map_err(|error| {
                tracing::error!(%error, "the store has failed");
                WorkspaceError::Processes("the store has failed".to_owned())
            })
        })
    }
}

/// The job whose results an address leads to: for its owner, or by a signed link. Ids of jobs cannot be guessed, so that
/// one which the user has says enough of whose address it is.
fn job_at(address: &str) -> Option<&str> {
    let (_, address) = address.split_once("://")?;
    let mut parts = address.split(['?', '#']).next()?.trim_end_matches('/').rsplit('/');
    match (parts.next()?, parts.next()?, parts.next()?) {
        ("results", id, "jobs") => Some(id),
        (token, "signed", _) => token.split('.').next(),
        _ => None,
    }
}

/// The ids of jobs that a process names: as texts of their own, and in addresses of results.
fn jobs(process: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![process];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                let parts = text.split(['/', '?', '&', '=', '.']);
                found.extend(parts.filter(|part| part.starts_with(JOB)).map(str::to_owned));
            }
            Value::Array(values) => open.extend(values),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_of_results_name_their_job() {
        let results = "https://h/openeo/1.2/jobs/j-1/results";
        assert_eq!(job_at(results), Some("j-1"));
        assert_eq!(job_at(&format!("{results}/?partial=true")), Some("j-1"));
        assert_eq!(job_at("http://h:1/openeo/1.2/signed/j-2.1.99.abc"), Some("j-2"));
        for other in
            ["j-1", "jobs/j-1/results", "https://h/jobs/j-1", "https://h/jobs/j-1/results/x"]
        {
            assert_eq!(job_at(other), None, "{other}");
        }
    }

    #[test]
    fn jobs_are_found_by_id_and_in_addresses() {
        let process =
            json!({"a": [{"id": "j-1"}, "http://h/openeo/1.2/jobs/j-2/results?x=1", 5, "x j-3"]});
        assert_eq!(jobs(&process), ["j-1", "j-2"]);
    }
}
