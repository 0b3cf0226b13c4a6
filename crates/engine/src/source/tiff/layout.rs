//! How the pixels of one image are cut into chunks (tiles or strips) and stored.
//!
//! Validated once, when the header is read: from then on every chunk index is in range and every chunk has a
//! bounded size. Decoding is in [`super::codec`].

use std::ops::Range;

use eolith_cube::DType;

use super::header::{Directory, Endian};
use super::tag;

/// Decoded bytes of one chunk at most. Larger ones are refused by name: they could not be planned with.
const MAX_CHUNK_BYTES: u64 = 1 << 31;
/// An uncompressed image in one strip is cut into pieces of about this size.
const PIECE_BYTES: usize = 4 << 20;

/// One image of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    pub(super) endian: Endian,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) samples: usize,
    pub(super) bits: usize,
    pub(super) dtype: DType,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// One chunk holds one band.
    pub(super) planar: bool,
    pub(super) tiled: bool,
    pub(super) chunk_width: usize,
    pub(super) chunk_height: usize,
    offsets: Vec<u64>,
    counts: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// Why an image cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Invalid(String),
    Unsupported(String),
}

impl Image {
    pub(super) fn new(directory: &Directory, endian: Endian) -> Result<Image, Fault> {
        let number = |tag| directory.integer(tag);
        let size = |tag, what| match number(tag) {
            Some(n @ 1..=0x7fff_ffff) => Ok(n as usize),
            other => Err(Fault::Invalid(format!("its {what} is `{}`", other.unwrap_or(0)))),
        };
        let (width, height) = (size(tag::WIDTH, "width")?, size(tag::HEIGHT, "height")?);
        let samples = match number(tag::SAMPLES_PER_PIXEL).unwrap_or(1) {
            n @ 1..=0xffff => n as usize,
            n => return Err(Fault::Invalid(format!("it has `{n}` samples per pixel"))),
        };
        let (bits, dtype) = sample_type(directory)?;
        let compression = Compression::new(number(tag::COMPRESSION).unwrap_or(1))?;
        let predictor = match number(tag::PREDICTOR).unwrap_or(1) {
            // A predictor means nothing to codecs without one (PackBits and none): libtiff ignores it there.
            _ if matches!(compression, Compression::None | Compression::PackBits) => {
                Predictor::None
            }
            1 => Predictor::None,
            2 if bits % 8 == 0 => Predictor::Horizontal,
            3 if dtype.is_float() => Predictor::Float,
            n => return Err(Fault::Unsupported(format!("predictor {n} with {bits}-bit {dtype}"))),
        };
        let planar = samples > 1 && number(tag::PLANAR_CONFIGURATION) == Some(2);
        let tiled = number(tag::TILE_WIDTH).is_some();
        let (chunk_width, chunk_height) = if tiled {
            (size(tag::TILE_WIDTH, "tile width")?, size(tag::TILE_HEIGHT, "tile height")?)
        } else {
            let rows = number(tag::ROWS_PER_STRIP).unwrap_or(u64::MAX).clamp(1, height as u64);
            (width, rows as usize)
        };
        let (offsets, counts) = if tiled {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        let mut image = Image {
            endian,
            width,
            height,
            samples,
            bits,
            dtype,
            compression,
            predictor,
            planar,
            tiled,
            chunk_width,
            chunk_height,
            offsets: directory.integers(offsets).unwrap_or_default().to_vec(),
            counts: directory.integers(counts).unwrap_or_default().to_vec(),
        };
        image.check()?;
        image.split_single_strip();
        Ok(image)
    }

    /// Bands in one chunk.
    pub(super) fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Chunks along y and x, per plane.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.height.div_ceil(self.chunk_height), self.width.div_ceil(self.chunk_width))
    }

    /// Rows stored in a chunk of the `row`-th row of chunks: strips end with the image, tiles do not.
    pub(super) fn stored_rows(&self, row: usize) -> usize {
        if self.tiled {
            self.chunk_height
        } else {
            self.chunk_height.min(self.height - row * self.chunk_height)
        }
    }

    /// Bytes of one row of a chunk, decompressed.
    pub(super) fn row_bytes(&self) -> usize {
        (self.chunk_width * self.chunk_samples() * self.bits).div_ceil(8)
    }

    /// Where the bytes of a chunk are; `None` for one that was left out.
    pub(super) fn range(&self, plane: usize, row: usize, column: usize) -> Option<Range<u64>> {
        let (rows, columns) = self.counts();
        let index = (plane * rows + row) * columns + column;
        let (offset, count) = (*self.offsets.get(index)?, *self.counts.get(index)?);
        (count > 0).then_some(offset..offset + count)
    }

    fn check(&mut self) -> Result<(), Fault> {
        let bits = (self.chunk_width as u64 * self.chunk_height as u64)
            .saturating_mul((self.chunk_samples() * self.bits.max(8)) as u64);
        let in_pieces = self.compression == Compression::None && self.chunk_height >= self.height;
        let row = (self.chunk_width * self.chunk_samples() * self.bits) as u64 / 8;
        if bits / 8 > MAX_CHUNK_BYTES && !(in_pieces && !self.tiled && row < MAX_CHUNK_BYTES) {
            return Err(Fault::Unsupported(format!("a chunk of {} bytes", bits / 8)));
        }
        let (rows, columns) = self.counts();
        let planes = if self.planar { self.samples } else { 1 };
        let chunks = (rows as u64).saturating_mul(columns as u64).saturating_mul(planes as u64);
        if (self.offsets.len() as u64) < chunks {
            return Err(Fault::Invalid(format!(
                "it has {} offsets for {chunks} chunks",
                self.offsets.len()
            )));
        }
        if self.counts.is_empty() && self.compression == Compression::None {
            let row_bytes = self.row_bytes();
            self.counts = (0..chunks as usize)
                .map(|i| (row_bytes * self.stored_rows(i / columns % rows)) as u64)
                .collect();
        }
        if (self.counts.len() as u64) < chunks {
            return Err(Fault::Invalid(format!(
                "it has {} byte counts for {chunks} chunks",
                self.counts.len()
            )));
        }
        // No codec in use grows data by more than a few per cent; a larger claim is an attack on memory.
        let most = bits / 8 * 2 + (1 << 20);
        for (&offset, &count) in self.offsets.iter().zip(&self.counts) {
            if count > most || offset.checked_add(count).is_none() {
                return Err(Fault::Invalid(format!("a chunk claims {count} bytes at {offset}")));
            }
        }
        Ok(())
    }

    /// Rows of an uncompressed image can be read alone, whatever strip they are said to be in.
    fn split_single_strip(&mut self) {
        let row = self.row_bytes();
        let single = !self.tiled && self.chunk_height >= self.height;
        let whole = |&count: &u64| count >= (row * self.height) as u64;
        if !single
            || self.compression != Compression::None
            || row * self.height <= PIECE_BYTES
            || !self.counts.iter().all(whole)
        {
            return;
        }
        self.chunk_height = (PIECE_BYTES / row).max(1);
        let pieces = self.height.div_ceil(self.chunk_height);
        let starts = std::mem::take(&mut self.offsets);
        self.counts.clear();
        for start in starts {
            for piece in 0..pieces {
                self.offsets.push(start + (piece * self.chunk_height * row) as u64);
                self.counts.push((self.stored_rows(piece) * row) as u64);
            }
        }
    }
}

