//! Log entries of jobs and services, in the order in which they were written.

use serde_json::Value;

use super::{Store, StoreError};
use crate::job::Millis;

/// Entries that go into one statement: PostgreSQL and SQLite take 32,766 parameters and more.
const TOGETHER: usize = 500;

/// An entry with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logged {
    /// Which lease of the job wrote it.
    pub(crate) attempt: i64,
    /// Its place among the entries of that lease.
    pub(crate) number: i64,
    /// How severe it is: 0 (debug) to 3 (error).
    pub(crate) level: i64,
    /// As clients get it, without the id.
    pub(crate) entry: Value,
}

impl Store {
    /// Adds entries. One that is there already stays as it is.
    pub(crate) async fn add_logs(&self, owner: &str, logs: &[Logged]) -> Result<(), StoreError> {
        const FIELDS: usize = 5;
        for some in logs.chunks(TOGETHER) {
            let row = |i: usize| {
                let fields: Vec<String> =
                    (1..=FIELDS).map(|n| format!("${}", FIELDS * i + n)).collect();
                format!("({})", fields.join(", "))
            };
            let rows: Vec<String> = (0..some.len()).map(row).collect();
            let sql = format!(
                "INSERT INTO logs (owner, attempt, number, level, entry) VALUES {} \
                 ON CONFLICT (owner, attempt, number) DO NOTHING",
                rows.join(", ")
            );
            let query = some.iter().fold(sqlx::query(sqlx::AssertSqlSafe(sql)), |query, log| {
                let query = query.bind(owner).bind(log.attempt).bind(log.number);
                query.bind(log.level).bind(log.entry.to_string())
            });
            query.execute(&self.pool).await?;
        }
        Ok(())
    }

    /// At most `limit` entries of this level and more severe ones, after the given attempt and number.
    pub(crate) async fn logs(
        &self,
        owner: &str,
        after: (i64, i64),
        level: i64,
        limit: i64,
    ) -> Result<Vec<Logged>, StoreError> {
        let sql = "SELECT attempt, number, level, entry FROM logs WHERE owner = $1 AND level >= $2 \
            AND (attempt > $3 OR (attempt = $4 AND number > $5)) ORDER BY attempt, number LIMIT $6";
        let query = sqlx::query_as::<_, (i64, i64, i64, String)>(sql).bind(owner).bind(level);
        let query = query.bind(after.0).bind(after.0).bind(after.1).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        let read = |(attempt, number, level, entry): (i64, i64, i64, String)| {
            Ok(Logged { attempt, number, level, entry: serde_json::from_str(&entry)? })
        };
        rows.into_iter().map(read).collect()
    }

    /// Removes the entries of this attempt and of those before it.
    pub(crate) async fn remove_logs_until(
        &self,
        owner: &str,
        attempt: i64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM logs WHERE owner = $1 AND attempt <= $2");
        query.bind(owner).bind(attempt).execute(&self.pool).await?;
        Ok(())
    }

    /// Removes the entries of jobs that ended until this instant; how many there were.
    pub(crate) async fn remove_logs_of_ended(&self, before: Millis) -> Result<u64, StoreError> {
        let sql =
            "DELETE FROM logs WHERE owner IN (SELECT id FROM jobs WHERE ended > 0 AND ended <= $1)";
        Ok(sqlx::query(sql).bind(before).execute(&self.pool).await?.rows_affected())
    }

    /// Removes all entries.
    pub(crate) async fn remove_logs(&self, owner: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM logs WHERE owner = $1").bind(owner).execute(&self.pool).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::tests::all;

    #[tokio::test]
    async fn logs_are_read_in_order_from_a_place_on_and_by_level() {
        for (store, _dir) in all().await {
            let log = |attempt, number, level| Logged {
                attempt,
                number,
                level,
                entry: json!({"n": number, "a": attempt}),
            };
            let many: Vec<Logged> = (0..1200).map(|n| log(1, n, n % 4)).collect();
            store.add_logs("j", &[log(2, 0, 3)]).await.unwrap();
            store.add_logs("j", &many).await.unwrap();
            store.add_logs("j", &many[..3]).await.unwrap();
            store.add_logs("other", &many[..3]).await.unwrap();
            store.add_logs("j", &[]).await.unwrap();
            let all = store.logs("j", (-1, -1), 0, 5000).await.unwrap();
            assert_eq!(all.len(), 1201);
            assert_eq!(all.last(), Some(&log(2, 0, 3)));
            let some = store.logs("j", (1, 1190), 2, 5000).await.unwrap();
            let places: Vec<_> = some.iter().map(|log| (log.attempt, log.number)).collect();
            assert_eq!(places, [(1, 1191), (1, 1194), (1, 1195), (1, 1198), (1, 1199), (2, 0)]);
            assert_eq!(store.logs("j", (-1, -1), 0, 7).await.unwrap().len(), 7);
            store.remove_logs_until("j", 1).await.unwrap();
            assert_eq!(store.logs("j", (-1, -1), 0, 5000).await.unwrap(), [log(2, 0, 3)]);
            store.remove_logs("j").await.unwrap();
            assert!(store.logs("j", (-1, -1), 0, 5000).await.unwrap().is_empty());
            assert_eq!(store.logs("other", (-1, -1), 0, 5000).await.unwrap().len(), 3);
        }
    }
}
