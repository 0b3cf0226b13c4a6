//! Processes that users have stored.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Store, StoreError};

/// Ids that go into one statement.
const TOGETHER: usize = 500;

impl Store {
    /// Stores a process, or replaces it.
    pub(crate) async fn put_process(
        &self,
        user: &str,
        id: &str,
        public: bool,
        now: i64,
        process: &Value,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO processes (user_id, id, created, public, record) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (user_id, id) DO UPDATE SET public = excluded.public, record = excluded.record";
        let query = sqlx::query(sql).bind(user).bind(id).bind(now).bind(i64::from(public));
        query.bind(process.to_string()).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn process(&self, user: &str, id: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT record FROM processes WHERE user_id = $1 AND id = $2";
        let query = sqlx::query_scalar::<_, String>(sql).bind(user).bind(id);
        let record = query.fetch_optional(&self.pool).await?;
        Ok(record.map(|record| serde_json::from_str(&record)).transpose()?)
    }

    /// Those of these processes that the user has, or has made public.
    pub(crate) async fn processes_named(
        &self,
        user: &str,
        ids: &[String],
        only_public: bool,
    ) -> Result<BTreeMap<String, Value>, StoreError> {
        let mut found = BTreeMap::new();
        for some in ids.chunks(TOGETHER) {
            let places: Vec<String> = (0..some.len()).map(|i| format!("${}", i + 3)).collect();
            // Numbered by hand: the builder of `sqlx::Any` writes what PostgreSQL does not understand.
            let sql = format!(
                "SELECT id, record FROM processes WHERE user_id = $1 AND public >= $2 AND id IN ({})",
                places.join(", ")
            );
            let query = sqlx::query_as::<_, (String, String)>(sqlx::AssertSqlSafe(sql));
            let query = query.bind(user).bind(i64::from(only_public));
            let query = some.iter().fold(query, |query, id| query.bind(id.as_str()));
            let rows = query.fetch_all(&self.pool).await?;
            for (id, record) in rows {
                found.insert(id, serde_json::from_str(&record)?);
            }
        }
        Ok(found)
    }

    /// The processes of a user by id; of those of somebody else, the public ones.
    pub(crate) async fn processes(
        &self,
        user: &str,
        only_public: bool,
    ) -> Result<Vec<Value>, StoreError> {
        let sql = "SELECT id, record FROM processes WHERE user_id = $1 AND public >= $2";
        let query =
            sqlx::query_as::<_, (String, String)>(sql).bind(user).bind(i64::from(only_public));
        let mut records = query.fetch_all(&self.pool).await?;
        // Databases have orders of their own.
        records.sort_unstable();
        let read = |(_, record): &(String, String)| serde_json::from_str(record);
        Ok(records.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Whether there was such a process.
    pub(crate) async fn remove_process(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM processes WHERE user_id = $1 AND id = $2");
        Ok(query.bind(user).bind(id).execute(&self.pool).await?.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::store::tests::all;

    #[tokio::test]
    async fn each_user_has_processes_of_its_own() {
        for (store, _dir) in all().await {
            let (a, b) = (json!({"id": "f"}), json!({"id": "g"}));
            store.put_process("ada", "g", true, 1, &b).await.unwrap();
            store.put_process("ada", "f", true, 1, &b).await.unwrap();
            store.put_process("ada", "f", false, 2, &a).await.unwrap();
            assert_eq!(store.processes("ada", false).await.unwrap(), [a.clone(), b.clone()]);
            assert_eq!(store.processes("ada", true).await.unwrap(), [b]);
            assert!(store.processes("bob", false).await.unwrap().is_empty());
            assert_eq!(store.process("bob", "f").await.unwrap(), None);
            assert_eq!(store.process("ada", "f").await.unwrap(), Some(a));
            let names = ["f", "x", "g"].map(str::to_owned);
            let named = store.processes_named("ada", &names, false).await.unwrap();
            assert_eq!(named.keys().collect::<Vec<_>>(), ["f", "g"]);
            let public = store.processes_named("ada", &names, true).await.unwrap();
            assert_eq!(public.keys().collect::<Vec<_>>(), ["g"]);
            assert!(store.processes_named("bob", &names, false).await.unwrap().is_empty());
            assert!(!store.remove_process("bob", "f").await.unwrap());
            assert!(store.remove_process("ada", "f").await.unwrap());
        }
    }
}
