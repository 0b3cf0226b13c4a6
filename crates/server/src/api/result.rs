//! `POST /result`: runs a process while the client waits, and sends what it gave.
//!
//! A value is sent as bare JSON. Files are written to a folder of their own below the session's and streamed
//! from there; the folder is removed when everything was sent or the client is gone. One file is sent as it is,
//! several as a tar archive, a folder (Zarr) as a zip archive. A client that closes the connection cancels the run. What
//! takes more than a request may ([`crate::allowance`]) is refused by its plan, or stopped by the clock.
//!
//! The log of a run is kept in memory for a while ([`crate::runs`]), for the link of the answer.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use axum::http::response::Builder;
use axum::response::Response;
use bytes::Bytes;
use eolith_engine::events::{Level, Listener};
use eolith_engine::session::{Report, Session, Target, json_text};
use eolith_engine::sink::OutputFile;
use eolith_graph::{Code, Process};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{Instrument, info, warn};

use super::job_logs::Part;
use super::job_results::COSTS;
use super::jobs::{IDENTIFIER, checked_billing};
use crate::accounts::bytes_below;
use crate::archive::{self, Archive};
use crate::auth::{User, random_id};
use crate::body::JsonBody;
use crate::entries;
use crate::error::ApiError;
use crate::links::Links;
use crate::meter::Meter;
use crate::prices::{Micros, credits};
use crate::runs::{Busy, Log};
use crate::state::AppState;

/// Bytes that are read from a file at a time.
const CHUNK: usize = 256 << 10;
/// Chunks that wait for a slow client.
const CHUNKS_AHEAD: usize = 4;

/// Name of the value of a run that wrote files as well.
const VALUE: &str = "result.json";

/// What is sent.
struct Delivery {
    media_type: String,
    name: String,
    length: u64,
    archive: Archive,
}

