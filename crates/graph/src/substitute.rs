//! Filling in the parameters of a process, so that it can run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::definition::Definitions;
use crate::graph::{Arg, Graph};
use crate::issue::{Code, Issue, NodePath, short};
use crate::matching::Matcher;
use crate::nearest::Nearest;
use crate::process::Process;
use crate::signature::Place;
use crate::validate::{called, takes_null};

/// How many values a graph may gain: one long list named ten thousand times is refused.
pub(crate) const MOST_VALUES: usize = 4_000_000;

/// Replaces every `from_parameter` that names a parameter of the process by the value given for it
/// or by its default, also in callbacks, except where a parameter of the callback has the same name.
///
/// The definitions tell which parameters callbacks have; below unknown processes, where that is not
/// known, nothing is replaced. Values are taken literally; a process graph as the value of a
/// parameter is refused. Parameters that stay without a value remain in [`Process::parameters`],
/// each with an issue.
pub fn substitute(
    mut process: Process,
    values: &BTreeMap<String, Value>,
    definitions: &dyn Definitions,
) -> (Process, Vec<Issue>) {
    let mut issues = Vec::new();
    let mut filling = Filling {
        definitions,
        values: BTreeMap::new(),
        shadows: Vec::new(),
        values_left: MOST_VALUES,
    };
    let report =
        |code, name: &str, message| Issue::new(code, NodePath::default(), message).argument(name);
    let mut nearest = Nearest::new();
    for name in values.keys() {
        if !process.parameters.iter().any(|parameter| parameter.name == *name) {
            let message = format!("the process has no parameter `{}`", short(name));
            let mut issue = report(Code::PROCESS_PARAMETER_UNSUPPORTED, name, message);
            let known = process.parameters.iter().map(|parameter| parameter.name.as_ref());
            issue.hint = nearest.hint(name, known);
            issues.push(issue);
        }
    }
    let mut matcher = Matcher::new();
    process.parameters.retain(|parameter| {
        let name = parameter.name.as_ref();
        let arg = match values.get(name) {
            Some(value) => Arg::from_json(value),
            None if parameter.optional => {
                parameter.default.as_ref().map_or(Arg::Null, Arg::from_json)
            }
            None => {
                let message = format!("the parameter `{name}` needs a value");
                issues.push(report(Code::PROCESS_PARAMETER_REQUIRED, name, message));
                return true;
            }
        };
        let absent = arg == Arg::Null && takes_null(parameter);
        let mismatch = matcher.mismatch(&arg, &parameter.schema).filter(|_| !absent);
        if let Some(mismatch) = mismatch {
            let place = format!("{name}{}", mismatch.place);
            issues.push(report(Code::PROCESS_PARAMETER_INVALID, &place, mismatch.message));
            return true;
        }
        filling.values.insert(name.to_owned(), (size(&arg), arg));
        false
    });
    if !filling.graph(&mut process.graph) {
        let message =
            format!("filling in the parameters gives more than {MOST_VALUES} values in total");
        issues.push(Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, NodePath::default(), message));
    }
    (process, issues)
}

/// Replaces the parameters that have a value, which may hold callbacks. Whether there was room for all of them.
pub(crate) fn fill(
    graph: &mut Graph,
    values: BTreeMap<String, Arg>,
    definitions: &dyn Definitions,
    values_left: &mut usize,
) -> bool {
    let values = values.into_iter().map(|(name, arg)| (name, (size(&arg), arg))).collect();
    let mut filling =
        Filling { definitions, values, shadows: Vec::new(), values_left: *values_left };
    let complete = filling.graph(graph);
    *values_left = filling.values_left;
    complete
}

struct Filling<'a> {
    definitions: &'a dyn Definitions,
    /// Each value with its size.
    values: BTreeMap<String, (usize, Arg)>,
    /// The parameters of the enclosing callbacks; `None` where they are not known.
    shadows: Vec<Option<Vec<&'a str>>>,
    values_left: usize,
}

impl<'a> Filling<'a> {
    /// Whether everything could be filled in.
    fn graph(&mut self, graph: &mut Graph) -> bool {
        graph.nodes.iter_mut().all(|node| {
            let definition = called(node, self.definitions);
            node.arguments.iter_mut().all(|(name, arg)| {
                let parameter = definition.and_then(|definition| definition.parameter(name));
                let place = parameter.map(|parameter| Place::of(&parameter.schema));
                self.arg(arg, &place.unwrap_or_default())
            })
        })
    }

    fn arg(&mut self, arg: &mut Arg, place: &Place<'a>) -> bool {
        match arg {
            Arg::Parameter(name) => {
                let shadowed = self
                    .shadows
                    .iter()
                    .any(|names| names.as_ref().is_none_or(|names| names.contains(&name.as_str())));
                let Some((size, value)) = self.values.get(name).filter(|_| !shadowed) else {
                    return true;
                };
                let Some(left) = self.values_left.checked_sub(*size) else { return false };
                self.values_left = left;
                *arg = value.clone();
                true
            }
            Arg::Array(items) => {
                let inner = place.items();
                items.iter_mut().all(|item| self.arg(item, &inner))
            }
            Arg::Object(entries) => {
                entries.iter_mut().all(|(key, arg)| self.arg(arg, &place.property(key)))
            }
            Arg::Callback(graph) => {
                self.shadows.push(place.callback_parameters());
                let complete = self.graph(Arc::make_mut(graph));
                self.shadows.pop();
                complete
            }
            Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) | Arg::Text(_) => true,
            Arg::Node(_) => true,
        }
    }
}

/// The number of values in a literal; long texts count by their length.
fn size(arg: &Arg) -> usize {
    match arg {
        Arg::Text(text) => 1 + text.len() / 32,
        Arg::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Arg::Object(entries) => 1 + entries.iter().map(|(_, arg)| 1 + size(arg)).sum::<usize>(),
        _ => 1,
    }
}
