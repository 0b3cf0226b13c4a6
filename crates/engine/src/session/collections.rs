//! The collections that a user sees: those of the catalogue, and those that results were exported to.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::Session;
use crate::catalog::{Addresses, CollectionRecord, ItemError, ItemPage, ItemQuery};

impl Session {
    /// The description of a collection.
    pub async fn collection(&self, id: &str) -> Option<Arc<CollectionRecord>> {
        match self.catalog.collection(id).await {
            Some(record) => Some(record),
            None => self.catalog.exported_collection(id, &*self.workspace).await,
        }
    }

    /// The descriptions of all collections: by id, the user's last.
    pub async fn collections(&self) -> Vec<Arc<CollectionRecord>> {
        let mut records = self.catalog.collections().await;
        let known: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        for id in self.workspace.collections() {
            if !known.contains(&id) {
                records.extend(self.catalog.exported_collection(&id, &*self.workspace).await);
            }
        }
        records
    }

    /// A page of the items of these collections that meet a query.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn items(
        &self,
        query: &ItemQuery,
        addresses: &Addresses<'_>,
    ) -> Result<ItemPage, ItemError> {
        self.catalog.items(query, &*self.workspace, addresses).await
    }

    /// One item of a collection.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn item(
        &self,
        collection: &str,
        id: &str,
        addresses: &Addresses<'_>,
    ) -> Result<Option<Value>, ItemError> {
        self.catalog.item(collection, id, &*self.workspace, addresses).await
    }

    /// The file of an asset, by collection, item and key, if the item lists it and it is on this machine; and its media
    /// type, if the item says one.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn item_file(
        &self,
        asset: [&str; 3],
    ) -> Result<Option<(PathBuf, Option<String>)>, ItemError> {
        self.catalog.item_file(asset, &*self.workspace).await
    }
}