impl Compression {
    fn new(code: u64) -> Result<Compression, Fault> {
        Ok(match code {
            1 => Compression::None,
            5 => Compression::Lzw,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            50000 => Compression::Zstd,
            _ => {
                let name = match code {
                    2..=4 => "CCITT fax compression",
                    6 | 7 => "JPEG compression",
                    34712 => "JPEG 2000 compression",
                    34887 => "LERC compression",
                    34925 => "LZMA compression",
                    50001 => "WebP compression",
                    50002 => "JPEG XL compression",
                    _ => return Err(Fault::Unsupported(format!("TIFF compression {code}"))),
                };
                return Err(Fault::Unsupported(name.to_owned()));
            }
        })
    }
}

fn sample_type(directory: &Directory) -> Result<(usize, DType), Fault> {
    let alike = |tag, missing| match directory.integers(tag) {
        None | Some([]) => Ok(missing),
        Some([first, rest @ ..]) if rest.iter().all(|n| n == first) => Ok(*first),
        Some(_) => Err(Fault::Unsupported("bands of different sample types".to_owned())),
    };
    let (bits, format) = (alike(tag::BITS_PER_SAMPLE, 1)?, alike(tag::SAMPLE_FORMAT, 1)?);
    let dtype = match (format, bits) {
        (1 | 4, 1..=8) => DType::U8,
        (1 | 4, 9..=16) => DType::U16,
        (1 | 4, 32) => DType::U32,
        (1 | 4, 64) => DType::U64,
        (2, 8) => DType::I8,
        (2, 16) => DType::I16,
        (2, 32) => DType::I32,
        (2, 64) => DType::I64,
        (3, 32) => DType::F32,
        (3, 64) => DType::F64,
        (5 | 6, _) => return Err(Fault::Unsupported(format!("{bits}-bit complex samples"))),
        (3, _) => return Err(Fault::Unsupported(format!("{bits}-bit float samples"))),
        _ => return Err(Fault::Unsupported(format!("{bits}-bit samples of format {format}"))),
    };
    Ok((bits as usize, dtype))
}
