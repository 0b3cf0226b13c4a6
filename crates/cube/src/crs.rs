//! Coordinate reference systems.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A coordinate reference system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Crs(Arc<str>);

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown reference system `{0}`")]
pub struct CrsError(String);

impl Crs {
    pub fn epsg(code: u32) -> Result<Crs, CrsError> {
        Ok(Crs(format!("EPSG:{code}").into()))
    }
    pub fn parse(text: &str) -> Result<Crs, CrsError> {
        Ok(Crs(text.into()))
    }
    pub fn code(&self) -> Option<u32> {
        self.0.strip_prefix("EPSG:").and_then(|c| c.parse().ok())
    }
}
impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
