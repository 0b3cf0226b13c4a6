//! One tile: pixels to stored bytes.

use std::io::{self, Write};

use eolith_cube::{Block, DType, Number, Values};

use crate::sink::nodata;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    Zstd,
}

/// How the tiles of a file are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileEncoder {
    pub(super) compression: Compression,
    /// Width and height.
    pub(super) tile: usize,
    pub(super) bands: usize,
    pub(super) dtype: DType,
    pub(super) predictor: bool,
    /// Written where a pixel is invalid, and beyond the image.
    pub(super) null: Option<Number>,
}

impl Compression {
    /// The value of the TIFF tag.
    pub(super) fn code(self) -> u16 {
        match self {
            Compression::None => 1,
            Compression::Lzw => 5,
            Compression::Deflate => 8,
            Compression::Zstd => 50000,
        }
    }
}

impl TileEncoder {
    /// The value of the TIFF tag: 2 differences, 3 differences of floats split by significance.
    pub(super) fn predictor_code(&self) -> u16 {
        match (self.predictor && self.compression != Compression::None, self.dtype.is_float()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 3,
        }
    }

    /// The stored bytes of a tile; `block` is its part inside the image, (band, y, x).
    pub(super) fn encode(&self, block: Block) -> io::Result<Vec<u8>> {
        let mut bytes = self.interleave(block);
        let size = self.dtype.size();
        for row in bytes.chunks_exact_mut(self.tile * self.bands * size) {
            match self.predictor_code() {
                2 => difference(row, size, self.bands),
                3 => split_floats(row, size, self.bands),
                _ => {}
            }
        }
        match self.compression {
            Compression::None => Ok(bytes),
            Compression::Lzw => {
                let order = weezl::BitOrder::Msb;
                let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(order, 8);
                encoder.encode(&bytes).map_err(io::Error::other)
            }
            Compression::Deflate => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::bulk::compress(&bytes, 9),
        }
    }

    /// A whole tile in file order, little-endian.
    fn interleave(&self, block: Block) -> Vec<u8> {
        let (size, pixel) = (self.dtype.size(), self.bands * self.dtype.size());
        let (height, width) = (block.shape[1], block.shape[2]);
        let values = nodata::fill(block, self.dtype, self.null);
        let planes = values.le_bytes(0..values.len());
        let mut padding = Values::zeros(self.dtype, 1);
        if let Some(null) = self.null {
            padding.set(0, null);
        }
        let mut bytes = padding.le_bytes(0..1).repeat(self.tile * self.tile * self.bands);
        for band in 0..self.bands {
            for y in 0..height {
                let from = &planes[(band * height + y) * width * size..][..width * size];
                let to = &mut bytes[y * self.tile * pixel + band * size..];
                for (x, sample) in from.chunks_exact(size).enumerate() {
                    to[x * pixel..x * pixel + size].copy_from_slice(sample);
                }
            }
        }
        bytes
    }
}

/// Differences of little-endian words `stride` words apart, in place from the end on.
fn difference(row: &mut [u8], size: usize, stride: usize) {
    macro_rules! difference {
        ($t:ty) => {{
            const SIZE: usize = size_of::<$t>();
            for at in (stride * SIZE..row.len()).step_by(SIZE).rev() {
                let word = |row: &[u8], at: usize| {
                    let bytes = row[at..at + SIZE].try_into();
                    <$t>::from_le_bytes(bytes.expect("invariant: slice of that size"))
                };
                let less = word(row, at).wrapping_sub(word(row, at - stride * SIZE));
                row[at..at + SIZE].copy_from_slice(&less.to_le_bytes());
            }
        }};
    }
    match size {
        1 => difference!(u8),
        2 => difference!(u16),
        4 => difference!(u32),
        _ => difference!(u64),
    }
}

/// Most significant bytes of all values first, then byte-wise differences.
fn split_floats(row: &mut [u8], size: usize, stride: usize) {
    let words = row.to_vec();
    let n = row.len() / size;
    for (i, word) in words.chunks_exact(size).enumerate() {
        for (k, byte) in word.iter().enumerate() {
            row[(size - 1 - k) * n + i] = *byte;
        }
    }
    for at in (stride..row.len()).rev() {
        row[at] = row[at].wrapping_sub(row[at - stride]);
    }
}
