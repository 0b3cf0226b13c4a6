//! The checksum of a result: a sum over its pixels, so that boxes of them may come in any order.
//!
//! Every pixel has two keys, made from its index. Added to the halves of its bits (and one where it is valid), they are
//! multiplied, and the products of all pixels are added modulo 2^64. It tells accidents, not attacks.

use std::sync::atomic::{AtomicU64, Ordering};

use eolith_cube::{Block, DType, Region, Values};
use multiversion::multiversion;
use xxhash_rust::xxh3::Xxh3;

use crate::place::runs;

/// From the keys of a pixel to those of the next one: 2^64 over the golden ratio, odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is known of a result so far.
#[derive(Debug)]
pub(crate) struct Checksum {
    dtype: DType,
    shape: Vec<usize>,
    sum: AtomicU64,
}

impl Checksum {
    pub(crate) fn new(dtype: DType, shape: Vec<usize>) -> Checksum {
        Checksum { dtype, shape, sum: AtomicU64::new(0) }
    }

    /// Adds a box; its pixels are zero under the mask. Each pixel once.
    pub(crate) fn add(&self, region: &Region, block: &Block) {
        let mut sum = 0_u64;
        for (first, at, run) in runs(&self.shape, region) {
            let mask = block.validity.as_deref().map(|mask| &mask[at..at + run]);
            sum = sum.wrapping_add(part(&block.values, at, run, mask, first as u64));
        }
        self.sum.fetch_add(sum, Ordering::Relaxed);
    }

    /// Of type, shape and all pixels.
    pub(crate) fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(self.dtype.name().as_bytes());
        for n in &self.shape {
            hash.update(&(*n as u64).to_le_bytes());
        }
        hash.update(&self.sum.load(Ordering::Relaxed).to_le_bytes());
        hash.digest()
    }
}

fn part(values: &Values, at: usize, run: usize, mask: Option<&[bool]>, first: u64) -> u64 {
    macro_rules! own {
        ($sum:ident, $values:expr) => {
            $sum(&$values[at..at + run], mask, first)
        };
    }
    match values {
        Values::Bool(v) => own!(sum_bool, v),
        Values::U8(v) => own!(sum_u8, v),
        Values::I8(v) => own!(sum_u8, bytemuck::cast_slice::<i8, u8>(v)),
        Values::U16(v) => own!(sum_u16, v),
        Values::I16(v) => own!(sum_u16, bytemuck::cast_slice::<i16, u16>(v)),
        Values::U32(v) => own!(sum_u32, v),
        Values::I32(v) => own!(sum_u32, bytemuck::cast_slice::<i32, u32>(v)),
        Values::U64(v) => own!(sum_u64, v),
        Values::I64(v) => own!(sum_u64, bytemuck::cast_slice::<i64, u64>(v)),
        Values::F32(v) => own!(sum_f32, v),
        Values::F64(v) => own!(sum_f64, v),
    }
}

/// The product of one pixel.
#[inline]
fn product(key: u64, bits: u64, valid: bool) -> u64 {
    let low = (bits as u32).wrapping_add(key as u32);
    let high = ((bits >> 32) as u32).wrapping_add((key >> 32) as u32).wrapping_add(valid.into());
    u64::from(low).wrapping_mul(u64::from(high))
}

macro_rules! sums {
    ($($name:ident, $t:ty, $value:ident => $bits:expr;)*) => {$(
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $name(values: &[$t], mask: Option<&[bool]>, first: u64) -> u64 {
            let (mut key, mut sum) = (first.wrapping_mul(STEP), 0_u64);
            match mask {
                None => for &$value in values {
                    sum = sum.wrapping_add(product(key, $bits, true));
                    key = key.wrapping_add(STEP);
                },
                Some(mask) => for (&$value, &valid) in values.iter().zip(mask) {
                    sum = sum.wrapping_add(product(key, $bits, valid));
                    key = key.wrapping_add(STEP);
                },
            }
            sum
        }
    )*};
}
sums! {
    sum_bool, bool, v => u64::from(v);
    sum_u8, u8, v => u64::from(v);
    sum_u16, u16, v => u64::from(v);
    sum_u32, u32, v => u64::from(v);
    sum_u64, u64, v => v;
    // Every NaN is the one canonical NaN.
    sum_f32, f32, v => u64::from(if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() });
    sum_f64, f64, v => if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dtype: DType, shape: &[usize], boxes: &[(Region, Block)]) -> u64 {
        let checksum = Checksum::new(dtype, shape.to_vec());
        for (region, block) in boxes {
            checksum.add(region, block);
        }
        checksum.digest()
    }

    #[test]
    fn boxes_come_in_any_order_and_every_pixel_counts() {
        let shape = [5, 7];
        let block = Block::new(shape.to_vec(), Values::I16((-17..18).collect()));
        let cut = |ranges: [std::ops::Range<usize>; 2]| {
            let region = Region(ranges.to_vec());
            (region.clone(), block.slice(&region))
        };
        let whole = of(DType::I16, &shape, &[cut([0..5, 0..7])]);
        let parts = [cut([2..5, 3..7]), cut([0..2, 0..7]), cut([2..5, 0..3])];
        assert_eq!(whole, of(DType::I16, &shape, &parts));
        for at in 0..35 {
            let mut other = block.clone();
            other.mask_value(eolith_cube::Number::Int(at - 17));
            let masked = of(DType::I16, &shape, &[(Region::whole(&shape), other)]);
            assert_ne!(masked, whole, "pixel {at}");
        }
        let mut swapped: Vec<i16> = (-17..18).collect();
        swapped.swap(3, 30);
        let swapped = Block::new(shape.to_vec(), Values::I16(swapped));
        assert_ne!(of(DType::I16, &shape, &[(Region::whole(&shape), swapped)]), whole);
    }

    #[test]
    fn a_sum_by_hand() {
        let values = Values::U16(vec![9, 8]);
        let keys = [STEP.wrapping_mul(5), STEP.wrapping_mul(6)];
        let one = |key: u64, value: u64| {
            let halves = (key & 0xffff_ffff, key >> 32);
            ((halves.0 + value) & 0xffff_ffff).wrapping_mul((halves.1 + 1) & 0xffff_ffff)
        };
        let expected = one(keys[0], 9).wrapping_add(one(keys[1], 8));
        assert_eq!(part(&values, 0, 2, None, 5), expected);
        let nan = |bits| part(&Values::F32(vec![f32::from_bits(bits)]), 0, 1, None, 5);
        assert_eq!(nan(0x7fc0_0000), nan(0x7fc0_1234));
    }
}
