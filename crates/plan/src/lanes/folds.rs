//! Accumulators over the elements of an array: sums, products, moments, extremes, counts, logic, first and last.
//!
//! Each is a [`Fold`](super::stream::Fold): the kernel of a whole array and the state of one that streams are the same.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

mod chosen;
mod found;
mod totals;

use eolith_cube::{DType, Element, Values, columns, for_values};

use super::accumulate::{
    Cells, ExactProduct, FloatProduct, FloatSum, IntProduct, IntSum, MomentCells, Moments,
    NarrowSum, Rule, Totals, WideSum,
};
use super::operand::{Primitive, Rows, scalar};
use super::stream::{Accumulator, FoldCall, Slab};
use super::{Lanes, Register};
use crate::types::Type;
use crate::value::Value;

use totals::{floats, means, wholes};

type Folding = Option<Box<dyn Accumulator>>;

/// Options: whether no-data is ignored.
pub fn sum(call: &FoldCall<'_>) -> Folding {
    let whole = matches!(call.out, Type::Int(_));
    match call.stored {
        _ if !is_float(call.out) && !whole => None,
        DType::F32 | DType::F64 if whole => None,
        DType::F32 | DType::F64 => {
            summing::<FloatSum>(call, |sums, _, single| floats(sums, single, |s| s))
        }
        dtype if dtype.size() <= 2 && whole => {
            summing::<NarrowSum>(call, |sums, _, _| wholes(sums, |s| s))
        }
        dtype if dtype.size() <= 2 => {
            summing::<NarrowSum>(call, |s, _, single| floats(s, single, |s| s as f64))
        }
        _ if whole => summing::<IntSum>(call, |sums, _, _| wholes(sums, |s| s)),
        dtype if dtype.size() <= 4 => {
            summing::<IntSum>(call, |s, _, single| floats(s, single, |s| s as f64))
        }
        _ => summing::<WideSum>(call, |s, _, single| floats(s, single, |s| s as f64)),
    }
}

/// Options: whether no-data is ignored.
pub fn mean(call: &FoldCall<'_>) -> Folding {
    match call.stored {
        _ if !is_float(call.out) => None,
        DType::F32 | DType::F64 => {
            summing::<FloatSum>(call, |s, n, single| means(s, n, single, |s| s))
        }
        dtype if dtype.size() <= 2 => {
            summing::<NarrowSum>(call, |s, n, single| means(s, n, single, |s| s as f64))
        }
        dtype if dtype.size() <= 4 => {
            summing::<IntSum>(call, |s, n, single| means(s, n, single, |s| s as f64))
        }
        _ => summing::<WideSum>(call, |s, n, single| means(s, n, single, |s| s as f64)),
    }
}

/// Options: whether no-data is ignored.
pub fn product(call: &FoldCall<'_>) -> Folding {
    let whole = matches!(call.out, Type::Int(_));
    match call.stored {
        _ if !is_float(call.out) && !whole => None,
        DType::F32 | DType::F64 if whole => None,
        DType::F32 | DType::F64 => {
            summing::<FloatProduct>(call, |p, _, single| floats(p, single, |p| p))
        }
        _ if whole => summing::<ExactProduct>(call, |products, _, _| {
            wholes(products, |p| p.exact.unwrap_or(0))
        }),
        _ => summing::<ExactProduct>(call, |p, _, single| floats(p, single, IntProduct::rounded)),
    }
}

/// Options: whether no-data is ignored.
pub fn variance(call: &FoldCall<'_>) -> Folding {
    spread(call, Moments::variance)
}

/// Options: whether no-data is ignored.
pub fn sd(call: &FoldCall<'_>) -> Folding {
    spread(call, |moments| moments.variance().sqrt())
}

/// The least element. Options: whether no-data is ignored.
pub fn min(call: &FoldCall<'_>) -> Folding {
    chosen::extreme::<false>(call)
}

/// The greatest element. Options: whether no-data is ignored.
pub fn max(call: &FoldCall<'_>) -> Folding {
    chosen::extreme::<true>(call)
}

/// The least and the greatest element as an array of two. Options: whether no-data is ignored.
pub fn extrema(call: &FoldCall<'_>) -> Folding {
    chosen::pair(call)
}

/// How many elements are finite numbers, or all of them. Options: condition (null or `true`).
pub fn count(call: &FoldCall<'_>) -> Folding {
    let all = match call.options.first()? {
        Value::Bool(true) => true,
        Value::Null => false,
        _ => return None,
    };
    Some(Box::new(Count { all, n: 0, everywhere: 0, counts: None, lanes: call.lanes }))
}

/// The wanted value wins; Kleene's logic where no-data counts. Options: whether no-data is ignored.
pub fn any(call: &FoldCall<'_>) -> Folding {
    found::logic(call, true)
}

/// See [`any`].
pub fn all(call: &FoldCall<'_>) -> Folding {
    found::logic(call, false)
}

