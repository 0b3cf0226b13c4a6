//! Results on a grid of a plan's target: exact ones as `resample_spatial` makes them, approximate ones from overviews.

use std::path::Path;
use std::sync::Arc;

use eolith_cube::crs::densified_bounds;
use eolith_cube::warp::Method;
use eolith_cube::{Block, Crs, Grid, Region};
use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::events::{Cancel, Listener};
use eolith_engine::sample::Sample;
use eolith_engine::session::{Session, Settings, Stage, Target};
use eolith_engine::sink::{Options, SinkFormat};
use eolith_graph::Process;
use eolith_plan::target::{Reading, TargetGrid};
use serde_json::json;

/// Pixels of 10 m along x and y, and dates.
const SIZE: usize = 1024;
const DATES: usize = 2;
const CORNER: (f64, f64) = (600_000.0, 5_100_000.0);

/// COGs with overviews, one a date.
pub(crate) fn session(folder: &Path) -> Session {
    let sample = Sample::new(DATES, SIZE).unwrap();
    let path = folder.join("s2.tif");
    let options = Options::from([("overview_resampling".to_owned(), json!("average"))]);
    let files = SinkFormat::GTiff.write(&sample, &options, 1 << 30, &path).unwrap();
    assert_eq!(files.len(), DATES);
    let catalog = Catalog::open(vec![Entry::parse(&format!("s2={}", folder.display()))], None);
    Session::new(Arc::new(catalog), Settings::default()).unwrap()
}

/// The largest NDVI over time, and what is done with it.
fn process(resample: Option<serde_json::Value>) -> Process {
    let mut graph = json!({
        "load": {"process_id": "load_collection", "arguments": {
            "id": "s2", "spatial_extent": null, "temporal_extent": null}},
        "ndvi": {"process_id": "ndvi", "arguments": {
            "data": {"from_node": "load"}, "nir": "B08", "red": "B04"}},
        "max": {"process_id": "reduce_dimension", "result": resample.is_none(), "arguments": {
            "data": {"from_node": "ndvi"}, "dimension": "t", "reducer": {"process_graph": {
                "max": {"process_id": "max", "arguments": {"data": {"from_parameter": "data"}},
                    "result": true}}}}},
    });
    if let Some(mut arguments) = resample {
        arguments["data"] = json!({"from_node": "max"});
        graph["resample"] =
            json!({"process_id": "resample_spatial", "arguments": arguments, "result": true});
    }
    let (process, issues) = eolith_graph::parse(&json!({ "process_graph": graph }).to_string());
    assert!(issues.is_empty(), "{issues:?}");
    process.unwrap()
}

/// Where the sample is in EPSG:3857.
fn bounds() -> [f64; 4] {
    let native = Grid::from_corner(Crs::epsg(32632).unwrap(), CORNER, (10.0, -10.0), (SIZE, SIZE));
    densified_bounds(native.bounds(), &native.crs, &Crs::epsg(3857).unwrap(), 21).unwrap()
}

/// The tile in the middle of the sample.
pub(crate) fn tile(z: u8) -> (u8, u32, u32) {
    let half = 20_037_508.342_789_244;
    let [west, south, east, north] = bounds();
    let place = |offset: f64| (offset / (2.0 * half) * f64::from(1u32 << z)) as u32;
    (z, place(west.midpoint(east) + half), place(half - south.midpoint(north)))
}

fn mean_difference(a: &Block, b: &Block) -> f64 {
    let pairs: Vec<f64> = (0..a.len())
        .filter(|&i| a.is_valid(i) && b.is_valid(i))
        .map(|i| (a.values.get(i).to_f64() - b.values.get(i).to_f64()).abs())
        .collect();
    assert!(pairs.len() * 4 > a.len(), "{} of {} pixels", pairs.len(), a.len());
    pairs.iter().sum::<f64>() / pairs.len() as f64
}

