//! For those who run the server: `GET /health` and `GET /metrics` (Prometheus), at the root of the host.
//!
//! Both can be read without a token, so there is nothing in them of any user: numbers only. What is counted while
//! requests are answered is counted by the `metrics` facade; what the store knows is asked when somebody looks.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::job::Status;
use crate::state::AppState;

const REQUESTS: &str = "eolith_http_requests_total";
const SECONDS: &str = "eolith_http_request_seconds";
const JOBS: &str = "eolith_jobs";
const RUNS: &str = "eolith_synchronous_runs";

/// Upper ends of the classes of times, in seconds.
const CLASSES: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
/// How often recorded times are folded.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long the store may take to answer before the server is taken for ill.
const PATIENCE: Duration = Duration::from_secs(5);

/// `200` as long as the store answers, else `503`.
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let answered = timeout(PATIENCE, state.store().count_jobs(Status::Running)).await;
    let (status, store) = match answered {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "slow"),
    };
    let text = if status == StatusCode::OK { "ok" } else { "ill" };
    let body = json!({"status": text, "store": store, "version": env!("CARGO_PKG_VERSION")});
    (status, Json(body)).into_response()
}

/// Everything that is counted, as Prometheus reads it.
pub(crate) async fn metrics(State(state): State<AppState>) -> Response {
    for status in Status::ALL {
        // What cannot be counted is left as it was.
        if let Ok(count) = state.store().count_jobs(status).await {
            gauge!(JOBS, "status" => status.name()).set(count as f64);
        }
    }
    gauge!(RUNS).set(state.runs().busy() as f64);
    let text = recorder().render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Counts requests and their time by route, not by address: there are endlessly many of those.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    recorder();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "none".to_owned());
    // Anybody can make up methods; each would be counted for ever.
    let known = METHODS.contains(request.method());
    let method = if known { request.method().as_str() } else { "other" }.to_owned();
    let start = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    histogram!(SECONDS, "route" => route.clone()).record(start.elapsed().as_secs_f64());
    counter!(REQUESTS, "method" => method, "route" => route, "status" => status).increment(1);
    response
}

/// Folds what was recorded since the last time, which is kept one by one until then, for as long as the server runs.
pub(crate) async fn upkeep() {
    let mut beat = tokio::time::interval(UPKEEP);
    loop {
        beat.tick().await;
        recorder().run_upkeep();
    }
}

/// The one recorder of the process.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&CLASSES);
        // Only an empty list of classes is refused.
        let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("something else in this process collects metrics; /metrics is empty");
        }
        describe_counter!(REQUESTS, "requests that were answered");
        describe_histogram!(SECONDS, "seconds until an answer began");
        describe_gauge!(JOBS, "batch jobs by status");
        describe_gauge!(RUNS, "synchronous runs that are under way");
        handle
    })
}
