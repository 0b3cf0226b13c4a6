//! What handlers share: the session, the store, and all that is made of the configuration when the server starts.
//!
//! Not what is kept: that is in the store and in files, so that several servers can share it.

use std::sync::Arc;

use eolith_engine::session::Session;
use eolith_engine::storage::StorageError;
use eolith_engine::workspace::Folder;
use serde_json::Value;
use thiserror::Error;

use crate::accounts::Accounts;
use crate::auth::{Guard, Known, UserError, Users, Viewer, random_id};
use crate::maps::Maps;
use crate::places::{Homes, Places};
use crate::queue::Queue;
use crate::rates::Buckets;
use crate::results::{Results, ResultsError};
use crate::runs::Runs;
use crate::serve::Config;
use crate::signed::Signer;
use crate::store::{Store, StoreError};

/// What handlers share.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    session: Arc<Session>,
    config: Config,
    guard: Guard,
    first_password: Option<String>,
    /// How often addresses and users may ask.
    requests: Buckets,
    runs: Runs,
    store: Store,
    results: Results,
    homes: Homes,
    accounts: Accounts,
    queue: Queue,
    signer: Signer,
    maps: Maps,
}

/// Why the server has no state.
#[derive(Debug, Error)]
pub enum StateError {
    #[error(transparent)]
    Users(#[from] UserError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("results cannot be kept: {0}")]
    Results(String),
}

impl From<ResultsError> for StateError {
    fn from(error: ResultsError) -> StateError {
        StateError::Results(error.to_string())
    }
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> StateError {
        StateError::Results(error.to_string())
    }
}

impl AppState {
    /// Opens what is kept in the folder and the database of the configuration.
    ///
    /// # Errors
    /// They cannot be used, or the system has no random numbers.
    pub async fn open(session: Arc<Session>, config: Config) -> Result<AppState, StateError> {
        let store = Store::open(&config.state, config.database.as_deref()).await?;
        let first_password = if config.auth.has_users() {
            Users::new(store.clone(), &config.state).first().await?
        } else {
            None
        };
        let (rates, public_url) = (&config.rates, config.public_url.as_deref());
        let requests = Buckets::new(rates.requests, rates.requests_at_once);
        let known = Known::new(store.clone());
        let auth = config.auth.clone();
        let guard = Guard::new(auth, rates, public_url, &store, known.clone()).await?;
        let made = format!("{}{}", random_id(), random_id());
        let signer = Signer::new(&store.secret("links", &made).await?);
        let made = format!("{}{}", random_id(), random_id());
        let results = Results::new(&config, store.secret("results", &made).await?)?;
        match results.check().await {
            // It may be away for a while.
            Err(ResultsError::Bucket(error)) if error.is_away() => {
                tracing::error!(%error, "the object store of results is away");
            }
            checked => checked?,
        }
        let homes = Homes::new(&config);
        let accounts = Accounts::new(store.clone(), known, homes.clone(), &config);
        let queue = Queue::new(
            store.clone(),
            results.clone(),
            Arc::clone(&session),
            config.jobs.clone(),
            homes.clone(),
            accounts.clone(),
            config.retention.clone(),
        );
        let runs = Runs::default();
        let maps = Maps::default();
        let shared = Shared {
            session,
            config,
            guard,
            first_password,
            requests,
            runs,
            store,
            results,
            homes,
            accounts,
            queue,
            signer,
            maps,
        };
        Ok(AppState(Arc::new(shared)))
    }

    /// The password of the user [`crate::auth::FIRST`], if the user was made just now: it is stored nowhere.
    pub fn first_password(&self) -> Option<&str> {
        self.0.first_password.as_deref()
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(crate) fn requests(&self) -> &Buckets {
        &self.0.requests
    }

    pub(crate) fn runs(&self) -> &Runs {
        &self.0.runs
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn results(&self) -> &Results {
        &self.0.results
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
    }

    pub(crate) fn maps(&self) -> &Maps {
        &self.0.maps
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.0.signer
    }

    pub(crate) fn homes(&self) -> &Homes {
        &self.0.homes
    }

    /// The session with the collections that somebody may see.
    pub(crate) fn seen_by(&self, viewer: &Viewer) -> Arc<Session> {
        let Some(user) = &viewer.0 else { return Arc::clone(self.session()) };
        let own = Folder::new(self.homes().of(&user.id));
        Arc::new(self.session().as_ref().clone().with_workspace(Arc::new(own)))
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// What a process of the user can name.
    pub(crate) async fn places(&self, user: &str, process: &Value) -> Result<Places, StoreError> {
        let root = self.homes().of(user);
        let known = (self.store(), self.accounts());
        Places::open(root, user, process, known, self.results()).await
    }

    /// Runs batch jobs until [`AppState::stop_work`].
    pub async fn work(&self) {
        self.queue().clone().work().await;
    }

    /// Lets [`AppState::work`] end: jobs that are not finished go on with the next server.
    pub fn stop_work(&self) {
        self.queue().stop();
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("config", self.config()).finish_non_exhaustive()
    }
}
