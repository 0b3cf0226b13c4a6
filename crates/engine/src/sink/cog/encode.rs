//! One tile: pixels to stored bytes.

use std::io;

use eolith_cube::{Block, DType, Number, Values};

use crate::sink::{codec, nodata};

/// On imagery about as small as zlib's sixth at many times its speed.
const DEFLATE_LEVEL: i32 = codec::FASTEST;

/// Zstandard level: higher ones are several times slower for a tenth of the size.
const ZSTD_LEVEL: i32 = 1;

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
        let bytes = self.interleave(block);
        match self.compression {
            Compression::None => Ok(bytes),
            Compression::Lzw => {
                let order = weezl::BitOrder::Msb;
                let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(order, 8);
                encoder.encode(&bytes).map_err(io::Error::other)
            }
            Compression::Deflate => codec::zlib(&bytes, DEFLATE_LEVEL),
            Compression::Zstd => zstd::bulk::compress(&bytes, ZSTD_LEVEL),
        }
    }

    /// A whole tile in file order, little-endian, after the predictor.
    fn interleave(&self, block: Block) -> Vec<u8> {
        let size = (block.shape[1], block.shape[2]);
        let values = nodata::fill(block, self.dtype, self.null);
        let mut padding = Values::zeros(self.dtype, 1);
        if let Some(null) = self.null {
            padding.set(0, null);
        }
        macro_rules! rows {
            ($($variant:ident, $bytes:literal, $bits:expr;)*) => {
                match (&values, &padding) {
                    $((Values::$variant(v), Values::$variant(p)) => {
                        self.rows::<_, $bytes>(v, p[0], size, $bits)
                    })*
                    _ => Vec::new(),
                }
            };
        }
        rows! {
            Bool, 1, u64::from;
            U8, 1, u64::from;
            I8, 1, |x| x as u64;
            U16, 2, u64::from;
            I16, 2, |x| x as u64;
            U32, 4, u64::from;
            I32, 4, |x| x as u64;
            U64, 8, u64::from;
            I64, 8, |x| x as u64;
            // Every NaN is the one canonical NaN.
            F32, 4, |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }.into();
            F64, 8, |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        }
    }

    /// `bits` gives a value as a word of which the lowest `N` bytes count.
    fn rows<T: Copy, const N: usize>(
        &self,
        values: &[T],
        padding: T,
        (height, width): (usize, usize),
        bits: impl Fn(T) -> u64,
    ) -> Vec<u8> {
        let (predictor, pixel) = (self.predictor_code(), self.bands * N);
        let mut bytes = vec![0; self.tile * self.tile * pixel];
        let mut turned = Vec::new();
        for (y, row) in bytes.chunks_exact_mut(self.tile * pixel).enumerate() {
            for band in 0..self.bands {
                let start = (band * height + y) * width;
                let from = if y < height { &values[start..start + width] } else { &[] };
                let (own, beyond) = row.split_at_mut(from.len() * pixel);
                let mut before = 0;
                let mut put = |to: &mut [u8], word: u64| {
                    let stored = if predictor == 2 { word.wrapping_sub(before) } else { word };
                    before = word;
                    to[band * N..][..N].copy_from_slice(&stored.to_le_bytes()[..N]);
                };
                for (to, value) in own.chunks_exact_mut(pixel).zip(from) {
                    put(to, bits(*value));
                }
                for to in beyond.chunks_exact_mut(pixel) {
                    put(to, bits(padding));
                }
            }
            if predictor == 3 {
                split_floats::<N>(row, &mut turned, self.bands);
            }
        }
        bytes
    }
}

/// Most significant bytes of all values first, then byte-wise differences.
fn split_floats<const N: usize>(row: &mut [u8], turned: &mut Vec<u8>, stride: usize) {
    let n = row.len() / N;
    turned.resize(row.len(), 0);
    for (k, plane) in turned.chunks_exact_mut(n).enumerate() {
        for (to, word) in plane.iter_mut().zip(row.chunks_exact(N)) {
            *to = word[N - 1 - k];
        }
    }
    row[..stride].copy_from_slice(&turned[..stride]);
    let before = turned.iter();
    for ((to, own), before) in row[stride..].iter_mut().zip(&turned[stride..]).zip(before) {
        *to = own.wrapping_sub(*before);
    }
}
