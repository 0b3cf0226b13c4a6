//! Requests over HTTP: GET as a whole or by range, POST of JSON.
//!
//! URLs are sent as they were written, query included, so that signed ones work; nothing but GET is assumed of a
//! signed URL. What fails for a moment (connections, timeouts, 408, 425, 429, 5xx) is tried again with growing
//! pauses, and a server's `Retry-After` is kept to. Requests to one server at a time are bounded, and each has an
//! end. Where addresses are guarded, names that lead to private addresses are refused when they are looked up and
//! at every redirect, not only in the text of a URL.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use super::{Stamp, StorageError, access, shown};

/// Tries of one request.
const TRIES: u32 = 6;
/// The pause before the second try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, a server's own wish included.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(10);
/// Silence after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// The end of any single request.
const WHOLE: Duration = Duration::from_mins(5);
/// Requests to one server at a time.
const CONCURRENT: usize = 64;
/// Servers whose bound is remembered.
const MOST_SERVERS: usize = 256;
const REDIRECTS: usize = 10;
/// Bytes of an error's text that are shown.
const MOST_TEXT: usize = 500;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub bytes: Bytes,
    /// Where it came from in the end.
    pub url: Url,
}

/// All bytes of a resource.
///
/// # Errors
/// [`StorageError::TooLarge`] beyond `limit` bytes, and what the server or the network says.
pub(super) async fn get(url: &Url, guarded: bool, limit: u64) -> Result<Answer, StorageError> {
    request(url, guarded, limit, |client| {
        client.get(url.clone()).header(ACCEPT, "application/json, application/geo+json, */*;q=0.8")
    })
    .await
}

/// All bytes of a resource with its entity tag; `None` if the tag is the one that is known.
///
/// # Errors
/// Those of [`get`].
pub(super) async fn get_newer(
    url: &Url,
    guarded: bool,
    limit: u64,
    known: Option<&str>,
) -> Result<Option<(Bytes, Option<String>)>, StorageError> {
    retried(url, guarded, |client| {
        let builder = client.get(url.clone()).header(ACCEPT, "application/json, */*;q=0.8");
        let builder = match known {
            Some(tag) => builder.header(IF_NONE_MATCH, tag),
            None => builder,
        };
        async move {
            let response = builder.send().await?;
            if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            let tag = text(response.headers(), &ETAG).map(str::to_owned);
            Ok(Some((body(response, limit).await?, tag)))
        }
    })
    .await
}

/// The answer to a JSON document, with further headers (as STAC APIs ask for in links).
pub(super) async fn post(
    url: &Url,
    guarded: bool,
    limit: u64,
    body: &Value,
    headers: &BTreeMap<String, String>,
) -> Result<Answer, StorageError> {
    request(url, guarded, limit, |client| {
        let mut builder = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/geo+json, application/json")
            .body(body.to_string());
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value.as_str()))
            {
                builder = builder.header(name, value);
            }
        }
        builder
    })
    .await
}

/// The bytes of `range`.
///
/// # Errors
/// [`StorageError::Unranged`] for a server that sends everything instead.
pub(super) async fn get_range(
    url: &Url,
    guarded: bool,
    range: Range<u64>,
) -> Result<Bytes, StorageError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let size = range.end - range.start;
    let asked = format!("bytes={}-{}", range.start, range.end - 1);
    retried(url, guarded, |client| {
        let (asked, range) = (asked.clone(), range.clone());
        async move {
            let response = client.get(url.clone()).header(RANGE, asked).send().await?;
            let status = response.status();
            if status == StatusCode::PARTIAL_CONTENT {
                let sent = content_range(response.headers());
                let bytes = body(response, size).await?;
                // A range that goes beyond the end is cut there.
                let expected = match sent {
                    Some((end, Some(total))) if end + 1 == total => total - range.start.min(total),
                    _ => size,
                };
                return if bytes.len() as u64 == expected.min(size) {
                    Ok(bytes)
                } else {
                    Err(Failure::Again(format!("{} of {size} bytes came", bytes.len()), None))
                };
            }
            if status.is_success() {
                let whole = response.content_length().is_some_and(|all| all <= size);
                let whole = range.start == 0 && whole;
                return if whole { body(response, size).await } else { Err(Failure::Unranged) };
            }
            Err(refusal(response).await)
        }
    })
    .await
}

