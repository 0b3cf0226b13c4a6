//! Values to bytes, and bytes to fewer bytes.

mod entropy;

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use eolith_cube::Values;
use libdeflater::{CompressionLvl, Compressor};

thread_local! {
    /// Its tables are large and made once a thread and level.
    static DEFLATE: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// The level of [`zlib`] that leaves the search for matches out where it does not pay.
pub(super) const FASTEST: i32 = 1;

/// Bytes in the middle that decide whether matches pay.
const SAMPLE: usize = 64 << 10;

/// A zlib stream at a level from 1 to 9; levels 10 to 12 are slower than any gain.
///
/// At the fastest level a sample is encoded both with matches and without: they are left out where they save less
/// than an eighth. Small inputs are searched in any case.
///
/// # Errors
/// Only where the library breaks its own bound.
pub(super) fn zlib(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    if level == FASTEST && bytes.len() >= 4 * SAMPLE {
        let middle = bytes.len() / 2;
        let sample = &bytes[middle - SAMPLE / 2..middle + SAMPLE / 2];
        let (with, without) = (matched(sample, level)?.len(), entropy::zlib(sample).len());
        if without - without / 8 <= with {
            return Ok(entropy::zlib(bytes));
        }
    }
    matched(bytes, level)
}

/// A stream by libdeflate.
fn matched(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    DEFLATE.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(of, _)| *of != level) {
            let level = CompressionLvl::new(level).map_err(|_| io::ErrorKind::InvalidInput)?;
            *kept = None;
            *kept = Some((level.into(), Compressor::new(level)));
        }
        let (_, compressor) = kept.as_mut().expect("invariant: filled above");
        let mut out = vec![0; compressor.zlib_compress_bound(bytes.len())];
        let written = compressor.zlib_compress(bytes, &mut out).map_err(io::Error::other)?;
        out.truncate(written);
        Ok(out)
    })
}

/// The same as [`le_bytes`], without a copy where the values are such bytes already.
pub(super) fn borrowed_bytes(values: &Values) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "big") {
        return Cow::Owned(le_bytes(values));
    }
    Cow::Borrowed(match values {
        Values::U8(v) => v,
        Values::I8(v) => bytemuck::cast_slice(v),
        Values::U16(v) => bytemuck::cast_slice(v),
        Values::I16(v) => bytemuck::cast_slice(v),
        Values::U32(v) => bytemuck::cast_slice(v),
        Values::I32(v) => bytemuck::cast_slice(v),
        Values::U64(v) => bytemuck::cast_slice(v),
        Values::I64(v) => bytemuck::cast_slice(v),
        // Not every bit pattern is kept.
        Values::Bool(_) | Values::F32(_) | Values::F64(_) => return Cow::Owned(le_bytes(values)),
    })
}

/// All values as little-endian bytes; booleans are 0 and 1, every NaN is the one canonical NaN.
pub(super) fn le_bytes(values: &Values) -> Vec<u8> {
    macro_rules! words {
        ($values:expr, $t:ty, $bits:expr) => {{
            let mut bytes = vec![0; $values.len() * size_of::<$t>()];
            for (to, &value) in bytes.chunks_exact_mut(size_of::<$t>()).zip($values) {
                let bits: fn($t) -> $t = $bits;
                to.copy_from_slice(&bits(value).to_le_bytes());
            }
            bytes
        }};
    }
    match values {
        Values::Bool(v) => v.iter().map(|&b| b.into()).collect(),
        Values::U8(v) => v.clone(),
        Values::I8(v) => words!(v, i8, |x| x),
        Values::U16(v) => words!(v, u16, |x| x),
        Values::I16(v) => words!(v, i16, |x| x),
        Values::U32(v) => words!(v, u32, |x| x),
        Values::I32(v) => words!(v, i32, |x| x),
        Values::U64(v) => words!(v, u64, |x| x),
        Values::I64(v) => words!(v, i64, |x| x),
        Values::F32(v) => words!(v, f32, |x| if x.is_nan() { f32::NAN } else { x }),
        Values::F64(v) => words!(v, f64, |x| if x.is_nan() { f64::NAN } else { x }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn streams_are_read_by_another_library() {
        let bytes: Vec<u8> = (0..50_000_u32).map(|i| ((i * i) >> 7) as u8).collect();
        for level in [1, 6, 1, 9] {
            let stream = zlib(&bytes, level).unwrap();
            let mut back = Vec::new();
            flate2::read::ZlibDecoder::new(&stream[..]).read_to_end(&mut back).unwrap();
            assert!(back == bytes);
        }
        assert!(zlib(&[], 1).is_ok());
        assert!(zlib(&bytes, 77).is_err());
    }

    #[test]
    fn the_fastest_level_searches_where_it_pays() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 60) as u8
        })
        .take(1 << 20)
        .collect();
        // Bytes of four bits each.
        assert!(zlib(&noise, FASTEST).unwrap().len() < noise.len() * 51 / 100);
        let repeated = noise[..1000].repeat(1000);
        assert!(zlib(&repeated, FASTEST).unwrap().len() < repeated.len() / 50);
    }

    #[test]
    fn bytes_are_those_of_the_values() {
        let nan = f32::from_bits(0x7fc0_1234);
        for values in [
            Values::F32(vec![1.5, nan, -0.0]),
            Values::I16(vec![-2, 3]),
            Values::Bool(vec![true, false]),
            Values::F64(vec![f64::NAN, 1e300]),
            Values::U64(vec![u64::MAX, 7]),
        ] {
            assert_eq!(le_bytes(&values), values.le_bytes(0..values.len()));
            assert_eq!(borrowed_bytes(&values), le_bytes(&values));
        }
    }
}
