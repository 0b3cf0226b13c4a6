//! `GET /` and `GET /.well-known/openeo`: what the server is, what it can do, and in which versions.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::description::OPENAPI;
use super::queryables::{QUERYABLES, SCHEMA};
use super::{conformance, credentials, udf_runtimes};
use crate::app::ENDPOINTS;
use crate::item_search::GEOJSON;
use crate::links::{Links, Version, link};
use crate::state::AppState;

const SERVER: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn well_known(links: Links) -> Json<Value> {
    let versions = Version::ALL.map(|version| {
        json!({
            "url": links.root(version),
            "api_version": version.api_version(),
            "production": version.production(),
        })
    });
    Json(json!({"versions": versions}))
}

pub(crate) async fn show(State(state): State<AppState>, links: Links) -> Json<Value> {
    let mut endpoints: Vec<(&str, Vec<&str>)> = Vec::new();
    let runs_udfs = state.session().host().await.is_ok();
    let auth = &state.config().auth;
    let offered = |path: &str| match path {
        udf_runtimes::PATH => runs_udfs,
        credentials::BASIC => auth.basic || auth.is_none(),
        credentials::OIDC => auth.has_oidc(),
        _ => true,
    };
    for endpoint in ENDPOINTS.iter().filter(|endpoint| offered(endpoint.path)) {
        match endpoints.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, methods)) => methods.push(endpoint.method.as_str()),
            None => endpoints.push((endpoint.path, vec![endpoint.method.as_str()])),
        }
    }
    let endpoints: Vec<Value> = endpoints
        .into_iter()
        .map(|(path, methods)| json!({"path": path, "methods": methods}))
        .collect();
    let root = links.root(links.version);
    let search = |method: &str| {
        let mut link = typed("search", links.to("/search"), GEOJSON, "Items of all collections");
        link["method"] = method.into();
        link
    };
    let mut shown = json!({
        "type": "Catalog",
        "stac_version": "1.0.0",
        "api_version": links.version.api_version(),
        "backend_version": SERVER,
        "production": links.version.production(),
        "id": "eolith",
        "title": state.config().about.title,
        "description": state.config().about.description,
        "conformsTo": conformance::classes(links.version),
        "processing:software": {"eolith": SERVER},
        "endpoints": endpoints,
        "links": [
            link("self", root.clone(), "This document"),
            link("root", root, "This document"),
            link("version-history", links.well_known(), "Versions of the API"),
            link("data", links.to("/collections"), "Collections"),
            link("conformance", links.to("/conformance"), "Conformance classes"),
            typed("service-desc", links.to("/api"), OPENAPI, "The resources"),
            typed(QUERYABLES, links.to("/queryables"), SCHEMA, "What items can be filtered by"),
            search("GET"),
            search("POST"),
        ],
    });
    if let Some(links) = shown["links"].as_array_mut() {
        links.extend(state.config().about.links(false));
    }
    if let Some(prices) = state.accounts().prices() {
        shown["billing"] = prices.shown();
    }
    Json(shown)
}

fn typed(rel: &str, href: String, kind: &str, title: &str) -> Value {
    json!({"rel": rel, "href": href, "type": kind, "title": title})
}
