use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::journal::{Journal, Past, Record, State, replay};
use super::*;

const BOOT: &str = "this-start";

fn outline() -> Outline {
    let parts = vec![Size { tasks: 4, bytes: 40 }, Size { tasks: 0, bytes: 0 }];
    Outline { engine: "1.2.3".to_owned(), plan: 7 << 100, partition: 9, parts }
}

/// Goes on under a start of the machine, with the file of the first part.
fn open(path: &Path, boot: &str) -> (Ledger, Tasks) {
    let ledger = Folder::lock(path).unwrap().opened(&outline(), boot).unwrap();
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(ledger.pixels(0)).unwrap();
    file.set_len(40).unwrap();
    let tasks = ledger.tasks(0, &file).unwrap();
    (ledger, tasks)
}

fn done(tasks: &Tasks) -> Vec<usize> {
    (0..4).filter(|&task| tasks.is_done(task)).collect()
}

/// A journal with these lines behind the first one, and where each line ends.
fn written(folder: &Path, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let Past { end, .. } = Journal::create(folder, JOURNAL, &outline()).unwrap();
    let path = folder.join(JOURNAL);
    let mut journal = Journal::open(&path, end).unwrap();
    let mut ends = vec![fs::read(&path).unwrap().len()];
    for record in records {
        journal.append(record).unwrap();
        ends.push(fs::read(&path).unwrap().len());
    }
    (fs::read(path).unwrap(), ends)
}

#[test]
fn what_is_done_is_taken_over_and_what_was_under_way_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/run");
    let (ledger, tasks) = open(&path, BOOT);
    assert_eq!((ledger.resumed(), ledger.recomputed(), ledger.attempts()), (0, 0, 1));
    assert!(!tasks.resumed());
    for task in [2, 0, 3] {
        tasks.begin(task).unwrap();
    }
    tasks.end(2).unwrap();
    tasks.end(3).unwrap();
    drop(ledger);
    // A task of a run that ended may still come to its end.
    assert!(tasks.end(0).is_err());
    let (ledger, tasks) = open(&path, BOOT);
    assert_eq!(ledger.started_anew(), None);
    assert_eq!((ledger.resumed(), ledger.recomputed(), ledger.attempts()), (2, 0, 2));
    assert!(tasks.resumed());
    assert_eq!(done(&tasks), [2, 3]);
    tasks.begin(0).unwrap();
    tasks.begin(1).unwrap();
    assert_eq!(ledger.recomputed(), 1);
    tasks.end(1).unwrap();
    drop(ledger);
    // What was begun again in an earlier attempt still counts.
    let (ledger, tasks) = open(&path, BOOT);
    assert_eq!((ledger.resumed(), ledger.recomputed(), ledger.attempts()), (3, 1, 3));
    tasks.begin(0).unwrap();
    tasks.end(0).unwrap();
    assert_eq!(ledger.recomputed(), 2);
    assert_eq!(done(&tasks), [0, 1, 2, 3]);
    drop(ledger);
    discard(&path).unwrap();
    assert!(!path.exists() && path.parent().unwrap().exists());
    discard(&path).unwrap();
}

