//! Every layout against the formula its fixture was made with, real files against figures computed by GDAL, and
//! damage: whatever the bytes are, there is an answer or an error.

use std::path::{Path, PathBuf};

use eolith_cube::{Block, Number, Region};

use super::*;
use crate::reference::reference;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiff").join(format!("{name}.tif"))
}

async fn open_path(path: &Path) -> Result<TiffFile, SourceError> {
    open(&Location::local(path)?).await
}

async fn read(reader: &dyn ArrayReader, region: Region) -> Result<Block, SourceError> {
    let fetched = reader.fetch(region.clone()).await?;
    reader.decode(&region, fetched)
}

async fn read_all(path: &Path) -> (TiffFile, Block) {
    let file = open_path(path).await.unwrap();
    let region = Region::whole(&file.reader.meta().shape);
    let block = read(file.reader.as_ref(), region).await.unwrap();
    (file, block)
}

/// The values `make.py` writes.
fn expected(bands: usize, change: fn(i128) -> i128) -> Vec<i128> {
    let pixel = |i: usize| (i / 480 * 53 + i / 24 % 20 * 7 + i % 24 * 3) as i128 % 97;
    (0..bands * 480).map(|i| change(pixel(i))).collect()
}

fn numbers(block: &Block) -> Vec<i128> {
    let number = |i| match block.values.get(i) {
        Number::Int(n) => n,
        Number::Float(n) => n as i128,
    };
    (0..block.len()).map(number).collect()
}

