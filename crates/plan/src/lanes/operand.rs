//! How kernels read their arguments: any storage type as the type they compute in, constants as one value.
//!
//! Everything that a kernel does not want to handle is an `Err`, which sends the call to the scalar definition.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use eolith_cube::{Element, Label, Values, for_values};

use super::{Column, KernelCall, Lanes, Register};
use crate::value::{Fault, Value};

/// Storage types as numbers, without a detour over [`eolith_cube::Number`].
pub trait Primitive: Element + fmt::Debug {
    /// No value is below it.
    const LEAST: Self;
    /// No value is above it.
    const GREATEST: Self;
    fn f64(self) -> f64;
    fn f32(self) -> f32;
    fn i64(self) -> i64;
    fn is_nan(self) -> bool;
    fn is_finite(self) -> bool;
    /// A total order; of floats the one of IEEE 754, so that ties of the two zeros are decided.
    fn order(&self, other: &Self) -> Ordering;
}

/// Types that kernels compute in.
pub trait Computed: Primitive {
    fn of<P: Primitive>(value: P) -> Self;
    /// The constant in this type; `None` where it is of another kind.
    fn of_value(value: &Value) -> Option<Self>;
}

/// One argument: a value for all lanes or one for each.
#[derive(Debug)]
pub struct Operand<'a, T: Computed> {
    pub source: Source<'a, T>,
    pub validity: Option<&'a [bool]>,
}

#[derive(Debug)]
pub enum Source<'a, T: Computed> {
    One(T),
    Many(Cow<'a, [T]>),
}

/// An array argument: `n` rows of one value a lane.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub n: usize,
    pub values: &'a Values,
    pub validity: Option<&'a [bool]>,
    pub labels: Option<&'a Arc<[Label]>>,
}

/// The answer of a kernel that leaves the call to the scalar definition.
pub fn refusal() -> Fault {
    Fault::new("Internal", "no kernel for these arguments")
}

/// No-data in every lane.
pub fn null() -> Register {
    Register::Const(Value::Null)
}

/// A result of one value a lane.
pub fn scalar<T: Element>(values: Vec<T>, validity: Option<Vec<bool>>) -> Register {
    Register::Scalar(Lanes::plain(T::wrap(values), validity))
}

/// Valid where both are.
pub fn both(a: Option<&[bool]>, b: Option<&[bool]>) -> Option<Vec<bool>> {
    match (a, b) {
        (None, None) => None,
        (Some(mask), None) | (None, Some(mask)) => Some(mask.to_vec()),
        (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(&a, &b)| a & b).collect()),
    }
}

impl KernelCall<'_> {
    /// Argument `k` as numbers (or booleans) of type `T`; `None` for constant no-data.
    pub fn operand<T: Computed>(&self, k: usize) -> Result<Option<Operand<'_, T>>, Fault> {
        match &*self.args[k] {
            Register::Const(Value::Null) => Ok(None),
            Register::Const(value) => {
                let value = T::of_value(value).ok_or_else(refusal)?;
                Ok(Some(Operand { source: Source::One(value), validity: None }))
            }
            Register::Scalar(Lanes { column: Column::Plain(values), validity }) => {
                let source = Source::Many(column(values));
                Ok(Some(Operand { source, validity: validity.as_deref() }))
            }
            Register::Scalar(_) | Register::Array { .. } => Err(refusal()),
        }
    }

    /// Argument `k` as an array of one length in all lanes.
    pub fn rows(&self, k: usize) -> Result<Rows<'_>, Fault> {
        match &*self.args[k] {
            Register::Array {
                n,
                lanes: Lanes { column: Column::Plain(values), validity },
                labels,
            } => Ok(Rows { n: *n, values, validity: validity.as_deref(), labels: labels.as_ref() }),
            Register::Array { .. } | Register::Const(_) | Register::Scalar(_) => Err(refusal()),
        }
    }

    /// Argument `k` if it is the same in all lanes.
    pub fn constant(&self, k: usize) -> Result<&Value, Fault> {
        if let Register::Const(value) = &*self.args[k] { Ok(value) } else { Err(refusal()) }
    }

    /// Argument `k` as an option that is on or off.
    pub fn flag(&self, k: usize) -> Result<bool, Fault> {
        self.constant(k)?.as_bool().ok_or_else(refusal)
    }
}

