//! Typed, contiguous pixel buffers.

use multiversion::multiversion;

use crate::columns;
use crate::dtype::{DType, Number};

/// A buffer of one storage type, in C order of the block it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Bool(Vec<bool>),
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A Rust type that is a storage type.
pub trait Element: Copy + Default + PartialEq + PartialOrd + Send + Sync + 'static {
    const DTYPE: DType;
    fn slice(values: &Values) -> Option<&[Self]>;
    fn slice_mut(values: &mut Values) -> Option<&mut Vec<Self>>;
    fn wrap(values: Vec<Self>) -> Values;
    fn to_number(self) -> Number;
    /// The nearest value of this type: saturating for integers, NaN becomes 0 there.
    fn from_number(number: Number) -> Self;
    /// The value as a float, nearest where it is no exact one.
    fn to_f64(self) -> f64;
    /// Like [`Element::from_number`] of a float.
    fn from_f64(value: f64) -> Self;
    /// The whole part, saturating.
    fn to_i64(self) -> i64;
    /// Like [`Element::from_number`] of an integer.
    fn from_i64(value: i64) -> Self;
}

/// Runs `$body` with `$v` bound to the typed vector inside `$values`: the one dispatch on the storage type.
#[macro_export]
macro_rules! for_values {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            $crate::Values::Bool($v) => $body,
            $crate::Values::U8($v) => $body,
            $crate::Values::I8($v) => $body,
            $crate::Values::U16($v) => $body,
            $crate::Values::I16($v) => $body,
            $crate::Values::U32($v) => $body,
            $crate::Values::I32($v) => $body,
            $crate::Values::U64($v) => $body,
            $crate::Values::I64($v) => $body,
            $crate::Values::F32($v) => $body,
            $crate::Values::F64($v) => $body,
        }
    };
}

/// Runs `$body` with the type alias `$t` set to the Rust type of `$dtype`.
#[macro_export]
macro_rules! for_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $t = bool;
                $body
            }
            $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
        }
    };
}

macro_rules! element {
    ($($t:ty, $variant:ident, $to:expr, $from:expr, $to_f64:expr, $from_f64:expr, $to_i64:expr, $from_i64:expr;)*) => { $(
        impl Element for $t {
            const DTYPE: DType = DType::$variant;
            fn slice(values: &Values) -> Option<&[Self]> {
                if let Values::$variant(v) = values { Some(v) } else { None }
            }
            fn slice_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
                if let Values::$variant(v) = values { Some(v) } else { None }
            }
            fn wrap(values: Vec<Self>) -> Values { Values::$variant(values) }
            #[inline]
            fn to_number(self) -> Number { let to: fn($t) -> Number = $to; to(self) }
            #[inline]
            fn from_number(number: Number) -> Self { let from: fn(Number) -> $t = $from; from(number) }
            #[inline]
            fn to_f64(self) -> f64 { let to: fn($t) -> f64 = $to_f64; to(self) }
            #[inline]
            fn from_f64(value: f64) -> Self { let from: fn(f64) -> $t = $from_f64; from(value) }
            #[inline]
            fn to_i64(self) -> i64 { let to: fn($t) -> i64 = $to_i64; to(self) }
            #[inline]
            fn from_i64(value: i64) -> Self { let from: fn(i64) -> $t = $from_i64; from(value) }
        }
    )* };
}

macro_rules! integer_from {
    ($t:ty) => {
        |number| match number {
            Number::Int(value) => value.clamp(<$t>::MIN.into(), <$t>::MAX.into()) as $t,
            Number::Float(value) => value as $t,
        }
    };
}

macro_rules! saturated {
    ($t:ty) => {
        |value| value.clamp(<$t>::MIN as i64, <$t>::MAX as i64) as $t
    };
}

element! {
    bool, Bool, |v| Number::Int(v.into()), |number| number.to_f64() != 0.0, |v| f64::from(u8::from(v)), |v| v != 0.0, i64::from, |v| v != 0;
    u8, U8, |v| Number::Int(v.into()), integer_from!(u8), |v| v as f64, |v| v as u8, |v| v as i64, saturated!(u8);
    i8, I8, |v| Number::Int(v.into()), integer_from!(i8), |v| v as f64, |v| v as i8, |v| v as i64, saturated!(i8);
    u16, U16, |v| Number::Int(v.into()), integer_from!(u16), |v| v as f64, |v| v as u16, |v| v as i64, saturated!(u16);
    i16, I16, |v| Number::Int(v.into()), integer_from!(i16), |v| v as f64, |v| v as i16, |v| v as i64, saturated!(i16);
    u32, U32, |v| Number::Int(v.into()), integer_from!(u32), |v| v as f64, |v| v as u32, |v| v as i64, saturated!(u32);
    i32, I32, |v| Number::Int(v.into()), integer_from!(i32), |v| v as f64, |v| v as i32, |v| v as i64, saturated!(i32);
    u64, U64, |v| Number::Int(v.into()), integer_from!(u64), |v| v as f64, |v| v as u64, |v| v.min(i64::MAX as u64) as i64, |v| v.max(0) as u64;
    i64, I64, |v| Number::Int(v.into()), integer_from!(i64), |v| v as f64, |v| v as i64, |v| v, |v| v;
    f32, F32, |v| Number::Float(v.into()), |number| number.to_f64() as f32, f64::from, |v| v as f32, |v| v as i64, |v| v as f32;
    f64, F64, Number::Float, Number::to_f64, |v| v, |v| v, |v| v as i64, |v| v as f64;
}

