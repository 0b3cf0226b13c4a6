//! One process on literal arguments: what `eolith eval` and the conformance tests ask.
//!
//! A request is a line of JSON with a process id and its arguments; the answer is a line with the result or the
//! error ([`encoding`] says how cubes and what JSON lacks are written). The process runs as the only node of a
//! process graph, through the same planner as everything else; [`Way`] says how its plan is computed. Processes that
//! load need a session ([`answer_over`]) and fail without one.

mod compute;
mod decode;
pub mod encoding;
mod loaded;

use std::collections::BTreeMap;

use eolith_graph::{Definitions as _, Process};
use eolith_plan::bind::Argument;
use eolith_plan::explain;
use eolith_plan::need::Snapshot;
use eolith_plan::physical::Options;
use eolith_plan::planner::{Planned, plan};
use eolith_plan::process::{Lowering, Registry as _};
use eolith_processes::registry;
use serde_json::{Map, Value as Json, json};

use crate::session::{Session, Stage};

pub use compute::{Outcome, outcome};

/// How a plan is computed. All ways give the same, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As bound, by the reference evaluator.
    Reference,
    /// Optimised, each result in as few tasks as fit.
    Whole,
    /// Optimised, in tasks of at most so many labels along each dimension.
    Chunks(usize),
}

/// An error of a request or of a process: an openEO code and our words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct EvalError {
    pub code: String,
    pub message: String,
}

/// Answers one line with one line (without the line break). Never fails: what is wrong is in the answer.
pub fn answer(line: &str, way: Way) -> String {
    let (id, result) = asked(line, way);
    reply(id, result.and_then(Asked::without_data))
}

/// As [`answer`], with data for the processes that load some.
pub async fn answer_over(line: &str, way: Way, session: &Session) -> String {
    let (id, result) = asked(line, way);
    let result = match result {
        Ok(Asked::Loads(call, Wanted::Plan)) => {
            let session = session.clone().with_arguments(call.given);
            let text = session.explain(&call.process, Stage::Bound).await;
            text.map(Json::from).map_err(loaded::first)
        }
        Ok(Asked::Loads(call, Wanted::Result(way))) => {
            let session = session.clone().with_arguments(call.given);
            loaded::cube(&session, &call.process, way)
                .await
                .map(|cube| encoding::outcome(&Outcome::Cube(cube)))
        }
        Ok(asked) => asked.without_data(),
        Err(error) => Err(error),
    };
    reply(id, result)
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Result(Way),
    /// The operators that the call becomes, as text.
    Plan,
}

/// What became of a request without looking at data.
enum Asked {
    Answered(Json),
    /// The process asks for data, or is run elsewhere.
    Loads(Box<Call>, Wanted),
}

/// A process of one node, and the values of its parameters.
struct Call {
    process: Process,
    given: BTreeMap<String, Argument>,
}

impl Asked {
    fn without_data(self) -> Result<Json, EvalError> {
        match self {
            Asked::Answered(json) => Ok(json),
            Asked::Loads(..) => {
                Err(EvalError::new("CollectionNotFound", "there are no collections here"))
            }
        }
    }
}

fn asked(line: &str, way: Way) -> (Json, Result<Asked, EvalError>) {
    let request: Json = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(e) => {
            let error = EvalError::new("ProcessInvalid", format!("the request is not JSON: {e}"));
            return (Json::Null, Err(error));
        }
    };
    (request.get("id").cloned().unwrap_or(Json::Null), respond(&request, way))
}

