//! Secondary web services: a record each, found by an id that nobody can guess.

use serde_json::Value;

use super::{Store, StoreError};
use crate::job::Millis;
use crate::service::Service;

/// A service with its record as it is written, by which a change knows that nobody was faster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) service: Service,
    record: String,
}

impl Store {
    pub(crate) async fn add_service(&self, service: &Service) -> Result<(), StoreError> {
        let sql = "INSERT INTO services (id, user_id, created, record) VALUES ($1, $2, $3, $4)";
        let query = sqlx::query(sql).bind(&service.id).bind(&service.user).bind(service.created);
        query.bind(serde_json::to_string(service)?).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn service(&self, id: &str) -> Result<Option<Kept>, StoreError> {
        let sql = "SELECT record FROM services WHERE id = $1";
        let query = sqlx::query_scalar::<_, String>(sql).bind(id);
        let Some(record) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(Kept { service: read(&record)?, record }))
    }

    /// The services of a user, oldest first: at most `limit`, after the one with that time and id.
    pub(crate) async fn services(
        &self,
        user: &str,
        after: (Millis, &str),
        limit: i64,
    ) -> Result<Vec<Service>, StoreError> {
        let sql = "SELECT record FROM services WHERE user_id = $1 \
            AND (created > $2 OR (created = $3 AND id > $4)) ORDER BY created, id LIMIT $5";
        let query = sqlx::query_scalar::<_, String>(sql).bind(user).bind(after.0).bind(after.0);
        let records = query.bind(after.1).bind(limit).fetch_all(&self.pool).await?;
        records.iter().map(|record| read(record)).collect()
    }

    /// Replaces a service; not if somebody has changed or removed it meanwhile.
    pub(crate) async fn change_service(
        &self,
        before: &Kept,
        after: &Service,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE services SET record = $1 WHERE id = $2 AND record = $3";
        let query = sqlx::query(sql).bind(serde_json::to_string(after)?);
        let query = query.bind(&before.service.id).bind(&before.record);
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Removes a service with its log; whether the user had it.
    pub(crate) async fn remove_service(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM services WHERE id = $1 AND user_id = $2");
        let removed = query.bind(id).bind(user).execute(&self.pool).await?.rows_affected() > 0;
        if removed {
            self.remove_logs(id).await?;
        }
        Ok(removed)
    }
}

/// By way of a value: numbers of any kind of JSON are read.
fn read(record: &str) -> Result<Service, StoreError> {
    let record: Value = serde_json::from_str(record)?;
    Ok(serde_json::from_value(record)?)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::service::{About, Kind};
    use crate::store::tests::all;

    fn service(id: &str, created: Millis) -> Service {
        let about = About { bounds: [1.0, 2.0, 3.0, 4.0], times: Vec::new(), latest: None };
        let request = Map::new();
        let (id, user) = (id.to_owned(), "ada".to_owned());
        Service { id, user, created, revision: 0, kind: Kind::Xyz, request, about }
    }

    #[tokio::test]
    async fn services_are_known_by_their_id_and_listed_for_their_owner() {
        for (store, _dir) in all().await {
            for (id, created) in [("b", 1), ("c", 2), ("a", 2)] {
                store.add_service(&service(id, created)).await.unwrap();
            }
            let ids =
                |services: Vec<Service>| services.into_iter().map(|s| s.id).collect::<Vec<_>>();
            assert_eq!(ids(store.services("ada", (-1, ""), 10).await.unwrap()), ["b", "a", "c"]);
            assert_eq!(ids(store.services("ada", (1, "b"), 1).await.unwrap()), ["a"]);
            assert!(store.services("bob", (-1, ""), 10).await.unwrap().is_empty());
            assert_eq!(store.service("b").await.unwrap().unwrap().service, service("b", 1));
            assert!(!store.remove_service("bob", "b").await.unwrap());
            assert!(store.remove_service("ada", "b").await.unwrap());
            assert_eq!(store.service("b").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn of_two_changes_the_second_has_to_look_again() {
        for (store, _dir) in all().await {
            store.add_service(&service("s", 1)).await.unwrap();
            let before = store.service("s").await.unwrap().unwrap();
            let after = Service { revision: 1, ..service("s", 1) };
            assert!(store.change_service(&before, &after).await.unwrap());
            assert!(!store.change_service(&before, &after).await.unwrap());
            let again = store.service("s").await.unwrap().unwrap();
            assert_eq!(again.service.revision, 1);
            store.remove_service("ada", "s").await.unwrap();
            assert!(!store.change_service(&again, &after).await.unwrap());
        }
    }
}
