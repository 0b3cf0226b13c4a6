//! Order statistics: median and quantiles, one definition for one value and for many lanes.

mod network;

use eolith_cube::{Values, columns, for_values};
use multiversion::multiversion;

use self::network::{Comparator, Ranks, Sortable};
use super::operand::{Primitive, Rows, scalar};
use super::{KernelCall, Lanes, Register, folds};
use crate::types::Type;
use crate::value::Fault;

/// Lanes whose elements are gathered together, one cache line of a row at a time.
const BLOCK: usize = 16;

/// Bytes of a row of a sorting network: a few vectors, so that all rows stay in the first-level cache.
const ROW: usize = 256;

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
    for (out, p) in out.iter_mut().zip(probabilities) {
        *out = quantile(elements.len(), *p, |i| elements[i].f64());
    }
}

/// The kernel of [`median`]. Arguments: array, whether no-data is ignored.
pub fn median_lanes(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let ignore = call.flag(1)?;
    let single = *call.out == Type::F32;
    let mut medians = columns::take(call.lanes);
    medians.fill(0.0);
    if rows.n > network::MOST {
        for_values!(rows.values, v => gather(v, &rows, call.lanes, |lane, elements| {
            medians[lane] = median(elements);
        }));
        let valid = folds::valid(&rows, ignore, call.lanes);
        return Ok(rounded(medians, valid, single));
    }
    let ranks = if rows.validity.is_some() { Ranks::Lower } else { Ranks::Middle };
    let network = network::comparators(rows.n, ranks);
    let mut valid = Validity::new(&rows, ignore, call.lanes);
    for_values!(rows.values, v => sorted(v, &rows, call.lanes, network, |start, block| {
        block.medians(&mut medians[start..start + block.width]);
        valid.set(start, block.counts);
    }));
    Ok(rounded(medians, valid.lanes, single))
}

/// The kernel of [`quantiles`]; the probabilities are the same in all lanes.
pub fn quantiles_lanes(
    call: &KernelCall<'_>,
    probabilities: &[f64],
    ignore: bool,
) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let (n, lanes) = (probabilities.len(), call.lanes);
    let mut values = vec![0.0; n * lanes];
    let mut own = vec![0.0; n];
    let valid = if rows.n > network::MOST {
        for_values!(rows.values, v => gather(v, &rows, lanes, |lane, elements| {
            quantiles(elements, probabilities, &mut own);
            own.iter().enumerate().for_each(|(i, value)| values[i * lanes + lane] = *value);
        }));
        folds::valid(&rows, ignore, lanes)
    } else {
        let network = network::comparators(rows.n, Ranks::All);
        let mut valid = Validity::new(&rows, ignore, lanes);
        for_values!(rows.values, v => sorted(v, &rows, lanes, network, |start, block| {
            for (p, values) in probabilities.iter().zip(values.chunks_exact_mut(lanes)) {
                block.quantiles(*p, &mut values[start..start + block.width]);
            }
            valid.set(start, block.counts);
        }));
        valid.lanes
    };
    let validity = valid.map(|mask| mask.repeat(n));
    let values = Values::F64(values);
    let single = *call.out.element() == Type::F32;
    let values = if single { values.cast(eolith_cube::DType::F32) } else { values };
    Ok(Register::Array { n, lanes: Lanes::plain(values, validity), labels: None })
}

/// Some lanes of an array after sorting.
struct Sorted<'a, P: Sortable> {
    /// Rows of `pitch` lanes, of which the first `width` are in use.
    rows: &'a [P::Key],
    n: usize,
    pitch: usize,
    width: usize,
    /// Valid elements of each lane.
    counts: &'a [u8],
    /// Lanes with NaN.
    nan: &'a [bool],
    /// All elements of all lanes are valid.
    full: bool,
}

/// Which lanes have a result, if not all.
struct Validity {
    lanes: Option<Vec<bool>>,
    least: u8,
}

impl<P: Sortable> Sorted<'_, P> {
    fn medians(&self, out: &mut [f64]) {
        if self.n == 0 {
            return;
        }
        if self.full {
            let (low, high) = (self.row((self.n - 1) / 2), self.row(self.n / 2));
            for ((out, &low), &high) in out.iter_mut().zip(low).zip(high) {
                *out = between(P::of_key(low).f64(), P::of_key(high).f64(), 0.5);
            }
        } else {
            for (lane, (out, &count)) in out.iter_mut().zip(self.counts).enumerate() {
                let low = self.at(usize::from(count.saturating_sub(1)) / 2, lane);
                let high = self.at(usize::from(count) / 2, lane);
                *out = between(low, high, 0.5);
            }
        }
        self.spread_nan(out);
    }

    fn quantiles(&self, p: f64, out: &mut [f64]) {
        for (lane, (out, &count)) in out.iter_mut().zip(self.counts).enumerate() {
            if count > 0 {
                *out = quantile(usize::from(count), p, |i| self.at(i, lane));
            }
        }
        self.spread_nan(out);
    }

    fn row(&self, i: usize) -> &[P::Key] {
        &self.rows[i * self.pitch..i * self.pitch + self.width]
    }

    fn at(&self, i: usize, lane: usize) -> f64 {
        P::of_key(self.rows[i * self.pitch + lane]).f64()
    }

    fn spread_nan(&self, out: &mut [f64]) {
        for (out, &nan) in out.iter_mut().zip(self.nan) {
            *out = if nan { f64::NAN } else { *out };
        }
    }
}

