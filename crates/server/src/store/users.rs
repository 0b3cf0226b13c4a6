//! Users of this installation, with what they have.

use serde_json::Value;
use sqlx::Row;

use super::{Store, StoreError};

/// A user with a password.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredUser {
    pub(crate) id: String,
    /// In the form of PHC; nobody can log in with a password if there is none.
    pub(crate) password_hash: Option<String>,
    pub(crate) created: i64,
    /// Limits that are not those of the server.
    pub(crate) record: Value,
}

const FIELDS: &str = "SELECT id, password_hash, created, record FROM users";

impl Store {
    /// Adds a user; whether there was none of that name.
    pub(crate) async fn add_user(&self, user: &StoredUser) -> Result<bool, StoreError> {
        let sql = "INSERT INTO users (id, password_hash, created, record) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (id) DO NOTHING";
        let query = sqlx::query(sql).bind(&user.id).bind(user.password_hash.as_deref());
        let query = query.bind(user.created).bind(user.record.to_string());
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Adds a user, or replaces password and record of one that is there.
    pub(crate) async fn put_user(&self, user: &StoredUser) -> Result<(), StoreError> {
        let sql = "INSERT INTO users (id, password_hash, created, record) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash, record = excluded.record";
        let query = sqlx::query(sql).bind(&user.id).bind(user.password_hash.as_deref());
        query.bind(user.created).bind(user.record.to_string()).execute(&self.pool).await?;
        Ok(())
    }

    /// Sets the limits of a user; makes a user without a password where there is none.
    pub(crate) async fn set_record(
        &self,
        id: &str,
        record: &Value,
        now: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO users (id, password_hash, created, record) VALUES ($1, NULL, $2, $3) \
            ON CONFLICT (id) DO UPDATE SET record = excluded.record";
        let query = sqlx::query(sql).bind(id).bind(now).bind(record.to_string());
        query.execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn user(&self, id: &str) -> Result<Option<StoredUser>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} WHERE id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// All users by id.
    pub(crate) async fn users(&self) -> Result<Vec<StoredUser>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} ORDER BY id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Whether there was such a user.
    pub(crate) async fn remove_user(&self, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM users WHERE id = $1").bind(id);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Removes everything a user has; the user stays.
    pub(crate) async fn remove_things_of(&self, id: &str) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM logs WHERE owner IN (SELECT id FROM jobs WHERE user_id = $1)",
            "DELETE FROM logs WHERE owner IN (SELECT id FROM services WHERE user_id = $1)",
            "DELETE FROM jobs WHERE user_id = $1",
            "DELETE FROM services WHERE user_id = $1",
            "DELETE FROM processes WHERE user_id = $1",
            "DELETE FROM clients WHERE user_id = $1",
            "DELETE FROM accounts WHERE user_id = $1",
        ] {
            sqlx::query(sql).bind(id).execute(&self.pool).await?;
        }
        Ok(())
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<StoredUser, StoreError> {
    Ok(StoredUser {
        id: row.try_get(0)?,
        password_hash: row.try_get(1)?,
        created: row.try_get(2)?,
        record: serde_json::from_str(row.try_get(3)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::all;

    #[tokio::test]
    async fn users_are_added_changed_and_removed() {
        for (store, _dir) in all().await {
            let record = serde_json::json!({"jobs": 3});
            let user = |hash: Option<&str>| StoredUser {
                id: "ada".to_owned(),
                password_hash: hash.map(str::to_owned),
                created: 5,
                record: record.clone(),
            };
            assert_eq!(store.user("ada").await.unwrap(), None);
            assert!(store.add_user(&user(None)).await.unwrap());
            assert!(!store.add_user(&user(Some("y"))).await.unwrap());
            store.put_user(&user(Some("x"))).await.unwrap();
            assert_eq!(store.users().await.unwrap(), [user(Some("x"))]);
            store.set_record("ada", &serde_json::json!({"jobs": 4}), 9).await.unwrap();
            let changed = store.user("ada").await.unwrap().unwrap();
            assert_eq!((changed.record["jobs"].as_i64(), changed.created), (Some(4), 5));
            assert_eq!(changed.password_hash.as_deref(), Some("x"));
            store.set_record("egi~1", &record, 9).await.unwrap();
            let other = store.user("egi~1").await.unwrap().unwrap();
            assert_eq!((other.password_hash, other.record), (None, record.clone()));
            assert!(store.remove_user("ada").await.unwrap());
            assert!(!store.remove_user("ada").await.unwrap());
        }
    }
}
