//! What a user has: files, results of earlier jobs, places to export to.
//!
//! Everything of it is reached through [`Workspace`], so that one engine serves a command line with a folder and a
//! server with many users. Answers are local paths; nothing is read here. Paths that a process graph names never lead
//! out of the workspace, by `..`, by links or otherwise.

use std::fmt::Debug;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// The places of one user.
pub trait Workspace: Send + Sync + Debug {
    /// A file that the user put there; `/folder/file` and `folder/file` are the same.
    ///
    /// # Errors
    /// [`WorkspaceError`], whose code is `FileNotFound`.
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError>;

    /// The folder with the results of a job.
    ///
    /// # Errors
    /// There is no such job, or it has no results.
    fn results(&self, job: &str) -> Result<PathBuf, WorkspaceError>;
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
}

/// A folder: files in `files/`, results in `results/<job>/`.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

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
        let relative = Path::new(path.trim_start_matches('/'));
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !relative.components().all(plain) {
            return None;
        }
        let found = base.join(relative).canonicalize().ok()?;
        (found != base && found.starts_with(&base)).then_some(found)
    }
}

impl Workspace for Folder {
    fn file(&self, path: &str) -> Result<PathBuf, WorkspaceError> {
        let file = self.inside("files", path).filter(|found| found.is_file());
        file.ok_or_else(|| WorkspaceError::File(path.to_owned()))
    }

    fn results(&self, job: &str) -> Result<PathBuf, WorkspaceError> {
        let plain = !job.contains(['/', '\\']);
        let folder = self.inside("results", job).filter(|found| plain && found.is_dir());
        folder.ok_or_else(|| WorkspaceError::Job(job.to_owned()))
    }
}

impl Workspace for Nowhere {
    fn file(&self, _: &str) -> Result<PathBuf, WorkspaceError> {
        Err(WorkspaceError::None)
    }

    fn results(&self, _: &str) -> Result<PathBuf, WorkspaceError> {
        Err(WorkspaceError::None)
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
            assert_eq!(own.results(job), Err(WorkspaceError::Job(job.to_owned())));
        }
        assert_eq!(Nowhere.file("a.json"), Err(WorkspaceError::None));
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
