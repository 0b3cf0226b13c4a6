//! What users have spent, in millionths of a credit. What jobs cost is added by [`Store::change_job`].

use sqlx::{Any, Transaction};

use super::{Store, StoreError};
use crate::prices::Micros;

impl Store {
    /// What a user has spent in all.
    pub(crate) async fn spent(&self, user: &str) -> Result<Micros, StoreError> {
        let sql = "SELECT spent FROM accounts WHERE user_id = $1";
        let spent = sqlx::query_scalar(sql).bind(user).fetch_optional(&self.pool).await?;
        Ok(spent.unwrap_or(0))
    }

    /// Charges a user for what is no job.
    pub(crate) async fn charge(&self, user: &str, costs: Micros) -> Result<(), StoreError> {
        let mut one = self.pool.begin().await?;
        add(&mut one, user, costs).await?;
        Ok(one.commit().await?)
    }
}

pub(super) async fn add(
    transaction: &mut Transaction<'_, Any>,
    user: &str,
    costs: Micros,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO accounts (user_id, spent) VALUES ($1, $2) \
        ON CONFLICT (user_id) DO UPDATE SET spent = accounts.spent + excluded.spent";
    sqlx::query(sql).bind(user).bind(costs).execute(&mut **transaction).await?;
    Ok(())
}
