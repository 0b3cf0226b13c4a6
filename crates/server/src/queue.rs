//! The queue: takes jobs from the store, runs them, and tells the store how they go.
//!
//! Each server has one loop that looks for jobs when it is told to and every second, and works on a few at a time. All
//! it knows is in the store: a server that is killed loses nothing but the tasks that were under way, which the next
//! one computes again. While a run goes on its lease is renewed every second; a lease that cannot be renewed is lost,
//! and the run is stopped before it can tell anybody anything.
//!
//! What a run is, and what becomes of its results, is in [`run`]; when a job may do what, in [`crate::job`].

mod run;
mod sweep;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eolith_engine::events::Cancel;
use eolith_engine::session::Session;
pub(crate) use run::shown;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::accounts::Accounts;
use crate::job::{self, Change, Job, Status};
use crate::places::Homes;
use crate::results::Results;
use crate::retention::Retention;
use crate::store::{Changed, Store, StoreError};

/// How long a server may be silent before its jobs go to another one.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often leases are renewed, and how often the store is asked for jobs.
const BEAT: Duration = Duration::from_secs(1);
/// How often is looked for files that nobody needs.
const SWEEP: Duration = Duration::from_mins(1);
/// The same in an object store, where looking is paid for.
const SWEEP_BUCKET: Duration = Duration::from_hours(6);
/// Jobs that are looked at when one is to be taken up: the first ones may be somebody's who has enough running.
const LOOK: i64 = 100;

/// How jobs are run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Jobs that this server works on at a time; 0 leaves them to other servers.
    pub jobs: usize,
    /// Jobs of one user that run at a time, on all servers.
    pub jobs_of_user: i64,
    /// How long a server may be silent before its jobs go to another one.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { jobs: 2, jobs_of_user: 2, lease: LEASE }
    }
}

/// The jobs of one server.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    results: Results,
    session: Arc<Session>,
    limits: Limits,
    /// Of this server, among all that use the store.
    name: String,
    homes: Homes,
    accounts: Accounts,
    retention: Retention,
    wake: Notify,
    ending: Cancel,
    /// Runs of this server, by job.
    running: Mutex<BTreeMap<String, Cancel>>,
}

impl Queue {
    /// The queue of a server; nothing runs before [`Queue::work`].
    pub(crate) fn new(
        store: Store,
        results: Results,
        session: Arc<Session>,
        limits: Limits,
        homes: Homes,
        accounts: Accounts,
        retention: Retention,
    ) -> Queue {
        let name = format!("{}-{}", std::process::id(), &crate::auth::random_id()[..8]);
        let (wake, ending) = (Notify::new(), Cancel::default());
        let running = Mutex::default();
        let shared = Shared {
            store,
            results,
            session,
            limits,
            name,
            homes,
            accounts,
            retention,
            wake,
            ending,
            running,
        };
        Queue(Arc::new(shared))
    }

    /// Says that there may be something to do.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Stops the run of a job at once if it is one of this server; others notice within a second.
    pub(crate) fn cancel(&self, job: &str) {
        if let Some(cancel) = self.running().get(job) {
            cancel.cancel();
        }
    }

    /// Runs jobs until [`Queue::stop`]; then gives back those that are not finished.
    pub(crate) async fn work(self) {
        let mut runs = JoinSet::new();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pause = self.0.retention.shortest().map_or(SWEEP, |time| time.min(SWEEP));
        let mut swept: Option<tokio::time::Instant> = None;
        let mut swept_bucket: Option<tokio::time::Instant> = None;
        while !self.0.ending.is_cancelled() {
            tokio::select! {
                () = self.0.wake.notified() => {}
                _ = beat.tick() => {}
                Some(ended) = runs.join_next() => {
                    if let Err(error) = ended {
                        error!(%error, "a job ended the hard way");
                    }
                }
            }
            while runs.len() < self.0.limits.jobs && !self.0.ending.is_cancelled() {
                match self.next().await {
                    Ok(Some(job)) => {
                        let queue = self.clone();
                        runs.spawn(async move { Box::pin(queue.run(job)).await });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        warn!(%error, "the queue cannot be read");
                        break;
                    }
                }
            }
            if swept.is_none_or(|at| at.elapsed() > pause) {
                swept = Some(tokio::time::Instant::now());
                if let Err(error) = self.sweep().await {
                    warn!(%error, "files that nobody needs could not be removed");
                }
            }
            if swept_bucket.is_none_or(|at| at.elapsed() > SWEEP_BUCKET) {
                swept_bucket = Some(tokio::time::Instant::now());
                // Jobs need not wait for it.
                let queue = self.clone();
                tokio::spawn(async move { queue.sweep_bucket().await });
            }
        }
        for cancel in self.running().values() {
            cancel.cancel();
        }
        while runs.join_next().await.is_some() {}
    }

    /// No new jobs; what runs is given back, to be taken up later.
    pub(crate) fn stop(&self) {
        self.0.ending.cancel();
        self.wake();
    }

    /// Gets a job, if there is one for this server.
    async fn next(&self) -> Result<Option<Job>, StoreError> {
        let Shared { store, limits, .. } = &*self.0;
        for (id, user) in store.waiting_jobs(job::now(), LOOK).await? {
            let running = store.running_jobs(&user).await? as u64;
            let most = self.0.accounts.jobs(&user).await?;
            if most.is_some_and(|most| running >= most)
                && store.job(&id).await?.is_some_and(|job| job.status == Status::Queued)
            {
                continue;
            }
            let lease = Change::Lease { owner: self.0.name.clone(), time: limits.lease };
            // Somebody else may have been faster.
            if let Changed::Done(job) = store.change_job(&id, lease, job::now()).await? {
                if job.status == Status::Running {
                    return Ok(Some(*job));
                }
                warn!(job = id, "given up");
            }
        }
        Ok(None)
    }

    async fn run(&self, job: Job) {
        let (id, attempt) = (job.id.clone(), job.attempt);
        info!(job = id, attempt, "a job runs");
        let cancel = Cancel::default();
        self.running().insert(id.clone(), cancel.clone());
        if self.0.ending.is_cancelled() {
            cancel.cancel();
        }
        if let Err(error) = Box::pin(self.attempt(job, &cancel)).await {
            // The lease runs out, and the job is taken up again.
            warn!(job = id, attempt, %error, "a job could not be brought to its end");
        }
        self.running().remove(&id);
        if let Err(error) = self.tidy(&id, None).await {
            warn!(job = id, %error, "files that nobody needs could not be removed yet");
        }
        self.wake();
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Cancel>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
