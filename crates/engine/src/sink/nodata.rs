//! Which value stands for no-data in a file: one rule for all sinks.
//!
//! 1. The declared no-data value, if the type holds it and it does not occur as a valid value.
//! 2. NaN for floats, if no valid NaN occurs.
//! 3. A value of the type that does not occur.
//! 4. Nothing: the sink writes a mask or refuses.
//!
//! `null` and `NaN` differ here, as everywhere: a valid NaN is a value like any other. The rule looks at all
//! pixels once, in any order, and holds no more than a table of 65536 flags.

use eolith_cube::{Block, DType, Element, Number, Values, for_values};

/// How no-data is written.
#[derive(Clone, Debug, PartialEq)]
pub struct NullCoding {
    /// The value to declare and to write where a pixel is invalid. `None` where there is no invalid pixel and
    /// nothing is declared, or where no value is free (see `masked`).
    pub value: Option<Number>,
    /// There are invalid pixels and no value for them.
    pub masked: bool,
    /// Why the value is not the declared one.
    pub note: Option<String>,
}

/// Chooses by the rule above. `scan` calls its argument with blocks that cover all pixels.
///
/// `dtype` is the type in the file; blocks of another type are compared as that one.
pub fn choose<E>(
    declared: Option<Number>,
    dtype: DType,
    scan: impl FnOnce(&mut dyn FnMut(&Block)) -> Result<(), E>,
) -> Result<NullCoding, E> {
    let declared = declared.map(|value| nearest(value, dtype));
    let mut seen = Seen::new(declared.filter(|value| dtype.holds(*value)), dtype);
    scan(&mut |block| seen.add(block))?;
    Ok(seen.decide(declared))
}

/// A declared value as one of the type, where it is meant to be one: floats lose digits on their way as text.
fn nearest(value: Number, dtype: DType) -> Number {
    match value {
        Number::Float(float) if dtype == DType::F32 && float.is_finite() => {
            Number::Float(f64::from(float as f32))
        }
        _ => value,
    }
}

/// What was seen of the pixels.
struct Seen {
    dtype: DType,
    declared: Option<Number>,
    declared_occurs: bool,
    null: bool,
    nan: bool,
    /// Smallest and largest valid value that is not NaN.
    range: Option<(Number, Number)>,
    /// For integers of up to 16 bits: which values occur, from the smallest of the type on.
    table: Vec<bool>,
}

impl Seen {
    fn new(declared: Option<Number>, dtype: DType) -> Seen {
        let table = match dtype.bounds() {
            Some((lo, hi)) if hi - lo < 1 << 16 => vec![false; (hi - lo + 1) as usize],
            _ => Vec::new(),
        };
        let (declared_occurs, null, nan, range) = (false, false, false, None);
        Seen { dtype, declared, declared_occurs, null, nan, range, table }
    }

    fn add(&mut self, block: &Block) {
        let cast;
        let values = if block.dtype() == self.dtype {
            &block.values
        } else {
            cast = block.values.cast(self.dtype);
            &cast
        };
        for_values!(values, v => self.add_values(v, block.validity.as_deref()));
    }

    fn add_values<T: Element>(&mut self, values: &[T], validity: Option<&[bool]>) {
        let first = self.dtype.bounds().map_or(0, |(lo, _)| lo);
        let declared = self.declared.map(T::from_number);
        let (mut lo, mut hi): (Option<T>, Option<T>) = (None, None);
        for (i, &value) in values.iter().enumerate() {
            if validity.is_some_and(|mask| !mask[i]) {
                self.null = true;
                continue;
            }
            #[expect(clippy::eq_op, reason = "the portable NaN test for a generic element")]
            if value != value {
                self.nan = true;
                continue;
            }
            self.declared_occurs |= declared == Some(value);
            if !self.table.is_empty()
                && let Number::Int(number) = value.to_number()
            {
                self.table[(number - first) as usize] = true;
            }
            lo = Some(lo.map_or(value, |lo| if value < lo { value } else { lo }));
            hi = Some(hi.map_or(value, |hi| if value > hi { value } else { hi }));
        }
        if let (Some(lo), Some(hi)) = (lo, hi) {
            let (lo, hi) = (lo.to_number(), hi.to_number());
            self.range = Some(match self.range {
                None => (lo, hi),
                Some((a, b)) => {
                    (if less(lo, a) { lo } else { a }, if less(b, hi) { hi } else { b })
                }
            });
        }
    }

    fn decide(&self, asked: Option<Number>) -> NullCoding {
        let declared_nan = self.declared.is_some_and(|value| value.to_f64().is_nan());
        let taken = if declared_nan { self.nan } else { self.declared_occurs };
        if let Some(value) = self.declared
            && !taken
        {
            return NullCoding { value: Some(value), masked: false, note: None };
        }
        let why = match (asked, self.declared) {
            (Some(value), None) => {
                format!("the declared no-data value {value} is not a {}", self.dtype)
            }
            (Some(value), Some(_)) => {
                format!("the declared no-data value {value} occurs as a valid value")
            }
            (None, _) => "no no-data value is declared".to_owned(),
        };
        if !self.null {
            let note = asked.map(|_| format!("{why}, so none is written; no pixel is missing"));
            return NullCoding { value: None, masked: false, note };
        }
        let free = self.free();
        let note = match free {
            Some(value) => format!("{why}: {value} stands for no-data"),
            None => format!("{why} and no other value of {} is free", self.dtype),
        };
        NullCoding { value: free, masked: free.is_none(), note: Some(note) }
    }

