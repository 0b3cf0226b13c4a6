//! Users as the store has them, remembered for some seconds: every request asks for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::hex;
use crate::store::{Store, StoreError, StoredUser};

/// How long a removed user, or a former password, may still be taken for what it was.
const TRUSTED: Duration = Duration::from_secs(5);
/// Users that are remembered at a time.
const MOST: usize = 10_000;

/// When a user was looked for, and what was found.
type Found = (Instant, Option<Arc<StoredUser>>);

#[derive(Clone, Debug)]
pub(crate) struct Known {
    store: Store,
    users: Arc<Mutex<BTreeMap<String, Found>>>,
}

impl Known {
    pub(crate) fn new(store: Store) -> Known {
        Known { store, users: Arc::default() }
    }

    /// The user as it was some seconds ago at most.
    pub(crate) async fn user(&self, id: &str) -> Result<Option<Arc<StoredUser>>, StoreError> {
        let known = {
            let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.get(id).filter(|(at, _)| at.elapsed() < TRUSTED).map(|(_, user)| user.clone())
        };
        match known {
            Some(user) => Ok(user),
            None => self.fresh(id).await,
        }
    }

    /// The user as it is.
    pub(super) async fn fresh(&self, id: &str) -> Result<Option<Arc<StoredUser>>, StoreError> {
        let user = self.store.user(id).await?.map(Arc::new);
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(id.to_owned(), (Instant::now(), user.clone()));
        Ok(user)
    }
}

/// Names a password without telling anything of it.
pub(super) fn fingerprint(hash: &str) -> String {
    hex(&Sha256::digest(hash.as_bytes())[..8])
}