#[test]
fn a_journal_that_ends_anywhere_says_what_its_whole_lines_say() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        Record::Boot(BOOT.to_owned()),
        Record::Begin(0, 1),
        Record::Begin(0, 3),
        Record::Done(0, 3),
        Record::Synced(5),
        Record::Boot(BOOT.to_owned()),
        Record::Begin(0, 1),
        Record::Done(0, 1),
    ];
    let (bytes, ends) = written(folder.path(), &records);
    for len in 0..=bytes.len() {
        let lines = ends.iter().filter(|end| **end <= len).count();
        let Some((found, past)) = replay(&bytes[..len], BOOT) else {
            assert_eq!(lines, 0, "{len} bytes");
            continue;
        };
        assert_eq!(found, outline());
        assert_eq!(past.end.len as usize, ends[lines - 1], "{len} bytes");
        let state = |task: usize| past.states[0][task];
        let expected = |begun: usize, done: usize| match lines - 1 {
            n if n >= done => State::Done,
            n if n >= begun => State::Begun,
            _ => State::New,
        };
        assert_eq!([state(1), state(3)], [expected(2, 8), expected(3, 4)], "{len} bytes");
        assert_eq!(past.recomputed, usize::from(lines > 7), "{len} bytes");
        // Whatever stands where it ended is cut off, and the next line is read again.
        for rest in [&b""[..], b"0", b"00000000 done 0 0\n", b"\xff\n\n"] {
            let mut torn = bytes[..len].to_vec();
            torn.extend(rest);
            fs::write(folder.path().join(JOURNAL), &torn).unwrap();
            let (_, past) = replay(&torn, BOOT).unwrap();
            let mut journal = Journal::open(&folder.path().join(JOURNAL), past.end).unwrap();
            journal.append(&Record::Begin(0, 2)).unwrap();
            let (_, past) = replay(&fs::read(folder.path().join(JOURNAL)).unwrap(), BOOT).unwrap();
            assert_eq!(past.states[0][2], State::Begun, "{len} bytes");
        }
    }
}

#[test]
fn a_changed_byte_ends_the_journal_before_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let records = [Record::Boot(BOOT.to_owned()), Record::Begin(0, 1), Record::Done(0, 1)];
    let (bytes, ends) = written(folder.path(), &records);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let whole = ends.iter().filter(|end| **end <= at).count();
        match replay(&changed, BOOT) {
            None => assert_eq!(whole, 0, "byte {at}"),
            Some((_, past)) => assert_eq!(past.end.len as usize, ends[whole - 1], "byte {at}"),
        }
    }
}

#[test]
fn after_another_start_of_the_machine_only_what_was_synced_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let boot = |name: &str| Record::Boot(name.to_owned());
    let (bytes, _) = written(
        folder.path(),
        &[
            boot("a"),
            Record::Begin(0, 0),
            Record::Done(0, 0),
            Record::Begin(0, 1),
            Record::Done(0, 1),
            // Up to the first task that is done.
            Record::Synced(4),
            boot("b"),
            Record::Begin(0, 2),
            Record::Done(0, 2),
        ],
    );
    let states = |bytes: &[u8], boot| replay(bytes, boot).unwrap().1.states[0].clone();
    use State::{Begun, Done, New};
    assert_eq!(states(&bytes, "b"), [Done, Begun, Done, New]);
    assert_eq!(states(&bytes, "c"), [Done, Begun, Begun, New]);
    // What a later attempt syncs does not bring back what was lost before it began.
    let (_, past) = replay(&bytes, "c").unwrap();
    let path = folder.path().join(JOURNAL);
    let mut journal = Journal::open(&path, past.end).unwrap();
    for record in [boot("c"), Record::Begin(0, 3), Record::Done(0, 3), Record::Synced(13)] {
        journal.append(&record).unwrap();
    }
    assert_eq!(states(&fs::read(&path).unwrap(), "d"), [Done, Begun, Begun, Done]);
}

#[test]
fn effects_that_were_begun_are_known_under_any_start_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, tasks) = open(folder.path(), "a");
    tasks.begin(0).unwrap();
    tasks.end(0).unwrap();
    ledger.begin_effect(1, "first").unwrap();
    // This attempt has begun it itself.
    assert_eq!(ledger.effect(1), None);
    drop(ledger);
    let (ledger, _) = open(folder.path(), "b");
    assert_eq!((ledger.effect(0), ledger.effect(1)), (None, Some("first")));
}