/// Size, a token that changes with the content, and when it was written.
pub(super) async fn stamp(url: &Url, guarded: bool) -> Result<Stamp, StorageError> {
    if url.query().is_none() {
        match head(url, guarded, Method::HEAD).await {
            // Servers that know only GET, and signatures that are for GET only.
            Err(StorageError::Status { .. } | StorageError::Denied { .. }) => {}
            Ok(Some(stamp)) => return Ok(stamp),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
    }
    head(url, guarded, Method::GET).await?.ok_or_else(|| StorageError::Read {
        href: shown(url.as_str()),
        reason: "the server does not tell its size".to_owned(),
    })
}

/// Whether an answer with this status may be another one a moment later.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502..=504)
}

enum Failure {
    /// Worth another try, after the pause the server asks for.
    Again(String, Option<Duration>),
    NotFound,
    Denied(String),
    Unranged,
    TooLarge(u64),
    Status(u16, String),
    Final(String),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let text = chain(&error);
        // A guard's word stays the same however often it is asked.
        if error.is_builder() || error.is_redirect() || text.contains(PRIVATE) {
            Failure::Final(text)
        } else {
            Failure::Again(text, None)
        }
    }
}

async fn request(
    url: &Url,
    guarded: bool,
    limit: u64,
    build: impl Fn(&Client) -> RequestBuilder,
) -> Result<Answer, StorageError> {
    retried(url, guarded, |client| {
        let builder = build(client);
        async move {
            let response = builder.send().await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            let url = response.url().clone();
            Ok(Answer { bytes: body(response, limit).await?, url })
        }
    })
    .await
}

async fn head(url: &Url, guarded: bool, method: Method) -> Result<Option<Stamp>, StorageError> {
    let by_range = method == Method::GET;
    retried(url, guarded, |client| {
        let mut builder = client.request(method.clone(), url.clone());
        if by_range {
            builder = builder.header(RANGE, "bytes=0-0");
        }
        async move {
            let response = builder.send().await?;
            // An empty resource has no first byte.
            if by_range && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok(Some(Stamp { size: 0, token: "0".to_owned(), modified: None }));
            }
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            let headers = response.headers();
            let size = if response.status() == StatusCode::PARTIAL_CONTENT {
                text(headers, &CONTENT_RANGE)
                    .and_then(|range| range.rsplit_once('/')?.1.parse().ok())
            } else {
                text(headers, &CONTENT_LENGTH).and_then(|size| size.parse().ok())
            };
            Ok(size.map(|size: u64| {
                let token = match (text(headers, &ETAG), text(headers, &LAST_MODIFIED)) {
                    (Some(tag), _) => tag.to_owned(),
                    (None, Some(time)) => format!("{size}-{time}"),
                    (None, None) => size.to_string(),
                };
                let time = text(headers, &LAST_MODIFIED)
                    .and_then(|time| jiff::fmt::rfc2822::parse(time).ok());
                Stamp { size, token, modified: time.map(|time| time.timestamp().as_second()) }
            }))
        }
    })
    .await
}

