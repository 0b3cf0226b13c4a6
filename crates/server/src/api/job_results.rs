//! `GET /jobs/{job_id}/results`: the results of a job as a STAC collection, for its owner and for whoever has a signed
//! link ([`super::signed_results`]).
//!
//! Addresses of files are signed, since clients fetch them without a token. Items are linked and every asset is also
//! one of the collection, because clients look in either place.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::jobs::{owned, without_nulls};
use crate::auth::User;
use crate::error::ApiError;
use crate::inputs;
use crate::job::{self, Job, Outcome, ResultFile, Status, instant};
use crate::links::{Links, escaped, link};
use crate::prices::credits;
use crate::sending::unread;
use crate::signed::Claim;
use crate::state::AppState;

pub(crate) const COSTS: HeaderName = HeaderName::from_static("openeo-costs");
const VERSION: &str = "1.1.0";
const EARTH: [f64; 4] = [-180.0, -90.0, 180.0, 90.0];
const FILE: &str = "https://stac-extensions.github.io/file/v2.1.0/schema.json";
const DATACUBE: &str = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json";
const PROCESSING: &str = "https://stac-extensions.github.io/processing/v1.2.0/schema.json";
const TIMESTAMPS: &str = "https://stac-extensions.github.io/timestamps/v1.1.0/schema.json";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    partial: Option<String>,
}

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let job = owned(&state, &user, &id).await?;
    answer(&state, &links, &job, &wanted, None)
}

/// The results of a job, or why there are none. `claim` is that of the link they were asked by; for the owner a new one
/// is made.
pub(crate) fn answer(
    state: &AppState,
    links: &Links,
    job: &Job,
    wanted: &Wanted,
    claim: Option<Claim>,
) -> Result<Response, ApiError> {
    let partial = matches!(wanted.partial.as_deref(), Some("true" | "1" | ""));
    let empty = Outcome::default();
    let expiry = state.config().retention.expiry(job);
    // They go with the next sweep.
    if job.outcome.is_some() && expiry.is_some_and(|expiry| expiry <= job::now()) {
        return Err(expired(job));
    }
    let outcome = match (job.status, &job.outcome) {
        (Status::Finished, Some(outcome)) => outcome,
        (Status::Running | Status::Canceled | Status::Error, outcome) if partial => {
            outcome.as_ref().unwrap_or(&empty)
        }
        (Status::Error, _) => return Ok(failure(job)),
        (Status::Finished, None) => return Err(expired(job)),
        (status, _) => {
            let message = format!("the job has no results yet: it is {}", status.name());
            return Err(ApiError::new(Code::JOB_NOT_FINISHED, message));
        }
    };
    let validity = state.config().links_valid.as_millis() as i64;
    let claim = claim.unwrap_or_else(|| Claim {
        job: job.id.clone(),
        run: job.run,
        expires: (job::now() + validity).min(expiry.unwrap_or(job::Millis::MAX)),
    });
    let results =
        Results { links, token: state.signer().sign(&claim), expires: claim.expires, job, outcome };
    Ok(([(COSTS, costs(job))], Json(results.collection())).into_response())
}

/// An item of the results.
pub(crate) fn item(
    links: &Links,
    token: String,
    job: &Job,
    claim: &Claim,
    number: usize,
) -> Option<Value> {
    let outcome = job.outcome.as_ref()?;
    let results = Results { links, token, expires: claim.expires, job, outcome };
    outcome.items.get(number).map(|item| results.item(item, number))
}

/// What the results were made of: an item collection.
pub(crate) async fn inputs(
    state: &AppState,
    links: &Links,
    job: &Job,
) -> Result<Option<Value>, ApiError> {
    let Some(outcome) = &job.outcome else { return Ok(None) };
    if !inputs::has_items(&outcome.inputs) {
        return Ok(None);
    }
    let place = state.results().inputs(job, outcome).map_err(|error| unread(&error))?;
    let bytes = place.read().await.map_err(|error| unread(&error))?;
    let file = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::internal(format!("the inputs cannot be read: {error}")))?;
    Ok(Some(inputs::item_collection(&outcome.inputs, file, links)))
}

/// The last entry of the log stands for the error, as the standard demands.
fn failure(job: &Job) -> Response {
    let mut entry = job.failure.clone().unwrap_or_else(|| json!({}));
    if let Value::Object(fields) = &mut entry {
        for (name, value) in
            [("id", "failure"), ("level", "error"), ("message", "the job has failed")]
        {
            fields.entry(name).or_insert_with(|| value.into());
        }
    }
    (StatusCode::FAILED_DEPENDENCY, [(COSTS, costs(job))], Json(entry)).into_response()
}