#[tokio::test]
async fn every_layout_gives_the_same_pixels() {
    type Case = (&'static str, DType, [usize; 3], usize, fn(i128) -> i128);
    let same = |n| n;
    let cases: [Case; 14] = [
        ("tiled-lzw-2", DType::U16, [3, 16, 16], 3, same),
        ("planar-deflate-2", DType::I32, [1, 16, 16], 2, same),
        ("strips-deflate-3", DType::F32, [2, 7, 24], 2, same),
        ("strips-planar-zstd-3", DType::F64, [1, 8, 24], 3, same),
        ("strips-big-endian", DType::I16, [2, 6, 24], 2, same),
        ("tiled-big-endian-2", DType::U16, [2, 16, 16], 2, same),
        ("tiled-big-endian-3", DType::F32, [2, 16, 16], 2, same),
        ("packbits", DType::U8, [1, 5, 24], 1, same),
        ("big-tiff", DType::U32, [1, 16, 16], 1, same),
        ("int8", DType::I8, [1, 16, 16], 1, same),
        ("uint64", DType::U64, [1, 16, 16], 1, |n| n + (1 << 63)),
        ("int64", DType::I64, [1, 16, 16], 1, |n| n - (1 << 62)),
        ("one-bit", DType::U8, [1, 20, 24], 1, |n| n % 2),
        ("twelve-bit", DType::U16, [2, 16, 16], 2, |n| n * 40),
    ];
    for (name, dtype, chunk, bands, change) in cases {
        let (file, block) = read_all(&fixture(name)).await;
        let meta = file.reader.meta();
        assert_eq!((meta.dtype, &meta.chunk[..]), (dtype, &chunk[..]), "{name}");
        assert_eq!(meta.dims, ["band", "y", "x"]);
        assert_eq!(block.shape, [bands, 20, 24], "{name}");
        assert_eq!(block.validity, None, "{name}");
        assert_eq!(numbers(&block), expected(bands, change), "{name}");
        assert_eq!(file.grid.crs.code(), Some(32633), "{name}");
        assert_eq!(file.grid.bounds(), [500_000.0, 4_599_800.0, 500_240.0, 4_600_000.0]);
        let region = Region(vec![bands - 1..bands, 5..18, 14..19]);
        let part = read(file.reader.as_ref(), region.clone()).await.unwrap();
        assert_eq!(part, block.slice(&region), "{name}");
    }
}

#[tokio::test]
async fn masks_and_missing_tiles_are_no_data() {
    let (_, masked) = read_all(&fixture("mask")).await;
    for (i, n) in expected(2, |n| n).into_iter().enumerate() {
        let shown = expected(1, |n| n)[i % 480] % 5 != 0;
        assert_eq!(masked.get(i), shown.then_some(Number::Int(n)));
    }
    let (file, filled) = read_all(&fixture("sparse")).await;
    assert_eq!(file.reader.meta().nodata, Some(Number::Int(-7)));
    assert_eq!((filled.get(479), filled.get(25)), (Some(Number::Int(-7)), Some(Number::Int(10))));
    let (_, open) = read_all(&fixture("sparse-no-value")).await;
    assert_eq!((open.get(479), open.get(25)), (None, Some(Number::Int(10))));
}

#[tokio::test]
async fn metadata_describes_the_bands() {
    let file = open_path(&fixture("described")).await.unwrap();
    let nodata = Some(Number::Float(-9999.5));
    let red = TiffBand {
        name: Some("red & green".to_owned()),
        nodata,
        scale: Some(0.5),
        offset: Some(-1.0),
        unit: Some("m".to_owned()),
    };
    assert_eq!(file.bands[0], red);
    assert_eq!((file.bands[1].name.as_deref(), file.bands[1].scale), (Some("blue"), Some(2.0)));
    assert_eq!(file.reader.meta().attributes["PLACE"], "Ljubljana");

    let file = open_path(&fixture("overviews")).await.unwrap();
    assert_eq!(file.overviews.len(), 1);
    let half = file.overviews[0].as_ref();
    assert_eq!(half.meta().shape, [1, 10, 12]);
    let block = read(half, Region::whole(&[1, 10, 12])).await.unwrap();
    assert!(numbers(&block).iter().all(|n| (0..97).contains(n)));
}

#[tokio::test]
async fn georeferences_are_read_or_refused_by_name() {
    let point = open_path(&fixture("point")).await.unwrap();
    assert_eq!(point.grid.bounds(), [500_000.0, 4_599_800.0, 500_240.0, 4_600_000.0]);
    let sinusoidal = open_path(&fixture("sinusoidal")).await.unwrap();
    assert!(sinusoidal.grid.crs.to_string().contains("+proj=sinu"), "{}", sinusoidal.grid.crs);
    for (name, message) in [
        ("rotated", "uses a rotated grid, which is not supported"),
        ("no-georeference", "is not a readable TIFF: it has no georeference (no GeoTIFF tags)"),
        ("lerc", "uses LERC compression, which is not supported"),
    ] {
        let error = open_path(&fixture(name)).await.unwrap_err().to_string();
        assert!(error.ends_with(message), "{error}");
    }
}

#[tokio::test]
async fn damage_gives_errors_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.tif");
    let mut answers = (0, 0);
    for name in ["tiled-lzw-2", "strips-planar-zstd-3", "big-tiff", "packbits", "mask"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let mut state = 1_u64;
        for round in 0..200 {
            let mut copy = bytes.clone();
            if round % 4 == 0 {
                copy.truncate(copy.len() * round / 200);
            }
            for _ in 0..4.min(copy.len()) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % copy.len().min(400);
                copy[at] = (state >> 20) as u8;
            }
            std::fs::write(&path, &copy).unwrap();
            let outcome = match open_path(&path).await {
                Ok(file) if file.reader.meta().shape.iter().product::<usize>() < 1 << 20 => {
                    read(file.reader.as_ref(), Region::whole(&file.reader.meta().shape))
                        .await
                        .is_ok()
                }
                Ok(_) => true,
                Err(_) => false,
            };
            if outcome { answers.0 += 1 } else { answers.1 += 1 }
        }
    }
    assert!(answers.0 > 20 && answers.1 > 20, "{answers:?}");
}

