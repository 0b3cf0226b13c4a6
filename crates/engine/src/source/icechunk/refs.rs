//! What the names of a repository mean.
//!
//! Version 2 has one file with all branches and tags; version 1 has a file for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use icechunk_format::SnapshotId;
use icechunk_format::format_constants::FileTypeBin;
use icechunk_format::repo_info::RepoInfo;
use icechunk_format::serializers::deserialize_repo_info;
use serde::Deserialize;

use super::{STATE, files, invalid};
use crate::source::SourceError;
use crate::storage::{Location, StorageError};

/// The branch that is meant where none is named.
const DEFAULT: &str = "main";
/// Names that an error lists.
const NAMED: usize = 10;

pub(super) struct Refs {
    repository: Location,
    /// Of version 2.
    state: Option<State>,
}

/// What is wanted of the file with the state of a repository.
struct State {
    branches: BTreeMap<String, SnapshotId>,
    tags: BTreeMap<String, SnapshotId>,
    snapshots: Vec<SnapshotId>,
    containers: Containers,
}

/// Where the files of virtual chunks are, by the name that stands for it.
pub(super) type Containers = Arc<BTreeMap<String, String>>;

/// The settings of a repository, as far as they are needed.
#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    virtual_chunk_containers: Option<BTreeMap<String, Container>>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    name: Option<String>,
    url_prefix: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Branch,
    Tag,
}

impl Refs {
    /// # Errors
    /// What reading says.
    pub(super) async fn read(repository: &Location) -> Result<Refs, SourceError> {
        let file = repository.join(STATE);
        let state = match files::read(&file, FileTypeBin::RepoInfo, |version, content| {
            State::of(&deserialize_repo_info(version, content)?)
        })
        .await
        {
            Ok(state) => Some(state),
            Err(StorageError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Refs { repository: repository.clone(), state })
    }

    /// The snapshot that a name means; `None` is the default branch.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] where it means none, or two.
    pub(super) async fn resolve(&self, name: Option<&str>) -> Result<SnapshotId, SourceError> {
        let wrong = |reason: String| invalid(self.repository.href(), reason);
        let Some(name) = name else {
            let main = self.lookup(Kind::Branch, DEFAULT).await?;
            return main.ok_or_else(|| wrong(format!("it has no branch `{DEFAULT}`")));
        };
        let (branch, tag) =
            (self.lookup(Kind::Branch, name).await?, self.lookup(Kind::Tag, name).await?);
        match (branch, tag) {
            (Some(id), None) | (None, Some(id)) => return Ok(id),
            (Some(_), Some(_)) => {
                return Err(wrong(format!(
                    "`{name}` is a branch and a tag: write `@branch.{name}` or `@tag.{name}`"
                )));
            }
            (None, None) => {}
        }
        if let Some(name) = name.strip_prefix("branch.")
            && let Some(id) = self.lookup(Kind::Branch, name).await?
        {
            return Ok(id);
        }
        if let Some(name) = name.strip_prefix("tag.")
            && let Some(id) = self.lookup(Kind::Tag, name).await?
        {
            return Ok(id);
        }
        if let Ok(id) = SnapshotId::try_from(name)
            && self.has(&id).await?
        {
            return Ok(id);
        }
        let known = self.state.as_ref().map_or_else(String::new, State::names);
        Err(wrong(format!("it has no branch, tag or snapshot `{name}`{known}")))
    }

    pub(super) fn containers(&self) -> Containers {
        self.state.as_ref().map_or_else(Arc::default, |state| Arc::clone(&state.containers))
    }

    async fn lookup(&self, kind: Kind, name: &str) -> Result<Option<SnapshotId>, SourceError> {
        if let Some(state) = &self.state {
            let refs = match kind {
                Kind::Branch => &state.branches,
                Kind::Tag => &state.tags,
            };
            return Ok(refs.get(name).cloned());
        }
        let folder = match kind {
            Kind::Branch => format!("refs/branch.{name}"),
            Kind::Tag => format!("refs/tag.{name}"),
        };
        let folder = self.repository.join(&folder);
        let file = folder.join("ref.json");
        let Some(bytes) = file.read_optional().await? else { return Ok(None) };
        // A tag that is gone is never used again.
        let gone = folder.join("ref.json.deleted");
        if matches!(kind, Kind::Tag) && gone.read_optional().await?.is_some() {
            return Ok(None);
        }
        let id = files::snapshot_of(&bytes).and_then(|id| SnapshotId::try_from(id.as_str()).ok());
        id.map(Some).ok_or_else(|| invalid(file.href(), "it names no snapshot"))
    }

    async fn has(&self, id: &SnapshotId) -> Result<bool, SourceError> {
        if let Some(state) = &self.state {
            return Ok(state.snapshots.contains(id));
        }
        match self.repository.join(&format!("snapshots/{id}")).version().await {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl State {
    fn of(info: &RepoInfo) -> Result<State, icechunk_format::IcechunkFormatError> {
        let owned = |(name, id): (&str, SnapshotId)| (name.to_owned(), id);
        let snapshots: Result<Vec<_>, _> =
            info.all_snapshots()?.map(|snapshot| snapshot.map(|info| info.id)).collect();
        let containers = info.config::<Settings>()?.and_then(|s| s.virtual_chunk_containers);
        let containers = containers.unwrap_or_default().into_values();
        let named = |container: Container| Some((container.name?, container.url_prefix));
        Ok(State {
            branches: info.branches()?.map(owned).collect(),
            tags: info.tags()?.map(owned).collect(),
            snapshots: snapshots?,
            containers: Arc::new(containers.filter_map(named).collect()),
        })
    }

    /// Some names that there are, for people who look for one.
    fn names(&self) -> String {
        let names: Vec<String> = (self.branches.keys())
            .chain(self.tags.keys())
            .take(NAMED)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = if self.branches.len() + self.tags.len() > NAMED { ", …" } else { "" };
        format!(", but {}{more}", names.join(", "))
    }
}
