//! The versions of the tables. A migration that was ever released is not changed any more: the next one follows it.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};

const ALL: [(&str, &str); 4] = [
    ("jobs", include_str!("../../migrations/0001_jobs.sql")),
    ("access", include_str!("../../migrations/0002_access.sql")),
    ("limits", include_str!("../../migrations/0003_limits.sql")),
    ("accounts", include_str!("../../migrations/0004_accounts.sql")),
];

pub(super) fn all() -> Migrator {
    until(newest())
}

/// The migrations up to a version.
fn until(version: i64) -> Migrator {
    let migration = |(i, (name, sql)): (usize, (&'static str, &'static str))| {
        let kind = MigrationType::Simple;
        Migration::new(i as i64 + 1, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(
        ALL.into_iter().take(version as usize).enumerate().map(migration).collect(),
    )
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::{Change, Status};
    use crate::store::tests::empty;
    use crate::store::{Changed, Store};

    /// What servers of earlier versions kept. One is added with each release that changes tables or records.
    const EARLIER: [(i64, &str); 1] = [(2, include_str!("../../tests/schemas/0002.sql"))];

    #[tokio::test]
    async fn what_earlier_versions_kept_is_there_and_works() {
        for (version, rows) in EARLIER {
            for (address, shared, _dir) in empty().await {
                sqlx::any::install_default_drivers();
                let pool = AnyPool::connect(&address).await.unwrap();
                until(version).run(&pool).await.unwrap();
                assert_eq!(super::version(&pool).await.unwrap(), Some(version));
                for row in rows.lines().filter(|line| line.starts_with("INSERT")) {
                    sqlx::query(sqlx::AssertSqlSafe(row)).execute(&pool).await.unwrap();
                }
                pool.close().await;
                let store = Store::connect(&address, shared).await.unwrap();
                assert_eq!(super::version(&store.pool).await.unwrap(), Some(newest()));
                reads(&store).await;
            }
        }
    }

    /// Everything is read by what reads it in a server, and can be changed.
    async fn reads(store: &Store) {
        let users = store.users().await.unwrap();
        assert_eq!(
            users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(),
            ["ada", "eolith"]
        );
        assert!(
            users.iter().all(|user| user
                .password_hash
                .as_deref()
                .unwrap()
                .starts_with("$argon2id$"))
        );
        assert_eq!(store.clients().await.unwrap().len(), 1);
        let jobs = store.jobs("eolith", (0, ""), 10).await.unwrap();
        let found: Vec<_> =
            jobs.iter().map(|job| (job.request["title"].clone(), job.status)).collect();
        let expected =
            [("made", Status::Created), ("finished", Status::Finished), ("failed", Status::Error)];
        assert_eq!(found, expected.map(|(title, status)| (json!(title), status)));
        assert_eq!(jobs[1].outcome.as_ref().unwrap().attempt, jobs[1].attempt);
        assert_eq!(store.logs(&jobs[1].id, (-1, -1), 0, 10).await.unwrap().len(), 3);
        let process = store.process("eolith", "plus").await.unwrap().unwrap();
        assert_eq!(process["process_graph"]["a"]["process_id"], "add");
        let service = &store.services("eolith", (0, ""), 10).await.unwrap()[0];
        assert!(store.service(&service.id).await.unwrap().is_some());
        assert_eq!(store.secret("links", "another").await.unwrap(), "the links of the fixture");
        for job in &jobs {
            let changed =
                store.change_job(&job.id, Change::Start, crate::job::now()).await.unwrap();
            assert!(matches!(changed, Changed::Done(job) if job.status == Status::Queued));
        }
    }
}
