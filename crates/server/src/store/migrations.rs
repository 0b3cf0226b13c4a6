//! The versions of the tables. A migration that was ever released is not changed any more: the next one follows it.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

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
