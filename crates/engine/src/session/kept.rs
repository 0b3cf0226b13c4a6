//! Runs that can be taken up again: what makes two runs the same, and how their files come to their places.
//!
//! The files of such a run are written to a folder beside their places, whose name is the run's: the next attempt
//! removes what a killed one was writing. They are synced to the disk before they are renamed, and the folder they are
//! in after that.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_graph::{Code, Issue, NodePath};
use eolith_plan::explain;
use eolith_plan::logical::Root;
use eolith_plan::physical::{Part, Physical};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::output::Destination;
use super::resource::Copying;
use super::{Report, Session, Target};
use crate::events::{Event, Listener};
use crate::ledger::{Folder, Ledger, LedgerError, Outline, Size};
use crate::place;
use crate::scratch::Scratch;
use crate::sink::OutputFile;

/// A run that goes on where an earlier attempt ended.
#[derive(Debug)]
pub(super) struct Kept {
    ledger: Ledger,
    /// Made of the place of the folder, which may be another one in a later attempt.
    name: String,
    /// Tasks that are kept.
    tasks: usize,
    /// `None` where nothing is written.
    staging: Option<Staging>,
}

/// Where files are until they are on the disk.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    /// Their places are in this folder.
    folder: PathBuf,
    /// Made when a run begins, removed when it ends.
    path: PathBuf,
    /// What sinks are told.
    pub(super) target: Target,
}

/// The files of a root, in their places and on the disk.
pub(super) async fn published(
    kept: Option<&Kept>,
    files: Vec<OutputFile>,
    at: &NodePath,
) -> Result<Vec<OutputFile>, Issue> {
    let Some(staging) = kept.and_then(|kept| kept.staging.clone()) else { return Ok(files) };
    let failed = |reason: String| {
        let message = format!("the result cannot be put in its place: {reason}");
        Issue::new(Code::INTERNAL, at.clone(), message)
    };
    let published = tokio::task::spawn_blocking(move || staging.publish(files)).await;
    published
        .map_err(|_| failed("it ended early".to_owned()))?
        .map_err(|error| failed(error.to_string()))
}

impl Session {
    /// The folder of the run, if it is to be kept.
    pub(super) fn own_folder(&self) -> Result<Option<Folder>, Vec<Issue>> {
        self.kept.as_deref().map(Folder::lock).transpose().map_err(|error| vec![issue(&error)])
    }
}

impl Kept {
    /// Goes on with the run that the folder holds, if it is the same; begins it otherwise.
    pub(super) fn take_up(
        folder: Folder,
        physical: &Physical,
        files: &[Destination],
        staging: Option<Staging>,
    ) -> Result<Kept, Vec<Issue>> {
        let failed = |error: LedgerError| vec![issue(&error)];
        if let Some(staging) = &staging {
            let made = staging.make().map_err(|error| LedgerError::failed(&staging.path, error));
            made.map_err(failed)?;
        }
        let (name, outline) = (name(folder.path()), outline(physical, files));
        let tasks = outline.parts.iter().map(|size| size.tasks).sum();
        let ledger = folder.take_up(&outline).map_err(failed)?;
        Ok(Kept { ledger, name, tasks, staging })
    }

    /// Says what was taken over.
    pub(super) fn note(&self, listener: &Listener) {
        if let Some(reason) = self.ledger.started_anew() {
            let text = format!("what was kept of an earlier run is not used: {reason}");
            listener(Event::Note(text));
        }
        if self.ledger.attempts() > 1 {
            let (done, tasks) = (self.ledger.resumed(), self.tasks);
            let text = format!("the run is taken up again: {done} of {tasks} tasks are done");
            listener(Event::Note(text));
        }
    }

    pub(super) fn report(&self, report: &mut Report) {
        report.resumed = self.ledger.resumed();
        report.recomputed = self.ledger.recomputed();
        report.attempts = self.ledger.attempts();
    }

    /// A stage or root, as the ledger counts them.
    pub(super) fn part(&self, number: usize) -> (&Ledger, usize) {
        (&self.ledger, number)
    }

    /// How what a root exports is copied: by this attempt alone, or once more after an earlier one, under the name of that
    /// one. Blocks for as long as the disk takes for a line.
    pub(super) fn copying(&self, root: usize) -> std::io::Result<Copying> {
        if let Some(name) = self.ledger.effect(root) {
            return Ok(Copying { run: Some(name.to_owned()), again: true });
        }
        self.ledger.begin_effect(root, &self.name)?;
        Ok(Copying { run: Some(self.name.clone()), again: false })
    }

    /// Whether a copy of what a root exports may be this run's.
    pub(super) fn has_copied(&self, root: usize) -> bool {
        self.ledger.effect(root).is_some()
    }

