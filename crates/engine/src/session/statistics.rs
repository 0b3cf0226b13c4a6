//! Statistics of the bands in files that were written, where they cost next to nothing: of small results.
//!
//! The pixels are read once more and no kernel computes anything meanwhile; what is large goes without.

use std::io;
use std::sync::Arc;

use eolith_cube::Region;
use serde_json::Value as Json;

use crate::scratch::Scratch;
use crate::sink::{Boxes, OutputFile, ResultView};
use crate::summary::Summary;

/// Most values of a result: a tenth of a second.
const MOST: usize = 1 << 22;

/// For each file the statistics of all bands, as STAC writes them; null for bands that the file has not. Empty for large
/// results.
pub(super) fn of_files(result: &Scratch, files: &[OutputFile]) -> io::Result<Vec<Vec<Json>>> {
    let schema = result.schema();
    let Some(shape) = schema.shape() else { return Ok(Vec::new()) };
    if shape.iter().product::<usize>() > MOST || schema.grid().is_err() {
        return Ok(Vec::new());
    }
    let of_file = |file: &OutputFile| {
        let fixed = |dim: usize| file.image.as_ref().and_then(|image| *image.fixed.get(dim)?);
        let ranges = shape.iter().enumerate().map(|(dim, &len)| match fixed(dim) {
            Some(at) => at..at + 1,
            None => 0..len,
        });
        let region = Region(ranges.collect());
        let summary = Summary::new(Arc::new(schema.clone()), shape.clone());
        summary.put(&region, result.read_block(&region)?)?;
        Ok(summary.statistics())
    };
    files.iter().map(of_file).collect()
}