#[tokio::test]
async fn a_server_with_ranges_is_as_good_as_a_file() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = fixture("x").parent().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let files = axum::Router::new().fallback_service(tower_http::services::ServeDir::new(folder));
    let server = tokio::spawn(async move { axum::serve(listener, files).await });
    for name in ["tiled-lzw-2", "strips-planar-zstd-3", "mask"] {
        let location = Location::resolve(&format!("http://{address}/"), &format!("{name}.tif"));
        let remote = open(&location.unwrap()).await.unwrap();
        let (local, block) = read_all(&fixture(name)).await;
        assert_eq!(remote.reader.meta(), local.reader.meta());
        let region = Region(vec![0..block.shape[0], 3..19, 15..24]);
        let part = read(remote.reader.as_ref(), region.clone()).await.unwrap();
        assert_eq!(part, block.slice(&region).canonical(), "{name}");
    }
    let missing = Location::resolve(&format!("http://{address}/"), "missing.tif").unwrap();
    let error = open(&missing).await.unwrap_err();
    assert!(error.to_string().ends_with("does not exist"), "{error}");
    server.abort();
}

/// Mean of the valid pixels of a band, and how many there are.
fn mean(block: &Block, band: usize) -> (f64, usize) {
    let plane = block.shape[1] * block.shape[2];
    let valid: Vec<f64> = (band * plane..(band + 1) * plane)
        .filter_map(|i| block.get(i).map(Number::to_f64))
        .collect();
    (valid.iter().sum::<f64>() / valid.len() as f64, valid.len())
}

fn tiffs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tif") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn real_files_have_the_means_gdal_finds() {
    let Some(data) = reference() else { return };
    let text = std::fs::read_to_string(data.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let mut compared = 0;
    for path in tiffs(&data.join("cogs")) {
        let (file, mut block) = read_all(&path).await;
        let bolzano = path.to_string_lossy().contains("bolzano");
        // The figures of Bolzano count its zeros.
        if let Some(nodata) = file.reader.meta().nodata.filter(|_| !bolzano) {
            block.mask_value(nodata);
        }
        let part = |n: usize| {
            let mut parts = path.iter().rev().map(|part| part.to_str().unwrap());
            parts.nth(n).unwrap().trim_end_matches(".tif")
        };
        let (stem, folder) = (part(0), part(1));
        let dates = &expected["s2_l1c_slovenia"]["dates"];
        let wanted = if bolzano {
            let name = stem.rsplit('_').next().unwrap();
            vec![number(&expected["s2_l2a_bolzano"]["mean_dn"][name])]
        } else if folder.starts_with("S2_2") {
            let date = |d: &serde_json::Value| d.as_str().unwrap().replace(['-', ':', 'Z'], "");
            let time = dates.as_array().unwrap().iter().position(|d| folder.ends_with(&date(d)));
            vec![number(&expected["s2_l1c_slovenia"]["mean_dn"][stem][time.unwrap()])]
        } else if folder.starts_with("LC08") && stem.ends_with("B4") {
            let scene = &expected["landsat8_nyc"][folder];
            assert_eq!(mean(&block, 0).1 as f64, number(&scene["valid_px"]), "{path:?}");
            vec![number(&scene["B4_mean_valid"])]
        } else if stem == "L7_ETMs" {
            let means = expected["landsat7_olinda"]["mean_dn"].as_array().unwrap();
            means.iter().map(number).collect()
        } else if folder == "dem-olinda" {
            vec![number(&expected["dem_olinda"]["mean"])]
        } else if folder == "dem-slovenia" && stem == "DEM" {
            vec![number(&expected["dem_slovenia"]["mean"])]
        } else if folder == "modis-ndvi-global" {
            let month = &expected["modis_ndvi_global"][stem];
            assert_eq!(mean(&block, 0).1 as f64, number(&month["valid"]), "{path:?}");
            vec![number(&month["mean_valid"])]
        } else {
            assert!(mean(&block, 0).0.is_finite(), "{path:?}");
            continue;
        };
        for (band, wanted) in wanted.into_iter().enumerate() {
            let (found, _) = mean(&block, band);
            assert!((found - wanted).abs() <= 1e-9 * wanted.abs(), "{path:?}: {found} {wanted}");
            compared += 1;
        }
    }
    assert!(compared > 80, "only {compared} bands were compared");
}
