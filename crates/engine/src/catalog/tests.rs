//! The reference data as a whole, generated folders, and a server on this machine.

use std::path::Path;
use std::time::Instant as Clock;

use eolith_cube::time::Instant;
use eolith_cube::{Axis, DType, Number};
use eolith_plan::need::{Answer, Degrees, Format, Need, Scene};
use eolith_plan::request::Source;
use serde_json::{Value, json};

use super::*;
use crate::reference::reference;
use crate::workspace::Nowhere;

fn open(path: &Path, state: Option<&Path>) -> Catalog {
    let entry = Entry { id: None, path: path.display().to_string() };
    Catalog::open(vec![entry], state.map(Path::to_path_buf))
}

async fn ids(catalog: &Catalog) -> Vec<String> {
    catalog.collections().await.iter().map(|record| record.id.clone()).collect()
}

async fn content(catalog: &Catalog, id: &str) -> Content {
    match catalog.answer(&Need::collection(id), &Nowhere).await {
        Answer::Collection(collection) => collection.content.clone(),
        other => panic!("{id}: {other:?}"),
    }
}

async fn scenes(
    catalog: &Catalog,
    id: &str,
    bbox: Option<[f64; 4]>,
    [start, end]: [Option<&str>; 2],
) -> Vec<Scene> {
    let instant = |text: &str| Instant::parse(text).unwrap();
    let need = Need::Scenes {
        source: Source::Collection(id.to_owned()),
        bbox: bbox.map(|bbox| bbox.map(Degrees::new)),
        start: start.map(instant),
        end: end.map(instant),
        properties: Vec::new(),
    };
    match catalog.answer(&need, &Nowhere).await {
        Answer::Scenes(scenes) => scenes.to_vec(),
        other => panic!("{id}: {other:?}"),
    }
}

/// A TIFF of 4×3 pixels of 10 m, uncompressed, in UTM zone 33 north.
fn tiff(left: f64) -> Vec<u8> {
    let doubles = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let shorts = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let scale = doubles(&[10.0, 10.0, 0.0]);
    let tie = doubles(&[0.0, 0.0, 0.0, left, 5_000_000.0, 0.0]);
    let keys = shorts(&[1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633]);
    let pixels = vec![7_u8; 12];
    let mut tags: Vec<(u16, u16, u32, Vec<u8>)> = vec![
        (256, 3, 1, shorts(&[4, 0])),
        (257, 3, 1, shorts(&[3, 0])),
        (258, 3, 1, shorts(&[8, 0])),
        (259, 3, 1, shorts(&[1, 0])),
        (262, 3, 1, shorts(&[1, 0])),
        (273, 4, 1, Vec::new()),
        (277, 3, 1, shorts(&[1, 0])),
        (278, 3, 1, shorts(&[3, 0])),
        (279, 4, 1, 12_u32.to_le_bytes().to_vec()),
        (33550, 12, 3, scale),
        (33922, 12, 6, tie),
        (34735, 3, 16, keys),
    ];
    let header = 8 + 2 + tags.len() * 12 + 4;
    let mut data = pixels;
    tags[5].3 = (header as u32).to_le_bytes().to_vec();
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in tags {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        if value.len() <= 4 {
            out.extend(&value);
        } else {
            out.extend(((header + data.len()) as u32).to_le_bytes());
            data.extend(value);
        }
    }
    out.extend([0; 4]);
    out.extend(data);
    out
}

