//! Answers to the planner.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_cube::Grid;
use eolith_plan::model::Forest;
use eolith_plan::model::network::Network;
use eolith_plan::need::{Answer, ArrayRef, Degrees, Format, Level, Need};
use eolith_plan::request::Source;
use tracing::warn;

use super::external::Unread;
use super::search::{MOST_SCENES, Trouble, Wanted};
use super::{Catalog, CollectionRecord, Data, Entry, Listed, uploaded};
use crate::storage::{Location, StorageError, shown};
use crate::workspace::Workspace;

impl Catalog {
    /// The answer to a question, once everything was looked at.
    ///
    /// [`Answer::Missing`] stands for an id that no data set has, [`Answer::Failed`] for data that cannot be read.
    /// Scenes come in the order (time, id).
    pub async fn answer(&self, need: &Need, workspace: &dyn Workspace) -> Answer {
        let source = match need {
            Need::Collection { source }
            | Need::Scenes { source, .. }
            | Need::Features { source } => source,
            Need::Model { uri } => return self.model(uri, workspace).await,
            Need::Network { uri, features } => {
                return self.network(uri, *features, workspace).await;
            }
            Need::Code { address } => return self.code(address, workspace).await,
            // Asked of who computes and runs functions.
            Need::Computed(_) | Need::Udf { .. } => {
                return Answer::Failed("the catalogue computes nothing".to_owned());
            }
            Need::Levels { array } => return self.levels(array).await,
        };
        match source {
            Source::Url(url, format) if format.is_vector() => {
                return match self.external.features(url, *format).await {
                    Ok(Some(features)) => Answer::Features(Arc::new(features)),
                    Ok(None) => Answer::Missing,
                    Err(unread) => unanswered(source, unread),
                };
            }
            Source::Files(paths, format) if format.is_vector() => {
                let Some(files) = own_files(paths, workspace) else { return Answer::Missing };
                return match uploaded::features(&files, *format).await {
                    Ok(features) => Answer::Features(Arc::new(features)),
                    Err(unread) => unanswered(source, unread),
                };
            }
            _ => {}
        }
        let listed = match Box::pin(self.listed(source, workspace)).await {
            Ok(listed) => listed,
            Err(unread) => return unanswered(source, unread),
        };
        let Some(listed) = listed else { return Answer::Missing };
        let result = match need {
            Need::Model { .. }
            | Need::Network { .. }
            | Need::Computed(_)
            | Need::Code { .. }
            | Need::Udf { .. }
            | Need::Levels { .. } => return Answer::Missing,
            Need::Collection { .. } => {
                listed.content(&self.headers).await.map(Answer::Collection).map_err(Trouble::Failed)
            }
            Need::Features { .. } => {
                Err(Trouble::Failed(format!("`{}` has no features: it is pixels", listed.href)))
            }
            Need::Scenes { bbox, start, end, properties, .. } => match &listed.data {
                Data::Scenes(scenes) => {
                    let bbox = bbox.map(|bbox| bbox.map(Degrees::value));
                    let wanted = Wanted { bbox, start: *start, end: *end, properties };
                    let scenes = scenes.scenes(&wanted, &self.headers).await;
                    scenes.map(|scenes| Answer::Scenes(Arc::from(scenes)))
                }
                Data::Cube { .. } => {
                    Err(Trouble::Failed(format!("`{}` has no scenes: it is one cube", listed.href)))
                }
            },
        };
        self.headers.save().await;
        match result {
            Ok(answer) => answer,
            Err(Trouble::TooMany) => Answer::TooMany(MOST_SCENES),
            Err(Trouble::Failed(reason)) => failed(source, reason),
        }
    }

    /// What is said of the data set that a source is: whose it is, and what may be done with it. `None` for geometries.
    pub async fn about(
        &self,
        source: &Source,
        workspace: &dyn Workspace,
    ) -> Option<Arc<CollectionRecord>> {
        match source {
            Source::Url(_, format) | Source::Files(_, format) if format.is_vector() => None,
            _ => {
                let listed = self.listed(source, workspace).await.ok()??;
                Some(listed.record(&self.headers).await)
            }
        }
    }

    /// The data set that a source of pixels is; `None` where there is none.
    async fn listed(
        &self,
        source: &Source,
        workspace: &dyn Workspace,
    ) -> Result<Option<Arc<Listed>>, Unread> {
        let failed = Unread::Failed;
        match source {
            Source::Collection(id) => {
                if let Some(listed) = self.index().await.listed.get(id) {
                    return Ok(Some(Arc::clone(listed)));
                }
                self.exported(id, workspace).await.map_err(failed)
            }
            Source::Stac(url) => match workspace.results_at(url) {
                Some(folder) => self.results(&folder).await.map(Some).map_err(failed),
                None => self.external.listed(url, &self.headers).await.map_err(failed),
            },
            Source::Url(url, format) => self.external.pixels(url, *format, &self.headers).await,
            Source::Result(job) => {
                let Ok(folder) = workspace.results(job) else { return Ok(None) };
                self.results(&folder).await.map(Some).map_err(failed)
            }
            Source::Files(paths, format) => {
                let Some(files) = own_files(paths, workspace) else { return Ok(None) };
                uploaded::pixels(&files, *format, &self.headers).await.map(Some)
            }
        }
    }

