//! Written files are read again by this crate's reader and by geotiff-reader, an independent one.
//! `tests/python/test_cog.py` looks at the same files with GDAL and rio-cogeo.

use std::collections::VecDeque;
use std::path::PathBuf;

use eolith_cube::{Block, Region, Regular, SpatialAxis};
use serde_json::json;

use super::layout::Container;
use super::pyramid::{Pyramid, halve};
use super::*;
use crate::sink::sample::{Sample, bands, spatial, times, x, y};
use crate::source::tiff::{self, TiffFile};
use crate::storage::Location;

const PLENTY: u64 = 1 << 30;

/// A folder that is kept where `EOLITH_TEST_OUTPUT` names one.
fn folder(name: &str) -> (Option<tempfile::TempDir>, PathBuf) {
    if let Some(kept) = std::env::var_os("EOLITH_TEST_OUTPUT") {
        let path = PathBuf::from(kept).join(name);
        std::fs::create_dir_all(&path).unwrap();
        return (None, path);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (Some(folder), path)
}

fn options(pairs: &[(&str, serde_json::Value)]) -> Options {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn read(path: &Path) -> (TiffFile, Block) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = tiff::open(&Location::local(path).unwrap()).await.unwrap();
        let region = Region::whole(&file.reader.meta().shape);
        let fetched = file.reader.fetch(region.clone()).await.unwrap();
        let mut block = file.reader.decode(&region, fetched).unwrap();
        if let Some(nodata) = file.bands[0].nodata {
            block.mask_value(nodata);
        }
        (file, block)
    })
}

/// The pixels of the files `test_cog.py` knows.
fn pixel(band: usize, y: usize, x: usize) -> Option<f64> {
    let n = band * 53 + y * 7 + x * 3;
    (!n.is_multiple_of(11)).then_some((n % 251) as f64 * 0.5)
}

#[test]
fn floats_come_back_with_everything_about_them() {
    let (_keep, folder) = folder("floats");
    let dims = vec![bands(&["red & <green>", "nir"]), y(700), x(900)];
    let mut cube = Sample::new(dims, DType::F32, |i| pixel(i[0], i[1], i[2]));
    cube.schema.variables[0].scale = Some(0.25);
    cube.schema.variables[0].unit = Some("W/m²".to_owned());
    for (name, compression) in
        [("deflate", "DEFLATE"), ("zstd", "zstd"), ("lzw", "LZW"), ("none", "NONE")]
    {
        let path = folder.join(format!("{name}.tif"));
        let options = options(&[("compression", json!(compression)), ("tile_size", json!(256))]);
        let files = write(&cube, &options, PLENTY, &path).unwrap();
        assert_eq!((files.len(), &files[0].path), (1, &path));
        assert_eq!(files[0].notes, ["no no-data value is declared: NaN stands for no-data"]);
        let (file, block) = read(&path);
        assert_eq!(block, cube.block, "{name}");
        assert_eq!(file.grid, cube.schema.grid().unwrap());
        assert_eq!(file.bands[0].name.as_deref(), Some("red & <green>"));
        assert_eq!((file.bands[0].scale, file.bands[1].scale), (Some(0.25), None));
        assert_eq!(file.bands[0].unit.as_deref(), Some("W/m²"));
        let sizes: Vec<_> = file.overviews.iter().map(|o| o.meta().shape.clone()).collect();
        assert_eq!(sizes, [[2, 350, 450], [2, 175, 225]]);
        assert_eq!(file.reader.meta().chunk, [2, 256, 256]);

        let peer = geotiff_reader::GeoTiffFile::open(&path).unwrap();
        assert_eq!(peer.epsg(), Some(32633));
        let pixels: ndarray::ArrayD<f32> = peer.read_raster().unwrap();
        assert_eq!(pixels.shape(), [700, 900, 2]);
        for ((y, x), band) in [((0, 0), 0), ((0, 1), 0), ((699, 899), 1), ((300, 511), 1)] {
            let value = pixels[[y, x, band]];
            match pixel(band, y, x) {
                Some(expected) => assert_eq!(f64::from(value), expected),
                None => assert!(value.is_nan()),
            }
        }
    }
}

