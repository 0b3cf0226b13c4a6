//! Which value stands for no-data in a file: one rule for all sinks.
//!
//! 1. The declared no-data value, if the type holds it and it does not occur as a valid value.
//! 2. NaN for floats, if no valid NaN occurs.
//! 3. A value of the type that does not occur.
//! 4. Nothing: the sink writes a mask or refuses.
//!
//! `null` and `NaN` differ here, as everywhere: a valid NaN is a value like any other. The rule looks at all
//! pixels once, in any order, and holds no more than a table of 65536 flags. Where the first value in question is
//! known before ([`Guess`]), a sink writes with it at once, looks at the pixels on their way, and starts again only
//! if the guess was wrong. Formats that know no-data of their own (JSON's null, the transparency of PNG) do not need
//! any of this.

use eolith_cube::{Block, DType, Element, Number, Values, columns, for_values};

/// How no-data is written.
#[derive(Clone, Debug, PartialEq)]
pub struct NullCoding {
    /// The value to declare and to write where a pixel is invalid. `None` where there is no invalid pixel and
    /// nothing is declared, or where no value is free (see [`NullCoding::masked`]).
    pub value: Option<Number>,
    /// There are invalid pixels.
    pub missing: bool,
    /// Why the value is not the declared one.
    pub note: Option<String>,
}

impl NullCoding {
    /// There are invalid pixels and no value for them.
    pub fn masked(&self) -> bool {
        self.missing && self.value.is_none()
    }
}

/// The value the rule most likely chooses.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    declared: Option<Number>,
    dtype: DType,
    /// To be written where a pixel is invalid.
    pub value: Number,
}

/// What was seen of the pixels that were written with a guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    missing: bool,
    taken: bool,
}

impl Guess {
    /// `None` where the choice depends on the pixels: integers without a declared value that their type holds.
    pub fn new(declared: Option<Number>, dtype: DType) -> Option<Guess> {
        if dtype == DType::Bool {
            return None;
        }
        let usable = declared.map(|value| nearest(value, dtype)).filter(|v| dtype.holds(*v));
        let nan = dtype.is_float().then_some(Number::Float(f64::NAN));
        usable.or(nan).map(|value| Guess { declared, dtype, value })
    }

    pub fn look(&self, block: &Block) -> Seen {
        let valid = block.validity.as_deref();
        let missing = valid.is_some_and(|mask| mask.contains(&false));
        let cast;
        let values = match block.dtype() {
            // Nor is either free in a file that has them as numbers.
            DType::Bool => &Values::Bool(vec![false, true]).cast(self.dtype),
            dtype if dtype == self.dtype => &block.values,
            _ => {
                cast = block.values.cast(self.dtype);
                &cast
            }
        };
        let valid = valid.filter(|_| block.dtype() != DType::Bool);
        Seen { missing, taken: for_values!(values, v => occurs(v, valid, self.value)) }
    }

    /// The choice by the rule of pixels that are all in their file, and are right there: as [`Guess::decide`], and
    /// where the guess is taken but no pixel is missing.
    pub fn decide_written(&self, seen: Seen) -> Option<NullCoding> {
        if !seen.taken || seen.missing {
            return self.decide(seen);
        }
        let mut scan = Scan::new(self.declared, self.dtype);
        scan.candidates
            .iter_mut()
            .filter(|(value, _)| *value == self.value)
            .for_each(|c| c.1 = true);
        Some(scan.decide())
    }

    /// The choice by the rule, if it is the guess or needs no value; `seen` is of all pixels.
    pub fn decide(&self, seen: Seen) -> Option<NullCoding> {
        let scan = Scan { missing: seen.missing, ..Scan::new(self.declared, self.dtype) };
        (!seen.taken).then(|| scan.decide())
    }
}

impl Seen {
    #[must_use]
    pub fn and(self, other: Seen) -> Seen {
        Seen { missing: self.missing || other.missing, taken: self.taken || other.taken }
    }
}

