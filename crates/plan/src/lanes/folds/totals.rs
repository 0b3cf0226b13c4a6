//! Columns of the totals that accumulators come to: rounded, divided by how many there were, or as they are.

use eolith_cube::{Values, columns};
use multiversion::multiversion;

use super::Counts;
use crate::lanes::accumulate::{Rule, Totals};

/// The totals, in `f32` where `single`.
pub(super) fn floats<R: Rule>(
    totals: Totals<'_, R>,
    single: bool,
    f: impl Fn(R::Total) -> f64,
) -> Values {
    converted(totals, None, single, |total, _| f(total))
}

/// Totals divided by how many there were, in `f32` where `single`.
pub(super) fn means<R: Rule>(
    sums: Totals<'_, R>,
    counts: &Counts,
    single: bool,
    f: impl Fn(R::Total) -> f64,
) -> Values {
    let n = counts.n as u32;
    let mean = |sum, missing: u32| f(sum) / f64::from(n - missing);
    converted(sums, counts.missing.as_deref(), single, mean)
}

/// Whole numbers as they are.
pub(super) fn wholes<R: Rule>(totals: Totals<'_, R>, f: impl Fn(R::Total) -> i64) -> Values {
    Values::I64(match totals {
        Totals::Cells(cells) => cells.iter().map(|&cell| f(R::open(cell))).collect(),
        Totals::Merged(totals) => totals.iter().map(|&total| f(total)).collect(),
    })
}

/// What `f` makes of each total and how many elements are missing in it, in `f32` where `single`.
fn converted<R: Rule>(
    totals: Totals<'_, R>,
    missing: Option<&[u32]>,
    single: bool,
    f: impl Fn(R::Total, u32) -> f64,
) -> Values {
    match totals {
        Totals::Cells(cells) => column(cells, missing, single, |cell, n| f(R::open(cell), n)),
        Totals::Merged(totals) => column(totals, missing, single, f),
    }
}

fn column<T: Copy>(
    totals: &[T],
    missing: Option<&[u32]>,
    single: bool,
    f: impl Fn(T, u32) -> f64,
) -> Values {
    if single {
        let mut out = columns::take(totals.len());
        rounded(&mut out, totals, missing, &|total, n| f(total, n) as f32);
        return Values::F32(out);
    }
    let mut out = columns::take(totals.len());
    rounded(&mut out, totals, missing, &f);
    Values::F64(out)
}

/// What `f` makes of each total and how many elements are missing in it.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn rounded<T: Copy, R, F: Fn(T, u32) -> R>(
    out: &mut [R],
    totals: &[T],
    missing: Option<&[u32]>,
    f: &F,
) {
    let totals = out.iter_mut().zip(totals);
    match missing {
        None => totals.for_each(|(out, &total)| *out = f(total, 0)),
        Some(missing) => {
            totals.zip(missing).for_each(|((out, &total), &missing)| *out = f(total, missing));
        }
    }
}
