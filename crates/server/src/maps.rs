//! The maps of services: made when they are first looked at, kept for a while, and drawn tile by tile.
//!
//! A map goes with the revision of its service, so that a change is seen by the next tile on every server. It does not
//! see what is added to its data meanwhile; that is why it is made anew from time to time. Tiles are not kept. How
//! many are computed at a time is decided by the memory of the engine, not here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eolith_engine::events::{Cancel, Level};
use eolith_engine::map::{Map, Place};
use eolith_graph::{Issue, NodePath};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tracing::{Instrument, warn};

use crate::auth::random_id;
use crate::entries::{self, severity};
use crate::error::ApiError;
use crate::job::now;
use crate::service::{About, Service, Style};
use crate::state::AppState;
use crate::store::Logged;

/// Maps that are kept.
const KEPT: usize = 64;
/// How long one is kept.
const AGE: Duration = Duration::from_mins(10);
/// Things that are said in the log for one map; whoever looks at a map that fails asks for very many tiles.
const SAID: usize = 100;
/// How long entries of the log stay, in milliseconds.
const LOGGED: i64 = 30 * 24 * 60 * 60 * 1000;

/// The maps of all services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maps(Arc<Mutex<VecDeque<Arc<Shown>>>>);

/// The map of a service.
#[derive(Debug)]
struct Shown {
    service: String,
    revision: u64,
    made: Instant,
    map: OnceCell<Arc<Map>>,
    /// What the log has been told.
    said: Mutex<BTreeSet<String>>,
}

impl Maps {
    /// Keeps a map for the tiles of a service.
    pub(crate) fn put(&self, service: &Service, map: Arc<Map>) {
        let map = OnceCell::new_with(Some(map));
        self.keep(Shown::new(service, map));
    }

    /// The map of a service, which may have to be made.
    fn of(&self, service: &Service) -> Arc<Shown> {
        let is = |shown: &&Arc<Shown>| {
            shown.service == service.id
                && shown.revision == service.revision
                && shown.made.elapsed() < AGE
        };
        let found = self.lock().iter().find(is).cloned();
        found.unwrap_or_else(|| self.keep(Shown::new(service, OnceCell::new())))
    }

    pub(crate) fn forget(&self, service: &str) {
        self.lock().retain(|shown| shown.service != service);
    }

    /// In place of every other of the service; the one that was made longest ago goes.
    fn keep(&self, shown: Shown) -> Arc<Shown> {
        let shown = Arc::new(shown);
        let mut kept = self.lock();
        kept.retain(|other| other.service != shown.service);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&shown));
        shown
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Shown>>> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn new(service: &Service, map: OnceCell<Arc<Map>>) -> Shown {
        let said = Mutex::default();
        let (service, revision) = (service.id.clone(), service.revision);
        Shown { service, revision, made: Instant::now(), map, said }
    }

    /// Whether something was not said before.
    fn is_new(&self, text: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < SAID && said.insert(text.to_owned())
    }
}

/// The map of a process.
pub(crate) async fn open(
    state: &AppState,
    user: &str,
    process: Value,
    style: Style,
) -> Result<Arc<Map>, ApiError> {
    let (waiting, busy, cancel) = state.runs().start();
    let (state, user) = (state.clone(), user.to_owned());
    // It goes on for itself when the client is gone: it has to notice that it is cancelled.
    let made = async move {
        let made = make(&state, &user, process, style, &cancel).await;
        drop(busy);
        made
    };
    let made = tokio::spawn(made.in_current_span())
        .await
        .map_err(|_| ApiError::internal("the map was not made"))?;
    drop(waiting);
    made.map_err(ApiError::from)
}

/// What a service says of its map.
pub(crate) fn about(map: &Map) -> About {
    let (times, latest) = (map.times(), map.latest());
    About { bounds: map.bounds(), times, latest }
}

/// A tile of a service, if there is such a tile. What goes wrong is in the log of the service, too.
pub(crate) async fn tile(
    state: &AppState,
    service: Service,
    place: Place,
    time: Option<String>,
) -> Result<Option<Vec<u8>>, ApiError> {
    let (waiting, busy, cancel) = state.runs().start();
    let state = state.clone();
    let drawn = async move {
        let shown = state.maps().of(&service);
        let drawn = draw(&state, &service, &shown, place, time.as_deref(), &cancel).await;
        if !cancel.is_cancelled() {
            tell(&state, &service, &shown, place, drawn.as_ref().err()).await;
        }
        drop(busy);
        drawn
    };
    let drawn = tokio::spawn(drawn.in_current_span())
        .await
        .map_err(|_| ApiError::internal("the tile was not drawn"))?;
    drop(waiting);
    drawn.map_err(ApiError::from)
}

