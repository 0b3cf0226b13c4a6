use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{
    Crs, DType, Dimension, Element, Kind, Label, Labels, Number, Region, Regular, Schema,
    SpatialAxis, Variable,
};
use eolith_plan::need::{Content, Format};

use super::*;
use crate::sink::sample::Sample;
use crate::source::{cf, zarr as source};
use crate::storage::Location;

fn spatial(name: &str, axis: SpatialAxis, start: f64, step: f64, len: usize) -> Dimension {
    let crs = Crs::epsg(32633).ok();
    let labels = Labels::Regular(Regular { start, step, len });
    Dimension::new(name, Kind::Spatial { axis, crs }, labels)
}

fn time(texts: &[&str]) -> Dimension {
    let labels = texts.iter().map(|text| Label::Time(TimeLabel::parse(text).unwrap()));
    Dimension::new("t", Kind::Temporal, Labels::list(labels))
}

/// Two dates, two bands of different types, more than one chunk along x.
fn sample() -> Sample {
    const WIDTH: usize = 1_100_000;
    let dims = vec![
        time(&["2020-01-01T00:00:00Z", "2020-01-11T10:00:08Z"]),
        Dimension::new("bands", Kind::Bands, Labels::texts(["B04", "quality"])),
        spatial("y", SpatialAxis::Y, 5_000_005.0, -10.0, 2),
        spatial("x", SpatialAxis::X, 400_005.0, 10.0, WIDTH),
    ];
    let quality = Variable { nodata: Some(Number::Int(255)), ..Variable::new(DType::U8) };
    let red = Variable {
        common_name: Some("red".to_owned()),
        center_wavelength: Some(0.665),
        scale: Some(0.5),
        ..Variable::new(DType::F32)
    };
    let len = 2 * 2 * 2 * WIDTH;
    let values: Vec<f32> = (0..len).map(|i| ((i * 31) % 251) as f32).collect();
    let mut block = Block::new(vec![2, 2, 2, WIDTH], f32::wrap(values));
    block.validity = Some((0..len).map(|i| i % 97 != 5).collect());
    Sample { schema: Schema { dims, variables: vec![red, quality] }, block: block.canonical() }
}

