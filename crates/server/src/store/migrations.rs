//! The versions of the tables. A migration that was ever released is not changed any more: the next one follows it.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};

const ALL: [(&str, &str); 2] = [
    ("jobs", include_str!("../../migrations/0001_jobs.sql")),
    ("access", include_str!("../../migrations/0002_access.sql")),
];

pub(super) fn all() -> Migrator {
    let migration = |(i, (name, sql)): (usize, (&'static str, &'static str))| {
        let kind = MigrationType::Simple;
        Migration::new(i as i64 + 1, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(ALL.into_iter().enumerate().map(migration).collect())
}

pub(super) fn newest() -> i64 {
    ALL.len() as i64
}

/// The last migration that a database has seen.
pub(super) async fn version(pool: &AnyPool) -> Result<Option<i64>, sqlx::Error> {
    let seen =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(pool).await;
    match seen {
        // It has no such table.
        Err(sqlx::Error::Database(_)) => Ok(None),
        other => other,
    }
}
