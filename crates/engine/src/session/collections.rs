//! The collections that a user sees: those of the catalogue, and those that results were exported to.

use std::sync::Arc;

use serde_json::Value;

use super::Session;
use crate::catalog::{CollectionRecord, ItemError, ItemPage, ItemQuery};

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
    pub async fn items(&self, query: &ItemQuery) -> Result<ItemPage, ItemError> {
        self.catalog.items(query, &*self.workspace).await
    }

    /// One item of a collection.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn item(&self, collection: &str, id: &str) -> Result<Option<Value>, ItemError> {
        self.catalog.item(collection, id, &*self.workspace).await
    }
}
