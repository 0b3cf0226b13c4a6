//! Results as tiles of a web map: one stretch for all, one instant of several, and what is refused.

use eolith_engine::events::Cancel;
use eolith_engine::map::{Map, Place};
use eolith_engine::session::Session;
use eolith_engine::sink::Options;
use eolith_graph::{Issue, Process};
use serde_json::{Value, json};

use crate::target::{session, tile};

fn load(bands: &[&str]) -> Value {
    json!({"process_id": "load_collection", "arguments": {
        "id": "s2", "spatial_extent": null, "temporal_extent": null, "bands": bands}})
}

fn process(graph: &Value) -> Process {
    let (process, issues) = eolith_graph::parse(&json!({ "process_graph": graph }).to_string());
    assert!(issues.is_empty(), "{issues:?}");
    process.unwrap()
}

fn red() -> Value {
    let mut load = load(&["B04"]);
    load["result"] = true.into();
    json!({ "load": load })
}

async fn map(session: &Session, graph: &Value, style: Options) -> Result<Map, Vec<Issue>> {
    let view = session.view(process(graph)).await?;
    Map::open(view, style, 256, &Cancel::default()).await
}

fn middle(z: u8) -> Place {
    let (z, x, y) = tile(z);
    Place { z, x, y }
}

/// Colour type, pixels a side, and bytes.
fn decoded(bytes: &[u8]) -> (png::ColorType, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.color_type, info.width, pixels)
}

#[tokio::test]
async fn all_tiles_are_stretched_as_the_whole_and_the_last_instant_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let map = map(&session, &red(), Options::new()).await.unwrap();
    let [west, south, east, north] = map.bounds();
    assert!(west < east && south < north && (8.0..12.0).contains(&west), "{:?}", map.bounds());
    let times = map.times();
    assert_eq!((times.len(), map.latest()), (2, Some(times[1].clone())));
    assert_eq!(map.guessed(), None);
    let cancel = Cancel::default();
    let last = map.tile(middle(13), None, &cancel).await.unwrap().unwrap();
    let [min, max] = map.guessed().unwrap();
    assert!(min < max);
    let at = async |time: &str| map.tile(middle(13), Some(time), &cancel).await;
    assert_eq!(at(&times[1]).await.unwrap().unwrap(), last);
    // A day is enough.
    assert_eq!(at(&times[1][..10]).await.unwrap().unwrap(), last);
    assert_ne!(at(&times[0]).await.unwrap().unwrap(), last);
    let issues = at("1999-01-01").await.unwrap_err();
    assert!(issues[0].to_string().contains(&times[0]), "{issues:?}");
    // With that range said, every tile is the same.
    let said = Options::from([("min".to_owned(), json!(min)), ("max".to_owned(), json!(max))]);
    let again = self::map(&session, &red(), said).await.unwrap();
    assert_eq!(again.tile(middle(13), None, &cancel).await.unwrap().unwrap(), last);
    assert_eq!(again.guessed(), None);
}

#[tokio::test]
async fn tiles_have_the_size_that_is_wanted_and_are_transparent_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let style = Options::from([("colormap".to_owned(), json!("magma"))]);
    let view = session.view(process(&red())).await.unwrap();
    let cancel = Cancel::default();
    let map = Map::open(view, style, 512, &cancel).await.unwrap();
    let (_, side, _) = decoded(&map.tile(middle(13), None, &cancel).await.unwrap().unwrap());
    assert_eq!(side, 512);
    let far = Place { z: 13, x: 0, y: 0 };
    let (color, side, pixels) = decoded(&map.tile(far, None, &cancel).await.unwrap().unwrap());
    assert_eq!((color, side), (png::ColorType::Rgba, 512));
    assert!(pixels.iter().all(|&byte| byte == 0));
    for none in [Place { z: 1, x: 2, y: 0 }, Place { z: 31, x: 0, y: 0 }] {
        assert_eq!(map.tile(none, None, &cancel).await.unwrap(), None);
    }
    let cancelled = Cancel::default();
    cancelled.cancel();
    let issues = map.tile(middle(12), None, &cancelled).await.unwrap_err();
    assert_eq!(issues[0].code.as_str(), "Cancelled");
}

#[tokio::test]
async fn what_is_no_map_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let saved = |format: &str| {
        json!({"process_id": "save_result",
            "arguments": {"data": {"from_node": "load"}, "format": format}})
    };
    let mut result = saved("GTiff");
    result["result"] = true.into();
    let cases = [
        (
            json!({"load": {"process_id": "load_collection", "result": true, "arguments": {
            "id": "s2", "spatial_extent": null, "temporal_extent": null, "bands": ["B04", "B08"]}}}),
            "it has 2 bands",
        ),
        (
            json!({"load": load(&["B04"]), "one": saved("PNG"), "result": result.clone()}),
            "it writes something besides the result",
        ),
        (
            json!({"add": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": true}}),
            "no data cube",
        ),
    ];
    for (graph, reason) in cases {
        let issues = map(&session, &graph, Options::new()).await.unwrap_err();
        let text = format!("{issues:?}");
        assert!(text.contains(reason), "{reason}: {text}");
    }
    // What is saved is what is shown; what would be logged is not.
    let graph = json!({"load": load(&["B04"]), "result": result,
        "look": {"process_id": "inspect", "arguments": {"data": {"from_node": "load"}}}});
    let map = map(&session, &graph, Options::new()).await.unwrap();
    assert_eq!(map.silent().len(), 1);
    assert!(map.tile(middle(13), None, &Cancel::default()).await.unwrap().is_some());
}
