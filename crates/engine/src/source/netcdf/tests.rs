use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eolith_cube::{Block, DType, Number, Region, Values};
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::open;
use crate::reference::reference;
use crate::source::{ArrayReader, SourceError};
use crate::storage::Location;

async fn open_path(path: &Path) -> Vec<Arc<dyn ArrayReader>> {
    open(&Location::local(path).unwrap()).await.unwrap().0
}

fn named<'a>(arrays: &'a [Arc<dyn ArrayReader>], name: &str) -> &'a Arc<dyn ArrayReader> {
    arrays.iter().find(|a| a.meta().name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

async fn read(array: &Arc<dyn ArrayReader>, region: Region) -> (Block, u64) {
    let fetched = array.fetch(region.clone()).await.unwrap();
    let bytes = fetched.bytes;
    let mut block = array.decode(&region, fetched).unwrap();
    if let Some(nodata) = array.meta().nodata {
        block.mask_value(nodata);
    }
    (block, bytes)
}

/// The pixels that are neither no-data nor NaN (one reference file declares a fill value and uses NaN).
fn present(block: &Block) -> Vec<f64> {
    let numbers = (0..block.len()).filter_map(|i| block.get(i)).map(Number::to_f64);
    numbers.filter(|v| !v.is_nan()).collect()
}

fn mean(block: &Block) -> f64 {
    let valid = present(block);
    valid.iter().sum::<f64>() / valid.len() as f64
}

fn close(a: f64, b: &Value, tolerance: f64) -> bool {
    let b = b.as_f64().unwrap();
    (a - b).abs() <= tolerance * b.abs().max(1.0)
}

fn expected(data: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(data.join("expected.json")).unwrap()).unwrap()
}

/// Region of one index of the first dimension.
fn at(array: &Arc<dyn ArrayReader>, index: usize) -> Region {
    let mut region = Region::whole(&array.meta().shape);
    region.0[0] = index..index + 1;
    region
}

/// A region of an array of one dimension.
fn line(start: usize, end: usize) -> Region {
    Region(std::iter::once(start..end).collect())
}

#[tokio::test]
async fn packed_sentinel_values_stay_packed() {
    let Some(data) = reference() else { return };
    let arrays = open_path(&data.join("cubes/s2_l1c_slovenia.nc")).await;
    let means = &expected(&data)["s2_l1c_slovenia"]["mean_dn"];
    let b08 = named(&arrays, "B08").meta();
    assert_eq!((b08.dtype, b08.nodata), (DType::U16, Some(Number::Int(0))));
    assert_eq!(b08.dims, ["t", "y", "x"]);
    assert_eq!(
        (b08.shape.as_slice(), b08.chunk.as_slice()),
        (&[5, 101, 100][..], &[1, 64, 64][..])
    );
    assert_eq!(b08.attributes["scale_factor"], 0.0001);
    assert_eq!(b08.attributes["grid_mapping"], "spatial_ref");
    assert!(named(&arrays, "B08").version().is_some());
    let crs = named(&arrays, "spatial_ref");
    assert_eq!(crs.meta().shape, [0usize; 0]);
    assert!(crs.meta().attributes["crs_wkt"].as_str().unwrap().starts_with("PROJCRS"));
    assert_eq!(read(crs, Region(vec![])).await.0.len(), 1);
    for (band, per_date) in means.as_object().unwrap() {
        let array = named(&arrays, band);
        for (t, wanted) in per_date.as_array().unwrap().iter().enumerate() {
            let (mut block, _) = read(array, at(array, t)).await;
            // The reference means count the zeros of B10.
            block.validity = None;
            assert!(close(mean(&block), wanted, 1e-9), "{band} at {t}");
        }
    }
}

#[tokio::test]
async fn a_small_region_reads_few_bytes() {
    let Some(data) = reference() else { return };
    let arrays = open_path(&data.join("cubes/s2_l1c_slovenia.nc")).await;
    let b08 = named(&arrays, "B08");
    let (block, bytes) = read(b08, Region(vec![1..2, 0..3, 0..2])).await;
    assert_eq!(block.shape, [1, 3, 2]);
    assert!((1..20_000).contains(&bytes), "{bytes} bytes for six pixels");
    let again = read(b08, Region(vec![1..2, 1..4, 1..3])).await;
    assert_eq!(block.get(3), again.0.get(0), "other offsets, same pixel");
}

#[tokio::test]
async fn float_series_reproduce_the_reference() {
    let Some(data) = reference() else { return };
    let arrays = open_path(&data.join("cubes/s2_ndvi_slovenia.nc")).await;
    let ndvi = named(&arrays, "NDVI");
    assert_eq!(ndvi.meta().chunk, [17, 101, 100]);
    assert_eq!(ndvi.meta().attributes["_FillValue"], "NaN");
    let means = &expected(&data)["s2_ndvi_slovenia"]["ndvi_mean_per_date"];
    for (t, wanted) in means.as_array().unwrap().iter().enumerate() {
        let block = read(ndvi, at(ndvi, t)).await.0;
        assert!(close(mean(&block), wanted, 1e-6), "date {t}");
    }
}

