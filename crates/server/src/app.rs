//! The router: which paths there are, and the rules that hold for every answer.
//!
//! [`ENDPOINTS`] is the only list of resources: routes and the `endpoints` of the capabilities come from it. The API
//! is mounted once a version, and at the root of the host for clients that were given a bare address.
//!
//! Every answer has CORS headers, every error the shape of [`ApiError`]: also those for unknown paths and methods,
//! and those of panics. Paths are taken as meant: `//` counts as `/`, a slash at the end as none. There are no
//! redirects, since clients do not follow them when they send something.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, Version as Http};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use eolith_graph::Code;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::field::Empty;
use tracing::{Instrument, error, info, info_span};

use crate::api::{
    capabilities, collections, conformance, credentials, description, file_formats, files,
    item_files, job_logs, job_results, job_runs, jobs, me, ogc_tiles, process_graphs, processes,
    processing_parameters, queryables, result, search, service_types, services, signed_results,
    tiles, udf_runtimes, validation, wmts, workspaces,
};
use crate::error::ApiError;
use crate::issuer;
use crate::links::Version;
use crate::operations;
use crate::rates;
use crate::state::AppState;
use crate::traces;

/// A resource with one method.
pub(crate) struct Endpoint {
    /// The path as openEO writes it; clients compare it to the letter.
    pub(crate) path: &'static str,
    pub(crate) method: Method,
    handler: fn() -> MethodRouter<AppState>,
}

/// Everything there is below the root of a version.
pub(crate) static ENDPOINTS: &[Endpoint] = &[
    of("/", Method::GET, || get(capabilities::show)),
    of("/conformance", Method::GET, || get(conformance::show)),
    of("/api", Method::GET, || get(description::show)),
    of("/collections", Method::GET, || get(collections::list)),
    of("/collections/{collection_id}", Method::GET, || get(collections::show)),
    of("/collections/{collection_id}/queryables", Method::GET, || get(collections::show)),
    of("/collections/{collection_id}/items", Method::GET, || get(collections::show)),
    of("/collections/{collection_id}/items/{item_id}", Method::GET, || get(collections::show)),
    of("/search", Method::GET, || get(search::by_address)),
    of("/search", Method::POST, || post(search::by_body)),
    of("/queryables", Method::GET, || get(queryables::show)),
    of("/processes", Method::GET, || get(processes::list)),
    of("/processes/{namespace}", Method::GET, || get(process_graphs::list_public)),
    of("/processes/{namespace}/{process_id}", Method::GET, || get(process_graphs::show_public)),
    of("/process_graphs", Method::GET, || get(process_graphs::list)),
    of("/process_graphs/{process_graph_id}", Method::GET, || get(process_graphs::show)),
    of("/process_graphs/{process_graph_id}", Method::PUT, || put(process_graphs::store)),
    of("/process_graphs/{process_graph_id}", Method::DELETE, || delete(process_graphs::remove)),
    of("/file_formats", Method::GET, || get(file_formats::list)),
    of(udf_runtimes::PATH, Method::GET, || get(udf_runtimes::list)),
    of(credentials::BASIC, Method::GET, || get(credentials::basic)),
    of(credentials::OIDC, Method::GET, || get(credentials::oidc)),
    of("/me", Method::GET, || get(me::show)),
    of("/validation", Method::POST, || post(validation::check)),
    of("/result", Method::POST, || post(result::create)),
    of("/processing_parameters", Method::GET, || get(processing_parameters::list)),
    of("/files", Method::GET, || get(files::list)),
    of("/files/{path}", Method::GET, || get(files::download)),
    of("/files/{path}", Method::PUT, || put(files::upload)),
    of("/files/{path}", Method::DELETE, || delete(files::remove)),
    of("/workspace_providers", Method::GET, || get(workspaces::providers)),
    of("/workspaces", Method::GET, || get(workspaces::list)),
    of("/workspaces", Method::POST, || post(workspaces::create)),
    of("/workspaces/{workspace_id}", Method::GET, || get(workspaces::show)),
    of("/workspaces/{workspace_id}", Method::PATCH, || patch(workspaces::change)),
    of("/workspaces/{workspace_id}", Method::DELETE, || delete(workspaces::remove)),
    of("/jobs", Method::GET, || get(jobs::list)),
    of("/jobs", Method::POST, || post(jobs::create)),
    of("/jobs/{job_id}", Method::GET, || get(jobs::show)),
    of("/jobs/{job_id}", Method::PATCH, || patch(jobs::change)),
    of("/jobs/{job_id}", Method::DELETE, || delete(jobs::remove)),
    of("/jobs/{job_id}/estimate", Method::GET, || get(job_runs::estimate)),
    of("/jobs/{job_id}/logs", Method::GET, || get(job_logs::list)),
    of("/jobs/{job_id}/results", Method::GET, || get(job_results::show)),
    of("/jobs/{job_id}/results", Method::POST, || post(job_runs::start)),
    of("/jobs/{job_id}/results", Method::DELETE, || delete(job_runs::stop)),
    of("/service_types", Method::GET, || get(service_types::list)),
    of("/services", Method::GET, || get(services::list)),
    of("/services", Method::POST, || post(services::create)),
    of("/services/{service_id}", Method::GET, || get(services::show)),
    of("/services/{service_id}", Method::PATCH, || patch(services::change)),
    of("/services/{service_id}", Method::DELETE, || delete(services::remove)),
    of("/services/{service_id}/logs", Method::GET, || get(services::logs)),
];

