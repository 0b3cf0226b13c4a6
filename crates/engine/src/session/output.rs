//! What becomes of the roots of a plan: which file, in which format.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use eolith_cube::{Block, Region, Schema};
use eolith_graph::{Code, Issue, NodePath};
use eolith_plan::logical::{ModelFile, Root, RootValue};
use eolith_plan::op::{Op, Save};
use eolith_plan::physical::{Part, Physical};
use eolith_plan::planner::Plan;
use eolith_plan::value::Value;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use super::{Session, statistics};
use crate::accounts::Work;
use crate::checksum::Checksum;
use crate::events::{Event, Listener};
use crate::meter;
use crate::scratch::Scratch;
use crate::sink::{self, Boxes, Intake, OutputFile, ResultView, SinkFormat};

/// Where results go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Nowhere: everything is computed, nothing is encoded.
    Discard,
    /// This file; further files (a second save, one file a time step) get a suffix. Without a `save_result` the
    /// extension decides the format.
    File(PathBuf),
    /// A folder, with names made from the nodes. It is made when there is something to write.
    Folder(PathBuf),
    /// The same for cubes; a value that is no cube is in the report only.
    CubeFolder(PathBuf),
}

/// The file of one root; `None` where nothing is written.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    file: Option<(PathBuf, SinkFormat, sink::Options)>,
    json: Option<PathBuf>,
}

/// What writing gave.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) files: Vec<OutputFile>,
    /// See [`statistics::of_files`]; of runs that are kept.
    pub(super) statistics: Vec<Vec<Json>>,
    pub(super) checksum: u64,
    pub(super) value: Value,
    /// Time the checksum took.
    pub(super) checking: Duration,
    /// Time the files took.
    pub(super) writing: Duration,
}

impl Destination {
    fn writes(&self) -> bool {
        self.file.is_some() || self.json.is_some()
    }

    /// The box in which the file's writer reads its result: all of it where that is in the order of rows. `None` where
    /// there is no file.
    pub(super) fn brick(&self, schema: &Schema) -> Option<Vec<usize>> {
        let (_, format, options) = self.file.as_ref()?;
        format.brick(schema, options).or_else(|| schema.shape())
    }
}

/// Decides formats and paths before anything is computed, so that a wrong format costs nothing.
pub(super) fn plan(plan: &Plan, target: &Target) -> Result<Vec<Destination>, Issue> {
    let logical = &plan.physical.logical;
    let count = logical.roots.iter().filter(|root| root.effect.is_none()).count();
    let mut destinations = Vec::with_capacity(logical.roots.len());
    let main = super::exports::delivered(logical);
    let mut next = 0;
    for (at, root) in logical.roots.iter().enumerate() {
        // What is logged or saved in a way of its own has no file here.
        if root.effect.is_some() {
            destinations.push(Destination { file: None, json: None });
            continue;
        }
        let i = next;
        next += 1;
        let save = match root.value {
            RootValue::Cube(id) => match &logical.node(id).op {
                Op::Save(save) => Some(save),
                _ => None,
            },
            RootValue::Value(_) => None,
        };
        let format = format(save, target, &root.path)?;
        if let RootValue::Cube(id) = root.value
            && logical.schema(id).shape().is_some_and(|shape| shape.contains(&0))
        {
            let message = "the data cube has no pixels, there is nothing to save";
            return Err(Issue::new(Code::new("DataCubeEmpty"), root.path.clone(), message));
        }
        let path = |extension: &str| match target {
            Target::Discard => None,
            Target::File(path) if count == 1 || main == Some(at) => Some(path.clone()),
            Target::File(path) => Some(suffixed(path, i, extension)),
            Target::Folder(folder) | Target::CubeFolder(folder) => {
                Some(folder.join(format!("{}.{extension}", name(&root.path, i))))
            }
        };
        let options: sink::Options =
            save.map_or_else(sink::Options::new, |save| save.options.clone().into_iter().collect());
        destinations.push(match root.value {
            RootValue::Value(_) if matches!(target, Target::CubeFolder(_)) => {
                Destination { file: None, json: None }
            }
            RootValue::Value(_) => Destination { file: None, json: path("json") },
            RootValue::Cube(_) => Destination {
                file: path(format.description().extension).map(|path| (path, format, options)),
                json: None,
            },
        });
    }
    if let Target::Folder(folder) | Target::CubeFolder(folder) = target
        && let Some((_, root)) =
            destinations.iter().zip(&logical.roots).find(|(destination, _)| destination.writes())
    {
        make(folder, &root.path)?;
    }
    Ok(destinations)
}

