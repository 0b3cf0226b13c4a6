//! What the built-in issuer keeps: clients with a secret, and grants, each for some time.

use sqlx::Row;

use super::{Store, StoreError};
use crate::issuer::Grant;
use crate::job::Millis;

/// A client with a secret, which acts for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredClient {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) secret_hash: String,
    pub(crate) created: Millis,
}

/// A grant as it was read.
#[derive(Clone, Debug)]
pub(crate) struct StoredGrant {
    pub(crate) id: String,
    pub(crate) expires: Millis,
    version: i64,
    pub(crate) grant: Grant,
}

const CLIENT: &str = "SELECT id, user_id, secret_hash, created FROM clients";
const GRANT: &str = "SELECT id, expires, version, record FROM grants";

impl Store {
    /// Adds a client; whether there was none of that name.
    pub(crate) async fn add_client(&self, client: &StoredClient) -> Result<bool, StoreError> {
        let sql = "INSERT INTO clients (id, user_id, secret_hash, created) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (id) DO NOTHING";
        let query = sqlx::query(sql).bind(&client.id).bind(&client.user);
        let query = query.bind(&client.secret_hash).bind(client.created);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    pub(crate) async fn client(&self, id: &str) -> Result<Option<StoredClient>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{CLIENT} WHERE id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await?;
        row.map(|row| client(&row)).transpose()
    }

    /// All clients by user and name.
    pub(crate) async fn clients(&self) -> Result<Vec<StoredClient>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{CLIENT} ORDER BY user_id, id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(client).collect()
    }

    /// Whether there was such a client.
    pub(crate) async fn remove_client(&self, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM clients WHERE id = $1").bind(id);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Keeps a grant until it expires.
    pub(crate) async fn add_grant(
        &self,
        id: &str,
        family: &str,
        expires: Millis,
        grant: &Grant,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO grants (id, family, expires, version, record) VALUES ($1, $2, $3, 0, $4)";
        let query = sqlx::query(sql).bind(id).bind(family).bind(expires);
        query.bind(serde_json::to_string(grant)?).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn grant(&self, id: &str) -> Result<Option<StoredGrant>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{GRANT} WHERE id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await?;
        row.map(|row| grant(&row)).transpose()
    }

    /// The only grant of a family.
    pub(crate) async fn grant_of(&self, family: &str) -> Result<Option<StoredGrant>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{GRANT} WHERE family = $1"));
        let row = sqlx::query(sql).bind(family).fetch_optional(&self.pool).await?;
        row.map(|row| grant(&row)).transpose()
    }

    /// Changes a grant; whether nobody else did since it was read.
    pub(crate) async fn change_grant(
        &self,
        read: &StoredGrant,
        grant: &Grant,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE grants SET record = $1, version = $2 WHERE id = $3 AND version = $4";
        let query = sqlx::query(sql).bind(serde_json::to_string(grant)?).bind(read.version + 1);
        let query = query.bind(&read.id).bind(read.version);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Removes a grant; whether it was there: of several who ask, one gets it.
    pub(crate) async fn remove_grant(&self, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM grants WHERE id = $1").bind(id);
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Removes what has expired.
    pub(crate) async fn remove_expired_grants(&self, now: Millis) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM grants WHERE expires < $1").bind(now).execute(&self.pool).await?;
        Ok(())
    }
}

fn client(row: &sqlx::any::AnyRow) -> Result<StoredClient, StoreError> {
    Ok(StoredClient {
        id: row.try_get(0)?,
        user: row.try_get(1)?,
        secret_hash: row.try_get(2)?,
        created: row.try_get(3)?,
    })
}

fn grant(row: &sqlx::any::AnyRow) -> Result<StoredGrant, StoreError> {
    Ok(StoredGrant {
        id: row.try_get(0)?,
        expires: row.try_get(1)?,
        version: row.try_get(2)?,
        grant: serde_json::from_str(row.try_get(3)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::all;

    fn refresh(second: bool) -> Grant {
        let text = |text: &str| text.to_owned();
        Grant::Refresh {
            client: text("c"),
            user: text("ada"),
            password: text("p"),
            scope: if second { "b" } else { "a" }.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_grant_is_changed_and_taken_by_one_only() {
        for (store, _dir) in all().await {
            store.add_grant("a", "f", 10, &refresh(false)).await.unwrap();
            store.add_grant("b", "f", 20, &refresh(false)).await.unwrap();
            let (first, second) =
                (store.grant("a").await.unwrap(), store.grant("a").await.unwrap());
            assert!(store.change_grant(&first.unwrap(), &refresh(true)).await.unwrap());
            assert!(!store.change_grant(&second.unwrap(), &refresh(true)).await.unwrap());
            assert_eq!(store.grant("a").await.unwrap().unwrap().grant, refresh(true));
            store.remove_expired_grants(15).await.unwrap();
            assert!(store.grant("a").await.unwrap().is_none());
            assert_eq!(store.grant_of("f").await.unwrap().unwrap().id, "b");
            assert!(store.remove_grant("b").await.unwrap());
            assert!(!store.remove_grant("b").await.unwrap());
        }
    }

    #[tokio::test]
    async fn clients_are_kept_by_name() {
        for (store, _dir) in all().await {
            let client = |id: &str| StoredClient {
                id: id.to_owned(),
                user: "ada".to_owned(),
                secret_hash: "x".to_owned(),
                created: 3,
            };
            assert!(store.add_client(&client("b")).await.unwrap());
            assert!(store.add_client(&client("a")).await.unwrap());
            assert!(!store.add_client(&client("a")).await.unwrap());
            assert_eq!(store.clients().await.unwrap(), [client("a"), client("b")]);
            store.remove_things_of("ada").await.unwrap();
            assert_eq!(store.client("a").await.unwrap(), None);
            assert!(!store.remove_client("a").await.unwrap());
        }
    }
}
