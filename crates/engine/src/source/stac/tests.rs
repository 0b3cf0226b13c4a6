use eolith_cube::Number;
use serde_json::{Value, json};

use super::*;
use crate::reference::reference;
use crate::storage::Location;

fn item(value: Value) -> ItemScene {
    let location = Location::local("/data/items/a.json".as_ref()).unwrap();
    let item = serde_json::from_value(value).unwrap();
    scene(&location, &item, &[]).unwrap()
}

#[test]
fn both_versions_say_the_same() {
    let old = item(json!({
        "type": "Feature", "stac_version": "1.0.0", "id": "a", "bbox": [1, 2, 3, 4],
        "properties": {"datetime": "2020-01-02T03:04:05Z", "proj:epsg": 32633, "gsd": 10,
            "proj:shape": [10, 20], "proj:transform": [10, 0, 500_000, 0, -10, 5_000_000, 0, 0, 1]},
        "assets": {"img": {"href": "../a.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
            "eo:bands": [{"name": "red", "common_name": "red", "center_wavelength": 0.6}, {"name": "nir"}],
            "raster:bands": [{"data_type": "int16", "nodata": -9999, "scale": 0.1},
                {"data_type": "float32", "nodata": "nan"}]}}
    }));
    let new = item(json!({
        "type": "Feature", "stac_version": "1.1.0", "id": "a", "bbox": [1, 2, 0, 3, 4, 9],
        "properties": {"datetime": "2020-01-02T03:04:05Z", "gsd": 10, "proj:code": "EPSG:32633"},
        "assets": {"img": {"href": "../a.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
            "proj:shape": [10, 20], "proj:bbox": [500_000, 4_999_900, 500_200, 5_000_000],
            "data_type": "int16", "nodata": -9999.0, "raster:scale": 0.1,
            "bands": [{"name": "red", "eo:common_name": "red", "eo:center_wavelength": 0.6},
                {"name": "nir", "data_type": "float32", "nodata": "nan"}]}}
    }));
    let [old_red, new_red] = [&old, &new].map(|scene| scene.bands[0].clone());
    assert_eq!(
        old_red.info.variable(eolith_cube::DType::I16),
        new_red.info.variable(eolith_cube::DType::I16)
    );
    assert_eq!(old_red.grid, new_red.grid);
    let grid = old_red.grid.unwrap();
    assert_eq!((grid.x.start, grid.y.step, grid.x.len), (500_005.0, -10.0, 20));
    assert_eq!((old.bbox, old.time), (new.bbox, new.time));
    assert_eq!(new_red.info.variable(eolith_cube::DType::I16).nodata, Some(Number::Int(-9999)));
    assert_eq!((new.bands[1].band.as_str(), new.bands[1].plane), ("nir", 1));
    assert!(old.bands[1].info.nodata.unwrap().same(new.bands[1].info.nodata.unwrap()));
    assert_eq!(old_red.href, "/data/a.tif");
}

#[test]
fn assets_are_chosen_and_named() {
    let scene = item(json!({
        "type": "Feature", "stac_version": "1.0.0", "id": "a",
        "geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 2]]]},
        "properties": {"datetime": null, "start_datetime": "2020-01-01T00:00:00Z"},
        "assets": {
            "visual": {"href": "v.tif", "eo:bands": [{"name": "B1"}, {"name": "B2"}]},
            "preview": {"href": "p.tif", "roles": ["overview"]},
            "thumb": {"href": "t.png", "type": "image/png"},
            "B1": {"href": "b1.TIF", "eo:bands": [{"name": "B1"}]},
            "elevation": {"href": "dem.tif?token=1"},
            "remote": {"href": "s3://bucket/b.tif"},
            "odd": {"href": "ftp://host/b.tif"},
            "turned": {"href": "r.tif", "proj:epsg": 32633, "proj:shape": [1, 1], "proj:transform": [1, 1, 0, 1, -1, 0]},
            "broken": {"roles": ["data"]}
        }
    }));
    let bands: Vec<_> = scene.bands.iter().map(|b| (b.band.as_str(), b.href.as_str())).collect();
    let expected = [
        ("B1", "/data/items/b1.TIF"),
        ("B2", "/data/items/v.tif"),
        ("elevation", "/data/items/dem.tif?token=1"),
        ("remote", "s3://bucket/b.tif"),
    ];
    assert_eq!(bands, expected);
    assert_eq!(scene.bbox, Some([1.0, 2.0, 3.0, 4.0]));
    assert_eq!(scene.notes.len(), 4, "{:?}", scene.notes);
    assert!(scene.notes.iter().any(|note| note.contains("ftp://host/b.tif")));
    assert!(scene.notes.iter().any(|note| note.contains("rotated")));
}

#[test]
fn documents_are_checked() {
    let error = |value: Value| document::parse("/x.json", value).unwrap_err().to_string();
    assert!(
        error(json!({"type": "Catalog", "stac_version": "0.9.0", "id": "a"})).contains("0.9.0")
    );
    assert!(error(json!({"type": "Topology"})).contains("no `stac_version`"));
    assert!(error(json!({"type": "Topology", "stac_version": "1.0.0"})).contains("`Topology`"));
    assert!(
        error(json!({"type": "Collection", "stac_version": "1.0.0"})).contains("missing field")
    );
    assert!(error(json!([])).contains("`/x.json`"));
}

#[tokio::test]
async fn catalogues_of_both_versions_are_walked() {
    let Some(data) = reference() else { return };
    let mut all = Vec::new();
    for version in ["stac-1.0", "stac-1.1"] {
        let location = Location::local(&data.join(version).join("catalog.json")).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let (location, document) = read(&location).await.unwrap();
        let (found, problems) = collections(location, document, &mut seen).await;
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(found.len(), 9);
        let mut described = Vec::new();
        for one in found {
            let (items, problems) = items(&one.location, &one.document.links, usize::MAX).await;
            assert!(problems.is_empty(), "{problems:?}");
            let bands = collection_bands(&one.document);
            let scenes: Vec<_> =
                items.iter().map(|(at, item)| scene(at, item, &bands).unwrap()).collect();
            assert!(scenes.iter().all(|s| s.notes.is_empty() && s.bands.len() == bands.len()));
            let complete = |b: &ItemBand| b.grid.is_some() && b.info.dtype().is_some();
            assert!(scenes.iter().flat_map(|s| &s.bands).all(complete));
            described.push((one.document.id.clone(), bands, scenes));
        }
        all.push(described);
    }
    let counts: Vec<usize> = all[0].iter().map(|(_, _, scenes)| scenes.len()).collect();
    assert_eq!(counts, [5, 68, 1, 1, 19, 1, 1, 1, 6]);
    // `nodata: -32768.0` beside `nodata: -32768` is the one difference in spelling.
    type Described = (String, Vec<(String, BandInfo)>, Vec<ItemScene>);
    let variables = |all: &[Described]| -> Vec<_> {
        let bands = all.iter().flat_map(|(_, _, scenes)| scenes).flat_map(|scene| {
            let prefix = (scene.id.clone(), scene.time.clone(), scene.bbox);
            scene.bands.iter().map(move |b| {
                let variable = b.info.variable(b.info.dtype().unwrap());
                (prefix.clone(), b.band.clone(), b.grid.clone(), b.plane, b.href.clone(), variable)
            })
        });
        bands.collect()
    };
    assert_eq!(variables(&all[0]), variables(&all[1]));
}
