use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_cube::time::TimeLabel;
use eolith_cube::{
    Block, ChunkGrid, Crs, DType, Dimension, Kind, Label, Labels, Number, Region, Regular, Schema,
    SpatialAxis, Values, Variable,
};
use eolith_plan::need::{Content, Format};
use serde_json::json;

use super::{DESCRIPTION, intake, write};
use crate::sink::sample::Sample;
use crate::sink::{Intake, Options, OutputFile, ResultView, SinkError};
use crate::source::{ArrayReader, cf, netcdf};
use crate::storage::Location;

/// Pixel `i` has the value `value(i)`, where there is one.
fn sample(schema: Schema, value: impl Fn(usize) -> Option<f64>) -> Sample {
    let shape = schema.shape().unwrap();
    let mut block = Block::nulls(schema.dtype(), shape);
    for i in 0..block.len() {
        if let Some(value) = value(i) {
            block.values.set(i, Number::Float(value));
            block.validity.as_mut().unwrap()[i] = true;
        }
    }
    Sample { schema, block: block.canonical() }
}

/// The pixel at the index in schema order.
fn at(block: &Block, index: &[usize]) -> Option<Number> {
    let flat = index.iter().zip(&block.shape).fold(0, |flat, (i, n)| flat * n + i);
    block.get(flat)
}

/// A folder for the files: kept if `EOLITH_SAMPLES` names one, so that other programs can be tried on them.
struct Folder(
    PathBuf,
    #[expect(dead_code, reason = "deletes the folder when dropped")] Option<tempfile::TempDir>,
);

fn folder() -> Folder {
    if let Some(kept) = std::env::var_os("EOLITH_SAMPLES") {
        return Folder(kept.into(), None);
    }
    let folder = tempfile::tempdir().unwrap();
    Folder(folder.path().to_owned(), Some(folder))
}

fn save(result: &Sample, path: &Path) -> OutputFile {
    let mut files = write(result, &Options::new(), u64::MAX, path).unwrap();
    assert_eq!((files.len(), files[0].path.as_path()), (1, path));
    files.pop().unwrap()
}

async fn open(path: &Path) -> Vec<Arc<dyn ArrayReader>> {
    netcdf::open(&Location::local(path).unwrap()).await.unwrap().0
}