async fn read_back(path: &Path) -> (Schema, Block, Vec<String>) {
    let location = Location::local(path).unwrap();
    let group = source::open_group(&location).await.unwrap();
    assert_eq!(group.notes, Vec::<String>::new());
    let (content, notes) =
        cf::describe(&group.arrays, &group.attributes, location.href(), Format::Zarr)
            .await
            .unwrap();
    let Content::Cube { schema, pieces } = content else { panic!("not a cube") };
    let mut block = Block::nulls(schema.dtype(), schema.shape().unwrap());
    for piece in pieces.iter() {
        let array = group.arrays.iter().find(|a| a.meta().name == piece.array.array).unwrap();
        let region = Region::whole(&array.meta().shape);
        let fetched = array.fetch(region.clone()).await.unwrap();
        let mut part = array.decode(&region, fetched).unwrap();
        if let Some(nodata) = piece.nodata {
            part.mask_value(nodata);
        }
        let start: Vec<usize> = piece.region.0.iter().map(|range| range.start).collect();
        block.paste(&start, &part.reshape(piece.region.shape()));
    }
    (schema, block.canonical(), notes.notes)
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.zarr");
    let result = sample();
    let files = write(&result, &Options::new(), 256 << 20, &path).unwrap();
    assert_eq!(files[0].path, path);
    assert_eq!(
        files[0].notes,
        ["`B04`: NaN stands for no-data", "`quality`: 255 stands for no-data"]
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let (schema, block, notes) = read_back(&path).await;
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(schema.grid().unwrap(), result.schema.grid().unwrap());
    let times: Vec<Instant> = (schema.dims[0].labels().unwrap().iter())
        .map(|label| label.as_time().unwrap().instant)
        .collect();
    assert_eq!(times[1], Instant::parse("2020-01-11T10:00:08Z").unwrap());
    assert_eq!(schema.dims[1].labels(), result.schema.dims[1].labels());
    let red = &schema.variables[0];
    assert_eq!((red.dtype, red.common_name.as_deref()), (DType::F32, Some("red")));
    assert_eq!((red.center_wavelength, red.scale), (Some(0.665), Some(0.5)));
    assert_eq!(schema.variables[1].nodata, Some(Number::Int(255)));
    assert_eq!(block, result.block);

    // The same path again: the folder is replaced as a whole.
    std::fs::write(path.join("left-over"), "").unwrap();
    write(&result, &Options::new(), 256 << 20, &path).unwrap();
    assert!(!path.join("left-over").exists());
}

#[tokio::test]
async fn results_without_bands_texts_and_masks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.zarr");
    let dims = vec![
        Dimension::new("season", Kind::Other, Labels::texts(["winter", "Sommer ☀"])),
        Dimension::new("n", Kind::Other, Labels::list([Label::Int(3), Label::Int(5)])),
    ];
    let schema = Schema::uniform(dims, Variable::new(DType::Bool));
    let mut block = Block::new(vec![2, 2], Values::Bool(vec![true, false, true, false]));
    block.validity = Some(vec![true, true, true, false]);
    let result = Sample { schema, block };
    let files = write(&result, &Options::new(), 1 << 20, &path).unwrap();
    assert!(files[0].notes[0].contains("`data_valid`"), "{:?}", files[0].notes);
    let (schema, block, _) = read_back(&path).await;
    assert_eq!(schema.dims[1].labels(), result.schema.dims[0].labels());
    assert_eq!(schema.dims[2].labels(), result.schema.dims[1].labels());
    assert_eq!(schema.dims[0].labels(), Some(&Labels::texts(["data", "data_valid"])));
    let expected = [true, false, true, false, true, true, true, false];
    assert_eq!(block.values, Values::Bool(expected.to_vec()));
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.zarr");
    let result = sample();
    let error = write(&result, &Options::new(), 1 << 20, &path).unwrap_err();
    assert!(matches!(error, SinkError::Memory { .. }), "{error}");
    let options = Options::from([("colour".to_owned(), true.into())]);
    assert!(matches!(write(&result, &options, 1 << 30, &path), Err(SinkError::Option { .. })));
    let missing = folder.path().join("no/folder/result.zarr");
    let mut small = sample();
    small.schema.dims.truncate(1);
    small.schema.variables.truncate(1);
    small.block = small.block.slice(&Region(vec![0..2, 0..1, 0..1, 0..1])).reshape(vec![2]);
    assert!(matches!(
        write(&small, &Options::new(), 1 << 30, &missing),
        Err(SinkError::Write { .. })
    ));
    assert!(write(&small, &Options::new(), 1 << 30, &path).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn chunks_and_shards_are_those_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let dims = vec![
        time(&["2020-01-01", "2020-01-11", "2020-01-21"]),
        Dimension::new("bands", Kind::Bands, Labels::texts(["B04", "B08"])),
        spatial("y", SpatialAxis::Y, 5_000_005.0, -10.0, 100),
        spatial("x", SpatialAxis::X, 400_005.0, 10.0, 130),
    ];
    let result = Sample::new(dims, DType::I16, |i| {
        let n = i[0] * 7 + i[1] * 1000 + i[2] * 31 + i[3];
        (n % 13 > 0).then_some(n as f64)
    });
    let sizes = |pairs: &[(&str, usize)]| -> Value {
        pairs.iter().map(|(name, size)| ((*name).to_owned(), json!(size))).collect()
    };
    let chunks = ("chunks".to_owned(), sizes(&[("t", 3), ("y", 16), ("x", 32)]));
    let shards = ("shards".to_owned(), sizes(&[("y", 64), ("x", 64)]));
    for (n, options, files) in
        [(0, vec![chunks.clone()], 1), (1, vec![chunks.clone(), shards], 6), (2, vec![], 1)]
    {
        let options: Options = options.into_iter().collect();
        let write = |threads, name: &str| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let path = folder.path().join(format!("{name}-{n}.zarr"));
            pool.install(|| write(&result, &options, 1 << 30, &path)).unwrap();
            path
        };
        let path = write(1, "one");
        let (schema, block, _) = read_back(&path).await;
        assert_eq!(schema.grid().unwrap(), result.schema.grid().unwrap());
        assert_eq!(block, result.block);
        let stored = content(&path.join("B04/c"));
        assert_eq!(stored.len(), files);
        assert!(stored == content(&write(4, "four").join("B04/c")));
    }
    let refused = |pairs: &[(&str, Value)]| {
        let options = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let path = folder.path().join("refused.zarr");
        matches!(write(&result, &options.collect(), 1 << 30, &path), Err(SinkError::Option { .. }))
    };
    assert!(refused(&[("chunks", json!({"z": 3}))]));
    assert!(refused(&[("chunks", json!({"x": -1}))]));
    assert!(refused(&[("chunks", json!(3))]));
    assert!(refused(&[("chunks", json!({"x": 32})), ("shards", json!({"x": 40}))]));
    assert!(!refused(&[("chunks", json!({"x": 32})), ("shards", json!({"x": 64}))]));
}

/// All files below a folder, by path.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
