//! What stands for no-data in an array: the declared value if no pixel has it, else NaN, else a free value, else a
//! mask.

use eolith_cube::{Block, DType, Element, Number, for_values};
use serde_json::{Value, json};

/// The choice for one band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Null {
    /// There is no no-data, and no value that could be declared for it.
    Nothing,
    /// `needed` if some pixel is no-data.
    Value { value: Number, needed: bool },
    /// No value is free.
    Mask,
}

/// What has been seen of a band.
#[derive(Debug)]
pub(super) struct Scan {
    dtype: DType,
    /// Values in order of preference, and whether a valid pixel has them.
    candidates: Vec<(Number, bool)>,
    /// Values of an integer type of at most 16 bits that valid pixels have, from its smallest on.
    seen: Vec<bool>,
    declared: bool,
    nulls: bool,
}

impl Scan {
    pub(super) fn new(dtype: DType, declared: Option<Number>) -> Scan {
        let declared = declared.filter(|value| dtype.holds(*value) && dtype != DType::Bool);
        let mut candidates: Vec<Number> = declared.into_iter().collect();
        let mut seen = Vec::new();
        match dtype.bounds() {
            None => {
                let lowest = if dtype == DType::F32 { f64::from(f32::MIN) } else { f64::MIN };
                candidates.extend([f64::NAN, -9999.0, lowest, -lowest].map(Number::Float));
            }
            // Every value of a boolean means something.
            Some(_) if dtype == DType::Bool => {}
            Some((lo, hi)) => {
                candidates.extend([lo, hi].map(Number::Int));
                if dtype.size() <= 2 {
                    seen = vec![false; (hi - lo + 1) as usize];
                } else {
                    candidates.extend([hi - 1, lo + 1, -9999].map(Number::Int));
                }
            }
        }
        candidates.retain(|value| dtype.holds(*value));
        let candidates = candidates.into_iter().map(|value| (value, false)).collect();
        Scan { dtype, candidates, seen, declared: declared.is_some(), nulls: false }
    }

    pub(super) fn add(&mut self, block: &Block) {
        let valid = block.validity.as_deref();
        self.nulls |= valid.is_some_and(|mask| mask.contains(&false));
        for_values!(&block.values, values => self.add_values(values, valid));
    }

    fn add_values<T: Element>(&mut self, values: &[T], valid: Option<&[bool]>) {
        for (candidate, used) in self.candidates.iter_mut().filter(|(_, used)| !used) {
            *used = occurs(values, valid, *candidate);
        }
        if self.seen.is_empty() {
            return;
        }
        let lowest = self.dtype.bounds().map_or(0, |(lo, _)| lo);
        for (i, value) in values.iter().enumerate() {
            if valid.is_none_or(|mask| mask[i])
                && let Number::Int(value) = value.to_number()
                && let Some(seen) =
                    usize::try_from(value - lowest).ok().and_then(|at| self.seen.get_mut(at))
            {
                *seen = true;
            }
        }
    }

    pub(super) fn choose(self) -> Null {
        let declared = self.declared.then(|| self.candidates[0]);
        if !self.nulls {
            return match declared {
                Some((value, false)) => Null::Value { value, needed: false },
                _ => Null::Nothing,
            };
        }
        if let Some(&(value, _)) = self.candidates.iter().find(|(_, used)| !used) {
            return Null::Value { value, needed: true };
        }
        let lowest = self.dtype.bounds().map_or(0, |(lo, _)| lo);
        match self.seen.iter().position(|seen| !seen) {
            Some(free) => Null::Value { value: Number::Int(lowest + free as i128), needed: true },
            None => Null::Mask,
        }
    }
}

/// Whether a valid value equals `wanted` (NaN equals NaN).
fn occurs<T: Element>(values: &[T], valid: Option<&[bool]>, wanted: Number) -> bool {
    let nan = matches!(wanted, Number::Float(value) if value.is_nan());
    let wanted = T::from_number(wanted);
    // Only NaN differs from itself.
    #[expect(clippy::eq_op, reason = "the portable NaN test for a generic element")]
    let hit = |value: &T| if nan { value != value } else { *value == wanted };
    match valid {
        None => values.iter().any(hit),
        Some(mask) => values.iter().zip(mask).any(|(value, &ok)| ok && hit(value)),
    }
}

