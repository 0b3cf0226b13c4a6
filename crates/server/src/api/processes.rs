//! `GET /processes`: the predefined processes.
//!
//! Always all of them: some clients send a `limit` and then look at the first page only.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use eolith_graph::Definition;
use serde_json::json;

use crate::state::AppState;

pub(crate) async fn list(State(state): State<AppState>) -> impl IntoResponse {
    // Neither the processes nor their texts depend on anything but the version of the program, and on whether UDFs can
    // be run.
    static TEXTS: [OnceLock<Bytes>; 2] = [OnceLock::new(), OnceLock::new()];
    let runs_udfs = state.session().host().await.is_ok();
    let registry = state.session().processes().await;
    let text = TEXTS[usize::from(runs_udfs)].get_or_init(|| {
        let known = registry.ids().into_iter().filter_map(|id| registry.get(id));
        let processes: Vec<_> = known.map(Definition::to_json).collect();
        json!({"processes": processes, "links": []}).to_string().into()
    });
    ([(CONTENT_TYPE, "application/json")], text.clone())
}
