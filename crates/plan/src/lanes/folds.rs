//! Kernels over the elements of an array: sums, products, moments, extremes, counts, logic.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

use eolith_cube::{Element, Values, for_values};

use super::accumulate::{self, Matrix, Moments};
use super::operand::{Primitive, Rows, refusal, scalar};
use super::{Column, KernelCall, Lanes, Register};
use crate::types::Type;
use crate::value::{Fault, Value};

/// The first `n` elements of every array as a matrix of their storage type.
macro_rules! for_matrix {
    ($rows:expr, $lanes:expr, $m:ident => $body:expr) => {
        for_values!($rows.values, v => {
            let $m = Matrix {
                values: v.as_slice(),
                validity: $rows.validity,
                n: $rows.n,
                lanes: $lanes,
            };
            $body
        })
    };
}

/// Arguments: array, whether no-data is ignored.
pub fn sum(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = outcome(&rows, call.flag(1)?, call.lanes).valid;
    let values = match (call.out, is_float(rows.values)) {
        (Type::Int(_), false) => {
            Values::I64(for_matrix!(rows, call.lanes, m => accumulate::sum_i64(m)))
        }
        (Type::F64, _) => Values::F64(sums(&rows, call.lanes)),
        _ => return Err(refusal()),
    };
    Ok(Register::Scalar(Lanes::plain(values, valid)))
}

/// Arguments: array, whether no-data is ignored.
pub fn mean(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let Outcome { counts, valid } = outcome(&rows, call.flag(1)?, call.lanes);
    let mut values = sums(&rows, call.lanes);
    values.iter_mut().zip(&counts).for_each(|(sum, &n)| *sum /= f64::from(n));
    Ok(scalar(values, valid))
}

/// Arguments: array, whether no-data is ignored.
pub fn product(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = outcome(&rows, call.flag(1)?, call.lanes).valid;
    if is_float(rows.values) {
        let values = for_matrix!(rows, call.lanes, m => accumulate::product_f64(m));
        return Ok(scalar(values, valid));
    }
    let products = for_matrix!(rows, call.lanes, m => accumulate::product_int(m));
    match call.out {
        Type::Int(_) => {
            Ok(scalar(products.iter().map(|p| p.exact.unwrap_or(0)).collect::<Vec<i64>>(), valid))
        }
        Type::F64 => {
            let float = |p: &accumulate::IntProduct| p.exact.map_or(p.float, |exact| exact as f64);
            Ok(scalar(products.iter().map(float).collect::<Vec<f64>>(), valid))
        }
        _ => Err(refusal()),
    }
}

/// A number from the moments of the elements. Arguments: array, whether no-data is ignored.
pub fn moments(call: &KernelCall<'_>, f: impl Fn(Moments) -> f64) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = outcome(&rows, call.flag(1)?, call.lanes).valid;
    let moments = for_matrix!(rows, call.lanes, m => accumulate::moments(m));
    Ok(scalar(moments.into_iter().map(f).collect::<Vec<f64>>(), valid))
}

/// The least element. Arguments: array, whether no-data is ignored.
pub fn min(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = outcome(&rows, call.flag(1)?, call.lanes).valid;
    let values = for_matrix!(rows, call.lanes, m => extreme(m, |x, best| x.lt(&best)));
    Ok(Register::Scalar(Lanes::plain(values, valid)))
}

/// The greatest element. Arguments: array, whether no-data is ignored.
pub fn max(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = outcome(&rows, call.flag(1)?, call.lanes).valid;
    let values = for_matrix!(rows, call.lanes, m => extreme(m, |x, best| x.gt(&best)));
    Ok(Register::Scalar(Lanes::plain(values, valid)))
}

/// The least and the greatest element as an array of two.
pub fn extrema(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let join = |register| match register {
        Register::Scalar(Lanes { column: Column::Plain(values), validity }) => (values, validity),
        _ => (Values::Bool(Vec::new()), None),
    };
    let ((mut values, validity), (greatest, _)) = (join(min(call)?), join(max(call)?));
    for_values!(&mut values, v => v.extend_from_slice(Element::slice(&greatest).ok_or_else(refusal)?));
    let lanes = Lanes::plain(values, validity.map(|mask| [&mask[..], &mask[..]].concat()));
    Ok(Register::Array { n: 2, lanes, labels: None })
}

/// How many elements are finite numbers, or all of them. Arguments: array, condition (null or `true`).
pub fn count(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    match call.constant(1)? {
        Value::Bool(true) => Ok(Register::Const(Value::Int(rows.n as i64))),
        Value::Null => {
            let counts = match rows.values {
                Values::F32(v) => finite(v, &rows, call.lanes),
                Values::F64(v) => finite(v, &rows, call.lanes),
                _ => accumulate::counts(rows.validity, rows.n, call.lanes),
            };
            Ok(scalar(counts.into_iter().map(i64::from).collect(), None))
        }
        _ => Err(refusal()),
    }
}