#[tokio::test]
async fn classic_files_are_read_by_rows() {
    let Some(data) = reference() else { return };
    let location = Location::local(&data.join("cubes/bcsd_obs_1999.nc")).unwrap();
    let (arrays, global) = open(&location).await.unwrap();
    assert_eq!(global["Conventions"], "CF-1.0");
    let expected = &expected(&data)["bcsd_obs_1999"];
    let (tas, pr) = (named(&arrays, "tas"), named(&arrays, "pr"));
    assert_eq!(tas.meta().dims, ["time", "latitude", "longitude"]);
    assert_eq!(tas.meta().nodata, Some(Number::Float(f64::from(1e20_f32))));
    for t in 0..12 {
        let block = read(tas, at(tas, t)).await.0;
        assert!(close(mean(&block), &expected["tas_mean"][t], 1e-6));
        let block = read(pr, at(pr, t)).await.0;
        let valid = present(&block);
        let sum: f64 = valid.iter().sum();
        assert!(close(sum, &expected["pr_sum_valid"][t], 1e-9));
        assert_eq!(block.len() - valid.len(), 593);
    }
    let (_, bytes) = read(tas, Region(vec![3..4, 5..6, 7..9])).await;
    assert!(bytes <= 1000, "{bytes} bytes for two pixels");

    let arrays = open_path(&data.join("cubes/oisst_19811231.nc")).await;
    let sst = named(&arrays, "sst").meta();
    assert_eq!((sst.dtype, sst.nodata), (DType::I16, Some(Number::Int(-999))));
    assert_eq!(sst.dims, ["time", "zlev", "lat", "lon"]);
    assert_eq!(sst.shape, [1, 1, 90, 180]);
}

