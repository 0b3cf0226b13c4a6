//! `GET /jobs/{job_id}/logs`.

use axum::Json;
use axum::extract::{Path, Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use eolith_engine::events::Level;
use serde::Deserialize;
use serde_json::{Value, json};

use super::jobs::owned;
use crate::auth::User;
use crate::entries::{level, severity};
use crate::error::ApiError;
use crate::links::{Links, Version, link};
use crate::state::AppState;
use crate::store::Logged;

#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    /// The id of the entry before the first; empty or absent from the start on.
    offset: Option<String>,
    level: Option<String>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let job = owned(&state, &user, &id).await?;
    let part = Part::read(part)?;
    let kept = job.request.get("log_level").and_then(Value::as_str);
    let address = links.to(&format!("/jobs/{id}/logs"));
    let read = |after, severity, limit| async move {
        state.store().logs(&id, after, severity, limit).await
    };
    part.answer(&links, &address, kept, read).await
}

impl Part {
    pub(crate) fn read(part: Result<Query<Part>, QueryRejection>) -> Result<Part, ApiError> {
        match part {
            Ok(Query(part)) if part.limit != Some(0) => Ok(part),
            _ => Err(wrong("`limit` is a whole number of at least 1")),
        }
    }

    /// This part of the log at `address`, of which entries of the level `kept` and more severe ones were kept.
    pub(crate) async fn answer<F>(
        &self,
        links: &Links,
        address: &str,
        kept: Option<&str>,
        read: impl FnOnce((i64, i64), i64, i64) -> F,
    ) -> Result<Json<Value>, ApiError>
    where
        F: Future<Output = Result<Vec<Logged>, crate::store::StoreError>>,
    {
        let asked = match self.level.as_deref() {
            Some(name) => level(name)
                .ok_or_else(|| wrong("`level` is one of `debug`, `info`, `warning` and `error`"))?,
            None if links.version == Version::V1_2 => Level::Info,
            None => Level::Debug,
        };
        let kept = kept.and_then(level).unwrap_or(Level::Info);
        // What was not kept cannot be shown.
        let shown = if severity(kept) > severity(asked) { kept } else { asked };
        let after = match self.offset.as_deref() {
            None | Some("") => (-1, -1),
            Some(id) => place(id).ok_or_else(|| wrong("`offset` is no id of an entry"))?,
        };
        let limit = self.limit.map_or(i64::MAX, |limit| i64::from(limit) + 1);
        let mut logs = read(after, severity(asked), limit).await?;
        let mut own = vec![link("self", address.to_owned(), "Log")];
        if let Some(limit) = self.limit
            && logs.len() > limit as usize
        {
            logs.truncate(limit as usize);
            let last = logs.last().map(id).unwrap_or_default();
            let level = self.level.as_deref().map_or_else(String::new, |l| format!("&level={l}"));
            let next = format!("{address}?offset={last}&limit={limit}{level}");
            own.push(link("next", next, "Next entries"));
        }
        let entries = logs.into_iter().map(|log| {
            let mut entry = log.entry.clone();
            entry["id"] = id(&log).into();
            entry
        });
        let entries: Vec<Value> = entries.collect();
        Ok(Json(json!({"level": shown.name(), "logs": entries, "links": own})))
    }
}

fn id(log: &Logged) -> String {
    format!("{}-{}", log.attempt, log.number)
}

fn place(id: &str) -> Option<(i64, i64)> {
    let (attempt, number) = id.split_once('-')?;
    Some((attempt.parse().ok()?, number.parse().ok()?))
}

fn wrong(message: &str) -> ApiError {
    ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message)
}