fn write(root: &Path, name: &str, content: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn entries_have_ids_where_they_could_be_meant() {
    let entry =
        |id: Option<&str>, path: &str| Entry { id: id.map(str::to_owned), path: path.to_owned() };
    assert_eq!(Entry::parse("a/b=/data/x"), entry(Some("a/b"), "/data/x"));
    assert_eq!(Entry::parse("/data/x=1/y"), entry(None, "/data/x=1/y"));
    assert_eq!(Entry::parse("./x=y"), entry(None, "./x=y"));
    assert_eq!(Entry::parse("http://h/x?a=b"), entry(None, "http://h/x?a=b"));
    assert_eq!(Entry::parse("s2=http://h/x?a=b"), entry(Some("s2"), "http://h/x?a=b"));
    assert_eq!(Entry::parse("a="), entry(None, "a="));
}

#[tokio::test]
async fn all_reference_data_is_listed_once() {
    let Some(data) = reference() else { return };
    let catalog = open(&data, None);
    let stac = [
        "dem-luxembourg",
        "dem-olinda",
        "dem-slovenia",
        "landsat7-olinda",
        "landsat8-nyc",
        "modis-ndvi-global",
        "s2-l1c-slovenia",
        "s2-l2a-bolzano",
        "s2-ndvi-slovenia",
    ];
    let cubes = [
        "LULC",
        "bcsd_obs_1999",
        "bcsd_obs_1999.v2",
        "bcsd_obs_1999.v3",
        "oisst_19811231",
        "s2_l1c_slovenia",
        "s2_l1c_slovenia.v2",
        "s2_l1c_slovenia.v3",
        "s2_l1c_slovenia.v3-sharded",
        "s2_ndvi_slovenia",
        "s2_ndvi_slovenia.v2",
        "s2_ndvi_slovenia.v3",
    ];
    let mut expected: Vec<String> = stac.iter().chain(&cubes).map(ToString::to_string).collect();
    expected.extend(stac.iter().map(|id| format!("stac-1.1/{id}")));
    expected.sort();
    assert_eq!(ids(&catalog).await, expected);
    assert_eq!(catalog.problems().await, []);
    // Only files that no item refers to are opened.
    assert_eq!(catalog.headers.opened(), cubes.len());

    for id in stac {
        let newer = format!("stac-1.1/{id}");
        assert_eq!(content(&catalog, id).await, content(&catalog, &newer).await, "{id}");
        let all = |id: String| {
            let catalog = catalog.clone();
            async move { scenes(&catalog, &id, None, [None, None]).await }
        };
        assert_eq!(all(id.to_owned()).await, all(newer.clone()).await, "{id}");
        let (old, new) = (catalog.collection(id).await.unwrap(), catalog.collection(&newer).await);
        let (mut old, mut new) = (old.to_stac_json(), new.unwrap().to_stac_json());
        (old["id"], new["id"]) = (Value::Null, Value::Null);
        assert_eq!(old, new, "{id}");
    }
    for id in cubes {
        let Content::Cube { schema, pieces } = content(&catalog, id).await else {
            panic!("{id} is not a cube");
        };
        assert!(schema.shape().is_some() && !pieces.is_empty(), "{id}");
        assert!(schema.dims.iter().all(|dim| matches!(dim.axis, Axis::Known(_))), "{id}");
    }
}

#[tokio::test]
async fn scenes_are_described_and_chosen() {
    let Some(data) = reference() else { return };
    let catalog = open(&data.join("stac-1.1/catalog.json"), None);
    let Content::Scenes(s2) = content(&catalog, "s2-l1c-slovenia").await else {
        panic!("no scenes")
    };
    let bands: Vec<&str> = s2.bands.iter().map(|(name, _)| name.as_str()).collect();
    let order = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10"];
    assert_eq!(bands[..11], order);
    let red = &s2.bands[3].1;
    assert_eq!((red.dtype, red.nodata, red.scale), (DType::U16, Some(Number::Int(0)), Some(1e-4)));
    assert_eq!((red.common_name.as_deref(), red.center_wavelength), (Some("red"), Some(0.665)));
    let grid = s2.grid.unwrap();
    assert_eq!((grid.crs.code(), grid.x.len, grid.y.len), (Some(32633), 100, 101));
    assert!(s2.time.contains(Instant::parse("2015-09-09T10:00:17Z").unwrap()));
    assert!(!s2.time.contains(Instant::parse("2015-09-09T10:00:18Z").unwrap()));
    // No two Landsat scenes have the same grid.
    let Content::Scenes(landsat) = content(&catalog, "landsat8-nyc").await else {
        panic!("no scenes")
    };
    assert_eq!((landsat.grid, landsat.bands.len()), (None, 12));

    let all = scenes(&catalog, "landsat8-nyc", None, [None, None]).await;
    assert_eq!(all.len(), 19);
    let key = |scene: &Scene| (scene.time.instant, scene.id.clone());
    assert!(all.is_sorted_by_key(key));
    assert!(all.iter().all(|scene| scene.assets.len() == 12));
    let pan = all[0].assets.iter().find(|asset| asset.band == "B8").unwrap();
    assert_eq!((pan.grid.x.len, pan.grid.y.len, pan.plane), (154, 157, 0));
    assert_eq!(pan.array.format, Format::Tiff);
    assert!(Path::new(&pan.array.href).is_file());

    let some = |bbox, range| scenes(&catalog, "landsat8-nyc", bbox, range);
    // Left-closed: the scene at the end is out, the one at the start is in.
    let first = "2018-01-06T15:35:00Z";
    assert_eq!(some(None, [Some(first), Some("2018-01-31T15:35:00Z")]).await.len(), 1);
    assert_eq!(
        some(None, [Some("2018-01-06T15:35:01Z"), Some("2018-01-31T15:35:01Z")]).await.len(),
        1
    );
    assert_eq!(some(None, [None, Some(first)]).await.len(), 0);
    assert_eq!(some(Some([10.0, 45.0, 11.0, 46.0]), [None, None]).await.len(), 0);
    assert_eq!(some(Some([-75.0, 42.0, -74.0, 42.1]), [None, None]).await.len(), 5);

    let six = scenes(&catalog, "landsat7-olinda", None, [None, None]).await;
    let planes: Vec<_> = six[0].assets.iter().map(|a| (a.band.as_str(), a.plane)).collect();
    assert_eq!(planes, [("B1", 0), ("B2", 1), ("B3", 2), ("B4", 3), ("B5", 4), ("B7", 5)]);
    let missing = catalog.answer(&Need::collection("nothing"), &Nowhere).await;
    assert!(matches!(missing, Answer::Missing));
}

#[tokio::test]
async fn items_agree_with_the_headers_of_their_files() {
    let Some(data) = reference() else { return };
    let catalog = open(&data.join("stac-1.0"), None);
    for id in ["s2-l1c-slovenia", "landsat8-nyc", "landsat7-olinda", "dem-luxembourg"] {
        for asset in &scenes(&catalog, id, None, [None, None]).await[0].assets {
            let location = crate::storage::Location::resolve("", &asset.array.href).unwrap();
            let header = catalog.headers.tiff(&location).await.unwrap();
            assert!(header.grid.aligned(&asset.grid), "{}", asset.array.href);
            assert_eq!(header.dtype, asset.variable.dtype);
            assert!(asset.plane < header.bands.len());
        }
    }
}

#[tokio::test]
async fn descriptions_are_stac() {
    let Some(data) = reference() else { return };
    let catalog = open(&data, None);
    for record in catalog.collections().await {
        let json = record.to_stac_json();
        assert!(!json.to_string().contains("null"), "{}", record.id);
        let [west, south, east, north] = record.bbox;
        assert!(-180.0 <= west && west < east && east <= 180.0, "{}: {:?}", record.id, record.bbox);
        assert!(
            -90.0 <= south && south < north && north <= 90.0,
            "{}: {:?}",
            record.id,
            record.bbox
        );
        let instants = record.interval.clone().map(|text| Instant::parse(&text).unwrap());
        assert!(instants[0] <= instants[1], "{}", record.id);
        for (name, dim) in &record.dimensions {
            let kind = dim["type"].as_str().unwrap();
            let known = dim.get("extent").is_some() || dim.get("values").is_some();
            assert!(known, "{}: {name} has neither extent nor values", record.id);
            assert_eq!(kind == "spatial", dim.get("axis").is_some(), "{}: {name}", record.id);
        }
        assert!(json["summaries"].is_object() && json["links"].is_array());
    }
    let s2 = catalog.collection("stac-1.1/s2-l1c-slovenia").await.unwrap().to_stac_json();
    assert_eq!(s2["license"], "proprietary");
    assert_eq!(s2["cube:dimensions"]["x"]["reference_system"], 32633);
    assert_eq!(s2["cube:dimensions"]["t"]["values"].as_array().unwrap().len(), 5);
    assert_eq!(
        s2["summaries"]["eo:bands"][3],
        json!({"name": "B04", "common_name": "red", "center_wavelength": 0.665})
    );
    assert_eq!(
        s2["summaries"]["raster:bands"][3],
        json!({"name": "B04", "data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": 0.0})
    );
    assert_eq!(s2["summaries"]["proj:epsg"], json!([32633]));
    assert_eq!(s2["summaries"]["gsd"], json!([10.0]));
    assert_eq!(s2["extent"]["temporal"]["interval"][0][1], "2015-09-09T10:00:17Z");

    let landsat = catalog.collection("landsat8-nyc").await.unwrap().to_stac_json();
    assert_eq!(landsat["cube:dimensions"]["x"]["reference_system"], 4326);
    assert_eq!(landsat["summaries"].get("proj:epsg"), None);

    let lulc = catalog.collection("LULC").await.unwrap();
    let names: Vec<&str> = lulc.dimensions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bands", "y", "x"]);
    assert_eq!(lulc.interval, [metadata::NO_START, metadata::NO_END]);
    let zarr = catalog.collection("s2_l1c_slovenia.v3").await.unwrap();
    assert_eq!(zarr.bands.len(), 13);
    assert!((zarr.bbox[0] - 14.551_339).abs() < 1e-5 && (zarr.bbox[3] - 45.875_027).abs() < 1e-5);
    let bcsd = catalog.collection("bcsd_obs_1999").await.unwrap();
    assert_eq!(bcsd.interval[0][..4], *"1999");
}

#[tokio::test]
async fn large_folders_are_quick_and_the_cache_saves_every_header() {
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for i in 0..20_000 {
        let folder = root.path().join(format!("f{}", i % 50));
        if i < 50 {
            std::fs::create_dir(&folder).unwrap();
        }
        let (name, content) = match i {
            0..300 => (format!("scene{i}.tif"), tiff(f64::from(i) * 100.0)),
            _ => (format!("note{i}.txt"), Vec::new()),
        };
        std::fs::write(folder.join(name), content).unwrap();
    }
    let start = Clock::now();
    let first = open(root.path(), Some(state.path()));
    assert!(start.elapsed().as_millis() < 500, "open has to return at once");
    let found = ids(&first).await;
    let took = start.elapsed();
    assert_eq!((found.len(), first.headers.opened()), (300, 300));
    assert!(took.as_secs() < 20, "{took:?}");
    println!("20000 files, 300 headers: {took:?}");
    let before = content(&first, "scene7").await;

    let start = Clock::now();
    let second = open(root.path(), Some(state.path()));
    assert_eq!(ids(&second).await, found);
    println!("the same with a cache: {:?}", start.elapsed());
    assert_eq!(second.headers.opened(), 0);
    assert_eq!(content(&second, "scene7").await, before);

    // One file changes, one goes, one comes: one header is read for each that is new.
    std::fs::write(root.path().join("f7/scene7.tif"), [tiff(1.0), vec![0]].concat()).unwrap();
    std::fs::remove_file(root.path().join("f8/scene8.tif")).unwrap();
    std::fs::write(root.path().join("f8/new.tif"), tiff(2.0)).unwrap();
    let third = open(root.path(), Some(state.path()));
    assert_eq!(ids(&third).await.len(), 300);
    assert_eq!(third.headers.opened(), 2);
    assert_ne!(content(&third, "scene7").await, before);
}

#[tokio::test]
async fn the_cache_gives_cubes_back_as_they_were() {
    let Some(data) = reference() else { return };
    let state = tempfile::tempdir().unwrap();
    let first = open(&data.join("cubes"), Some(state.path()));
    let found = ids(&first).await;
    assert_eq!((found.len(), first.headers.opened()), (11, 11));
    let second = open(&data.join("cubes"), Some(state.path()));
    for id in found {
        assert_eq!(
            format!("{:?}", content(&first, &id).await),
            format!("{:?}", content(&second, &id).await)
        );
        let (a, b) = (first.collection(&id).await, second.collection(&id).await);
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }
    assert_eq!(second.headers.opened(), 0);
}

#[tokio::test]
async fn damage_is_reported_and_stops_nothing() {
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = root.path();
    write(root, "good.tif", &tiff(0.0));
    write(root, "bad.tif", &tiff(0.0)[..40]);
    write(root, "empty.nc", b"");
    write(root, "store.zarr/zarr.json", b"{");
    write(root, "catalog.json", b"[1, 2");
    let item = json!({"type": "Feature", "stac_version": "1.0.0", "id": "i", "bbox": [14, 45, 15, 46],
        "properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {"data": {"href": "i.tif"}}});
    let collection = json!({"type": "Collection", "stac_version": "1.0.0", "id": "c d",
        "description": "x", "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [[14, 45, 15, 46]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", null]]}},
        "links": [{"rel": "item", "href": "i.json"}, {"rel": "item", "href": "gone.json"}]});
    write(root, "c/i.json", item.to_string().as_bytes());
    write(root, "c/i.tif", &tiff(500_000.0));
    write(root, "c/collection.json", collection.to_string().as_bytes());
    for round in 0..2 {
        let catalog = open(root, Some(state.path()));
        assert_eq!(ids(&catalog).await, ["c_d", "good"]);
        let problems = catalog.problems().await;
        let paths: Vec<_> = (problems.iter())
            .map(|p| Path::new(&p.path).strip_prefix(root).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(paths, ["bad.tif", "c/gone.json", "catalog.json", "empty.nc", "store.zarr"]);
        assert!(problems.iter().all(|p| !p.reason.is_empty()));
        // What is broken is not tried again, nor is the header that the item did not replace.
        assert_eq!(catalog.headers.opened() == 0, round == 1);
        let record = catalog.collection("c_d").await.unwrap().to_stac_json();
        assert_eq!(record["extent"]["temporal"]["interval"][0][1], metadata::NO_END);
        assert_eq!(
            (record["license"].as_str(), record["cube:dimensions"]["bands"]["values"][0].as_str()),
            (Some("CC0-1.0"), Some("data"))
        );
        let found = scenes(&catalog, "c_d", Some([14.0, 45.0, 15.0, 46.0]), [None, None]).await;
        let asset = &found[0].assets[0];
        assert_eq!(
            (asset.band.as_str(), asset.variable.dtype, asset.grid.x.len),
            ("data", DType::U8, 4)
        );
        assert!(asset.array.version.is_some());
    }
    let nothing = open(&root.join("none"), None);
    assert!(ids(&nothing).await.is_empty());
    assert_eq!(nothing.problems().await.len(), 1);
}