#[tokio::test]
async fn truncated_and_garbled_files_are_errors() {
    let Some(data) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["s2_l1c_slovenia.nc", "bcsd_obs_1999.nc"] {
        let whole = std::fs::read(data.join("cubes").join(name)).unwrap();
        let path = folder.path().join(name);
        let mut failed = 0;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..60_usize {
            let mut bytes = whole.clone();
            if round % 2 == 0 {
                bytes.truncate(whole.len() * round / 60);
            } else {
                for _ in 0..200 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let position = (state >> 20) as usize % bytes.len().min(40_000);
                    bytes[position] = (state >> 56) as u8;
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            let Ok((arrays, _)) = open(&Location::local(&path).unwrap()).await else {
                failed += 1;
                continue;
            };
            for array in &arrays {
                if let Some(texts) = array.texts() {
                    failed += usize::from(texts.await.is_err());
                } else {
                    // One pixel: damaged sizes must not decide what is allocated.
                    let corner = array.meta().shape.iter().map(|&n| 0..n.min(1)).collect();
                    failed += usize::from(array.fetch(Region(corner)).await.is_err());
                }
            }
        }
        assert!(failed >= 30, "only {failed} failures for {name}");
    }
    let missing = open(&Location::local(&folder.path().join("none.nc")).unwrap()).await;
    assert!(matches!(missing, Err(SourceError::Storage(_))));
}

/// A file with all types, a sub-group, texts and both kinds of missing values.
fn sample(format: NcWriteFormat) -> Vec<u8> {
    let classic = format != NcWriteFormat::Nc4;
    let mut file = NcFileBuilder::new();
    let (y, x) = (file.add_dimension("y", 3).unwrap(), file.add_dimension("x", 4).unwrap());
    let width = file.add_dimension("width", 5).unwrap();
    macro_rules! plain {
        ($($t:ty),*) => { $({
            let id = file.add_variable::<$t>(stringify!($t), &[y, x]).unwrap();
            let values: Vec<$t> = (0..12u8).map(|v| v as $t).collect();
            file.write_variable(id, &values).unwrap();
        })* };
    }
    plain!(i8, i16, i32, f32, f64);
    if !classic {
        plain!(u8, u16, u32, u64, i64);
        let id = file.add_string_variable("names", &[y]).unwrap();
        file.write_string_variable(id, &["spring", "été", ""]).unwrap();
        let x2 = file.add_dimension_path("inner/x2", 2).unwrap();
        let id = file.add_variable_path::<i16>("inner/deep", &[x2]).unwrap();
        file.write_variable(id, &[7_i16, 8]).unwrap();
    }
    let id = file.add_char_variable("chars", &[y, width]).unwrap();
    file.write_char_variable_strings(id, &["ab", "cde", "fghij"]).unwrap();
    let id = file.add_variable::<i8>("bytes", &[x]).unwrap();
    file.add_variable_attribute(id, "_Unsigned", NcAttrValue::Chars("true".into())).unwrap();
    file.add_variable_attribute(id, "_FillValue", NcAttrValue::Bytes(vec![-1])).unwrap();
    file.add_variable_attribute(id, "missing_value", NcAttrValue::Bytes(vec![-2, 3])).unwrap();
    file.write_variable(id, &[-1_i8, -2, -3, 3]).unwrap();
    file.to_vec(NcWriteOptions { format }).unwrap().1
}

#[tokio::test]
async fn every_type_text_and_missing_value() {
    let folder = tempfile::tempdir().unwrap();
    for format in [NcWriteFormat::Nc4, NcWriteFormat::Classic, NcWriteFormat::Offset64] {
        let path = folder.path().join("sample.nc");
        std::fs::write(&path, sample(format)).unwrap();
        let arrays = open_path(&path).await;
        let names: &[&str] = if format == NcWriteFormat::Nc4 {
            &["i8", "i16", "i32", "f32", "f64", "u8", "u16", "u32", "u64", "i64"]
        } else {
            &["i8", "i16", "i32", "f32", "f64"]
        };
        for name in names {
            let array = named(&arrays, name);
            let (family, bits) = name.split_at(1);
            let family =
                [("i", "int"), ("u", "uint"), ("f", "float")].into_iter().find(|f| f.0 == family);
            let full = format!("{}{bits}", family.unwrap().1);
            assert_eq!(array.meta().dtype.name(), full);
            let block = read(array, Region(vec![1..3, 2..4])).await.0;
            let numbers: Vec<f64> = (0..4).map(|i| block.get(i).unwrap().to_f64()).collect();
            assert_eq!(numbers, [6.0, 7.0, 10.0, 11.0], "{name}");
        }
        let chars = named(&arrays, "chars");
        assert_eq!(chars.meta().dims, ["y"]);
        assert_eq!(chars.texts().unwrap().await.unwrap(), ["ab", "cde", "fghij"]);
        assert!(chars.fetch(line(0, 1)).await.is_err());
        let bytes = named(&arrays, "bytes");
        assert_eq!((bytes.meta().dtype, bytes.meta().nodata), (DType::U8, Some(Number::Int(255))));
        let block = read(bytes, line(0, 4)).await.0;
        assert_eq!(block.values, Values::U8(vec![0, 0, 253, 0]));
        assert_eq!(block.validity, Some(vec![false, false, true, false]));
        if format == NcWriteFormat::Nc4 {
            let names = named(&arrays, "names").texts().unwrap().await.unwrap();
            assert_eq!(names, ["spring", "été", ""]);
            let deep = read(named(&arrays, "inner/deep"), line(1, 2)).await.0;
            assert_eq!(deep.get(0), Some(Number::Int(8)));
        }
    }
}

/// Serves `bytes` with range requests; counts what was sent.
async fn serve(bytes: Vec<u8>, sent: Arc<AtomicU64>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (bytes, sent) = (bytes.clone(), Arc::clone(&sent));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8(head).unwrap().to_lowercase();
                let range = head.lines().find_map(|l| l.strip_prefix("range: bytes="));
                let (start, end) = range.map_or((0, bytes.len()), |range| {
                    let (start, end) = range.split_once('-').unwrap();
                    (start.parse().unwrap(), end.parse::<usize>().unwrap() + 1)
                });
                let end = end.min(bytes.len());
                let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\n\
                     Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\nConnection: close\r\n\r\n",
                    end - start,
                    end - 1,
                    bytes.len(),
                );
                let _ = socket.write_all(answer.as_bytes()).await;
                if !head.starts_with("head") {
                    sent.fetch_add((end - start) as u64, Ordering::Relaxed);
                    let _ = socket.write_all(&bytes[start..end]).await;
                }
            });
        }
    });
    format!("http://{address}/sample.nc")
}

#[tokio::test]
async fn files_over_http_are_read_by_ranges() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut file = NcFileBuilder::new();
    let (t, x) = (file.add_dimension("t", 10).unwrap(), file.add_dimension("x", 200_000).unwrap());
    let id = file.add_variable::<i32>("v", &[t, x]).unwrap();
    file.set_variable_chunking(id, vec![1, 200_000]).unwrap();
    file.write_variable(id, &(0..2_000_000).collect::<Vec<i32>>()).unwrap();
    let bytes = file.to_vec(NcWriteOptions { format: NcWriteFormat::Nc4 }).unwrap().1;
    let (total, sent) = (bytes.len() as u64, Arc::new(AtomicU64::new(0)));
    let url = serve(bytes, Arc::clone(&sent)).await;
    let (arrays, _) = open(&Location::resolve("/", &url).unwrap()).await.unwrap();
    let (block, counted) = read(named(&arrays, "v"), Region(vec![7..8, 5..8])).await;
    assert_eq!(block.values, Values::I32(vec![1_400_005, 1_400_006, 1_400_007]));
    assert!(counted > 0 && sent.load(Ordering::Relaxed) < total / 2, "{sent:?} of {total}");
}
