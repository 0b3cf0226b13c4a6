//! Log entries as clients get them: levels, times, the path of the node.

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

/// The entry for something that happened, if anybody wants to read about it.
pub(crate) fn of_event(event: &Event) -> Option<(Level, Value)> {
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
            let more = json!({"code": code, "data": data, "path": steps(path)});
            Some(entry(*level, message, more))
        }
        Event::Task { .. } => None,
    }
}

/// The entry for a problem.
pub(crate) fn of_issue(issue: &Issue) -> Value {
    let more = json!({"code": issue.code.as_str(), "path": steps(&issue.path)});
    entry(Level::Error, &message(issue), more).1
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

/// The nodes on the way, outermost first; names of arguments between them are left out.
fn steps(path: &NodePath) -> Value {
    path.0.iter().step_by(2).map(|node| json!({"node_id": node})).collect()
}

#[cfg(test)]
mod tests {
    use eolith_graph::Code;

    use super::*;

    #[test]
    fn problems_name_their_node() {
        let path = NodePath::node("a").join("process").join("b");
        let issue = Issue::new(Code::INTERNAL, path, "broken").argument("x");
        let entry = of_issue(&issue);
        assert_eq!(entry["path"], json!([{"node_id": "a"}, {"node_id": "b"}]));
        assert_eq!((&entry["level"], &entry["code"]), (&json!("error"), &json!("Internal")));
        assert!(entry["message"].as_str().unwrap().contains("argument `x`"));
    }

    #[test]
    fn paths_of_the_server_are_not_told() {
        let (_, entry) = of_event(&Event::Writing { path: "/srv/x/a.tif".to_owned() }).unwrap();
        assert_eq!(entry["message"], "writing `a.tif`");
        assert!(entry.get("path").is_none());
        assert_eq!(level("WARNING"), Some(Level::Warning));
        assert_eq!(level("loud"), None);
    }
}