impl Values {
    /// `len` zeros (`false` for booleans).
    pub fn zeros(dtype: DType, len: usize) -> Values {
        for_dtype!(dtype, T => T::wrap(vec![T::default(); len]))
    }

    pub fn dtype(&self) -> DType {
        match self {
            Values::Bool(_) => DType::Bool,
            Values::U8(_) => DType::U8,
            Values::I8(_) => DType::I8,
            Values::U16(_) => DType::U16,
            Values::I16(_) => DType::I16,
            Values::U32(_) => DType::U32,
            Values::I32(_) => DType::I32,
            Values::U64(_) => DType::U64,
            Values::I64(_) => DType::I64,
            Values::F32(_) => DType::F32,
            Values::F64(_) => DType::F64,
        }
    }

    pub fn len(&self) -> usize {
        for_values!(self, v => v.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    pub fn get(&self, index: usize) -> Number {
        for_values!(self, v => Element::to_number(v[index]))
    }

    /// Writes the nearest value of the buffer's type.
    pub fn set(&mut self, index: usize, number: Number) {
        for_values!(self, v => v[index] = Element::from_number(number));
    }

    /// The same values in another type: exact where the type holds them, else the nearest.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Values {
        if self.dtype() == dtype {
            return self.clone();
        }
        // Integers that 64 bits with a sign hold go through them, others through the exact number; a float on either
        // side is exact through `f64` already.
        let floats = self.dtype().is_float() || dtype.is_float();
        let wide = [self.dtype(), dtype].contains(&DType::U64);
        for_dtype!(dtype, T => for_values!(self, v => {
            let mut out: Vec<T> = columns::take(v.len());
            if floats {
                convert(&mut out, v, &|value| T::from_f64(value.to_f64()));
            } else if wide {
                convert(&mut out, v, &|value| T::from_number(value.to_number()));
            } else {
                convert(&mut out, v, &|value| T::from_i64(value.to_i64()));
            }
            T::wrap(out)
        }))
    }

    /// Little-endian bytes of `range`; booleans are 0 and 1, every NaN is the one canonical NaN.
    pub fn le_bytes(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        match self {
            Values::Bool(v) => v[range].iter().map(|&b| u8::from(b)).collect(),
            Values::U8(v) => v[range].to_vec(),
            Values::I8(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U16(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::I16(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U32(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::I32(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U64(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::I64(v) => v[range].iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::F32(v) => v[range]
                .iter()
                .flat_map(|x| if x.is_nan() { f32::NAN.to_le_bytes() } else { x.to_le_bytes() })
                .collect(),
            Values::F64(v) => v[range]
                .iter()
                .flat_map(|x| if x.is_nan() { f64::NAN.to_le_bytes() } else { x.to_le_bytes() })
                .collect(),
        }
    }

    /// Decodes packed little-endian bytes; `None` where the length is no multiple of the pixel size.
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Option<Values> {
        macro_rules! decode {
            ($t:ty) => {
                <$t as Element>::wrap(
                    bytes
                        .chunks_exact(size_of::<$t>())
                        .map(|c| <$t>::from_le_bytes(c.try_into().expect("invariant: exact chunk")))
                        .collect(),
                )
            };
        }
        if !bytes.len().is_multiple_of(dtype.size()) {
            return None;
        }
        Some(match dtype {
            DType::Bool => Values::Bool(bytes.iter().map(|&b| b != 0).collect()),
            DType::U8 => Values::U8(bytes.to_vec()),
            DType::I8 => decode!(i8),
            DType::U16 => decode!(u16),
            DType::I16 => decode!(i16),
            DType::U32 => decode!(u32),
            DType::I32 => decode!(i32),
            DType::U64 => decode!(u64),
            DType::I64 => decode!(i64),
            DType::F32 => decode!(f32),
            DType::F64 => decode!(f64),
        })
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn convert<A: Copy, B, F: Fn(A) -> B>(out: &mut [B], values: &[A], f: &F) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = f(value);
    }
}
