//! What happens besides the result: entries of the log, models in files, results of earlier jobs.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::events::{self, Cancel, Event, Level, Listener};
use eolith_engine::sample::Sample;
use eolith_engine::session::{Report, Session, Settings, Target};
use eolith_engine::sink::{Options, SinkFormat};
use eolith_engine::workspace::Folder;
use eolith_graph::Issue;
use serde_json::{Value as Json, json};

pub(crate) const SIZE: usize = 64;

pub(crate) fn session(folder: &Path, threads: usize) -> Session {
    let path = folder.join("year.zarr");
    if !path.exists() {
        let sample = Sample::new(2, SIZE).unwrap();
        SinkFormat::Zarr.write(&sample, &Options::new(), 1 << 30, &path).unwrap();
    }
    let catalog = Catalog::open(vec![Entry::parse(&format!("year={}", path.display()))], None);
    let threads = NonZeroUsize::new(threads).unwrap();
    let settings = Settings { memory: 64 << 20, threads, ..Settings::default() };
    Session::new(Arc::new(catalog), settings).unwrap()
}

/// Runs a graph; gives the report and the entries of the log.
pub(crate) async fn run(
    session: &Session,
    graph: Json,
    target: &Target,
) -> Result<(Report, Vec<events::Entry>), Vec<Issue>> {
    let (process, issues) = eolith_graph::parse_value(json!({ "process_graph": graph }));
    assert!(issues.is_empty(), "{issues:?}");
    let entries = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&entries);
    let listener: Listener = Arc::new(move |event| {
        if let Event::Log(entry) = event {
            seen.lock().unwrap().push(entry);
        }
    });
    let report = session.run(&process.unwrap(), target, &listener, &Cancel::default()).await?;
    let entries = entries.lock().unwrap().clone();
    Ok((report, entries))
}

pub(crate) fn at(name: &str) -> Json {
    json!({ "from_node": name })
}

pub(crate) fn load() -> Json {
    json!({ "process_id": "load_collection", "arguments": {
        "id": "year", "spatial_extent": null, "temporal_extent": null, "bands": ["B04", "B08"] } })
}

fn first(data: &str) -> Json {
    let reducer = json!({ "process_graph": { "first": { "process_id": "first", "result": true,
        "arguments": { "data": { "from_parameter": "data" } } } } });
    json!({ "process_id": "reduce_dimension", "result": true,
        "arguments": { "data": at(data), "dimension": "t", "reducer": reducer } })
}

#[tokio::test]
async fn inspecting_changes_nothing_and_tells_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let plain = json!({ "load": load(), "first": first("load") });
    let inspect = |level: &str| {
        json!({ "load": load(), "first": first("look"), "look": { "process_id": "inspect",
            "arguments": { "data": at("load"), "message": "loaded", "code": "A", "level": level } } })
    };
    let mut logged = Vec::new();
    for threads in [1, 3] {
        let session = session(folder.path(), threads);
        let (expected, none) = run(&session, plain.clone(), &Target::Discard).await.unwrap();
        assert!(none.is_empty());
        let (report, entries) = run(&session, inspect("warning"), &Target::Discard).await.unwrap();
        assert_eq!(report.checksum, expected.checksum);
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!((entry.level, &*entry.code, &*entry.message), (Level::Warning, "A", "loaded"));
        assert_eq!(entry.path.to_string(), "node `look`");
        let statistics = &entry.data["statistics"];
        assert_eq!(statistics[1]["band"], "B08");
        let all = |band: usize| {
            statistics[band]["valid"].as_u64().unwrap()
                + statistics[band]["nodata"].as_u64().unwrap()
        };
        assert_eq!([all(0), all(1)], [(2 * SIZE * SIZE) as u64; 2]);
        logged.push(entry.data.clone());
        // What nobody reads is not computed.
        let (report, entries) = run(&session, inspect("debug"), &Target::Discard).await.unwrap();
        assert_eq!((entries.len(), report.tasks), (0, expected.tasks));
        let wordy = session.logging(Level::Debug);
        assert_eq!(run(&wordy, inspect("debug"), &Target::Discard).await.unwrap().1.len(), 1);
    }
    assert_eq!(logged[0], logged[1]);
}

#[tokio::test]
async fn values_are_told_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 2);
    let graph = json!({
        "sum": { "process_id": "add", "arguments": { "x": 1, "y": 2.5 } },
        "look": { "process_id": "inspect", "arguments": { "data": at("sum") }, "result": true } });
    let (report, entries) = run(&session, graph, &Target::Discard).await.unwrap();
    assert_eq!(report.value, Some(eolith_plan::value::Value::Float(3.5)));
    assert_eq!((&entries[0].data, entries[0].level), (&json!(3.5), Level::Info));
    // Inside of a callback there is a value for every pixel: the log gets the type.
    let callback = json!({ "process_graph": { "look": { "process_id": "inspect", "result": true,
        "arguments": { "data": { "from_parameter": "x" } } } } });
    let graph = json!({ "load": load(), "apply": { "process_id": "apply", "result": true,
        "arguments": { "data": at("load"), "process": callback } } });
    let (_, entries) = run(&session, graph, &Target::Discard).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].data["type"].as_str().unwrap().ends_with("of every pixel"));
    let wrong = json!({ "look": { "process_id": "inspect", "result": true,
        "arguments": { "data": 1, "level": "loud" } } });
    assert!(run(&session, wrong, &Target::Discard).await.is_err());
}

