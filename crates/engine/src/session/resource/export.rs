//! Copies of STAC resources with their files: apart from others, or as parts of a collection.
//!
//! A copy is whole or not there: it is written beside its place and renamed. A collection that it becomes a part of is
//! replaced after that, under a lock of this process.

use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};
use thiserror::Error as ThisError;

use super::{Resource, name};
use crate::catalog::bounds;
use crate::place as disk;

/// Collections are changed one after the other.
static CHANGING: Mutex<()> = Mutex::new(());

const COLLECTION: &str = "collection.json";

/// How the names of what is not complete begin.
const WRITING: &str = ".writing-";

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into a folder of its own below this one.
    Apart(PathBuf),
    /// Into the collection that this document describes; it is made if it is not there.
    Into { document: PathBuf, id: String },
}

/// How a copy is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copying {
    /// The name of the run, if it can be taken up again: what it left half done is removed, and what it copies is on the
    /// disk when it says so.
    pub(crate) run: Option<String>,
    /// Whether an earlier attempt at the run may have made the copy: it is replaced.
    pub(crate) again: bool,
}

/// Why there is no copy.
#[derive(Debug, ThisError)]
pub(crate) enum ExportError {
    #[error("there is a resource `{0}` already")]
    Exists(String),
    #[error("{0}")]
    Unsuitable(String),
    #[error("the result cannot be copied: {0}")]
    Io(#[from] Error),
}

/// The name of the folder of a resource with this id.
fn folder_name(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = id.chars().take(100).map(safe).collect();
    let trimmed = name.trim_start_matches('.');
    if trimmed.is_empty() { "result".to_owned() } else { trimmed.to_owned() }
}

impl Place {
    /// The folder that a resource would have, to find out early that it is taken.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        let folder = match self {
            Place::Apart(folder) => folder,
            Place::Into { document, .. } => document.parent().unwrap_or(document),
        };
        folder.join(folder_name(id))
    }
}

impl Copying {
    /// How the names of what is not complete begin.
    fn prefix(&self) -> String {
        self.run.as_ref().map_or_else(|| WRITING.to_owned(), |run| format!("{WRITING}{run}-"))
    }