#[test]
fn large_files_are_big_tiff() {
    let (_keep, folder) = folder("big");
    let path = folder.join("big.tif");
    let cube = Sample::new(vec![bands(&["a", "b"]), y(90), x(150)], DType::U16, |i| {
        pixel(i[0], i[1], i[2]).map(f64::floor)
    });
    let (compression, dtype, null) = (Compression::Zstd, DType::U16, Some(Number::Int(65535)));
    let encoder = TileEncoder { compression, tile: 64, bands: 2, dtype, predictor: true, null };
    let mut pyramid = Pyramid::new(encoder, true, (90, 150), &folder).unwrap();
    let raster = &Raster::split(&cube.schema, FORMAT).unwrap()[0];
    let windows = raster.windows(64, 64);
    let mut open: VecDeque<_> =
        windows.map(|(r, c)| (0, raster.read(&cube, &r, &c).unwrap())).collect();
    while let Some((level, block)) = open.pop_front() {
        let half = (level < 2).then(|| halve(&block, Resampling::Near));
        let tiles = pyramid.push(level, &encoder.encode(block).unwrap(), half).unwrap();
        open.extend(tiles.into_iter().map(|block| (level + 1, block)));
    }
    assert!(pyramid.is_complete());
    let georeference = geokeys::tags(&cube.schema).unwrap();
    let header = Header { georeference: &georeference, metadata: String::new(), dtype, null };
    let mut container = Container::new(&encoder, &header, pyramid.finish()).always_big();
    file::write(&path, |out| container.write(out).map_err(|e| file::error_at(&path, &e))).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..8], *b"II\x2b\0\x08\0\0\0");
    let (file, block) = read(&path);
    assert_eq!(block, cube.block);
    assert_eq!(file.overviews.len(), 2);
}

#[test]
fn overviews_are_means_of_valid_pixels_or_single_pixels() {
    let (_keep, folder) = folder("overviews");
    let overview = |cube: &Sample, name: &str, options: &Options| -> Block {
        let path = folder.join(name);
        write(cube, options, PLENTY, &path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let file = tiff::open(&Location::local(&path).unwrap()).await.unwrap();
            let reader = &file.overviews[0];
            let region = Region::whole(&reader.meta().shape);
            let fetched = reader.fetch(region.clone()).await.unwrap();
            let mut block = reader.decode(&region, fetched).unwrap();
            block.mask_value(file.bands[0].nodata.unwrap());
            block
        })
    };
    let tile = ("tile_size", json!(64));
    let dims = || vec![y(67), x(101)];
    let floats = Sample::new(dims(), DType::F64, |i| pixel(0, i[0], i[1]));
    let block = overview(&floats, "means.tif", &options(std::slice::from_ref(&tile)));
    assert_eq!(block.shape, [1, 34, 51]);
    for (at, (row, column)) in (0..34).flat_map(|r| (0..51).map(move |c| (r, c))).enumerate() {
        let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(d, r)| (2 * row + d, 2 * column + r));
        let valid: Vec<f64> = (corners.into_iter())
            .filter(|(y, x)| *y < 67 && *x < 101)
            .filter_map(|(y, x)| pixel(0, y, x))
            .collect();
        let mean = valid.iter().sum::<f64>() / valid.len() as f64;
        assert_eq!(block.get(at), (!valid.is_empty()).then_some(Number::Float(mean)));
    }
    let classes = Sample::new(dims(), DType::I16, |i| pixel(0, i[0], i[1]).map(f64::floor));
    let block = overview(&classes, "classes.tif", &options(&[tile]));
    let expected = pixel(0, 10, 20).map(|n| Number::Int(n as i128));
    assert_eq!(block.get(5 * 51 + 10), expected);
}

#[test]
fn any_order_of_dimensions_and_any_direction_is_north_up() {
    let (_keep, folder) = folder("orders");
    let south_up = Regular { start: 4_599_705.0, step: 10.0, len: 30 };
    let cubes = [
        Sample::new(vec![x(40), bands(&["a", "b"]), y(30)], DType::I32, |i| {
            pixel(i[1], i[2], i[0])
        }),
        Sample::new(
            vec![bands(&["a", "b"]), spatial("y", SpatialAxis::Y, south_up, "EPSG:32633"), x(40)],
            DType::I32,
            |i| pixel(i[0], 29 - i[1], i[2]),
        ),
    ];
    for (n, cube) in cubes.iter().enumerate() {
        let path = folder.join(format!("{n}.tif"));
        write(cube, &Options::new(), PLENTY, &path).unwrap();
        let (file, block) = read(&path);
        assert_eq!(file.grid.bounds(), [500_000.0, 4_599_700.0, 500_400.0, 4_600_000.0]);
        for at in 0..block.len() {
            let expected = pixel(at / 1200, at / 40 % 30, at % 40);
            assert_eq!(block.get(at), expected.map(|n| Number::Int(n as i128)));
        }
    }
}

