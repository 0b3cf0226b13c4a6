//! Source rows as a kernel sees them: as doubles, with replacements, and with the halo along x.

use std::ops::Range;

use multiversion::multiversion;

use super::Stencil;
use crate::values::Element;

/// A storage type as input of a kernel.
pub(super) trait Pixel: Element {
    /// The number, if it is finite.
    fn finite(self) -> Option<f64>;
}

impl<T: Element> Pixel for T {
    fn finite(self) -> Option<f64> {
        let value = self.to_f64();
        (!T::DTYPE.is_float() || value.is_finite()).then_some(value)
    }
}

/// One plane of a block and where it lies in its grid.
#[derive(Debug)]
pub(super) struct Source<'a, T> {
    values: &'a [T],
    mask: Option<&'a [bool]>,
    top: usize,
    cols: Range<usize>,
    target: Range<usize>,
    size: [usize; 2],
}

impl<'a, T: Pixel> Source<'a, T> {
    /// `values` are those of `window` (rows, columns) of a grid of `size`; results are wanted for the columns `target`.
    pub(super) fn new(
        values: &'a [T],
        mask: Option<&'a [bool]>,
        window: &[Range<usize>; 2],
        target: Range<usize>,
        size: [usize; 2],
    ) -> Source<'a, T> {
        Source { values, mask, top: window[0].start, cols: window[1].clone(), target, size }
    }

    /// The columns whose results are wanted.
    pub(super) fn target(&self) -> Range<usize> {
        self.target.clone()
    }

    /// The same with some of the results only.
    pub(super) fn strip(&self, target: Range<usize>) -> Source<'a, T> {
        Source { target, cols: self.cols.clone(), ..*self }
    }

    /// Reads row `row` of the grid, or what stands for it beyond the edge.
    pub(super) fn read(&self, stencil: &Stencil, row: i64, out: &mut [f64]) {
        let halo = stencil.halo()[1];
        let border = stencil.border;
        let (before, rest) = out.split_at_mut(halo.saturating_sub(self.target.start));
        let inner = self.needed_inside(halo);
        let (inside, after) = rest.split_at_mut(inner.len());
        let Some(row) = border.source(row, self.size[0]) else {
            for part in [before, inside, after] {
                part.fill(border.constant());
            }
            return;
        };
        let start = (row - self.top) * self.cols.len();
        let line = start + inner.start - self.cols.start..start + inner.end - self.cols.start;
        let replacement = stencil.replacement;
        let values = &self.values[line.clone()];
        match self.mask {
            None => convert(values, replacement, inside),
            Some(mask) => convert_masked(values, &mask[line], replacement, inside),
        }
        let beyond = |at: i64| match border.source(at, self.size[1]) {
            None => border.constant(),
            Some(col) => {
                let i = start + col - self.cols.start;
                let ok = self.mask.is_none_or(|mask| mask[i]);
                self.values[i].finite().filter(|_| ok).unwrap_or(replacement)
            }
        };
        let first = self.target.start as i64 - halo as i64;
        before.iter_mut().enumerate().for_each(|(k, out)| *out = beyond(first + k as i64));
        let missing = (self.target.end + halo).saturating_sub(self.size[1]);
        for (k, out) in after.iter_mut().take(missing).enumerate() {
            *out = beyond((self.size[1] + k) as i64);
        }
    }

    /// The columns of the target and the halo that lie in the grid.
    fn needed_inside(&self, halo: usize) -> Range<usize> {
        self.target.start.saturating_sub(halo)..(self.target.end + halo).min(self.size[1])
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn convert<T: Pixel>(values: &[T], replacement: f64, out: &mut [f64]) {
    let values = &values[..out.len()];
    for k in 0..out.len() {
        let value = values[k].to_f64();
        out[k] = if !T::DTYPE.is_float() || value.is_finite() { value } else { replacement };
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn convert_masked<T: Pixel>(values: &[T], mask: &[bool], replacement: f64, out: &mut [f64]) {
    let (values, mask) = (&values[..out.len()], &mask[..out.len()]);
    for k in 0..out.len() {
        let value = values[k].to_f64();
        let finite = !T::DTYPE.is_float() || value.is_finite();
        out[k] = if mask[k] & finite { value } else { replacement };
    }
}