/// Runs one process with encoded arguments.
fn evaluate(
    process_id: &str,
    arguments: &Map<String, Json>,
    wanted: Wanted,
) -> Result<Asked, EvalError> {
    let definition = registry().get(process_id).ok_or_else(|| {
        EvalError::new("ProcessUnsupported", format!("there is no process `{process_id}`"))
    })?;
    let mut node = Map::new();
    let mut given = BTreeMap::new();
    let mut parameters = Vec::new();
    for (name, json) in arguments {
        if definition.parameter(name).is_none() {
            let message = format!("process `{process_id}` has no parameter `{name}`");
            return Err(EvalError::new("ProcessParameterUnsupported", message));
        }
        if let Some(plain) = loaded::with_callbacks(json) {
            node.insert(name.clone(), plain);
            continue;
        }
        match decode::argument(json).map_err(|message| {
            EvalError::new("ProcessParameterInvalid", format!("argument `{name}`: {message}"))
        })? {
            decode::Given::Callback(graph) => {
                node.insert(name.clone(), json!({ "process_graph": graph }));
            }
            decode::Given::Argument(argument) => {
                // Callbacks have parameters with the names of the standard, so these get names of their own.
                let parameter = parameter(name);
                node.insert(name.clone(), json!({ "from_parameter": parameter }));
                parameters.push(json!({ "name": parameter, "description": "", "schema": {} }));
                given.insert(parameter, argument);
            }
        }
    }
    if let Some(answer) = run(process_id, node, parameters, &given, wanted)? {
        return Ok(Asked::Answered(answer));
    }
    let process = loaded::process(process_id, arguments, &given)?;
    // A function of the user's gets the same cells any way.
    let is_outside = (registry().process(process_id))
        .is_some_and(|own| matches!(own.lowering, Lowering::Outside(_)));
    let wanted = match wanted {
        Wanted::Result(_) if is_outside => Wanted::Result(Way::Whole),
        other => other,
    };
    Ok(Asked::Loads(Box::new(Call { process, given }), wanted))
}

/// The name of the parameter that an argument is given as.
fn parameter(argument: &str) -> String {
    format!("argument:{argument}")
}

/// `None` if the process asks for data.
fn run(
    process_id: &str,
    node: Map<String, Json>,
    parameters: Vec<Json>,
    given: &BTreeMap<String, Argument>,
    wanted: Wanted,
) -> Result<Option<Json>, EvalError> {
    let graph = json!({ "only": { "process_id": process_id, "arguments": node, "result": true } });
    let (process, issues) =
        eolith_graph::parse_value(json!({ "process_graph": graph, "parameters": parameters }));
    let process = match (process, issues.first()) {
        (Some(process), None) => process,
        (_, Some(issue)) => return Err(issue.into()),
        (None, None) => return Err(EvalError::new("ProcessInvalid", "there is no process graph")),
    };
    let max_extent = if let Wanted::Result(Way::Chunks(n)) = wanted { Some(n) } else { None };
    let options = Options { max_extent, ..Options::default() };
    let mut snapshot = Snapshot::default();
    loop {
        match plan(&process, given, registry(), &snapshot, None, &options) {
            Planned::Ready(plan) => {
                return match wanted {
                    Wanted::Plan => Ok(Some(explain::logical(&plan.bound).into())),
                    Wanted::Result(way) => Ok(Some(encoding::outcome(&outcome(&plan, way)?))),
                };
            }
            Planned::Issues(issues) => {
                return Err(issues.first().map_or_else(
                    || EvalError::new("Internal", "planning failed without saying why"),
                    EvalError::from,
                ));
            }
            Planned::Needs { needs, .. } => {
                if !needs.iter().all(|need| need.subplan().is_some()) {
                    return Ok(None);
                }
                let way = if let Wanted::Result(way) = wanted { way } else { Way::Whole };
                for need in needs {
                    let answer = compute::answer(&need, &options, way)?;
                    snapshot.insert(need, answer);
                }
            }
        }
    }
}

fn respond(request: &Json, way: Way) -> Result<Asked, EvalError> {
    let mut wanted = Wanted::Result(way);
    match request.get("op").and_then(Json::as_str) {
        Some("list_processes") => return Ok(Asked::Answered(json!(registry().ids()))),
        Some("explain") => wanted = Wanted::Plan,
        Some(other) => {
            return Err(EvalError::new("NotFound", format!("there is no operation `{other}`")));
        }
        None => {}
    }
    let missing =
        |what: &str| EvalError::new("ProcessInvalid", format!("the request has no {what}"));
    let id =
        request.get("process_id").and_then(Json::as_str).ok_or_else(|| missing("`process_id`"))?;
    let none = Map::new();
    let arguments = match request.get("arguments") {
        None | Some(Json::Null) => &none,
        Some(Json::Object(arguments)) => arguments,
        Some(_) => return Err(EvalError::new("ProcessInvalid", "`arguments` is not an object")),
    };
    evaluate(id, arguments, wanted)
}

