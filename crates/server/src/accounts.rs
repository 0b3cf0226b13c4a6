//! Accounts: what each user may have and has, may spend and has spent.
//!
//! Limits come from the user's own terms ([`crate::terms`]) or are those of the server ([`crate::allowance`]). What things cost
//! is in [`crate::prices`]. Nothing is refused here: who stores or runs something asks first.

use std::io;
use std::path::Path;
use std::sync::Arc;

use eolith_graph::{Code, Issue, NodePath};

use crate::auth::Known;
use crate::job::Usage;
use crate::places::Homes;
use crate::prices::{Micros, Prices, credits, micros};
use crate::serve::Config;
use crate::size;
use crate::store::{Store, StoreError};
use crate::terms::Terms;

/// The accounts of all users.
#[derive(Clone, Debug)]
pub(crate) struct Accounts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    known: Known,
    homes: Homes,
    /// Limits of everybody; `None` is no limit.
    storage: Option<u64>,
    requests: Option<u64>,
    jobs: Option<u64>,
    prices: Option<Prices>,
    /// Whether users have terms of their own: without authentication there is only one.
    has_terms: bool,
}

/// The storage of a user, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) quota: u64,
    pub(crate) used: u64,
}

impl Accounts {
    pub(crate) fn new(store: Store, known: Known, homes: Homes, config: &Config) -> Accounts {
        let limit = |most: u64| Some(most).filter(|most| *most > 0);
        Accounts(Arc::new(Shared {
            store,
            known,
            homes,
            storage: limit(config.allowance.storage),
            requests: limit(config.allowance.requests),
            jobs: u64::try_from(config.jobs.jobs_of_user).ok(),
            prices: config.prices.clone(),
            has_terms: !config.auth.is_none(),
        }))
    }

    /// How many synchronous requests of the user one server works on at a time.
    pub(crate) async fn requests(&self, user: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.terms(user).await?.requests.or(self.0.requests))
    }

    /// How many batch jobs of the user run at a time.
    pub(crate) async fn jobs(&self, user: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.terms(user).await?.jobs.or(self.0.jobs))
    }

    /// What the user has stored, if that is limited.
    pub(crate) async fn storage(&self, user: &str) -> Result<Option<Storage>, StoreError> {
        let Some(quota) = self.terms(user).await?.storage.or(self.0.storage) else {
            return Ok(None);
        };
        let used = used(&self.0.store, self.0.homes.of(user), user).await?;
        Ok(Some(Storage { quota, used }))
    }

    /// What things cost, if they do.
    pub(crate) fn prices(&self) -> Option<&Prices> {
        self.0.prices.as_ref()
    }

    /// What a run costs that has taken so much and gives so many bytes.
    pub(crate) fn costs(&self, usage: &Usage, results: u64) -> Micros {
        self.0.prices.as_ref().map_or(0, |prices| prices.of(usage, results))
    }

    /// What the user may still spend, if that is limited.
    pub(crate) async fn left(&self, user: &str) -> Result<Option<Micros>, StoreError> {
        let Some(prices) = &self.0.prices else { return Ok(None) };
        let Some(most) = self.terms(user).await?.credits.or(prices.each) else { return Ok(None) };
        Ok(Some(micros(most) - self.0.store.spent(user).await?))
    }

    /// Why the user cannot run anything, if there are no credits.
    pub(crate) async fn unpaid(&self, user: &str) -> Result<Option<Issue>, StoreError> {
        let left = self.left(user).await?;
        Ok(left.filter(|left| *left <= 0).map(|_| unpaid("your credits are spent".to_owned())))
    }

    /// Why the user cannot pay costs, if there are not enough credits.
    pub(crate) async fn short(
        &self,
        user: &str,
        costs: Micros,
    ) -> Result<Option<Issue>, StoreError> {
        if costs <= 0 {
            return Ok(None);
        }
        let left = self.left(user).await?.filter(|left| *left < costs);
        Ok(left.map(|left| {
            let (costs, left) = (credits(costs), credits(left.max(0)));
            unpaid(format!("the results cost {costs} more, and {left} are left of your credits"))
        }))
    }

    pub(crate) async fn charge(&self, user: &str, costs: Micros) -> Result<(), StoreError> {
        if costs > 0 { self.0.store.charge(user, costs).await } else { Ok(()) }
    }

    /// Limits of the user, some seconds old at most.
    async fn terms(&self, user: &str) -> Result<Terms, StoreError> {
        if !self.0.has_terms {
            return Ok(Terms::default());
        }
        let user = self.0.known.user(user).await?;
        let terms = user.map(|user| serde_json::from_value(user.record.clone()));
        Ok(terms.transpose()?.unwrap_or_default())
    }
}

impl Storage {
    pub(crate) fn free(self) -> u64 {
        self.quota.saturating_sub(self.used)
    }

    /// Why results of so many bytes cannot be kept, if they cannot.
    pub(crate) fn refuse(self, results: u64) -> Option<Issue> {
        let (quota, free) = (size::shown(self.quota), size::shown(self.free()));
        let message = if self.free() == 0 {
            format!("nothing is free of your storage of {quota}")
        } else if results > self.free() {
            let results = size::shown(results);
            format!("the results have {results}, and {free} are free of your storage of {quota}")
        } else {
            return None;
        };
        let issue = Issue::new(Code::STORAGE_QUOTA_EXCEEDED, NodePath::default(), message);
        Some(issue.hint("remove files or jobs that are not needed any more"))
    }
}

/// Why a run is stopped that costs more than its user allows.
pub(crate) fn over_budget(budget: Micros) -> Issue {
    unpaid(format!("its budget of {} is spent", credits(budget)))
}

fn unpaid(message: String) -> Issue {
    Issue::new(Code::PAYMENT_REQUIRED, NodePath::default(), message)
}

/// Bytes that a user has stored: everything in the user's folder, and results of jobs.
pub(crate) async fn used(
    store: &Store,
    home: impl AsRef<Path> + Send + 'static,
    user: &str,
) -> Result<u64, StoreError> {
    let results = store.result_bytes(user).await?;
    let files = tokio::task::spawn_blocking(move || bytes_below(home.as_ref()));
    let files = files.await.map_err(io::Error::other).flatten().map_err(StoreError::Folder)?;
    Ok(results + files)
}

/// Bytes of all files below a folder; links are not followed, and what goes meanwhile is not counted.
pub(crate) fn bytes_below(folder: &Path) -> io::Result<u64> {
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let (mut sum, mut open) = (0, vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if absent(&error) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Err(error) if absent(&error) => {}
                meta => {
                    let meta = meta?;
                    if meta.is_dir() { open.push(entry.path()) } else { sum += meta.len() }
                }
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_says_what_does_not_fit() {
        let storage = Storage { quota: 100, used: 40 };
        assert_eq!(storage.free(), 60);
        assert!(storage.refuse(60).is_none());
        let issue = storage.refuse(61).unwrap();
        assert_eq!(issue.code, Code::STORAGE_QUOTA_EXCEEDED);
        assert!(
            issue.message.contains("61 bytes") && issue.message.contains("60 bytes"),
            "{issue}"
        );
        let full = Storage { quota: 100, used: 140 };
        assert!(full.free() == 0 && full.refuse(0).is_some());
    }

    #[test]
    fn everything_below_a_folder_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(bytes_below(&dir.path().join("none")).unwrap(), 0);
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), "123").unwrap();
        std::fs::write(dir.path().join("d"), "45").unwrap();
        assert_eq!(bytes_below(dir.path()).unwrap(), 5);
        assert_eq!(bytes_below(&dir.path().join("a")).unwrap(), 3);
    }
}
