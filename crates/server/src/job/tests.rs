use super::*;

const TIME: Duration = Duration::from_millis(100);

fn fresh() -> Job {
    Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 0)
}

fn lease(owner: &str) -> Change {
    Change::Lease { owner: owner.to_owned(), time: TIME }
}

fn renew(attempt: i64, progress: f64, outcome: Option<Outcome>) -> Change {
    Change::Renew { attempt, time: TIME, progress, usage: Usage::default(), outcome }
}

fn finish(attempt: i64) -> Change {
    Change::Finish { attempt, usage: Usage::default(), outcome: Outcome::default() }
}

fn fail(attempt: i64) -> Change {
    Change::Fail { attempt, usage: Usage::default(), failure: Value::from("x") }
}

fn part() -> Option<Outcome> {
    let file = ResultFile {
        name: "a.tif".to_owned(),
        media_type: "image/tiff".to_owned(),
        is_folder: false,
        size: 1,
        sha256: None,
        notes: Vec::new(),
    };
    Some(Outcome { files: vec![file], ..Outcome::default() })
}

/// The job after some changes, each 10 ms after the one before.
fn after(changes: impl IntoIterator<Item = Change>) -> Job {
    let mut job = fresh();
    for (i, change) in changes.into_iter().enumerate() {
        job = transition(&job, change, 10 * (i as i64 + 1)).unwrap();
    }
    job
}

#[test]
fn a_job_goes_its_way() {
    let job = after([Change::Start, lease("s"), renew(1, 40.0, None), finish(1)]);
    assert_eq!((job.status, job.progress, job.run, job.attempt), (Status::Finished, 100.0, 1, 1));
    assert_eq!((job.queued, job.started, job.updated), (Some(10), Some(20), 40));
    let job = transition(&job, Change::Start, 50).unwrap();
    assert_eq!((job.status, job.progress, job.run), (Status::Queued, 0.0, 2));
    assert_eq!((job.outcome, job.started), (None, None));
}

/// Every status and every change: what comes out, or why not.
#[test]
fn every_status_knows_every_change() {
    use Refusal::{Idle, LeaseLost, Locked};
    use Status::{Canceled, Created, Error, Finished, Queued, Running};
    let states = [
        after([]),
        after([Change::Start]),
        after([Change::Start, lease("s")]),
        after([Change::Start, lease("s"), renew(1, 1.0, part()), Change::Cancel]),
        after([Change::Start, lease("s"), finish(1)]),
        after([Change::Start, lease("s"), fail(1)]),
    ];
    let statuses: Vec<Status> = states.iter().map(|job| job.status).collect();
    assert_eq!(statuses, [Created, Queued, Running, Canceled, Finished, Error]);
    let check = |change: Change, expected: [Result<Status, Refusal>; 6]| {
        for (job, expected) in states.iter().zip(expected) {
            let next = transition(job, change.clone(), 60).map(|job| job.status);
            assert_eq!(next, expected, "{change:?} of {:?}", job.status);
        }
    };
    let stay = [Created, Canceled, Finished, Error].map(Ok);
    check(Change::Edit(Map::new()), [stay[0], Err(Locked), Err(Locked), stay[1], stay[2], stay[3]]);
    let queued = Ok(Queued);
    check(Change::Start, [queued, Err(Idle), Err(Idle), queued, queued, queued]);
    check(Change::Cancel, [Err(Idle), Ok(Created), Ok(Created), Err(Idle), Err(Idle), Err(Idle)]);
    let idle = Err(Idle);
    check(lease("t"), [idle, Ok(Running), idle, idle, idle, idle]);
    let lost = Err(LeaseLost);
    let running = |status| [lost, lost, Ok(status), lost, lost, lost];
    check(renew(1, 5.0, None), running(Running));
    check(Change::Park { attempt: 1, usage: Usage::default() }, running(Queued));
    check(finish(1), running(Finished));
    check(fail(1), running(Error));
    check(finish(2), [lost; 6]);
}

#[test]
fn a_lease_that_ran_out_goes_to_another_server_and_the_first_one_is_powerless() {
    let job = after([Change::Start, lease("first"), renew(1, 30.0, None)]);
    // Renewed at 30 for 100.
    assert_eq!(transition(&job, lease("second"), 130), Err(Refusal::Idle));
    let job = transition(&job, lease("second"), 131).unwrap();
    assert_eq!((job.attempt, job.status, job.run), (2, Status::Running, 1));
    assert_eq!(job.lease.as_ref().unwrap().owner, "second");
    assert_eq!(job.progress, 30.0);
    for late in [renew(1, 50.0, None), finish(1), fail(1)] {
        assert_eq!(transition(&job, late, 132), Err(Refusal::LeaseLost));
    }
    let job = transition(&job, finish(2), 133).unwrap();
    assert_eq!(job.status, Status::Finished);
}

#[test]
fn files_of_a_part_are_those_of_the_last_attempt() {
    let going = after([Change::Start, lease("first"), renew(1, 30.0, part())]);
    assert_eq!(going.outcome, part());
    assert_eq!(transition(&going, renew(1, 31.0, None), 40).unwrap().outcome, part());
    let failed = transition(&going, fail(1), 40).unwrap();
    assert_eq!((failed.status, failed.outcome), (Status::Error, part()));
    let canceled = transition(&going, Change::Cancel, 40).unwrap();
    assert_eq!((canceled.status, &canceled.outcome), (Status::Canceled, &part()));
    assert_eq!(transition(&canceled, Change::Start, 50).unwrap().outcome, None);
    // The next server begins with other files, and one that waits has none.
    assert_eq!(transition(&going, lease("second"), 131).unwrap().outcome, None);
    let park = Change::Park { attempt: 1, usage: Usage::default() };
    let parked = transition(&going, park, 40).unwrap();
    let stopped = transition(&parked, Change::Cancel, 50).unwrap();
    assert_eq!((stopped.status, stopped.outcome), (Status::Created, None));
}

#[test]
fn a_job_that_ends_the_server_again_and_again_is_given_up() {
    let minute = 60_000;
    let mut job = after([Change::Start, lease("s")]);
    // Killed often in a short time: that need not be the job's doing.
    for second in 1..300 {
        job = transition(&job, lease("s"), second * 1000).unwrap();
        assert_eq!(job.status, Status::Running);
    }
    // Some progress, and it has all its tries again.
    let going = transition(&job, renew(job.attempt, 10.0, None), 300_000).unwrap();
    let going = transition(&going, lease("s"), 30 * minute).unwrap();
    assert_eq!((going.status, going.fruitless), (Status::Running, 0));
    let job = transition(&job, lease("s"), 30 * minute).unwrap();
    assert_eq!(job.status, Status::Error);
    assert!(job.failure.unwrap()["message"].as_str().unwrap().contains("300 times"));
}

#[test]
fn what_is_edited_is_merged_and_nulls_remove() {
    let mut job = fresh();
    job.request = Map::from_iter([("title".into(), "a".into()), ("plan".into(), "b".into())]);
    let fields = Map::from_iter([("title".into(), Value::Null), ("budget".into(), 5.into())]);
    let job = transition(&job, Change::Edit(fields), 7).unwrap();
    assert_eq!(Value::from(job.request), serde_json::json!({"plan": "b", "budget": 5}));
}

#[test]
fn progress_never_goes_back_and_is_not_complete_before_the_end() {
    let job = after([Change::Start, lease("s"), renew(1, 50.0, None), renew(1, 20.0, None)]);
    assert_eq!(job.progress, 50.0);
    assert_eq!(transition(&job, renew(1, 100.0, None), 50).unwrap().progress, 99.0);
}