fn reply(id: Json, result: Result<Json, EvalError>) -> String {
    let body = match result {
        Ok(result) => json!({ "id": id, "result": result }),
        Err(error) => {
            json!({ "id": id, "error": { "code": error.code, "message": error.message } })
        }
    };
    body.to_string()
}

impl EvalError {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> EvalError {
        EvalError { code: code.into(), message: message.into() }
    }
}

impl From<&eolith_graph::Issue> for EvalError {
    fn from(issue: &eolith_graph::Issue) -> EvalError {
        EvalError::new(issue.code.as_str(), issue.message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Json {
        serde_json::from_str(&answer(line, Way::Whole)).unwrap()
    }

    #[test]
    fn a_line_gets_a_line() {
        let sum = ask(r#"{"id":7,"process_id":"add","arguments":{"x":1,"y":2.5}}"#);
        assert_eq!(sum, json!({ "id": 7, "result": 3.5 }));
        let whole = ask(r#"{"id":"a","process_id":"add","arguments":{"x":1,"y":2}}"#);
        assert_eq!(whole.to_string(), r#"{"id":"a","result":3}"#);
        let ids = ask(r#"{"id":0,"op":"list_processes"}"#);
        assert!(ids["result"].as_array().unwrap().contains(&json!("reduce_dimension")));
    }

    #[test]
    fn whatever_is_wrong_is_in_the_answer() {
        let code = |line: &str| ask(line)["error"]["code"].as_str().unwrap().to_owned();
        assert_eq!(code("{"), "ProcessInvalid");
        assert_eq!(code("[]"), "ProcessInvalid");
        assert_eq!(code(r#"{"op":"sing"}"#), "NotFound");
        assert_eq!(code(r#"{"process_id":"sing"}"#), "ProcessUnsupported");
        assert_eq!(code(r#"{"process_id":"add","arguments":{"x":1}}"#), "ProcessParameterRequired");
        let unknown = r#"{"process_id":"add","arguments":{"x":1,"y":1,"z":1}}"#;
        assert_eq!(code(unknown), "ProcessParameterUnsupported");
        let broken = r#"{"process_id":"apply","arguments":{"data":{"@":"datacube"}}}"#;
        assert_eq!(code(broken), "ProcessParameterInvalid");
        let load = r#"{"process_id":"load_collection","arguments":{"id":"a","spatial_extent":null,"temporal_extent":null}}"#;
        assert_eq!(code(load), "CollectionNotFound");
    }

    #[test]
    fn every_way_gives_a_cube_the_same() {
        let line = r#"{"id":1,"process_id":"reduce_dimension","arguments":{"dimension":"t",
            "reducer":{"@":"process","process_graph":{"s":{"process_id":"sum","arguments":{"data":{"from_parameter":"data"}},"result":true}}},
            "data":{"@":"datacube","dims":["t","x"],"dimensions":{"t":{"type":"temporal","labels":["2020-01-01","2020-01-02"]},
            "x":{"type":"spatial","axis":"x","labels":[1.0,2.0,3.0]}},"shape":[2,3],"values":[1,2,255,4,5,255],"nodata":255}}}"#;
        let expected = json!({ "id": 1, "result": { "@": "datacube", "dims": ["x"],
            "dimensions": { "x": { "type": "spatial", "axis": "x", "labels": [1.0, 2.0, 3.0] } },
            "shape": [3], "values": [5, 7, null] } });
        for way in [Way::Reference, Way::Whole, Way::Chunks(1), Way::Chunks(2)] {
            let found: Json = serde_json::from_str(&answer(line, way)).unwrap();
            assert_eq!(found["result"]["values"], expected["result"]["values"], "{way:?}");
            assert_eq!(found["result"]["dimensions"], expected["result"]["dimensions"]);
        }
    }
}