/// Zarr's `fill_value` of an array.
pub(super) fn fill_value(dtype: DType, value: Option<Number>) -> Value {
    match value {
        None if dtype == DType::Bool => json!(false),
        None if dtype.is_float() => json!(0.0),
        None => json!(0),
        Some(Number::Float(value)) if value.is_nan() => json!("NaN"),
        Some(Number::Float(value)) if value.is_infinite() => {
            json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Some(value) if dtype.is_float() => json!(value.to_f64()),
        Some(value) => integer(value),
    }
}

/// The attribute `_FillValue`, which xarray writes as base64 of eight bytes for floats.
pub(super) fn fill_attribute(dtype: DType, value: Number) -> Value {
    if dtype.is_float() { base64(&value.to_f64().to_le_bytes()).into() } else { integer(value) }
}

fn integer(value: Number) -> Value {
    let value = match value {
        Number::Int(value) => value,
        Number::Float(value) => value as i128,
    };
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => 0.into(),
    }
}

/// RFC 4648 base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use eolith_cube::Values;

    use super::*;

    fn choose(values: Values, valid: &[bool], declared: Option<Number>) -> Null {
        let mut scan = Scan::new(values.dtype(), declared);
        let mut block = Block::new(vec![values.len()], values);
        block.validity = Some(valid.to_vec());
        scan.add(&block);
        scan.choose()
    }

    fn needed(value: Number) -> Null {
        Null::Value { value, needed: true }
    }

    #[test]
    fn declared_then_nan_then_free_then_mask() {
        let int = |value| Some(Number::Int(value));
        let valid = [true, true, false];
        let values = || Values::I16(vec![1, 2, 0]);
        assert_eq!(choose(values(), &valid, int(-1)), needed(Number::Int(-1)));
        assert_eq!(choose(values(), &valid, int(2)), needed(Number::Int(-32768)));
        assert_eq!(choose(values(), &valid, int(70_000)), needed(Number::Int(-32768)));
        let unneeded = Null::Value { value: Number::Int(-1), needed: false };
        assert_eq!(choose(values(), &[true; 3], int(-1)), unneeded);
        assert_eq!(choose(values(), &[true; 3], int(1)), Null::Nothing);
        let Null::Value { value, .. } = choose(Values::F32(vec![1.0, 2.0, 0.0]), &valid, None)
        else {
            panic!("no value")
        };
        assert!(value.to_f64().is_nan());
        let floats = Values::F32(vec![1.0, f32::NAN, 0.0]);
        assert_eq!(choose(floats, &valid, None), needed(Number::Float(-9999.0)));
        assert_eq!(choose(Values::Bool(vec![true, false, false]), &valid, None), Null::Mask);
        let mut bytes: Vec<u8> = (0..=255).filter(|b| *b != 77).collect();
        bytes.push(0);
        let mut valid = vec![true; 256];
        valid[255] = false;
        assert_eq!(choose(Values::U8(bytes), &valid, None), needed(Number::Int(77)));
        let bytes = (0..=255).chain([0]).collect();
        valid.insert(0, true);
        assert_eq!(choose(Values::U8(bytes), &valid, None), Null::Mask);
    }

    #[test]
    fn fill_values_as_xarray_writes_them() {
        assert_eq!(fill_attribute(DType::F32, Number::Float(f64::NAN)), "AAAAAAAA+H8=");
        assert_eq!(fill_attribute(DType::F32, Number::Float(1e20_f32.into())), "AAAAgB2vFUQ=");
        assert_eq!(fill_attribute(DType::U8, Number::Int(255)), 255);
        assert_eq!(fill_value(DType::F64, Some(Number::Float(f64::NAN))), "NaN");
    }
}
