//! STAC resources of saved results: changed, copied to workspaces and collections, loaded again.

use std::path::Path;
use std::sync::Arc;

use eolith_engine::session::{Session, Target};
use eolith_engine::workspace::Folder;
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

use super::effects::{SIZE, at, load, reduced, run, session};

fn node(process: &str, arguments: Json) -> Json {
    json!({ "process_id": process, "arguments": arguments })
}

fn save(data: &str, format: &str) -> Json {
    node("save_result", json!({ "data": at(data), "format": format }))
}

/// The graph with `node` as its result.
fn ending(mut graph: Json, node: &str) -> Json {
    graph[node]["result"] = true.into();
    graph
}

fn own(folder: &Path) -> Session {
    std::fs::create_dir_all(folder.join("own/workspaces/mine")).unwrap();
    session(folder, 2).with_workspace(Arc::new(Folder::new(folder.join("own"))))
}

fn document(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn fails(session: &Session, graph: Json, target: &Target) -> String {
    run(session, graph, target).await.unwrap_err()[0].code.as_str().to_owned()
}

/// Two dates as images, under another id, in the workspace.
fn dates(id: &str) -> Json {
    let changes = json!({ "id": id, "title": "Two dates" });
    json!({
        "load": load(),
        "save": save("load", "GTiff"),
        "change": node("stac_modify", json!({ "data": at("save"), "changes": changes })),
        "export": node("export_workspace", json!({ "data": at("change"), "workspace": "mine" })),
    })
}

#[tokio::test]
async fn images_of_several_dates_are_a_collection_that_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let session = own(folder.path());
    let out = Target::CubeFolder(folder.path().to_owned());
    let (expected, _) =
        run(&session, ending(json!({ "load": load() }), "load"), &Target::Discard).await.unwrap();
    let (report, _) = run(&session, ending(dates("two/dates"), "export"), &out).await.unwrap();
    // The result itself stays where it was.
    assert_eq!(report.outputs.len(), 2);
    assert!(report.outputs.iter().all(|file| file.path.starts_with(folder.path())));
    let place = folder.path().join("own/workspaces/mine/two_dates");
    let files: Vec<String> = names(&place);
    let images = ["save_2024-01-04T10-20-00Z", "save_2024-07-05T10-20-00Z"];
    let all = images.iter().flat_map(|name| [format!("{name}.json"), format!("{name}.tif")]);
    assert_eq!(files, ["collection.json".to_owned()].into_iter().chain(all).collect::<Vec<_>>());
    let collection = document(&place.join("collection.json"));
    assert_eq!(
        (&collection["id"], &collection["title"]),
        (&json!("two/dates"), &json!("Two dates"))
    );
    assert_eq!(collection["links"][0]["href"], "./save_2024-01-04T10-20-00Z.json");
    let interval = json!([["2024-01-04T10:20:00Z", "2024-07-05T10:20:00Z"]]);
    assert_eq!(collection["extent"]["temporal"]["interval"], interval);
    assert_eq!(report.value.unwrap().to_json().unwrap(), collection);
    let item = document(&place.join(format!("{}.json", images[1])));
    assert_eq!(item["collection"], "two/dates");
    assert_eq!(item["properties"]["datetime"], "2024-07-05T10:20:00Z");
    assert_eq!(item["properties"]["proj:code"], "EPSG:32632");
    assert_eq!(item["properties"]["proj:shape"], json!([SIZE, SIZE]));
    let transform = json!([10.0, 0.0, 600_000.0, 0.0, -10.0, 5_100_000.0]);
    assert_eq!(item["properties"]["proj:transform"], transform);
    let red = json!({ "name": "B04", "data_type": "uint16", "nodata": 0, "eo:common_name": "red",
        "eo:center_wavelength": 0.665 });
    assert_eq!(item["assets"]["data"]["bands"][0], red);

    let url = place.join("collection.json").display().to_string();
    let again = ending(json!({ "load": node("load_stac", json!({ "url": url })) }), "load");
    let (found, _) = run(&session, again, &Target::Discard).await.unwrap();
    assert_eq!(found.checksum, expected.checksum);

    // Nothing is overwritten, and that is known before anything is computed.
    assert_eq!(fails(&session, ending(dates("two/dates"), "export"), &out).await, "ResourceExists");
    assert!(run(&session, ending(dates("others"), "export"), &out).await.is_ok());
    assert_eq!(names(place.parent().unwrap()), ["others", "two_dates"]);
}

