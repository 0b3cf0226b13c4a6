//! What a user has: files, results of earlier jobs, places to export to, processes.
//!
//! Everything of it is reached through [`Workspace`], so that one engine serves a command line with a folder and a
//! server with many users. Files are named by local paths, results by where they are; they are not read here. Paths that a process graph names never lead
//! out of the workspace, by `..`, by links or otherwise.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Component, Path, PathBuf};

use futures::future::BoxFuture;
use serde_json::Value;
use thiserror::Error;

use crate::storage::Location;

/// The places of one user.
pub trait Workspace: Send + Sync + Debug {
    /// A file that the user put there; `/folder/file` and `folder/file` are the same.
    ///
    /// # Errors
    /// [`WorkspaceError`], whose code is `FileNotFound`.
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError>;

    /// The folder with the results of a job, which may be in a bucket.
    ///
    /// # Errors
    /// There is no such job, or it has no results.
    fn results(&self, job: &str) -> Result<Location, WorkspaceError>;

    /// The folder with the results that an address leads to, where it is one of this back-end: nothing is fetched by the
    /// address then.
    fn results_at(&self, address: &str) -> Option<Location> {
        let _ = address;
        None
    }

    /// Where a path of a workspace is, or would be; the workspace itself for an empty path.
    ///
    /// # Errors
    /// There is no such workspace, or the path leads out of it.
    fn place(&self, workspace: &str, path: &str) -> Result<PathBuf, WorkspaceError>;

    /// Where a collection of the user is, or would be: a folder.
    ///
    /// # Errors
    /// There are no collections of the user here, or none can have that id.
    fn collection(&self, id: &str) -> Result<PathBuf, WorkspaceError>;

    /// The ids of the user's collections, sorted.
    fn collections(&self) -> Vec<String>;

    /// Finds out whether so many bytes more can be exported; where nothing is limited, they can.
    ///
    /// # Errors
    /// [`WorkspaceError::Full`], or what keeps it from being known.
    fn room(&self, bytes: u64) -> BoxFuture<'_, Result<(), WorkspaceError>> {
        let _ = bytes;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Those of the processes that are stored, by id: of the user, or of a namespace in which another user has made
    /// them public.
    fn processes<'a>(
        &'a self,
        namespace: Option<&'a str>,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<BTreeMap<String, Value>, WorkspaceError>> {
        let _ = (namespace, ids);
        Box::pin(std::future::ready(Ok(BTreeMap::new())))
    }
}

/// Why there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WorkspaceError {
    #[error("there are no files of the user here")]
    None,
    #[error("there is no file `{0}`")]
    File(String),
    #[error("there is no job `{0}` with results")]
    Job(String),
    #[error("there is no workspace `{0}`")]
    Workspace(String),
    #[error("`{0}` is no path in a workspace")]
    Path(String),
    #[error("a collection of the user cannot have the id `{0}`")]
    Collection(String),
    #[error("stored processes cannot be read: {0}")]
    Processes(String),
    /// What does not fit, and a hint.
    #[error("{0}")]
    Full(String, Option<String>),
    #[error("how much is stored cannot be found out: {0}")]
    Room(String),
}

/// A folder: files in `files/`, results in `results/<job>/`, workspaces in `workspaces/<name>/`, collections in
/// `collections/<id>/`, where `%2F` stands for a slash. Workspaces are folders that somebody made, collections are made
/// when something is exported to them.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

const COLLECTIONS: &str = "collections";

/// No workspace at all.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl Folder {
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder { root: root.into() }
    }

    /// What `path` means below a part of the folder; `None` where that is not there or elsewhere.
    fn inside(&self, part: &str, path: &str) -> Option<PathBuf> {
        let base = self.root.join(part).canonicalize().ok()?;
        let found = base.join(plain(path)?).canonicalize().ok()?;
        (found != base && found.starts_with(&base)).then_some(found)
    }

    /// A folder directly below a part.
    fn folder(&self, part: &str, name: &str) -> Option<PathBuf> {
        let one = !name.contains(['/', '\\']);
        self.inside(part, name).filter(|found| one && found.is_dir())
    }
}

/// A path without steps upwards.
fn plain(path: &str) -> Option<&Path> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    relative.components().all(plain).then_some(relative)
}

/// Where a path below `base` is or would be; `None` where links lead elsewhere.
fn below(base: &Path, path: &str) -> Option<PathBuf> {
    let whole = base.join(plain(path)?);
    let there = whole.ancestors().find(|part| part.symlink_metadata().is_ok())?;
    there.canonicalize().ok()?.starts_with(base).then_some(whole)
}

impl Workspace for Folder {
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError> {
        let file = self.inside("files", path).filter(|found| found.is_file());
        file.ok_or_else(|| WorkspaceError::File(path.to_owned()))
    }

