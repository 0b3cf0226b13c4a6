//! How a result becomes chunks and shards, and the one pass over its pixels.

use eolith_cube::{DType, Schema};
use serde_json::Value;

use super::{BandArrays, CHUNKS, DESCRIPTION, DIALECT, NAME, Plain, SHARDS, Writer};
use crate::sink::cf::{self, Layout, Pieces};
use crate::sink::nodata::{Guess, Seen};
use crate::sink::{Options, ResultView, SinkError, file, pipeline};

/// Bytes of a chunk before compression, at most.
const CHUNK: usize = 4 << 20;

/// Chunks of fewer bytes are put together in shards, of at most so many bytes before compression.
const SMALL: usize = 512 << 10;
const SHARD: usize = 16 << 20;

/// The type a band is stored in.
pub(super) fn stored(dtype: DType) -> DType {
    dtype
}

/// Everything that is known before a pixel is.
pub(super) struct Plan {
    pub(super) layout: Layout,
    pub(super) pieces: Pieces,
    /// The size of what is a file: a chunk, or a shard. May reach beyond the array.
    file: Vec<usize>,
    /// The chunks inside a shard.
    inner: Option<Vec<usize>>,
    /// Bytes of a pixel of the result.
    pixel: u64,
}

impl Plan {
    pub(super) fn new(schema: &Schema, options: &Options) -> Result<Plan, SinkError> {
        file::check(options, &DESCRIPTION)?;
        let layout = Layout::of(schema, &DIALECT)?;
        let (shape, edges, widest) = (layout.shape(), layout.horizontal(), layout.widest());
        let given = cf::sizes(options, NAME, CHUNKS, &layout)?;
        let chunk = match &given {
            Some(given) => cf::with_sizes(given, &shape, &edges, CHUNK / widest),
            None => cf::chunk(&shape, &edges, CHUNK / widest),
        };
        let bytes = chunk.iter().fold(widest, |n, &len| n.saturating_mul(len));
        let file: Vec<usize> = match cf::sizes(options, NAME, SHARDS, &layout)? {
            Some(shards) => {
                let fits = |(shard, &chunk): (&Option<usize>, &usize)| {
                    shard.is_none_or(|shard: usize| shard.is_multiple_of(chunk))
                };
                if !shards.iter().zip(&chunk).all(fits) {
                    let reason = format!("shards are no multiples of the chunks, {chunk:?}");
                    return Err(file::refuse(NAME, SHARDS, reason));
                }
                shards.iter().zip(&chunk).map(|(shard, &chunk)| shard.unwrap_or(chunk)).collect()
            }
            None if given.is_some() && bytes < SMALL => {
                let counts: Vec<usize> =
                    shape.iter().zip(&chunk).map(|(&n, &c)| n.div_ceil(c)).collect();
                let chunks = cf::chunk(&counts, &edges, SHARD / bytes.max(1));
                chunks.iter().zip(&chunk).map(|(n, c)| n * c).collect()
            }
            None => chunk.clone(),
        };
        let pieces = Pieces::new(&layout, file.clone());
        let inner = (file != chunk).then_some(chunk);
        Ok(Plan { layout, pieces, file, inner, pixel: schema.dtype().size() as u64 + 1 })
    }

    /// Pieces that may be under way: as many as keep all threads busy and fit.
    pub(super) fn ahead(&self, budget: u64, threads: usize) -> Result<usize, SinkError> {
        let needed = self.memory(1);
        if needed > budget {
            return Err(SinkError::Memory { format: NAME, needed, allowed: budget });
        }
        // Nothing waits for another one's turn: what is done is stored.
        Ok((1..=threads.max(1)).rev().find(|&n| self.memory(n) <= budget).unwrap_or(1))
    }

    /// Bytes with so many pieces under way: each as read, turned, as the type of its band, filled up, as bytes and
    /// compressed; and the labels.
    pub(super) fn memory(&self, ahead: usize) -> u64 {
        let widest = self.layout.widest() as u64 + 1;
        let whole = self.file.iter().fold(1, |n: u64, &len| n.saturating_mul(len as u64));
        let read = self.pieces.pixels().saturating_mul(2 * self.pixel);
        let piece = read.saturating_add(whole.saturating_mul(4 * widest));
        let labels: u64 = self.layout.shape().iter().map(|&n| n as u64 * 64).sum();
        piece.saturating_mul(ahead as u64).saturating_add(labels)
    }

    /// Stores all chunks. What was seen is empty without guesses.
    pub(super) fn pixels(
        &self,
        result: &dyn ResultView,
        writer: &Writer<'_>,
        arrays: &[BandArrays],
        guesses: &[Guess],
        ahead: usize,
    ) -> Result<Vec<Seen>, SinkError> {
        let grid = &self.pieces.grid;
        let counts = grid.counts();
        let mut seen = vec![Seen::default(); arrays.len()];
        let work = |n: usize| {
            let (chunk, bands) = self.pieces.piece(n);
            let mut position = vec![0; counts.len()];
            let mut rest = chunk;
            for (at, count) in position.iter_mut().zip(&counts).rev() {
                (*at, rest) = ((rest % count) as u64, rest / count);
            }
            let mut seen = Vec::with_capacity(bands.len());
            self.layout.read(result, &grid.region(chunk), bands, |band, part| {
                let looked = guesses.get(band).map(|guess| guess.look(&part));
                seen.push((band, looked.unwrap_or_default()));
                writer.chunk(&arrays[band], &self.file, &position, part)
            })?;
            Ok(seen)
        };
        pipeline::run(0..self.pieces.len(), ahead, work, |parts, _| {
            for (band, part) in parts {
                seen[band] = seen[band].and(part);
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// An array of this shape and these chunks.
    pub(super) fn plain<'a>(
        &'a self,
        name: &'a str,
        dims: &'a [String],
        dtype: &'a str,
        fill: Value,
    ) -> Plain<'a> {
        let (shape, chunk) = (&self.pieces.grid.shape, &self.file);
        Plain { name, dims, shape, chunk, inner: self.inner.as_deref(), dtype, fill }
    }
}