#[tokio::test]
async fn a_cube_in_one_file_is_an_item() {
    let folder = tempfile::tempdir().unwrap();
    let session = own(folder.path());
    let graph = |format: &str, id: &str| {
        let changes = json!({ "id": id, "properties": { "created": null } });
        json!({
            "load": load(),
            "latest": reduced("load", "t", "last"),
            "save": save(if format == "GTiff" { "latest" } else { "load" }, format),
            "change": node("stac_modify", json!({ "data": at("save"), "changes": changes })),
            "export": node("export_workspace", json!({ "data": at("change"), "workspace": "mine" })),
        })
    };
    for (format, file) in [("netCDF", "save.nc"), ("Zarr", "save.zarr"), ("GTiff", "save.tif")] {
        let out = Target::CubeFolder(folder.path().join(format));
        std::fs::create_dir(folder.path().join(format)).unwrap();
        let graph = ending(graph(format, format), "export");
        let (report, _) = run(&session, graph, &out).await.unwrap();
        let place = folder.path().join("own/workspaces/mine").join(format);
        assert_eq!(names(&place), [format!("{format}.json"), file.to_owned()]);
        let item = document(&place.join(format!("{format}.json")));
        assert_eq!(item["assets"]["data"]["href"], format!("./{file}"));
        assert!(item["properties"].get("created").is_none());
        // What was made of two dates, without one of its own.
        assert_eq!(item["properties"]["datetime"], Json::Null);
        assert_eq!(item["properties"]["start_datetime"], "2024-01-04T10:20:00Z");
        assert_eq!(item["properties"]["end_datetime"], "2024-07-05T10:20:00Z");
        let url = place.join(format!("{format}.json")).display().to_string();
        let again = ending(json!({ "load": node("load_stac", json!({ "url": url })) }), "load");
        let (found, _) = run(&session, again, &Target::Discard).await.unwrap();
        if format == "GTiff" {
            assert_eq!(item["assets"]["data"]["bands"][1]["name"], "B08");
            assert_eq!(found.tasks, 1);
        } else {
            assert_eq!(found.checksum, report.checksum);
            let bands = &item["properties"]["cube:dimensions"]["bands"];
            assert_eq!(bands["values"], json!(["B04", "B08"]));
        }
    }
}

#[tokio::test]
async fn saving_gives_what_it_gave() {
    let folder = tempfile::tempdir().unwrap();
    let session = own(folder.path());
    let graph = json!({ "load": load(), "a": save("load", "netCDF"), "b": save("a", "Zarr") });
    let out = Target::CubeFolder(folder.path().to_owned());
    for result in ["a", "b"] {
        let (report, _) = run(&session, ending(graph.clone(), result), &out).await.unwrap();
        assert_eq!(report.value, None);
        let files: Vec<String> = (report.outputs.iter())
            .map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(files, ["a.nc", "b_1.zarr"], "{result}");
    }
    // The file that was asked for is the one behind the result.
    let graph = json!({ "load": load(), "a": save("load", "netCDF"), "b": save("load", "Zarr"),
        "c": node("stac_modify", json!({ "data": at("a"), "changes": { "id": "x" } })) });
    let file = folder.path().join("out.nc");
    let (report, _) = run(&session, ending(graph, "c"), &Target::File(file.clone())).await.unwrap();
    assert_eq!(report.outputs[0].path, file);
    let Some(Value::Object(item)) = report.value else { panic!("a resource is an object") };
    assert_eq!((&item["id"], &item["type"]), (&json!("x"), &json!("Feature")));
    // What is not written is not copied.
    let (report, _) =
        run(&session, ending(dates("kept"), "export"), &Target::Discard).await.unwrap();
    assert!(report.outputs.is_empty() && report.value.is_some());
    assert!(names(&folder.path().join("own/workspaces/mine")).is_empty());
}