#[test]
fn what_is_done_is_soon_synced() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, tasks) = open(folder.path(), "a");
    for task in 0..3 {
        tasks.begin(task).unwrap();
        tasks.end(task).unwrap();
    }
    let started = Instant::now();
    let synced = || {
        let journal = fs::read(folder.path().join(JOURNAL)).unwrap();
        let states = replay(&journal, "b").unwrap().1.states;
        states[0].iter().filter(|state| **state == State::Done).count()
    };
    while synced() < 3 {
        assert!(started.elapsed() < Duration::from_mins(1), "{} tasks are synced", synced());
        std::thread::sleep(Duration::from_millis(5));
    }
    // A part that is complete does not wait for the second to end; at most one sync is under way.
    tasks.begin(3).unwrap();
    tasks.end(3).unwrap();
    while synced() < 4 {
        assert!(started.elapsed() < Duration::from_mins(2));
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(ledger);
}

#[test]
fn another_run_starts_anew_and_says_why() {
    let anew = |change: &dyn Fn(&Path, &mut Outline)| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("mine"), "of the user").unwrap();
        let (ledger, tasks) = open(path, BOOT);
        tasks.begin(0).unwrap();
        tasks.end(0).unwrap();
        drop(ledger);
        let mut outline = outline();
        change(path, &mut outline);
        let ledger = Folder::lock(path).unwrap().opened(&outline, BOOT).unwrap();
        let reason = ledger.started_anew();
        assert_eq!(ledger.resumed(), usize::from(reason.is_none()));
        assert_eq!(ledger.attempts(), 1 + usize::from(reason.is_none()));
        // Pixels of a run that does not count are no zeros.
        assert_eq!(ledger.pixels(0).exists(), reason.is_none());
        drop(ledger);
        discard(path).unwrap();
        let left: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
        reason
    };
    assert_eq!(anew(&|_, _| {}), None);
    let reason = |change: &dyn Fn(&Path, &mut Outline)| anew(change).unwrap();
    assert!(reason(&|_, outline| outline.engine = "1.2.4".to_owned()).contains("version"));
    assert!(reason(&|_, outline| outline.plan += 1).contains("another plan"));
    assert!(reason(&|_, outline| outline.partition += 1).contains("other tasks"));
    assert!(reason(&|_, outline| outline.parts[0].tasks = 5).contains("other tasks"));
    let journal = |path: &Path| path.join(JOURNAL);
    assert!(reason(&|path, _| fs::write(journal(path), "").unwrap()).contains("damaged"));
    assert!(reason(&|path, _| fs::write(journal(path), "x\n").unwrap()).contains("damaged"));
    let gone = |path: &Path, _: &mut Outline| fs::remove_file(path.join("pixels-0")).unwrap();
    assert!(reason(&gone).contains("pixels"));
    let short = |path: &Path, _: &mut Outline| fs::write(path.join("pixels-0"), [0; 39]).unwrap();
    assert!(reason(&short).contains("pixels"));
}

#[test]
fn pixels_without_a_journal_are_nothing_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, tasks) = open(folder.path(), BOOT);
    tasks.begin(0).unwrap();
    tasks.end(0).unwrap();
    drop(ledger);
    fs::remove_file(folder.path().join(JOURNAL)).unwrap();
    let ledger = Folder::lock(folder.path()).unwrap().opened(&outline(), BOOT).unwrap();
    assert_eq!((ledger.started_anew(), ledger.resumed(), ledger.attempts()), (None, 0, 1));
    assert!(!ledger.pixels(0).exists());
}

#[test]
fn a_folder_is_for_one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, tasks) = open(folder.path(), BOOT);
    for error in [Folder::lock(folder.path()).unwrap_err(), discard(folder.path()).unwrap_err()] {
        assert!(matches!(error, LedgerError::InUse(_)), "{error}");
        assert!(error.to_string().contains(&*folder.path().to_string_lossy()));
    }
    drop(ledger);
    // Threads of the run may hold its tasks a little longer.
    drop(Folder::lock(folder.path()).unwrap());
    drop(tasks);
}