#[test]
fn every_type_comes_back() {
    let (_keep, folder) = folder("types");
    for dtype in DType::ALL {
        let cube =
            Sample::new(vec![y(20), x(24)], dtype, |i| pixel(0, i[0], i[1]).map(|n| n % 2.0));
        let path = folder.join(format!("{dtype}.tif"));
        write(&cube, &options(&[("tile_size", json!(64))]), PLENTY, &path).unwrap();
        let (file, block) = read(&path);
        assert!(file.overviews.is_empty());
        let stored = if dtype == DType::Bool { DType::U8 } else { dtype };
        assert_eq!(block.clone().reshape(vec![20, 24]), cube.block.clone().cast(stored), "{dtype}");
    }
}

#[test]
fn every_time_has_its_file_and_one_time_none() {
    let (_keep, folder) = folder("times");
    let labels = ["2020-06-01", "2020-06-11T00:00:00Z", "2020-06-11T10:00:08Z"];
    let cube = |labels: &[&str]| {
        Sample::new(vec![times(labels), y(3), x(4)], DType::U8, |i| {
            Some((i[0] * 100 + i[2]) as f64)
        })
    };
    let files = write(&cube(&labels), &Options::new(), PLENTY, &folder.join("ndvi.tif")).unwrap();
    let names: Vec<_> =
        files.iter().map(|f| f.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["ndvi_2020-06-01.tif", "ndvi_2020-06-11.tif", "ndvi_2020-06-11T10-00-08Z.tif"]
    );
    let (file, block) = read(&files[2].path);
    assert_eq!((block.get(3), file.bands[0].nodata), (Some(Number::Int(203)), None));
    assert_eq!(file.reader.meta().attributes["t"], "2020-06-11T10:00:08Z");
    let same = cube(&["2020-06-01", "2020-06-01T00:00:00Z"]);
    let files = write(&same, &Options::new(), PLENTY, &folder.join("same.tif")).unwrap();
    assert!(files[1].path.ends_with("same_2020-06-01-2.tif"));
    let files =
        write(&cube(&labels[..1]), &Options::new(), PLENTY, &folder.join("one.tif")).unwrap();
    assert!(files[0].path.ends_with("one.tif"));
    assert!(
        std::fs::read_dir(&folder)
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with('.') })
    );
}

#[test]
fn systems_without_code_are_written_by_parameters() {
    let (_keep, folder) = folder("systems");
    for (n, text) in [
        "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs",
        "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m +no_defs",
        "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +x_0=0 +y_0=0 +datum=NAD83 +units=m +no_defs",
        "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40 +lon_0=-10 +x_0=5 +y_0=7 +a=6378137 +rf=298 +units=m +no_defs",
        "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=5 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
        "+proj=longlat +a=6378000 +b=6356000 +no_defs",
    ]
    .into_iter()
    .enumerate()
    {
        let labels = |start, step, len| Regular { start, step, len };
        let dims = vec![
            spatial("y", SpatialAxis::Y, labels(9.5, -1.0, 4), text),
            spatial("x", SpatialAxis::X, labels(0.5, 1.0, 4), text),
        ];
        let cube = Sample::new(dims, DType::U8, |i| Some(i[1] as f64));
        let path = folder.join(format!("{n}.tif"));
        write(&cube, &Options::new(), PLENTY, &path).unwrap();
        let (file, _) = read(&path);
        let mut words: Vec<_> = file.grid.crs.proj_string().split(' ').map(str::to_owned).collect();
        words.sort();
        let own = cube.schema.grid().unwrap().crs;
        let mut expected: Vec<_> = own.proj_string().split(' ').map(str::to_owned).collect();
        expected.sort();
        assert_eq!(words, expected);
    }
}

