//! Real stores of both versions against the figures computed from their sources, from disk and over HTTP.

use std::path::Path;
use std::sync::Arc;

use eolith_cube::{Block, DType, Kind, Labels, Number, Region, Schema, SpatialAxis};
use eolith_plan::need::{Content, Format, Piece};
use serde_json::{Value, json};

use super::*;
use crate::reference::reference;
use crate::source::cf::{self, CubeNotes};

fn expected(root: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(root.join("expected.json")).unwrap()).unwrap()
}

async fn read_array(array: &dyn ArrayReader, region: &Region) -> Block {
    let fetched = array.fetch(region.clone()).await.unwrap();
    let mut block = array.decode(region, fetched).unwrap();
    if let Some(nodata) = array.meta().nodata {
        block.mask_value(nodata);
    }
    block
}

struct Cube {
    schema: Schema,
    pieces: Arc<[Piece]>,
    notes: CubeNotes,
    group: Group,
}

async fn open_cube(location: &Location) -> Cube {
    let group = open_group(location).await.unwrap();
    let (content, notes) =
        cf::describe(&group.arrays, &group.attributes, location.href(), Format::Zarr)
            .await
            .unwrap();
    let Content::Cube { schema, pieces } = content else { panic!("not a cube") };
    Cube { schema, pieces, notes, group }
}

impl Cube {
    /// The mean of valid pixels for each time and band, and the sum.
    async fn statistics(&self) -> Vec<Vec<(f64, f64, usize)>> {
        let shape = self.schema.shape().unwrap();
        let (t, bands) = (self.schema.temporal()[0], self.schema.bands().unwrap());
        let mut out = vec![vec![(0.0, 0.0, 0); shape[bands]]; shape[t]];
        for piece in self.pieces.iter() {
            let array = self.group.arrays.iter().find(|a| a.meta().name == piece.array.array);
            let array = array.unwrap();
            let block = read_array(array.as_ref(), &Region::whole(&array.meta().shape)).await;
            let block = block.reshape(piece.region.shape());
            for (time, row) in out.iter_mut().enumerate() {
                for band in piece.region.0[bands].clone() {
                    let mut region = Region::whole(&block.shape);
                    region.0[t] = time..time + 1;
                    let inside = band - piece.region.0[bands].start;
                    region.0[bands] = inside..inside + 1;
                    let part = block.slice(&region);
                    let valid = (0..part.len()).filter_map(|i| part.get(i)).map(Number::to_f64);
                    let (sum, n) = valid.fold((0.0, 0), |(sum, n), v| (sum + v, n + 1));
                    row[band] = (sum / n as f64, sum, part.len() - n);
                }
            }
        }
        out
    }

    fn dim_names(&self) -> Vec<&str> {
        self.schema.dims.iter().map(|d| d.name.as_str()).collect()
    }

