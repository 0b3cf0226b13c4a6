//! What a user has, as the engine wants it: files, workspaces and collections in a folder, results of the jobs, stored
//! processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eolith_engine::storage::Location;
use eolith_engine::workspace::{Folder, Workspace, WorkspaceError};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::accounts::Accounts;
use crate::job::Status;
use crate::results::Results;
use crate::serve::Config;
use crate::store::{Store, StoreError};

/// How the namespaces of users begin.
pub(crate) const OF_USER: &str = "u:";
/// Where the folders of all users are.
const USERS: &str = "users";
/// How ids of jobs begin.
pub(crate) const JOB: &str = "j-";

/// The places of one user, with the results of the jobs that a process names.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    folder: Folder,
    results: BTreeMap<String, Location>,
    user: String,
    store: Store,
    accounts: Accounts,
}

/// The folder of a user below the folder of the server's state. Ids of users are safe names of files, but for dots.
pub(crate) fn root(state: &Path, user: &str) -> PathBuf {
    state.join(USERS).join(format!("u-{user}"))
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

    /// The folders of all users that have one.
    pub(crate) fn all(&self) -> std::io::Result<Vec<PathBuf>> {
        if let Some(only) = &self.only {
            return Ok(vec![only.clone()]);
        }
        match std::fs::read_dir(self.state.join(USERS)) {
            Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

impl Places {
    /// The places that `process`, a request of the user, can name.
    pub(crate) async fn open(
        root: PathBuf,
        user: &str,
        process: &Value,
        (store, accounts): (&Store, &Accounts),
        results: &Results,
    ) -> Result<Places, StoreError> {
        let mut found = BTreeMap::new();
        for id in jobs(process) {
            let Some(job) = store.job(&id).await? else { continue };
            let own = job.user == user && job.status == Status::Finished;
            let Some(outcome) = job.outcome.as_ref().filter(|_| own) else { continue };
            match results.files(&job, outcome) {
                Ok(files) => {
                    found.insert(id, files);
                }
                Err(error) => {
                    tracing::error!(job = id, %error, "the results of a job are out of reach");
                }
            }
        }
        // A user who has uploaded nothing can export all the same.
        if let Err(error) = tokio::fs::create_dir_all(&root).await {
            tracing::warn!(%error, user, "the folder of the user cannot be made");
        }
        Ok(Places {
            folder: Folder::new(root),
            results: found,
            user: user.to_owned(),
            store: store.clone(),
            accounts: accounts.clone(),
        })
    }
}

impl Workspace for Places {
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.file(path)
    }

    fn results(&self, job: &str) -> Result<Location, WorkspaceError> {
        self.results.get(job).cloned().ok_or_else(|| WorkspaceError::Job(job.to_owned()))
    }

    fn results_at(&self, address: &str) -> Option<Location> {
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

    fn room(&self, bytes: u64) -> BoxFuture<'_, Result<(), WorkspaceError>> {
        Box::pin(async move {
            let storage = self.accounts.storage(&self.user).await;
            let storage = storage.map_err(|error| {
                tracing::error!(%error, "the account of a user is not known");
                WorkspaceError::Room("the store has failed".to_owned())
            })?;
            let refused = storage.and_then(|storage| storage.refuse(bytes));
            refused
                .map_or(Ok(()), |issue| Err(WorkspaceError::Full(issue.message.into(), issue.hint)))
        })
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
