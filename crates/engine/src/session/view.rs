//! A process graph that is looked at again and again: tiles of a map, previews.
//!
//! Every image is a plan of its own, since resolution is part of a plan. What planning asked the world is kept, so that
//! a further image needs no more than planning; only overviews of files that no image touched before are asked for.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use eolith_cube::{Axis, Block, Region, Schema};
use eolith_graph::{Code, Issue, NodePath, Process};
use eolith_plan::explain;
use eolith_plan::logical::{Effect, Logical};
use eolith_plan::need::Snapshot;
use eolith_plan::physical::Physical;
use eolith_plan::target::{TargetGrid, tile};

use super::computed::Computing;
use super::{Session, invalid, no_cube, result};
use crate::budget::Holding;
use crate::events::{Cancel, Listener};

/// A checked process and what is known of its sources.
///
/// What is known is not asked again: a view that lives on does not see items that were added to its sources.
#[derive(Debug)]
pub struct View {
    session: Session,
    process: Process,
    known: RwLock<Snapshot>,
    /// The memory of what was computed for it.
    held: Mutex<Vec<Holding>>,
}

/// A result on one grid.
#[derive(Clone, Debug)]
pub struct Image {
    pub schema: Arc<Schema>,
    pub block: Block,
    /// Says so where the pixels are approximate.
    pub note: Option<String>,
    pub bytes_read: u64,
    /// Time planning took, without the catalogue's answers.
    pub planning: Duration,
    /// Time fetching, decoding and computing took.
    pub computing: Duration,
}

/// What a view is of.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The result where it comes from, on no grid but its own.
    pub schema: Arc<Schema>,
    /// Nodes whose values would be logged by a run; a view does not.
    pub silent: Vec<NodePath>,
}

impl View {
    /// What the result is.
    ///
    /// # Errors
    /// Problems of the process, a result that is no cube, and anything else that a run would write: a view only looks.
    pub async fn subject(&self, cancel: &Cancel) -> Result<Subject, Vec<Issue>> {
        let (physical, _) = self.plan(&self.session, cancel).await?;
        let part = physical.roots[result(&physical)?].as_ref().ok_or_else(no_cube)?;
        let schema = Arc::clone(physical.logical.schema(part.node));
        Ok(Subject { schema, silent: only_looks(&physical.logical)? })
    }

    /// The result on a grid, computed at once and not kept.
    ///
    /// # Errors
    /// Problems of the process, a result that has no pixels, and what fails while it is computed.
    pub async fn image(&self, target: TargetGrid) -> Result<Image, Vec<Issue>> {
        self.image_at(target, &[], &Cancel::default()).await
    }

    /// The same of single labels of some dimensions, by name and index; nothing else is computed.
    ///
    /// # Errors
    /// No such label, those of [`View::image`], and that it was cancelled.
    pub async fn image_at(
        &self,
        target: TargetGrid,
        at: &[(String, usize)],
        cancel: &Cancel,
    ) -> Result<Image, Vec<Issue>> {
        let session = self.session.onto(target);
        let (physical, planning) = self.plan(&session, cancel).await?;
        let part = physical.roots[result(&physical)?].as_ref().ok_or_else(no_cube)?;
        let whole = Region::whole(&part.partition.shape);
        let (schema, region) = narrowed(physical.logical.schema(part.node), whole, at)?;
        let started = Instant::now();
        let read = session.read(&physical, part, region, cancel).await;
        let (block, bytes_read) = read.map_err(|issue| vec![issue])?;
        Ok(Image {
            schema,
            block,
            note: explain::approximation(&physical.logical),
            bytes_read,
            planning,
            computing: started.elapsed(),
        })
    }

    /// A tile of a web map, of 256 x 256 approximate pixels in EPSG:3857, each the nearest one of an overview or of the
    /// native pixels.
    ///
    /// # Errors
    /// No such tile, and those of [`View::image`].
    pub async fn tile(&self, z: u8, x: u32, y: u32) -> Result<Image, Vec<Issue>> {
        let grid = tile(z, x, y).map_err(|error| {
            vec![Issue::new(Code::INTERNAL, NodePath::default(), error.to_string())]
        })?;
        let grid = grid.ok_or_else(|| invalid(&format!("there is no tile {z}/{x}/{y}")))?;
        self.image(TargetGrid::approximate(grid)).await
    }

    /// A plan of one pass, and the time that planning took.
    async fn plan(
        &self,
        session: &Session,
        cancel: &Cancel,
    ) -> Result<(Arc<Physical>, Duration), Vec<Issue>> {
        let listener: Listener = Arc::new(|_| {});
        let mut computing = Computing::new(&session.results, &listener, cancel);
        let options = session.options_of_one();
        let planned = session.plan_with(&self.process, &options, &self.known, Some(&mut computing));
        let plan = planned.await?.ready()?;
        let Computing { held, report, .. } = computing;
        if report.tasks > 0 {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        }
        Ok((Arc::new(plan.physical), report.times.plan))
    }
}

impl Session {
    /// Prepares a process to be looked at.
    ///
    /// # Errors
    /// All problems that can be found without planning.
    pub async fn view(&self, process: Process) -> Result<View, Vec<Issue>> {
        let process = self.checked(&process).await?.into_owned();
        Ok(View {
            session: self.clone(),
            process,
            known: RwLock::default(),
            held: Mutex::default(),
        })
    }
}

/// Refuses a process that does more than give its result; gives the nodes whose values would be logged.
fn only_looks(logical: &Logical) -> Result<Vec<NodePath>, Vec<Issue>> {
    let (mut silent, mut issues) = (Vec::new(), Vec::new());
    for root in &logical.roots {
        match &root.effect {
            Some(Effect::Log(_)) => silent.push(root.path.clone()),
            None if root.is_result => {}
            None | Some(Effect::Model(_) | Effect::Stac(_)) => {
                let message =
                    "it writes something besides the result, and here the result is only looked at";
                let issue = Issue::new(Code::FEATURE_UNSUPPORTED, root.path.clone(), message);
                issues.push(issue.hint("remove it, or run a batch job"));
            }
        }
    }
    if issues.is_empty() { Ok(silent) } else { Err(issues) }
}

/// A schema and a region of it with single labels of some dimensions.
fn narrowed(
    schema: &Arc<Schema>,
    mut region: Region,
    at: &[(String, usize)],
) -> Result<(Arc<Schema>, Region), Vec<Issue>> {
    let mut schema = Arc::clone(schema);
    for (name, index) in at {
        let dim = schema.position(name);
        let labels = dim.and_then(|dim| schema.dims[dim].labels());
        let labels = labels.filter(|labels| *index < labels.len());
        let (Some(dim), Some(labels)) = (dim, labels) else {
            return Err(invalid(&format!("there is no label {index} of a dimension `{name}`")));
        };
        let only = labels.take(&[*index]);
        Arc::make_mut(&mut schema).dims[dim].axis = Axis::Known(only);
        region.0[dim] = *index..*index + 1;
    }
    Ok((schema, region))
}