/// What was seen of the pixels: of a band, or of all bands that share one no-data value.
#[derive(Clone, Debug)]
pub struct Scan {
    dtype: DType,
    /// The declared value as one of the type, though the type may not hold it.
    declared: Option<Number>,
    missing: bool,
    /// Values in order of preference, and whether a valid pixel has them.
    candidates: Vec<(Number, bool)>,
    /// For integers of up to 16 bits: which values valid pixels have, from the smallest of the type on.
    table: Vec<bool>,
}

impl Scan {
    /// `dtype` is the type in the file; blocks of another type are compared as that one.
    pub fn new(declared: Option<Number>, dtype: DType) -> Scan {
        let declared = declared.map(|value| nearest(value, dtype));
        let mut candidates: Vec<Number> = declared.into_iter().collect();
        let mut table = Vec::new();
        // Both values of a boolean mean something, whether they occur or not.
        let taken = dtype == DType::Bool;
        match dtype.bounds() {
            None => {
                let lowest = if dtype == DType::F32 { f64::from(f32::MIN) } else { f64::MIN };
                candidates.extend([f64::NAN, -9999.0, lowest, -lowest].map(Number::Float));
            }
            Some((lo, hi)) => {
                candidates.extend([lo, hi].map(Number::Int));
                if hi - lo < 1 << 16 {
                    table = vec![taken; (hi - lo + 1) as usize];
                } else {
                    candidates.extend([-9999, lo + 1, hi - 1].map(Number::Int));
                }
            }
        }
        candidates.retain(|value| dtype.holds(*value));
        let candidates = candidates.into_iter().map(|value| (value, taken)).collect();
        Scan { dtype, declared, missing: false, candidates, table }
    }

    pub fn add(&mut self, block: &Block) {
        let valid = block.validity.as_deref();
        self.missing |= valid.is_some_and(|mask| mask.contains(&false));
        let cast;
        let (values, valid) = match block.dtype() {
            // Nor is either free in a file that has them as numbers.
            DType::Bool => {
                cast = Values::Bool(vec![false, true]).cast(self.dtype);
                (&cast, None)
            }
            dtype if dtype == self.dtype => (&block.values, valid),
            _ => {
                cast = block.values.cast(self.dtype);
                (&cast, valid)
            }
        };
        for_values!(values, values => self.see(values, valid));
    }

    fn see<T: Element>(&mut self, values: &[T], valid: Option<&[bool]>) {
        for (candidate, taken) in self.candidates.iter_mut().filter(|(_, taken)| !taken) {
            *taken = occurs(values, valid, *candidate);
        }
        if self.table.is_empty() {
            return;
        }
        let lowest = self.dtype.bounds().map_or(0, |(lo, _)| lo);
        for (i, value) in values.iter().enumerate() {
            if valid.is_none_or(|mask| mask[i])
                && let Number::Int(value) = value.to_number()
                && let Some(taken) =
                    usize::try_from(value - lowest).ok().and_then(|at| self.table.get_mut(at))
            {
                *taken = true;
            }
        }
    }

    /// What was seen by either.
    #[must_use]
    pub fn and(mut self, other: &Scan) -> Scan {
        self.missing |= other.missing;
        for ((_, own), (_, others)) in self.candidates.iter_mut().zip(&other.candidates) {
            *own |= others;
        }
        self.table.iter_mut().zip(&other.table).for_each(|(own, others)| *own |= others);
        self
    }

