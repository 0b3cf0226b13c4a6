//! All resolutions in one pass: every tile of the full image is stored, halved, and joins the level below.
//!
//! A level holds one strip of tiles; when it is full, its tiles are stored and it is halved into the next one.

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
    resampling: Resampling,
    levels: Vec<Level>,
    /// For every level but the first: its strip, and how many of its rows are there.
    strips: Vec<(Block, usize)>,
}

impl Pyramid {
    /// Levels are halved until one tile holds the image. Spools are nameless files in `folder`.
    pub(super) fn new(
        encoder: TileEncoder,
        resampling: Resampling,
        (mut height, mut width): (usize, usize),
        folder: &Path,
    ) -> io::Result<Pyramid> {
        let (mut levels, mut strips) = (Vec::new(), Vec::new());
        loop {
            let spool = tempfile::tempfile_in(folder)?;
            levels.push(Level { height, width, sizes: Vec::new(), spool });
            if height.max(width) <= encoder.tile {
                return Ok(Pyramid { encoder, resampling, levels, strips });
            }
            (height, width) = (height.div_ceil(2), width.div_ceil(2));
            let shape = vec![encoder.bands, encoder.tile.min(height), width];
            strips.push((Block::nulls(encoder.dtype, shape), 0));
        }
    }

    /// Takes a tile of the full image whose upper left pixel is at `(y, x)`; tiles come row by row.
    pub(super) fn push(&mut self, block: Block, (y, x): (usize, usize)) -> io::Result<()> {
        let (rows, columns) = (block.shape[1], block.shape[2]);
        if let Some((strip, filled)) = self.strips.first_mut() {
            strip.paste(&[0, *filled, x / 2], &halve(&block, self.resampling));
            if x + columns == self.levels[0].width {
                *filled += rows.div_ceil(2);
            }
        }
        store(&mut self.levels[0], &self.encoder, block)?;
        if x + columns == self.levels[0].width {
            self.flush(y + rows == self.levels[0].height)?;
        }
        Ok(())
    }

    /// The levels, largest first.
    pub(super) fn finish(self) -> Vec<Level> {
        self.levels
    }

    /// Stores strips that are full, or all of them at the end of the image.
    fn flush(&mut self, last: bool) -> io::Result<()> {
        let tile = self.encoder.tile;
        for level in 1..self.levels.len() {
            let (strip, filled) = &mut self.strips[level - 1];
            if *filled < tile && !last {
                return Ok(());
            }
            let (bands, width) = (strip.shape[0], strip.shape[2]);
            let rows = std::mem::take(filled);
            let full = strip.slice(&Region(vec![0..bands, 0..rows, 0..width]));
            for x in (0..width).step_by(tile) {
                let part = Region(vec![0..bands, 0..rows, x..(x + tile).min(width)]);
                store(&mut self.levels[level], &self.encoder, full.slice(&part))?;
            }
            if let Some((next, filled)) = self.strips.get_mut(level) {
                let half = halve(&full, self.resampling);
                next.paste(&[0, *filled, 0], &half);
                *filled += half.shape[1];
            }
        }
        Ok(())
    }
}

fn store(level: &mut Level, encoder: &TileEncoder, block: Block) -> io::Result<()> {
    let bytes = encoder.encode(block)?;
    let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let last = &bytes[bytes.len().saturating_sub(4)..];
    level.spool.write_all(&size.to_le_bytes())?;
    level.spool.write_all(&bytes)?;
    level.spool.write_all(last)?;
    level.sizes.push(size);
    Ok(())
}

/// Half the rows and columns (rounded up) of (band, y, x).
fn halve(block: &Block, resampling: Resampling) -> Block {
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

fn halve_values<T: Element>(
    (own, mask): (&[T], Option<&[bool]>),
    (height, width): (usize, usize),
    resampling: Resampling,
    (out, validity): (&mut [T], &mut [bool]),
) {
    let (half_height, half_width) = (height.div_ceil(2), width.div_ceil(2));
    let is_valid = |at: usize| mask.is_none_or(|mask| mask[at]);
    for (i, (value, valid)) in out.iter_mut().zip(validity).enumerate() {
        let (x, y) = (i % half_width * 2, i / half_width % half_height * 2);
        let first = (i / half_width / half_height * height + y) * width + x;
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

fn mean<T: Element>(value: f64) -> T {
    T::from_number(Number::Float(if T::DTYPE.is_float() { value } else { value.round() }))
}
