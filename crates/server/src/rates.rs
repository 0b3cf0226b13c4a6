//! How often somebody may ask: a bucket of tokens for each name, which fills up at a steady rate.
//!
//! Buckets belong to one server and are not kept. They stop scripts that went wrong and the guessing of passwords; they
//! are no accounting.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::error::ApiError;
use crate::state::AppState;

/// Names that are remembered; those who wait longest are forgotten then.
const MOST: usize = 100_000;
/// What somebody without an address is called: requests that come from no socket.
const NOBODY: &str = "-";

/// How often; a rate of 0 is no limit.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Requests a second, from one address and of one user, on one server.
    pub requests: f64,
    /// Requests that may come at once.
    pub requests_at_once: f64,
    /// Wrong passwords and secrets a minute, from one address.
    pub attempts: f64,
    /// Wrong ones that may come at once.
    pub attempts_at_once: f64,
    /// Whether the address of a client is what a proxy says in `X-Forwarded-For`. Only behind a proxy that sets it:
    /// clients could call themselves anything otherwise.
    pub forwarded: bool,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            requests: 100.0,
            requests_at_once: 1000.0,
            attempts: 10.0,
            attempts_at_once: 20.0,
            forwarded: false,
        }
    }
}

impl Rates {
    /// No limits.
    pub fn none() -> Rates {
        Rates { requests: 0.0, attempts: 0.0, ..Rates::default() }
    }
}

/// The buckets of one kind of request.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// Tokens a second; without a limit if 0.
    rate: f64,
    size: f64,
    levels: Mutex<BTreeMap<String, (f64, Instant)>>,
}

impl Buckets {
    pub(crate) fn new(rate: f64, size: f64) -> Buckets {
        Buckets { rate, size: size.max(1.0), levels: Mutex::default() }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none: how long it takes until there is one.
    pub(crate) fn take(&self, name: &str) -> Result<(), Duration> {
        self.take_at(name, Instant::now())
    }

    /// Gives a token back that was not needed.
    pub(crate) fn give_back(&self, name: &str) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((level, _)) = levels.get_mut(name) {
            *level = (*level + 1.0).min(self.size);
        }
    }

    fn take_at(&self, name: &str, now: Instant) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |(level, at): (f64, Instant)| {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            (level + passed * self.rate).min(self.size)
        };
        if levels.len() >= MOST && !levels.contains_key(name) {
            levels.retain(|_, bucket| level(*bucket) < self.size);
            if levels.len() >= MOST {
                levels.clear();
            }
        }
        let left = levels.get(name).map_or(self.size, |bucket| level(*bucket));
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.rate));
        }
        match levels.get_mut(name) {
            Some(bucket) => *bucket = (left - 1.0, now),
            None => drop(levels.insert(name.to_owned(), (left - 1.0, now))),
        }
        Ok(())
    }
}

/// The address a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) String);

impl FromRequestParts<AppState> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Caller, std::convert::Infallible> {
        Ok(caller(state, &parts.headers, &parts.extensions))
    }
}

/// Lets requests through as often as an address may ask.
pub(crate) async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // Browsers ask for permission as often as they ask.
    if request.method() != Method::OPTIONS {
        let Caller(name) = caller(&state, request.headers(), request.extensions());
        if let Err(wait) = state.requests().take(&name) {
            return ApiError::too_many(wait).into_response();
        }
    }
    next.run(request).await
}

fn caller(state: &AppState, headers: &HeaderMap, extensions: &Extensions) -> Caller {
    if state.config().rates.forwarded {
        // What stands last was said by the proxy itself.
        let all = headers.get_all("x-forwarded-for").iter().next_back();
        let last = all.and_then(|header| header.to_str().ok()?.rsplit(',').next());
        if let Some(address) = last.and_then(|text| text.trim().parse::<std::net::IpAddr>().ok()) {
            return Caller(address.to_canonical().to_string());
        }
    }
    let socket = extensions.get::<ConnectInfo<SocketAddr>>();
    let address = socket.map(|ConnectInfo(address)| address.ip().to_canonical().to_string());
    Caller(address.unwrap_or_else(|| NOBODY.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_up_at_its_rate() {
        let buckets = Buckets::new(2.0, 3.0);
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        for _ in 0..3 {
            assert_eq!(buckets.take_at("a", start), Ok(()));
        }
        assert_eq!(buckets.take_at("a", start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take_at("b", start), Ok(()));
        assert_eq!(buckets.take_at("a", at(250)), Err(Duration::from_millis(250)));
        assert_eq!(buckets.take_at("a", at(500)), Ok(()));
        assert!(buckets.take_at("a", at(500)).is_err());
        buckets.give_back("a");
        assert_eq!(buckets.take_at("a", at(500)), Ok(()));
        // Never more than its size.
        for _ in 0..3 {
            assert_eq!(buckets.take_at("a", at(1_000_000)), Ok(()));
        }
        assert!(buckets.take_at("a", at(1_000_000)).is_err());
        assert_eq!((0..100).filter(|_| Buckets::new(0.0, 1.0).take("a").is_err()).count(), 0);
    }

    #[test]
    fn those_who_have_not_asked_for_long_are_forgotten_first() {
        let buckets = Buckets::new(1.0, 2.0);
        let start = Instant::now();
        for i in 0..MOST {
            buckets.take_at(&i.to_string(), start).unwrap();
        }
        buckets.take_at("new", start + Duration::from_secs(5)).unwrap();
        assert_eq!(buckets.levels.lock().unwrap().len(), 1);
    }
}
