//! A session over a generated store: regions, limits and cancellation do not change what comes out.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use eolith_cube::Region;
use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::events::{Cancel, Event, Listener};
use eolith_engine::sample::Sample;
use eolith_engine::session::{Session, Settings, Target};
use eolith_engine::sink::{Options, SinkFormat};
use eolith_graph::Process;

/// Pixels along x and y, and dates, of the store.
const SIZE: usize = 96;
const DATES: usize = 5;

fn store(folder: &Path) -> String {
    let path = folder.join("year.zarr");
    let sample = Sample::new(DATES, SIZE).unwrap();
    SinkFormat::Zarr.write(&sample, &Options::new(), 1 << 30, &path).unwrap();
    format!("year={}", path.display())
}

fn session(data: &str, memory: u64, threads: usize) -> Session {
    let catalog = Catalog::open(vec![Entry::parse(data)], None);
    let threads = NonZeroUsize::new(threads).unwrap();
    Session::new(Arc::new(catalog), Settings { memory, threads, ..Settings::default() }).unwrap()
}

/// The largest NDVI over time of what is not cloud, on a grid half as fine.
fn process() -> Process {
    let text = include_str!("session.json");
    let (process, issues) = eolith_graph::parse(text);
    assert!(issues.is_empty(), "{issues:?}");
    process.unwrap()
}

fn silent() -> Listener {
    Arc::new(|_| {})
}

#[tokio::test]
async fn a_region_is_that_part_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(&store(folder.path()), 1 << 30, 2);
    let half = SIZE / 2;
    let whole = session.region(&process(), Region::whole(&[half, half])).await.unwrap();
    assert!((0..whole.len()).any(|i| whole.is_valid(i)));
    for (y, x) in [(0..1, 0..1), (3..half, 0..7), (5..6, 11..40), (half - 1..half, half - 1..half)]
    {
        let region = Region(vec![y, x]);
        let part = session.region(&process(), region.clone()).await.unwrap();
        assert_eq!(part, whole.slice(&region).canonical(), "{region:?}");
    }
    let outside = session.region(&process(), Region(vec![0..1, 0..half + 1])).await.unwrap_err();
    assert!(outside[0].message.contains("not inside"), "{outside:?}");
}

#[tokio::test]
async fn memory_and_threads_do_not_change_the_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let data = store(folder.path());
    let mut seen = Vec::new();
    for (memory, threads) in [(1 << 30, 1), (1 << 30, 8), (600 << 10, 2), (600 << 10, 1)] {
        let session = session(&data, memory, threads);
        let (process, cancel) = (process(), Cancel::default());
        let report = session.run(&process, &Target::Discard, &silent(), &cancel).await.unwrap();
        seen.push((report.tasks, report.checksum));
    }
    assert!(seen[3].0 > seen[0].0, "less memory is more tasks: {seen:?}");
    assert!(seen.iter().all(|(_, checksum)| *checksum == seen[0].1), "{seen:?}");
}

#[tokio::test]
async fn a_plan_that_cannot_fit_is_refused_with_the_figure() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(&store(folder.path()), 64 << 10, 1);
    let outcome = session.run(&process(), &Target::Discard, &silent(), &Cancel::default()).await;
    let issues = outcome.unwrap_err();
    assert_eq!(issues[0].code.as_str(), "ProcessGraphComplexity");
    assert!(issues[0].message.contains("a task may hold 32768 bytes"), "{}", issues[0]);
}

#[tokio::test]
async fn a_cancelled_run_ends_without_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(&store(folder.path()), 2 << 20, 1);
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener: Listener = Arc::new(move |event| {
        if let Event::Task { done: 1, .. } = event {
            stop.cancel();
        }
    });
    let target = Target::File(folder.path().join("out.tif"));
    let issues = session.run(&process(), &target, &listener, &cancel).await.unwrap_err();
    assert_eq!(issues[0].code.as_str(), "Cancelled");
    assert!(!folder.path().join("out.tif").exists());
}
