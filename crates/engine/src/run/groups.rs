//! Spans of tasks for traces: consecutive tasks share one where there are many, so that the trace of a large run can be read.
//!
//! A span lives from the start of its first task to the end of its last one. Nothing is kept where nobody collects spans.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use eolith_graph::NodePath;
use tracing::{Level, Span, info_span, span_enabled};

/// Most spans of one stage or result.
const MOST: usize = 100;

/// The spans of the tasks of a stage or result.
#[derive(Debug)]
pub(super) struct Groups {
    /// `None` where nobody collects spans.
    open: Option<Mutex<BTreeMap<usize, Group>>>,
    node: String,
    tasks: usize,
    /// Tasks of one span.
    size: usize,
}

#[derive(Debug)]
struct Group {
    span: Span,
    /// Tasks that have not ended.
    left: usize,
}

impl Groups {
    pub(super) fn new(path: &NodePath, tasks: usize) -> Groups {
        let collected = span_enabled!(Level::INFO, "tasks");
        Groups {
            open: collected.then(Mutex::default),
            node: if collected { path.0.join("/") } else { String::new() },
            tasks,
            size: tasks.div_ceil(MOST).max(1),
        }
    }

    /// The span of a task that starts; `is_done` says which tasks need not run.
    pub(super) fn start(&self, index: usize, is_done: impl Fn(usize) -> bool) -> Span {
        let Some(open) = &self.open else { return Span::none() };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let group = open.entry(index / self.size).or_insert_with(|| {
            let first = index / self.size * self.size;
            let end = (first + self.size).min(self.tasks);
            let left = (first..end).filter(|task| !is_done(*task)).count();
            let (node, of) = (self.node.as_str(), self.tasks);
            Group { span: info_span!("tasks", node, first, count = left, of), left }
        });
        group.span.clone()
    }

    pub(super) fn end(&self, index: usize) {
        let Some(open) = &self.open else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let number = index / self.size;
        if let Some(group) = open.get_mut(&number) {
            group.left = group.left.saturating_sub(1);
            if group.left == 0 {
                open.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_where_nobody_collects() {
        let groups = Groups::new(&NodePath::node("a"), 1000);
        assert!(groups.start(5, |_| false).is_disabled());
        groups.end(5);
        assert!(groups.open.is_none());
    }

    #[test]
    fn many_tasks_share_spans_that_end_with_the_last() {
        let groups = Groups {
            open: Some(Mutex::default()),
            node: "a".to_owned(),
            tasks: 250,
            size: 250_usize.div_ceil(MOST),
        };
        let open = || groups.open.as_ref().unwrap().lock().unwrap().len();
        // Three tasks a span; the second is done already.
        for index in [0, 2, 3] {
            let _ = groups.start(index, |task| task == 1);
        }
        assert_eq!((groups.size, open()), (3, 2));
        groups.end(0);
        assert_eq!(open(), 2);
        groups.end(2);
        assert_eq!(open(), 1);
    }
}
