//! How kernels read their arguments: any storage type as the type they compute in, constants as one value.
//!
//! Everything that a kernel does not want to handle is an `Err`, which sends the call to the scalar definition.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use eolith_cube::{Element, Label, Values, columns, for_values};
use multiversion::multiversion;

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
    Many(&'a [T]),
    /// Stored in another type: converted block by block.
    Cast(&'a Values),
}

/// Lanes that are converted at once, so that what is converted stays in the first-level cache.
pub const BLOCK: usize = 512;

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
        (Some(mask), None) | (None, Some(mask)) => Some(columns::copy(mask)),
        (Some(a), Some(b)) => {
            let mut both = columns::copy(a);
            both.iter_mut().zip(b).for_each(|(a, &b)| *a &= b);
            Some(both)
        }
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
                Ok(Some(Operand { source: Source::of(values), validity: validity.as_deref() }))
            }
            Register::Scalar(_) | Register::Array { .. } => Err(refusal()),
        }
    }

    /// Argument `k` as an array of one length in all lanes.
    pub fn rows(&self, k: usize) -> Result<Rows<'_>, Fault> {
        Rows::of(&self.args[k])
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

impl Rows<'_> {
    /// The rows of an array register.
    pub(super) fn of(register: &Register) -> Result<Rows<'_>, Fault> {
        match register {
            Register::Array {
                n,
                lanes: Lanes { column: Column::Plain(values), validity },
                labels,
            } => Ok(Rows { n: *n, values, validity: validity.as_deref(), labels: labels.as_ref() }),
            Register::Array { .. } | Register::Const(_) | Register::Scalar(_) => Err(refusal()),
        }
    }
}

impl<'a, T: Computed> Source<'a, T> {
    /// A column in the type `T`.
    pub fn of(values: &'a Values) -> Source<'a, T> {
        T::slice(values).map_or(Source::Cast(values), Source::Many)
    }
}

impl<T: Computed> Operand<'_, T> {
    /// One result a lane.
    pub fn map<R: Element>(&self, lanes: usize, f: impl Fn(T) -> R) -> Vec<R> {
        if let Source::One(value) = &self.source {
            return vec![f(*value); lanes];
        }
        let mut out = columns::take(lanes);
        if let Source::Many(values) = &self.source {
            map_slice(&mut out, &values[..lanes], &f);
            return out;
        }
        let mut buffer = [T::default(); BLOCK];
        for (range, out) in ranges(lanes, BLOCK).zip(out.chunks_mut(BLOCK)) {
            map_slice(out, self.block(range, &mut buffer), &f);
        }
        out
    }

    /// One result a lane from two arguments.
    pub fn zip<U: Computed, R: Element>(
        &self,
        other: &Operand<'_, U>,
        lanes: usize,
        f: impl Fn(T, U) -> R,
    ) -> Vec<R> {
        match (&self.source, &other.source) {
            (_, Source::One(b)) => return self.map(lanes, |a| f(a, *b)),
            (Source::One(a), _) => return other.map(lanes, |b| f(*a, b)),
            _ => {}
        }
        let mut out = columns::take(lanes);
        if let (Source::Many(a), Source::Many(b)) = (&self.source, &other.source) {
            zip_slices(&mut out, &a[..lanes], &b[..lanes], &f);
            return out;
        }
        let (mut a, mut b) = ([T::default(); BLOCK], [U::default(); BLOCK]);
        for (range, out) in ranges(lanes, BLOCK).zip(out.chunks_mut(BLOCK)) {
            zip_slices(out, self.block(range.clone(), &mut a), other.block(range, &mut b), &f);
        }
        out
    }

    pub fn one(&self) -> Option<T> {
        if let Source::One(value) = self.source { Some(value) } else { None }
    }

    /// The values of some lanes, at most [`BLOCK`].
    pub fn block<'b>(&'b self, range: Range<usize>, buffer: &'b mut [T; BLOCK]) -> &'b [T] {
        let own = match &self.source {
            Source::Many(values) => return &values[range],
            Source::One(_) | Source::Cast(_) => &mut buffer[..range.len()],
        };
        match &self.source {
            Source::Cast(values) => for_values!(values, v => cast_slice(own, &v[range])),
            Source::One(value) => own.fill(*value),
            Source::Many(_) => {}
        }
        own
    }
}

/// Runs of at most `most` of so many lanes.
pub(super) fn ranges(lanes: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..lanes).step_by(most).map(move |start| start..(start + most).min(lanes))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn map_slice<T: Copy, R, F: Fn(T) -> R>(out: &mut [R], values: &[T], f: &F) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = f(value);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn zip_slices<T: Copy, U: Copy, R, F: Fn(T, U) -> R>(out: &mut [R], a: &[T], b: &[U], f: &F) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn cast_slice<T: Computed, P: Primitive>(out: &mut [T], values: &[P]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = T::of(value);
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

macro_rules! computed_integer {
    ($($t:ty)*) => { $(
        impl Computed for $t {
            #[inline]
            fn of<P: Primitive>(value: P) -> $t { value.i64() as $t }
            #[inline]
            fn of_value(value: &Value) -> Option<$t> {
                if let Value::Int(value) = value { (*value).try_into().ok() } else { None }
            }
        }
    )* };
}

computed_integer! { u8 i8 u16 i16 u32 i32 u64 i64 }