#[tokio::test]
async fn ids_given_by_the_user_and_series_by_date() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (name, left) in [("20200102", 0.0), ("20200101", 0.0), ("20200103", 0.0)] {
        write(root, &format!("ndvi/N_{name}_x.tif"), &tiff(left));
        write(root, &format!("moved/M_{name}.tif"), &tiff(left + name.len() as f64 * 0.0));
    }
    write(root, "moved/M_20200104.tif", &tiff(50.0));
    write(root, "dem.tif", &tiff(0.0));
    let path = |name: &str| root.join(name).display().to_string();
    let entries = ["", "my/dem=dem.tif", "all=moved"].map(|text| match text.split_once('=') {
        Some((id, name)) => Entry { id: Some(id.to_owned()), path: path(name) },
        None => Entry { id: None, path: root.display().to_string() },
    });
    let catalog = Catalog::open(entries.to_vec(), None);
    let expected =
        ["N_x", "all/M_20200101", "all/M_20200102", "all/M_20200103", "all/M_20200104", "my/dem"];
    assert_eq!(ids(&catalog).await, expected);
    let Content::Cube { schema, pieces } = content(&catalog, "N_x").await else {
        panic!("no cube")
    };
    assert_eq!(schema.shape(), Some(vec![3, 1, 3, 4]));
    let times: Vec<String> =
        schema.dims[0].labels().unwrap().iter().map(|l| l.to_string()).collect();
    assert_eq!(times[0], "2020-01-01T00:00:00Z");
    assert_eq!((pieces.len(), &pieces[1].region.0[0]), (3, &(1..2)));
    assert!(pieces[1].array.href.ends_with("N_20200102_x.tif"));
    let record = catalog.collection("N_x").await.unwrap();
    assert_eq!(record.interval[1], "2020-01-03T00:00:00Z");
    assert!(record.notes.iter().any(|note| note.contains("names")), "{:?}", record.notes);
}

