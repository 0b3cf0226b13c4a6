//! The collections that a user sees: those of the catalogue, and those that results were exported to.

use std::sync::Arc;

use super::Session;
use crate::catalog::CollectionRecord;

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
}
