//! Results of a run that goes on: files are shown as soon as each result is complete.
//!
//! They are looked at beside the run, since checksums of large files take their time, and told with the next renewal of
//! the lease, so that only who holds it tells anything.

use std::io;
use std::sync::Arc;

use eolith_engine::events::Completed;
use tokio::task::JoinHandle;
use tracing::warn;

use super::results::{self, Known};
use super::watch::Watch;
use crate::folders::Attempt;
use crate::inputs;
use crate::job::{self, Outcome};

/// What is complete so far.
#[derive(Debug)]
pub(super) struct Partial {
    attempt: Attempt,
    known: Known,
    outcome: Outcome,
    looking: Option<JoinHandle<io::Result<Outcome>>>,
}

impl Partial {
    pub(super) fn new(number: i64, attempt: Attempt, known: Known) -> Partial {
        let outcome = Outcome { attempt: number, ..Outcome::default() };
        Partial { attempt, known, outcome, looking: None }
    }

    /// The results so far if there are more than before. Does not wait.
    pub(super) async fn more(&mut self, watch: &Watch) -> Option<Outcome> {
        let mut more = None;
        if let Some(looking) = self.looking.take_if(|looking| looking.is_finished()) {
            match looking.await.map_err(io::Error::other).flatten() {
                Ok(outcome) => {
                    self.outcome = outcome.clone();
                    more = Some(outcome);
                }
                // The end of the run looks at them again.
                Err(error) => warn!(%error, "results that are complete cannot be read"),
            }
        }
        if self.looking.is_none() {
            let saved = watch.saved();
            if !saved.is_empty() {
                self.look(watch, saved);
            }
        }
        more
    }

    fn look(&mut self, watch: &Watch, saved: Vec<Arc<Completed>>) {
        let (attempt, known) = (self.attempt.clone(), self.known.clone());
        let (mut outcome, read) = (self.outcome.clone(), watch.read());
        self.looking = Some(tokio::task::spawn_blocking(move || {
            if outcome.files.is_empty() {
                inputs::write(&attempt.inputs, &read)?;
            }
            outcome.inputs = inputs::kept(&read);
            outcome.finished = job::now();
            for saved in saved {
                let resource = saved.resource.as_slice();
                results::add(&mut outcome, &attempt.files, &saved.outputs, resource, &known)?;
            }
            Ok(outcome)
        }));
    }
}
