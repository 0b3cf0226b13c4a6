//! Why a task failed, as its user is told: the node, the part of the result, and what was read for it.

use std::io::ErrorKind;

use eolith_cube::{Grid, Kind, Labels, Region, Regular, Schema};
use eolith_graph::{Code, Issue};
use eolith_plan::compute::Failure;
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::physical::Physical;
use serde_json::{Map, Value as Json, json};

use crate::catalog::bounds;
use crate::catalog::describe;
use crate::source::SourceError;
use crate::storage::shown;

/// Labels of a dimension that are listed one by one.
const LISTED: usize = 8;

/// Why a task failed.
#[derive(Debug)]
pub(super) enum TaskError {
    /// Reading a box of a scan, or all that it had.
    Source(NodeId, Region, SourceError),
    Compute(Failure),
    Memory(u64),
    Scratch(std::io::Error),
    Cancelled,
    Lost,
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> TaskError {
        TaskError::Compute(failure)
    }
}

/// The problem of a node whose task failed; `budget` is the memory there is.
pub(super) fn issue(physical: &Physical, node: NodeId, error: TaskError, budget: u64) -> Issue {
    let path = |id: NodeId| physical.logical.node(id).path.clone();
    let own = path(node);
    match error {
        TaskError::Compute(failure) => {
            Issue::new(Code::new(failure.fault.code), path(failure.node), failure.fault.message)
        }
        TaskError::Source(id, region, error) => {
            let issue = Issue::new(Code::INTERNAL, path(id), error.to_string());
            issue.details(json!({"input": input(physical, id, &region, &error)}))
        }
        TaskError::Memory(peak) => Issue::new(
            Code::PROCESS_GRAPH_COMPLEXITY,
            own,
            format!("a task needs {peak} bytes, the memory limit is {budget}"),
        )
        .hint("raise the memory limit"),
        TaskError::Scratch(error) => {
            let message = format!("cannot keep the result: {error}");
            match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, own, message)
                        .hint("name a folder with more room by `--scratch`")
                }
                _ => Issue::new(Code::INTERNAL, own, message),
            }
        }
        TaskError::Cancelled => Issue::new(Code::new("Cancelled"), own, "the run was cancelled"),
        TaskError::Lost => Issue::new(Code::INTERNAL, own, "a task ended without a result"),
    }
}

/// The same with the box of the result that the task was to compute.
pub(super) fn of_task(issue: Issue, number: [usize; 2], schema: &Schema, region: &Region) -> Issue {
    let [index, tasks] = number;
    issue.details(json!({
        "task": {"number": index + 1, "of": tasks, "region": place(schema, region)},
    }))
}

/// What could not be read.
fn input(physical: &Physical, id: NodeId, region: &Region, error: &SourceError) -> Json {
    let node = physical.logical.node(id);
    let mut input = json!({"region": place(&node.schema, region)});
    if let Op::Scan(scan) = &node.op {
        input["source"] = scan.request.source.to_string().into();
    }
    if let Some(href) = error.href() {
        // Folders of this machine are nobody's business.
        let local = || href.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let file = if href.contains("://") { shown(href) } else { local() };
        input["file"] = file.into();
    }
    if let SourceError::Chunk { array, position, .. } = error {
        input["array"] = array.as_str().into();
        input["chunk"] = json!(position);
    }
    input
}

/// A box of a cube by its labels, and by its longitudes and latitudes.
fn place(schema: &Schema, region: &Region) -> Json {
    let mut place = Map::new();
    for (dim, range) in schema.dims.iter().zip(&region.0) {
        let Some(labels) = dim.labels() else { continue };
        let (Some(last), true) = (range.end.checked_sub(1), range.end <= labels.len()) else {
            continue;
        };
        let label = |at: usize| describe::label(&labels.get(at));
        let own = if dim.kind == Kind::Bands && range.len() <= LISTED {
            range.clone().map(label).collect()
        } else if range.len() == 1 {
            label(range.start)
        } else {
            json!({"from": label(range.start), "to": label(last)})
        };
        place.insert(dim.name.clone(), own);
    }
    if let Some(bbox) = bbox(schema, region) {
        place.insert("bbox".to_owned(), json!(bbox));
    }
    place.into()
}

/// West, south, east, north in degrees.
fn bbox(schema: &Schema, region: &Region) -> Option<[f64; 4]> {
    let Grid { crs, .. } = schema.grid().ok()?;
    let part = |axis| {
        let dim = schema.spatial(axis)?;
        let range = region.0.get(dim)?;
        let Labels::Regular(own) = schema.dims[dim].labels()? else { return None };
        let start = own.start + own.step * range.start as f64;
        Some(Regular { start, step: own.step, len: range.len() })
    };
    let x = part(eolith_cube::SpatialAxis::X)?;
    let y = part(eolith_cube::SpatialAxis::Y)?;
    bounds::of_grid(&Grid { crs, x, y })
}