#[test]
fn threads_and_memory_do_not_change_a_byte() {
    let (_keep, folder) = folder("threads");
    let labels = ["2020-06-01", "2020-06-11", "2020-06-21"];
    let dims = vec![times(&labels), bands(&["a", "b"]), y(300), x(500)];
    let mut cube =
        Sample::new(dims, DType::I16, |i| pixel(i[1], i[2], i[3] + 7 * i[0]).map(f64::floor));
    // Without a declared value all pixels are looked at before; with one that occurs, after.
    for (n, nodata) in [None, Some(-1), Some(30)].into_iter().enumerate() {
        for variable in &mut cube.schema.variables {
            variable.nodata = nodata.map(Number::Int);
        }
        let given = options(&[("blocksize", json!(64)), ("overview_resampling", json!("average"))]);
        let least = working_memory(&cube.schema, &given, 1, PLENTY).unwrap();
        let write = |threads, budget, name: &str| -> Vec<Vec<u8>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let path = folder.join(format!("{name}-{n}.tif"));
            let files = pool.install(|| write(&cube, &given, budget, &path)).unwrap();
            assert_eq!(files.len(), 3);
            files.iter().map(|file| std::fs::read(&file.path).unwrap()).collect()
        };
        let one = write(1, PLENTY, "one");
        assert!(one == write(4, PLENTY, "four"));
        assert!(one == write(3, least, "least"));
        let (file, block) = read(&folder.join(format!("one-{n}_2020-06-11.tif")));
        let expected = [None, Some(-1), None][n].unwrap_or(-32768);
        assert_eq!(file.bands[0].nodata, Some(Number::Int(expected)));
        assert_eq!(
            block,
            cube.block.slice(&Region(vec![1..2, 0..2, 0..300, 0..500])).reshape(vec![2, 300, 500])
        );
    }
}

#[test]
fn options_have_the_names_of_gdal_too() {
    let (_keep, folder) = folder("options");
    let cube = Sample::new(vec![y(200), x(300)], DType::U16, |i| Some((i[0] * i[1]) as f64));
    let path = folder.join("plain.tif");
    let given = options(&[
        ("COMPRESS", json!("deflate")),
        ("blocksize", json!(128)),
        ("predictor", json!(false)),
        ("overviews", json!(false)),
    ]);
    write(&cube, &given, PLENTY, &path).unwrap();
    let (file, block) = read(&path);
    assert_eq!(block, cube.block.clone().reshape(vec![1, 200, 300]));
    assert!(file.overviews.is_empty());
    assert_eq!(file.reader.meta().chunk, [1, 128, 128]);
    let twice = options(&[("compress", json!("ZSTD")), ("compression", json!("ZSTD"))]);
    let error = write(&cube, &twice, PLENTY, &path).unwrap_err().to_string();
    assert!(error.contains("it says the same as `compression`"), "{error}");
}

#[test]
fn what_cannot_be_written_is_refused_with_reasons() {
    let (_keep, folder) = folder("refused");
    let path = folder.join("refused.tif");
    let cube = Sample::new(vec![y(300), x(300)], DType::F32, |_| Some(1.0));
    let error = |cube: &Sample, given: &[(&str, serde_json::Value)], budget| {
        write(cube, &options(given), budget, &path).unwrap_err().to_string()
    };
    assert_eq!(
        error(&cube, &[("compression", json!("LERC"))], PLENTY),
        "option `compression` of GTiff: \"LERC\" is none of DEFLATE, ZSTD, LZW, NONE"
    );
    assert_eq!(
        error(&cube, &[("tile_size", json!(100))], PLENTY),
        "option `tile_size` of GTiff: 100 is not a multiple of 16 from 64 to 4096"
    );
    assert!(error(&cube, &[("tilesize", json!(1))], PLENTY).contains("there is no such option"));
    assert_eq!(
        error(&cube, &[], 1 << 20),
        "the result needs 7864320 bytes to be written as GTiff, the budget allows 1048576"
    );
    let flat = Sample::new(vec![x(3)], DType::U8, |_| Some(0.0));
    assert!(error(&flat, &[], PLENTY).ends_with("it has no dimensions x and y"));
    let full = Sample::new(vec![y(16), x(17)], DType::U8, |i| {
        (i[1] < 16).then_some((i[0] * 16 + i[1]) as f64)
    });
    assert!(error(&full, &[], PLENTY).contains("no other value of uint8 is free"));
    assert!(!path.exists());
}
