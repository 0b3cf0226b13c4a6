//! Copying a box out of a chunk: runs, casts and validity in one pass.

use eolith_cube::{Element, Number, Values, columns, for_values};
use multiversion::multiversion;

use super::Part;
use super::indices::Span;
use crate::source::chunk::{Chunk, Mask};

/// Values that are looked at before giving up early.
const BLOCK: usize = 1024;

/// The pixels of a box while they are put together.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut Values,
    /// `None` while every pixel so far is valid.
    pub(super) valid: &'a mut Option<Vec<bool>>,
    /// Elements between neighbours along each dimension of the box.
    pub(super) strides: &'a [usize],
    /// Kept between runs and chunks.
    pub(super) walk: Walk,
    /// Flags of one run, kept between runs.
    pub(super) flags: Vec<bool>,
}

/// Copies what `spans` (one a dimension of the cube) take from `chunk`. With `keep`, pixels that are valid already
/// stay; without, these are the first pixels of their place.
pub(super) fn copy(
    part: &Part,
    chunk: &Chunk,
    spans: &[&Span],
    keep: bool,
    target: &mut Target<'_>,
) {
    let Target { values, valid, strides, walk, flags } = target;
    walk.set(part, chunk, spans, strides);
    // Between integers through the exact number; a float on either side is exact through `f64` already.
    let floats = chunk.values.dtype().is_float() || values.dtype().is_float();
    for_values!(values, to => {
        let to = to.as_mut_slice();
        if let Some(from) = Element::slice(&chunk.values) {
            let source = Source::new(part, chunk, from);
            walk.copy(&source, to, (|v| v, same), valid, keep, flags);
        } else {
            for_values!(&chunk.values, from => {
                let source = Source::new(part, chunk, from);
                if floats {
                    let cast = |v| Element::from_f64(Element::to_f64(v));
                    walk.copy(&source, to, (cast, each(cast)), valid, keep, flags);
                } else {
                    let cast = |v| Element::from_number(Element::to_number(v));
                    walk.copy(&source, to, (cast, each(cast)), valid, keep, flags);
                }
            });
        }
    });
}

/// What is copied from.
struct Source<'a, S> {
    values: &'a [S],
    nodata: Vec<S>,
    mask: Option<&'a Mask>,
}

/// A box in the buffers of a chunk, of its mask and of the target at once. Strides are in elements, dimensions that
/// run on are joined; the last one is contiguous in the target.
#[derive(Debug, Default)]
pub(super) struct Walk {
    extent: Vec<usize>,
    steps: Vec<Steps>,
    start: Steps,
    /// Where it is.
    index: Vec<usize>,
}

/// Elements of each buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Steps {
    from: isize,
    mask: isize,
    to: isize,
}

impl Steps {
    fn times(self, n: usize) -> Steps {
        let n = n as isize;
        Steps { from: self.from * n, mask: self.mask * n, to: self.to * n }
    }

    fn add(&mut self, other: Steps) {
        self.from += other.from;
        self.mask += other.mask;
        self.to += other.to;
    }
}

impl Walk {
    fn set(&mut self, part: &Part, chunk: &Chunk, spans: &[&Span], strides: &[usize]) {
        let own = |dim: usize| Steps {
            from: chunk.strides[dim] as isize,
            mask: chunk.mask.as_ref().map_or(0, |mask| mask.strides[dim] as isize),
            to: 0,
        };
        self.extent.clear();
        self.steps.clear();
        self.start = Steps::default();
        for &(dim, local) in &part.fixed {
            self.start.add(own(dim).times(local));
        }
        for (dim, span) in spans.iter().enumerate() {
            let array = part.array_dims[dim].map_or_else(Steps::default, own);
            let to = strides[dim] as isize;
            self.start.add(Steps { to: to * span.to as isize, ..array.times(span.from) });
            let step = Steps { from: array.from * span.step, mask: array.mask * span.step, to };
            self.push(span.len, step);
        }
        if self.steps.last().is_none_or(|last| last.to != 1) {
            self.extent.push(1);
            self.steps.push(Steps { to: 1, ..Steps::default() });
        }
    }

    /// Adds an inner dimension, or lengthens the last one where it runs on.
    fn push(&mut self, extent: usize, step: Steps) {
        if let (Some(last), Some(last_step)) = (self.extent.last_mut(), self.steps.last_mut()) {
            if *last == 1 || *last_step == step.times(extent) {
                (*last, *last_step) = (*last * extent, step);
                return;
            }
            if extent == 1 {
                return;
            }
        }
        self.extent.push(extent);
        self.steps.push(step);
    }

    /// Calls `f` with the first elements of every run of the last dimension.
    fn for_runs(&mut self, mut f: impl FnMut(Steps)) {
        let outer = self.extent.len() - 1;
        let Walk { extent, steps, index, .. } = self;
        index.clear();
        index.resize(outer, 0);
        let mut at = self.start;
        loop {
            f(at);
            let mut dim = outer;
            loop {
                if dim == 0 {
                    return;
                }
                dim -= 1;
                index[dim] += 1;
                at.add(steps[dim]);
                if index[dim] < extent[dim] {
                    break;
                }
                let back = steps[dim].times(extent[dim]);
                at.add(Steps { from: -back.from, mask: -back.mask, to: -back.to });
                index[dim] = 0;
            }
        }
    }

