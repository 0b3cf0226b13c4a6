//! The collections: what a user named, found in the background, described for people and for the planner.
//!
//! ```text
//! Entry ─ scan ─► Index: id → Listed (address, Data) and problems
//!                   Listed ─ describe ─► CollectionRecord ─► STAC Collection for the API
//!                   Listed ─ answer   ─► plan::need::Answer
//!                   Listed ─ items    ─► STAC items, and the search among them
//! headers, cache, stored   opening files once, and remembering that between runs
//! ```
//! [`Catalog::open`] returns at once; every question waits for the scan. What cannot be opened is in
//! [`Catalog::problems`] and does not hinder the rest. Pixels are not read here, and which scenes a plan needs is
//! the planner's decision: this module answers [`Need`]s.

mod answer;
pub(crate) mod bounds;
mod cache;
mod dates;
pub(crate) mod describe;
mod external;
mod foreign;
mod geotiff;
mod headers;
mod ids;
mod items;
pub mod metadata;
mod remote;
mod scan;
mod scenes;
mod search;
mod stored;
#[cfg(test)]
mod tests;
mod uploaded;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_plan::need::{Collection, Content};
use futures::stream::{self, StreamExt};
use tokio::sync::{OnceCell, watch};
use tracing::{info, warn};

use self::cache::Cache;
use self::external::External;
use self::headers::{CubeFile, Headers};
pub use self::items::{Addresses, Interval, ItemError, ItemFile, ItemPage, ItemQuery, SortBy};
pub use self::metadata::CollectionRecord;
use self::scenes::SceneSource;
use crate::storage::Access;

/// Collections that are described at the same time.
const CONCURRENT: usize = 8;

/// A path or URL as a user gave it, with the id it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id of the one data set there, or the first part of the ids of several.
    pub id: Option<String>,
    pub path: String,
}

/// Something that was named or found and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub path: String,
    pub reason: String,
}

/// All collections. Cloning copies a pointer.
#[derive(Clone, Debug)]
pub struct Catalog {
    headers: Arc<Headers>,
    external: Arc<External>,
    /// Paths and addresses of the operator's data.
    paths: Arc<[String]>,
    index: watch::Receiver<Option<Arc<Index>>>,
}

#[derive(Debug, Default)]
struct Index {
    listed: BTreeMap<String, Arc<Listed>>,
    problems: Vec<Problem>,
}

/// A collection; what is said of it is worked out when it is asked for.
#[derive(Debug)]
struct Listed {
    id: String,
    href: String,
    data: Data,
    content: OnceCell<Arc<Collection>>,
    record: OnceCell<Arc<CollectionRecord>>,
}

#[derive(Debug)]
enum Data {
    Scenes(Box<SceneSource>),
    Cube {
        /// Name of the file or folder.
        file: String,
        cube: Box<CubeFile>,
    },
}

impl Entry {
    /// Reads `[ID=]PATH`. What stands before the first `=` is an id if it could be one; a path that exists as a
    /// whole is a path (`./a=b` always is).
    pub fn parse(text: &str) -> Entry {
        let is_id = |id: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~/".contains(c);
            !id.is_empty() && !id.starts_with(['/', '.', '~']) && id.chars().all(allowed)
        };
        match text.split_once('=') {
            Some((id, path)) if is_id(id) && !path.is_empty() && !Path::new(text).exists() => {
                Entry { id: Some(id.to_owned()), path: path.to_owned() }
            }
            _ => Entry { id: None, path: text.to_owned() },
        }
    }
}