impl<T: Computed> Operand<'_, T> {
    /// One result a lane.
    pub fn map<R: Element>(&self, lanes: usize, f: impl Fn(T) -> R) -> Vec<R> {
        match &self.source {
            Source::One(value) => vec![f(*value); lanes],
            Source::Many(values) => values.iter().map(|&value| f(value)).collect(),
        }
    }

    /// One result a lane from two arguments.
    pub fn zip<U: Computed, R: Element>(
        &self,
        other: &Operand<'_, U>,
        lanes: usize,
        f: impl Fn(T, U) -> R,
    ) -> Vec<R> {
        match (&self.source, &other.source) {
            (Source::Many(a), Source::Many(b)) => {
                a.iter().zip(b.iter()).map(|(&a, &b)| f(a, b)).collect()
            }
            (Source::Many(a), Source::One(b)) => a.iter().map(|&a| f(a, *b)).collect(),
            (Source::One(a), Source::Many(b)) => b.iter().map(|&b| f(*a, b)).collect(),
            (Source::One(a), Source::One(b)) => vec![f(*a, *b); lanes],
        }
    }

    pub fn one(&self) -> Option<T> {
        if let Source::One(value) = self.source { Some(value) } else { None }
    }

    /// The values of all lanes.
    pub fn broadcast(&self, lanes: usize) -> Cow<'_, [T]> {
        match &self.source {
            Source::One(value) => Cow::Owned(vec![*value; lanes]),
            Source::Many(values) => Cow::Borrowed(values),
        }
    }
}

/// A column in the type `T`, borrowed where it is stored so.
pub fn column<T: Computed>(values: &Values) -> Cow<'_, [T]> {
    match T::slice(values) {
        Some(own) => Cow::Borrowed(own),
        None => Cow::Owned(for_values!(values, v => v.iter().map(|&x| T::of(x)).collect())),
    }
}

macro_rules! primitive_integer {
    ($($t:ty)*) => { $(
        impl Primitive for $t {
            const LEAST: Self = <$t>::MIN;
            const GREATEST: Self = <$t>::MAX;
            #[inline]
            fn f64(self) -> f64 { self as f64 }
            #[inline]
            fn f32(self) -> f32 { self as f32 }
            #[inline]
            fn i64(self) -> i64 { self as i64 }
            #[inline]
            fn is_nan(self) -> bool { false }
            #[inline]
            fn is_finite(self) -> bool { true }
            #[inline]
            fn order(&self, other: &Self) -> Ordering { self.cmp(other) }
        }
    )* };
}

macro_rules! primitive_float {
    ($($t:ty)*) => { $(
        impl Primitive for $t {
            const LEAST: Self = <$t>::NEG_INFINITY;
            const GREATEST: Self = <$t>::INFINITY;
            #[inline]
            fn f64(self) -> f64 { self as f64 }
            #[inline]
            fn f32(self) -> f32 { self as f32 }
            #[inline]
            fn i64(self) -> i64 { self as i64 }
            #[inline]
            fn is_nan(self) -> bool { <$t>::is_nan(self) }
            #[inline]
            fn is_finite(self) -> bool { <$t>::is_finite(self) }
            #[inline]
            fn order(&self, other: &Self) -> Ordering { self.total_cmp(other) }
        }
    )* };
}

primitive_integer! { u8 i8 u16 i16 u32 i32 u64 i64 }
primitive_float! { f32 f64 }

impl Primitive for bool {
    const LEAST: bool = false;
    const GREATEST: bool = true;
    #[inline]
    fn f64(self) -> f64 {
        f64::from(u8::from(self))
    }

    #[inline]
    fn f32(self) -> f32 {
        f32::from(u8::from(self))
    }

    #[inline]
    fn i64(self) -> i64 {
        i64::from(self)
    }

    #[inline]
    fn is_nan(self) -> bool {
        false
    }

    #[inline]
    fn is_finite(self) -> bool {
        true
    }

    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl Computed for f64 {
    #[inline]
    fn of<P: Primitive>(value: P) -> f64 {
        value.f64()
    }

    #[inline]
    fn of_value(value: &Value) -> Option<f64> {
        value.as_f64()
    }
}

impl Computed for f32 {
    #[inline]
    fn of<P: Primitive>(value: P) -> f32 {
        value.f32()
    }

    #[inline]
    fn of_value(value: &Value) -> Option<f32> {
        value.as_f64().map(|value| value as f32)
    }
}

impl Computed for i64 {
    #[inline]
    fn of<P: Primitive>(value: P) -> i64 {
        value.i64()
    }

    #[inline]
    fn of_value(value: &Value) -> Option<i64> {
        if let Value::Int(value) = value { Some(*value) } else { None }
    }
}

impl Computed for bool {
    #[inline]
    fn of<P: Primitive>(value: P) -> bool {
        value.f64() != 0.0
    }

    #[inline]
    fn of_value(value: &Value) -> Option<bool> {
        value.as_bool()
    }
}
