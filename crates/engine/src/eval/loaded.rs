//! The cubes of processes that load, through a session. There is nothing to evaluate by reference: chunks are read one
//! by one, the other ways read all at once.

use std::collections::BTreeMap;

use eolith_cube::{Block, Region};
use eolith_graph::{Issue, Process};
use eolith_plan::bind::Argument;
use eolith_plan::op::Cube;
use serde_json::{Map, Value as Json, json};

use super::{EvalError, Way, parameter};
use crate::session::Session;

/// The call as a process graph of its own, which a session can plan: with plain values as they are, and parameters for
/// the rest.
pub(super) fn process(
    id: &str,
    arguments: &Map<String, Json>,
    given: &BTreeMap<String, Argument>,
) -> Result<Process, EvalError> {
    let (mut node, mut parameters) = (Map::new(), Vec::new());
    for (name, json) in arguments {
        let parameter = parameter(name);
        if let Some(plain) = plain(json) {
            node.insert(name.clone(), plain);
        } else if given.contains_key(&parameter) {
            node.insert(name.clone(), json!({ "from_parameter": parameter }));
            parameters.push(json!({ "name": parameter, "description": "", "schema": {} }));
        } else {
            let message =
                format!("argument `{name}` is no plain value, and the process loads data");
            return Err(EvalError::new("FeatureUnsupported", message));
        }
    }
    let graph = json!({ "only": { "process_id": id, "arguments": node, "result": true } });
    let (process, issues) =
        eolith_graph::parse_value(json!({ "process_graph": graph, "parameters": parameters }));
    process.filter(|_| issues.is_empty()).ok_or_else(|| first(issues))
}

/// An object of callbacks as it stands in a process graph.
pub(super) fn with_callbacks(json: &Json) -> Option<Json> {
    let map = json.as_object().filter(|map| !map.contains_key("@"))?;
    let is_callback = |own: &Json| own.get("@").is_some_and(|form| form == "process");
    if map.values().any(is_callback) { plain(json) } else { None }
}

/// Without the forms of the encoding: no-data is null, a callback a process graph. `None` for what JSON cannot say.
fn plain(json: &Json) -> Option<Json> {
    match json {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(map) => match map.get("@").and_then(Json::as_str) {
            Some("nodata") => Some(Json::Null),
            Some("process") => Some(json!({ "process_graph": map.get("process_graph")? })),
            Some(_) => None,
            None => (map.iter()).map(|(key, own)| Some((key.clone(), plain(own)?))).collect(),
        },
        other => Some(other.clone()),
    }
}

/// The result of a process.
pub(super) async fn cube(
    session: &Session,
    process: &Process,
    way: Way,
) -> Result<Cube, EvalError> {
    let schema = session.schema(process).await.map_err(first)?.as_ref().clone();
    let shape = schema.shape().ok_or_else(|| EvalError::new("Internal", "labels are missing"))?;
    let mut block = Block::nulls(schema.dtype(), shape.clone());
    for region in boxes(&shape, way) {
        let start: Vec<usize> = region.0.iter().map(|range| range.start).collect();
        let part = session.region(process, region).await.map_err(first)?;
        block.paste(&start, &part);
    }
    Ok(Cube { schema, block: block.canonical() })
}

/// Boxes that make up the shape; none if it holds nothing.
fn boxes(shape: &[usize], way: Way) -> Vec<Region> {
    let most = if let Way::Chunks(n) = way { n.max(1) } else { usize::MAX };
    let mut boxes = vec![Region(Vec::new())];
    for len in shape {
        let starts: Vec<usize> = (0..*len).step_by(most).collect();
        let longer = |region: &Region, start: usize| {
            let mut ranges = region.0.clone();
            ranges.push(start..start.saturating_add(most).min(*len));
            Region(ranges)
        };
        boxes = (boxes.iter())
            .flat_map(|region| {
                starts.iter().map(|start| longer(region, *start)).collect::<Vec<_>>()
            })
            .collect();
    }
    boxes
}

/// The problem to tell.
pub(super) fn first(issues: Vec<Issue>) -> EvalError {
    (issues.first()).map_or_else(
        || EvalError::new("Internal", "planning failed without saying why"),
        EvalError::from,
    )
}