/// Squares of 8 x 8 pixels, as GeoJSON in the reference system of the sample.
fn squares() -> Json {
    let squares = (0..64).map(|i| {
        let (x, y) = (600_000.0 + f64::from(i % 8) * 80.0, 5_100_000.0 - f64::from(i / 8) * 80.0);
        let corners = [[x, y], [x + 80.0, y], [x + 80.0, y - 80.0], [x, y - 80.0], [x, y]];
        json!({ "type": "Feature", "id": format!("s{i}"), "properties": {},
            "geometry": { "type": "Polygon", "coordinates": [corners] } })
    });
    json!({ "type": "FeatureCollection", "features": squares.collect::<Vec<_>>(),
        "crs": { "type": "name", "properties": { "name": "EPSG:32632" } } })
}

fn aggregated(data: &str, reducer: &str) -> Json {
    let callback = json!({ "process_graph": { "r": { "process_id": reducer, "result": true,
        "arguments": { "data": { "from_parameter": "data" } } } } });
    json!({ "process_id": "aggregate_spatial",
        "arguments": { "data": at(data), "geometries": squares(), "reducer": callback } })
}

pub(crate) fn reduced(data: &str, dimension: &str, reducer: &str) -> Json {
    let callback = json!({ "process_graph": { "r": { "process_id": reducer, "result": true,
        "arguments": { "data": { "from_parameter": "data" } } } } });
    json!({ "process_id": "reduce_dimension",
        "arguments": { "data": at(data), "dimension": dimension, "reducer": callback } })
}

/// Learns the larger of both bands' means from the two means, and predicts it for every pixel.
fn learning(model: Json) -> Json {
    let mut graph = json!({
        "load": load(),
        "now": reduced("load", "t", "max"),
        "means": aggregated("now", "mean"),
        "target": reduced("means", "bands", "max"),
        "predict": { "process_id": "ml_predict", "result": true,
            "arguments": { "data": at("now"), "model": at("model"), "dimensions": ["bands"] } },
    });
    graph["model"] = model;
    graph
}

fn fit() -> Json {
    json!({ "process_id": "ml_fit_regr_random_forest", "arguments": { "predictors": at("means"),
        "target": at("target"), "max_variables": "all", "num_trees": 20, "seed": 7 } })
}

#[tokio::test]
async fn a_model_is_trained_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 2);
    let (expected, _) = run(&session, learning(fit()), &Target::Discard).await.unwrap();
    let again = self::session(folder.path(), 1);
    let (same, _) = run(&again, learning(fit()), &Target::Discard).await.unwrap();
    assert_eq!(same.checksum, expected.checksum);

    let files = folder.path().join("workspace/files");
    std::fs::create_dir_all(&files).unwrap();
    let mut graph = learning(fit());
    graph.as_object_mut().unwrap().remove("predict");
    graph["save"] = json!({ "process_id": "save_ml_model", "result": true,
        "arguments": { "data": at("model"), "name": "larger", "tasks": ["regression"] } });
    let (report, _) = run(&session, graph, &Target::CubeFolder(files.clone())).await.unwrap();
    let names: Vec<String> = (report.outputs.iter())
        .map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["larger.forest.json", "larger.json"]);
    assert_eq!(report.value, Some(eolith_plan::value::Value::Bool(true)));
    let item: Json =
        serde_json::from_str(&std::fs::read_to_string(files.join("larger.json")).unwrap()).unwrap();
    assert_eq!(item["properties"]["mlm:tasks"], json!(["regression"]));
    assert_eq!(item["properties"]["mlm:input"][0]["bands"], json!(["B04", "B08"]));

    let loaded =
        |uri: &str| learning(json!({ "process_id": "load_ml_model", "arguments": { "uri": uri } }));
    let missing = run(&session, loaded("larger.json"), &Target::Discard).await.unwrap_err();
    assert_eq!(missing[0].code.as_str(), "FileNotFound");
    let own = session.with_workspace(Arc::new(Folder::new(folder.path().join("workspace"))));
    let (found, _) = run(&own, loaded("larger.json"), &Target::Discard).await.unwrap();
    assert_eq!(found.checksum, expected.checksum);
    let wrong = run(&own, loaded("larger.forest.json"), &Target::Discard).await.unwrap_err();
    assert_eq!(wrong[0].code.as_str(), "ModelUnsuitable");

    // A document of the user's leads to nothing of the operator's.
    let outside = folder.path().join("outside.json");
    std::fs::copy(files.join("larger.forest.json"), &outside).unwrap();
    let text = std::fs::read_to_string(files.join("larger.json")).unwrap();
    let absolute = outside.display().to_string();
    for href in ["../../outside.json", absolute.as_str()] {
        let moved = text.replace("./larger.forest.json", "larger.forest.json");
        let moved = moved.replace("larger.forest.json", href);
        assert!(moved.contains(href));
        std::fs::write(files.join("moved.json"), moved).unwrap();
        let refused = run(&own, loaded("moved.json"), &Target::Discard).await.unwrap_err();
        assert_eq!(refused[0].code.as_str(), "ModelUnsuitable");
        assert!(refused[0].message.contains("may"), "{}", refused[0].message);
    }
}

#[tokio::test]
async fn results_of_a_job_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), 2);
    let results = folder.path().join("workspace/results/j-1");
    std::fs::create_dir_all(&results).unwrap();
    let graph = json!({ "load": load(), "first": first("load") });
    let file = Target::File(results.join("first.nc"));
    let (saved, _) = run(&session, graph, &file).await.unwrap();
    let own = session.with_workspace(Arc::new(Folder::new(folder.path().join("workspace"))));
    let loaded = |id: &str| json!({ "load": { "process_id": "load_result", "arguments": { "id": id }, "result": true } });
    let (found, _) = run(&own, loaded("j-1"), &Target::Discard).await.unwrap();
    assert_eq!(found.checksum, saved.checksum);
    let missing = run(&own, loaded("j-2"), &Target::Discard).await.unwrap_err();
    assert_eq!(missing[0].code.as_str(), "JobNotFound");
}