    /// A listener that hears of files where they will be.
    pub(super) fn naming(&self, listener: &Listener) -> Listener {
        let (staging, listener) = (self.staging.clone(), Arc::clone(listener));
        Arc::new(move |event| {
            let place = |path: &str| staging.as_ref()?.place(Path::new(path));
            listener(match event {
                Event::Writing { path } => {
                    let path = place(&path).map_or(path, |place| place.display().to_string());
                    Event::Writing { path }
                }
                other => other,
            });
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.staging.as_ref().map(Staging::remove) {
            tracing::warn!(%error, "a folder of unfinished files is left behind");
        }
    }
}

impl Staging {
    /// For the files of a target; `kept` is the folder of the run.
    pub(super) fn beside(target: &Target, kept: &Path) -> Option<Staging> {
        let folder = match target {
            Target::Discard => return None,
            Target::File(path) => path.parent().unwrap_or(Path::new("")),
            Target::Folder(folder) | Target::CubeFolder(folder) => folder,
        };
        let folder = folder.to_owned();
        let path = folder.join(format!(".writing-{}", name(kept)));
        let target = match target {
            Target::Discard => return None,
            Target::File(file) => Target::File(path.join(file.file_name()?)),
            Target::Folder(_) => Target::Folder(path.clone()),
            Target::CubeFolder(_) => Target::CubeFolder(path.clone()),
        };
        Some(Staging { folder, path, target })
    }

    /// An empty folder, whatever a killed attempt left.
    fn make(&self) -> std::io::Result<()> {
        self.remove()?;
        std::fs::create_dir(&self.path)
    }

    fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Where a file will be.
    fn place(&self, file: &Path) -> Option<PathBuf> {
        Some(self.folder.join(file.strip_prefix(&self.path).ok()?))
    }

    fn publish(&self, mut files: Vec<OutputFile>) -> std::io::Result<Vec<OutputFile>> {
        for file in &mut files {
            let Some(own) = self.place(&file.path) else { continue };
            place::sync(&file.path)?;
            // A folder takes the place of nothing, and nothing but a file that of a file.
            let there = own.symlink_metadata();
            if there.is_ok_and(|there| there.is_dir() || file.path.is_dir()) {
                let old = self.path.join(".replaced");
                std::fs::rename(&own, &old)?;
                std::fs::rename(&file.path, &own)?;
                if old.is_dir() {
                    std::fs::remove_dir_all(&old)
                } else {
                    std::fs::remove_file(&old)
                }?;
            } else {
                std::fs::rename(&file.path, &own)?;
            }
            file.path = own;
        }
        let here = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        place::sync_folder(here)?;
        Ok(files)
    }
}

/// The name of the run that is kept in a folder.
fn name(folder: &Path) -> String {
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    format!("{:032x}", xxh3_128(place.as_os_str().as_encoded_bytes()))
}

/// What a run is.
fn outline(physical: &Physical, files: &[Destination]) -> Outline {
    let logical = &physical.logical;
    let size = |part: &Part| Size {
        tasks: part.partition.len(),
        bytes: Scratch::bytes(logical.schema(part.node), &part.partition.shape),
    };
    let mut parts: Vec<Size> = physical.stages.iter().map(size).collect();
    let mut partition = Digest::default();
    partition.add(&explain::physical(physical));
    for part in physical.stages.iter().chain(physical.roots.iter().flatten()) {
        partition.add(&(part.node, &part.partition, physical.emitted(part)));
    }
    for ((root, part), file) in logical.roots.iter().zip(&physical.roots).zip(files) {
        // What is told to the log is not kept.
        let own = part.as_ref().filter(|_| is_kept(root));
        parts.push(own.map_or(Size { tasks: 0, bytes: 0 }, size));
        partition.add(&own.map(|part| file.brick(logical.schema(part.node))));
    }
    let mut plan = Digest::default();
    plan.add(logical);
    Outline {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        plan: plan.0.digest128(),
        partition: partition.0.digest128(),
        parts,
    }
}

/// Whether the pixels of a root are kept.
fn is_kept(root: &Root) -> bool {
    root.effect.is_none()
}

/// Of texts that are never in memory: the constants of a plan may be many.
#[derive(Default)]
struct Digest(Xxh3);

impl Digest {
    fn add(&mut self, value: &dyn std::fmt::Debug) {
        // It never fails; the separator keeps apart what follows.
        let _ = writeln!(self, "{value:?}");
    }
}

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

fn issue(error: &LedgerError) -> Issue {
    let code = match error {
        LedgerError::InUse(_) => Code::new("JobLocked"),
        LedgerError::Failed { .. } => Code::INTERNAL,
    };
    Issue::new(code, NodePath::default(), error.to_string())
}
