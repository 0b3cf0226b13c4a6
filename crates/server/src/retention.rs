//! How long what has ended is kept. Who removes it is [`crate::queue`].

use std::time::Duration;

use serde::Deserialize;

use crate::job::{Job, Millis};

const DAY: f64 = 86_400_000.0;

/// Days after the end of a job; what is not said is kept for ever.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Results of a job.
    pub results_days: Option<f64>,
    /// The log of a job.
    pub logs_days: Option<f64>,
}

impl Retention {
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let days = [self.results_days, self.logs_days].into_iter().flatten();
        for days in days {
            if !days.is_finite() || days <= 0.0 {
                return Err(format!("{days} is no number of days; to keep for ever, leave it out"));
            }
        }
        Ok(())
    }

    /// Until when there are results of a job, if they go at all.
    pub(crate) fn expiry(&self, job: &Job) -> Option<Millis> {
        Some(job.ended?.saturating_add(millis(self.results_days?)))
    }

    /// Results of jobs that ended before this go, at that instant.
    pub(crate) fn results_before(&self, now: Millis) -> Option<Millis> {
        Some(now - millis(self.results_days?))
    }

    /// The same for logs.
    pub(crate) fn logs_before(&self, now: Millis) -> Option<Millis> {
        Some(now - millis(self.logs_days?))
    }

    /// The shortest time that something is kept.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        let days = [self.results_days, self.logs_days].into_iter().flatten();
        days.map(|days| Duration::from_millis(millis(days) as u64)).min()
    }
}

fn millis(days: f64) -> Millis {
    ((days * DAY) as Millis).clamp(1, Millis::MAX / 4)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_is_not_said_is_kept_for_ever() {
        let mut job = Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 0);
        let retention = Retention { results_days: Some(0.5), logs_days: None };
        assert_eq!(retention.expiry(&job), None);
        job.ended = Some(1000);
        assert_eq!(retention.expiry(&job), Some(43_201_000));
        assert_eq!(
            (retention.results_before(43_201_000), retention.logs_before(9)),
            (Some(1000), None)
        );
        assert_eq!(retention.shortest(), Some(Duration::from_hours(12)));
        let forever = Retention::default();
        assert_eq!(
            (forever.expiry(&job), forever.shortest(), forever.check()),
            (None, None, Ok(()))
        );
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Retention { logs_days: Some(wrong), ..Retention::default() }.check().is_err());
        }
    }
}
