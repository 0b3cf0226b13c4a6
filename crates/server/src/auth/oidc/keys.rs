//! The public keys of a provider: fetched when they are needed, kept for an hour, fetched again for a key that is not
//! known, but not more often than twice a minute, whatever tokens are sent.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header};
use reqwest::{Client, Url, redirect};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::error::ApiError;

/// How long keys are taken for current.
const CURRENT: Duration = Duration::from_hours(1);
/// How long may pass at least between two questions.
const PAUSE: Duration = Duration::from_secs(30);
/// How long may pass at least between two questions when nothing is known yet.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long keys are used while the provider cannot be reached.
const STALE: Duration = Duration::from_hours(24);
const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const LARGEST: usize = 1 << 20;
/// Keys of a provider.
const MOST: usize = 100;

#[derive(Debug)]
pub(super) struct KeyRing {
    issuer: String,
    keys: RwLock<Option<Arc<Fetched>>>,
    /// When was asked last; held while somebody asks.
    asked: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Fetched {
    keys: Vec<Jwk>,
    at: Instant,
}

impl KeyRing {
    pub(super) fn new(issuer: &str) -> KeyRing {
        KeyRing { issuer: issuer.to_owned(), keys: RwLock::default(), asked: Mutex::default() }
    }

    /// The key that a token says it was signed with.
    pub(super) async fn find(&self, header: &Header) -> Result<Option<DecodingKey>, ApiError> {
        let known = self.known();
        if let Some(fetched) = known.as_ref().filter(|fetched| fetched.at.elapsed() < CURRENT)
            && let Some(key) = fetched.find(header)
        {
            return Ok(Some(key));
        }
        let fetched = self.ask(known.as_ref().map(|fetched| fetched.at)).await?;
        Ok(fetched.find(header))
    }

    /// As if the last question was long ago.
    #[cfg(test)]
    pub(super) async fn forget_when(&self) {
        *self.asked.lock().await = None;
    }

    fn known(&self) -> Option<Arc<Fetched>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the provider, unless somebody did since `seen`, or a short time ago.
    async fn ask(&self, seen: Option<Instant>) -> Result<Arc<Fetched>, ApiError> {
        let mut asked = self.asked.lock().await;
        let known = self.known();
        if let Some(fetched) = &known
            && (Some(fetched.at) != seen || asked.is_some_and(|at| at.elapsed() < PAUSE))
        {
            return Ok(Arc::clone(fetched));
        }
        if known.is_none() && asked.is_some_and(|at| at.elapsed() < IMPATIENCE) {
            return Err(unreachable());
        }
        *asked = Some(Instant::now());
        match fetch(&self.issuer).await {
            Ok(keys) => {
                info!(issuer = self.issuer, keys = keys.len(), "the keys of a provider are read");
                let fetched = Arc::new(Fetched { keys, at: Instant::now() });
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::clone(&fetched));
                Ok(fetched)
            }
            Err(reason) => {
                warn!(issuer = self.issuer, reason, "the keys of a provider cannot be read");
                known.filter(|fetched| fetched.at.elapsed() < STALE).ok_or_else(unreachable)
            }
        }
    }
}

impl Fetched {
    fn find(&self, header: &Header) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, header.alg));
        let key = if let Some(kid) = &header.kid {
            fitting.find(|key| key.common.key_id.as_ref() == Some(kid))?
        } else {
            // Without a name there may be only one.
            let only = fitting.next()?;
            if fitting.next().is_some() {
                return None;
            }
            only
        };
        DecodingKey::from_jwk(key).ok()
    }
}

/// Whether a key is meant for signatures of this kind.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let family = match &key.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(_) => AlgorithmFamily::Ec,
        AlgorithmParameters::OctetKeyPair(_) => AlgorithmFamily::Ed,
        _ => return false,
    };
    let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let named = key.common.key_algorithm;
    let same = named.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    signs && same && family.algorithms().contains(&algorithm)
}

/// An address that keys may come from.
pub(super) fn checked(address: &str) -> Result<Url, String> {
    let url = Url::parse(address).map_err(|error| format!("`{address}` is no address: {error}"))?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        Ok(url)
    } else {
        Err(format!("`{address}` is neither https nor a loopback address"))
    }
}

/// Discovery, then keys.
pub(super) async fn fetch(issuer: &str) -> Result<Vec<Jwk>, String> {
    let base = issuer.trim_end_matches('/');
    let document = json(&format!("{base}/.well-known/openid-configuration")).await?;
    let named = document["issuer"].as_str().unwrap_or_default();
    if named.trim_end_matches('/') != base {
        return Err(format!("it calls itself `{named}`"));
    }
    let address = document["jwks_uri"].as_str().ok_or("it names no `jwks_uri`")?;
    let set = json(address).await?;
    let keys = set["keys"].as_array().ok_or("its keys are no list")?;
    // Keys of kinds that are not known do not stand in the way of others.
    let read = |key: &Value| serde_json::from_value::<Jwk>(key.clone()).ok();
    Ok(keys.iter().filter_map(read).take(MOST).collect())
}

async fn json(address: &str) -> Result<Value, String> {
    let url = checked(address)?;
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = client()?.get(url).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("{address} answers {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(format!("{address} sends too much"));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("{address} sends no JSON: {error}"))
}

fn client() -> Result<&'static Client, String> {
    static CLIENT: std::sync::OnceLock<Result<Client, String>> = std::sync::OnceLock::new();
    let make = || {
        // A second installation is the only way to fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(concat!("eolith/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(WHOLE);
        builder.build().map_err(|error| error.to_string())
    };
    CLIENT.get_or_init(make).as_ref().map_err(Clone::clone)
}

fn unreachable() -> ApiError {
    let message = "the identity provider cannot be reached; try again later";
    ApiError::http(StatusCode::SERVICE_UNAVAILABLE, "IdentityProviderUnavailable", message)
}
