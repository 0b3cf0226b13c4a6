//! The router: which paths there are, and the rules that hold for every answer.
//!
//! [`ENDPOINTS`] is the only list of resources: routes and the `endpoints` of the capabilities come from it. The API
//! is mounted once a version, and at the root of the host for clients that were given a bare address.
//!
//! Every answer has CORS headers, every error the shape of [`ApiError`]: also those for unknown paths and methods,
//! and those of panics. Paths are taken as meant: `//` counts as `/`, a slash at the end as none. There are no
//! redirects, since clients do not follow them when they send something.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, Version as Http};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use eolith_engine::session::Session;
use eolith_graph::Code;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::{error, info};

use crate::auth::{CredentialsError, Guard};
use crate::error::ApiError;
use crate::links::Version;
use crate::runs::Runs;
use crate::serve::Config;
use crate::{
    capabilities, collections, conformance, credentials, file_formats, me, processes, result,
    udf_runtimes, validation,
};

/// A resource with one method.
pub(crate) struct Endpoint {
    /// The path as openEO writes it; clients compare it to the letter.
    pub(crate) path: &'static str,
    pub(crate) method: Method,
    handler: fn() -> MethodRouter<AppState>,
}

/// Everything there is below the root of a version.
pub(crate) static ENDPOINTS: [Endpoint; 11] = [
    Endpoint { path: "/", method: Method::GET, handler: || get(capabilities::show) },
    Endpoint { path: "/conformance", method: Method::GET, handler: || get(conformance::show) },
    Endpoint { path: "/collections", method: Method::GET, handler: || get(collections::list) },
    Endpoint {
        path: "/collections/{collection_id}",
        method: Method::GET,
        handler: || get(collections::show),
    },
    Endpoint { path: "/processes", method: Method::GET, handler: || get(processes::list) },
    Endpoint { path: "/file_formats", method: Method::GET, handler: || get(file_formats::list) },
    Endpoint { path: udf_runtimes::PATH, method: Method::GET, handler: || get(udf_runtimes::list) },
    Endpoint {
        path: "/credentials/basic",
        method: Method::GET,
        handler: || get(credentials::basic),
    },
    Endpoint { path: "/me", method: Method::GET, handler: || get(me::show) },
    Endpoint { path: "/validation", method: Method::POST, handler: || post(validation::check) },
    Endpoint { path: "/result", method: Method::POST, handler: || post(result::create) },
];

/// Paths of openEO that this server does not have.
const UNSUPPORTED: [&str; 7] = [
    "/credentials/oidc",
    "/files",
    "/jobs",
    "/process_graphs",
    "/processing_parameters",
    "/service_types",
    "/services",
];

const EXPOSED: &str = "Link, Location, OpenEO-Costs, OpenEO-Identifier, Content-Range, Accept-Ranges, \
    Content-Length, Content-Disposition, ETag";
const ALLOWED_HEADERS: &str = "Accept, Authorization, Content-Type, Range";
const ALLOWED_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, PUT, DELETE";
/// JSON that is smaller is sent as it is.
const WORTH_COMPRESSING: u64 = 1024;

/// What handlers share.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    session: Arc<Session>,
    config: Config,
    guard: Guard,
    runs: Runs,
}

