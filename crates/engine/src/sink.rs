//! Writing results: one module a format.
//!
//! A sink gets a finished result through [`ResultView`] and a path beside which it writes and then renames. It
//! encodes windows of the result side by side on the pool it is called on and writes them in order, so that equal
//! results are equal files for any number of threads. Its memory is bounded by the windows under way and not by the
//! result; [`SinkFormat::working_memory`] says how much it is.
//!
//! A format whose pixels have places that are known before they are takes them as they are computed, in any order
//! ([`Intake`]): nothing waits, nothing is read back.

mod cf;
mod codec;
pub mod cog;
pub mod csv;
mod file;
pub mod format;
pub mod geojson;
pub mod json;
pub mod model;
pub mod netcdf;
pub mod nodata;
pub mod parquet;
mod pipeline;
pub mod png;
mod raster;
#[cfg(test)]
mod sample;
mod table;
pub mod zarr;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use self::format::SinkFormat;
use eolith_cube::{Block, DType, Number, Region, Schema};
use thiserror::Error;

/// A computed cube, readable by region.
pub trait ResultView: Sync {
    fn schema(&self) -> &Schema;

    /// What has to be said of the pixels in the file's metadata, if it has any place for it.
    fn remark(&self) -> Option<&str> {
        None
    }

    /// The block of `region`, in the common type of all variables, dimensions in schema order.
    fn read(&self, region: &Region) -> Result<Block, SinkError>;
}

/// Takes the finished boxes of a result, in any order and from any thread. They do not overlap and together are all.
pub trait Boxes: Send + Sync {
    /// Stores the pixels of a box, which are zero under the mask.
    fn put(&self, region: &Region, block: Block) -> std::io::Result<()>;

    /// Whether all boxes of a task are here: those of an earlier attempt at the same run.
    fn has(&self, _task: usize) -> bool {
        false
    }

    /// A task begins to bring its boxes.
    fn begin(&self, _task: usize) -> std::io::Result<()> {
        Ok(())
    }

    /// A task has brought all its boxes.
    fn end(&self, _task: usize) -> std::io::Result<()> {
        Ok(())
    }
}

/// A file that is written while its result is computed. It is not in its place before it is finished.
pub trait Intake: Boxes {
    /// Completes the file after the last box. `None` where the pixels turn out to need another file than the one
    /// begun: nothing is left of it then.
    fn finish(self: Box<Self>) -> Result<Option<Vec<OutputFile>>, SinkError>;
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputFile {
    pub path: PathBuf,
    pub media_type: &'static str,
    /// Notes for the user and the result's metadata: which value stands for no-data, guesses that were made.
    pub notes: Vec<String>,
    /// For a file that is one image of a cube.
    pub image: Option<Image>,
}

/// Which part of a cube an image is, and what its pixels are.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The index along each dimension of the cube; `None` for those of the image.
    pub fixed: Vec<Option<usize>>,
    /// The type in the file and the value that stands for no-data. `None` for pictures, whose colours are no values.
    pub pixels: Option<(DType, Option<Number>)>,
}

/// Options of a format, as given to `save_result`, names as in the format's description.
pub type Options = BTreeMap<String, serde_json::Value>;

#[derive(Debug, Error)]
pub enum SinkError {
    /// openEO: `FormatUnsuitable`.
    #[error("{format} cannot hold this result: {reason}")]
    Unsuitable { format: &'static str, reason: String },
    #[error("option `{name}` of {format}: {reason}")]
    Option { format: &'static str, name: String, reason: String },
    #[error(
        "the result needs {needed} bytes to be written as {format}, the budget allows {allowed}"
    )]
    Memory { format: &'static str, needed: u64, allowed: u64 },
    #[error("cannot write `{path}`: {reason}")]
    Write { path: String, reason: String },
    #[error("cannot read back the result: {0}")]
    Read(String),
}