const fn of(
    path: &'static str,
    method: Method,
    handler: fn() -> MethodRouter<AppState>,
) -> Endpoint {
    Endpoint { path, method, handler }
}

const EXPOSED: &str = "Link, Location, OpenEO-Costs, OpenEO-Identifier, Content-Range, Accept-Ranges, \
    Content-Length, Content-Disposition, ETag, Retry-After";
const ALLOWED_HEADERS: &str = "Accept, Authorization, Content-Type, Range";
const ALLOWED_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, PUT, DELETE";
/// JSON that is smaller is sent as it is.
const WORTH_COMPRESSING: u64 = 1024;

/// The whole API, ready to be served or asked in-process.
pub fn router(state: AppState) -> Router {
    let mut routes = Router::new()
        .route("/.well-known/openeo", get(capabilities::well_known))
        .route("/health", get(operations::health))
        .route("/metrics", get(operations::metrics))
        .method_not_allowed_fallback(no_method)
        .merge(api(Version::V1_2))
        .fallback(no_path);
    for version in Version::ALL {
        routes = routes.nest(version.mount(), api(version));
    }
    if state.guard().issuer().is_some() {
        routes = routes.nest(issuer::MOUNT, issuer::routes());
    }
    let limit = middleware::from_fn_with_state(state.clone(), rates::limit);
    let routes = routes.layer(middleware::from_fn(operations::count));
    wrap(routes.with_state(state).layer(limit))
}

/// The resources of one version.
fn api(version: Version) -> Router<AppState> {
    let routes = ENDPOINTS.iter().fold(Router::new(), |routes, endpoint| {
        // What is below a collection goes to the collection, whose id may contain slashes.
        if endpoint.path.starts_with(collections::BELOW) {
            return routes;
        }
        // Paths of files may contain slashes too.
        let path = endpoint.path.replace("{collection_id}", "{*collection_id}");
        let path = path.replace("{path}", "{*path}");
        routes.route(&path, (endpoint.handler)())
    });
    // Addresses that only answers name.
    let routes = routes
        .route("/result/{result_id}/logs", get(result::logs))
        .route("/assets/{token}/{name}", get(item_files::show))
        .route("/signed/{token}", get(signed_results::show))
        .route("/signed/{token}/items/{number}", get(signed_results::item))
        .route("/signed/{token}/inputs", get(signed_results::inputs))
        .route("/signed/{token}/files/{*path}", get(signed_results::file))
        .merge(maps());
    routes.method_not_allowed_fallback(no_method).layer(axum::Extension(version))
}

/// Where the maps of services are.
fn maps() -> Router<AppState> {
    const WMTS: &str = "/wmts/{service_id}";
    const TILE: &str = "{set}/{matrix}/{row}/{column}";
    const OGC: &str = "/ogcapi-tiles/{service_id}";
    let wmts = format!("{WMTS}/1.0.0");
    Router::new()
        .route("/xyz/{service_id}/{z}/{x}/{y}", get(tiles::xyz))
        .route(WMTS, get(wmts::ask))
        .route(&format!("{wmts}/WMTSCapabilities.xml"), get(wmts::show))
        .route(&format!("{wmts}/{{layer}}/{{style}}/{TILE}"), get(wmts::tile))
        .route(&format!("{wmts}/{{layer}}/{{style}}/{{time}}/{TILE}"), get(wmts::tile_at))
        .route(OGC, get(ogc_tiles::landing))
        .route(&format!("{OGC}/conformance"), get(ogc_tiles::conformance))
        .route(&format!("{OGC}/map/tiles"), get(ogc_tiles::tilesets))
        .route(&format!("{OGC}/map/tiles/{{set}}"), get(ogc_tiles::tileset))
        .route(&format!("{OGC}/map/tiles/{TILE}"), get(ogc_tiles::tile))
        .route(&format!("{OGC}/tileMatrixSets"), get(ogc_tiles::matrix_sets))
        .route(&format!("{OGC}/tileMatrixSets/{{set}}"), get(ogc_tiles::matrix_set))
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
    if mount.is_none() && path.starts_with("/openeo/") {
        let message = format!("`{path}` is of no version that is here; see /.well-known/openeo");
        ApiError::new(Code::UNSUPPORTED_API_VERSION, message)
    } else {
        ApiError::new(Code::NOT_FOUND, format!("there is nothing at `{path}`"))
    }
}

/// What the paths of the built-in issuer are without it.
pub(crate) fn no_issuer() -> ApiError {
    ApiError::new(Code::NOT_FOUND, "this server issues no tokens of OpenID Connect")
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
    let span = info_span!("request", %method, path, status = Empty);
    traces::goes_on(&span, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
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