/// `any` (`wanted` = true) or `all` (`wanted` = false): the wanted value wins; Kleene's logic where no-data counts.
pub fn logic(call: &KernelCall<'_>, wanted: bool) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let ignore = call.flag(1)?;
    let Values::Bool(values) = rows.values else { return Err(refusal()) };
    let mut found = vec![false; call.lanes];
    let mut unknown = vec![false; call.lanes];
    for i in 0..rows.n {
        let range = i * call.lanes..(i + 1) * call.lanes;
        let row = &values[range.clone()];
        match rows.validity.map(|mask| &mask[range]) {
            None => found.iter_mut().zip(row).for_each(|(found, &x)| *found |= x == wanted),
            Some(mask) => {
                for (lane, (&x, &ok)) in row.iter().zip(mask).enumerate() {
                    found[lane] |= ok & (x == wanted);
                    unknown[lane] |= !ok;
                }
            }
        }
    }
    let valid = (!ignore && rows.validity.is_some())
        .then(|| found.iter().zip(&unknown).map(|(&found, &unknown)| found | !unknown).collect());
    Ok(scalar(found.into_iter().map(|found| found == wanted).collect(), valid))
}

/// Which lanes have a result, and of how many elements.
pub(super) struct Outcome {
    pub counts: Vec<u32>,
    pub valid: Option<Vec<bool>>,
}

/// A reducer gives no-data for no elements, and if no-data is not ignored, where any element is no-data.
pub(super) fn outcome(rows: &Rows<'_>, ignore: bool, lanes: usize) -> Outcome {
    let counts = accumulate::counts(rows.validity, rows.n, lanes);
    let least = if ignore { 1 } else { rows.n.max(1) as u32 };
    let valid = (rows.validity.is_some() || rows.n == 0)
        .then(|| counts.iter().map(|&count| count >= least).collect());
    Outcome { counts, valid }
}

fn is_float(values: &Values) -> bool {
    values.dtype().is_float()
}

/// Sums as floats; those of integers are exact before they are rounded.
fn sums(rows: &Rows<'_>, lanes: usize) -> Vec<f64> {
    if is_float(rows.values) {
        return for_matrix!(rows, lanes, m => accumulate::sum_f64(m));
    }
    if rows.values.dtype().size() <= 4 {
        let sums = for_matrix!(rows, lanes, m => accumulate::sum_i64(m));
        return sums.into_iter().map(|sum| sum as f64).collect();
    }
    let sums = for_matrix!(rows, lanes, m => accumulate::sum_i128(m));
    sums.into_iter().map(|sum| sum as f64).collect()
}

/// The first element that no other is better than; NaN is better than all.
fn extreme<P: Primitive>(m: Matrix<'_, P>, better: impl Fn(P, P) -> bool) -> Values {
    let mut best = vec![P::default(); m.lanes];
    match m.validity {
        None if m.n > 0 => {
            best.copy_from_slice(m.row(0, 0, m.lanes).0);
            for i in 1..m.n {
                for (best, &x) in best.iter_mut().zip(m.row(i, 0, m.lanes).0) {
                    *best = if better(x, *best) | x.is_nan() { x } else { *best };
                }
            }
        }
        None => {}
        Some(_) => {
            let mut seen = vec![false; m.lanes];
            for i in 0..m.n {
                let (row, mask) = m.row(i, 0, m.lanes);
                let mask = mask.unwrap_or_default();
                for (((best, seen), &x), &ok) in best.iter_mut().zip(&mut seen).zip(row).zip(mask) {
                    let take = ok & (!*seen | better(x, *best) | x.is_nan());
                    *best = if take { x } else { *best };
                    *seen |= ok;
                }
            }
        }
    }
    P::wrap(best)
}

fn finite<P: Primitive>(values: &[P], rows: &Rows<'_>, lanes: usize) -> Vec<u32> {
    let mut counts = vec![0u32; lanes];
    let m = Matrix { values, validity: rows.validity, n: rows.n, lanes };
    for i in 0..m.n {
        let (row, mask) = m.row(i, 0, lanes);
        match mask {
            None => counts.iter_mut().zip(row).for_each(|(n, x)| *n += u32::from(x.is_finite())),
            Some(mask) => counts
                .iter_mut()
                .zip(row)
                .zip(mask)
                .for_each(|((n, x), &ok)| *n += u32::from(ok & x.is_finite())),
        }
    }
    counts
}
