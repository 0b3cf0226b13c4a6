//! What one user may have and take at a time, where the operator limits it.
//!
//! The limits of a server hold for all its users, but where a user has other terms ([`crate::terms`]). How often somebody
//! may ask is in [`crate::rates`], how jobs are run in [`crate::queue`].

use std::time::Duration;

use eolith_engine::session::{Session, Share};
use serde::Deserialize;

use crate::size;

/// Where a process can go that takes too much for a request.
const HINT: &str = "run it as a batch job, which has no such limit, or ask for a smaller extent, fewer bands or coarser pixels";

/// Limits of each user. 0 is no limit.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    /// Bytes of files and results of jobs.
    #[serde(deserialize_with = "size::deserialize")]
    pub storage: u64,
    /// Synchronous requests of a user that one server works on at a time.
    pub requests: u64,
    /// Bytes of pixels that a synchronous request reads, decoded.
    #[serde(deserialize_with = "size::deserialize")]
    pub read: u64,
    /// Bytes of pixels that it gives, before they are encoded.
    #[serde(deserialize_with = "size::deserialize")]
    pub result: u64,
    /// Bytes of memory that one of its tasks holds. Jobs and requests share the memory of the server; this keeps a request
    /// from waiting for most of it. A third of the memory of the server if `None`.
    #[serde(deserialize_with = "some_size")]
    pub memory: Option<u64>,
    /// Seconds until a synchronous request is stopped.
    pub seconds: u64,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance {
            storage: 50 << 30,
            requests: 4,
            read: 16 << 30,
            result: 2 << 30,
            memory: None,
            seconds: 300,
        }
    }
}

impl Allowance {
    /// No limits.
    pub fn none() -> Allowance {
        Allowance { storage: 0, requests: 0, read: 0, result: 0, memory: Some(0), seconds: 0 }
    }

    /// Most that a synchronous request may take.
    pub(crate) fn share(&self, session: &Session) -> Share {
        let limit = |bytes: u64| Some(bytes).filter(|bytes| *bytes > 0);
        Share {
            bytes_read: limit(self.read),
            result_bytes: limit(self.result),
            task_bytes: limit(self.memory.unwrap_or(session.settings().memory / 3)),
            hint: HINT,
        }
    }

    /// How long a synchronous request may take.
    pub(crate) fn time(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.seconds)).filter(|time| !time.is_zero())
    }
}

fn some_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size::deserialize(deserializer).map(Some)
}
