//! Exact sums, so that their order makes no difference.

use eolith_cube::Number;

/// 32 bits of the sum each, the lowest first; the first bit is worth 2⁻¹⁰⁷⁴.
const LIMBS: usize = 69;
/// Additions before limbs could overflow.
const ADDITIONS: u32 = 1 << 29;

/// A sum of numbers that are not NaN, rounded once when it is read.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    limbs: Box<[i64; LIMBS]>,
    /// Additions since the last carry.
    added: u32,
    infinities: [bool; 2],
}

impl Default for Sum {
    fn default() -> Sum {
        Sum { limbs: Box::new([0; LIMBS]), added: 0, infinities: [false; 2] }
    }
}

impl Sum {
    pub(super) fn add(&mut self, number: Number) {
        let value = number.to_f64();
        if value.is_infinite() {
            self.infinities[usize::from(value < 0.0)] = true;
            return;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        // Subnormal numbers have the same unit as the smallest normal ones.
        let (mantissa, place) = match exponent {
            0 => (fraction, 0),
            exponent => (fraction | 1 << 52, exponent - 1),
        };
        let parts = u128::from(mantissa) << (place % 32);
        for (i, limb) in self.limbs[place / 32..].iter_mut().take(3).enumerate() {
            let part = (parts >> (32 * i)) as u32;
            *limb += if value < 0.0 { -i64::from(part) } else { i64::from(part) };
        }
        self.added += 1;
        if self.added == ADDITIONS {
            self.carry();
        }
    }

    pub(super) fn merge(&mut self, other: &Sum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        self.limbs.iter_mut().zip(other.limbs.iter()).for_each(|(own, new)| *own += new);
        self.carry();
        (0..2).for_each(|i| self.infinities[i] |= other.infinities[i]);
    }

    /// The sum; NaN where both infinities were added.
    pub(super) fn total(&self) -> f64 {
        match self.infinities {
            [true, true] => return f64::NAN,
            [true, false] => return f64::INFINITY,
            [false, true] => return f64::NEG_INFINITY,
            [false, false] => {}
        }
        let mut sum = self.clone();
        sum.carry();
        // All limbs but the highest are positive now, and so shall that be.
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        // From the highest one that counts downwards: three hold more bits than a float.
        let highest = sum.limbs.iter().rposition(|&limb| limb != 0).unwrap_or(0);
        let lowest = highest.saturating_sub(2);
        let mut total: i128 = 0;
        for &limb in sum.limbs[lowest..=highest].iter().rev() {
            total = (total << 32) + i128::from(limb);
        }
        let mut value = total as f64;
        // In two steps, so that neither power of two leaves the range of floats.
        let exponent = 32 * lowest as i32 - 1074;
        for step in [exponent / 2, exponent - exponent / 2] {
            value *= 2_f64.powi(step);
        }
        if negative { -value } else { value }
    }

    /// Brings all limbs but the highest into 32 bits.
    fn carry(&mut self) {
        for i in 0..LIMBS - 1 {
            let over = self.limbs[i] >> 32;
            self.limbs[i] -= over << 32;
            self.limbs[i + 1] += over;
        }
        self.added = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f64]) -> f64 {
        let mut sum = Sum::default();
        for value in values {
            sum.add(Number::Float(*value));
        }
        sum.total()
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(total(&[]), 0.0);
        assert_eq!(total(&[1e308, 1.0, -1e308]), 1.0);
        assert_eq!(total(&[0.1; 10]), 1.0);
        assert_eq!(total(&[-0.1; 10]), -1.0);
        assert_eq!(total(&[5e-324, 5e-324]), 1e-323);
        assert_eq!(total(&[f64::MAX, -f64::MAX, 5e-324]), 5e-324);
        assert_eq!(total(&[-3.5, 1.25]), -2.25);
        assert_eq!(total(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(total(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }
}