impl AppState {
    /// # Errors
    /// The system has no random numbers for the secret of the tokens.
    pub fn new(session: Arc<Session>, config: Config) -> Result<AppState, CredentialsError> {
        let guard = Guard::new(config.auth.clone())?;
        Ok(AppState(Arc::new(Shared { session, config, guard, runs: Runs::default() })))
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

    pub(crate) fn runs(&self) -> &Runs {
        &self.0.runs
    }
}

/// The whole API, ready to be served or asked in-process.
pub fn router(state: AppState) -> Router {
    let mut routes = Router::new()
        .route("/.well-known/openeo", get(capabilities::well_known))
        .method_not_allowed_fallback(no_method)
        .merge(api(Version::V1_2))
        .fallback(no_path);
    for version in Version::ALL {
        routes = routes.nest(version.mount(), api(version));
    }
    wrap(routes.with_state(state))
}

/// The resources of one version.
fn api(version: Version) -> Router<AppState> {
    let routes = ENDPOINTS.iter().fold(Router::new(), |routes, endpoint| {
        // Ids of collections may contain slashes.
        let path = endpoint.path.replace("{collection_id}", "{*collection_id}");
        routes.route(&path, (endpoint.handler)())
    });
    routes.method_not_allowed_fallback(no_method).layer(axum::Extension(version))
}

/// The rules for every answer, around a router.
fn wrap(routes: Router) -> Router {
    let meant = move |request: Request| {
        let routes = routes.clone();
        async move {
            match routes.oneshot(normalised(request)).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    Router::new()
        .fallback(meant)
        .layer(CompressionLayer::new().compress_when(is_large_json))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(cors))
        .layer(middleware::from_fn(log))
}

async fn no_path(uri: Uri) -> ApiError {
    let path = uri.path();
    let mount = Version::ALL.iter().find_map(|version| path.strip_prefix(version.mount()));
    let below = mount.unwrap_or(path);
    let is_below = |root: &&'static str| {
        below.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if mount.is_none() && path.starts_with("/openeo/") {
        let message = format!("`{path}` is of no version that is here; see /.well-known/openeo");
        ApiError::new(Code::UNSUPPORTED_API_VERSION, message)
    } else if let Some(feature) = UNSUPPORTED.into_iter().find(is_below) {
        let message = format!("`{feature}` is a part of openEO that this server does not have");
        ApiError::new(Code::FEATURE_UNSUPPORTED, message)
    } else {
        ApiError::new(Code::NOT_FOUND, format!("there is nothing at `{path}`"))
    }
}

async fn no_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` cannot be asked with {method}", uri.path());
    ApiError::http(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}

/// The request with its path as it was meant.
fn normalised(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") && (path.len() <= 1 || !path.ends_with('/')) {
        return request;
    }
    let mut meant = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        meant.push('/');
        meant.push_str(part);
    }
    if meant.is_empty() {
        meant.push('/');
    }
    if let Some(query) = request.uri().query() {
        meant.push('?');
        meant.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    // What was a path is one still; if not, the router will not know it either.
    if let Ok(path) = PathAndQuery::try_from(meant) {
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Lets pages of any origin talk to the server, as openEO demands, and answers their questions for permission.
async fn cors(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS;
    let mut response =
        if asked { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if asked {
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        set(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        set(header::ACCESS_CONTROL_MAX_AGE, "7200");
    }
    response
}

/// Notes what was asked and answered. Neither queries nor headers: both may hold secrets.
async fn log(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    info!(%method, path, status = response.status().as_u16(), ms, "request");
    response
}

fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no message");
    error!(panic = text, "a handler panicked");
    ApiError::internal("something went wrong in the server; its log says more").into_response()
}

fn is_large_json(_: StatusCode, _: Http, headers: &HeaderMap, _: &Extensions) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let large = length.and_then(|l| l.parse::<u64>().ok()).is_none_or(|l| l >= WORTH_COMPRESSING);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    large && kind == Some("application/json")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn ask(routes: Router, method: Method, path: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (parts, body) = wrap(routes).oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_an_error_like_any_other() {
        async fn fail(uri: Uri) -> StatusCode {
            assert_ne!(uri.path(), "/fail", "secret");
            StatusCode::OK
        }
        let routes = Router::new().route("/fail", get(fail));
        let (status, headers, text) = ask(routes, Method::GET, "/fail").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(text.contains("\"Internal\"") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn paths_are_taken_as_meant() {
        let echo = |uri: Uri| async move { uri.to_string() };
        for (asked, meant) in [
            ("/", "/"),
            ("//", "/"),
            ("///?a=//b/", "/?a=//b/"),
            ("/a/", "/a"),
            ("//a///b//?x=1", "/a/b?x=1"),
            ("/a%2F%2Fb", "/a%2F%2Fb"),
        ] {
            let routes = Router::new().fallback(echo);
            assert_eq!(ask(routes, Method::GET, asked).await.2, meant, "{asked}");
        }
    }
}
