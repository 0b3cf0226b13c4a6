//! From the stored bytes of a chunk to its values: decompression, predictors, byte order, packed bits.
//!
//! Samples of whole bytes are decompressed into the memory of the values and worked on there. The size of the result
//! is known beforehand and never exceeded, whatever the compressed bytes claim.

use std::cell::RefCell;
use std::io::Read;

use eolith_cube::{DType, Values};

use super::header::Endian;
use super::layout::{Compression, Image, Predictor};
use crate::source::buffers::{self, Buffers};

/// The values of a chunk in stored order (row, column, band), `rows` rows of the chunk's full width.
pub(super) fn decode(
    image: &Image,
    stored: &[u8],
    rows: usize,
    pool: &Buffers,
) -> Result<Values, String> {
    let row_bytes = image.row_bytes();
    let per_row = image.chunk_width * image.chunk_samples();
    let size = image.dtype.size();
    if image.bits != size * 8 {
        let mut bytes = vec![0; rows * row_bytes];
        decompress(image.compression, stored, &mut bytes)?;
        return Ok(unpack(&bytes, image.bits, row_bytes, per_row, image.dtype));
    }
    let mut values = pool.take(image.dtype, rows * per_row);
    let bytes = buffers::memory(&mut values).ok_or("a TIFF has no booleans")?;
    decompress(image.compression, stored, bytes)?;
    match image.predictor {
        // Predicted floats are split by significance, so the byte order of the file does not matter.
        Predictor::Float => {
            let mut planes = vec![0; row_bytes];
            for row in bytes.chunks_exact_mut(row_bytes) {
                join_float_row(row, size, image.chunk_samples(), &mut planes);
            }
        }
        Predictor::None | Predictor::Horizontal => {
            if (image.endian == Endian::Big) != cfg!(target_endian = "big") {
                bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            if image.predictor == Predictor::Horizontal {
                sum_rows(&mut values, per_row, image.chunk_samples());
            }
        }
    }
    Ok(values)
}

/// Fills `out`; more bytes are dropped (writers pad), fewer are an error.
fn decompress(compression: Compression, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    let length = match compression {
        Compression::None => {
            let length = out.len().min(stored.len());
            out[..length].copy_from_slice(&stored[..length]);
            length
        }
        Compression::Deflate => {
            let decoded = DEFLATE.with_borrow_mut(|decoder| decoder.zlib_decompress(stored, out));
            match decoded {
                Ok(length) => length,
                // Padding does not fit, and some writers leave the checksum out: neither is an error here.
                Err(_) => fill(flate2::bufread::ZlibDecoder::new(stored), out, "DEFLATE")?,
            }
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(stored);
            fill(decoder.map_err(|error| format!("ZSTD data: {error}"))?, out, "ZSTD")?
        }
        Compression::Lzw => lzw(stored, out)?,
        Compression::PackBits => packbits(stored, out),
    };
    if length < out.len() {
        return Err(format!("a chunk has {length} bytes instead of {}", out.len()));
    }
    Ok(())
}

thread_local! {
    static DEFLATE: RefCell<libdeflater::Decompressor> =
        RefCell::new(libdeflater::Decompressor::new());
}

/// Reads until `out` is full or nothing is left.
fn fill(mut reader: impl Read, out: &mut [u8], name: &str) -> Result<usize, String> {
    let mut length = 0;
    while length < out.len() {
        match reader.read(&mut out[length..]).map_err(|error| format!("{name} data: {error}"))? {
            0 => break,
            n => length += n,
        }
    }
    Ok(length)
}

fn lzw(stored: &[u8], out: &mut [u8]) -> Result<usize, String> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let (mut from, mut to) = (0, 0);
    while to < out.len() {
        let step = decoder.decode_bytes(&stored[from..], &mut out[to..]);
        from += step.consumed_in;
        to += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(format!("LZW data: {error}")),
        }
    }
    Ok(to)
}

/// Runs of bytes: a header `n` of 0..=127 copies `n + 1` bytes, one of 129..=255 repeats one `257 - n` times.
fn packbits(mut stored: &[u8], out: &mut [u8]) -> usize {
    let mut to = 0;
    while let [header, rest @ ..] = stored {
        let header = usize::from(*header);
        let free = out.len() - to;
        stored = match header {
            0..=127 => {
                let n = (header + 1).min(rest.len());
                out[to..to + n.min(free)].copy_from_slice(&rest[..n.min(free)]);
                to += n.min(free);
                &rest[n..]
            }
            128 => rest,
            _ => {
                let Some((&value, rest)) = rest.split_first() else { break };
                let n = (257 - header).min(free);
                out[to..to + n].fill(value);
                to += n;
                rest
            }
        };
        if to == out.len() {
            break;
        }
    }
    to
}

/// Undoes horizontal differencing in rows of `per_row` samples, `stride` of them per pixel.
fn sum_rows(values: &mut Values, per_row: usize, stride: usize) {
    match values {
        Values::U8(v) => sum(v, per_row, stride, u8::wrapping_add),
        Values::I8(v) => sum(v, per_row, stride, i8::wrapping_add),
        Values::U16(v) => sum(v, per_row, stride, u16::wrapping_add),
        Values::I16(v) => sum(v, per_row, stride, i16::wrapping_add),
        Values::U32(v) => sum(v, per_row, stride, u32::wrapping_add),
        Values::I32(v) => sum(v, per_row, stride, i32::wrapping_add),
        Values::U64(v) => sum(v, per_row, stride, u64::wrapping_add),
        Values::I64(v) => sum(v, per_row, stride, i64::wrapping_add),
        // The bits of floats are summed as whole numbers.
        Values::F32(v) => {
            sum(v, per_row, stride, |a, b| f32::from_bits(a.to_bits().wrapping_add(b.to_bits())));
        }
        Values::F64(v) => {
            sum(v, per_row, stride, |a, b| f64::from_bits(a.to_bits().wrapping_add(b.to_bits())));
        }
        Values::Bool(_) => {}
    }
}

fn sum<T: Copy>(values: &mut [T], per_row: usize, stride: usize, add: impl Fn(T, T) -> T) {
    for row in values.chunks_exact_mut(per_row) {
        if let (1, Some(&first)) = (stride, row.first()) {
            let mut total = first;
            for value in &mut row[1..] {
                total = add(*value, total);
                *value = total;
            }
        } else {
            for at in stride..row.len() {
                row[at] = add(row[at], row[at - stride]);
            }
        }
    }
}

/// Undoes the floating-point predictor in one row: byte-wise sums, then most significant bytes first, plane by
/// plane. Leaves words of this machine. (Adobe Photoshop TIFF Technical Note 3.)
fn join_float_row(row: &mut [u8], size: usize, stride: usize, planes: &mut [u8]) {
    for at in stride..row.len() {
        row[at] = row[at].wrapping_add(row[at - stride]);
    }
    planes.copy_from_slice(row);
    let n = row.len() / size;
    for (i, word) in row.chunks_exact_mut(size).enumerate() {
        for (k, byte) in word.iter_mut().enumerate() {
            let significance = if cfg!(target_endian = "big") { k } else { size - 1 - k };
            *byte = planes[significance * n + i];
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
