//! Files of items that are on this machine: which of them an item lists, and the addresses that somebody gives them.
//!
//! Nothing else leads to a file: what is served is looked up in the item again. Documents from elsewhere never name files
//! of this machine, and items of a user's collection only those in its folder.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::super::Catalog;
use super::ItemError;
use crate::storage::Location;
use crate::workspace::Workspace;

/// A file that an item lists.
#[derive(Clone, Copy, Debug)]
pub struct ItemFile<'a> {
    pub collection: &'a str,
    pub item: &'a str,
    /// The key of the asset.
    pub key: &'a str,
    pub path: &'a Path,
}

/// Where clients can read a file; `None` where they cannot, and the item is shown without it.
pub type Addresses<'a> = dyn Fn(&ItemFile<'_>) -> Option<String> + Send + Sync + 'a;

/// The files of a collection.
pub(super) struct Files<'a> {
    pub(super) addresses: &'a Addresses<'a>,
    pub(super) collection: &'a str,
    /// The folder of a user's collection.
    pub(super) within: Option<PathBuf>,
}

impl Files<'_> {
    /// The address of an asset at a place of this machine.
    pub(super) fn address(&self, item: &str, key: &str, place: &Location) -> Option<String> {
        let path = place.as_local()?;
        if let Some(within) = &self.within {
            let (path, within) = (path.canonicalize().ok()?, within.canonicalize().ok()?);
            if !path.starts_with(within) {
                return None;
            }
        }
        (self.addresses)(&ItemFile { collection: self.collection, item, key, path })
    }

    /// The item with addresses in the place of paths.
    pub(super) fn finish(&self, mut item: Value) -> Value {
        let id = item["id"].as_str().unwrap_or_default().to_owned();
        if let Some(assets) = item.get_mut("assets").and_then(Value::as_object_mut) {
            assets.retain(|key, asset| {
                let place = asset["href"].as_str().map(|href| Location::resolve("", href));
                let Some(Ok(place)) =
                    place.filter(|p| p.as_ref().is_ok_and(|p| p.as_local().is_some()))
                else {
                    return true;
                };
                let address = self.address(&id, key, &place);
                let is_there = address.is_some();
                if let Some(address) = address {
                    asset["href"] = address.into();
                }
                is_there
            });
        }
        item
    }
}

impl Catalog {
    /// The file of an asset that an item lists and that is on this machine, with its media type, if the item says one.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn item_file(
        &self,
        [collection, id, key]: [&str; 3],
        workspace: &dyn Workspace,
    ) -> Result<Option<(PathBuf, Option<String>)>, ItemError> {
        let found = Mutex::new(None);
        let note = |file: &ItemFile<'_>| {
            let wanted = file.key == key && file.item == id && file.collection == collection;
            wanted.then(|| {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.path.to_owned());
                String::new()
            })
        };
        let item = self.item(collection, id, workspace, &note).await?;
        let kind = item.and_then(|item| Some(item["assets"][key]["type"].as_str()?.to_owned()));
        let path = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(path.map(|path| (path, kind)))
    }
}
