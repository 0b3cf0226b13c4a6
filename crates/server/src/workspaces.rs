//! Workspaces of a user: folders that results are exported to, each with a title and a description beside it.
//!
//! ```text
//! <home>/workspaces/<id>/        what was exported there
//!                   .<id>.json   what the user calls it, if anything was said
//! ```
//! A folder that somebody made is a workspace, too. The functions here block; who calls them is not a thread of the server.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::folders::absent;

/// The folder of all, as [`eolith_engine::workspace::Folder`] has it.
const FOLDER: &str = "workspaces";
/// Characters of an id, and how many numbers are tried behind one that is taken.
const LONGEST: usize = 60;
const MOST_TRIES: usize = 10_000;

/// The workspaces of one user.
#[derive(Clone, Debug)]
pub(crate) struct Workspaces {
    root: PathBuf,
}

/// What the user says of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// CommonMark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

impl Workspaces {
    pub(crate) fn new(home: &Path) -> Workspaces {
        Workspaces { root: home.join(FOLDER) }
    }

    /// The ids of all, sorted, each with what is said of it.
    pub(crate) fn list(&self) -> io::Result<Vec<(String, About)>> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let Ok(id) = entry?.file_name().into_string() else { continue };
            if let Some(about) = self.find(&id)? {
                found.push((id, about));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// What is said of a workspace; `None` if there is none.
    pub(crate) fn find(&self, id: &str) -> io::Result<Option<About>> {
        if !is_id(id) || !self.folder(id).symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(None);
        }
        match std::fs::read(self.document(id)) {
            // What is no document of ours says nothing.
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(About::default())),
            Err(error) => Err(error),
        }
    }

    /// Makes a workspace; gives its id, which is made of its title.
    pub(crate) fn create(&self, about: &About) -> io::Result<String> {
        std::fs::create_dir_all(&self.root)?;
        let name = slug(about.title.as_deref().unwrap_or_default());
        for number in 1..MOST_TRIES {
            let id = if number == 1 { name.clone() } else { format!("{name}-{number}") };
            match std::fs::create_dir(self.folder(&id)) {
                Ok(()) => {
                    self.say(&id, about)?;
                    return Ok(id);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Says something else of a workspace.
    pub(crate) fn say(&self, id: &str, about: &About) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(&self.root)?;
        serde_json::to_writer(&mut file, about)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(self.document(id)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes a workspace with all that is in it; whether there was one.
    pub(crate) fn remove(&self, id: &str) -> io::Result<bool> {
        if self.find(id)?.is_none() {
            return Ok(false);
        }
        absent(std::fs::remove_dir_all(self.folder(id)))?;
        absent(std::fs::remove_file(self.document(id)))?;
        Ok(true)
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    fn document(&self, id: &str) -> PathBuf {
        self.root.join(format!(".{id}.json"))
    }
}

/// Whether a name is one that clients can use: hidden folders are none.
fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~".contains(c);
    !id.is_empty() && !id.starts_with('.') && id.chars().all(allowed)
}

/// A title as an id.
fn slug(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let parts: String = title.chars().take(LONGEST).map(plain).collect();
    let parts: Vec<&str> = parts.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "workspace".to_owned() } else { parts.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_are_folders_with_a_title() {
        let home = tempfile::tempdir().unwrap();
        let own = Workspaces::new(home.path());
        assert!(own.list().unwrap().is_empty());
        let about = |title: &str| About { title: Some(title.to_owned()), description: None };
        assert_eq!(own.create(&about("Ä my  Wörk!")).unwrap(), "my-w-rk");
        assert_eq!(own.create(&about("my w/rk")).unwrap(), "my-w-rk-2");
        assert_eq!(own.create(&About::default()).unwrap(), "workspace");
        std::fs::create_dir(home.path().join("workspaces/by-hand")).unwrap();
        std::fs::create_dir(home.path().join("workspaces/.hidden")).unwrap();
        std::fs::write(home.path().join("workspaces/file"), "x").unwrap();
        let ids =
            |list: Vec<(String, About)>| list.into_iter().map(|own| own.0).collect::<Vec<_>>();
        assert_eq!(ids(own.list().unwrap()), ["by-hand", "my-w-rk", "my-w-rk-2", "workspace"]);
        own.say("by-hand", &about("Now with a title")).unwrap();
        assert_eq!(own.find("by-hand").unwrap(), Some(about("Now with a title")));
        for id in ["", ".", "..", ".hidden", "file", "../workspaces/by-hand", "nothing"] {
            assert_eq!(own.find(id).unwrap(), None, "{id}");
            assert!(!own.remove(id).unwrap(), "{id}");
        }
        std::fs::write(home.path().join("workspaces/my-w-rk/result.tif"), "x").unwrap();
        assert!(own.remove("my-w-rk").unwrap() && !own.remove("my-w-rk").unwrap());
        assert_eq!(own.create(&about("my w rk")).unwrap(), "my-w-rk");
        assert!(!home.path().join("workspaces/my-w-rk/result.tif").exists());
    }
}