impl Catalog {
    /// Starts to look through `entries` in the background. What is learned of files is kept in `state_dir`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(entries: Vec<Entry>, state_dir: Option<PathBuf>) -> Catalog {
        let headers = Arc::new(Headers::new(Cache::new(state_dir.as_deref())));
        let (sender, index) = watch::channel(None);
        let catalog = Catalog {
            headers: Arc::clone(&headers),
            external: Arc::new(External::new(Access::operator())),
            paths: entries.iter().map(|entry| entry.path.clone()).collect(),
            index,
        };
        tokio::spawn(async move {
            headers.load().await;
            let found = scan::scan(&entries, &headers).await;
            headers.save().await;
            info!(
                collections = found.listed.len(),
                problems = found.problems.len(),
                opened = headers.opened(),
                "the catalogue is ready"
            );
            sender.send_replace(Some(Arc::new(found)));
        });
        catalog
    }

    /// For a server: addresses in process graphs may lead to public `https` and to the operator's data only, unless
    /// `private` allows everything that this process could read.
    #[must_use]
    pub fn for_requests(self, private: bool) -> Catalog {
        let access = Access::requests(private, self.paths.iter().map(String::as_str));
        Catalog { external: Arc::new(External::new(access)), ..self }
    }

    /// What addresses in process graphs may lead to.
    pub fn access(&self) -> &Arc<Access> {
        &self.external.access
    }

    /// Waits until everything was looked at.
    pub async fn ready(&self) {
        self.index().await;
    }

    /// The description of a collection.
    pub async fn collection(&self, id: &str) -> Option<Arc<CollectionRecord>> {
        let listed = self.index().await.listed.get(id).map(Arc::clone)?;
        let record = listed.record(&self.headers).await;
        self.headers.save().await;
        Some(record)
    }

    /// The descriptions of all collections, by id.
    pub async fn collections(&self) -> Vec<Arc<CollectionRecord>> {
        let index = self.index().await;
        let work: Vec<_> = index.listed.values().map(|one| one.record(&self.headers)).collect();
        let records = stream::iter(work).buffered(CONCURRENT).collect().await;
        self.headers.save().await;
        records
    }

    /// The ids of all collections, sorted; nothing is opened for it.
    pub async fn ids(&self) -> Vec<String> {
        self.index().await.listed.keys().cloned().collect()
    }

    /// What cannot be used, by path.
    pub async fn problems(&self) -> Vec<Problem> {
        self.index().await.problems.clone()
    }

    async fn index(&self) -> Arc<Index> {
        let mut index = self.index.clone();
        let found = index.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(index)) => Arc::clone(index),
            // The task is gone without a result: it panicked, or the runtime is shutting down.
            _ => Arc::new(Index {
                listed: BTreeMap::new(),
                problems: vec![Problem {
                    path: "catalogue".to_owned(),
                    reason: "looking through the data stopped unexpectedly".to_owned(),
                }],
            }),
        }
    }
}

impl Listed {
    fn new(id: String, href: String, data: Data) -> Listed {
        let (content, record) = (OnceCell::new(), OnceCell::new());
        Listed { id, href, data, content, record }
    }

    /// What the planner gets to know. Errors are texts that name the file.
    async fn content(&self, headers: &Headers) -> Result<Arc<Collection>, String> {
        let make = || async {
            let content = match &self.data {
                Data::Cube { cube, .. } => {
                    Content::Cube { schema: cube.schema.clone(), pieces: Arc::clone(&cube.pieces) }
                }
                Data::Scenes(source) => Content::Scenes(source.describe(headers).await?),
            };
            Ok(Arc::new(Collection { id: self.id.clone(), content }))
        };
        self.content.get_or_try_init(make).await.cloned()
    }

    async fn record(&self, headers: &Headers) -> Arc<CollectionRecord> {
        if let Some(record) = self.record.get() {
            return Arc::clone(record);
        }
        let source = match &self.data {
            Data::Cube { file, cube } => {
                let make = || async { Arc::new(describe::cube(&self.id, file, cube)) };
                return Arc::clone(self.record.get_or_init(make).await);
            }
            Data::Scenes(source) => source,
        };
        let read = match (self.content(headers).await, source.sample().await) {
            (Ok(collection), Ok(items)) => Ok((collection, items)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
        };
        match read {
            Ok((collection, items)) => {
                let make = || async {
                    let read = match &collection.content {
                        Content::Scenes(described) => Some((described, &**items)),
                        Content::Cube { .. } => None,
                    };
                    Arc::new(describe::scenes(&self.id, source, read))
                };
                Arc::clone(self.record.get_or_init(make).await)
            }
            // Not kept: the next question may find the source in order.
            Err(reason) => {
                warn!(collection = self.id, address = self.href, reason, "cannot be read");
                Arc::new(describe::scenes(&self.id, source, None))
            }
        }
    }
}