/// Results that were kept as long as the operator wants.
pub(crate) fn expired(job: &Job) -> ApiError {
    let message = format!(
        "the results of `{}` were kept until their time was over, and are removed\n\
         hint: start the job again",
        job.id
    );
    ApiError::new(Code::RESULT_LINK_EXPIRED, message)
}

fn costs(job: &Job) -> String {
    credits(job.usage.costs).to_string()
}

struct Results<'a> {
    links: &'a Links,
    token: String,
    expires: job::Millis,
    job: &'a Job,
    outcome: &'a Outcome,
}

impl Results<'_> {
    fn collection(&self) -> Value {
        let job = self.job;
        let title = job.request.get("title").and_then(Value::as_str);
        let description = job.request.get("description").and_then(Value::as_str);
        let files = self.outcome.files.iter();
        let assets: Map<String, Value> =
            files.map(|file| (key(file), self.asset(file, &Value::Null))).collect();
        let mut collection = json!({
            "type": "Collection",
            "stac_version": VERSION,
            "stac_extensions": self.extensions(&[FILE, DATACUBE, PROCESSING]),
            "id": job.id,
            "title": title,
            "description": description.unwrap_or("Results of a batch job."),
            "license": inputs::license(&self.outcome.inputs),
            "providers": inputs::providers(&self.outcome.inputs, self.processing()),
            "extent": self.extent(),
            "summaries": self.summaries(),
            "cube:dimensions": self.dimensions(),
            "openeo:status": job.status.name(),
            "expires": instant(self.expires),
            "links": self.collection_links(),
            "assets": assets,
        });
        if let Some(fields) = collection.as_object_mut() {
            fields.extend(self.processing());
        }
        // The assets of items know more of their bands than the files do.
        for item in &self.outcome.items {
            for (name, asset) in assets_of(item) {
                let Some(file) = self.file(&name) else { continue };
                let mut asset = self.asset(file, asset);
                // Where its pixels lie, which the item says of all its assets.
                for (name, value) in item["properties"].as_object().into_iter().flatten() {
                    if name.starts_with("proj:") {
                        asset[name] = value.clone();
                    }
                }
                collection["assets"][key(file)] = asset;
            }
        }
        without_nulls(collection)
    }

    fn collection_links(&self) -> Vec<Value> {
        let own = self.links.to(&format!("/jobs/{}/results", self.job.id));
        // Those of a job that is not finished have to be asked for.
        let all = if self.job.status == Status::Finished { "" } else { "?partial=true" };
        let mut links = vec![
            link("self", self.signed(all), "These results"),
            link("canonical", self.signed(all), "These results, without a token"),
            link("via", own, "These results, for the owner of the job"),
        ];
        for number in 0..self.outcome.items.len() {
            let mut item = link("item", self.signed(&format!("/items/{number}")), "Item");
            item["type"] = "application/geo+json".into();
            links.push(item);
        }
        links.extend(self.derived());
        links
    }

    /// Links to what the results were made of.
    fn derived(&self) -> Vec<Value> {
        inputs::derived(&self.outcome.inputs, self.links, &self.signed("/inputs"))
    }

    /// By what and with what the results were made.
    fn processing(&self) -> Map<String, Value> {
        let process = self.job.request.get("process");
        let fields = json!({
            "processing:expression": {"format": "openeo", "expression": process},
            "processing:software": {"eolith": env!("CARGO_PKG_VERSION")},
        });
        if let Value::Object(fields) = fields { fields } else { Map::new() }
    }

    /// These extensions and those of the items.
    fn extensions(&self, own: &[&str]) -> Vec<Value> {
        let mut all: Vec<Value> = own.iter().map(|&extension| extension.into()).collect();
        let items = self.outcome.items.iter().filter_map(|item| item["stac_extensions"].as_array());
        for extension in items.flatten() {
            if !all.contains(extension) {
                all.push(extension.clone());
            }
        }
        all
    }

    fn item(&self, item: &Value, number: usize) -> Value {
        let mut item = item.clone();
        item["collection"] = self.job.id.clone().into();
        // Ids are unique among the items of all saved cubes.
        if self.outcome.items.iter().filter(|other| other["id"] == item["id"]).count() > 1 {
            item["id"] = format!("{}-{number}", item["id"].as_str().unwrap_or("item")).into();
        }
        let assets: Map<String, Value> = assets_of(&item)
            .filter_map(|(name, asset)| {
                let file = self.file(&name)?;
                Some((key(file), self.asset(file, asset)))
            })
            .collect();
        item["assets"] = assets.into();
        let mut links = vec![
            link("self", self.signed(&format!("/items/{number}")), "This item"),
            link("collection", self.signed(""), "All results"),
            link("root", self.signed(""), "All results"),
        ];
        links.extend(self.derived());
        item["links"] = links.into();
        let mut extensions = vec![Value::from(FILE), PROCESSING.into(), TIMESTAMPS.into()];
        extensions.extend(item["stac_extensions"].as_array().cloned().unwrap_or_default());
        item["stac_extensions"] = extensions.into();
        // An instant is demanded, and null is not understood by everyone.
        let properties = &mut item["properties"];
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(self.processing());
            properties.insert("expires".to_owned(), instant(self.expires).into());
        }
        if properties["datetime"].is_null() {
            properties["datetime"] = properties["start_datetime"].clone();
        }
        without_nulls(item)
    }

    /// An asset with its address, size and checksum, and what is known of it already.
    fn asset(&self, file: &ResultFile, known: &Value) -> Value {
        let mut asset = json!({"title": file.name, "roles": ["data"]});
        if let (Some(fields), Value::Object(known)) = (asset.as_object_mut(), known) {
            fields.extend(known.clone());
        }
        let address = self.signed(&format!("/files/{}", escaped(&key(file))));
        asset["href"] = address.into();
        asset["type"] = media_type(file).into();
        if file.is_folder {
            let store = self.signed(&format!("/files/{}", escaped(&file.name)));
            asset["alternate"] = json!({"store": {"href": store, "type": file.media_type}});
        } else {
            asset["file:size"] = file.size.into();
        }
        if let Some(sha256) = &file.sha256 {
            // A multihash: SHA-256 of 32 bytes.
            asset["file:checksum"] = format!("1220{sha256}").into();
        }
        if !file.notes.is_empty() {
            asset["description"] = file.notes.join("\n").into();
        }
        asset
    }

    /// The file an asset of an item is.
    fn file(&self, name: &str) -> Option<&ResultFile> {
        self.outcome.files.iter().find(|file| file.name == name)
    }

    fn extent(&self) -> Value {
        let numbers = |item: &Value| -> Option<[f64; 4]> {
            let all: Vec<f64> = item["bbox"].as_array()?.iter().filter_map(Value::as_f64).collect();
            all.try_into().ok()
        };
        let boxes = self.outcome.items.iter().filter_map(numbers);
        let bbox =
            boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
        let mut times: Vec<&str> = Vec::new();
        for item in &self.outcome.items {
            let names = ["datetime", "start_datetime", "end_datetime"];
            times.extend(names.iter().filter_map(|name| item["properties"][*name].as_str()));
        }
        let created = instant(self.job.created);
        let first = times.iter().min().copied().unwrap_or(&created);
        let last = times.iter().max().copied().unwrap_or(&created);
        json!({
            "spatial": {"bbox": [bbox.unwrap_or(EARTH)]},
            "temporal": {"interval": [[first, last]]},
        })
    }

    /// The bands in the order of the cube.
    fn summaries(&self) -> Value {
        let bands = self
            .outcome
            .items
            .iter()
            .flat_map(assets_of)
            .find_map(|(_, asset)| asset["bands"].as_array().cloned());
        let Some(bands) = bands else { return json!({}) };
        let common =
            |band: &Value| json!({"name": band["name"], "common_name": band["eo:common_name"]});
        let older: Vec<Value> = bands.iter().map(common).collect();
        json!({"bands": bands, "eo:bands": older})
    }

    fn dimensions(&self) -> Value {
        let known = self.outcome.items.iter().map(|item| &item["properties"]["cube:dimensions"]);
        let known = known.chain(self.outcome.dimensions.iter());
        known.into_iter().find(|dims| dims.is_object()).cloned().unwrap_or_else(|| json!({}))
    }

    fn signed(&self, path: &str) -> String {
        self.links.to(&format!("/signed/{}{path}", self.token))
    }
}

/// The name by which a file is known: with an extension, unique.
pub(crate) fn key(file: &ResultFile) -> String {
    if file.is_folder { format!("{}.zip", file.name) } else { file.name.clone() }
}

/// The media type of what is sent for a file.
pub(crate) fn media_type(file: &ResultFile) -> String {
    if !file.is_folder {
        file.media_type.clone()
    } else if file.media_type.contains("zarr") {
        "application/zip+zarr".to_owned()
    } else {
        "application/zip".to_owned()
    }
}

/// The assets of an item by the name of their file.
fn assets_of(item: &Value) -> impl Iterator<Item = (String, &Value)> {
    let assets = item["assets"].as_object().into_iter().flat_map(Map::values);
    assets.filter_map(|asset| {
        let href = asset["href"].as_str()?;
        Some((href.strip_prefix("./").unwrap_or(href).to_owned(), asset))
    })
}