    /// A value that does not occur: NaN, then customary values, then any.
    fn free(&self) -> Option<Number> {
        if self.dtype.is_float() && !self.nan {
            return Some(Number::Float(f64::NAN));
        }
        let Some((lowest, highest)) = self.dtype.bounds() else {
            let most = if self.dtype == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
            let mut customary = [-9999.0, -most, most].into_iter().map(Number::Float);
            return customary.find(|value| self.outside(*value));
        };
        let is_free = |value: i128| match self.table.get((value - lowest) as usize) {
            Some(occurs) => !occurs,
            None => self.table.is_empty() && self.outside(Number::Int(value)),
        };
        let customary =
            [-9999, lowest, highest].into_iter().filter(|v| (lowest..=highest).contains(v));
        let mut customary = customary.filter(|value| is_free(*value));
        customary
            .next()
            .or_else(|| self.table.iter().position(|occurs| !occurs).map(|at| lowest + at as i128))
            .map(Number::Int)
    }

    fn outside(&self, value: Number) -> bool {
        self.range.is_none_or(|(lo, hi)| less(value, lo) || less(hi, value))
    }
}

fn less(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a < b,
        _ => a.to_f64() < b.to_f64(),
    }
}

/// The values of `block` as `dtype`, with `null` where a pixel is invalid (zero without one).
pub fn fill(block: Block, dtype: DType, null: Option<Number>) -> Values {
    let Block { mut values, validity, .. } = block.cast(dtype);
    let (Some(mask), Some(null)) = (validity, null) else {
        return values;
    };
    for_values!(&mut values, v => fill_values(v, &mask, null));
    values
}

fn fill_values<T: Element>(values: &mut [T], mask: &[bool], null: Number) {
    let null = T::from_number(null);
    values.iter_mut().zip(mask).filter(|(_, valid)| !**valid).for_each(|(value, _)| *value = null);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn chosen(declared: Option<Number>, block: Block, dtype: DType) -> NullCoding {
        let scan = |add: &mut dyn FnMut(&Block)| {
            add(&block);
            Ok::<_, Infallible>(())
        };
        choose(declared, dtype, scan).unwrap()
    }

    fn bytes(values: Vec<u8>, null: bool) -> Block {
        let mut validity = vec![true; values.len()];
        validity[0] = !null;
        Block { shape: vec![values.len()], values: Values::U8(values), validity: Some(validity) }
    }

    #[test]
    fn the_declared_value_is_kept_while_it_is_free() {
        let zero = Some(Number::Int(0));
        let kept = chosen(zero, bytes(vec![0, 1, 2], true), DType::U8);
        assert_eq!(kept, NullCoding { value: zero, masked: false, note: None });
        assert_eq!(chosen(zero, bytes(vec![3, 1, 2], false), DType::U8).value, zero);
        let taken = chosen(zero, bytes(vec![9, 0, 2], true), DType::U8);
        assert_eq!(taken.value, Some(Number::Int(255)));
        assert_eq!(
            taken.note.as_deref(),
            Some("the declared no-data value 0 occurs as a valid value: 255 stands for no-data")
        );
        let unneeded = chosen(zero, bytes(vec![9, 0, 2], false), DType::U8);
        assert_eq!((unneeded.value, unneeded.masked), (None, false));
        let unfit = chosen(Some(Number::Int(-1)), bytes(vec![0, 1, 2], true), DType::U8);
        assert_eq!(unfit.value, zero);
        assert_eq!(chosen(None, bytes(vec![1, 1], false), DType::U8).note, None);
    }

    #[test]
    fn any_free_value_serves_and_none_means_a_mask() {
        let mut all: Vec<u8> = (0..=255).filter(|n| *n != 77).collect();
        all.insert(0, 0);
        assert_eq!(chosen(None, bytes(all, true), DType::U8).value, Some(Number::Int(77)));
        let mut all: Vec<u8> = (0..=255).collect();
        all.insert(0, 0);
        let full = chosen(None, bytes(all, true), DType::U8);
        assert_eq!((full.value, full.masked), (None, true));
        let wide = Values::I64(vec![0, i64::MIN, -9999, 5]);
        let mask = Some(vec![false, true, true, true]);
        let block = Block { shape: vec![4], values: wide, validity: mask };
        assert_eq!(chosen(None, block, DType::I64).value, Some(Number::Int(i64::MAX.into())));
    }

    #[test]
    fn nan_is_taken_only_while_no_pixel_is_nan() {
        let floats = |values: Vec<f32>| Block {
            shape: vec![values.len()],
            validity: Some((0..values.len()).map(|i| i > 0).collect()),
            values: Values::F32(values),
        };
        let free = chosen(None, floats(vec![0.0, 1.0]), DType::F32).value.unwrap();
        assert!(free.to_f64().is_nan());
        let nan = chosen(None, floats(vec![0.0, f32::NAN, 1.0]), DType::F32);
        assert_eq!(nan.value, Some(Number::Float(-9999.0)));
        let declared = Some(Number::Float(f64::NAN));
        let taken = chosen(declared, floats(vec![0.0, f32::NAN, -9999.0]), DType::F32);
        assert_eq!(taken.value, Some(Number::Float(f64::from(f32::MIN))));
        let lowest = Some(Number::Float(-3.402_823_466_385_29e38));
        let kept = chosen(lowest, floats(vec![0.0, 1.0]), DType::F32);
        assert_eq!(kept.value, Some(Number::Float(f64::from(f32::MIN))));
    }

    #[test]
    fn filling_writes_the_value_where_pixels_are_missing() {
        let block = bytes(vec![0, 1, 2], true);
        let filled = fill(block, DType::I16, Some(Number::Int(-5)));
        assert_eq!(filled, Values::I16(vec![-5, 1, 2]));
    }
}