#[tokio::test]
async fn everything_works_over_http() {
    let Some(data) = reference() else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let files = tower_http::services::ServeDir::new(&data);
    let app = axum::Router::new().fallback_service(files);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let entries = [
        Entry { id: None, path: format!("{base}/stac-1.0/catalog.json") },
        Entry { id: None, path: format!("{base}/cubes/s2_l1c_slovenia.v2.zarr") },
        Entry { id: Some("rain".to_owned()), path: format!("{base}/cubes/bcsd_obs_1999.nc") },
        Entry { id: None, path: format!("{base}/cogs/dem-slovenia/LULC.tif") },
        Entry { id: None, path: format!("{base}/nothing/there") },
    ];
    let state = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(entries.to_vec(), Some(state.path().to_path_buf()));
    let problems = catalog.problems().await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(ids(&catalog).await.len(), 12);
    let local = open(&data, None);
    for id in ["s2-l1c-slovenia", "landsat8-nyc"] {
        assert_eq!(content(&catalog, id).await, content(&local, id).await);
        let (far, near) = (
            scenes(&catalog, id, None, [None, None]).await,
            scenes(&local, id, None, [None, None]).await,
        );
        let path = |scene: &Scene, from: &str| {
            scene.assets[0].array.href.strip_prefix(from).unwrap().to_owned()
        };
        assert_eq!(path(&far[0], &base), path(&near[0], data.to_str().unwrap()));
        assert_eq!(far.len(), near.len());
    }
    for (far, near) in
        [("s2_l1c_slovenia.v2", "s2_l1c_slovenia.v2"), ("rain", "bcsd_obs_1999"), ("LULC", "LULC")]
    {
        let schema = |content: Content| match content {
            Content::Cube { schema, .. } => schema,
            Content::Scenes(_) => panic!("scenes"),
        };
        let (far, near) = (content(&catalog, far).await, content(&local, near).await);
        assert_eq!(format!("{:?}", schema(far)), format!("{:?}", schema(near)));
    }
    let again = Catalog::open(entries.to_vec(), Some(state.path().to_path_buf()));
    assert_eq!(ids(&again).await.len(), 12);
    assert_eq!(again.headers.opened(), 0);
    server.abort();
}