    /// The overviews of an array. A file that cannot be opened has none: reading its native pixels says why.
    async fn levels(&self, array: &ArrayRef) -> Answer {
        let location = if array.requested {
            Location::requested(self.access(), &array.href)
        } else {
            Location::resolve("", &array.href)
        };
        let Ok(location) = location else { return Answer::Missing };
        let found = match array.format {
            Format::Tiff => self.headers.tiff(&location).await.map(|header| {
                let level = |(i, (grid, chunk)): (usize, &(Grid, Vec<usize>))| Level {
                    array: ArrayRef {
                        array: (i + 1).to_string(),
                        version: array.version.clone(),
                        chunk: Some(chunk.clone()),
                        ..array.clone()
                    },
                    grid: grid.clone(),
                };
                header.overviews.iter().enumerate().map(level).collect()
            }),
            Format::Zarr => self.headers.cubes(&location, Format::Zarr).await.map(|cubes| {
                let mut own =
                    cubes.into_iter().filter_map(|mut cube| cube.levels.remove(&array.array));
                let mut levels: Vec<Level> = own.next().unwrap_or_default();
                for level in &mut levels {
                    level.array.requested = array.requested;
                }
                levels
            }),
            // No convention is known for files that say nothing of groups.
            Format::NetCdf => Ok(Vec::new()),
        };
        self.headers.save().await;
        match found {
            Ok(levels) => Answer::Levels(levels.into()),
            Err(reason) => {
                warn!(href = array.href, reason, "overviews cannot be found");
                Answer::Missing
            }
        }
    }
}

impl Catalog {
    /// The description of a collection of the user; `None` if there is none, or it cannot be read.
    pub async fn exported_collection(
        &self,
        id: &str,
        workspace: &dyn Workspace,
    ) -> Option<Arc<CollectionRecord>> {
        match self.exported(id, workspace).await {
            Ok(listed) => Some(listed?.record(&self.headers).await),
            Err(reason) => {
                warn!(id, reason, "a collection of the user cannot be used");
                None
            }
        }
    }