    /// The choice, by the rule above.
    pub fn decide(&self) -> NullCoding {
        let missing = self.missing;
        let usable = self.declared.filter(|value| self.dtype.holds(*value));
        let why = match (self.declared, usable) {
            (Some(_), Some(value)) if !self.candidates[0].1 => {
                return NullCoding { value: Some(value), missing, note: None };
            }
            (Some(value), Some(_)) => {
                format!("the declared no-data value {value} occurs as a valid value")
            }
            (Some(value), None) => {
                format!("the declared no-data value {value} is not a {}", self.dtype)
            }
            (None, _) => "no no-data value is declared".to_owned(),
        };
        if !missing {
            let note =
                self.declared.map(|_| format!("{why}, so none is written; no pixel is missing"));
            return NullCoding { value: None, missing, note };
        }
        let value = self.free();
        let note = match value {
            Some(value) => format!("{why}: {value} stands for no-data"),
            None => format!("{why} and no other value of {} is free", self.dtype),
        };
        NullCoding { value, missing, note: Some(note) }
    }

    /// A value that does not occur: the first candidate, else any.
    fn free(&self) -> Option<Number> {
        if let Some((value, _)) = self.candidates.iter().find(|(_, taken)| !taken) {
            return Some(*value);
        }
        let lowest = self.dtype.bounds().map_or(0, |(lo, _)| lo);
        let free = self.table.iter().position(|taken| !taken);
        free.map(|at| Number::Int(lowest + at as i128))
    }
}

/// The values of `block` as `dtype`, with `null` where a pixel is invalid (zero without one).
pub fn fill(block: Block, dtype: DType, null: Option<Number>) -> Values {
    let Block { mut values, validity, .. } = block.cast(dtype);
    if let Some(mask) = validity {
        let null = null.unwrap_or(Number::Int(0));
        for_values!(&mut values, v => fill_values(v, &mask, null));
        columns::give(mask);
    }
    values
}

