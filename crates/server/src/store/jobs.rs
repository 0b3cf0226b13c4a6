//! Jobs: a record each, with columns for what is searched.

use serde_json::Value;

use super::{Store, StoreError, accounts};
use crate::job::{Change, Job, Millis, Refusal, Status, transition};

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 100;

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Changed {
    Done(Box<Job>),
    Refused(Refusal, Box<Job>),
    /// There is no such job (any more).
    Gone,
}

impl Store {
    pub(crate) async fn add_job(&self, job: &Job) -> Result<(), StoreError> {
        let sql = "INSERT INTO jobs (id, user_id, created, status, queued, lease_until, bytes, ended, version, record) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)";
        let query = sqlx::query(sql).bind(&job.id).bind(&job.user).bind(job.created);
        let query = query.bind(job.status.name()).bind(queued(job)).bind(lease_until(job));
        let query = query.bind(job.bytes() as i64).bind(job.ended.unwrap_or(0));
        query.bind(serde_json::to_string(job)?).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.versioned(id).await?.map(|(_, job)| job))
    }

    /// The jobs of a user, oldest first: at most `limit`, after the one with that time and id.
    pub(crate) async fn jobs(
        &self,
        user: &str,
        after: (Millis, &str),
        limit: i64,
    ) -> Result<Vec<Job>, StoreError> {
        let sql = "SELECT record FROM jobs WHERE user_id = $1 AND (created > $2 OR (created = $3 AND id > $4)) \
            ORDER BY created, id LIMIT $5";
        let query = sqlx::query_scalar::<_, String>(sql).bind(user).bind(after.0).bind(after.0);
        let records = query.bind(after.1).bind(limit).fetch_all(&self.pool).await?;
        Ok(records.iter().map(|record| serde_json::from_str(record)).collect::<Result<_, _>>()?)
    }

    /// Jobs that a server may take up at this time, in the order in which they were started: id and user.
    pub(crate) async fn waiting_jobs(
        &self,
        now: Millis,
        limit: i64,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT id, user_id FROM jobs WHERE status = 'queued' OR (status = 'running' AND lease_until < $1) \
            ORDER BY queued, id LIMIT $2";
        let query = sqlx::query_as::<_, (String, String)>(sql).bind(now).bind(limit);
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// How many jobs are queued and start before this one.
    pub(crate) async fn queued_before(&self, job: &Job) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE status = 'queued' AND (queued < $1 OR (queued = $2 AND id < $3))";
        let query = sqlx::query_scalar(sql).bind(queued(job)).bind(queued(job)).bind(&job.id);
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// How many jobs have a status.
    pub(crate) async fn count_jobs(&self, status: Status) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE status = $1";
        Ok(sqlx::query_scalar(sql).bind(status.name()).fetch_one(&self.pool).await?)
    }

    /// Jobs of a user that are running.
    pub(crate) async fn running_jobs(&self, user: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE user_id = $1 AND status = 'running'";
        Ok(sqlx::query_scalar(sql).bind(user).fetch_one(&self.pool).await?)
    }

    /// Bytes of the results of all jobs of a user.
    pub(crate) async fn result_bytes(&self, user: &str) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM jobs WHERE user_id = $1 AND bytes > 0";
        let sum: i64 = sqlx::query_scalar(sql).bind(user).fetch_one(&self.pool).await?;
        Ok(sum as u64)
    }

    /// Jobs that have results and ended until this instant, the oldest first.
    pub(crate) async fn jobs_ended(
        &self,
        before: Millis,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM jobs WHERE ended > 0 AND ended <= $1 AND bytes > 0 ORDER BY ended, id LIMIT $2";
        Ok(sqlx::query_scalar(sql).bind(before).bind(limit).fetch_all(&self.pool).await?)
    }

    /// Fills in the columns that jobs of a former version do not have yet.
    pub(super) async fn complete_jobs(&self) -> Result<(), StoreError> {
        let select = "SELECT id, version, record FROM jobs WHERE bytes < 0 ORDER BY id LIMIT 100";
        let update = "UPDATE jobs SET bytes = $1, ended = $2 WHERE id = $3 AND version = $4";
        loop {
            let rows: Vec<(String, i64, String)> =
                sqlx::query_as(select).fetch_all(&self.pool).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for (id, version, record) in rows {
                // What cannot be read is told when somebody asks for it.
                let job = serde_json::from_str::<Job>(&record).ok();
                let bytes = job.as_ref().map_or(0, Job::bytes);
                let over = job.filter(|job| job.run > 0 && !job.is_active());
                let ended = over.map_or(0, |job| job.ended.unwrap_or(job.updated));
                let query = sqlx::query(update).bind(bytes as i64).bind(ended);
                query.bind(id).bind(version).execute(&self.pool).await?;
            }
        }
    }

    /// Changes a job by [`transition`]: nobody else has changed it between reading and writing.
    pub(crate) async fn change_job(
        &self,
        id: &str,
        change: Change,
        now: Millis,
    ) -> Result<Changed, StoreError> {
        let sql = "UPDATE jobs SET status = $1, queued = $2, lease_until = $3, bytes = $4, ended = $5, \
            version = $6, record = $7 WHERE id = $8 AND version = $9";
        for _ in 0..TRIES {
            let Some((version, job)) = self.versioned(id).await? else { return Ok(Changed::Gone) };
            let next = match transition(&job, change.clone(), now) {
                Ok(next) => next,
                Err(refusal) => return Ok(Changed::Refused(refusal, Box::new(job))),
            };
            let query = sqlx::query(sql).bind(next.status.name()).bind(queued(&next));
            let query = query.bind(lease_until(&next)).bind(next.bytes() as i64);
            let query = query.bind(next.ended.unwrap_or(0)).bind(version + 1);
            let query = query.bind(serde_json::to_string(&next)?).bind(id).bind(version);
            let charge = next.charge(&job);
            let changed = if charge == 0 {
                query.execute(&self.pool).await?.rows_affected() == 1
            } else {
                // Both or neither, and once: who comes second finds another version.
                let mut both = self.pool.begin().await?;
                let changed = query.execute(&mut *both).await?.rows_affected() == 1;
                if changed {
                    accounts::add(&mut both, &next.user, charge).await?;
                    both.commit().await?;
                } else {
                    both.rollback().await?;
                }
                changed
            };
            if changed {
                return Ok(Changed::Done(Box::new(next)));
            }
        }
        Err(StoreError::Contention(id.to_owned()))
    }

    /// Removes a job with its log; whether the user had it.
    pub(crate) async fn remove_job(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM jobs WHERE id = $1 AND user_id = $2");
        let removed = query.bind(id).bind(user).execute(&self.pool).await?.rows_affected() > 0;
        if removed {
            self.remove_logs(id).await?;
        }
        Ok(removed)
    }

    async fn versioned(&self, id: &str) -> Result<Option<(i64, Job)>, StoreError> {
        let sql = "SELECT version, record FROM jobs WHERE id = $1";
        let query = sqlx::query_as::<_, (i64, String)>(sql).bind(id);
        let Some((version, record)) = query.fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let record: Value = serde_json::from_str(&record)?;
        Ok(Some((version, serde_json::from_value(record)?)))
    }
}

