//! Types of expressions.
//!
//! Every expression node has one, decided when the graph is bound, and every evaluator obeys it; that is why no
//! rule of the optimiser and no kernel can change a number. All types include no-data.

use std::fmt;

use eolith_cube::DType;

/// Integers of this magnitude and below are exact in an `f32`.
const EXACT_F32: i64 = 1 << 24;

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Only no-data.
    Null,
    Bool,
    Int(Interval),
    F32,
    F64,
    Text,
    /// Elements and, where it is known, their number.
    Array(Box<Type>, Option<usize>),
    /// Mixed or unknown: evaluated value by value.
    Any,
}

/// Bounds of an integer. `narrow` integers come from storage of at most 16 bits, so that arithmetic on them may
/// be done in `f32` while it stays exact; integers in JSON are not narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub lo: i64,
    pub hi: i64,
    pub narrow: bool,
}

impl Type {
    pub fn of_dtype(dtype: DType) -> Type {
        match dtype {
            DType::Bool => Type::Bool,
            DType::F32 => Type::F32,
            DType::F64 | DType::U64 => Type::F64,
            DType::U8
            | DType::I8
            | DType::U16
            | DType::I16
            | DType::U32
            | DType::I32
            | DType::I64 => {
                let (lo, hi) = dtype.bounds().expect("invariant: integer types have bounds");
                Type::Int(Interval { lo: lo as i64, hi: hi as i64, narrow: dtype.size() <= 2 })
            }
        }
    }

    /// How a cube stores values of this type; `Any` is stored as `f64` (a text in it is an error when it occurs).
    /// `None` for texts and arrays, which no cube holds.
    pub fn dtype(&self) -> Option<DType> {
        Some(match self {
            Type::Bool => DType::Bool,
            Type::Int(i) => DType::smallest_integer(i.lo.into(), i.hi.into()).unwrap_or(DType::I64),
            Type::F32 => DType::F32,
            Type::F64 | Type::Any | Type::Null => DType::F64,
            Type::Text | Type::Array(..) => return None,
        })
    }

    pub fn array(element: Type, len: Option<usize>) -> Type {
        Type::Array(Box::new(element), len)
    }

    pub fn int(value: i64) -> Type {
        Type::Int(Interval { lo: value, hi: value, narrow: false })
    }

    /// The element type of an array; itself otherwise.
    pub fn element(&self) -> &Type {
        if let Type::Array(element, _) = self { element } else { self }
    }

    pub fn length(&self) -> Option<usize> {
        if let Type::Array(_, len) = self { *len } else { None }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Type::Null | Type::Int(_) | Type::F32 | Type::F64)
    }

    /// Whether vector kernels can hold it.
    pub fn is_plain(&self) -> bool {
        match self {
            Type::Null | Type::Bool | Type::Int(_) | Type::F32 | Type::F64 => true,
            Type::Array(element, _) => !matches!(**element, Type::Array(..)) && element.is_plain(),
            Type::Text | Type::Any => false,
        }
    }

    /// The narrowest type that has all values of both.
    #[must_use]
    pub fn join(&self, other: &Type) -> Type {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Type::Null, t) | (t, Type::Null) => t.clone(),
            (Type::Int(a), Type::Int(b)) => Type::Int(Interval {
                lo: a.lo.min(b.lo),
                hi: a.hi.max(b.hi),
                narrow: a.narrow && b.narrow,
            }),
            (Type::F32, Type::Int(i)) | (Type::Int(i), Type::F32) if i.fits_f32() => Type::F32,
            (a, b) if a.is_number() && b.is_number() => Type::F64,
            (Type::Array(a, n), Type::Array(b, m)) => {
                Type::array(a.join(b), if n == m { *n } else { None })
            }
            _ => Type::Any,
        }
    }

    /// The float type arithmetic on these is done in: `f32` only if all are `f32` or narrow exact integers.
    pub fn float_of(args: &[&Type]) -> Type {
        let fits = |t: &&Type| match t {
            Type::F32 | Type::Null => true,
            Type::Int(i) => i.narrow && i.fits_f32(),
            Type::Bool | Type::F64 | Type::Text | Type::Array(..) | Type::Any => false,
        };
        if !args.iter().all(|t| t.is_number()) {
            Type::Any
        } else if args.iter().all(fits) && args.iter().any(|t| **t != Type::Null) {
            Type::F32
        } else {
            Type::F64
        }
    }

    /// The type of integer arithmetic with these exact bounds; floats where any operand is one or where 64 bits
    /// do not hold the result.
    pub fn arithmetic(
        a: &Type,
        b: &Type,
        bounds: impl Fn(Interval, Interval) -> (i128, i128),
    ) -> Type {
        match (a, b) {
            (Type::Int(x), Type::Int(y)) => {
                let (lo, hi) = bounds(*x, *y);
                match (i64::try_from(lo), i64::try_from(hi)) {
                    (Ok(lo), Ok(hi)) => {
                        Type::Int(Interval { lo, hi, narrow: x.narrow && y.narrow })
                    }
                    _ => Type::F64,
                }
            }
            _ => Type::float_of(&[a, b]),
        }
    }
}

impl Interval {
    pub fn fits_f32(self) -> bool {
        self.lo >= -EXACT_F32 && self.hi <= EXACT_F32
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int(i) => write!(f, "i64[{}..{}]", i.lo, i.hi),
            Type::F32 => f.write_str("f32"),
            Type::F64 => f.write_str("f64"),
            Type::Text => f.write_str("text"),
            Type::Any => f.write_str("any"),
            Type::Array(element, Some(n)) => write!(f, "[{element}; {n}]"),
            Type::Array(element, None) => write!(f, "[{element}]"),
        }
    }
}
