//! The store: everything that must outlive the server, in SQLite (a file, the default) or PostgreSQL (shared by several
//! servers).
//!
//! One implementation speaks to both, since the statements are plain SQL that both understand: `sqlx::Any` is the seam.
//! Every change is one statement, but for a job that is charged: it changes in one transaction with the account of its owner
//! ([`accounts`]). What depends on what was there before is compared and swapped on a version
//! ([`Store::change_job`]), so that neither database needs locks, and a killed server leaves nothing half done.
//!
//! What a status may become is decided in [`crate::job`], not here. Files are not here either: see [`crate::folders`].

mod accounts;
mod grants;
mod jobs;
mod logs;
mod migrations;
mod processes;
mod secrets;
mod services;
mod users;

use std::fs::{DirBuilder, OpenOptions};
use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Executor};
use thiserror::Error;

pub(crate) use grants::{StoredClient, StoredGrant};
pub(crate) use jobs::Changed;
pub(crate) use logs::Logged;
pub(crate) use services::Kept;
pub(crate) use users::StoredUser;

/// The database below the folder of the state.
const FILE: &str = "eolith.db";
/// Connections that are open at most. SQLite writes one at a time anyway.
const CONNECTIONS: u32 = 8;
/// How long a statement waits for a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where everything is kept.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    /// Whether other servers can see it too.
    shared: bool,
}

/// How far the tables of a database are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `None` where there are none yet.
    pub version: Option<i64>,
    /// The version that this server makes of them.
    pub newest: i64,
}

/// Why the store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("`{0}` is no database\nhint: a path, or an address that begins with postgres://")]
    Address(String),
    #[error("the database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the tables of the database cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds something that this version does not understand: {0}")]
    Record(#[from] serde_json::Error),
    #[error("the folder of the database cannot be used: {0}")]
    Folder(#[from] std::io::Error),
    #[error("too many servers change `{0}` at the same time")]
    Contention(String),
}

impl Store {
    /// Opens the database of the folder of a server's state, or the one at `url`; makes what is not there. The folder and
    /// the file are for their owner only: hashes of passwords and secrets are in them.
    ///
    /// # Errors
    /// It cannot be opened, or is of a later version.
    pub async fn open(state: &Path, url: Option<&str>) -> Result<Store, StoreError> {
        private_folder(state)?;
        if let Some(url) = url {
            return Store::postgres(url).await;
        }
        let path = state.join(FILE);
        private_file(&path)?;
        Store::sqlite(&path).await
    }

    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// It cannot be opened, or is of a later version.
    pub async fn sqlite(path: &Path) -> Result<Store, StoreError> {
        Store::connect(&sqlite_address(path, "rwc")?, false).await
    }

    /// Connects to PostgreSQL: `postgres://user:password@host/database`.
    ///
    /// # Errors
    /// There is no such server or database, or its tables are of a later version.
    pub async fn postgres(url: &str) -> Result<Store, StoreError> {
        if !is_postgres(url) {
            return Err(StoreError::Address(url.to_owned()));
        }
        Store::connect(url, true).await
    }

    /// Looks at a database without changing it.
    ///
    /// # Errors
    /// It is there, or has to be, and cannot be read.
    pub async fn look(state: &Path, url: Option<&str>) -> Result<Standing, StoreError> {
        let newest = migrations::newest();
        let address = match url {
            Some(url) if is_postgres(url) => url.to_owned(),
            Some(url) => return Err(StoreError::Address(url.to_owned())),
            None if !state.join(FILE).exists() => return Ok(Standing { version: None, newest }),
            None => sqlite_address(&state.join(FILE), "ro")?,
        };
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = options.connect(&address).await?;
        let version = migrations::version(&pool).await?;
        pool.close().await;
        Ok(Standing { version, newest })
    }

    /// Whether several servers may use it.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    async fn connect(url: &str, shared: bool) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move {
                if !shared {
                    // Readers do not wait for the writer, and what was committed survives the machine.
                    connection.execute("PRAGMA journal_mode = WAL").await?;
                    connection.execute("PRAGMA synchronous = FULL").await?;
                    connection.execute("PRAGMA busy_timeout = 15000").await?;
                }
                Ok(())
            })
        });
        let pool = options.connect(url).await?;
        migrations::all().run(&pool).await?;
        let store = Store { pool, shared };
        store.complete_jobs().await?;
        Ok(store)
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The address of a file; `mode` as SQLite has it.
fn sqlite_address(path: &Path, mode: &str) -> Result<String, StoreError> {
    let path = path.to_str().ok_or_else(|| StoreError::Address(path.display().to_string()))?;
    // The address is one of the web: what has a meaning there is escaped.
    let escaped = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{escaped}?mode={mode}"))
}

/// Makes a folder for its owner only. One that is there already stays as it is.
///
/// # Errors
/// It cannot be made.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a file for its owner only, if it is not there. What SQLite puts beside it gets the same rights.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A new store of each kind that can be had.
    pub(crate) async fn all() -> Vec<(Store, Option<tempfile::TempDir>)> {
        let mut stores = Vec::new();
        for (address, shared, dir) in empty().await {
            stores.push((Store::connect(&address, shared).await.unwrap(), dir));
        }
        stores
    }

    /// The address of a new database of each kind that can be had, and whether it can be shared: SQLite always, PostgreSQL
    /// where `EOLITH_TEST_POSTGRES` has an address of a server (the test command starts one).
    pub(crate) async fn empty() -> Vec<(String, bool, Option<tempfile::TempDir>)> {
        let dir = tempfile::tempdir().unwrap();
        let file = sqlite_address(&dir.path().join("odd ?#% name.db"), "rwc").unwrap();
        let mut databases = vec![(file, false, Some(dir))];
        if let Ok(server) = std::env::var("EOLITH_TEST_POSTGRES") {
            let name = format!("t{}", crate::auth::random_id());
            sqlx::any::install_default_drivers();
            let root = AnyPool::connect(&format!("{server}/postgres")).await.unwrap();
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            root.execute(create).await.unwrap();
            root.close().await;
            databases.push((format!("{server}/{name}"), true, None));
        }
        databases
    }

    #[tokio::test]
    async fn a_file_is_opened_again_and_other_addresses_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        Store::sqlite(&path).await.unwrap();
        Store::sqlite(&path).await.unwrap();
        assert!(matches!(Store::postgres("mysql://x").await, Err(StoreError::Address(_))));
        assert!(matches!(Store::sqlite(dir.path()).await, Err(StoreError::Database(_))));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_the_database() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/state");
        let _open = Store::open(&state, None).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        let mut files = 0;
        for entry in std::fs::read_dir(&state).unwrap() {
            files += 1;
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        assert!(files > 0);
    }
}
