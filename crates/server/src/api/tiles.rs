//! Tiles of services, for everyone who knows the address: what the protocols have in common, and the plainest of them,
//! `/xyz/{service_id}/{z}/{x}/{y}`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use eolith_engine::map::Place;
use eolith_graph::Code;
use sha2::{Digest, Sha256};

use super::services::unknown;
use crate::auth::hex;
use crate::error::ApiError;
use crate::maps;
use crate::service::{Kind, Service};
use crate::state::AppState;

/// How long others may show a tile without asking: as long as a change may stay unseen.
const FRESH: &str = "public, max-age=60";
/// Bytes of the hash that names a tile.
const TAG: usize = 16;

/// Parameters of a query, by names in lower case. What means nothing is ignored: editors add something of their own.
#[derive(Debug, Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

pub(crate) async fn xyz(
    State(state): State<AppState>,
    Path((id, z, x, y)): Path<(String, String, String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let service = public(&state, &id, Kind::Xyz).await?;
    answer(&state, service, [&z, &x, &y], parameters.instant("time"), &headers).await
}

/// The service, if it is one of this kind that can be used.
pub(crate) async fn public(state: &AppState, id: &str, kind: Kind) -> Result<Service, ApiError> {
    let kept = state.store().service(id).await?;
    let kept = kept.filter(|kept| kept.service.kind == kind).ok_or_else(|| unknown(id))?;
    if !kept.service.is_enabled() {
        let message = format!("the service `{id}` is disabled");
        return Err(ApiError::new(Code::SERVICE_NOT_FOUND, message));
    }
    Ok(kept.service)
}

/// A tile: level, column and row. A row may end with the extension of the file.
pub(crate) async fn answer(
    state: &AppState,
    service: Service,
    [z, x, y]: [&str; 3],
    time: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || {
        let message = format!("there is no tile {z}/{x}/{y}");
        ApiError::new(Code::NOT_FOUND, message)
    };
    let place = (|| Some(Place { z: number(z)?, x: number(x)?, y: number(y)? }))();
    let place = place.ok_or_else(missing)?;
    let bytes = maps::tile(state, service, place, time).await?.ok_or_else(missing)?;
    let tag = format!("\"{}\"", hex(&Sha256::digest(&bytes)[..TAG]));
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
    let mut known = known.flat_map(|known| known.split(',')).map(str::trim);
    let is_known = known.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let response = Response::builder().header(ETAG, tag).header(CACHE_CONTROL, FRESH);
    let response = if is_known {
        response.status(StatusCode::NOT_MODIFIED).body(Body::empty())
    } else {
        response.header(CONTENT_TYPE, "image/png").body(Body::from(bytes))
    };
    response.map_err(|error| ApiError::internal(format!("the tile cannot be sent: {error}")))
}

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The instant that is wanted, if it is not the last one anyway.
    pub(crate) fn instant(&self, name: &str) -> Option<String> {
        self.get(name).and_then(instant)
    }
}

/// The instant that is wanted, if it is not the last one anyway.
pub(crate) fn instant(given: &str) -> Option<String> {
    let last = ["", "default", "current", "latest"];
    (!last.iter().any(|last| last.eq_ignore_ascii_case(given))).then(|| given.to_owned())
}

/// A number without a sign, as the addresses of tiles are written.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.strip_suffix(".png").unwrap_or(text);
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Parameters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Parameters, Self::Rejection> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = query.map(|Query(pairs)| pairs).unwrap_or_default();
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        Ok(Parameters(pairs.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_tiles_have_digits_only() {
        assert_eq!(number::<u32>("12"), Some(12));
        assert_eq!(number::<u32>("12.png"), Some(12));
        for wrong in ["", "+1", "-1", "1.5", "4294967296", "{y}"] {
            assert_eq!(number::<u32>(wrong), None, "{wrong}");
        }
        assert_eq!(instant("Current"), None);
        assert_eq!(instant("2022-06-01"), Some("2022-06-01".to_owned()));
    }
}
