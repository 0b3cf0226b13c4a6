use eolith_cube::DType;

use super::*;
use crate::sink::sample::{Sample, bands, times, x, y};

fn text(cube: &Sample) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let files = write(cube, &Options::new(), 1 << 26, &path).unwrap();
    assert_eq!(files[0].path, path);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn values_are_nested_with_their_labels() {
    let dims = vec![times(&["2020-06-01"]), bands(&["a", "b", "c", "d"])];
    let pixels = [Some(0.5), None, Some(f64::NAN), Some(f64::NEG_INFINITY)];
    let cube = Sample::new(dims, DType::F32, |i| pixels[i[1]]);
    assert_eq!(
        text(&cube),
        r#"{"dims":["t","bands"],"shape":[1,4],"dimensions":{"t":["2020-06-01"],"bands":["a","b","c","d"]},"crs":null,"dtype":"float32","values":[[0.5,null,"NaN","-Infinity"]]}
"#
    );
}

#[test]
fn grids_scalars_and_empty_cubes_are_json_too() {
    let cube = Sample::new(vec![y(2), x(3)], DType::U8, |i| Some((i[0] * 3 + i[1]) as f64));
    let value: serde_json::Value = serde_json::from_str(&text(&cube)).unwrap();
    assert_eq!(value["values"], json!([[0, 1, 2], [3, 4, 5]]));
    assert_eq!((&value["crs"], &value["dtype"]), (&json!("EPSG:32633"), &json!("uint8")));
    assert_eq!(value["dimensions"]["x"], json!([500_005.0, 500_015.0, 500_025.0]));
    let scalar = Sample::new(Vec::new(), DType::F64, |_| Some(1e-9));
    let value: serde_json::Value = serde_json::from_str(&text(&scalar)).unwrap();
    assert_eq!(value["values"], json!(1e-9));
    let empty = Sample::new(vec![bands(&["a", "b"]), times(&[])], DType::Bool, |_| None);
    let value: serde_json::Value = serde_json::from_str(&text(&empty)).unwrap();
    assert_eq!(value["values"], json!([[], []]));
}

#[test]
fn large_results_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let cube = Sample::new(vec![y(1000), x(3000)], DType::F64, |_| Some(1.0 / 3.0));
    let error = write(&cube, &Options::new(), 1 << 26, &path).unwrap_err();
    assert!(matches!(&error, SinkError::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains("50000000 bytes of text"), "{error}");
    let error = write(&cube, &Options::new(), 1000, &path).unwrap_err();
    assert!(matches!(error, SinkError::Memory { allowed: 1000, .. }));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
