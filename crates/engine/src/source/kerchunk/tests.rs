use eolith_cube::{Region, Values};
use serde_json::{Value, json};

use super::*;
use crate::source::zarr;

/// What is wrong with a document.
type Change = fn(&mut Value);

/// Two chunks of two numbers each: one inline, one in a file; a third is missing.
fn document(url: &str) -> Value {
    let array = json!({"zarr_format": 2, "shape": [6], "chunks": [2], "dtype": "<i2", "order": "C",
        "compressor": null, "filters": null, "fill_value": -1});
    json!({"version": 1, "templates": {"u": url}, "refs": {
        ".zgroup": "{\"zarr_format\": 2}", ".zattrs": "{\"nothing\": NaN}",
        "v/.zarray": array.to_string(), "v/.zattrs": "{\"_ARRAY_DIMENSIONS\": [\"n\"]}",
        "v/0": "base64:AQACAA==", "v/1": ["{{ u }}", 3, 4]}})
}

async fn open_at(folder: &std::path::Path, document: &Value) -> Result<Location, SourceError> {
    let path = folder.join("refs.json");
    std::fs::write(&path, document.to_string()).unwrap();
    open(&Location::local(&path).unwrap()).await
}

async fn values(location: &Location) -> Result<Values, SourceError> {
    let arrays = zarr::open(location).await?;
    let region = Region::whole(&arrays[0].meta().shape);
    let fetched = arrays[0].fetch(region.clone()).await?;
    Ok(arrays[0].decode(&region, fetched)?.values)
}

#[tokio::test]
async fn chunks_come_from_text_and_from_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.bin"), [9, 9, 9, 3, 0, 4, 0, 9]).unwrap();
    let path = folder.path().join("refs.json");
    for url in ["data.bin".to_owned(), folder.path().join("data.bin").display().to_string()] {
        std::fs::write(&path, document(&url).to_string()).unwrap();
        let location = Location::local(&path).unwrap();
        assert!(is_one(&location).await);
        let read = values(&location).await.unwrap();
        assert_eq!(read, Values::I16(vec![1, 2, 3, 4, -1, -1]));
    }
    // Version 0, where a reference may also be a whole file.
    let mut old = document("")["refs"].clone();
    std::fs::write(folder.path().join("whole.bin"), [5, 0, 6, 0]).unwrap();
    old["v/1"] = json!(["whole.bin"]);
    std::fs::write(&path, old.to_string()).unwrap();
    let read = values(&Location::local(&path).unwrap()).await.unwrap();
    assert_eq!(read, Values::I16(vec![1, 2, 5, 6, -1, -1]));
}

#[tokio::test]
async fn metadata_of_version_3_are_found_without_a_listing() {
    let folder = tempfile::tempdir().unwrap();
    let array = json!({"zarr_format": 3, "node_type": "array", "shape": [2], "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0, "dimension_names": ["n"],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "attributes": {}});
    let refs = json!({"zarr.json": json!({"zarr_format": 3, "node_type": "group"}).to_string(),
        "g/v/zarr.json": array, "g/v/c/0": "base64:AQACAA=="});
    let path = folder.path().join("r.json");
    std::fs::write(&path, json!({"refs": refs}).to_string()).unwrap();
    let location = Location::local(&path).unwrap();
    assert_eq!(zarr::open(&location).await.unwrap()[0].meta().name, "g/v");
    assert_eq!(values(&location).await.unwrap(), Values::I16(vec![1, 2]));
}

#[tokio::test]
async fn what_cannot_be_followed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: Change| {
        let mut document = document("data.bin");
        change(&mut document);
        document
    };
    let cases: [(Change, &str); 8] = [
        (|d| d["refs"]["v/1"] = json!(["{{f(x=1)}}", 0, 4]), "template expression"),
        (|d| d["refs"]["v/1"] = json!(["{{v}}", 0, 4]), "template expression"),
        (|d| d["gen"] = json!([{"key": "v/{{i}}"}]), "generated references"),
        (|d| d["version"] = json!(2), "version 2"),
        (|d| d["refs"]["v/0"] = json!("base64:%"), "no base64"),
        (|d| d["refs"]["v/1"] = json!(["u", -3, 4]), "no offset"),
        (|d| d["refs"]["v/1"] = json!(["u", u64::MAX, 4]), "no offset"),
        (|d| d["refs"] = json!({"a": "b"}), "no Zarr metadata"),
    ];
    for (change, reason) in cases {
        let error = open_at(folder.path(), &refused(change)).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    // The reference is fine, the file is not there: no empty chunk.
    std::fs::write(folder.path().join("r.json"), document("data.bin").to_string()).unwrap();
    let location = Location::local(&folder.path().join("r.json")).unwrap();
    let error = values(&location).await.unwrap_err().to_string();
    assert!(error.contains("data.bin") && error.contains("`v/1`"), "{error}");
    // A file from elsewhere does not lead to local ones.
    for url in ["/etc/passwd", "file:///etc/passwd"] {
        let from = Location::resolve("", "http://localhost/folder/refs.json").unwrap();
        let found = from.referred(url);
        assert!(found.is_err() || found.unwrap().as_local().is_none(), "{url}");
    }
    let stac = json!({"type": "Collection", "stac_version": "1.0.0", "refs": 1});
    std::fs::write(folder.path().join("s.json"), stac.to_string()).unwrap();
    assert!(!is_one(&Location::local(&folder.path().join("s.json")).unwrap()).await);
}
