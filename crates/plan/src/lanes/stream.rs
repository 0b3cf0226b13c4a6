//! Reducing an array that arrives in pieces: the contract of streaming accumulators.
//!
//! A [`Fold`] makes an [`Accumulator`], which takes the rows of an axis in their order, however many at a time, and
//! gives the same bytes for every way to cut the axis. [`whole`] gives it all rows at once: that is the kernel of
//! every function that has a fold. The accumulators themselves are in [`super::folds`].

use std::fmt;

use eolith_cube::{DType, Element, Values, for_values};

use super::operand::{Primitive, refusal};
use super::{KernelCall, Register};
use crate::types::Type;
use crate::value::{Fault, Value};

/// Takes the array of every lane row by row.
pub trait Accumulator: fmt::Debug + Send {
    /// The next rows of the axis, stored in the type that the accumulator was made for.
    fn push(&mut self, rows: &Slab<'_>);

    /// One result a lane.
    fn finish(self: Box<Self>) -> Register;

    /// Bytes of state that one lane needs at most, with the result.
    fn bytes_per_lane(&self) -> usize;
}

/// Makes an accumulator; `None` where there is none for these types and options, which does not depend on
/// `stored`, `len` and `lanes`.
pub type Fold = fn(&FoldCall<'_>) -> Option<Box<dyn Accumulator>>;

/// A call of a function with an array as its first argument and constants after it.
#[derive(Debug)]
pub struct FoldCall<'a> {
    /// Type of the elements.
    pub element: &'a Type,
    /// How they are stored: see [`stored_dtype`].
    pub stored: DType,
    /// How many there are, where that is known.
    pub len: Option<usize>,
    /// The arguments after the array.
    pub options: &'a [Value],
    /// The type that the result must have.
    pub out: &'a Type,
    pub lanes: usize,
}

/// Rows of an axis inside a buffer: row `i` is the `lanes` values from `start + i * stride` on.
#[derive(Clone, Copy, Debug)]
pub struct Slab<'a> {
    pub values: &'a Values,
    /// `None`: all valid.
    pub validity: Option<&'a [bool]>,
    pub n: usize,
    pub lanes: usize,
    pub start: usize,
    pub stride: usize,
}

/// The storage type in which elements of type `element` are folded if a cube stores them as `dtype`: integers stay
/// as they are, the others are stored as their type says.
pub fn stored_dtype(element: &Type, dtype: DType) -> DType {
    match element {
        Type::Int(_) if dtype.is_integer() => dtype,
        _ => super::column_dtype(element).unwrap_or(dtype),
    }
}

/// Folds whole arrays: the kernel of functions that have a fold.
pub fn whole(call: &KernelCall<'_>, fold: Fold) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let options: Result<Vec<Value>, Fault> =
        (1..call.args.len()).map(|k| call.constant(k).cloned()).collect();
    let fold_call = FoldCall {
        element: call.types[0].element(),
        stored: rows.values.dtype(),
        len: Some(rows.n),
        options: &options?,
        out: call.out,
        lanes: call.lanes,
    };
    let mut accumulator = fold(&fold_call).ok_or_else(refusal)?;
    accumulator.push(&Slab::packed(rows.values, rows.validity, rows.n, call.lanes));
    Ok(accumulator.finish())
}

impl FoldCall<'_> {
    /// Option `k` (counted after the array) as one that is on or off.
    pub fn flag(&self, k: usize) -> Option<bool> {
        self.options.get(k)?.as_bool()
    }
}

impl<'a> Slab<'a> {
    /// Rows without anything between them.
    pub fn packed(
        values: &'a Values,
        validity: Option<&'a [bool]>,
        n: usize,
        lanes: usize,
    ) -> Slab<'a> {
        Slab { values, validity, n, lanes, start: 0, stride: lanes }
    }

    /// Validity of row `i`.
    pub fn mask(&self, i: usize) -> Option<&'a [bool]> {
        let first = self.start + i * self.stride;
        self.validity.map(|mask| &mask[first..first + self.lanes])
    }

    /// Row `i` of `values`, which are those of the slab.
    pub fn row<P>(&self, values: &'a [P], i: usize) -> &'a [P] {
        let first = self.start + i * self.stride;
        &values[first..first + self.lanes]
    }

    /// The rows as a matrix; `values` are those of the slab.
    pub(super) fn matrix<P: Primitive>(&self, values: &'a [P]) -> super::accumulate::Matrix<'a, P> {
        let tail = |len: usize| self.start.min(len)..;
        super::accumulate::Matrix {
            values: &values[tail(values.len())],
            validity: self.validity.map(|mask| &mask[tail(mask.len())]),
            n: self.n,
            lanes: self.lanes,
            stride: self.stride,
        }
    }

    /// Values and validity of these rows alone, the values as `dtype`.
    pub(crate) fn cast(&self, dtype: DType) -> (Values, Option<Vec<bool>>) {
        let values: Values = for_values!(self.values, v => {
            let rows: Vec<_> = (0..self.n).flat_map(|i| self.row(v, i)).copied().collect();
            Element::wrap(rows)
        });
        let validity = self
            .validity
            .map(|_| (0..self.n).flat_map(|i| self.mask(i).unwrap_or_default()).copied().collect());
        (values.cast(dtype), validity)
    }
}
