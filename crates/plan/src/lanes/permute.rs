//! Sorting and rearranging the elements of an array.

use std::cmp::Ordering;

use eolith_cube::{DType, Element, Values, columns, for_values};

use super::operand::{Primitive, Rows, refusal};
use super::{KernelCall, Lanes, Register};
use crate::value::{Fault, Value};

/// Lanes whose elements are gathered together, one cache line of a row at a time.
const BLOCK: usize = 16;

/// The elements in order. Arguments: array, whether ascending, whether no-data is last (false: first; null: left out,
/// which gives arrays of one length only where there is none).
pub fn sort(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (rows, order) = (call.rows(0)?, order_of(call)?);
    let validity = rows.validity.map(|_| columns::take(rows.n * call.lanes));
    let mut validity: Option<Vec<bool>> = validity;
    let values: Values = for_values!(rows.values, v => {
        let mut out = columns::take(v.len());
        sorted(v, &rows, call.lanes, order, |row, lane, element| {
            let at = row * call.lanes + lane;
            if let Some(valid) = &mut validity {
                valid[at] = element.is_some();
            }
            // What is under the mask may be anything.
            out[at] = element.map_or_else(Default::default, |(_, x)| x);
        });
        Element::wrap(out)
    });
    Ok(Register::Array { n: rows.n, lanes: Lanes::plain(values, validity), labels: None })
}

/// The indices of the elements in order. Arguments as of [`sort`].
pub fn order(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (rows, order) = (call.rows(0)?, order_of(call)?);
    let lanes = call.lanes;
    let mut out: Vec<i64> = columns::take(rows.n * lanes);
    let mut gaps = vec![0; lanes];
    for_values!(rows.values, v => sorted(v, &rows, lanes, order, |row, lane, element| {
        out[row * lanes + lane] = if let Some((i, _)) = element {
            i64::from(i)
        } else {
            // The next element without data, in their order.
            let mask = rows.validity.expect("invariant: only a mask makes gaps");
            let gap = (gaps[lane]..rows.n).find(|i| !mask[i * lanes + lane]);
            let gap = gap.expect("invariant: one place for each gap");
            gaps[lane] = gap + 1;
            gap as i64
        };
    }));
    Ok(Register::Array { n: rows.n, lanes: Lanes::plain(Values::I64(out), None), labels: None })
}

/// The elements at indices. Arguments: array, indices.
pub fn rearrange(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    if let Ok(indices) = call.constant(1) {
        return picked(&rows, indices, call.lanes);
    }
    let indices = call.rows(1)?;
    if indices.validity.is_some_and(|mask| mask.contains(&false)) {
        return Err(refusal());
    }
    let lanes = call.lanes;
    let from: Vec<usize> = for_values!(indices.values, v => {
        let at = |(k, index): (usize, &_)| {
            let index = usize::try_from(Primitive::i64(*index)).ok()?;
            (index < rows.n).then(|| index * lanes + k % lanes)
        };
        v.iter().enumerate().map(at).collect::<Option<_>>().ok_or_else(refusal)?
    });
    if !indices.values.dtype().is_integer() {
        return Err(refusal());
    }
    let values = for_values!(rows.values, v => Element::wrap(from.iter().map(|&i| v[i]).collect()));
    let validity = rows.validity.map(|mask| from.iter().map(|&i| mask[i]).collect());
    Ok(Register::Array { n: indices.n, lanes: Lanes::plain(values, validity), labels: None })
}

/// Whole rows.
fn picked(rows: &Rows<'_>, indices: &Value, lanes: usize) -> Result<Register, Fault> {
    let row = |index: &Value| match index {
        Value::Int(i) => usize::try_from(*i).ok().filter(|i| *i < rows.n),
        _ => None,
    };
    let indices = indices.as_array().ok_or_else(refusal)?;
    let from: Option<Vec<usize>> = indices.values.iter().map(row).collect();
    let from = from.ok_or_else(refusal)?;
    let values = for_values!(rows.values, v => {
        let mut out = columns::take(from.len() * lanes);
        for (out, &i) in out.chunks_exact_mut(lanes.max(1)).zip(&from) {
            out.copy_from_slice(&v[i * lanes..(i + 1) * lanes]);
        }
        Element::wrap(out)
    });
    let validity = rows.validity.map(|mask| {
        let mut out = columns::take(from.len() * lanes);
        for (out, &i) in out.chunks_exact_mut(lanes.max(1)).zip(&from) {
            out.copy_from_slice(&mask[i * lanes..(i + 1) * lanes]);
        }
        out
    });
    Ok(Register::Array { n: from.len(), lanes: Lanes::plain(values, validity), labels: None })
}

#[derive(Clone, Copy)]
struct Order {
    ascending: bool,
    gaps_first: bool,
}

fn order_of(call: &KernelCall<'_>) -> Result<Order, Fault> {
    let rows = call.rows(0)?;
    let gaps = rows.validity.is_some_and(|mask| mask.contains(&false));
    let last = match call.constant(2)? {
        Value::Bool(last) => *last,
        Value::Null if !gaps => true,
        _ => return Err(refusal()),
    };
    if rows.values.dtype() == DType::Bool {
        return Err(refusal());
    }
    Ok(Order { ascending: call.flag(1)?, gaps_first: !last })
}

/// Calls `f` with each row, lane, and the element that belongs there with its index; `None` for no-data.
fn sorted<P: Primitive>(
    values: &[P],
    rows: &Rows<'_>,
    lanes: usize,
    order: Order,
    mut f: impl FnMut(usize, usize, Option<(u32, P)>),
) {
    let mut block: Vec<Vec<(u32, P)>> = (0..BLOCK).map(|_| Vec::with_capacity(rows.n)).collect();
    for start in (0..lanes).step_by(BLOCK) {
        let width = BLOCK.min(lanes - start);
        let block = &mut block[..width];
        block.iter_mut().for_each(Vec::clear);
        for i in 0..rows.n {
            let first = i * lanes + start;
            for (k, own) in block.iter_mut().enumerate() {
                if rows.validity.is_none_or(|mask| mask[first + k]) {
                    own.push((i as u32, values[first + k]));
                }
            }
        }
        for own in block.iter_mut() {
            if order.ascending {
                own.sort_by(|(_, a), (_, b)| compare(*a, *b));
            } else {
                own.sort_by(|(_, a), (_, b)| compare(*b, *a));
            }
        }
        for row in 0..rows.n {
            for (k, own) in block.iter().enumerate() {
                let gaps = if order.gaps_first { rows.n - own.len() } else { 0 };
                let element = row.checked_sub(gaps).and_then(|at| own.get(at));
                f(row, start + k, element.copied());
            }
        }
    }
}

/// NaN after all other numbers, and both zeros the same.
fn compare<P: Primitive>(a: P, b: P) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if a.f64() == 0.0 && b.f64() == 0.0 => Ordering::Equal,
        (false, false) => a.order(&b),
        (a, b) => a.cmp(&b),
    }
}