    /// Removes what an earlier attempt was writing in a folder.
    fn clean(&self, folder: &Path) -> std::io::Result<()> {
        if !self.again {
            return Ok(());
        }
        let prefix = self.prefix();
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(&prefix) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Resource {
    /// A copy at a place; gives what is there now. Blocks.
    pub(crate) fn exported(
        self,
        place: &Place,
        copying: &Copying,
    ) -> Result<Resource, ExportError> {
        let id = self.json["id"].as_str().filter(|id| !id.is_empty());
        let id =
            id.ok_or_else(|| ExportError::Unsuitable("the resource has no `id`".to_owned()))?;
        let folder = place.folder(id);
        let base = folder.parent().unwrap_or(&folder);
        copying.clean(base)?;
        let exported = match place {
            Place::Apart(_) => self.apart(&folder, copying),
            Place::Into { document, id } => self.part(&folder, document, id, copying),
        }?;
        if copying.run.is_some() {
            disk::sync(&folder)?;
            if let Place::Into { document, .. } = place {
                disk::sync(document)?;
            }
            disk::sync_folder(base)?;
        }
        Ok(exported)
    }

    /// Finds out whether all assets are files of the resource. Who loads a copy reads what its assets name without being asked
    /// again, so that a process must not make them lead elsewhere.
    pub(crate) fn check_assets(&self) -> Result<(), ExportError> {
        let own: Vec<String> = self.files.iter().map(|file| format!("./{}", name(file))).collect();
        for json in std::iter::once(&self.json).chain(&self.items) {
            let assets = json["assets"].as_object().into_iter().flatten();
            for (key, asset) in assets {
                if !asset["href"].as_str().is_some_and(|href| own.iter().any(|own| own == href)) {
                    let message = format!("the asset `{key}` is no file of the result");
                    return Err(ExportError::Unsuitable(message));
                }
            }
        }
        Ok(())
    }

    /// Bytes of the files that a copy has. Blocks.
    pub(crate) fn bytes(&self) -> std::io::Result<u64> {
        let wanted = self.files.iter().filter(|file| self.refers_to(file));
        wanted.map(|file| size(file)).sum()
    }

    /// Finds out whether there is something at the place.
    pub(crate) fn check_free(&self, place: &Place) -> Result<(), ExportError> {
        let folder = place.folder(id_of(&self.json));
        if folder.symlink_metadata().is_ok() {
            return Err(ExportError::Exists(name(&folder)));
        }
        Ok(())
    }

    /// Items beside their files, a collection beside its items.
    fn apart(mut self, folder: &Path, copying: &Copying) -> Result<Resource, ExportError> {
        if self.is_collection() {
            let links = self.links("./");
            add_links(&mut self.json, links);
        }
        let (document, own) = if self.is_collection() {
            (COLLECTION.to_owned(), id_of(&self.json).to_owned())
        } else {
            (format!("{}.json", folder_name(id_of(&self.json))), String::new())
        };
        let json = self.json.clone();
        self.staged(folder, copying, |resource, staged| {
            for item in &mut resource.items {
                item["collection"] = own.as_str().into();
                add_links(item, to_collection(&format!("./{COLLECTION}")));
                write(&staged.join(document_name(item)), item)?;
            }
            write(&staged.join(&document), &json)
        })
    }

    /// Items of a collection, in a folder of their own beside its document.
    fn part(
        self,
        folder: &Path,
        document: &Path,
        id: &str,
        copying: &Copying,
    ) -> Result<Resource, ExportError> {
        let base = document.parent().unwrap_or(document);
        let _alone = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = match std::fs::read(document) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(Error::other)?,
            Err(error) if error.kind() == ErrorKind::NotFound => self.as_collection(id),
            Err(error) => return Err(error.into()),
        };
        if whole["type"] != "Collection" || !whole["links"].is_array() {
            let message = format!("`{}` is no STAC Collection", name(document));
            return Err(ExportError::Unsuitable(message));
        }
        std::fs::create_dir_all(base)?;
        let mut resource = self;
        if !resource.is_collection() {
            resource.items = vec![resource.json.clone()];
        }
        let (below, up) = (format!("./{}/", name(folder)), format!("../{}", name(document)));
        let links = resource.links(&below);
        for item in &resource.items {
            widen(&mut whole, item);
        }
        let own = id_of(&whole).to_owned();
        let mut resource = resource.staged(folder, copying, |resource, staged| {
            for item in &mut resource.items {
                item["collection"] = own.as_str().into();
                add_links(item, to_collection(&up));
                write(&staged.join(document_name(item)), item)?;
            }
            Ok(())
        })?;
        if let Some(known) = whole["links"].as_array_mut() {
            // Those of an earlier attempt.
            known.retain(|link| !links.contains(link));
        }
        add_links(&mut whole, links);
        let mut staged = beside(0o666, &copying.prefix()).tempfile_in(base)?;
        writeln!(staged, "{whole:#}")?;
        staged.persist(document).map_err(|e| e.error)?;
        resource.json = whole;
        Ok(resource)
    }

    /// Copies the files to a new folder, lets `more` write beside them, and puts the folder in its place.
    fn staged(
        mut self,
        folder: &Path,
        copying: &Copying,
        more: impl FnOnce(&mut Resource, &Path) -> std::io::Result<()>,
    ) -> Result<Resource, ExportError> {
        let there = folder.symlink_metadata().is_ok();
        if there && !copying.again {
            return Err(ExportError::Exists(name(folder)));
        }
        let base = folder.parent().unwrap_or(folder);
        let prefix = copying.prefix();
        let staged = beside(0o777, &prefix).tempdir_in(base)?;
        let wanted: Vec<PathBuf> =
            self.files.iter().filter(|file| self.refers_to(file)).cloned().collect();
        for file in &wanted {
            copy(file, &staged.path().join(name(file)))?;
        }
        more(&mut self, staged.path())?;
        if there {
            // It goes with what was written beside its place.
            let old = beside(0o777, &prefix).tempdir_in(base)?;
            std::fs::rename(folder, old.path().join("replaced"))?;
            std::fs::rename(staged.path(), folder)?;
        } else {
            std::fs::rename(staged.path(), folder)?;
        }
        self.files = wanted.iter().map(|file| folder.join(name(file))).collect();
        Ok(self)
    }

    fn is_collection(&self) -> bool {
        self.json["type"] == "Collection"
    }

    /// Whether an asset is this file: changes may have removed it.
    fn refers_to(&self, file: &Path) -> bool {
        let href = format!("./{}", name(file));
        let assets = |json: &Json| -> bool {
            let assets = json["assets"].as_object().into_iter().flat_map(|map| map.values());
            assets.into_iter().any(|asset| asset["href"] == href.as_str())
        };
        assets(&self.json) || self.items.iter().any(assets)
    }

    /// Links to the items, whose documents are below `folder`.
    fn links(&self, folder: &str) -> Vec<Json> {
        let link = |item: &Json| {
            let href = format!("{folder}{}", document_name(item));
            json!({ "rel": "item", "href": href, "type": "application/geo+json" })
        };
        self.items.iter().map(link).collect()
    }

    /// A collection without items: what the resource says of itself, if it is one.
    fn as_collection(&self, id: &str) -> Json {
        let mut json = if self.is_collection() {
            self.json.clone()
        } else {
            json!({
                "type": "Collection",
                "stac_version": super::VERSION,
                "description": format!("Results that were exported to `{id}`."),
                "license": "other",
                "extent": { "spatial": { "bbox": [] }, "temporal": { "interval": [] } },
            })
        };
        json["id"] = id.into();
        json["links"] = json!([]);
        if let Some(fields) = json.as_object_mut() {
            fields.remove("assets");
        }
        json
    }
}

/// Widens the extents of a collection to an item.
fn widen(collection: &mut Json, item: &Json) {
    let bbox: Option<[f64; 4]> = serde_json::from_value(item["bbox"].clone()).ok();
    let bbox = bbox.unwrap_or(super::EARTH);
    let boxes = &mut collection["extent"]["spatial"]["bbox"];
    let known: Option<[f64; 4]> = serde_json::from_value(boxes[0].clone()).ok();
    *boxes = json!([known.map_or(bbox, |known| bounds::hull(known, bbox))]);
    let text = |key: &str| item["properties"][key].as_str().map(str::to_owned);
    let (start, end) = match text("datetime") {
        Some(time) => (Some(time.clone()), Some(time)),
        None => (text("start_datetime"), text("end_datetime")),
    };
    let intervals = &mut collection["extent"]["temporal"]["interval"];
    let known: Option<[Option<String>; 2]> = serde_json::from_value(intervals[0].clone()).ok();
    // An open end stays open. All texts that are written here are in UTC and of one form.
    let [first, last] = match known {
        None => [start, end],
        Some([first, last]) => {
            let both = |a: Option<String>, b: Option<String>| Some((a?, b?));
            [
                both(first, start).map(|(a, b)| earlier(&a, &b)),
                both(last, end).map(|(a, b)| later(&a, &b)),
            ]
        }
    };
    *intervals = json!([[first, last]]);
}

fn earlier(a: &str, b: &str) -> String {
    ordered(a, b)[0].to_owned()
}

fn later(a: &str, b: &str) -> String {
    ordered(a, b)[1].to_owned()
}

/// Two instants in their order; a text that is none goes first.
fn ordered<'a>(a: &'a str, b: &'a str) -> [&'a str; 2] {
    let instant = |text: &str| eolith_cube::time::Instant::parse(text).ok();
    if instant(a) <= instant(b) { [a, b] } else { [b, a] }
}