    fn results(&self, job: &str) -> Result<Location, WorkspaceError> {
        let folder = self.folder("results", job);
        let results = folder.and_then(|folder| Location::local(&folder).ok());
        results.ok_or_else(|| WorkspaceError::Job(job.to_owned()))
    }

    fn place(&self, workspace: &str, path: &str) -> Result<PathBuf, WorkspaceError> {
        let base = self.folder("workspaces", workspace);
        let base = base.ok_or_else(|| WorkspaceError::Workspace(workspace.to_owned()))?;
        below(&base, path).ok_or_else(|| WorkspaceError::Path(path.to_owned()))
    }

    fn collection(&self, id: &str) -> Result<PathBuf, WorkspaceError> {
        let refused = || WorkspaceError::Collection(id.to_owned());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~/".contains(c);
        if id.is_empty() || id.starts_with('.') || !id.chars().all(allowed) {
            return Err(refused());
        }
        let root = self.root.canonicalize().map_err(|_| WorkspaceError::None)?;
        let name = id.replace('/', "%2F");
        let folder = below(&root, &format!("{COLLECTIONS}/{name}"));
        folder.ok_or_else(refused)
    }

    fn collections(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(COLLECTIONS)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let ids = names.map(|name| name.replace("%2F", "/"));
        let mut ids: Vec<String> = ids.filter(|id| self.collection(id).is_ok()).collect();
        ids.sort();
        ids
    }
}

impl Workspace for Nowhere {
    fn file(&self, _: &str) -> Result<PathBuf, WorkspaceError> {
        Err(WorkspaceError::None)
    }

    fn results(&self, _: &str) -> Result<Location, WorkspaceError> {
        Err(WorkspaceError::None)
    }

    fn place(&self, _: &str, _: &str) -> Result<PathBuf, WorkspaceError> {
        Err(WorkspaceError::None)
    }

    fn collection(&self, _: &str) -> Result<PathBuf, WorkspaceError> {
        Err(WorkspaceError::None)
    }

    fn collections(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_what_is_inside_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("files/deep")).unwrap();
        std::fs::create_dir_all(path("results/job-1")).unwrap();
        for name in ["files/a.json", "files/deep/b.json", "results/job-1/c.nc", "secret"] {
            std::fs::write(path(name), "x").unwrap();
        }
        let own = Folder::new(folder.path());
        for name in ["a.json", "/a.json", "./a.json"] {
            assert_eq!(own.file(name), Ok(path("files/a.json").canonicalize().unwrap()), "{name}");
        }
        assert!(own.file("deep/b.json").is_ok());
        for name in ["deep", "", "/", "..", "../secret", "deep/../../secret", "nothing"] {
            assert_eq!(own.file(name), Err(WorkspaceError::File(name.to_owned())));
        }
        assert!(own.results("job-1").is_ok());
        for job in ["job-2", "", ".", "..", "../results/job-1", "job-1/c.nc"] {
            assert_eq!(own.results(job).unwrap_err(), WorkspaceError::Job(job.to_owned()));
        }
        assert_eq!(Nowhere.file("a.json"), Err(WorkspaceError::None));
    }

    #[test]
    fn places_are_where_nothing_is_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let own = Folder::new(folder.path());
        assert_eq!(own.place("mine", ""), Err(WorkspaceError::Workspace("mine".to_owned())));
        std::fs::create_dir_all(root.join("workspaces/mine")).unwrap();
        assert_eq!(own.place("mine", ""), Ok(root.join("workspaces/mine/")));
        assert_eq!(own.place("mine", "/a/b"), Ok(root.join("workspaces/mine/a/b")));
        assert_eq!(own.place("mine", "a/../.."), Err(WorkspaceError::Path("a/../..".to_owned())));
        assert!(own.place("mine/..", "").is_err() && own.place("..", "").is_err());
        assert_eq!(own.collection("a/b-1"), Ok(root.join("collections/a%2Fb-1")));
        for id in ["", ".", "../a", "a b", "a%2Fb"] {
            assert_eq!(own.collection(id), Err(WorkspaceError::Collection(id.to_owned())), "{id}");
        }
        std::fs::create_dir_all(root.join("collections/a%2Fb")).unwrap();
        std::fs::create_dir_all(root.join("collections/.writing")).unwrap();
        assert_eq!(own.collections(), ["a/b"]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/", root.join("workspaces/mine/out")).unwrap();
            assert!(own.place("mine", "out/x").is_err() && own.place("mine", "in/x").is_ok());
            std::os::unix::fs::symlink("/nowhere", root.join("workspaces/mine/lost")).unwrap();
            assert!(own.place("mine", "lost/x").is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let link = folder.path().join("files/link");
        std::os::unix::fs::symlink(folder.path().join("secret"), link).unwrap();
        assert!(Folder::new(folder.path()).file("link").is_err());
    }
}