fn make(folder: &Path, node: &NodePath) -> Result<(), Issue> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("the folder `{}` cannot be made: {error}", folder.display());
        Issue::new(Code::INTERNAL, node.clone(), message)
    })
}

/// A file that is written while its cube is computed.
pub(super) struct Direct {
    /// Locked alone by who completes it: threads of tasks that are done may hold this value a little longer.
    file: RwLock<Option<Box<dyn Intake>>>,
    checksum: Checksum,
}

impl Boxes for Direct {
    fn put(&self, region: &Region, block: Block) -> std::io::Result<()> {
        self.checksum.add(region, &block);
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().ok_or_else(|| std::io::Error::other("the file is complete"))?;
        file.put(region, block)
    }
}

/// Begins the file of a cube that is saved as it was read. `None` for every other one: a file that turns out to be
/// the wrong one costs the computation once more, and what was read holds no valid pixel that says no-data.
pub(super) fn direct(
    destination: &Destination,
    physical: &Physical,
    part: &Part,
    listener: &Listener,
) -> Result<Option<Direct>, Issue> {
    let Some((path, format, options)) = &destination.file else { return Ok(None) };
    let saved = physical.logical.node(part.node);
    let input = saved.inputs.first().map_or(saved, |input| physical.logical.node(*input));
    if !matches!(input.op, Op::Scan(_)) {
        return Ok(None);
    }
    let intake = format.intake(&saved.schema, options, path);
    let Some(file) = intake.map_err(|error| sink_issue(&error, saved.path.clone()))? else {
        return Ok(None);
    };
    announce(path, *format, listener);
    let checksum = Checksum::new(saved.schema.dtype(), part.partition.shape.clone());
    Ok(Some(Direct { file: RwLock::new(Some(file)), checksum }))
}

/// Completes such a file; `None` where it has to be written in the other way.
pub(super) async fn finish(
    direct: &Direct,
    listener: &Listener,
    at: &NodePath,
) -> Result<Option<Outcome>, Issue> {
    let lost = || Issue::new(Code::INTERNAL, at.clone(), "the writer ended without a result");
    let file = direct.file.write().unwrap_or_else(PoisonError::into_inner).take();
    let file = file.ok_or_else(lost)?;
    let started = Instant::now();
    let finished = tokio::task::spawn_blocking(move || file.finish()).await.map_err(|_| lost())?;
    let Some(files) = finished.map_err(|error| sink_issue(&error, at.clone()))? else {
        return Ok(None);
    };
    notes(&files, listener);
    let (checksum, writing) = (direct.checksum.digest(), started.elapsed());
    Ok(Some(Outcome {
        files,
        statistics: Vec::new(),
        checksum,
        value: Value::Null,
        checking: Duration::ZERO,
        writing,
    }))
}