fn queued(job: &Job) -> Millis {
    job.queued.unwrap_or(0)
}

fn lease_until(job: &Job) -> Millis {
    job.lease.as_ref().map_or(0, |lease| lease.until)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;
    use crate::job::{Outcome, ResultFile, Usage};
    use crate::store::Logged;
    use crate::store::tests::all;

    fn job(id: &str, created: Millis) -> Job {
        Job::new(id.to_owned(), "ada".to_owned(), Map::new(), created)
    }

    fn lease(owner: &str) -> Change {
        Change::Lease { owner: owner.to_owned(), time: Duration::from_millis(100) }
    }

    #[tokio::test]
    async fn jobs_are_listed_in_order_and_in_pages() {
        for (store, _dir) in all().await {
            for (id, created) in [("b", 1), ("c", 2), ("a", 2)] {
                store.add_job(&job(id, created)).await.unwrap();
            }
            let ids = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
            assert_eq!(ids(store.jobs("ada", (-1, ""), 10).await.unwrap()), ["b", "a", "c"]);
            assert_eq!(ids(store.jobs("ada", (2, "a"), 10).await.unwrap()), ["c"]);
            assert_eq!(ids(store.jobs("ada", (-1, ""), 1).await.unwrap()), ["b"]);
            assert!(store.jobs("bob", (-1, ""), 10).await.unwrap().is_empty());
            assert!(!store.remove_job("bob", "a").await.unwrap());
            assert!(store.remove_job("ada", "a").await.unwrap());
            assert_eq!(store.job("a").await.unwrap(), None);
            let gone = store.change_job("a", Change::Start, 3).await.unwrap();
            assert!(matches!(gone, Changed::Gone));
        }
    }

    #[tokio::test]
    async fn one_of_many_servers_gets_a_job() {
        for (store, _dir) in all().await {
            store.add_job(&job("j", 1)).await.unwrap();
            assert!(store.waiting_jobs(5, 10).await.unwrap().is_empty());
            store.change_job("j", Change::Start, 5).await.unwrap();
            assert_eq!(store.waiting_jobs(5, 10).await.unwrap().len(), 1);
            let servers = (0..16).map(|i| {
                let store = store.clone();
                tokio::spawn(async move {
                    let changed = store.change_job("j", lease(&format!("s{i}")), 6).await.unwrap();
                    matches!(changed, Changed::Done(_))
                })
            });
            let got = futures::future::join_all(servers).await;
            assert_eq!(got.into_iter().filter(|got| *got.as_ref().unwrap()).count(), 1);
            assert!(store.waiting_jobs(106, 10).await.unwrap().is_empty());
            assert_eq!(store.waiting_jobs(107, 10).await.unwrap().len(), 1);
            assert_eq!(store.running_jobs("ada").await.unwrap(), 1);
            assert_eq!(store.count_jobs(Status::Running).await.unwrap(), 1);
            assert_eq!(store.count_jobs(Status::Queued).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn no_change_is_lost_among_many() {
        for (store, _dir) in all().await {
            store.add_job(&job("j", 1)).await.unwrap();
            let edits = (0..20).map(|i| {
                let store = store.clone();
                tokio::spawn(async move {
                    let fields = Map::from_iter([(format!("f{i}"), Value::from(i))]);
                    store.change_job("j", Change::Edit(fields), 2).await.unwrap();
                })
            });
            futures::future::join_all(edits).await;
            assert_eq!(store.job("j").await.unwrap().unwrap().request.len(), 20);
        }
    }

    #[tokio::test]
    async fn who_waits_longest_is_first() {
        for (store, _dir) in all().await {
            for (id, time) in [("a", 30), ("b", 10), ("c", 20)] {
                store.add_job(&job(id, 1)).await.unwrap();
                store.change_job(id, Change::Start, time).await.unwrap();
            }
            let waiting = store.waiting_jobs(50, 10).await.unwrap();
            let ids: Vec<&str> = waiting.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids, ["b", "c", "a"]);
        }
    }

    #[tokio::test]
    async fn results_of_a_user_are_added_up_also_those_of_former_versions() {
        for (store, _dir) in all().await {
            for id in ["a", "b", "c"] {
                store.add_job(&job(id, 1)).await.unwrap();
                store.change_job(id, Change::Start, 2).await.unwrap();
                store.change_job(id, lease("s"), 3).await.unwrap();
            }
            assert_eq!(store.result_bytes("ada").await.unwrap(), 0);
            for (id, size) in [("a", 5), ("b", 7)] {
                let file = ResultFile {
                    name: "x".to_owned(),
                    media_type: "text/plain".to_owned(),
                    is_folder: false,
                    size,
                    sha256: None,
                    notes: Vec::new(),
                };
                let outcome = Outcome { files: vec![file], ..Outcome::default() };
                let finish = Change::Finish { attempt: 1, usage: Usage::default(), outcome };
                store.change_job(id, finish, 4).await.unwrap();
            }
            assert_eq!(store.result_bytes("ada").await.unwrap(), 12);
            assert_eq!(store.result_bytes("bob").await.unwrap(), 0);
            let former = "UPDATE jobs SET bytes = -1, ended = -1";
            sqlx::query(former).execute(&store.pool).await.unwrap();
            assert_eq!(store.result_bytes("ada").await.unwrap(), 0);
            store.complete_jobs().await.unwrap();
            assert_eq!(store.result_bytes("ada").await.unwrap(), 12);
            let ended: Vec<i64> = sqlx::query_scalar("SELECT ended FROM jobs ORDER BY id")
                .fetch_all(&store.pool)
                .await
                .unwrap();
            assert_eq!(ended, [4, 4, 0]);
            store.change_job("a", Change::Start, 5).await.unwrap();
            assert_eq!(store.result_bytes("ada").await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn what_a_run_costs_is_charged_once() {
        for (store, _dir) in all().await {
            store.add_job(&job("j", 1)).await.unwrap();
            let usage = |costs| Usage { costs, ..Usage::default() };
            let renew = |attempt, costs| Change::Renew {
                attempt,
                time: Duration::from_millis(100),
                progress: 0.0,
                usage: usage(costs),
                outcome: None,
            };
            store.change_job("j", Change::Start, 2).await.unwrap();
            store.change_job("j", lease("a"), 3).await.unwrap();
            store.change_job("j", renew(1, 70), 4).await.unwrap();
            assert_eq!(store.spent("ada").await.unwrap(), 70);
            // Another server takes over what the first one has not told; the first one comes too late.
            store.change_job("j", lease("b"), 200).await.unwrap();
            let late = store.change_job("j", renew(1, 500), 201).await.unwrap();
            assert!(matches!(late, Changed::Refused(..)));
            // Many tell the end at the same time.
            let outcome = Outcome { attempt: 2, ..Outcome::default() };
            let ends = (0..8).map(|_| {
                let (store, outcome) = (store.clone(), outcome.clone());
                let finish = Change::Finish { attempt: 2, usage: usage(100), outcome };
                tokio::spawn(async move { store.change_job("j", finish, 202).await.unwrap() })
            });
            let ends = futures::future::join_all(ends).await;
            let done = ends.iter().filter(|end| matches!(end, Ok(Changed::Done(_)))).count();
            assert_eq!((done, store.spent("ada").await.unwrap()), (1, 100));
            // The next run is another one.
            store.change_job("j", Change::Start, 300).await.unwrap();
            store.change_job("j", lease("b"), 301).await.unwrap();
            store.change_job("j", renew(3, 30), 302).await.unwrap();
            store.change_job("j", renew(3, 20), 303).await.unwrap();
            assert_eq!(store.spent("ada").await.unwrap(), 130);
            assert_eq!(store.job("j").await.unwrap().unwrap().usage.costs, 30);
            store.charge("ada", 5).await.unwrap();
            store.charge("bob", 1).await.unwrap();
            let spent = [store.spent("ada").await.unwrap(), store.spent("bob").await.unwrap()];
            assert_eq!(spent, [135, 1]);
            store.remove_things_of("ada").await.unwrap();
            assert_eq!(store.spent("ada").await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn results_and_logs_expire_once_and_not_those_of_a_new_run() {
        for (store, _dir) in all().await {
            let file = ResultFile {
                name: "x".to_owned(),
                media_type: "text/plain".to_owned(),
                is_folder: false,
                size: 5,
                sha256: None,
                notes: Vec::new(),
            };
            for (id, end) in [("a", 10), ("b", 20), ("c", 30)] {
                store.add_job(&job(id, 1)).await.unwrap();
                store.change_job(id, Change::Start, 2).await.unwrap();
                store.change_job(id, lease("s"), 3).await.unwrap();
                let entry = Logged { attempt: 1, number: 0, level: 1, entry: Value::from(id) };
                store.add_logs(id, &[entry]).await.unwrap();
                let outcome = Outcome { files: vec![file.clone()], ..Outcome::default() };
                let finish = Change::Finish { attempt: 1, usage: Usage::default(), outcome };
                store.change_job(id, finish, end).await.unwrap();
                store.change_job(id, Change::Start, 40).await.unwrap();
                store.change_job(id, Change::Cancel, 41).await.unwrap();
                store.change_job(id, Change::Start, 42).await.unwrap();
                store.change_job(id, lease("s"), 43).await.unwrap();
                let outcome = Outcome { files: vec![file.clone()], ..Outcome::default() };
                let finish = Change::Finish { attempt: 2, usage: Usage::default(), outcome };
                store.change_job(id, finish, 50 + end).await.unwrap();
            }
            assert_eq!(store.jobs_ended(70, 10).await.unwrap(), ["a", "b"]);
            assert_eq!(store.jobs_ended(70, 1).await.unwrap(), ["a"]);
            // Two servers look at the same time.
            let sweeps = (0..2).map(|_| {
                let store = store.clone();
                let expire = Change::Expire { before: 70 };
                tokio::spawn(async move { store.change_job("a", expire, 71).await.unwrap() })
            });
            let sweeps = futures::future::join_all(sweeps).await;
            let done = sweeps.iter().filter(|s| matches!(s, Ok(Changed::Done(_)))).count();
            assert_eq!(done, 1);
            let expired = store.job("a").await.unwrap().unwrap();
            assert_eq!((expired.status, expired.expired), (Status::Finished, Some(71)));
            assert_eq!(store.result_bytes("ada").await.unwrap(), 10);
            // Started again after somebody saw that its time is over.
            store.change_job("b", Change::Start, 72).await.unwrap();
            let late = store.change_job("b", Change::Expire { before: 70 }, 73).await.unwrap();
            assert!(matches!(late, Changed::Refused(Refusal::Idle, _)));
            let early = store.change_job("c", Change::Expire { before: 70 }, 73).await.unwrap();
            assert!(matches!(early, Changed::Refused(Refusal::Idle, _)));
            assert_eq!(store.remove_logs_of_ended(70).await.unwrap(), 1);
            assert!(store.logs("a", (-1, -1), 0, 9).await.unwrap().is_empty());
            assert_eq!(store.logs("b", (-1, -1), 0, 9).await.unwrap().len(), 1);
            assert!(store.jobs_ended(70, 10).await.unwrap().is_empty());
        }
    }
}