/// The first element. Options: whether no-data is ignored.
pub fn first(call: &FoldCall<'_>) -> Folding {
    chosen::end::<false>(call)
}

/// The last element. Options: whether no-data is ignored.
pub fn last(call: &FoldCall<'_>) -> Folding {
    chosen::end::<true>(call)
}

/// Which lanes of an array have a result: a reducer gives no-data for no elements, and if no-data is not ignored,
/// where any element is no-data.
pub(super) fn valid(rows: &Rows<'_>, ignore: bool, lanes: usize) -> Option<Vec<bool>> {
    let mut presence = Presence::new(ignore, lanes);
    presence.push(&Slab::packed(rows.values, rows.validity, rows.n, lanes));
    presence.valid()
}

/// Whether an element equals a value. Options: the value.
pub fn contains(call: &FoldCall<'_>) -> Folding {
    found::contains(call)
}

/// The index of the first or last element that equals a value. Options: the value, whether it is the last one.
pub fn find(call: &FoldCall<'_>) -> Folding {
    found::find(call)
}

/// How many elements are true. No options.
pub fn truths(call: &FoldCall<'_>) -> Folding {
    found::truths(call)
}

/// How many elements of each lane are no-data.
#[derive(Debug)]
struct Counts {
    n: usize,
    lanes: usize,
    /// Nothing before the first row with a mask.
    missing: Option<Vec<u32>>,
}

/// Which lanes have any valid element, where no-data is ignored, or nothing but valid elements, where it is not.
#[derive(Debug)]
struct Presence {
    ignore: bool,
    n: usize,
    lanes: usize,
    /// Nothing before the first row with a mask.
    flags: Option<Vec<bool>>,
    /// A row without a mask went by.
    full: bool,
}

#[derive(Debug)]
struct Summing<R: Rule> {
    cells: Cells<R>,
    counts: Counts,
    ignore: bool,
    finish: fn(Totals<'_, R>, &Counts, bool) -> Values,
    /// Whether the result is rounded to `f32`.
    single: bool,
    bytes: usize,
}

#[derive(Debug)]
struct Spread {
    cells: MomentCells,
    presence: Presence,
    finish: fn(Moments) -> f64,
    single: bool,
    bytes: usize,
}

#[derive(Debug)]
struct Count {
    all: bool,
    n: usize,
    /// Elements that count in every lane.
    everywhere: i64,
    counts: Option<Vec<u32>>,
    lanes: usize,
}

impl Counts {
    fn new(lanes: usize) -> Counts {
        Counts { n: 0, lanes, missing: None }
    }

    fn push(&mut self, rows: &Slab<'_>) {
        self.n += rows.n;
        if rows.validity.is_some() {
            tally(self.missing.get_or_insert_with(|| filled(self.lanes, 0)), rows, false);
        }
    }

    /// Which lanes have a result: those with any element, and if no-data is not ignored, those without no-data.
    fn valid(&self, ignore: bool) -> Option<Vec<bool>> {
        let n = self.n as u32;
        match &self.missing {
            _ if n == 0 => Some(vec![false; self.lanes]),
            None => None,
            Some(missing) if ignore => Some(missing.iter().map(|&missing| missing < n).collect()),
            Some(missing) => Some(missing.iter().map(|&missing| missing == 0).collect()),
        }
    }
}

impl Presence {
    fn new(ignore: bool, lanes: usize) -> Presence {
        Presence { ignore, n: 0, lanes, flags: None, full: false }
    }

    fn push(&mut self, rows: &Slab<'_>) {
        self.n += rows.n;
        if rows.validity.is_none() {
            self.full |= rows.n > 0;
        }
        for mask in (0..rows.n).filter_map(|i| rows.mask(i)) {
            let flags = self.flags.get_or_insert_with(|| filled(self.lanes, !self.ignore));
            let flags = flags.iter_mut().zip(mask);
            if self.ignore {
                flags.for_each(|(flag, &ok)| *flag |= ok);
            } else {
                flags.for_each(|(flag, &ok)| *flag &= ok);
            }
        }
    }

    /// Which lanes have a result, if not all; none without elements.
    fn valid(self) -> Option<Vec<bool>> {
        match self.flags {
            _ if self.n == 0 => Some(vec![false; self.lanes]),
            _ if self.ignore && self.full => None,
            flags => flags,
        }
    }
}

impl<R: Rule> Accumulator for Summing<R> {
    fn push(&mut self, rows: &Slab<'_>) {
        self.counts.push(rows);
        for_values!(rows.values, v => self.cells.push(rows.matrix(v)));
    }

    fn finish(mut self: Box<Self>) -> Register {
        let valid = self.counts.valid(self.ignore);
        let values = (self.finish)(self.cells.finish(), &self.counts, self.single);
        self.counts.missing.into_iter().for_each(columns::give);
        Register::Scalar(Lanes::plain(values, valid))
    }