/// Writes a finished cube.
pub(super) async fn write(
    session: &Session,
    destination: &Destination,
    result: Arc<Scratch>,
    listener: &Listener,
    at: NodePath,
) -> Result<Outcome, Issue> {
    let failed = |at: &NodePath, reason: String| Issue::new(Code::INTERNAL, at.clone(), reason);
    let file = destination.file.clone();
    if let Some((path, format, _)) = &file {
        announce(path, *format, listener);
    }
    let mut budget = 0;
    if let Some((_, format, options)) = &file {
        let (threads, limit) = (session.settings.threads.get(), session.machine.budget.total());
        budget = format
            .working_memory(result.schema(), options, threads, limit)
            .map_err(|error| sink_issue(&error, at.clone()))?;
    }
    // The checksum reads a slab at a time, unseen by the ledger.
    let room = session.machine.reserve(budget).await;
    let described = session.kept.is_some();
    let remark = result.remark().map(str::to_owned);
    let began = Instant::now();
    let (send, receive) = tokio::sync::oneshot::channel();
    let accounts = session.machine.accounts.clone();
    let meter = accounts.as_ref().map(|accounts| accounts.meter(Work::Write, &at));
    session.machine.pool.spawn(move || {
        let _room = room;
        let running = || meter::enter(meter.as_ref());
        let _running = running();
        let started = Instant::now();
        let write = || {
            let _running = running();
            file.map(|(path, format, options)| format.write(&*result, &options, budget, &path))
        };
        let check = || {
            let _running = running();
            (result.checksum(), started.elapsed())
        };
        let ((checksum, checking), files) = rayon::join(check, write);
        // Both go on side by side: what is left of the time when the checksum is done is the files'.
        let writing = started.elapsed().saturating_sub(checking);
        let statistics = match &files {
            Some(Ok(files)) if described => statistics::of_files(&result, files),
            _ => Ok(Vec::new()),
        };
        // Nobody waits any more after a cancellation.
        let _ = send.send((checksum, checking, files, writing, statistics));
    });
    let (checksum, checking, files, writing, statistics) =
        receive.await.map_err(|_| failed(&at, "the writer ended without a result".to_owned()))?;
    if let Some(accounts) = accounts {
        accounts.add(Work::Write, &at, 1, 0, began.elapsed());
    }
    let unread = |e: std::io::Error| failed(&at, format!("cannot read back the result: {e}"));
    let (checksum, statistics) = (checksum.map_err(unread)?, statistics.map_err(unread)?);
    let mut files = match files {
        None => Vec::new(),
        Some(Ok(files)) => files,
        Some(Err(error)) => return Err(sink_issue(&error, at)),
    };
    for file in &mut files {
        file.notes.extend(remark.clone());
    }
    notes(&files, listener);
    Ok(Outcome { files, statistics, checksum, value: Value::Null, checking, writing })
}

fn announce(path: &Path, format: SinkFormat, listener: &Listener) {
    listener(Event::Writing { path: path.display().to_string() });
    let named = path.extension().and_then(|e| e.to_str()).and_then(SinkFormat::from_extension);
    if named.is_some_and(|named| named != format) {
        let (path, name) = (path.display(), format.description().name);
        let note = format!("`{path}` is written as {name}, which `save_result` asks for");
        listener(Event::Note(note));
    }
}

fn notes(files: &[OutputFile], listener: &Listener) {
    for note in files.iter().flat_map(|file| &file.notes) {
        listener(Event::Note(note.clone()));
    }
}

/// Writes a value that is no cube as JSON.
pub(super) fn value(
    physical: &Physical,
    root: usize,
    destination: &Destination,
) -> Result<Outcome, Issue> {
    let root = &physical.logical.roots[root];
    let RootValue::Value(value) = &root.value else {
        return Err(Issue::new(Code::INTERNAL, root.path.clone(), "the root is a data cube"));
    };
    let text = json_text(value);
    let mut files = Vec::new();
    if let Some(path) = &destination.json {
        std::fs::write(path, &text).map_err(|e| {
            Issue::new(
                Code::INTERNAL,
                root.path.clone(),
                format!("cannot write `{}`: {e}", path.display()),
            )
        })?;
        files.push(OutputFile {
            path: path.clone(),
            media_type: "application/json",
            notes: Vec::new(),
            image: None,
        });
    }
    Ok(Outcome {
        files,
        statistics: Vec::new(),
        checksum: xxh3_64(text.as_bytes()),
        value: value.clone(),
        checking: Duration::ZERO,
        writing: Duration::ZERO,
    })
}