fn fill_values<T: Element>(values: &mut [T], mask: &[bool], null: Number) {
    let null = T::from_number(null);
    values.iter_mut().zip(mask).filter(|(_, valid)| !**valid).for_each(|(value, _)| *value = null);
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

/// Whether a valid value equals `wanted` (NaN equals NaN).
fn occurs<T: Element>(values: &[T], valid: Option<&[bool]>, wanted: Number) -> bool {
    let nan = wanted.to_f64().is_nan();
    let wanted = T::from_number(wanted);
    // Only NaN differs from itself.
    #[expect(clippy::eq_op, reason = "the portable NaN test for a generic element")]
    let hit = |value: &T| if nan { value != value } else { *value == wanted };
    match valid {
        None => values.iter().any(hit),
        Some(mask) => values.iter().zip(mask).any(|(value, &ok)| ok && hit(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(declared: Option<Number>, block: Block, dtype: DType) -> NullCoding {
        let mut scan = Scan::new(declared, dtype);
        scan.add(&block);
        scan.decide()
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
        assert_eq!(kept, NullCoding { value: zero, missing: true, note: None });
        assert_eq!(chosen(zero, bytes(vec![3, 1, 2], false), DType::U8).value, zero);
        let taken = chosen(zero, bytes(vec![9, 0, 2], true), DType::U8);
        assert_eq!(taken.value, Some(Number::Int(255)));
        assert_eq!(
            taken.note.as_deref(),
            Some("the declared no-data value 0 occurs as a valid value: 255 stands for no-data")
        );
        let unneeded = chosen(zero, bytes(vec![9, 0, 2], false), DType::U8);
        assert_eq!((unneeded.value, unneeded.masked()), (None, false));
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
        assert_eq!((full.value, full.masked()), (None, true));
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
    fn a_guess_that_holds_is_the_choice_of_the_rule() {
        let floats = |values: Vec<f32>| Block {
            shape: vec![values.len()],
            validity: Some((0..values.len()).map(|i| i != 1).collect()),
            values: Values::F32(values),
        };
        let (nan, low) = (Some(Number::Float(f64::NAN)), Some(Number::Float(-1.5)));
        for block in [bytes(vec![0, 1, 2], true), bytes(vec![0, 1, 2], false), bytes(vec![7], true)]
        {
            for declared in [Some(Number::Int(0)), Some(Number::Int(2))] {
                let guess = Guess::new(declared, DType::U8).unwrap();
                match guess.decide(guess.look(&block)) {
                    Some(coding) => assert_eq!(coding, chosen(declared, block.clone(), DType::U8)),
                    None => assert!(block.values.get(2) == Number::Int(2)),
                }
            }
        }
        for (values, declared, holds) in [
            (vec![1.0, 2.0], None, true),
            (vec![f32::NAN, 2.0], None, false),
            (vec![f32::NAN, 2.0], low, true),
            (vec![-1.5, 2.0], low, false),
            (vec![-1.0, -1.5], low, true),
            (vec![1.0, f32::NAN], nan, true),
        ] {
            let guess = Guess::new(declared, DType::F32).unwrap();
            let block = floats(values);
            let decided = guess.decide(guess.look(&block));
            assert_eq!(decided.is_some(), holds);
            let same = decided.is_none_or(|coding| {
                let rule = chosen(declared, block, DType::F32);
                // NaN is not equal to itself.
                format!("{coding:?}") == format!("{rule:?}")
            });
            assert!(same);
        }
        assert!(Guess::new(None, DType::I16).is_none());
        assert!(Guess::new(Some(Number::Int(300)), DType::U8).is_none());
        assert!(Guess::new(Some(Number::Int(1)), DType::Bool).is_none());
        let whole = Guess::new(Some(Number::Int(9)), DType::U8).unwrap();
        let seen = whole.look(&bytes(vec![9, 1], false)).and(whole.look(&bytes(vec![3, 4], true)));
        assert_eq!(seen, Seen { missing: true, taken: true });
    }

    #[test]
    fn scans_of_parts_are_the_scan_of_the_whole() {
        let parts = [bytes((0..=254).collect(), true), bytes(vec![255, 255], false)];
        let scan = |block: &Block| {
            let mut scan = Scan::new(None, DType::U8);
            scan.add(block);
            scan
        };
        assert_eq!(scan(&parts[0]).decide().value, Some(Number::Int(0)));
        let both = scan(&parts[0]).and(&scan(&parts[1]));
        assert_eq!(both.decide().value, Some(Number::Int(0)));
        let both = both.and(&scan(&bytes(vec![0, 0], false)));
        assert!(both.decide().masked());
    }

    #[test]
    fn filling_writes_the_value_where_pixels_are_missing() {
        let block = bytes(vec![0, 1, 2], true);
        let filled = fill(block, DType::I16, Some(Number::Int(-5)));
        assert_eq!(filled, Values::I16(vec![-5, 1, 2]));
    }

    #[test]
    fn only_values_that_occur_are_taken() {
        let masked = |values: Values| Block {
            shape: vec![values.len()],
            validity: Some((0..values.len()).map(|i| i > 0).collect()),
            values,
        };
        let wide = masked(Values::I32(vec![0, i32::MIN, i32::MAX, 5]));
        assert_eq!(chosen(None, wide, DType::I32).value, Some(Number::Int(-9999)));
        let short = || masked(Values::I16(vec![0, 1, 2]));
        let declared = |value| Some(Number::Int(value));
        assert_eq!(chosen(declared(-1), short(), DType::I16).value, declared(-1));
        assert_eq!(chosen(declared(2), short(), DType::I16).value, declared(-32768));
        assert_eq!(chosen(declared(70_000), short(), DType::I16).value, declared(-32768));
    }

    #[test]
    fn no_value_of_a_boolean_is_free() {
        let truth = || Block {
            shape: vec![3],
            validity: Some(vec![true, true, false]),
            values: Values::Bool(vec![true, true, false]),
        };
        assert!(chosen(None, truth(), DType::Bool).masked());
        assert!(chosen(Some(Number::Int(0)), truth(), DType::Bool).masked());
        assert_eq!(chosen(None, truth(), DType::U8).value, Some(Number::Int(255)));
    }
}
