//! Where the server is for whoever asks, and the links to its parts: all absolute.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use serde_json::{Value, json};

use crate::state::AppState;

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1_2,
    V1_3,
}

/// The address of the root of the version a request came in by.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Scheme, host and what a proxy puts before the path; no slash at the end.
    base: String,
    pub(crate) version: Version,
}

impl Version {
    /// The one that is meant for use is last: the official test suite takes the last.
    pub(crate) const ALL: [Version; 2] = [Version::V1_3, Version::V1_2];

    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Version::V1_2 => "1.2.0",
            Version::V1_3 => "1.3.0",
        }
    }

    pub(crate) fn mount(self) -> &'static str {
        match self {
            Version::V1_2 => "/openeo/1.2",
            Version::V1_3 => "/openeo/1.3",
        }
    }

    /// Whether clients should choose this version by themselves.
    pub(crate) fn production(self) -> bool {
        match self {
            Version::V1_2 => true,
            Version::V1_3 => false,
        }
    }
}

impl Links {
    /// The address of a resource of this version; `path` starts with a slash.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}{}{path}", self.base, self.version.mount())
    }

    /// The address of something that is of no version.
    pub(crate) fn beside(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The root of a version, with the slash at the end that clients expect.
    pub(crate) fn root(&self, version: Version) -> String {
        format!("{}{}/", self.base, version.mount())
    }

    pub(crate) fn well_known(&self) -> String {
        self.beside("/.well-known/openeo")
    }

    pub(crate) fn collection(&self, id: &str) -> String {
        self.to(&format!("/collections/{}", escaped(id)))
    }

    /// The items of a collection.
    pub(crate) fn items(&self, id: &str) -> String {
        format!("{}/items", self.collection(id))
    }
}

/// A link to JSON.
pub(crate) fn link(rel: &str, href: String, title: &str) -> Value {
    json!({"rel": rel, "href": href, "type": "application/json", "title": title})
}

impl FromRequestParts<AppState> for Links {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Links, Infallible> {
        let version = parts.extensions.get::<Version>().copied().unwrap_or(Version::V1_2);
        let base = match &state.config().public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{}", state.config().scheme(), host(parts)),
        };
        Ok(Links { base, version })
    }
}

/// The host as the client calls it.
fn host(parts: &Parts) -> String {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = header.and_then(|host| host.parse::<Authority>().ok());
    let authority = named.or_else(|| parts.uri.authority().cloned());
    match authority {
        // Without what may stand before `@`.
        Some(authority) => match authority.port() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        },
        None => "localhost".to_owned(),
    }
}

/// Percent-encodes everything but unreserved characters and slashes.
pub(crate) fn escaped(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    id.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_escaped_and_keep_their_slashes() {
        assert_eq!(escaped("a/b-1.2_~"), "a/b-1.2_~");
        assert_eq!(escaped("ä b?"), "%C3%A4%20b%3F");
    }
}