pub(crate) async fn create(
    State(state): State<AppState>,
    user: User,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let level = body.get("log_level").and_then(Value::as_str).and_then(entries::level);
    let level = level.unwrap_or(Level::Info);
    let given = body.get("process").cloned().unwrap_or_default();
    asked(&state, &user.id, &body).await?;
    let meter = Meter::new(state.accounts().clone(), user.id.clone(), &body);
    let meter = Arc::new(meter);
    let process = process(body)?;
    let id = format!("r-{}", random_id());
    let mut about = About { monitor: None, id: id.clone(), costs: 0 };
    let allowance = &state.config().allowance;
    let most = state.accounts().requests(&user.id).await?;
    let started = state.runs().start_request(&user.id, most);
    let (waiting, mut busy, cancel) =
        started.ok_or_else(|| ApiError::too_many_at_once(most.unwrap_or(0)))?;
    info!(id, user = user.id, "a run starts");
    let log = state.runs().log(id, user.id.clone(), level);
    let kept = Arc::clone(&log);
    let listener = listener(Arc::clone(&log), Arc::clone(&meter), given.clone());
    let counted = Arc::clone(&meter);
    let places = state.places(&user.id, &given).await?;
    let session = state.session().as_ref().clone().with_workspace(Arc::new(places));
    let session = Arc::new(session.logging(level).within(allowance.share(state.session())));
    let folder = Folder::of(&session, &about.id)?;
    // The run goes on for itself when the client is gone: it has to notice that it is cancelled and to clean up.
    let run = async move {
        let target = Target::CubeFolder(folder.0.clone());
        let report = session.run(&process, &target, &listener, &cancel).await;
        busy.computed();
        if let Err(issues) = &report {
            for issue in issues {
                log.add(Level::Error, entries::of_issue(issue, &given));
            }
        }
        let bytes = match &report {
            Ok(report) => Some(size(report, &folder.0).await?),
            Err(_) => None,
        };
        // What was computed is charged, also when nobody waits for it any more.
        let costs = counted.settle(bytes).await?;
        let (report, costs) = (report?, costs.map_err(|issue| vec![issue])?);
        Ok::<_, ApiError>((report, costs, folder, busy))
    };
    let run = tokio::spawn(run.in_current_span());
    let run = tokio::select! {
        run = in_time(run, allowance.time()) => run?,
        issue = meter.exceeded() => return Err(vec![issue].into()),
    };
    let (report, costs, folder, busy) =
        run.map_err(|_| ApiError::internal("the run ended unexpectedly"))??;
    about.costs = costs;
    drop(waiting);
    if !kept.is_empty() {
        about.monitor = Some(links.to(&format!("/result/{}/logs", about.id)));
    }
    if let ([], Some(value)) = (report.outputs.as_slice(), &report.value) {
        let text = json_text(value);
        return respond("application/json", &about, Response::builder(), Body::from(text));
    }
    let root = folder.0.clone();
    let delivery = tokio::task::spawn_blocking(move || delivery(&report, &root))
        .await
        .map_err(|_| ApiError::internal("the result cannot be sent"))??;
    let Delivery { media_type, name, length, archive } = delivery;
    let headers = Response::builder()
        .header(CONTENT_LENGTH, length)
        .header(CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    respond(&media_type, &about, headers, stream(archive, folder, busy))
}

/// Waits for a run as long as it may take.
async fn in_time<T>(run: impl Future<Output = T>, time: Option<Duration>) -> Result<T, ApiError> {
    let Some(time) = time else { return Ok(run.await) };
    tokio::time::timeout(time, run).await.map_err(|_| {
        let seconds = time.as_secs();
        let message = format!(
            "the process has not ended within the {seconds} seconds that a synchronous request may take, and was stopped\n\
             hint: a batch job may take as long as it needs"
        );
        ApiError::new(Code::REQUEST_TIMEOUT, message)
    })
}

/// The process of a request.
fn process(mut body: Value) -> Result<Process, ApiError> {
    let Some(process) = body.get_mut("process").map(Value::take) else {
        let message = "the request has no `process` with a `process_graph`";
        return Err(ApiError::new(Code::PROCESS_GRAPH_MISSING, message));
    };
    match eolith_graph::parse_value(process) {
        (Some(process), issues) if issues.is_empty() => Ok(process),
        (_, issues) => Err(issues.into()),
    }
}

/// What can be wrong with a request besides its process.
async fn asked(state: &AppState, user: &str, body: &Value) -> Result<(), ApiError> {
    if let Value::Object(fields) = body {
        checked_billing(fields, state.accounts().prices())?;
    }
    let unpaid = state.accounts().unpaid(user).await?;
    unpaid.map_or(Ok(()), |issue| Err(vec![issue].into()))
}

/// Bytes of what a run gave.
async fn size(report: &Report, folder: &Path) -> Result<u64, ApiError> {
    let value = report.value.as_ref().map_or(0, |value| json_text(value).len() as u64);
    let folder = folder.to_owned();
    let files = tokio::task::spawn_blocking(move || bytes_below(&folder)).await;
    let files = files.ok().and_then(Result::ok);
    Ok(value + files.ok_or_else(|| ApiError::internal("the result cannot be read"))?)
}

fn listener(log: Arc<Log>, meter: Arc<Meter>, process: Value) -> Listener {
    Arc::new(move |event| {
        meter.see(&event);
        if let Some((level, entry)) = entries::of_event(&event, &process) {
            log.add(level, entry);
        }
    })
}

/// `GET /result/{result_id}/logs`.
pub(crate) async fn logs(
    State(state): State<AppState>,
    user: User,
    links: Links,
    UrlPath(id): UrlPath<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let log = state.runs().find_log(&user.id, &id).ok_or_else(|| {
        let message = format!("there is no log of a run `{id}` (any more)");
        ApiError::new(Code::NOT_FOUND, message)
    })?;
    let address = links.to(&format!("/result/{id}/logs"));
    let part = Part::read(part)?;
    let read = |after, level, limit| async move { Ok(log.entries(after, level, limit)) };
    part.answer(&links, &address, None, read).await
}

/// Decides how the files of a run are sent.
fn delivery(report: &Report, root: &Path) -> Result<Delivery, ApiError> {
    let failed = |error| ApiError::internal(format!("the result cannot be read: {error}"));
    let name = |path: &Path| {
        path.file_name().map_or_else(|| "result".to_owned(), |n| n.to_string_lossy().into_owned())
    };
    let mut outputs = report.outputs.clone();
    if let Some(value) = &report.value {
        let path = root.join(VALUE);
        std::fs::write(&path, json_text(value)).map_err(failed)?;
        outputs.push(OutputFile {
            path,
            media_type: "application/json",
            notes: Vec::new(),
            image: None,
        });
    }
    match outputs.as_slice() {
        [] => Err(ApiError::internal("the run has ended without a result")),
        [OutputFile { path, media_type, .. }] if path.is_dir() => {
            let archive = Archive::zip(archive::entries(path, path).map_err(failed)?);
            Ok(Delivery {
                media_type: zipped(media_type),
                name: format!("{}.zip", name(path)),
                length: archive.length(),
                archive,
            })
        }
        [OutputFile { path, media_type, .. }] => {
            let archive = Archive::file(path).map_err(failed)?;
            Ok(Delivery {
                media_type: (*media_type).to_owned(),
                name: name(path),
                length: archive.length(),
                archive,
            })
        }
        several => {
            let mut entries = Vec::new();
            for output in several {
                entries.append(&mut archive::entries(root, &output.path).map_err(failed)?);
            }
            let archive = Archive::tar(entries).map_err(failed)?;
            Ok(Delivery {
                media_type: "application/x-tar".to_owned(),
                name: "result.tar".to_owned(),
                length: archive.length(),
                archive,
            })
        }
    }
}

/// The media type of a zipped folder. Clients know the one for Zarr.
fn zipped(media_type: &str) -> String {
    if media_type.contains("zarr") {
        "application/zip+zarr".to_owned()
    } else {
        "application/zip".to_owned()
    }
}

/// What an answer says of its run.
struct About {
    id: String,
    /// The address of its log, if that has entries.
    monitor: Option<String>,
    costs: Micros,
}

fn respond(
    media_type: &str,
    about: &About,
    headers: Builder,
    body: Body,
) -> Result<Response, ApiError> {
    let monitor = about.monitor.as_ref().map(|address| format!("<{address}>; rel=\"monitor\""));
    let headers = monitor.into_iter().fold(headers, |headers, link| headers.header(LINK, link));
    headers
        .header(CONTENT_TYPE, media_type)
        .header(COSTS, credits(about.costs).to_string())
        .header(IDENTIFIER, &about.id)
        .body(body)
        .map_err(|error| ApiError::internal(format!("the result cannot be sent: {error}")))
}

/// Sends an archive and removes its folder afterwards.
fn stream(archive: Archive, folder: Folder, busy: Busy) -> Body {
    streamed(archive, (folder, busy))
}

/// The files of a run, which go when everything was sent, or the client is gone. Nothing is on the disk for a value.
struct Folder(PathBuf);

impl Folder {
    fn of(session: &Session, run: &str) -> Result<Folder, ApiError> {
        let failed = |error| ApiError::internal(format!("no folder for the result: {error}"));
        Ok(Folder(session.folder().map_err(failed)?.join(format!("result-{run}"))))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                warn!(%error, "a result could not be removed");
            }
            _ => {}
        }
    }
}

/// Sends an archive as fast as the client takes it; `after` is dropped when that has ended, where one may wait.
pub(crate) fn streamed(archive: Archive, after: impl Send + 'static) -> Body {
    let (sender, mut receiver) = mpsc::channel::<std::io::Result<Bytes>>(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut out = std::io::BufWriter::with_capacity(CHUNK, Sending(sender));
        let sent = archive.write(&mut out).and_then(|()| out.flush());
        if let Err(error) = sent {
            warn!(%error, "a result was not sent completely");
            // The client sees that something is missing, if it is still there.
            let (Sending(sender), _) = out.into_parts();
            let _ = sender.blocking_send(Err(error));
        }
        drop(after);
    });
    Body::from_stream(futures::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

/// Writes to whoever reads the body.
struct Sending(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| std::io::Error::other("the client is gone"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_has_so_much_time() {
        let time = Some(Duration::from_millis(20));
        let late = in_time(std::future::pending::<()>(), time).await.unwrap_err();
        assert!(late.is(&Code::REQUEST_TIMEOUT));
        assert_eq!(in_time(std::future::ready(1), time).await.unwrap(), 1);
        assert_eq!(in_time(std::future::ready(1), None).await.unwrap(), 1);
    }
}