#[tokio::test]
async fn tiles_read_overviews_and_are_near_the_means_of_native_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let view = session.view(process(None)).await.unwrap();
    let (z, x, y) = tile(11);
    let coarse = view.tile(z, x, y).await.unwrap();
    let grid = eolith_plan::target::tile(z, x, y).unwrap().unwrap();
    let native = |method| TargetGrid { grid: grid.clone(), method, reading: Reading::Exact };
    let near = view.image(native(Method::Near)).await.unwrap();
    let mean = view.image(native(Method::Average)).await.unwrap();
    assert_eq!(coarse.block.shape, [256, 256]);
    assert_eq!(coarse.schema, near.schema);
    assert!(coarse.note.as_deref().is_some_and(|note| note.contains("`s2`")), "{:?}", coarse.note);
    assert_eq!((near.note, mean.note), (None, None));
    // At least 2 x 2 native pixels in one of the overview.
    assert!(coarse.bytes_read * 3 < near.bytes_read, "{} {}", coarse.bytes_read, near.bytes_read);
    // The largest NDVI of means is a little below the mean of the largest NDVI.
    let difference = mean_difference(&coarse.block, &mean.block);
    assert!(difference < 0.03, "{difference}");
    // Nothing is asked again.
    let again = view.tile(z, x, y).await.unwrap();
    assert_eq!(again.block, coarse.block);
    println!("planning a tile: {:?}, computing it: {:?}", again.planning, again.computing);
    // A tile as fine as the data reads no overview.
    let (z, x, y) = tile(15);
    assert_eq!(view.tile(z, x, y).await.unwrap().note, None);
}

/// On the lattice of an overview its pixels are the means of native ones, up to rounding, and in their place.
#[tokio::test]
async fn an_overview_is_where_its_native_pixels_are() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let graph = json!({"load": {"process_id": "load_collection", "result": true, "arguments": {
        "id": "s2", "spatial_extent": null, "temporal_extent": null, "bands": ["B08"]}}});
    let (process, _) = eolith_graph::parse(&json!({ "process_graph": graph }).to_string());
    let view = session.view(process.unwrap()).await.unwrap();
    // Away from the corner by whole pixels of the overview.
    let corner = (CORNER.0 + 400.0, CORNER.1 - 800.0);
    let grid = Grid::from_corner(Crs::epsg(32632).unwrap(), corner, (20.0, -20.0), (200, 300));
    let coarse = view.image(TargetGrid::approximate(grid.clone())).await.unwrap();
    assert!(coarse.note.as_deref().is_some_and(|note| note.contains("2.0 native")));
    let target = TargetGrid { grid, method: Method::Average, reading: Reading::Exact };
    let mean = view.image(target).await.unwrap();
    assert_eq!(coarse.block.shape, [DATES, 1, 300, 200]);
    let (a, b) = (&coarse.block, &mean.block);
    assert!((0..a.len()).any(|i| a.is_valid(i) && b.is_valid(i)));
    for i in (0..a.len()).filter(|&i| a.is_valid(i) && b.is_valid(i)) {
        let (a, b) = (a.values.get(i).to_f64(), b.values.get(i).to_f64());
        assert!((a - b).abs() <= 0.5 + 1e-9, "{a} {b}");
    }
}

#[tokio::test]
async fn an_exact_target_is_resample_spatial() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let [west, south, east, north] = bounds();
    let size = |extent: f64| (extent / 100.0 - 1e-6).ceil() as usize;
    let (width, height) = (size(east - west), size(north - south));
    let grid = Grid::from_corner(
        Crs::epsg(3857).unwrap(),
        (west, north),
        (100.0, -100.0),
        (width, height),
    );
    for method in ["near", "cubic"] {
        let arguments = json!({"projection": 3857, "resolution": 100, "method": method});
        let whole = Region::whole(&[height, width]);
        let inside = session.region(&process(Some(arguments)), whole.clone()).await.unwrap();
        let (grid, method) = (grid.clone(), Method::from_name(method).unwrap());
        let onto = session.onto(TargetGrid { grid, method, reading: Reading::Exact });
        assert_eq!(onto.region(&process(None), whole).await.unwrap(), inside);
    }
}

