//! Data variables: chunks of pixels, and what stands for no-data in them.

use std::io;

use eolith_cube::{Block, DType, Number, Values};

use crate::sink::{codec, nodata};

/// The type a band is stored in: NetCDF has no booleans, they are bytes.
pub(super) fn stored(dtype: DType) -> DType {
    if dtype == DType::Bool { DType::U8 } else { dtype }
}

/// The stored bytes of a chunk of which `part` is inside the array: whole, `null` where a pixel is invalid, bytes by
/// significance and deflated at `level` (0: as they are). Outside is what costs least, `null` in a stream and zero as
/// it is.
pub(super) fn encode(
    part: Block,
    chunk: &[usize],
    null: Option<Number>,
    level: u32,
) -> io::Result<Vec<u8>> {
    let (shape, dtype) = (part.shape.clone(), stored(part.dtype()));
    let part = Block::new(shape, nodata::fill(part, dtype, null));
    let whole = crate::sink::cf::whole(part, chunk, null.filter(|_| level > 0));
    // A scalar has neither chunks nor filters.
    if level == 0 || chunk.is_empty() {
        return Ok(codec::le_bytes(&whole.values));
    }
    codec::zlib(&shuffled(&whole.values), level as i32)
}

/// One byte a pixel, 1 where it is valid.
pub(super) fn validity(part: &Block) -> Block {
    let bytes = match &part.validity {
        Some(mask) => mask.iter().map(|&ok| ok.into()).collect(),
        None => vec![1; part.len()],
    };
    Block::new(part.shape.clone(), Values::U8(bytes))
}

/// The lowest bytes of all values, then the next ones.
fn shuffled(values: &Values) -> Vec<u8> {
    let size = values.dtype().size();
    if size == 1 {
        return codec::le_bytes(values);
    }
    macro_rules! planes {
        ($($variant:ident, $bits:expr;)*) => {
            match values {
                $(Values::$variant(v) => planes(v, size, $bits),)*
                _ => codec::le_bytes(values),
            }
        };
    }
    planes! {
        U16, u64::from;
        I16, |x| x as u64;
        U32, u64::from;
        I32, |x| x as u64;
        U64, u64::from;
        I64, |x| x as u64;
        // Every NaN is the one canonical NaN.
        F32, |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }.into();
        F64, |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    }
}

fn planes<T: Copy>(values: &[T], size: usize, bits: impl Fn(T) -> u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * size);
    for plane in 0..size {
        bytes.extend(values.iter().map(|&value| (bits(value) >> (8 * plane)) as u8));
    }
    bytes
}

/// A value as its bytes in the file.
pub(super) fn number_bytes(dtype: DType, value: Number) -> Vec<u8> {
    let mut one = Values::zeros(dtype, 1);
    one.set(0, value);
    codec::le_bytes(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_sorted_by_significance() {
        assert_eq!(shuffled(&Values::I16(vec![0x0102, -2])), [2, 0xfe, 1, 0xff]);
        assert_eq!(shuffled(&Values::U8(vec![3, 4])), [3, 4]);
        let floats = shuffled(&Values::F64(vec![1.0, f64::NAN]));
        assert_eq!(floats[12..], [0xf0, 0xf8, 0x3f, 0x7f]);
    }
}