/// Writes a model to where the other results go.
pub(super) fn model(
    root: &Root,
    about: &ModelFile,
    target: &Target,
    listener: &Listener,
) -> Result<Vec<OutputFile>, Issue> {
    let RootValue::Value(Value::Model(forest)) = &root.value else {
        return Err(Issue::new(Code::INTERNAL, root.path.clone(), "the root is no model"));
    };
    let folder = match target {
        Target::Discard => return Ok(Vec::new()),
        Target::File(path) => path.parent().unwrap_or(Path::new("")),
        Target::Folder(folder) | Target::CubeFolder(folder) => folder,
    };
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    make(here, &root.path)?;
    listener(Event::Writing { path: here.join(&about.name).display().to_string() });
    sink::model::write(here, about, forest, &now()).map_err(|e| sink_issue(&e, root.path.clone()))
}

/// This instant, as STAC writes it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A value as JSON text; NaN and infinities are bare tokens, as openEO clients and the test suite expect.
pub fn json_text(value: &Value) -> String {
    match value {
        Value::Null | Value::Network(_) | Value::Lambda(_) => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_nan() => "NaN".to_owned(),
        Value::Float(value) if value.is_infinite() => {
            if *value > 0.0 {
                "Infinity".to_owned()
            } else {
                "-Infinity".to_owned()
            }
        }
        Value::Float(value) => serde_json::Value::from(*value).to_string(),
        Value::Text(text) => serde_json::Value::from(&**text).to_string(),
        Value::Array(array) => {
            let items: Vec<String> = array.values.iter().map(json_text).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => serde_json::Value::Object((**map).clone()).to_string(),
        Value::Model(model) => model.to_json().to_string(),
    }
}

/// The format a save asks for, the one of the file's extension, or netCDF.
fn format(save: Option<&Save>, target: &Target, path: &NodePath) -> Result<SinkFormat, Issue> {
    if let Some(save) = save {
        return SinkFormat::from_name(&save.format).ok_or_else(|| {
            let names: Vec<&str> = SinkFormat::ALL.iter().map(|f| f.description().name).collect();
            Issue::new(
                Code::new("FormatUnsuitable"),
                path.clone(),
                format!("there is no output format `{}`", save.format),
            )
            .argument("format")
            .hint(format!("formats: {}", names.join(", ")))
        });
    }
    let extension = match target {
        Target::File(file) => file.extension().and_then(|e| e.to_str()),
        Target::Discard | Target::Folder(_) | Target::CubeFolder(_) => None,
    };
    Ok(extension.and_then(SinkFormat::from_extension).unwrap_or(SinkFormat::NetCdf))
}

fn suffixed(path: &Path, i: usize, extension: &str) -> PathBuf {
    let stem =
        path.file_stem().map_or_else(|| "result".to_owned(), |s| s.to_string_lossy().into_owned());
    path.with_file_name(format!("{stem}_{i}.{extension}"))
}

/// A file name from a node's id, made safe.
fn name(path: &NodePath, i: usize) -> String {
    let id = path.0.first().map_or("result", String::as_str);
    let safe: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .collect();
    if i == 0 { safe } else { format!("{safe}_{i}") }
}

pub(crate) fn sink_issue(error: &sink::SinkError, at: NodePath) -> Issue {
    let code = match error {
        sink::SinkError::Unsuitable { .. } | sink::SinkError::Option { .. } => {
            Code::FORMAT_UNSUITABLE
        }
        sink::SinkError::Memory { .. } => Code::PROCESS_GRAPH_COMPLEXITY,
        sink::SinkError::Write { .. } | sink::SinkError::Read(_) => Code::INTERNAL,
    };
    Issue::new(code, at, error.to_string())
}
