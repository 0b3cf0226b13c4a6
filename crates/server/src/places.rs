//! What a user has, as the engine wants it: files, workspaces and collections in a folder, results of the jobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eolith_engine::workspace::{Folder, Workspace, WorkspaceError};
use serde_json::Value;

use crate::folders::Folders;
use crate::job::{Job, Status};
use crate::store::{Store, StoreError};

/// How ids of jobs begin.
pub(crate) const JOB: &str = "j-";

/// The places of one user, with the results of the jobs that a process names.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    folder: Folder,
    results: BTreeMap<String, PathBuf>,
}

/// The folder of a user below the folder of the server's state. Ids of users are safe names of files, but for dots.
pub(crate) fn root(state: &Path, user: &str) -> PathBuf {
    state.join("users").join(format!("u-{user}"))
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
        Ok(Places { folder: Folder::new(root), results })
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

    fn place(&self, workspace: &str, path: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.place(workspace, path)
    }

    fn collection(&self, id: &str) -> Result<PathBuf, WorkspaceError> {
        self.folder.collection(id)
    }

    fn collections(&self) -> Vec<String> {
        self.folder.collections()
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
    fn jobs_are_found_by_id_and_in_addresses() {
        let process =
            json!({"a": [{"id": "j-1"}, "http://h/openeo/1.2/jobs/j-2/results?x=1", 5, "x j-3"]});
        assert_eq!(jobs(&process), ["j-1", "j-2"]);
    }
}
