//! Secrets of the installation: the same for all its servers, made by the first that asks.

use super::{Store, StoreError};

impl Store {
    /// The secret of that name. The first who asks decides it: `made` is what it becomes then.
    pub(crate) async fn secret(&self, name: &str, made: &str) -> Result<String, StoreError> {
        let insert =
            "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        sqlx::query(insert).bind(name).bind(made).execute(&self.pool).await?;
        let select = "SELECT value FROM secrets WHERE name = $1";
        Ok(sqlx::query_scalar(select).bind(name).fetch_one(&self.pool).await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::tests::all;

    #[tokio::test]
    async fn the_first_decides() {
        for (store, _dir) in all().await {
            assert_eq!(store.secret("a", "one").await.unwrap(), "one");
            assert_eq!(store.secret("a", "two").await.unwrap(), "one");
            assert_eq!(store.secret("b", "three").await.unwrap(), "three");
        }
    }
}
