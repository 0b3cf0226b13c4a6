//! Two small cubes on disk, as Zarr 2.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

const T: usize = 3;
const Y: usize = 4;
const X: usize = 5;

/// A folder with `cube.zarr` and `nested-cube.zarr`.
pub(crate) fn generated() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cube", "nested-cube"] {
        cube(&folder.path().join(format!("{name}.zarr")));
    }
    folder
}

/// Bands `B04` and `B08` over 3 days, 4 rows and 5 columns; band `B04` counts from 0, `B08` from 1000.
fn cube(store: &Path) {
    std::fs::create_dir_all(store).unwrap();
    std::fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    std::fs::write(store.join(".zattrs"), r#"{"title": "Generated numbers"}"#).unwrap();
    let count = |from: usize| -> Vec<u8> {
        (from..from + T * Y * X).flat_map(|i| (i as f32).to_le_bytes()).collect()
    };
    let numbers = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let dims = ["time", "lat", "lon"];
    for (name, from) in [("B04", 0), ("B08", 1000)] {
        let attributes = json!({"_ARRAY_DIMENSIONS": dims});
        array(store, name, "<f4", &[T, Y, X], attributes, &count(from));
    }
    let time = json!({"_ARRAY_DIMENSIONS": ["time"], "standard_name": "time",
        "units": "days since 2022-06-01", "calendar": "standard"});
    array(store, "time", "<f8", &[T], time, &numbers(&[0.0, 1.0, 2.0]));
    let lat = json!({"_ARRAY_DIMENSIONS": ["lat"], "standard_name": "latitude",
        "units": "degrees_north"});
    array(store, "lat", "<f8", &[Y], lat, &numbers(&[47.4, 47.3, 47.2, 47.1]));
    let lon = json!({"_ARRAY_DIMENSIONS": ["lon"], "standard_name": "longitude",
        "units": "degrees_east"});
    array(store, "lon", "<f8", &[X], lon, &numbers(&[11.1, 11.2, 11.3, 11.4, 11.5]));
}

fn array(store: &Path, name: &str, dtype: &str, shape: &[usize], attributes: Value, bytes: &[u8]) {
    let folder = store.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let meta = json!({"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype,
        "compressor": null, "fill_value": null, "order": "C", "filters": null});
    std::fs::write(folder.join(".zarray"), meta.to_string()).unwrap();
    std::fs::write(folder.join(".zattrs"), attributes.to_string()).unwrap();
    let chunk = vec!["0"; shape.len()].join(".");
    std::fs::write(folder.join(chunk), bytes).unwrap();
}