    /// A collection of the user. Errors are texts.
    pub(super) async fn exported(
        &self,
        id: &str,
        workspace: &dyn Workspace,
    ) -> Result<Option<Arc<Listed>>, String> {
        let Ok(folder) = workspace.collection(id) else { return Ok(None) };
        match tokio::fs::try_exists(&folder).await {
            Ok(true) => {
                let folder = folder.display().to_string();
                self.only(Some(id.to_owned()), &folder).await.map(Some)
            }
            Ok(false) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The data set that the results of a job are. Errors are texts; where it lies is nobody's business.
    async fn results(&self, folder: &Location) -> Result<Arc<Listed>, String> {
        let href = folder.href();
        self.only(None, href).await.map_err(|reason| reason.replace(href, "…"))
    }

    /// The data set in a folder, of which there must be one. Errors are texts.
    async fn only(&self, id: Option<String>, folder: &str) -> Result<Arc<Listed>, String> {
        let entry = Entry { id, path: folder.to_owned() };
        let index = super::scan::scan(&[entry], &self.headers).await;
        let mut listed = index.listed.into_values();
        match (listed.next(), listed.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => {
                let reasons: Vec<String> = index.problems.into_iter().map(|p| p.reason).collect();
                Err(format!("there is no data cube in it {}", reasons.join(", ")))
            }
            (Some(one), Some(other)) => Err(format!(
                "it has several data cubes (`{}`, `{}`), which cannot be loaded as one",
                one.id, other.id
            )),
        }
    }

    /// The model behind a STAC item.
    async fn model(&self, uri: &str, workspace: &dyn Workspace) -> Answer {
        let Some(at) = self.own_or_requested(uri, workspace) else { return Answer::Missing };
        let read = async { model(at.map_err(|e| e.to_string())?).await };
        match read.await {
            Ok(forest) => Answer::Model(Arc::new(forest)),
            Err(reason) => {
                warn!(uri = shown(uri), reason, "a model cannot be used");
                Answer::Failed(reason)
            }
        }
    }

    /// The model in an ONNX file, or in the one that a STAC item names.
    async fn network(&self, uri: &str, features: usize, workspace: &dyn Workspace) -> Answer {
        let Some(at) = self.own_or_requested(uri, workspace) else { return Answer::Missing };
        let read = async {
            let at = at.map_err(|e| e.to_string())?;
            let own = at.href().to_owned();
            network(at, features).await.map_err(|reason| placeless(reason, &own, uri))
        };
        match read.await {
            Ok(network) => Answer::Network(Arc::new(network)),
            Err(reason) => {
                warn!(uri = shown(uri), reason, "a model cannot be used");
                Answer::Failed(reason)
            }
        }
    }

    /// Where the file of an address or of a path in the workspace is; `None` if there is no such file.
    fn own_or_requested(
        &self,
        uri: &str,
        workspace: &dyn Workspace,
    ) -> Option<Result<Location, StorageError>> {
        if uri.contains("://") {
            return Some(Location::requested(self.access(), uri));
        }
        workspace.file(uri).ok().map(|path| uploaded::location(&path))
    }

    /// The text behind a path or address of a process graph; a path is one of the workspace, or else of the operator's.
    async fn code(&self, address: &str, workspace: &dyn Workspace) -> Answer {
        let own = if address.contains("://") { None } else { workspace.file(address).ok() };
        let read = async {
            let location = match own {
                Some(path) => Location::local(&path)?,
                None => Location::requested(self.access(), address)?,
            };
            let bytes = location.read_document().await?.1;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read.await {
            Ok(text) => Answer::Code(text.into()),
            Err(StorageError::NotFound(_)) => Answer::Missing,
            Err(error) => {
                warn!(address = shown(address), %error, "code cannot be read");
                Answer::Failed(error.to_string())
            }
        }
    }
}

async fn model(item: Location) -> Result<Forest, String> {
    let (item, bytes) = item.read_document().await.map_err(|e| e.to_string())?;
    let file = model_of(&item, &bytes)?;
    let (file, bytes) = file.read_document().await.map_err(|e| e.to_string())?;
    Forest::from_json(&json(&bytes, file.href())?)
        .map_err(|reason| format!("`{}`: {reason}", shown(file.href())))
}

async fn network(at: Location, features: usize) -> Result<Network, String> {
    let (mut at, mut bytes) = at.read_document().await.map_err(|e| e.to_string())?;
    // No ONNX file begins as JSON does.
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        at = model_of(&at, &bytes)?;
        (at, bytes) = at.read_document().await.map_err(|e| e.to_string())?;
    }
    let href = shown(at.href());
    let parsed = tokio::task::spawn_blocking(move || Network::parse(&bytes, features)).await;
    match parsed {
        Ok(Ok(network)) => Ok(network),
        Ok(Err(reason)) => Err(format!("`{href}`: {reason}")),
        Err(error) => Err(format!("`{href}` was not read: {error}")),
    }
}

/// The reason without the place of a user's file on this machine, which the user calls `uri`.
fn placeless(reason: String, href: &str, uri: &str) -> String {
    if uri.contains("://") {
        return reason;
    }
    let reason = reason.replace(href, uri);
    match Path::new(href).parent().map(|folder| folder.display().to_string()) {
        Some(folder) if folder.len() > 1 => reason.replace(&folder, "…"),
        _ => reason,
    }
}

/// The file of a model that a STAC item names.
fn model_of(item: &Location, bytes: &[u8]) -> Result<Location, String> {
    let document = json(bytes, item.href())?;
    let assets = document["assets"].as_object().into_iter().flat_map(|map| map.values());
    let is_model = |asset: &&serde_json::Value| {
        asset["roles"].as_array().is_some_and(|roles| roles.contains(&"mlm:model".into()))
    };
    let href = assets.clone().find(is_model).and_then(|asset| asset["href"].as_str());
    let href =
        href.ok_or_else(|| format!("`{}` has no model among its assets", shown(item.href())))?;
    item.relative(href).map_err(|e| e.to_string())
}

fn json(bytes: &[u8], href: &str) -> Result<serde_json::Value, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("`{}`: {e}", shown(href)))
}

/// Files of the user's workspace by the paths that the user gave; `None` if one is not there.
fn own_files(paths: &[String], workspace: &dyn Workspace) -> Option<Vec<(String, PathBuf)>> {
    paths.iter().map(|path| Some((path.clone(), workspace.file(path).ok()?))).collect()
}

fn unanswered(source: &Source, unread: Unread) -> Answer {
    match unread {
        Unread::Failed(reason) => failed(source, reason),
        Unread::Unsuitable(reason) => Answer::Unsuitable(reason),
    }
}

fn failed(source: &Source, reason: String) -> Answer {
    warn!(%source, reason, "a question of the planner has no answer");
    Answer::Failed(reason)
}
