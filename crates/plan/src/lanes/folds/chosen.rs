//! Accumulators that keep one of the elements: extremes, first and last.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

use eolith_cube::{Element, columns, for_dtype, for_values};
use multiversion::multiversion;

use super::{Folding, Presence, filled, ignores, typed};
use crate::lanes::operand::{Primitive, null, scalar};
use crate::lanes::stream::{Accumulator, FoldCall, Slab};
use crate::lanes::{Column, Lanes, Register};

/// The first number that no other is better than; NaN is better than all.
pub(super) fn extreme<const GREATEST: bool>(call: &FoldCall<'_>) -> Folding {
    let ignore = ignores(call)?;
    if !call.element.is_number() {
        return None;
    }
    Some(for_dtype!(call.stored, P => Box::new(Extreme::<P, GREATEST> {
        best: Vec::new(),
        presence: Presence::new(ignore, call.lanes),
    })))
}

/// Both extremes.
pub(super) fn pair(call: &FoldCall<'_>) -> Folding {
    Some(Box::new(Pair([extreme::<false>(call)?, extreme::<true>(call)?])))
}

/// The element at one end.
pub(super) fn end<const LAST: bool>(call: &FoldCall<'_>) -> Folding {
    let ignore = ignores(call)?;
    Some(for_dtype!(call.stored, P => Box::new(End::<P, LAST> {
        ignore,
        n: 0,
        lanes: call.lanes,
        values: Vec::new(),
        found: Vec::new(),
        masked: false,
        done: false,
    })))
}

#[derive(Debug)]
struct Extreme<P, const GREATEST: bool> {
    /// Empty before the first row.
    best: Vec<P>,
    presence: Presence,
}

#[derive(Debug)]
struct Pair([Box<dyn Accumulator>; 2]);

#[derive(Debug)]
struct End<P, const LAST: bool> {
    ignore: bool,
    n: usize,
    lanes: usize,
    /// Empty before the first row, as are the flags.
    values: Vec<P>,
    found: Vec<bool>,
    masked: bool,
    /// Whether no further row can change anything.
    done: bool,
}

impl<P: Primitive, const GREATEST: bool> Accumulator for Extreme<P, GREATEST> {
    fn push(&mut self, rows: &Slab<'_>) {
        let values = typed::<P>(rows);
        for i in 0..rows.n {
            let row = rows.row(values, i);
            match rows.mask(i) {
                None if self.presence.n + i == 0 => self.best = columns::copy(row),
                mask if self.presence.n + i == 0 => {
                    self.best = Self::worst(rows.lanes);
                    improve::<P, GREATEST>(&mut self.best, row, mask);
                }
                mask => improve::<P, GREATEST>(&mut self.best, row, mask),
            }
        }
        self.presence.push(rows);
    }

    fn finish(mut self: Box<Self>) -> Register {
        if self.presence.n == 0 {
            self.best = Self::worst(self.presence.lanes);
        }
        scalar(self.best, self.presence.valid())
    }

    fn bytes_per_lane(&self) -> usize {
        size_of::<P>() + 2
    }
}

impl<P: Primitive, const GREATEST: bool> Extreme<P, GREATEST> {
    /// What any number is better than.
    fn worst(lanes: usize) -> Vec<P> {
        filled(lanes, if GREATEST { P::LEAST } else { P::GREATEST })
    }
}

impl Accumulator for Pair {
    fn push(&mut self, rows: &Slab<'_>) {
        self.0.iter_mut().for_each(|one| one.push(rows));
    }

    fn finish(self: Box<Self>) -> Register {
        let [least, greatest] = self.0.map(|one| match one.finish() {
            Register::Scalar(Lanes { column: Column::Plain(values), validity }) => {
                (values, validity)
            }
            other => unreachable!("invariant: an extreme is a plain column, not {other:?}"),
        });
        let (mut values, validity) = least;
        for_values!(&mut values, v => {
            v.extend_from_slice(Element::slice(&greatest.0).expect("invariant: of one type"));
        });
        let lanes = Lanes::plain(values, validity.map(|mask| mask.repeat(2)));
        Register::Array { n: 2, lanes, labels: None }
    }

    fn bytes_per_lane(&self) -> usize {
        self.0.iter().map(|one| 2 * one.bytes_per_lane()).sum()
    }
}

impl<P: Primitive, const LAST: bool> Accumulator for End<P, LAST> {
    fn push(&mut self, rows: &Slab<'_>) {
        if self.n == 0 {
            (self.values, self.found) = (columns::take(self.lanes), filled(self.lanes, false));
        }
        self.n += rows.n;
        self.masked |= rows.validity.is_some();
        let values = typed::<P>(rows);
        // Without ignoring, only the row at the end counts.
        let wanted = match (self.ignore, LAST) {
            (true, _) => 0..rows.n,
            (false, true) => rows.n.saturating_sub(1)..rows.n,
            (false, false) => 0..rows.n.min(1),
        };
        for i in wanted {
            if self.done {
                return;
            }
            let (row, mask) = (rows.row(values, i), rows.mask(i));
            match mask {
                _ if !self.ignore => {
                    self.values.copy_from_slice(row);
                    match mask {
                        None => self.found.fill(true),
                        Some(mask) => self.found.copy_from_slice(mask),
                    }
                    self.done = !LAST;
                }
                None => {
                    keep::<P, LAST>(&mut self.values, &mut self.found, row, None);
                    self.done = !LAST;
                }
                mask => keep::<P, LAST>(&mut self.values, &mut self.found, row, mask),
            }
        }
    }

    fn finish(self: Box<Self>) -> Register {
        if self.n == 0 {
            return null();
        }
        scalar(self.values, self.masked.then_some(self.found))
    }

    fn bytes_per_lane(&self) -> usize {
        size_of::<P>() + 2
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn improve<P: Primitive, const GREATEST: bool>(best: &mut [P], row: &[P], mask: Option<&[bool]>) {
    let better = |x: P, best: P| {
        let ahead = if GREATEST { x.gt(&best) } else { x.lt(&best) };
        ahead | x.is_nan()
    };
    match mask {
        None => {
            for (best, &x) in best.iter_mut().zip(row) {
                *best = if better(x, *best) { x } else { *best };
            }
        }
        Some(mask) => {
            for ((best, &x), &ok) in best.iter_mut().zip(row).zip(mask) {
                *best = if ok & better(x, *best) { x } else { *best };
            }
        }
    }
}

/// Lanes that are decided together.
const BLOCK: usize = 512;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn keep<P: Primitive, const LAST: bool>(
    values: &mut [P],
    found: &mut [bool],
    row: &[P],
    mask: Option<&[bool]>,
) {
    // What is taken is decided before anything moves: both loops are without branches then.
    let mut taken = [false; BLOCK];
    for start in (0..row.len()).step_by(BLOCK) {
        let range = start..(start + BLOCK).min(row.len());
        let (found, taken) = (&mut found[range.clone()], &mut taken[..range.len()]);
        match mask {
            None => {
                taken.iter_mut().zip(&*found).for_each(|(taken, &found)| *taken = LAST | !found);
                found.fill(true);
            }
            Some(mask) => {
                for ((taken, found), &ok) in taken.iter_mut().zip(found).zip(&mask[range.clone()]) {
                    *taken = ok & (LAST | !*found);
                    *found |= ok;
                }
            }
        }
        for ((value, &x), &taken) in values[range.clone()].iter_mut().zip(&row[range]).zip(&*taken)
        {
            *value = if taken { x } else { *value };
        }
    }
}