    /// `run` copies a contiguous run and says whether it is free of the no-data value, where there is one.
    fn copy<S: Element, T: Element>(
        &mut self,
        source: &Source<'_, S>,
        to: &mut [T],
        (cast, run): (impl Fn(S) -> T + Copy, impl Fn(&mut [T], &[S], Option<S>) -> bool),
        valid: &mut Option<Vec<bool>>,
        keep: bool,
        flags: &mut Vec<bool>,
    ) {
        let len = to.len();
        let inner = self.extent.len() - 1;
        let (n, step) = (self.extent[inner], self.steps[inner]);
        self.for_runs(|at| {
            let here = at.to as usize..at.to as usize + n;
            let to = &mut to[here.clone()];
            if keep {
                // Everything so far is valid: nothing is missing.
                let Some(valid) = valid else { return };
                let all = source.flags(at, step, n, flags);
                for (i, (to, valid)) in to.iter_mut().zip(&mut valid[here]).enumerate() {
                    if !*valid && (all || flags[i]) {
                        *to = cast(source.values[(at.from + i as isize * step.from) as usize]);
                        *valid = true;
                    }
                }
                return;
            }
            let from = at.from as usize;
            let simple = source.mask.is_none() && source.nodata.len() <= 1;
            let all = match step.from {
                1 => {
                    let from = &source.values[from..from + n];
                    let all = run(to, from, source.nodata.first().copied().filter(|_| simple));
                    if simple { all } else { source.flags(at, step, n, flags) }
                }
                0 => {
                    to.fill(cast(source.values[from]));
                    source.flags(at, step, n, flags)
                }
                by => {
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = cast(source.values[(at.from + i as isize * by) as usize]);
                    }
                    source.flags(at, step, n, flags)
                }
            };
            if all {
                if let Some(valid) = valid {
                    valid[here].fill(true);
                }
                return;
            }
            let valid = &mut valid.get_or_insert_with(|| all_valid(len))[here];
            match source.nodata.as_slice() {
                &[nodata] if simple && step.from == 1 => {
                    mark_shown(valid, &source.values[from..from + n], nodata);
                }
                _ => valid.copy_from_slice(flags),
            }
        });
    }
}

impl<'a, S: Element> Source<'a, S> {
    fn new(part: &Part, chunk: &'a Chunk, values: &'a [S]) -> Source<'a, S> {
        let nodata = (part.nodata.iter())
            .filter(|&&nodata| S::DTYPE.holds(nodata))
            .map(|&nodata: &Number| S::from_number(nodata))
            .collect();
        Source { values, nodata, mask: chunk.mask.as_ref() }
    }

    /// Which pixels of a run are valid, or `true` if all are; then `flags` is left as it was.
    fn flags(&self, at: Steps, step: Steps, n: usize, flags: &mut Vec<bool>) -> bool {
        if self.nodata.is_empty() && self.mask.is_none() {
            return true;
        }
        flags.clear();
        flags.resize(n, true);
        match (self.nodata.as_slice(), step.from) {
            (&[nodata], 1) => {
                let from = at.from as usize;
                mark_shown(flags, &self.values[from..from + n], nodata);
            }
            ([], _) => {}
            (nodata, step) => {
                for (i, flag) in flags.iter_mut().enumerate() {
                    let value = self.values[(at.from + i as isize * step) as usize];
                    *flag = nodata.iter().all(|&nodata| shown(value, nodata));
                }
            }
        }
        if let Some(mask) = self.mask {
            for (i, flag) in flags.iter_mut().enumerate() {
                *flag &= mask.valid[(at.mask + i as isize * step.mask) as usize];
            }
        }
        !flags.contains(&false)
    }
}

fn all_valid(len: usize) -> Vec<bool> {
    let mut valid = columns::take(len);
    valid.fill(true);
    valid
}

/// A run of values of one type.
fn same<S: Element>(to: &mut [S], from: &[S], nodata: Option<S>) -> bool {
    let Some(nodata) = nodata else {
        to.copy_from_slice(from);
        return true;
    };
    copy_shown(to, from, nodata)
}

/// A run of values one by one.
fn each<S: Element, T: Element>(
    cast: impl Fn(S) -> T,
) -> impl Fn(&mut [T], &[S], Option<S>) -> bool {
    move |to, from, nodata| {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = cast(from));
        nodata.is_none_or(|nodata| all_shown(from, nodata))
    }
}

/// Copies a run; whether none of its values is the no-data value.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn copy_shown<S: Element>(to: &mut [S], from: &[S], nodata: S) -> bool {
    // Plain loops: closures of iterators are not inlined into functions with other target features.
    let from = &from[..to.len()];
    let mut all = true;
    for k in 0..to.len() {
        let value = from[k];
        to[k] = value;
        all &= shown(value, nodata);
    }
    all
}

/// Whether no value of a run is the no-data value.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn all_shown<S: Element>(run: &[S], nodata: S) -> bool {
    let mut all = true;
    for block in run.chunks(BLOCK) {
        for &value in block {
            all &= shown(value, nodata);
        }
        if !all {
            return false;
        }
    }
    true
}

/// Which values of a run are not the no-data value.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn mark_shown<S: Element>(flags: &mut [bool], run: &[S], nodata: S) {
    for k in 0..flags.len().min(run.len()) {
        flags[k] = shown(run[k], nodata);
    }
}

/// Whether a value is not the no-data value, where NaN equals NaN.
#[expect(clippy::eq_op, reason = "the portable NaN test for a generic element")]
#[expect(clippy::inline_always, reason = "else it would not have the features of its caller")]
#[inline(always)]
fn shown<S: Element>(value: S, nodata: S) -> bool {
    value != nodata && (value == value || nodata == nodata)
}