#[tokio::test]
async fn files_say_that_they_are_approximate() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (z, x, y) = tile(11);
    let grid = eolith_plan::target::tile(z, x, y).unwrap().unwrap();
    let (process, cancel) = (process(None), Cancel::default());
    let listener: Listener = Arc::new(|_| {});
    let onto = session.onto(TargetGrid::approximate(grid.clone()));
    let text = onto.explain(&process, Stage::All).await.unwrap();
    assert!(text.contains("approximate: overviews were read of `s2`"), "{text}");
    for name in ["out.nc", "out.tif", "out.zarr"] {
        let path = folder.path().join(name);
        let target = Target::File(path.clone());
        let run = onto.run(&process, &target, &listener, &cancel).await;
        let report = run.unwrap();
        assert!(report.outputs[0].notes.iter().any(|note| note.starts_with("approximate")));
        let file = if name == "out.zarr" { path.join("zarr.json") } else { path };
        let bytes = std::fs::read(file).unwrap();
        let said = bytes.windows(32).any(|part| part == b"approximate: overviews were read");
        assert!(said, "{name}");
    }
    let exact = session.onto(TargetGrid::exact(grid));
    let path = folder.path().join("exact.nc");
    let run = exact.run(&process, &Target::File(path), &listener, &cancel).await;
    assert!(!run.unwrap().outputs[0].notes.iter().any(|note| note.starts_with("approximate")));
}

/// Bytes that a plan says it decodes.
fn decoded(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("reads ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_plan_says_how_little_a_tile_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (z, x, y) = tile(11);
    let grid = eolith_plan::target::tile(z, x, y).unwrap().unwrap();
    let explain = async |target| {
        let onto = session.onto(target);
        onto.explain(&process(None), Stage::Physical).await.unwrap()
    };
    let coarse = explain(TargetGrid::approximate(grid.clone())).await;
    let exact = explain(TargetGrid::exact(grid)).await;
    assert!(coarse.contains("\napproximate: ") && !exact.contains("approximate"), "{coarse}");
    assert!(decoded(&coarse) * 3 < decoded(&exact), "{coarse}\n{exact}");
}

/// What is saved as the result is on the grid; what is saved on the way stays where it is.
#[tokio::test]
async fn saved_results_are_on_the_grid_of_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let save = |node: &str, name: &str, result: bool| {
        json!({"process_id": "save_result", "result": result, "arguments": {
            "data": {"from_node": node}, "format": name}})
    };
    let graph = json!({
        "load": {"process_id": "load_collection", "arguments": {
            "id": "s2", "spatial_extent": null, "temporal_extent": null, "bands": ["B08"]}},
        "native": save("load", "netCDF", false),
        "out": save("load", "Zarr", true),
    });
    let (process, issues) = eolith_graph::parse(&json!({ "process_graph": graph }).to_string());
    assert!(issues.is_empty(), "{issues:?}");
    let grid = Grid::from_corner(Crs::epsg(32632).unwrap(), CORNER, (40.0, -40.0), (256, 256));
    let onto = session.onto(TargetGrid::exact(grid));
    let text = onto.explain(&process.unwrap(), Stage::Bound).await.unwrap();
    let ops: Vec<&str> = text.lines().filter(|line| line.starts_with('%')).collect();
    let number = |what: &str| ops.iter().position(|line| line.contains(what)).unwrap();
    let (warp, saved) = (number("Warp near"), number("Save Zarr"));
    assert!(ops[saved].ends_with(&format!("[%{warp}]")), "{text}");
    assert!(!ops[number("Save netCDF")].contains(&format!("[%{warp}]")), "{text}");
    assert_eq!(ops.iter().filter(|line| line.contains("Save")).count(), 2, "{text}");
}
