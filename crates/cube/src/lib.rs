//! What data is: dimensions and their labels, schemas, grids, time, regions, chunks and blocks of pixels.
//!
//! Everything here is plain data and pure functions over it. The crate knows nothing of files, of process
//! graphs or of plans, and does no input or output: the sources in `eolith-engine` fill blocks, the operators
//! in `eolith-plan` decide which ones.
//!
//! Start at [`Schema`] (what a cube looks like) and [`Block`] (a piece of its pixels); [`Region`] says which
//! piece.

mod block;
mod chunk;
pub mod columns;
pub mod crs;
mod dimension;
mod dtype;
pub mod geometry;
mod grid;
mod label;
mod region;
mod schema;
pub mod time;
mod values;
pub mod warp;
pub mod window;
pub mod zonal;

pub use block::Block;
pub use chunk::ChunkGrid;
pub use crs::{Crs, CrsError};
pub use dimension::{Axis, Dimension, Extent, Kind, SpatialAxis};
pub use dtype::{DType, Number};
pub use geometry::{Feature, Features, Geometry, GeometryError};
pub use grid::{Grid, GridError};
pub use label::{Label, Labels, Regular};
pub use region::Region;
pub use schema::{Schema, Variable};
pub use values::{Element, Values};
pub use warp::{Method, Warp};
