//! Log entries as clients get them: levels, times, the path of the node.

use std::time::Duration;

use eolith_engine::accounts::{Spent, Work};
use eolith_engine::events::{Entry, Event, Level};
use eolith_graph::{Issue, NodePath};
use serde_json::{Map, Value, json};

use crate::error::message;
use crate::job::{instant, now};

/// How severe an entry is: 0 (debug) to 3 (error).
pub(crate) fn severity(level: Level) -> i64 {
    match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warning => 2,
        Level::Error => 3,
    }
}

/// The level of that name, however it is written.
pub(crate) fn level(name: &str) -> Option<Level> {
    let levels = [Level::Debug, Level::Info, Level::Warning, Level::Error];
    levels.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
}

/// The entry for something that happened, if anybody wants to read about it; `process` is the one that runs.
pub(crate) fn of_event(event: &Event, process: &Value) -> Option<(Level, Value)> {
    match event {
        Event::Planned { tasks } => {
            let tasks = *tasks;
            Some(entry(
                Level::Info,
                &format!("the plan has {tasks} tasks"),
                json!({"data": {"tasks": tasks}}),
            ))
        }
        Event::Writing { path } => {
            // Where it is on the disk of the server is nobody's business.
            let name = path.rsplit('/').next().unwrap_or(path);
            Some(entry(Level::Info, &format!("writing `{name}`"), json!({})))
        }
        Event::Note(note) => Some(entry(Level::Info, note, json!({}))),
        Event::Log(Entry { level, code, message, data, path }) => {
            let code = if code.is_empty() { "User" } else { code };
            let more = json!({"code": code, "data": data, "path": steps(path, process)});
            Some(entry(*level, message, more))
        }
        Event::Spent(spent) => Some(of_spent(spent, process)),
        Event::Task { .. } | Event::Reads(_) | Event::Completed(_) => None,
    }
}

/// The entry for a problem.
pub(crate) fn of_issue(issue: &Issue, process: &Value) -> Value {
    let path = steps(&issue.path, process);
    let mut more = json!({"code": issue.code.as_str(), "path": path});
    if let Some(details) = &issue.details {
        more["data"] = Value::Object(details.as_ref().clone());
    }
    entry(Level::Error, &message(issue), more).1
}

/// The entry for what a part of a run took. Nodes of one part are computed together, so that all are named.
fn of_spent(spent: &Spent, process: &Value) -> (Level, Value) {
    let Spent { work, path, nodes, count, bytes, cpu, time } = spent;
    let nodes: Vec<String> = nodes.iter().map(|node| node.0.join("/")).collect();
    let (cpu, time) = (seconds(*cpu), seconds(*time));
    let read = format!("{:.1} MB", *bytes as f64 / 1e6);
    let (text, work) = match work {
        Work::Read => {
            let text =
                format!("{read} read in {count} parts and decoded in {cpu} s of processor time");
            (text, "read")
        }
        Work::Compute => {
            let text =
                format!("{count} tasks in {time} s, {cpu} s of processor time without reading");
            (text, "compute")
        }
        Work::Write => (format!("written in {time} s, {cpu} s of processor time"), "write"),
    };
    let text = match nodes.as_slice() {
        [] | [_] => text,
        several => format!("{text}; nodes `{}` together", several.join("`, `")),
    };
    let mut usage = json!({
        "cpu": {"value": cpu, "unit": "cpu-seconds"},
        "duration": {"value": time, "unit": "seconds"},
    });
    if *bytes > 0 {
        usage["input_bytes"] = json!({"value": bytes, "unit": "bytes"});
    }
    let data = json!({"work": work, "nodes": nodes, "count": count});
    let more = json!({"data": data, "usage": usage, "path": steps(path, process)});
    entry(Level::Info, &text, more)
}

/// To a thousandth.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// An entry with a level, a message, the time and more fields; those that are null or empty are left out.
pub(crate) fn entry(level: Level, message: &str, more: Value) -> (Level, Value) {
    let mut fields = Map::new();
    fields.insert("level".to_owned(), level.name().into());
    fields.insert("message".to_owned(), message.into());
    fields.insert("time".to_owned(), instant(now()).into());
    if let Value::Object(more) = more {
        fields
            .extend(more.into_iter().filter(|(_, value)| !value.is_null() && *value != json!([])));
    }
    (level, Value::Object(fields))
}

/// The nodes on the way, outermost first, with their processes as far as the process that runs says them; names of
/// arguments between them are left out.
fn steps(path: &NodePath, process: &Value) -> Value {
    let mut graph = process.get("process_graph");
    let mut found = Vec::new();
    let mut steps = path.0.iter();
    while let Some(id) = steps.next() {
        let node = graph.and_then(|graph| graph.get(id));
        let mut step = json!({"node_id": id});
        if let Some(name) = node.and_then(|node| node["process_id"].as_str()) {
            step["process_id"] = name.into();
        }
        found.push(step);
        // The argument with a callback; what a stored process has inside is not known here.
        let argument = steps.next();
        graph = argument.and_then(|name| node?["arguments"].get(name)?.get("process_graph"));
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use eolith_graph::Code;

    use super::*;

    #[test]
    fn problems_name_their_node() {
        let path = NodePath::node("a").join("process").join("b");
        let issue = Issue::new(Code::INTERNAL, path, "broken").argument("x");
        let issue = issue.details(json!({"task": {"number": 2}}));
        let inner = json!({"process_graph": {"b": {"process_id": "add"}}});
        let outer = json!({"process_id": "apply", "arguments": {"process": inner}});
        let entry = of_issue(&issue, &json!({"process_graph": {"a": outer}}));
        let path =
            json!([{"node_id": "a", "process_id": "apply"}, {"node_id": "b", "process_id": "add"}]);
        assert_eq!((&entry["path"], &entry["data"]["task"]["number"]), (&path, &json!(2)));
        assert_eq!((&entry["level"], &entry["code"]), (&json!("error"), &json!("Internal")));
        assert!(entry["message"].as_str().unwrap().contains("argument `x`"));
    }

    #[test]
    fn what_was_done_together_is_told_together() {
        let nodes = ["ndvi", "max"].map(NodePath::node).to_vec();
        let (path, cpu, time) =
            (NodePath::node("max"), Duration::from_millis(1500), Duration::from_secs(1));
        let spent = Spent { work: Work::Compute, path, nodes, count: 4, bytes: 0, cpu, time };
        let (_, entry) = of_event(&Event::Spent(spent), &Value::Null).unwrap();
        assert_eq!(entry["data"]["nodes"], json!(["ndvi", "max"]));
        assert_eq!(entry["usage"]["cpu"]["value"], 1.5);
        assert!(entry["usage"].get("input_bytes").is_none());
        assert!(entry["message"].as_str().unwrap().contains("`ndvi`, `max` together"));
    }

    #[test]
    fn paths_of_the_server_are_not_told() {
        let writing = Event::Writing { path: "/srv/x/a.tif".to_owned() };
        let (_, entry) = of_event(&writing, &Value::Null).unwrap();
        assert_eq!(entry["message"], "writing `a.tif`");
        assert!(entry.get("path").is_none());
        assert_eq!(level("WARNING"), Some(Level::Warning));
        assert_eq!(level("loud"), None);
    }
}
