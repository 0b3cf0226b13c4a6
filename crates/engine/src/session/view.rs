//! A process graph that is looked at again and again: tiles of a map, previews.
//!
//! Every image is a plan of its own, since resolution is part of a plan. What planning asked the world is kept, so that
//! a further image needs no more than planning; only overviews of files that no image touched before are asked for.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use eolith_cube::{Block, Region, Schema};
use eolith_graph::{Code, Issue, NodePath, Process};
use eolith_plan::explain;
use eolith_plan::need::Snapshot;
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

impl View {
    /// The result on a grid, computed at once and not kept.
    ///
    /// # Errors
    /// Problems of the process, a result that has no pixels, and what fails while it is computed.
    pub async fn image(&self, target: TargetGrid) -> Result<Image, Vec<Issue>> {
        let session = self.session.onto(target);
        let (listener, cancel): (Listener, Cancel) = (Arc::new(|_| {}), Cancel::default());
        let mut computing = Computing::new(&session.results, &listener, &cancel);
        let options = session.options_of_one();
        let planned = session.plan_with(&self.process, &options, &self.known, Some(&mut computing));
        let plan = planned.await?.ready()?;
        let Computing { held, report, .. } = computing;
        if report.tasks > 0 {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        }
        let physical = Arc::new(plan.physical);
        let part = physical.roots[result(&physical)?].as_ref().ok_or_else(no_cube)?;
        let started = Instant::now();
        let whole = Region::whole(&part.partition.shape);
        let read = session.read(&physical, part, whole).await;
        let (block, bytes_read) = read.map_err(|issue| vec![issue])?;
        Ok(Image {
            schema: Arc::clone(physical.logical.schema(part.node)),
            block,
            note: explain::approximation(&physical.logical),
            bytes_read,
            planning: report.times.plan,
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
}

impl Session {
    /// Prepares a process to be looked at.
    ///
    /// # Errors
    /// All problems that can be found without planning.
    pub async fn view(&self, process: Process) -> Result<View, Vec<Issue>> {
        let issues = self.check(&process).await;
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(View {
            session: self.clone(),
            process,
            known: RwLock::default(),
            held: Mutex::default(),
        })
    }
}