/// Writes to the log of a service, as far as it takes such entries.
pub(crate) async fn log(
    state: &AppState,
    service: &Service,
    said: Vec<(Level, Value)>,
) -> Result<(), ApiError> {
    let kept = service.log_level().and_then(entries::level).unwrap_or(Level::Info);
    let attempt = now();
    // Several servers may write at the same instant.
    let first = i64::from_str_radix(&random_id()[..8], 16).unwrap_or_default();
    let wanted = said.into_iter().filter(|(level, _)| severity(*level) >= severity(kept));
    let logs: Vec<Logged> = (first..)
        .zip(wanted)
        .map(|(number, (level, entry))| Logged { attempt, number, level: severity(level), entry })
        .collect();
    if !logs.is_empty() {
        state.store().remove_logs_until(&service.id, attempt - LOGGED).await?;
        state.store().add_logs(&service.id, &logs).await?;
    }
    Ok(())
}

/// What has to be said of a map that was just made.
pub(crate) fn remarks(map: &Map) -> Vec<(Level, Value)> {
    let silent = |path: &NodePath| {
        let message = format!("{path} writes to the log of a run; a service does not do that");
        entries::entry(Level::Warning, &message, json!({}))
    };
    map.silent().iter().map(silent).collect()
}

async fn make(
    state: &AppState,
    user: &str,
    process: Value,
    style: Style,
    cancel: &Cancel,
) -> Result<Arc<Map>, Failure> {
    let places = state.places(user, &process).await?;
    let session = state.session().as_ref().clone().with_workspace(Arc::new(places));
    let process = match eolith_graph::parse_value(process) {
        (Some(process), issues) if issues.is_empty() => process,
        (_, issues) => return Err(issues.into()),
    };
    let view = session.view(process).await?;
    Ok(Arc::new(Map::open(view, style.options, style.side, cancel).await?))
}

async fn draw(
    state: &AppState,
    service: &Service,
    shown: &Shown,
    place: Place,
    time: Option<&str>,
    cancel: &Cancel,
) -> Result<Option<Vec<u8>>, Failure> {
    let style = service.style().map_err(Failure::Other)?;
    let made = || make(state, &service.user, service.process(), style, cancel);
    let map = shown.map.get_or_try_init(made).await?;
    Ok(map.tile(place, time, cancel).await?)
}

/// Notes what is new in the log.
async fn tell(
    state: &AppState,
    service: &Service,
    shown: &Shown,
    place: Place,
    failure: Option<&Failure>,
) {
    let mut said = Vec::new();
    if let Some([min, max]) = shown.map.get().and_then(|map| map.guessed())
        && shown.is_new("the range")
    {
        let message = format!(
            "values from {min} to {max} are shown, guessed from the 2nd and 98th percentile of the whole result; set \
             `min` and `max` to choose"
        );
        said.push(entries::entry(Level::Info, &message, json!({})));
    }
    if let Some(Failure::Issues(issues)) = failure {
        let Place { z, x, y } = place;
        for issue in issues.iter().filter(|issue| shown.is_new(&issue.to_string())) {
            let mut entry = entries::of_issue(issue, &Value::Null);
            entry["data"] = json!({"tile": {"z": z, "x": x, "y": y}});
            said.push((Level::Error, entry));
        }
    }
    if log(state, service, said).await.is_err() {
        warn!(service = service.id, "the log of a service could not be written");
    }
}

/// Why there is no tile.
#[derive(Debug)]
enum Failure {
    Issues(Vec<Issue>),
    /// Nothing that the owner can do anything about.
    Other(ApiError),
}

impl From<Vec<Issue>> for Failure {
    fn from(issues: Vec<Issue>) -> Failure {
        Failure::Issues(issues)
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Failure {
        Failure::Other(error.into())
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> ApiError {
        match failure {
            Failure::Issues(issues) => issues.into(),
            Failure::Other(error) => error,
        }
    }
}