    fn band_names(&self) -> Vec<String> {
        let bands = self.schema.bands().unwrap();
        self.schema.dims[bands].labels().unwrap().iter().map(|l| l.to_string()).collect()
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

async fn check_l1c(location: &Location, expected: &Value) {
    let expected = &expected["s2_l1c_slovenia"];
    let cube = open_cube(location).await;
    assert_eq!(cube.dim_names(), ["t", "bands", "y", "x"]);
    assert_eq!(json!(cube.schema.shape().unwrap()), expected["shape_t_bands_y_x"]);
    let mut names = cube.band_names();
    names.sort();
    let mut wanted: Vec<String> = serde_json::from_value(expected["bands"].clone()).unwrap();
    wanted.sort();
    assert_eq!(names, wanted);
    let times: Vec<String> =
        cube.schema.dims[0].labels().unwrap().iter().map(|l| l.to_string()).collect();
    assert_eq!(json!(times), expected["dates"]);
    let grid = cube.schema.grid().unwrap();
    assert_eq!(u64::from(grid.crs.code().unwrap()), expected["epsg"]);
    let bbox: Vec<f64> = serde_json::from_value(expected["bbox"].clone()).unwrap();
    grid.bounds().iter().zip(bbox).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
    let variable =
        &cube.schema.variables[cube.band_names().iter().position(|b| b == "B04").unwrap()];
    assert_eq!(variable.dtype, DType::U16);
    assert_eq!(variable.nodata, Some(Number::Int(0)));
    assert_eq!((variable.scale, variable.offset), (Some(0.0001), Some(0.0)));
    assert_eq!(variable.common_name.as_deref(), Some("red"));
    assert!(cube.notes.notes.iter().any(|note| note.contains("Sentinel-2")));
    assert!(cube.pieces.iter().all(|piece| piece.array.version.is_some()));
    let statistics = cube.statistics().await;
    for (band, name) in cube.band_names().iter().enumerate() {
        for (time, row) in statistics.iter().enumerate() {
            let (_, sum, nulls) = row[band];
            // The figures count pixels of zero, which are no-data here.
            let mean = sum / (101.0 * 100.0);
            close(mean, expected["mean_dn"][name][time].as_f64().unwrap());
            assert!(nulls < 1000);
        }
    }
}

async fn check_ndvi(location: &Location, expected: &Value) {
    let expected = &expected["s2_ndvi_slovenia"];
    let cube = open_cube(location).await;
    assert_eq!(cube.dim_names(), ["t", "bands", "y", "x"]);
    assert_eq!(cube.schema.shape().unwrap(), [68, 3, 101, 100]);
    assert_eq!(cube.band_names(), ["CLM", "CLP", "NDVI"]);
    let types: Vec<DType> = cube.schema.variables.iter().map(|v| v.dtype).collect();
    assert_eq!(types, [DType::U8, DType::F32, DType::F32]);
    assert_eq!(cube.schema.variables[0].nodata, None);
    assert!(cube.schema.variables[2].nodata.unwrap().to_f64().is_nan());
    let statistics = cube.statistics().await;
    for (time, row) in statistics.iter().enumerate() {
        close(row[0].0, expected["cloud_fraction_per_date"][time].as_f64().unwrap());
        close(row[2].0, expected["ndvi_mean_per_date"][time].as_f64().unwrap());
    }
}

async fn check_bcsd(location: &Location, expected: &Value) {
    let expected = &expected["bcsd_obs_1999"];
    let cube = open_cube(location).await;
    assert_eq!(cube.dim_names(), ["time", "bands", "latitude", "longitude"]);
    assert_eq!(cube.schema.shape().unwrap(), [12, 2, 33, 81]);
    assert_eq!(cube.band_names(), ["pr", "tas"]);
    assert_eq!(cube.schema.dims[0].kind, Kind::Temporal);
    let times: Vec<String> = (cube.schema.dims[0].labels().unwrap().iter())
        .map(|l| l.to_string().split('T').next().unwrap().to_owned())
        .collect();
    assert_eq!(json!(times), expected["time"]);
    let grid = cube.schema.grid().unwrap();
    assert_eq!(grid.crs.code(), Some(4326));
    // South to north, as in the file.
    assert!(grid.y.step > 0.0);
    assert_eq!(grid.y.start, 33.0625);
    assert_eq!(cube.schema.variables[0].unit.as_deref(), Some("mm/m"));
    assert_eq!(cube.notes.title.as_deref(), Some("Monthly Gridded Meteorological Observations"));
    let statistics = cube.statistics().await;
    for (time, row) in statistics.iter().enumerate() {
        close(row[0].1, expected["pr_sum_valid"][time].as_f64().unwrap());
        close(row[1].0, expected["tas_mean"][time].as_f64().unwrap());
        assert_eq!(json!(row[1].2), expected["nan_cells_per_month"]);
    }
}

#[tokio::test]
async fn real_stores_give_the_figures_of_their_sources() {
    let Some(root) = reference() else { return };
    let expected = expected(&root);
    let store = |name: &str| Location::local(&root.join("cubes").join(name)).unwrap();
    check_l1c(&store("s2_l1c_slovenia.v2.zarr"), &expected).await;
    check_l1c(&store("s2_l1c_slovenia.v3.zarr"), &expected).await;
    check_l1c(&store("s2_l1c_slovenia.v3-sharded.zarr"), &expected).await;
    check_ndvi(&store("s2_ndvi_slovenia.v2.zarr"), &expected).await;
    check_ndvi(&store("s2_ndvi_slovenia.v3.zarr"), &expected).await;
    check_bcsd(&store("bcsd_obs_1999.v2.zarr"), &expected).await;
    check_bcsd(&store("bcsd_obs_1999.v3.zarr"), &expected).await;
}

/// Serves a folder on this machine.
async fn serve(folder: &Path) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let files = tower_http::services::ServeDir::new(folder);
    let app = axum::Router::new().fallback_service(files);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn stores_are_read_over_http() {
    let Some(root) = reference() else { return };
    let expected = expected(&root);
    let base = serve(&root.join("cubes")).await;
    let store = |name: &str| Location::resolve(&base, &format!("{base}/{name}")).unwrap();
    check_l1c(&store("s2_l1c_slovenia.v2.zarr"), &expected).await;
    check_l1c(&store("s2_l1c_slovenia.v3-sharded.zarr"), &expected).await;
    check_ndvi(&store("s2_ndvi_slovenia.v2.zarr"), &expected).await;
    check_bcsd(&store("bcsd_obs_1999.v2.zarr"), &expected).await;
    // Without consolidated metadata the names have to be guessed, and that is said.
    let group = open_group(&store("bcsd_obs_1999.v3.zarr")).await.unwrap();
    let names: Vec<&str> = group.arrays.iter().map(|array| array.meta().name.as_str()).collect();
    assert!(
        ["latitude", "longitude", "pr", "tas", "time"].iter().all(|n| names.contains(n)),
        "{names:?}"
    );
    assert!(group.notes.iter().any(|note| note.contains("usual names")), "{:?}", group.notes);
    let single = open(&store("bcsd_obs_1999.v3.zarr/tas")).await.unwrap();
    assert_eq!(single[0].meta().name, "");
    assert_eq!(single[0].meta().shape, [12, 33, 81]);
    let error = open(&store("nothing.zarr")).await.unwrap_err().to_string();
    assert!(error.contains("nothing.zarr"), "{error}");
}

#[tokio::test]
async fn windows_are_parts_of_the_whole() {
    let Some(root) = reference() else { return };
    for store in ["v2", "v3", "v3-sharded"] {
        let name = format!("cubes/s2_l1c_slovenia.{store}.zarr");
        let arrays = open(&Location::local(&root.join(name)).unwrap()).await.unwrap();
        let array = arrays.iter().find(|a| a.meta().dims.len() > 2).unwrap();
        let shape = &array.meta().shape;
        let whole = read_array(array.as_ref(), &Region::whole(shape)).await;
        let mut window = Region(shape.iter().map(|&n| n / 3..n - n / 4).collect());
        window.0[0] = 1..2;
        let part = read_array(array.as_ref(), &window).await;
        assert_eq!(part.canonical(), whole.slice(&window).canonical());
        let beyond = Region(shape.iter().map(|&n| 0..n + 1).collect());
        assert!(array.fetch(beyond).await.is_err());
    }
}

/// Writes a store of uncompressed arrays by hand.
fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn array_v2(dtype: &str, shape: &[usize], chunks: &[usize], fill: Value) -> String {
    json!({
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": fill,
        "order": "C", "filters": null, "compressor": null,
    })
    .to_string()
}

#[tokio::test]
async fn nested_groups_times_texts_and_missing_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let at = |path: &str| format!("measurements/{path}");
    write(root, ".zgroup", r#"{"zarr_format": 2}"#);
    write(root, &at(".zgroup"), r#"{"zarr_format": 2}"#);
    write(root, &at("r/.zarray"), array_v2(">i2", &[2, 3], &[1, 2], Value::Null));
    write(root, &at("r/.zattrs"), r#"{"_ARRAY_DIMENSIONS": ["time", "x"], "_FillValue": 7}"#);
    write(root, &at("r/0.0"), [0, 1, 0, 7]);
    write(root, &at("r/1.1"), [1, 0, 0, 0]);
    write(root, &at("time/.zarray"), array_v2("<M8[ns]", &[2], &[2], json!("NaT")));
    write(root, &at("time/.zattrs"), r#"{"_ARRAY_DIMENSIONS": ["time"]}"#);
    let times = [0_i64, 86_400_000_000_000];
    write(root, &at("time/0"), times.map(i64::to_le_bytes).concat());
    write(root, &at("x/.zarray"), array_v2("|S2", &[3], &[2], Value::Null));
    write(root, &at("x/.zattrs"), r#"{"_ARRAY_DIMENSIONS": ["x"]}"#);
    write(root, &at("x/0"), b"a\0bc");
    write(root, &at("x/1"), b"de\0\0");
    write(root, &at("flag/.zarray"), array_v2("|i1", &[2], &[2], Value::Null));
    write(root, &at("flag/.zattrs"), r#"{"_ARRAY_DIMENSIONS": ["n"], "dtype": "bool"}"#);
    write(root, &at("flag/0"), [0, 1]);
    write(root, "odd/.zarray", array_v2("<c16", &[2], &[2], Value::Null));

    let location = Location::local(root).unwrap();
    let group = open_group(&location).await.unwrap();
    let names: Vec<&str> = group.arrays.iter().map(|a| a.meta().name.as_str()).collect();
    assert_eq!(
        names,
        ["measurements/flag", "measurements/r", "measurements/time", "measurements/x"]
    );
    assert_eq!(group.notes.len(), 1);
    assert!(group.notes[0].contains("`odd`") && group.notes[0].contains("<c16"));

    let flag = read_array(group.arrays[0].as_ref(), &Region::whole(&[2])).await;
    assert_eq!(flag.values, eolith_cube::Values::Bool(vec![false, true]));
    let r = read_array(group.arrays[1].as_ref(), &Region::whole(&[2, 3])).await;
    let values: Vec<Option<Number>> = (0..6).map(|i| r.get(i)).collect();
    let int = |value| Some(Number::Int(value));
    // 7 is no-data, and version 2 without fill value says nothing of chunks that are not there.
    assert_eq!(values, [int(1), None, None, None, None, int(256)]);
    let texts = group.arrays[3].texts().unwrap().await.unwrap();
    assert_eq!(texts, ["a", "bc", "de"]);
    assert!(group.arrays[3].fetch(Region::whole(&[3])).await.is_err());

    let cube = open_cube(&location).await;
    assert_eq!(cube.dim_names(), ["time", "bands", "x"]);
    assert_eq!(cube.band_names(), ["r"]);
    let labels = cube.schema.dims[0].labels().unwrap();
    assert_eq!(labels.get(1).to_string(), "1970-01-02T00:00:00Z");
    assert!(matches!(&cube.schema.dims[2].kind, Kind::Spatial { axis: SpatialAxis::X, .. }));
    assert_eq!(cube.schema.dims[2].labels().unwrap(), &Labels::texts(["a", "bc", "de"]));
    assert!(cube.notes.notes.iter().any(|n| n.contains("flag")), "{:?}", cube.notes.notes);
}

#[tokio::test]
async fn damaged_stores_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let location = Location::local(root).unwrap();
    assert!(open(&location).await.is_err());
    write(root, ".zmetadata", "[1, 2");
    assert!(open(&location).await.is_err());
    write(root, ".zmetadata", r#"{"metadata": {"a/.zarray": {"dtype": 3}, ".zattrs": []}}"#);
    assert_eq!(open_group(&location).await.unwrap().notes.len(), 1);
    std::fs::remove_file(root.join(".zmetadata")).unwrap();
    write(root, ".zarray", array_v2("<u2", &[4], &[4], json!(0)));
    write(root, "0", [1, 2, 3]);
    let arrays = open(&location).await.unwrap();
    let region = Region::whole(&[4]);
    let fetched = arrays[0].fetch(region.clone()).await.unwrap();
    assert!(arrays[0].decode(&region, fetched).is_err());
    write(root, ".zarray", array_v2("<u2", &[4], &[usize::MAX], json!(0)));
    assert_eq!(open_group(&location).await.unwrap().notes.len(), 1);
}