    fn bytes_per_lane(&self) -> usize {
        self.bytes + size_of::<u32>() + RESULT
    }
}

impl Accumulator for Spread {
    fn push(&mut self, rows: &Slab<'_>) {
        self.presence.push(rows);
        for_values!(rows.values, v => self.cells.push(rows.matrix(v)));
    }

    fn finish(self: Box<Self>) -> Register {
        let Spread { cells, presence, finish, single, .. } = *self;
        let valid = presence.valid();
        let moments = cells.finish().into_iter().map(finish);
        if single {
            return scalar(moments.map(|result| result as f32).collect::<Vec<f32>>(), valid);
        }
        scalar(moments.collect::<Vec<f64>>(), valid)
    }

    fn bytes_per_lane(&self) -> usize {
        self.bytes + size_of::<bool>() + RESULT
    }
}

impl Accumulator for Count {
    fn push(&mut self, rows: &Slab<'_>) {
        self.n += rows.n;
        if self.all {
            return;
        }
        match rows.values {
            Values::F32(v) => self.finite(v, rows),
            Values::F64(v) => self.finite(v, rows),
            _ if rows.validity.is_none() => self.everywhere += rows.n as i64,
            _ => {
                tally(self.counts.get_or_insert_with(|| filled(self.lanes, 0)), rows, true);
            }
        }
    }

    fn finish(self: Box<Self>) -> Register {
        if self.all {
            return Register::Const(Value::Int(self.n as i64));
        }
        let counts = match self.counts {
            None => vec![self.everywhere; self.lanes],
            Some(counts) => counts.into_iter().map(|n| i64::from(n) + self.everywhere).collect(),
        };
        scalar(counts, None)
    }

    fn bytes_per_lane(&self) -> usize {
        if self.all { 0 } else { size_of::<u32>() + RESULT }
    }
}

impl Count {
    fn finite<P: Primitive>(&mut self, values: &[P], rows: &Slab<'_>) {
        let counts = self.counts.get_or_insert_with(|| filled(self.lanes, 0));
        for i in 0..rows.n {
            let counted = counts.iter_mut().zip(rows.row(values, i));
            match rows.mask(i) {
                None => counted.for_each(|(n, x)| *n += u32::from(x.is_finite())),
                Some(mask) => {
                    counted.zip(mask).for_each(|((n, x), &ok)| *n += u32::from(ok & x.is_finite()));
                }
            }
        }
    }
}

/// Bytes of a result and its validity.
const RESULT: usize = size_of::<f64>() + 1;

fn summing<R: Rule>(
    call: &FoldCall<'_>,
    finish: fn(Totals<'_, R>, &Counts, bool) -> Values,
) -> Folding {
    Some(Box::new(Summing::<R> {
        cells: Cells::new(call.lanes),
        counts: Counts::new(call.lanes),
        ignore: ignores(call)?,
        finish,
        single: *call.out == Type::F32,
        bytes: Cells::<R>::bytes(call.len),
    }))
}

fn spread(call: &FoldCall<'_>, finish: fn(Moments) -> f64) -> Folding {
    if !is_float(call.out) {
        return None;
    }
    Some(Box::new(Spread {
        cells: MomentCells::new(call.lanes),
        presence: Presence::new(ignores(call)?, call.lanes),
        finish,
        single: *call.out == Type::F32,
        bytes: MomentCells::bytes(call.len),
    }))
}

fn ignores(call: &FoldCall<'_>) -> Option<bool> {
    call.flag(0)
}

fn is_float(ty: &Type) -> bool {
    matches!(ty, Type::F32 | Type::F64)
}

fn typed<'a, P: Element>(rows: &Slab<'a>) -> &'a [P] {
    P::slice(rows.values).expect("invariant: rows come in the type that was announced")
}

/// Counts the elements of each lane that are valid, or those that are not.
fn tally(counts: &mut [u32], rows: &Slab<'_>, valid: bool) {
    const BLOCK: usize = 512;
    for start in (0..rows.lanes).step_by(BLOCK) {
        let width = BLOCK.min(rows.lanes - start);
        // Bytes hold the counts of so many rows.
        for first in (0..rows.n).step_by(255) {
            let mut bytes = [0u8; BLOCK];
            for mask in (first..rows.n.min(first + 255)).filter_map(|i| rows.mask(i)) {
                let mask = &mask[start..start + width];
                bytes.iter_mut().zip(mask).for_each(|(n, &ok)| *n += u8::from(ok == valid));
            }
            let counts = &mut counts[start..start + width];
            counts.iter_mut().zip(bytes).for_each(|(n, own)| *n += u32::from(own));
        }
    }
}

/// A column of the same element.
fn filled<T: Element>(len: usize, element: T) -> Vec<T> {
    let mut column = columns::take(len);
    column.fill(element);
    column
}
