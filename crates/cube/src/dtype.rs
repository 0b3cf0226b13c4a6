//! Storage types of pixels and the numbers that describe them (no-data values, bounds).

use std::fmt;

/// How one pixel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

/// An exact number of any storage type: a no-data value, a bound, a fill value. NaN equals NaN, so that schemas
/// with NaN as no-data value are equal.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Int(i128),
    Float(f64),
}

impl DType {
    /// All types, narrowest first within a family.
    pub const ALL: [DType; 11] = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::U16,
        DType::I16,
        DType::U32,
        DType::I32,
        DType::U64,
        DType::I64,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one pixel.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    pub fn is_integer(self) -> bool {
        !self.is_float() && self != DType::Bool
    }

    /// Smallest and largest value of an integer type; `None` for floats. Booleans are 0 and 1.
    pub fn bounds(self) -> Option<(i128, i128)> {
        Some(match self {
            DType::Bool => (0, 1),
            DType::U8 => (0, u8::MAX.into()),
            DType::I8 => (i8::MIN.into(), i8::MAX.into()),
            DType::U16 => (0, u16::MAX.into()),
            DType::I16 => (i16::MIN.into(), i16::MAX.into()),
            DType::U32 => (0, u32::MAX.into()),
            DType::I32 => (i32::MIN.into(), i32::MAX.into()),
            DType::U64 => (0, u64::MAX.into()),
            DType::I64 => (i64::MIN.into(), i64::MAX.into()),
            DType::F32 | DType::F64 => return None,
        })
    }

    /// The narrowest integer type that holds every value of `lo..=hi`; `None` where not even 64 bits do.
    pub fn smallest_integer(lo: i128, hi: i128) -> Option<DType> {
        const ORDER: [DType; 8] = [
            DType::U8,
            DType::I8,
            DType::U16,
            DType::I16,
            DType::U32,
            DType::I32,
            DType::I64,
            DType::U64,
        ];
        ORDER
            .into_iter()
            .find(|dtype| dtype.bounds().is_some_and(|(min, max)| min <= lo && hi <= max))
    }

    /// The narrowest type that holds every value of both without loss (64-bit integers next to floats become
    /// `f64`, the widest there is).
    pub fn common(self, other: DType) -> DType {
        if self == other {
            return self;
        }
        if let (Some((lo1, hi1)), Some((lo2, hi2))) = (self.bounds(), other.bounds()) {
            return Self::smallest_integer(lo1.min(lo2), hi1.max(hi2)).unwrap_or(DType::F64);
        }
        let fits_f32 = |dtype: DType| dtype == DType::F32 || (dtype.size() <= 2);
        if fits_f32(self) && fits_f32(other) { DType::F32 } else { DType::F64 }
    }

    /// Name in numpy's spelling, as used in metadata and in `explain`.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::U16 => "uint16",
            DType::I16 => "int16",
            DType::U32 => "uint32",
            DType::I32 => "int32",
            DType::U64 => "uint64",
            DType::I64 => "int64",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The inverse of [`DType::name`].
    pub fn from_name(name: &str) -> Option<DType> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Whether `number` is a value of this type, exactly (any float is one of `F64`; NaN and infinities are
    /// ones of both float types).
    pub fn holds(self, number: Number) -> bool {
        match (self.bounds(), number) {
            (Some((lo, hi)), Number::Int(value)) => lo <= value && value <= hi,
            (Some((lo, hi)), Number::Float(value)) => {
                value.fract() == 0.0 && value >= lo as f64 && value <= hi as f64
            }
            (None, Number::Int(value)) => self == DType::F64 || (value as f32) as i128 == value,
            (None, Number::Float(value)) => {
                self == DType::F64 || !value.is_finite() || f64::from(value as f32) == value
            }
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Number {
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    /// Whether both are the same value; NaN equals NaN here.
    pub fn same(self, other: Number) -> bool {
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return a == b;
        }
        let (a, b) = (self.to_f64(), other.to_f64());
        a == b || (a.is_nan() && b.is_nan())
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a == b,
            (Number::Float(a), Number::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Number::Int(_), Number::Float(_)) | (Number::Float(_), Number::Int(_)) => false,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(value) => write!(f, "{value}"),
            Number::Float(value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_type_loses_nothing() {
        assert_eq!(DType::U8.common(DType::I8), DType::I16);
        assert_eq!(DType::U16.common(DType::I16), DType::I32);
        assert_eq!(DType::U16.common(DType::F32), DType::F32);
        assert_eq!(DType::I32.common(DType::F32), DType::F64);
        assert_eq!(DType::U64.common(DType::I8), DType::F64);
        assert_eq!(DType::Bool.common(DType::U8), DType::U8);
    }

    #[test]
    fn holds_is_exact() {
        assert!(DType::U8.holds(Number::Float(255.0)));
        assert!(!DType::U8.holds(Number::Float(-1.0)));
        assert!(!DType::F32.holds(Number::Int(16_777_217)));
        assert!(DType::F32.holds(Number::Float(f64::NAN)));
        assert!(!DType::I16.holds(Number::Float(f64::NAN)));
    }
}
