//! What a synchronous run costs, and when it has to end for that. It counts from the moment the plan is made: what is wrong
//! with a process is told for nothing.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use eolith_engine::events::Event;
use eolith_graph::Issue;
use serde_json::Value;
use tracing::warn;

use crate::accounts::{Accounts, over_budget};
use crate::job::Usage;
use crate::prices::{Micros, budget};
use crate::progress::Progress;
use crate::store::StoreError;

/// How often is looked whether it costs too much.
const BEAT: Duration = Duration::from_secs(1);

/// Counts for one run.
#[derive(Debug)]
pub(crate) struct Meter {
    accounts: Accounts,
    user: String,
    budget: Option<Micros>,
    progress: Progress,
    started: OnceLock<Instant>,
}

impl Meter {
    /// For a run of a user that may cost as much as the request says.
    pub(crate) fn new(accounts: Accounts, user: String, request: &Value) -> Meter {
        let budget = budget(request.get("budget"));
        let (progress, started) = (Progress::default(), OnceLock::new());
        Meter { accounts, user, budget, progress, started }
    }

    /// Takes an event of the run; called from any thread.
    pub(crate) fn see(&self, event: &Event) {
        self.progress.see(event);
        if self.progress.is_planned() {
            self.started.get_or_init(Instant::now);
        }
    }

    /// Waits until the run costs more than it may; says why it may not go on.
    pub(crate) async fn exceeded(&self) -> Issue {
        loop {
            tokio::time::sleep(BEAT).await;
            let costs = self.costs(0);
            if let Some(budget) = self.budget.filter(|budget| costs > *budget) {
                return over_budget(budget);
            }
            match self.accounts.short(&self.user, costs).await {
                Ok(None) => {}
                Ok(Some(issue)) => return issue,
                Err(error) => warn!(%error, "the account of a user is not known"),
            }
        }
    }

    /// Charges for the run, which has ended with results of so many bytes or with none; gives the costs, or why the results
    /// are not given.
    pub(crate) async fn settle(
        &self,
        results: Option<u64>,
    ) -> Result<Result<Micros, Issue>, StoreError> {
        let costs = self.costs(results.unwrap_or(0));
        let mut over = self.budget.filter(|budget| costs > *budget).map(over_budget);
        if over.is_none() && results.is_some() {
            over = self.accounts.short(&self.user, costs).await?;
        }
        let costs = if over.is_some() { self.costs(0) } else { costs };
        let costs = self.budget.map_or(costs, |budget| costs.min(budget));
        self.accounts.charge(&self.user, costs).await?;
        Ok(over.map_or(Ok(costs), Err))
    }

    fn costs(&self, results: u64) -> Micros {
        let Some(started) = self.started.get() else { return 0 };
        let duration = started.elapsed().as_millis() as i64;
        let usage = Usage { duration, bytes_read: self.progress.bytes(), ..Usage::default() };
        self.accounts.costs(&usage, results)
    }
}
