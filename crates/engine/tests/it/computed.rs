//! Plans that depend on pixels: what is computed first, what it may take, and where planning stops without it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use eolith_cube::Region;
use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::events::{Cancel, Event, Listener};
use eolith_engine::sample::Sample;
use eolith_engine::session::{Session, Settings, Stage, Target};
use eolith_engine::sink::{Options, SinkFormat};
use eolith_graph::Process;
use serde_json::json;

const SIZE: usize = 96;

fn session(folder: &Path, memory: u64) -> Session {
    let path = folder.join("year.zarr");
    if !path.exists() {
        let sample = Sample::new(3, SIZE).unwrap();
        SinkFormat::Zarr.write(&sample, &Options::new(), 1 << 30, &path).unwrap();
    }
    let catalog = Catalog::open(vec![Entry::parse(&format!("year={}", path.display()))], None);
    let threads = NonZeroUsize::new(2).unwrap();
    let settings = Settings { memory, threads, ..Settings::default() };
    Session::new(Arc::new(catalog), settings).unwrap()
}

/// The reflectance of the first date above `limit`; trimmed or not.
fn process(limit: f64, last: &str) -> Process {
    let at = |name: &str| json!({ "from_node": name });
    let bright = json!({ "process_graph": {
        "gt": { "process_id": "gt", "arguments": { "x": { "from_parameter": "x" }, "y": limit } },
        "if": { "process_id": "if", "result": true,
            "arguments": { "value": at("gt"), "accept": { "from_parameter": "x" } } } } });
    let mut graph = json!({
        "load": { "process_id": "load_collection", "arguments": {
            "id": "year", "spatial_extent": null, "temporal_extent": null, "bands": ["B04"] } },
        "bright": { "process_id": "apply", "arguments": { "data": at("load"), "process": bright } },
        "trim": { "process_id": "trim_cube", "arguments": { "data": at("bright") } },
    });
    graph[last]["result"] = true.into();
    let (process, issues) = eolith_graph::parse_value(json!({ "process_graph": graph }));
    assert!(issues.is_empty(), "{issues:?}");
    process.unwrap()
}

fn silent() -> Listener {
    Arc::new(|_| {})
}

#[tokio::test]
async fn a_trimmed_cube_is_the_part_with_data() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 1 << 30);
    let shape = vec![3, 1, SIZE, SIZE];
    let all = session.region(&process(0.0, "load"), Region::whole(&shape)).await.unwrap();
    // So high that few pixels are left.
    let mut numbers: Vec<f64> = (0..all.len()).filter_map(|i| Some(all.get(i)?.to_f64())).collect();
    numbers.sort_by(f64::total_cmp);
    let limit = numbers[numbers.len() - 4];
    let whole = session.region(&process(limit, "bright"), Region::whole(&shape)).await.unwrap();
    let mut hull = vec![(usize::MAX, 0); 4];
    for i in (0..whole.len()).filter(|&i| whole.is_valid(i)) {
        let mut rest = i;
        for ((start, end), n) in hull.iter_mut().zip(&shape).rev() {
            let index = rest % n;
            (*start, *end) = ((*start).min(index), (*end).max(index + 1));
            rest /= n;
        }
    }
    let hull = Region(hull.into_iter().map(|(start, end)| start..end).collect());
    assert!(hull.len() < whole.len());
    let trimmed = process(limit, "trim");
    let own = Region::whole(&hull.shape());
    let found = session.region(&trimmed, own).await.unwrap();
    assert_eq!(found, whole.slice(&hull).canonical());
    // Less memory, other tasks, the same pixels; what is computed first counts as work.
    let report =
        session.run(&trimmed, &Target::Discard, &silent(), &Cancel::default()).await.unwrap();
    let small = self::session(folder.path(), 700 << 10);
    let same = small.run(&trimmed, &Target::Discard, &silent(), &Cancel::default()).await.unwrap();
    assert_eq!(same.checksum, report.checksum);
    assert!(same.tasks > 1 && same.bytes_read > 0);
}

#[tokio::test]
async fn nothing_is_computed_to_explain_or_to_validate() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 1 << 30);
    let trimmed = process(1.0, "trim");
    assert_eq!(session.validate(&trimmed).await, []);
    let text = session.explain(&trimmed, Stage::All).await.unwrap();
    assert!(text.starts_with("# computed first, for node `trim`"), "{text}");
    assert!(text.contains("x: pending"), "{text}");
    assert!(text.contains("root %"), "{text}");
    let bound = session.explain(&trimmed, Stage::Bound).await.unwrap();
    assert!(bound.contains("Pending"), "{bound}");
    assert!(!bound.contains("tasks of"), "{bound}");
}

#[tokio::test]
async fn what_is_too_large_to_be_known_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // The tables of rows, columns and dates are a few hundred bytes; an eighth of this is less.
    let session = session(folder.path(), 1 << 10);
    let trimmed = process(1.0, "trim");
    let failed = session.run(&trimmed, &Target::Discard, &silent(), &Cancel::default()).await;
    let issues = failed.unwrap_err();
    assert_eq!(issues[0].code.as_str(), "ProcessGraphComplexity");
    assert!(issues[0].message.contains("128 bytes are allowed"), "{}", issues[0]);
}

#[tokio::test]
async fn a_cancelled_run_ends_while_a_part_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 1 << 30);
    let cancel = Cancel::default();
    let (stop, planned) = (cancel.clone(), Arc::new(Mutex::new(0)));
    let seen = Arc::clone(&planned);
    let listener: Listener = Arc::new(move |event| {
        if let Event::Planned { .. } = event {
            *seen.lock().unwrap() += 1;
            stop.cancel();
        }
    });
    let failed = session.run(&process(1.0, "trim"), &Target::Discard, &listener, &cancel).await;
    assert_eq!(failed.unwrap_err()[0].code.as_str(), "Cancelled");
    assert_eq!(*planned.lock().unwrap(), 1);
}