fn to_collection(href: &str) -> Vec<Json> {
    let link = |rel: &str| json!({ "rel": rel, "href": href, "type": "application/json" });
    ["root", "parent", "collection"].map(link).to_vec()
}

fn add_links(document: &mut Json, links: Vec<Json>) {
    if let Some(own) = document["links"].as_array_mut() {
        own.extend(links);
    } else {
        document["links"] = links.into();
    }
}

fn id_of(document: &Json) -> &str {
    document["id"].as_str().unwrap_or("result")
}

/// The name of an item's document.
fn document_name(item: &Json) -> String {
    format!("{}.json", folder_name(id_of(item)))
}

fn write(path: &Path, document: &Json) -> std::io::Result<()> {
    std::fs::write(path, format!("{document:#}\n"))
}

/// Bytes of a file, or of a folder with all that is in it.
fn size(file: &Path) -> std::io::Result<u64> {
    let (mut sum, mut open) = (0, vec![file.to_owned()]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            sum += path.metadata()?.len();
        }
    }
    Ok(sum)
}

/// A file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        if from.is_dir() {
            std::fs::create_dir(&to)?;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                open.push((entry.path(), to.join(entry.file_name())));
            }
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// What is written beside its place is as readable as any other file.
fn beside(mode: u32, prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder.prefix(prefix);
    builder
}
