//! Running sums, products and extremes along an array: a row of results for each row of elements.
//!
//! No-data stays in its place and is passed over, or ends the run.

use eolith_cube::{Element, Values, columns, for_values};
use multiversion::multiversion;

use super::operand::{Primitive, Rows, refusal};
use super::{KernelCall, Lanes, Register};
use crate::types::Type;
use crate::value::Fault;

/// Arguments: array, whether no-data is passed over.
pub fn sum(call: &KernelCall<'_>) -> Result<Register, Fault> {
    growing(call, i64::wrapping_add, i64::checked_add, |a, b| a + b, |a, b| a + b)
}

/// Arguments: array, whether no-data is passed over.
pub fn product(call: &KernelCall<'_>) -> Result<Register, Fault> {
    growing(call, i64::wrapping_mul, i64::checked_mul, |a, b| a * b, |a, b| a * b)
}

/// Arguments: array, whether no-data is passed over. NaN stays once it is there.
pub fn min(call: &KernelCall<'_>) -> Result<Register, Fault> {
    extreme(call, true)
}

/// Arguments: array, whether no-data is passed over. NaN stays once it is there.
pub fn max(call: &KernelCall<'_>) -> Result<Register, Fault> {
    extreme(call, false)
}

/// A number that is an integer for as long as 64 bits hold it.
#[derive(Clone, Copy, Debug, Default)]
struct Growing {
    whole: i64,
    float: f64,
    outgrown: bool,
}

fn growing(
    call: &KernelCall<'_>,
    bounded: fn(i64, i64) -> i64,
    checked: fn(i64, i64) -> Option<i64>,
    wide: fn(i128, i128) -> i128,
    float: impl Fn(f64, f64) -> f64,
) -> Result<Register, Fault> {
    let (rows, ignore) = (call.rows(0)?, call.flag(1)?);
    let element = call.types[0].element();
    if !matches!(element, Type::Int(_)) {
        return Ok(for_values!(rows.values, v => {
            run(v, &rows, call.lanes, ignore, Primitive::f64, |a, b| float(a, b.f64()), |a| a)
        }));
    }
    if !rows.values.dtype().is_integer() {
        return Err(refusal());
    }
    if let Type::Int(_) = call.out.element() {
        // The type is bound so that 64 bits hold every result; what is under the mask may be anything.
        return Ok(for_values!(rows.values, v => {
            run(v, &rows, call.lanes, ignore, Primitive::i64, |a, b| bounded(a, b.i64()), |a| a)
        }));
    }
    let next = |mut a: Growing, b: i64| {
        if a.outgrown {
            a.float = float(a.float, b as f64);
        } else if let Some(whole) = checked(a.whole, b) {
            a.whole = whole;
        } else {
            a.float = wide(a.whole.into(), b.into()) as f64;
            a.outgrown = true;
        }
        a
    };
    let told = |a: Growing| if a.outgrown { a.float } else { a.whole as f64 };
    Ok(for_values!(rows.values, v => {
        let first = |x: _| Growing { whole: Primitive::i64(x), ..Growing::default() };
        run(v, &rows, call.lanes, ignore, first, |a, b| next(a, b.i64()), told)
    }))
}

fn extreme(call: &KernelCall<'_>, least: bool) -> Result<Register, Fault> {
    let (rows, ignore) = (call.rows(0)?, call.flag(1)?);
    if let Values::Bool(_) = rows.values {
        return Err(refusal());
    }
    Ok(for_values!(rows.values, v => {
        run(v, &rows, call.lanes, ignore, |x| x, |a, b| further(a, b, least), |a| a)
    }))
}

/// The extreme of two; NaN if there is one.
fn further<P: Primitive>(a: P, b: P, least: bool) -> P {
    let beyond = if least { b < a } else { a < b };
    if beyond || b.is_nan() { b } else { a }
}

/// One result an element: `first` starts the run of a lane, `next` goes on with it, `told` is what it stands at.
fn run<P: Primitive, S: Copy + Default, R: Element>(
    values: &[P],
    rows: &Rows<'_>,
    lanes: usize,
    ignore: bool,
    first: impl Fn(P) -> S,
    next: impl Fn(S, P) -> S,
    told: impl Fn(S) -> R,
) -> Register {
    let mut out: Vec<R> = columns::take(rows.n * lanes);
    let mut state = vec![S::default(); lanes];
    let Some(mask) = rows.validity else {
        for (i, (x, out)) in
            values.chunks_exact(lanes.max(1)).zip(out.chunks_exact_mut(lanes.max(1))).enumerate()
        {
            if i == 0 {
                full(out, &mut state, x, &|_, x| first(x), &told);
            } else {
                full(out, &mut state, x, &next, &told);
            }
        }
        return register(rows, R::wrap(out), None);
    };
    let mut valid: Vec<bool> = columns::take(rows.n * lanes);
    let (mut started, mut alive) = (vec![false; lanes], vec![true; lanes]);
    for i in 0..rows.n {
        let row = i * lanes..(i + 1) * lanes;
        let valid = &mut valid[row.clone()];
        for ((valid, &given), alive) in valid.iter_mut().zip(&mask[row.clone()]).zip(&mut alive) {
            *alive &= given | ignore;
            *valid = given && *alive;
        }
        let lanes = Partly { state: &mut state, started: &mut started, valid };
        partly(&mut out[row.clone()], lanes, &values[row], &first, &next, &told);
    }
    register(rows, R::wrap(out), Some(valid))
}

fn register(rows: &Rows<'_>, values: Values, validity: Option<Vec<bool>>) -> Register {
    Register::Array {
        n: rows.n,
        lanes: Lanes::plain(values, validity),
        labels: rows.labels.cloned(),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn full<P: Copy, S: Copy, R, N: Fn(S, P) -> S, T: Fn(S) -> R>(
    out: &mut [R],
    state: &mut [S],
    row: &[P],
    next: &N,
    told: &T,
) {
    for ((out, state), &x) in out.iter_mut().zip(state).zip(row) {
        *state = next(*state, x);
        *out = told(*state);
    }
}

/// Lanes of which some have no-data in a row.
struct Partly<'a, S> {
    state: &'a mut [S],
    started: &'a mut [bool],
    valid: &'a [bool],
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn partly<P: Copy, S: Copy, R, F: Fn(P) -> S, N: Fn(S, P) -> S, T: Fn(S) -> R>(
    out: &mut [R],
    lanes: Partly<'_, S>,
    row: &[P],
    first: &F,
    next: &N,
    told: &T,
) {
    let n = out.len();
    let (state, started) = (&mut lanes.state[..n], &mut lanes.started[..n]);
    let (valid, row) = (&lanes.valid[..n], &row[..n]);
    for k in 0..n {
        let new = if started[k] { next(state[k], row[k]) } else { first(row[k]) };
        state[k] = if valid[k] { new } else { state[k] };
        started[k] |= valid[k];
        out[k] = told(state[k]);
    }
}
