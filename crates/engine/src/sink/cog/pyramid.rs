//! All resolutions in one pass: every tile is stored, and its half joins a tile of the next level.
//!
//! A level below the first holds one strip of tiles; when it is full, it is cut into the tiles that are stored next.
//! Halving and encoding are the caller's, so that they can go on side by side; tiles of a level come row by row.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use eolith_cube::{Block, Element, Number, Region, for_values};

use super::encode::TileEncoder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resampling {
    /// The mean of the valid ones of four pixels.
    Average,
    /// The upper left of four pixels.
    Near,
}

/// The stored tiles of one resolution, row by row, each between its size and its last four bytes again.
pub(super) struct Level {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Stored bytes of each tile, without what is around it.
    pub(super) sizes: Vec<u32>,
    pub(super) spool: File,
}

pub(super) struct Pyramid {
    encoder: TileEncoder,
    levels: Vec<Level>,
    /// For every level but the first: the strip that is filled.
    strips: Vec<Block>,
}

impl Pyramid {
    /// With `overviews`, levels are halved until one tile holds the image. Spools are nameless files in `folder`.
    pub(super) fn new(
        encoder: TileEncoder,
        overviews: bool,
        (mut height, mut width): (usize, usize),
        folder: &Path,
    ) -> io::Result<Pyramid> {
        let (mut levels, mut strips) = (Vec::new(), Vec::new());
        loop {
            let spool = tempfile::tempfile_in(folder)?;
            levels.push(Level { height, width, sizes: Vec::new(), spool });
            if height.max(width) <= encoder.tile || !overviews {
                return Ok(Pyramid { encoder, levels, strips });
            }
            (height, width) = (height.div_ceil(2), width.div_ceil(2));
            let shape = vec![encoder.bands, encoder.tile.min(height), width];
            strips.push(Block::nulls(encoder.dtype, shape));
        }
    }

    /// Levels of an image of this size.
    pub(super) fn count(tile: usize, overviews: bool, height: usize, width: usize) -> usize {
        let mut count = 1;
        let mut side = height.max(width);
        while overviews && side > tile {
            side = side.div_ceil(2);
            count += 1;
        }
        count
    }

    /// Takes the next tile of a level, encoded, and its half where there is a level below. Gives the tiles of that
    /// level which are complete now.
    pub(super) fn push(
        &mut self,
        at: usize,
        bytes: &[u8],
        half: Option<Block>,
    ) -> io::Result<Vec<Block>> {
        let tile = self.encoder.tile;
        let level = &mut self.levels[at];
        let columns = level.width.div_ceil(tile);
        let (row, column) = (level.sizes.len() / columns, level.sizes.len() % columns);
        store(level, bytes)?;
        let (rows_left, last_column) = (level.height - row * tile, column + 1 == columns);
        let (Some(strip), Some(half)) = (self.strips.get_mut(at), half) else {
            return Ok(Vec::new());
        };
        let top = row % 2 * (tile / 2);
        strip.paste(&[0, top, column * (tile / 2)], &half);
        if !last_column || (row % 2 == 0 && rows_left > tile) {
            return Ok(Vec::new());
        }
        let (bands, rows, width) = (strip.shape[0], top + half.shape[1], strip.shape[2]);
        let cut = |x: usize| Region(vec![0..bands, 0..rows, x..(x + tile).min(width)]);
        Ok((0..width).step_by(tile).map(|x| strip.slice(&cut(x)).canonical()).collect())
    }

    /// Whether every tile of every level is stored.
    pub(super) fn is_complete(&self) -> bool {
        let tile = self.encoder.tile;
        let tiles = |level: &Level| level.height.div_ceil(tile) * level.width.div_ceil(tile);
        self.levels.iter().all(|level| level.sizes.len() == tiles(level))
    }

    /// The levels, largest first.
    pub(super) fn finish(self) -> Vec<Level> {
        self.levels
    }
}

/// Half the rows and columns (rounded up) of (band, y, x).
pub(super) fn halve(block: &Block, resampling: Resampling) -> Block {
    let (height, width) = (block.shape[1], block.shape[2]);
    let shape = vec![block.shape[0], height.div_ceil(2), width.div_ceil(2)];
    let mut half = Block::nulls(block.dtype(), shape);
    let validity = half.validity.get_or_insert_default();
    for_values!(&mut half.values, out => {
        let own = Element::slice(&block.values).expect("invariant: made of the same type");
        let mask = block.validity.as_deref();
        halve_values((own, mask), (height, width), resampling, (out, validity));
    });
    half.canonical()
}

fn store(level: &mut Level, bytes: &[u8]) -> io::Result<()> {
    let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let last = &bytes[bytes.len().saturating_sub(4)..];
    level.spool.write_all(&size.to_le_bytes())?;
    level.spool.write_all(bytes)?;
    level.spool.write_all(last)?;
    level.sizes.push(size);
    Ok(())
}

fn halve_values<T: Element>(
    (own, mask): (&[T], Option<&[bool]>),
    (height, width): (usize, usize),
    resampling: Resampling,
    (out, validity): (&mut [T], &mut [bool]),
) {
    let (half_height, half_width) = (height.div_ceil(2), width.div_ceil(2));
    let is_valid = |at: usize| mask.is_none_or(|mask| mask[at]);
    let rows = out.chunks_exact_mut(half_width).zip(validity.chunks_exact_mut(half_width));
    for (row, (out, validity)) in rows.enumerate() {
        let y = row % half_height * 2;
        let start = (row / half_height * height + y) * width;
        for (i, (value, valid)) in out.iter_mut().zip(validity).enumerate() {
            let (x, first) = (2 * i, start + 2 * i);
            match resampling {
                Resampling::Near => (*value, *valid) = (own[first], is_valid(first)),
                Resampling::Average => {
                    let (mut sum, mut count) = (0.0, 0.0);
                    for down in 0..2.min(height - y) {
                        for right in 0..2.min(width - x) {
                            let at = first + down * width + right;
                            if is_valid(at) {
                                sum += own[at].to_number().to_f64();
                                count += 1.0;
                            }
                        }
                    }
                    *valid = count > 0.0;
                    if *valid {
                        *value = mean(sum / count);
                    }
                }
            }
        }
    }
}

fn mean<T: Element>(value: f64) -> T {
    T::from_number(Number::Float(if T::DTYPE.is_float() { value } else { value.round() }))
}
