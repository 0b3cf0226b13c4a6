//! Order statistics: median and quantiles, one definition for one value and for many lanes.

use eolith_cube::for_values;

use super::operand::{Primitive, Rows, scalar};
use super::{KernelCall, Lanes, Register, folds};
use crate::value::Fault;

/// Lanes whose elements are gathered together, one cache line of a row at a time.
const BLOCK: usize = 16;

/// The median; the mean of the two in the middle of an even number, NaN where any element is NaN. Not for empty
/// slices. Changes the order of the elements.
pub fn median<P: Primitive>(elements: &mut [P]) -> f64 {
    if elements.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let middle = elements.len() / 2;
    let even = elements.len().is_multiple_of(2);
    let (below, upper, _) = elements.select_nth_unstable_by(middle, P::order);
    let upper = upper.f64();
    match below.iter().max_by(|a, b| a.order(b)) {
        Some(lower) if even => between(lower.f64(), upper, 0.5),
        _ => upper,
    }
}

/// Quantiles of type 7 of Hyndman and Fan (1996) into `out`, NaN where any element is NaN. Not for empty slices.
/// Sorts the elements.
pub fn quantiles<P: Primitive>(elements: &mut [P], probabilities: &[f64], out: &mut [f64]) {
    if elements.iter().any(|x| x.is_nan()) {
        out.fill(f64::NAN);
        return;
    }
    elements.sort_unstable_by(P::order);
    let last = elements.len() - 1;
    for (out, p) in out.iter_mut().zip(probabilities) {
        let position = last as f64 * p;
        let index = (position.floor() as usize).min(last);
        let fraction = position - index as f64;
        let low = elements[index].f64();
        *out = if fraction > 0.0 && index < last {
            between(low, elements[index + 1].f64(), fraction)
        } else {
            low
        };
    }
}

/// The kernel of [`median`]. Arguments: array, whether no-data is ignored.
pub fn median_lanes(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = folds::valid(&rows, call.flag(1)?, call.lanes);
    let mut values = vec![0.0; call.lanes];
    for_values!(rows.values, v => gather(v, &rows, call.lanes, |lane, elements| {
        values[lane] = median(elements);
    }));
    Ok(scalar(values, valid))
}

/// The kernel of [`quantiles`]; the probabilities are the same in all lanes.
pub fn quantiles_lanes(
    call: &KernelCall<'_>,
    probabilities: &[f64],
    ignore: bool,
) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let valid = folds::valid(&rows, ignore, call.lanes);
    let (n, lanes) = (probabilities.len(), call.lanes);
    let mut values = vec![0.0; n * lanes];
    let mut own = vec![0.0; n];
    for_values!(rows.values, v => gather(v, &rows, lanes, |lane, elements| {
        quantiles(elements, probabilities, &mut own);
        own.iter().enumerate().for_each(|(i, value)| values[i * lanes + lane] = *value);
    }));
    let validity = valid.map(|mask| mask.repeat(n));
    let lanes = Lanes::plain(eolith_cube::Values::F64(values), validity);
    Ok(Register::Array { n, lanes, labels: None })
}

/// Linear interpolation that keeps equal values equal and infinities infinite.
fn between(a: f64, b: f64, fraction: f64) -> f64 {
    let distance = b - a;
    if a == b {
        a
    } else if distance.is_finite() {
        a + fraction * distance
    } else {
        a * (1.0 - fraction) + b * fraction
    }
}

/// Calls `f` with the valid elements of each lane that has any.
fn gather<P: Primitive>(
    values: &[P],
    rows: &Rows<'_>,
    lanes: usize,
    mut f: impl FnMut(usize, &mut [P]),
) {
    let n = rows.n;
    let mut buffer = vec![P::default(); BLOCK * n];
    for start in (0..lanes).step_by(BLOCK) {
        let width = BLOCK.min(lanes - start);
        let mut filled = [0usize; BLOCK];
        for i in 0..n {
            let range = i * lanes + start..i * lanes + start + width;
            let row = &values[range.clone()];
            match rows.validity.map(|mask| &mask[range]) {
                None => row.iter().enumerate().for_each(|(k, &x)| buffer[k * n + i] = x),
                Some(mask) => {
                    for (k, (&x, &ok)) in row.iter().zip(mask).enumerate() {
                        if ok {
                            buffer[k * n + filled[k]] = x;
                            filled[k] += 1;
                        }
                    }
                }
            }
        }
        for (k, filled) in filled.iter().enumerate().take(width) {
            let len = if rows.validity.is_some() { *filled } else { n };
            if len > 0 {
                f(start + k, &mut buffer[k * n..k * n + len]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&mut [3u8, 1, 2]), 2.0);
        assert_eq!(median(&mut [8, 2, 5, 9, 3, 6, 1, 4i64]), 4.5);
        assert_eq!(median(&mut [f64::NEG_INFINITY, f64::INFINITY, 1.0]), 1.0);
        assert!(median(&mut [1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn quantiles_keep_infinities() {
        let mut out = [0.0; 3];
        quantiles(&mut [1.5, f64::NEG_INFINITY, 5.75, -1.25], &[0.25, 0.5, 1.0], &mut out);
        assert_eq!(out, [f64::NEG_INFINITY, 0.125, 5.75]);
    }
}
