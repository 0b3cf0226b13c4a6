//! Files of geometries, read as a whole: GeoJSON, GeoParquet, FlatGeobuf, GeoPackage.
//!
//! ```text
//! bytes ─ geojson | parquet | flatgeobuf | geopackage ─► Features
//! wkb   well-known binary, which parquet and geopackage hold
//! ```
//! Features come in the order of the file, with their properties as JSON. What a file may be is limited: its bytes by
//! [`MOST_BYTES`], its positions by [`MOST_POSITIONS`]; a file that contradicts itself is an error that says where.

mod flatgeobuf;
mod geopackage;
mod parquet;
mod wkb;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use eolith_cube::{Features, Geometry};
use eolith_plan::request::InputFormat;
use thiserror::Error;

/// Most bytes of a file of geometries.
pub const MOST_BYTES: u64 = 64 << 20;
/// Most positions of all geometries of a file.
const MOST_POSITIONS: usize = 10_000_000;
/// Most features of a file.
const MOST_FEATURES: usize = 2_000_000;

/// Why a file gives no features.
#[derive(Debug, Error)]
pub enum VectorError {
    /// It is not of the format, or not as the format wants it.
    #[error("it is no {format} file: {reason}")]
    Invalid { format: &'static str, reason: String },
    /// It is of the format, and has what is not read.
    #[error("{0}")]
    Unsupported(String),
    #[error("it has more than {most} {what}")]
    TooMany { most: usize, what: &'static str },
}

/// The features of a file of this format.
///
/// # Errors
/// [`VectorError`]; also for formats that hold no geometries.
pub fn read(bytes: Bytes, format: InputFormat) -> Result<Features, VectorError> {
    match format {
        InputFormat::GeoJson => geojson(&bytes),
        InputFormat::Parquet => parquet::read(bytes),
        InputFormat::FlatGeobuf => flatgeobuf::read(&bytes),
        InputFormat::GeoPackage => geopackage::read(&bytes),
        InputFormat::GTiff | InputFormat::NetCdf | InputFormat::Zarr => {
            Err(VectorError::Unsupported(format!("{} holds no geometries", format.name())))
        }
    }
}

fn geojson(bytes: &[u8]) -> Result<Features, VectorError> {
    let invalid = |reason: String| VectorError::Invalid { format: "GeoJSON", reason };
    let json = serde_json::from_slice(bytes).map_err(|e| invalid(e.to_string()))?;
    Features::parse(&json).map_err(|e| invalid(e.to_string()))
}

/// Counts what is read, so that a file ends where memory would.
#[derive(Debug, Default)]
struct Count {
    positions: usize,
    features: usize,
}

impl Count {
    fn feature(&mut self) -> Result<(), VectorError> {
        self.features += 1;
        let too_many = self.features > MOST_FEATURES;
        if too_many {
            return Err(VectorError::TooMany { most: MOST_FEATURES, what: "features" });
        }
        Ok(())
    }

    fn positions(&mut self, more: usize) -> Result<(), VectorError> {
        self.positions = self.positions.saturating_add(more);
        if self.positions > MOST_POSITIONS {
            return Err(VectorError::TooMany { most: MOST_POSITIONS, what: "positions" });
        }
        Ok(())
    }
}

/// Whether rings are closed and lines are lines, as everything behind this takes for granted.
fn checked(geometry: Geometry) -> Result<Geometry, String> {
    let parts = geometry.parts();
    if parts.lines.iter().any(|line| line.len() == 1) {
        return Err("a line has at least two positions".to_owned());
    }
    let mut rings = parts.polygons.iter().copied().flatten();
    if rings.any(|ring| ring.len() < 4 || ring.first() != ring.last()) {
        return Err("a ring has at least four positions, the last one is the first".to_owned());
    }
    Ok(geometry)
}
