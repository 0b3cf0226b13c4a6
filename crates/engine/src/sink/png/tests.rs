use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::sink::sample::{Sample, bands, times, x, y};

const PLENTY: u64 = 1 << 26;

fn options(pairs: &[(&str, serde_json::Value)]) -> Options {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn read(path: &PathBuf) -> (png::ColorType, u32, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    bytes.truncate(info.buffer_size());
    (info.color_type, info.width, bytes)
}

fn picture(
    cube: &Sample,
    given: &[(&str, serde_json::Value)],
) -> (png::ColorType, Vec<u8>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let files = write(cube, &options(given), PLENTY, &folder.path().join("a.png")).unwrap();
    let (color, _, bytes) = read(&files[0].path);
    (color, bytes, files[0].notes.clone())
}

#[test]
fn bytes_are_shown_as_they_are_and_nothing_is_transparent() {
    let cube = Sample::new(vec![y(2), x(3)], DType::U8, |i| {
        ((i[0], i[1]) != (1, 2)).then_some((i[0] * 100 + i[1] * 7) as f64)
    });
    let (color, bytes, notes) = picture(&cube, &[]);
    assert_eq!(color, png::ColorType::GrayscaleAlpha);
    assert_eq!(bytes, [0, 255, 7, 255, 14, 255, 100, 255, 107, 255, 0, 0]);
    assert!(notes.is_empty());
}

#[test]
fn three_bands_are_colours_and_a_range_stretches_them() {
    let dims = vec![y(1), x(2), bands(&["r", "g", "b"])];
    let cube = Sample::new(dims, DType::I16, |i| Some((i[1] * 50 + i[2] * 10) as f64));
    let (color, bytes, notes) = picture(&cube, &[("min", json!(0)), ("max", json!(51))]);
    assert_eq!((color, notes.len()), (png::ColorType::Rgb, 0));
    assert_eq!(bytes, [0, 50, 100, 250, 255, 255]);
}

#[test]
fn percentiles_are_a_guess_that_is_told() {
    let cube = Sample::new(vec![y(10), x(101)], DType::F32, |i| {
        Some(if i[1] == 100 && i[0] == 0 { 1e6 } else { i[1] as f64 })
    });
    let (_, bytes, notes) = picture(&cube, &[("max", json!(100))]);
    assert_eq!(bytes.len(), 1010);
    assert!(notes[0].starts_with("values from "), "{notes:?}");
    let even = Sample::new(vec![y(10), x(101)], DType::U16, |i| Some(i[1] as f64));
    let (_, bytes, notes) = picture(&even, &[]);
    assert!(notes[0].contains("guessed from the 2nd and 98th percentile"));
    assert_eq!((bytes[0], bytes[2], bytes[98], bytes[100]), (0, 0, 255, 255));
    assert!((125..=130).contains(&bytes[50]), "{}", bytes[50]);
    let flat = Sample::new(vec![y(1), x(2)], DType::F64, |_| Some(3.0));
    assert_eq!(picture(&flat, &[]).1, [127, 127]);
    let empty = Sample::new(vec![y(1), x(2)], DType::F64, |i| (i[1] > 0).then_some(f64::NAN));
    assert_eq!(picture(&empty, &[]).1, [0, 0, 0, 0]);
}

#[test]
fn colour_maps_begin_and_end_with_their_colours() {
    let cube = Sample::new(vec![y(1), x(3)], DType::F32, |i| (i[1] < 2).then_some(i[1] as f64));
    let range = [("min", json!(0)), ("max", json!(1)), ("colormap", json!("viridis"))];
    let (color, bytes, _) = picture(&cube, &range);
    assert_eq!(color, png::ColorType::Rgba);
    assert_eq!(bytes, [0x44, 1, 0x54, 255, 0xfd, 0xe7, 0x25, 255, 0, 0, 0, 0]);
}

#[test]
fn times_have_their_files_and_other_bands_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    let dims = vec![times(&["2020-06-01", "2021-06-01"]), y(2), x(2)];
    let cube = Sample::new(dims, DType::Bool, |i| Some(i[0] as f64));
    let files = write(&cube, &Options::new(), PLENTY, &path).unwrap();
    assert_eq!(read(&files[1].path), (png::ColorType::Grayscale, 2, vec![255; 4]));
    let four =
        Sample::new(vec![bands(&["r", "g", "b", "a"]), y(2), x(2)], DType::U8, |_| Some(1.0));
    let error = write(&four, &Options::new(), PLENTY, &path).unwrap_err().to_string();
    assert!(error.contains("it has 4 bands, and a picture has one or three"), "{error}");
    let error = write(&cube, &Options::new(), 1000, &path).unwrap_err().to_string();
    assert!(error.contains("to be written as PNG, the budget allows 1000"), "{error}");
    let backwards = options(&[("min", json!(5)), ("max", json!(1))]);
    let error = write(&cube, &backwards, PLENTY, &path).unwrap_err().to_string();
    assert_eq!(error, "option `max` of PNG: 1 is not above `min`, which is 5");
}

#[test]
fn a_picture_in_memory_is_the_one_of_the_file_and_its_range_can_be_asked_for() {
    let cube = Sample::new(vec![y(10), x(101)], DType::U16, |i| Some(i[1] as f64));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    write(&cube, &Options::new(), PLENTY, &path).unwrap();
    assert_eq!(encode(&cube, &Options::new()).unwrap(), std::fs::read(&path).unwrap());
    let [min, max] = range(&cube, &Options::new()).unwrap();
    let same = options(&[("min", json!(min)), ("max", json!(max))]);
    assert_eq!(encode(&cube, &same).unwrap(), std::fs::read(&path).unwrap());
    assert_eq!(range(&cube, &options(&[("max", json!(1e9))])).unwrap(), [min, 1e9]);
    let flat = Sample::new(vec![y(1), x(2)], DType::F64, |_| Some(-4e6));
    assert_eq!(range(&flat, &Options::new()).unwrap(), [-4e6 - 4.0, -4e6 + 4.0]);
    let bytes = Sample::new(vec![y(1), x(2)], DType::U8, |_| Some(3.0));
    assert_eq!(range(&bytes, &Options::new()).unwrap(), [0.0, 255.0]);
    let two =
        Sample::new(vec![times(&["2020-06-01", "2021-06-01"]), y(1), x(1)], DType::U8, |_| None);
    let error = encode(&two, &Options::new()).unwrap_err().to_string();
    assert_eq!(error, "PNG cannot hold this result: it is 2 pictures");
}

#[test]
fn options_are_checked_without_pixels() {
    assert!(check(&options(&[("colormap", json!("MAGMA")), ("min", json!(1))])).is_ok());
    for wrong in [("colour", json!(1)), ("colormap", json!("jet")), ("min", json!("1"))] {
        assert!(matches!(check(&options(&[wrong])), Err(SinkError::Option { .. })));
    }
    assert!(check(&options(&[("min", json!(1)), ("max", json!(1))])).is_err());
}
