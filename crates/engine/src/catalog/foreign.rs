//! Formats that are known and not read: what to say of them.

use crate::storage::Location;

/// Bytes that are looked at.
const HEAD: u64 = 12;

const GRIB: &str = "a GRIB file, which is not read yet: convert it to NetCDF or Zarr";
const JPEG_2000: &str =
    "a JPEG 2000 image, which is not read yet: use the product as cloud-optimised GeoTIFF or Zarr";
const HDF4: &str = "an HDF4 file, which is not read: convert it to NetCDF";

/// What a file is by the ending of its name.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    match extension.as_str() {
        "grib" | "grib1" | "grib2" | "grb" | "grb1" | "grb2" => Some(GRIB),
        "jp2" | "j2k" | "jpx" => Some(JPEG_2000),
        "hdf4" => Some(HDF4),
        _ => None,
    }
}

/// What a file is by its first bytes; `None` where it is none of these or cannot be read.
pub(super) async fn by_content(location: &Location) -> Option<&'static str> {
    let head = location.read_range(0..HEAD).await.ok()?;
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"GRIB") {
        Some(GRIB)
    } else if starts(b"\0\0\0\x0cjP  \r\n\x87\n") || starts(b"\xff\x4f\xff\x51") {
        Some(JPEG_2000)
    } else if starts(b"\x0e\x03\x13\x01") {
        Some(HDF4)
    } else {
        None
    }
}