#[tokio::test]
async fn results_become_parts_of_collections() {
    let folder = tempfile::tempdir().unwrap();
    let session = own(folder.path());
    let out = Target::CubeFolder(folder.path().to_owned());
    let graph = |id: &str, start: &str, end: &str, format: &str| {
        let mut load = load();
        load["arguments"]["temporal_extent"] = json!([start, end]);
        json!({
            "load": load,
            "save": save("load", format),
            "change": node("stac_modify", json!({ "data": at("save"), "changes": { "id": id } })),
            "export": node("export_collection", json!({ "data": at("change"), "collection": "my/own" })),
            "merge": node("export_workspace", json!({ "data": at("change"), "workspace": "mine", "merge": "series" })),
        })
    };
    let whole = ending(json!({ "load": load() }), "load");
    let (expected, _) = run(&session, whole, &Target::Discard).await.unwrap();
    for (id, start, end) in
        [("later", "2024-07-01", "2025-01-01"), ("first", "2024-01-01", "2024-02-01")]
    {
        let graph = ending(graph(id, start, end, "GTiff"), "export");
        let (report, _) = run(&session, graph, &out).await.unwrap();
        assert_eq!(report.value, Some(Value::text("my/own")));
    }
    let place = folder.path().join("own/workspaces/mine/series");
    assert_eq!(names(&place), ["collection.json", "first", "later"]);
    let collection = document(&place.join("collection.json"));
    assert_eq!(collection["id"], "series");
    let interval = json!([["2024-01-04T10:20:00Z", "2024-07-05T10:20:00Z"]]);
    assert_eq!(collection["extent"]["temporal"]["interval"], interval);
    let links: Vec<&Json> =
        collection["links"].as_array().unwrap().iter().map(|link| &link["href"]).collect();
    assert_eq!(links, ["./later/later.json", "./first/first.json"]);
    assert_eq!(document(&place.join("first/first.json"))["collection"], "series");

    let loads = |process: &str, arguments: Json| {
        ending(json!({ "load": node(process, arguments) }), "load")
    };
    let url = place.join("collection.json").display().to_string();
    let own = json!({ "id": "my/own", "spatial_extent": null, "temporal_extent": null });
    for again in [loads("load_stac", json!({ "url": url })), loads("load_collection", own)] {
        let (found, _) = run(&session, again, &Target::Discard).await.unwrap();
        assert_eq!(found.checksum, expected.checksum);
    }
    let record = session.collection("my/own").await.unwrap();
    assert_eq!(record.interval, ["2024-01-04T10:20:00Z", "2024-07-05T10:20:00Z"]);
    let ids: Vec<String> = session.collections().await.iter().map(|r| r.id.clone()).collect();
    assert_eq!(ids, ["year", "my/own"]);

    let again = ending(graph("first", "2024-01-01", "2024-02-01", "GTiff"), "export");
    assert_eq!(fails(&session, again, &out).await, "ResourceExists");
    let other = ending(graph("other", "2024-01-01", "2024-02-01", "netCDF"), "export");
    assert_eq!(fails(&session, other, &out).await, "FeatureUnsupported");
    let mut taken = ending(graph("other", "2024-01-01", "2024-02-01", "GTiff"), "export");
    taken["export"]["arguments"]["collection"] = "year".into();
    assert_eq!(fails(&session, taken, &out).await, "ProcessParameterInvalid");
    let mut out_of_it = ending(graph("other", "2024-01-01", "2024-02-01", "GTiff"), "export");
    out_of_it["merge"]["arguments"]["merge"] = "../../x".into();
    assert_eq!(fails(&session, out_of_it, &out).await, "ProcessParameterInvalid");
    let nowhere = super::effects::session(folder.path(), 1);
    assert_eq!(
        fails(&nowhere, ending(dates("x"), "export"), &out).await,
        "ProcessParameterInvalid"
    );
    assert_eq!(names(&place), ["collection.json", "first", "later"]);
}
