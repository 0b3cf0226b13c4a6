//! Accumulators that look for one value: whether it is there, and where; how often it is `true`; `all` and `any`.

use eolith_cube::for_values;
use multiversion::multiversion;

use super::{Folding, Presence, RESULT, ignores, typed};
use crate::lanes::Register;
use crate::lanes::operand::{Computed, Primitive, scalar};
use crate::lanes::stream::{Accumulator, FoldCall, Slab};
use crate::types::Type;
use crate::value::Value;

/// Whether an element equals the value.
pub(super) fn contains(call: &FoldCall<'_>) -> Folding {
    search(call, false, |places| scalar(places.iter().map(|&place| place > 0).collect(), None))
}

/// The index of the first or last element that equals the value.
pub(super) fn find(call: &FoldCall<'_>) -> Folding {
    search(call, call.flag(1)?, |places| {
        let found = places.iter().map(|&place| place > 0).collect();
        scalar(places.iter().map(|&place| i64::from(place) - 1).collect(), Some(found))
    })
}

/// How many elements are true.
pub(super) fn truths(call: &FoldCall<'_>) -> Folding {
    (*call.element == Type::Bool).then(|| Box::new(Truths(vec![0; call.lanes])) as _)
}

/// Whether `wanted` is among booleans; Kleene's logic where no-data counts.
pub(super) fn logic(call: &FoldCall<'_>, wanted: bool) -> Folding {
    if *call.element != Type::Bool {
        return None;
    }
    Some(Box::new(Logic {
        wanted,
        found: vec![false; call.lanes],
        presence: Presence::new(ignores(call)?, call.lanes),
    }))
}

/// What elements are compared with.
#[derive(Debug)]
enum Wanted {
    /// Of another kind than the elements: never found.
    Nothing,
    /// Of the kind of the elements.
    Exactly(Value),
    /// As floats.
    Number(f64),
}

#[derive(Debug)]
struct Search {
    wanted: Wanted,
    last: bool,
    n: u32,
    /// Counted from one; zero where nothing is found.
    places: Vec<u32>,
    finish: fn(&[u32]) -> Register,
}

#[derive(Debug)]
struct Truths(Vec<u32>);

#[derive(Debug)]
struct Logic {
    wanted: bool,
    found: Vec<bool>,
    presence: Presence,
}

impl Search {
    fn look<P: Primitive>(&mut self, values: &[P], rows: &Slab<'_>, is: impl Fn(P) -> bool) {
        for i in 0..rows.n {
            let place = self.n + i as u32 + 1;
            let (row, mask) = (rows.row(values, i), rows.mask(i));
            if self.last {
                mark(&mut self.places, row, mask, place, &|_| true, &is);
            } else {
                mark(&mut self.places, row, mask, place, &|known| known == 0, &is);
            }
        }
    }

    fn look_exactly<P: Computed>(&mut self, values: &[P], rows: &Slab<'_>, wanted: &Value) {
        // A number that the storage does not hold is nowhere.
        if let Some(wanted) = P::of_value(wanted) {
            self.look(values, rows, |x| x == wanted);
        }
    }
}

impl Accumulator for Search {
    fn push(&mut self, rows: &Slab<'_>) {
        match std::mem::replace(&mut self.wanted, Wanted::Nothing) {
            Wanted::Nothing => {}
            Wanted::Exactly(wanted) => {
                for_values!(rows.values, v => self.look_exactly(v, rows, &wanted));
                self.wanted = Wanted::Exactly(wanted);
            }
            Wanted::Number(wanted) => {
                for_values!(rows.values, v => self.look(v, rows, |x| x.f64() == wanted));
                self.wanted = Wanted::Number(wanted);
            }
        }
        self.n += rows.n as u32;
    }

    fn finish(self: Box<Self>) -> Register {
        (self.finish)(&self.places)
    }

    fn bytes_per_lane(&self) -> usize {
        size_of::<u32>() + RESULT
    }
}

impl Accumulator for Truths {
    fn push(&mut self, rows: &Slab<'_>) {
        let values = typed::<bool>(rows);
        for i in 0..rows.n {
            count(&mut self.0, rows.row(values, i), rows.mask(i));
        }
    }

    fn finish(self: Box<Self>) -> Register {
        scalar(self.0.into_iter().map(i64::from).collect(), None)
    }

    fn bytes_per_lane(&self) -> usize {
        size_of::<u32>() + RESULT
    }
}

impl Accumulator for Logic {
    fn push(&mut self, rows: &Slab<'_>) {
        self.presence.push(rows);
        let values = typed::<bool>(rows);
        for i in 0..rows.n {
            seek(&mut self.found, rows.row(values, i), rows.mask(i), self.wanted);
        }
    }

    fn finish(self: Box<Self>) -> Register {
        let Logic { wanted, found, presence } = *self;
        let valid = presence
            .flags
            .filter(|_| !presence.ignore)
            .map(|all| found.iter().zip(&all).map(|(&found, &all)| found | all).collect());
        scalar(found.into_iter().map(|found| found == wanted).collect(), valid)
    }

    fn bytes_per_lane(&self) -> usize {
        size_of::<u32>() + 3
    }
}

fn search(call: &FoldCall<'_>, last: bool, finish: fn(&[u32]) -> Register) -> Folding {
    let wanted = match (call.element, call.options.first()?) {
        (Type::Bool, value @ Value::Bool(_)) | (Type::Int(_), value @ Value::Int(_)) => {
            Wanted::Exactly(value.clone())
        }
        (Type::Int(_) | Type::F32 | Type::F64, value) => {
            value.as_f64().map_or(Wanted::Nothing, Wanted::Number)
        }
        (Type::Bool | Type::Null, _) => Wanted::Nothing,
        (Type::Text | Type::Any | Type::Array(..), _) => return None,
    };
    Some(Box::new(Search { wanted, last, n: 0, places: vec![0; call.lanes], finish }))
}

/// Notes `place` in the lanes where the element is the wanted one and what is known may be replaced.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn mark<P: Copy, R: Fn(u32) -> bool, F: Fn(P) -> bool>(
    places: &mut [u32],
    row: &[P],
    mask: Option<&[bool]>,
    place: u32,
    replaces: &R,
    is: &F,
) {
    let places = places.iter_mut().zip(row);
    match mask {
        None => places.for_each(|(known, &x)| {
            *known = if replaces(*known) & is(x) { place } else { *known };
        }),
        Some(mask) => places.zip(mask).for_each(|((known, &x), &ok)| {
            *known = if ok & replaces(*known) & is(x) { place } else { *known };
        }),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count(counts: &mut [u32], row: &[bool], mask: Option<&[bool]>) {
    let counts = counts.iter_mut().zip(row);
    match mask {
        None => counts.for_each(|(n, &x)| *n += u32::from(x)),
        Some(mask) => counts.zip(mask).for_each(|((n, &x), &ok)| *n += u32::from(ok & x)),
    }
}

/// Whether the wanted value was found, or is in `row`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn seek(found: &mut [bool], row: &[bool], mask: Option<&[bool]>, wanted: bool) {
    let found = found.iter_mut().zip(row);
    match mask {
        None => found.for_each(|(found, &x)| *found |= x == wanted),
        Some(mask) => {
            found.zip(mask).for_each(|((found, &x), &ok)| *found |= ok & (x == wanted));
        }
    }
}