impl Validity {
    fn new(rows: &Rows<'_>, ignore: bool, lanes: usize) -> Validity {
        let some = rows.validity.is_some() || rows.n == 0;
        let least = if ignore { 1 } else { rows.n.clamp(1, network::MOST) as u8 };
        Validity { lanes: some.then(|| vec![false; lanes]), least }
    }

    fn set(&mut self, start: usize, counts: &[u8]) {
        if let Some(lanes) = &mut self.lanes {
            let own = lanes[start..].iter_mut().zip(counts);
            own.for_each(|(ok, &count)| *ok = count >= self.least);
        }
    }
}

fn rounded(values: Vec<f64>, valid: Option<Vec<bool>>, single: bool) -> Register {
    if single {
        let mut singles = columns::take(values.len());
        singles.iter_mut().zip(&values).for_each(|(single, &x)| *single = x as f32);
        columns::give(values);
        return scalar::<f32>(singles, valid);
    }
    scalar(values, valid)
}

fn quantile(n: usize, p: f64, element: impl Fn(usize) -> f64) -> f64 {
    let last = n - 1;
    let position = last as f64 * p;
    let index = (position.floor() as usize).min(last);
    let fraction = position - index as f64;
    let low = element(index);
    if fraction > 0.0 && index < last { between(low, element(index + 1), fraction) } else { low }
}

/// Linear interpolation that keeps equal values equal and infinities infinite.
#[inline]
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

/// Sorts the lanes block by block, no-data after everything else, and calls `f` with the first lane of each block.
fn sorted<P: Sortable>(
    values: &[P],
    rows: &Rows<'_>,
    lanes: usize,
    network: &[Comparator],
    f: impl FnMut(usize, &Sorted<'_, P>),
) {
    match size_of::<P>() {
        1 => blocks::<P, ROW>(values, rows, lanes, network, f),
        2 => blocks::<P, { ROW / 2 }>(values, rows, lanes, network, f),
        4 => blocks::<P, { ROW / 4 }>(values, rows, lanes, network, f),
        _ => blocks::<P, { ROW / 8 }>(values, rows, lanes, network, f),
    }
}

fn blocks<P: Sortable, const L: usize>(
    values: &[P],
    rows: &Rows<'_>,
    lanes: usize,
    network: &[Comparator],
    mut f: impl FnMut(usize, &Sorted<'_, P>),
) {
    let n = rows.n;
    let mut buffer = vec![[P::Key::default(); L]; n];
    let (mut counts, mut nan) = ([0u8; L], [false; L]);
    for start in (0..lanes).step_by(L) {
        let width = L.min(lanes - start);
        let part = |i: usize| i * lanes + start..i * lanes + start + width;
        counts.fill(0);
        nan.fill(false);
        for (i, keys) in buffer.iter_mut().enumerate() {
            let mask = rows.validity.map(|mask| &mask[part(i)]);
            fill(keys, &mut counts, &mut nan, &values[part(i)], mask);
        }
        network::sort(&mut buffer, network);
        f(
            start,
            &Sorted {
                rows: buffer.as_flattened(),
                n,
                pitch: L,
                width,
                counts: &counts[..width],
                nan: &nan[..width],
                full: rows.validity.is_none(),
            },
        );
    }
}

/// The keys of one row; no-data sorts after everything else.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn fill<P: Sortable, const L: usize>(
    keys: &mut [P::Key; L],
    counts: &mut [u8; L],
    nan: &mut [bool; L],
    row: &[P],
    mask: Option<&[bool]>,
) {
    let out = keys.iter_mut().zip(counts).zip(nan).zip(row);
    match mask {
        None => out.for_each(|(((key, count), nan), &x)| {
            *key = x.key();
            *count += 1;
            *nan |= x.is_nan();
        }),
        Some(mask) => out.zip(mask).for_each(|((((key, count), nan), &x), &ok)| {
            *key = if ok { x.key() } else { P::LAST };
            *count += u8::from(ok);
            *nan |= ok & x.is_nan();
        }),
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
