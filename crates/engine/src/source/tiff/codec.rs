//! From the stored bytes of a chunk to its values: decompression, predictors, byte order, packed bits.
//!
//! The size of the result is known beforehand and never exceeded, whatever the compressed bytes claim.

use std::io::Read;

use eolith_cube::{DType, Values};

use super::header::Endian;
use super::layout::{Compression, Image, Predictor};

/// The values of a chunk in stored order (row, column, band), `rows` rows of the chunk's full width.
pub(super) fn decode(image: &Image, stored: &[u8], rows: usize) -> Result<Values, String> {
    let row_bytes = image.row_bytes();
    let mut bytes = decompress(image.compression, stored, rows * row_bytes)?;
    let per_row = image.chunk_width * image.chunk_samples();
    let size = image.dtype.size();
    if image.bits != size * 8 {
        return Ok(unpack(&bytes, image.bits, row_bytes, per_row, image.dtype));
    }
    match image.predictor {
        // Predicted floats are split by significance, so the byte order of the file does not matter.
        Predictor::Float => {
            for row in bytes.chunks_exact_mut(row_bytes) {
                join_float_row(row, size, image.chunk_samples());
            }
        }
        Predictor::None | Predictor::Horizontal => {
            if image.endian == Endian::Big {
                bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            if image.predictor == Predictor::Horizontal {
                for row in bytes.chunks_exact_mut(row_bytes) {
                    sum_row(row, size, image.chunk_samples());
                }
            }
        }
    }
    Values::from_le_bytes(image.dtype, &bytes).ok_or_else(|| "odd chunk size".to_owned())
}

/// Exactly `length` bytes; more are dropped (writers pad), fewer are an error.
fn decompress(compression: Compression, stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let read = |reader: &mut dyn Read, name: &str| {
        let mut out = Vec::new();
        let limited = &mut reader.take(length as u64);
        limited.read_to_end(&mut out).map_err(|error| format!("{name} data: {error}"))?;
        Ok::<_, String>(out)
    };
    let out = match compression {
        Compression::None => stored[..length.min(stored.len())].to_vec(),
        Compression::Deflate => read(&mut flate2::bufread::ZlibDecoder::new(stored), "DEFLATE")?,
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(stored);
            read(&mut decoder.map_err(|error| format!("ZSTD data: {error}"))?, "ZSTD")?
        }
        Compression::Lzw => lzw(stored, length)?,
        Compression::PackBits => packbits(stored, length),
    };
    if out.len() < length {
        return Err(format!("a chunk has {} bytes instead of {length}", out.len()));
    }
    Ok(out)
}

fn lzw(stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut out = vec![0; length];
    let (mut from, mut to) = (0, 0);
    while to < length {
        let step = decoder.decode_bytes(&stored[from..], &mut out[to..]);
        from += step.consumed_in;
        to += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(format!("LZW data: {error}")),
        }
    }
    out.truncate(to);
    Ok(out)
}

/// Runs of bytes: a header `n` of 0..=127 copies `n + 1` bytes, one of 129..=255 repeats one `257 - n` times.
fn packbits(mut stored: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length.min(stored.len().saturating_mul(64)));
    while let [header, rest @ ..] = stored {
        let header = usize::from(*header);
        stored = match header {
            0..=127 => {
                let n = (header + 1).min(rest.len());
                out.extend_from_slice(&rest[..n]);
                &rest[n..]
            }
            128 => rest,
            _ => {
                let Some((&value, rest)) = rest.split_first() else { break };
                out.extend(std::iter::repeat_n(value, 257 - header));
                rest
            }
        };
        if out.len() >= length {
            out.truncate(length);
            break;
        }
    }
    out
}

/// Undoes horizontal differencing in a row of little-endian words; `stride` words per pixel.
fn sum_row(row: &mut [u8], size: usize, stride: usize) {
    macro_rules! sum {
        ($t:ty) => {{
            const SIZE: usize = size_of::<$t>();
            for at in (stride * SIZE..row.len()).step_by(SIZE) {
                let word = |row: &[u8], at: usize| {
                    let bytes = row[at..at + SIZE].try_into();
                    <$t>::from_le_bytes(bytes.expect("invariant: slice of that size"))
                };
                let sum = word(row, at).wrapping_add(word(row, at - stride * SIZE));
                row[at..at + SIZE].copy_from_slice(&sum.to_le_bytes());
            }
        }};
    }
    match size {
        1 => sum!(u8),
        2 => sum!(u16),
        4 => sum!(u32),
        _ => sum!(u64),
    }
}

/// Undoes the floating-point predictor in one row: byte-wise sums, then most significant bytes first, plane by
/// plane. Leaves little-endian words. (Adobe Photoshop TIFF Technical Note 3.)
fn join_float_row(row: &mut [u8], size: usize, stride: usize) {
    for at in stride..row.len() {
        row[at] = row[at].wrapping_add(row[at - stride]);
    }
    let planes = row.to_vec();
    let n = row.len() / size;
    for (i, word) in row.chunks_exact_mut(size).enumerate() {
        for (k, byte) in word.iter_mut().enumerate() {
            *byte = planes[(size - 1 - k) * n + i];
        }
    }
}

/// Samples of odd widths, most significant bit first; every row starts at a byte.
fn unpack(bytes: &[u8], bits: usize, row_bytes: usize, per_row: usize, dtype: DType) -> Values {
    let samples = bytes.chunks_exact(row_bytes).flat_map(|row| {
        (0..per_row).map(move |i| {
            (i * bits..(i + 1) * bits)
                .fold(0_u16, |n, bit| n << 1 | u16::from(row[bit / 8] >> (7 - bit % 8) & 1))
        })
    });
    if dtype == DType::U8 {
        Values::U8(samples.map(|n| n as u8).collect())
    } else {
        Values::U16(samples.collect())
    }
}
