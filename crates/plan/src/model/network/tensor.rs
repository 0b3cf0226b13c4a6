//! Weights: numbers with a shape. All are held as `f64`, which has every value of the types that networks use.

use std::sync::Arc;

/// What a number may be. Results of an operator are rounded to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
    Int,
    Bool,
}

/// A constant of a network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) kind: Kind,
    pub(super) dims: Vec<usize>,
    /// In C order.
    pub(super) values: Arc<[f64]>,
}

impl Kind {
    /// The type with this number in ONNX; halves are computed as singles.
    pub(super) fn of(number: i64) -> Option<Kind> {
        Some(match number {
            1 => Kind::Single,
            11 => Kind::Double,
            2..=7 | 12 => Kind::Int,
            9 => Kind::Bool,
            _ => return None,
        })
    }

    /// A number as this type has it.
    pub(super) fn rounded(self, value: f64) -> f64 {
        match self {
            Kind::Single => f64::from(value as f32),
            Kind::Double => value,
            Kind::Int => value.trunc(),
            Kind::Bool => f64::from(value != 0.0),
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Kind::Single | Kind::Double)
    }
}

impl Tensor {
    /// `None` if the shape does not have as many numbers, or integers are too large to be exact.
    pub(super) fn new(kind: Kind, dims: Vec<usize>, values: Vec<f64>) -> Option<Tensor> {
        let count = dims.iter().try_fold(1_usize, |count, n| count.checked_mul(*n))?;
        let exact = |value: &f64| kind != Kind::Int || value.abs() <= EXACT;
        (count == values.len() && values.iter().all(exact)).then(|| Tensor {
            kind,
            dims,
            values: values.into(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The numbers under another shape of as many.
    pub(super) fn shaped(&self, dims: Vec<usize>) -> Option<Tensor> {
        let count = dims.iter().try_fold(1_usize, |count, n| count.checked_mul(*n))?;
        (count == self.len()).then(|| Tensor { dims, ..self.clone() })
    }

    /// Each number changed by itself, and of another type.
    pub(super) fn mapped(&self, kind: Kind, f: impl Fn(f64) -> f64) -> Tensor {
        let values = self.values.iter().map(|value| kind.rounded(f(*value))).collect();
        Tensor { kind, dims: self.dims.clone(), values }
    }

    /// A matrix turned around; anything else stays, where it has less than two dimensions.
    pub(super) fn transposed(&self) -> Option<Tensor> {
        match self.dims.as_slice() {
            [] | [_] => Some(self.clone()),
            &[rows, columns] => {
                let at = |i: usize| self.values[i % rows * columns + i / rows];
                let values = (0..self.len()).map(at).collect();
                Some(Tensor { kind: self.kind, dims: vec![columns, rows], values })
            }
            _ => None,
        }
    }

    /// The numbers that one row of a table meets: those of a scalar, a list, or a table of one row.
    pub(super) fn row(&self) -> Option<Arc<[f64]>> {
        let (_, before) = self.dims.split_last().unwrap_or((&1, &[]));
        (self.dims.len() <= 2 && before.iter().all(|n| *n == 1)).then(|| Arc::clone(&self.values))
    }

    pub(super) fn ints(&self) -> Vec<i64> {
        self.values.iter().map(|value| *value as i64).collect()
    }
}

/// Integers up to this magnitude are exact in 64 bits of floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;
