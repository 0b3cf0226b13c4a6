//! The values that resampling reads and writes.

use std::cmp::Ordering;

use crate::values::Element;

/// A storage type as a source of resampling.
pub(super) trait Sample: Element {
    /// Neither NaN nor infinite: `is_valid()` of openEO, less the no-data.
    fn finite(self) -> bool;
    fn real(self) -> f64;
    /// A total order; of the zeros the negative one is less.
    fn order(&self, other: &Self) -> Ordering;
}

macro_rules! sample {
    ($($t:ty: $finite:expr, $real:expr, $order:path;)*) => { $(
        impl Sample for $t {
            #[inline]
            fn finite(self) -> bool { let finite: fn($t) -> bool = $finite; finite(self) }
            #[inline]
            fn real(self) -> f64 { let real: fn($t) -> f64 = $real; real(self) }
            fn order(&self, other: &Self) -> Ordering { $order(self, other) }
        }
    )* };
}

sample! {
    bool: |_| true, |v| f64::from(u8::from(v)), Ord::cmp;
    u8: |_| true, f64::from, Ord::cmp;
    i8: |_| true, f64::from, Ord::cmp;
    u16: |_| true, f64::from, Ord::cmp;
    i16: |_| true, f64::from, Ord::cmp;
    u32: |_| true, f64::from, Ord::cmp;
    i32: |_| true, f64::from, Ord::cmp;
    u64: |_| true, |v| v as f64, Ord::cmp;
    i64: |_| true, |v| v as f64, Ord::cmp;
    f32: f32::is_finite, f64::from, f32::total_cmp;
    f64: f64::is_finite, |v| v, f64::total_cmp;
}

/// A storage type of computed results.
pub(super) trait Real: Sample {
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    #[inline]
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    #[inline]
    fn of(value: f64) -> Self {
        value
    }
}