fn named<'a>(arrays: &'a [Arc<dyn ArrayReader>], name: &str) -> &'a Arc<dyn ArrayReader> {
    arrays.iter().find(|a| a.meta().name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

async fn pixels(array: &Arc<dyn ArrayReader>) -> Block {
    let region = Region::whole(&array.meta().shape);
    let fetched = array.fetch(region.clone()).await.unwrap();
    let mut block = array.decode(&region, fetched).unwrap();
    if let Some(nodata) = array.meta().nodata {
        block.mask_value(nodata);
    }
    block
}

fn times(texts: &[&str]) -> Dimension {
    let label = |text: &&str| Label::Time(TimeLabel::parse(text).unwrap());
    Dimension::new("t", Kind::Temporal, Labels::list(texts.iter().map(label)))
}

fn bands(labels: &[&str]) -> Dimension {
    Dimension::new("bands", Kind::Bands, Labels::texts(labels))
}

fn space(axis: SpatialAxis, epsg: u32, regular: Regular) -> Dimension {
    let kind = Kind::Spatial { axis, crs: Some(Crs::epsg(epsg).unwrap()) };
    Dimension::new(axis.name(), kind, Labels::Regular(regular))
}

fn utm(width: usize, height: usize) -> [Dimension; 2] {
    [
        space(SpatialAxis::Y, 32633, Regular { start: 5_080_245.0, step: -10.0, len: height }),
        space(SpatialAxis::X, 32633, Regular { start: 465_185.0, step: 10.0, len: width }),
    ]
}

fn degrees(width: usize, height: usize) -> [Dimension; 2] {
    [
        space(SpatialAxis::Y, 4326, Regular { start: 46.5, step: -0.25, len: height }),
        space(SpatialAxis::X, 4326, Regular { start: 14.125, step: 0.25, len: width }),
    ]
}

#[tokio::test]
async fn bands_become_variables_in_their_own_types() {
    let [y, x] = utm(300, 40);
    let t = times(&["2015-07-11T10:00:08Z", "2015-07-31T10:00:09Z"]);
    // The order of the cube is not that of the file.
    let dims = vec![x, bands(&["B04", "NDVI", "SCL", "cloud"]), y, t];
    let red = Variable {
        nodata: Some(Number::Int(0)),
        scale: Some(0.0001),
        unit: Some("1".to_owned()),
        common_name: Some("red".to_owned()),
        ..Variable::new(DType::U16)
    };
    let others = [DType::F32, DType::U8, DType::Bool].map(Variable::new);
    let schema = Schema { dims, variables: [vec![red], others.to_vec()].concat() };
    assert_eq!(schema.dtype(), DType::F32);
    let result = sample(schema, |i| {
        let band = i / 80 % 4;
        let value = match band {
            0 => (1 + i % 4000) as f64,
            1 => i as f64 / 1e5,
            2 => (i % 12) as f64,
            _ => f64::from(u8::from(i % 3 == 0)),
        };
        (i % 7 > 0 || band == 2).then_some(value)
    });
    let folder = folder();
    let path = folder.0.join("bands.nc");
    let file = save(&result, &path);
    assert_eq!(file.media_type, DESCRIPTION.media_type);
    assert!(file.notes.iter().any(|n| n.starts_with("`NDVI`") && n.contains("NaN")), "{file:?}");

    let arrays = open(&path).await;
    for (band, (name, dtype)) in
        [("B04", DType::U16), ("NDVI", DType::F32), ("SCL", DType::U8), ("cloud", DType::U8)]
            .into_iter()
            .enumerate()
    {
        let array = named(&arrays, name);
        assert_eq!(
            (array.meta().dtype, array.meta().dims.as_slice()),
            (dtype, &["t", "y", "x"].map(String::from)[..])
        );
        assert_eq!(array.meta().attributes["grid_mapping"], "crs");
        let block = pixels(array).await;
        for (t, y, x) in [(0, 0, 0), (1, 39, 299), (0, 17, 200), (1, 3, 5), (0, 39, 1)] {
            let got = block.get((t * 40 + y) * 300 + x).map(Number::to_f64);
            let wanted = at(&result.block, &[x, band, y, t]).map(Number::to_f64);
            assert_eq!(got, wanted, "{name} at {t} {y} {x}");
        }
    }
    let red = &named(&arrays, "B04").meta().attributes;
    assert_eq!((&red["scale"], &red["_FillValue"]), (&json!(0.0001), &json!(0)));
    assert!(!red.contains_key("scale_factor") && !red.contains_key("units"), "{red:?}");
    assert_eq!((&red["long_name"], &red["crs"]), (&json!("red"), &json!("EPSG:32633")));
    assert!(!named(&arrays, "SCL").meta().attributes.contains_key("_FillValue"));
    let t = named(&arrays, "t");
    assert_eq!(t.meta().attributes["units"], "seconds since 1970-01-01");
    assert_eq!(pixels(t).await.get(0), Some(Number::Int(1_436_608_808)));
    let (content, notes) =
        cf::describe(&arrays, &serde_json::Map::new(), "bands.nc", Format::NetCdf).await.unwrap();
    let Content::Cube { schema, .. } = content else { panic!("a cube") };
    let names: Vec<_> = schema.dims.iter().map(|d| d.name.as_str()).collect();
    assert_eq!((names, notes.notes), (vec!["t", "bands", "y", "x"], vec![]));
    assert_eq!(schema.dims[1].labels(), Some(&Labels::texts(["B04", "NDVI", "SCL", "cloud"])));
    assert_eq!(schema.grid(), result.schema.grid());
    let crs = &named(&arrays, "crs").meta().attributes;
    assert_eq!(crs["GeoTransform"], "465180 10 0 5080250 0 -10");
    assert_eq!(crs["grid_mapping_name"], "transverse_mercator");
    assert_eq!(named(&arrays, "x").meta().attributes["standard_name"], "projection_x_coordinate");
}

#[tokio::test]
async fn a_cube_without_bands_is_one_variable() {
    let [y, x] = degrees(5, 4);
    let schema = Schema::uniform(
        vec![times(&["2020-01-01", "2020-01-02", "2020-02-29"]), y, x],
        Variable { unit: Some("K".to_owned()), ..Variable::new(DType::F64) },
    );
    // A valid NaN stays one: another value must stand for no-data.
    let value = |i: usize| (i != 3).then_some(if i == 4 { f64::NAN } else { i as f64 });
    let result = sample(schema, value);
    let folder = folder();
    let path = folder.0.join("var.nc");
    let file = save(&result, &path);
    assert_eq!(file.notes.len(), 1, "{file:?}");
    let arrays = open(&path).await;
    let var = named(&arrays, "var");
    assert_eq!(
        (var.meta().attributes["units"].as_str(), var.meta().nodata),
        (Some("K"), Some(Number::Float(-9999.0)))
    );
    let block = pixels(var).await;
    assert_eq!((block.get(3), block.get(5)), (None, Some(Number::Float(5.0))));
    assert!(block.get(4).unwrap().to_f64().is_nan());
    assert_eq!(named(&arrays, "t").meta().attributes["units"], "days since 1970-01-01");
    assert_eq!(named(&arrays, "y").meta().attributes["units"], "degrees_north");
}

#[tokio::test]
async fn texts_and_further_dimensions_keep_their_labels() {
    let [y, x] = utm(3, 2);
    let mut t = times(&["2020-01-01", "2020-01-02"]);
    t.axis = eolith_cube::Axis::Known(Labels::texts(["first", "zweiter Tag, é"]));
    let height = Dimension::new(
        "height",
        Kind::Spatial { axis: SpatialAxis::Z, crs: None },
        Labels::list([Label::Float(2.0), Label::Float(10.5)]),
    );
    let year = Dimension::new("year", Kind::Other, Labels::list([2019, 2021].map(Label::Int)));
    let kinds = Dimension::new("kind", Kind::Other, Labels::texts(["wet", "dry"]));
    let bands = bands(&["a/b", "x", "crs", "ü"]);
    let dims = vec![bands, y, x, year, kinds, height, t];
    let mut schema = Schema::uniform(dims, Variable::new(DType::I64));
    schema.variables[3] = Variable::new(DType::U64);
    let common = schema.dtype();
    let result = sample(schema, |i| (i % 5 > 0).then_some(i as f64 + 4e9));
    assert_eq!(common, DType::F64);
    let folder = folder();
    let path = folder.0.join("dims.nc");
    let file = save(&result, &path);
    for changed in ["`a/b` is called `a_b`", "`x` is called `x_`", "`crs` is called `crs_`"] {
        assert!(file.notes.iter().any(|n| n.contains(changed)), "{changed}: {:?}", file.notes);
    }
    let arrays = open(&path).await;
    let texts = named(&arrays, "t").texts().unwrap().await.unwrap();
    assert_eq!(texts, ["first", "zweiter Tag, é"]);
    let last = named(&arrays, "ü");
    assert_eq!(last.meta().dims, ["t", "year", "kind", "height", "y", "x"]);
    assert_eq!(last.meta().dtype, DType::U64);
    let block = pixels(last).await;
    for flat in 0..block.len() {
        let mut index = [0; 6];
        let mut rest = flat;
        for (i, n) in [2, 2, 2, 2, 2, 3].into_iter().enumerate().rev() {
            index[i] = rest % n;
            rest /= n;
        }
        let [t, year, kind, height, y, x] = index;
        let wanted = at(&result.block, &[3, y, x, year, kind, height, t]);
        assert_eq!(block.get(flat).map(Number::to_f64), wanted.map(Number::to_f64));
    }
    assert_eq!(pixels(named(&arrays, "year")).await.values, Values::I64(vec![2019, 2021]));
}

#[tokio::test]
async fn no_free_value_means_a_mask() {
    let [y, x] = utm(20, 20);
    let schema = Schema::uniform(vec![bands(&["only"]), y, x], Variable::new(DType::U8));
    let result = sample(schema, |i| (i != 300).then_some((i % 256) as f64));
    let folder = folder();
    let path = folder.0.join("mask.nc");
    let file = save(&result, &path);
    assert!(file.notes.iter().any(|n| n.contains("`only_valid`")), "{:?}", file.notes);
    let arrays = open(&path).await;
    assert_eq!(named(&arrays, "only").meta().nodata, None);
    let mask = pixels(named(&arrays, "only_valid")).await;
    assert_eq!((mask.get(299), mask.get(300)), (Some(Number::Int(1)), Some(Number::Int(0))));
}

#[test]
fn a_grid_in_feet_is_noted() {
    let step = Regular { start: 1.0, step: 1.0, len: 3 };
    let dims = [SpatialAxis::Y, SpatialAxis::X].map(|axis| space(axis, 2263, step));
    let result = sample(Schema::uniform(dims.to_vec(), Variable::new(DType::U8)), |_| None);
    let folder = folder();
    let notes = save(&result, &folder.0.join("feet.nc")).notes;
    assert!(notes[0].contains("US survey foot"), "{notes:?}");
}

#[tokio::test]
async fn cubes_without_space_and_without_dimensions() {
    let series = Schema::uniform(
        vec![times(&["2020-01-01T00:00:00.25Z"]), bands(&["mean", "count"])],
        Variable::new(DType::F64),
    );
    let folder = folder();
    let path = folder.0.join("series.nc");
    save(&sample(series, |i| Some(i as f64)), &path);
    let arrays = open(&path).await;
    assert_eq!(pixels(named(&arrays, "count")).await.values, Values::F64(vec![1.0]));
    assert_eq!(named(&arrays, "t").meta().attributes["units"], "milliseconds since 1970-01-01");
    let path = folder.0.join("scalar.nc");
    save(&sample(Schema::uniform(vec![], Variable::new(DType::I16)), |_| Some(-7.0)), &path);
    let arrays = open(&path).await;
    assert_eq!(pixels(named(&arrays, "var")).await.get(0), Some(Number::Int(-7)));
    let truth = Schema::uniform(utm(2, 2).to_vec(), Variable::new(DType::Bool));
    let path = folder.0.join("bool.nc");
    save(&sample(truth, |i| (i > 0).then_some(1.0)), &path);
    let arrays = open(&path).await;
    assert_eq!(named(&arrays, "var").meta().nodata, Some(Number::Int(255)));
}

#[test]
fn what_cannot_be_written_is_refused_before_it_is_read() {
    struct Unread(Schema);
    impl ResultView for Unread {
        fn schema(&self) -> &Schema {
            &self.0
        }
        fn read(&self, _: &Region) -> Result<Block, SinkError> {
            panic!("must not be read")
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.nc");
    let large = Unread(Schema::uniform(utm(40_000, 40_000).to_vec(), Variable::new(DType::F32)));
    let error = write(&large, &Options::new(), 1 << 20, &path);
    assert!(matches!(error, Err(SinkError::Memory { needed, .. }) if needed < 32 << 20));
    let empty = Unread(Schema::uniform(utm(0, 3).to_vec(), Variable::new(DType::F32)));
    assert!(matches!(
        write(&empty, &Options::new(), 1 << 30, &path),
        Err(SinkError::Unsuitable { .. })
    ));
    for (name, value) in [
        ("compression", json!(10)),
        ("compression", json!("4")),
        ("tiled", json!(true)),
        ("chunks", json!([1, 2])),
        ("chunks", json!({"z": 5})),
        ("chunks", json!({"x": 0})),
        ("chunks", json!({"x": 40_000, "y": 40_000})),
    ] {
        let options = Options::from([(name.to_owned(), value)]);
        let error = write(&large, &options, u64::MAX, &path);
        assert!(matches!(error, Err(SinkError::Option { name: n, .. }) if n == name));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let parse = |schema| serde_json::from_str::<serde_json::Value>(schema).unwrap();
    assert_eq!(parse(DESCRIPTION.parameters[0].schema_json)["type"], "integer");
}

#[tokio::test]
async fn threads_and_memory_do_not_change_a_byte() {
    let folder = folder();
    let [y, x] = utm(700, 300);
    let t = times(&["2015-07-11", "2015-07-31", "2015-08-30"]);
    let guessed = Variable { nodata: Some(Number::Int(0)), ..Variable::new(DType::U16) };
    let taken = Variable { nodata: Some(Number::Int(7)), ..Variable::new(DType::U16) };
    let none = Variable::new(DType::I16);
    for (n, variable) in [guessed, taken, none].into_iter().enumerate() {
        let dims = vec![t.clone(), bands(&["a", "b"]), y.clone(), x.clone()];
        let schema = Schema::uniform(dims, variable);
        let result = sample(schema, |i| (i % 31 > 0).then_some((i % 1021 + 1) as f64));
        // Many chunks, so that their tree has more than one level.
        let chunks = json!({"t": 2, "y": 16, "x": 50});
        for level in [0, 1, 6] {
            let options = Options::from([
                ("chunks".to_owned(), chunks.clone()),
                ("compression".to_owned(), json!(level)),
            ]);
            let least = super::working_memory(&result.schema, &options, 1, u64::MAX).unwrap();
            let write = |threads, budget, name: &str| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let path = folder.0.join(format!("{name}-{n}-{level}.nc"));
                pool.install(|| write(&result, &options, budget, &path)).unwrap();
                std::fs::read(path).unwrap()
            };
            let one = write(1, u64::MAX, "one");
            assert!(one == write(4, u64::MAX, "four"));
            assert!(one == write(3, least, "least"));
            let arrays = open(&folder.0.join(format!("one-{n}-{level}.nc"))).await;
            for (band, name) in ["a", "b"].into_iter().enumerate() {
                let array = named(&arrays, name);
                assert_eq!(array.meta().chunk, [2, 16, 50]);
                let region = Region(vec![0..3, band..band + 1, 0..300, 0..700]);
                let expected = result.block.slice(&region).reshape(vec![3, 300, 700]);
                assert_eq!(pixels(array).await, expected, "{name} {n} {level}");
            }
        }
    }
}

/// Boxes that fit no chunk, last ones first.
fn scattered(result: &Sample, intake: &dyn Intake) {
    let grid = ChunkGrid::new(result.block.shape.clone(), vec![2, 2, 37, 450]);
    for region in (0..grid.len()).rev().map(|n| grid.region(n)) {
        intake.put(&region, result.block.slice(&region).canonical()).unwrap();
    }
}

#[tokio::test]
async fn boxes_in_any_order_make_the_same_file() {
    let folder = folder();
    let [y, x] = utm(700, 300);
    let dims = vec![times(&["2015-07-11", "2015-07-31", "2015-08-30"]), bands(&["a", "b"]), y, x];
    let options = Options::from([("chunks".to_owned(), json!({"t": 2, "y": 16, "x": 50}))]);
    let value = |i: usize| (i % 1021 + 1) as f64;
    let some = |i: usize| (!i.is_multiple_of(31)).then_some(value(i));
    let declared = |null| Variable { nodata: Some(Number::Int(null)), ..Variable::new(DType::U16) };
    // The last value is a valid one, and no pixel is missing.
    let samples = [
        sample(Schema::uniform(dims.clone(), declared(0)), some),
        sample(Schema::uniform(dims.clone(), declared(5000)), some),
        sample(Schema::uniform(dims.clone(), Variable::new(DType::F32)), some),
        sample(Schema::uniform(dims.clone(), declared(7)), |i| Some(value(i))),
    ];
    for (n, result) in samples.iter().enumerate() {
        let paths = ["ordered", "direct"].map(|name| folder.0.join(format!("{name}-{n}.nc")));
        let ordered = write(result, &options, u64::MAX, &paths[0]).unwrap();
        let direct = intake(&result.schema, &options, &paths[1]).unwrap().unwrap();
        scattered(result, &*direct);
        assert!(!paths[1].exists());
        let direct = direct.finish().unwrap().unwrap();
        assert_eq!(direct[0].notes, ordered[0].notes, "{n}");
        assert!(std::fs::read(&paths[0]).unwrap() == std::fs::read(&paths[1]).unwrap(), "{n}");
    }
    // What stands for no-data depends on the pixels, or how long the chunks are.
    let taken = sample(Schema::uniform(dims.clone(), declared(7)), some);
    let path = folder.0.join("none.nc");
    let begun = intake(&taken.schema, &options, &path).unwrap().unwrap();
    scattered(&taken, &*begun);
    assert!(begun.finish().unwrap().is_none() && !path.exists());
    let undeclared = Schema::uniform(dims, Variable::new(DType::I16));
    assert!(intake(&undeclared, &options, &path).unwrap().is_none());
    let deflated = Options::from([("compression".to_owned(), json!(1))]);
    assert!(intake(&taken.schema, &deflated, &path).unwrap().is_none());
}