/// Does `work` until it succeeds, fails for good, or was tried often enough.
async fn retried<'c, T, F>(
    url: &Url,
    guarded: bool,
    work: impl Fn(&'c Client) -> F,
) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let href = || shown(url.as_str());
    let client = client(guarded).map_err(|reason| StorageError::Read { href: href(), reason })?;
    let bound = bound(url);
    let _permit = bound.acquire().await;
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let failure = match work(client).await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        match failure {
            Failure::Again(reason, asked) => {
                if attempt >= TRIES {
                    let reason = format!("{reason} (tried {TRIES} times)");
                    return Err(StorageError::Read { href: href(), reason });
                }
                tracing::debug!(url = href(), reason, attempt, "request is tried again");
                tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                pause *= 2;
            }
            Failure::NotFound => return Err(StorageError::NotFound(href())),
            Failure::Denied(reason) => return Err(StorageError::Denied { href: href(), reason }),
            Failure::Unranged => return Err(StorageError::Unranged(href())),
            Failure::TooLarge(limit) => {
                return Err(StorageError::TooLarge { href: href(), limit });
            }
            Failure::Status(status, text) => {
                return Err(StorageError::Status { href: href(), status, text });
            }
            Failure::Final(reason) => return Err(StorageError::Read { href: href(), reason }),
        }
    }
    unreachable!("invariant: the last try returns")
}

/// The body of an answer, of at most `limit` bytes.
async fn body(mut response: Response, limit: u64) -> Result<Bytes, Failure> {
    if response.content_length().is_some_and(|size| size > limit) {
        return Err(Failure::TooLarge(limit));
    }
    let mut bytes = BytesMut::new();
    while let Some(part) = response.chunk().await? {
        if bytes.is_empty() && response.content_length() == Some(part.len() as u64) {
            return Ok(part);
        }
        if bytes.len() as u64 + part.len() as u64 > limit {
            return Err(Failure::TooLarge(limit));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let asked = text(response.headers(), &RETRY_AFTER)
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    if is_passing(status) {
        return Failure::Again(format!("HTTP status {status}"), asked);
    }
    match status.as_u16() {
        404 | 410 => return Failure::NotFound,
        401 | 403 => return Failure::Denied(format!("HTTP status {status}")),
        _ => {}
    }
    let said = body(response, 1 << 16).await.unwrap_or_default();
    let said: String = String::from_utf8_lossy(&said).chars().take(MOST_TEXT).collect();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::Status(status.as_u16(), said)
}

/// Last byte and size of all, as `bytes 0-9/100` says it.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) = text(headers, &CONTENT_RANGE)?.rsplit_once('/')?;
    Some((range.rsplit_once('-')?.1.parse().ok()?, total.parse().ok()))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The bound of a server.
fn bound(url: &Url) -> Arc<Semaphore> {
    static SERVERS: Mutex<BTreeMap<String, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    if servers.len() >= MOST_SERVERS {
        servers.clear();
    }
    let root = &url[..url::Position::BeforePath];
    let new = || Arc::new(Semaphore::new(CONCURRENT));
    Arc::clone(servers.entry(root.to_owned()).or_insert_with(new))
}

/// One client of each kind: making one takes tens of milliseconds, and it keeps its connections.
fn client(guarded: bool) -> Result<&'static Client, String> {
    static OPEN: OnceLock<Result<Client, String>> = OnceLock::new();
    static GUARDED: OnceLock<Result<Client, String>> = OnceLock::new();
    let cell = if guarded { &GUARDED } else { &OPEN };
    cell.get_or_init(|| make(guarded)).as_ref().map_err(Clone::clone)
}

fn make(guarded: bool) -> Result<Client, String> {
    provide_tls();
    let mut builder = Client::builder()
        .user_agent(concat!("eolith/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .timeout(WHOLE);
    builder = if guarded {
        builder.dns_resolver(PublicNames).redirect(redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("too many redirects");
            }
            match access::forbidden_url(attempt.url()) {
                Some(reason) => attempt.error(format!("it redirects elsewhere: {reason}")),
                None => attempt.follow(),
            }
        }))
    } else {
        builder.redirect(redirect::Policy::limited(REDIRECTS))
    };
    builder.build().map_err(|error| chain(&error))
}

/// A client cannot be made without a provider; if the program chose one already, that one stays.
pub(super) fn provide_tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

const PRIVATE: &str = "leads to a private address";

/// Looks names up and keeps the public addresses only.
#[derive(Debug)]
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> =
                found.filter(|address| access::is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(format!("`{name}` {PRIVATE}").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
