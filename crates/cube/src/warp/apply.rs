//! Target rows from the planes of a source block.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Method;
use super::sample::{Real, Sample};
use super::taps::{Span, TIE, Taps};
use crate::block::Block;
use crate::dtype::DType;
use crate::for_values;
use crate::values::{Element, Values};

/// Below this sum of weights of a kernel there is nothing to divide by.
pub(super) const NOTHING: f64 = 1e-6;

/// The source pixels of one target row. The y axis has one span for the row, or one a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) x: &'a Taps,
    pub(super) y: &'a Taps,
    /// The one span of the row; `None`: span `k` for pixel `k`.
    pub(super) y_span: Option<usize>,
    /// What to use for a cubic pixel that lacks a neighbour.
    pub(super) plain: Option<(&'a Taps, &'a Taps)>,
    /// Part of its footprint's box that a pixel covers; empty: all of it.
    pub(super) share: &'a [f64],
}

/// The planes (last two dimensions) of a source block and where they lie in the source grid.
#[derive(Debug)]
pub(super) struct Planes<'a> {
    block: &'a Block,
    top: usize,
    left: usize,
    size: [usize; 2],
    /// Pixels that count; `None` = all.
    mask: Option<Cow<'a, [bool]>>,
}

/// Result rows in the making: planes × rows × columns.
#[derive(Debug)]
pub(super) struct Target {
    values: Values,
    mask: Vec<bool>,
    rows: usize,
    cols: usize,
}

impl<'a> Planes<'a> {
    /// `block` has at least two dimensions; its last two start at (`top`, `left`).
    pub(super) fn new(block: &'a Block, [top, left]: [usize; 2], method: Method) -> Planes<'a> {
        let size = [block.shape[block.shape.len() - 2], block.shape[block.shape.len() - 1]];
        let mask = if method == Method::Near {
            block.validity.as_deref().map(Cow::Borrowed)
        } else {
            for_values!(&block.values, v => usable(v, block.validity.as_deref()))
        };
        Planes { block, top, left, size, mask }
    }

    /// Whether there are source pixels and the block has them.
    fn hold(&self, y: Span, x: Span) -> bool {
        let inside = |span: Span, start: usize, len: usize| {
            span.count > 0 && span.first >= start && span.first + span.count <= start + len
        };
        inside(y, self.top, self.size[0]) && inside(x, self.left, self.size[1])
    }

    pub(super) fn count(&self) -> usize {
        self.block.len() / self.area().max(1)
    }

    /// Pixels of a plane.
    pub(super) fn area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Where a plane starts in the grid, and its rows and columns.
    pub(super) fn place(&self) -> [[usize; 2]; 2] {
        [[self.top, self.left], self.size]
    }

    pub(super) fn values(&self) -> &Values {
        &self.block.values
    }

    /// Index in a plane of the pixel in which a place (row, column) of the block lies.
    pub(super) fn holding(&self, row: f64, col: f64) -> usize {
        flat(self, (row + TIE).floor() as usize, (col + TIE).floor() as usize)
    }

    /// Pixels of a plane that count; `None` = all.
    pub(super) fn mask(&self, plane: usize) -> Option<&[bool]> {
        self.mask.as_ref().map(|mask| &mask[plane * self.area()..(plane + 1) * self.area()])
    }
}

fn usable<'a, T: Sample>(values: &[T], validity: Option<&'a [bool]>) -> Option<Cow<'a, [bool]>> {
    if values.iter().all(|v| v.finite()) {
        return validity.map(Cow::Borrowed);
    }
    let values = values.iter().enumerate();
    Some(values.map(|(i, v)| v.finite() && validity.is_none_or(|m| m[i])).collect())
}

impl Target {
    pub(super) fn new(dtype: DType, planes: &Planes<'_>, rows: usize, cols: usize) -> Target {
        let len = planes.count() * rows * cols;
        Target { values: Values::zeros(dtype, len), mask: vec![false; len], rows, cols }
    }

    /// Computes row `row` of all planes.
    pub(super) fn fill(&mut self, method: Method, planes: &Planes<'_>, row: usize, taps: Row<'_>) {
        self.fill_at(method, planes, (row, 0), taps);
    }

    /// Computes pixels of all planes from column `at.1` of row `at.0` on; those without value stay as they are.
    pub(super) fn fill_at(
        &mut self,
        method: Method,
        planes: &Planes<'_>,
        at: (usize, usize),
        taps: Row<'_>,
    ) {
        let line = Line { rows: self.rows, cols: self.cols, at, taps };
        let (values, mask) = (&mut self.values, &mut self.mask);
        if picks(method) {
            for_values!(&planes.block.values, source => {
                if let Some(out) = Element::slice_mut(values) {
                    pick(method, planes, source, &line, out, mask);
                }
            });
            return;
        }
        for_values!(&planes.block.values, source => match values {
            Values::F32(out) => compute(method, planes, source, &line, out, mask),
            Values::F64(out) => compute(method, planes, source, &line, out, mask),
            _ => {}
        });
    }

    pub(super) fn dtype(&self) -> DType {
        self.values.dtype()
    }

    /// `len` pixels of a plane from `at` (row, column) on, and which of them are valid. `None` if this is not their
    /// type.
    pub(super) fn stretch<T: Element>(
        &mut self,
        plane: usize,
        (row, col): (usize, usize),
        len: usize,
    ) -> Option<(&mut [T], &mut [bool])> {
        let start = (plane * self.rows + row) * self.cols + col;
        let values = T::slice_mut(&mut self.values)?;
        Some((&mut values[start..start + len], &mut self.mask[start..start + len]))
    }

    /// Takes the value of a pixel (row, column) from all planes.
    pub(super) fn clear(&mut self, (row, col): (usize, usize)) {
        let area = self.rows * self.cols;
        self.mask
            .iter_mut()
            .skip(row * self.cols + col)
            .step_by(area)
            .for_each(|valid| *valid = false);
    }

    pub(super) fn finish(self, shape: Vec<usize>) -> Block {
        Block { shape, values: self.values, validity: Some(self.mask) }.canonical()
    }
}

struct Line<'a> {
    rows: usize,
    cols: usize,
    /// Row, and the column of the first pixel.
    at: (usize, usize),
    taps: Row<'a>,
}

impl Line<'_> {
    /// Runs `f` for every target pixel of the row that has source pixels, plane by plane: index in the
    /// result, column, start of the plane in the source, spans along y and x.
    fn each(&self, planes: &Planes<'_>, mut f: impl FnMut(usize, usize, usize, Span, Span)) {
        let area = planes.size[0] * planes.size[1];
        for plane in 0..planes.count() {
            let start = (plane * self.rows + self.at.0) * self.cols + self.at.1;
            for (k, &x) in self.taps.x.spans.iter().enumerate() {
                let y = self.taps.y.spans[self.taps.y_span.unwrap_or(k)];
                if planes.hold(y, x) {
                    f(start + k, k, plane * area, y, x);
                }
            }
        }
    }
}

/// The index of a source pixel in a plane.
fn flat(planes: &Planes<'_>, row: usize, col: usize) -> usize {
    (row - planes.top) * planes.size[1] + (col - planes.left)
}

/// Whether results are source values.
fn picks(method: Method) -> bool {
    use Method::{Max, Med, Min, Mode, Near, Q1, Q3};
    matches!(method, Near | Mode | Max | Min | Med | Q1 | Q3)
}

fn pick<T: Sample>(
    method: Method,
    planes: &Planes<'_>,
    source: &[T],
    line: &Line<'_>,
    out: &mut [T],
    valid: &mut [bool],
) {
    let mask = planes.mask.as_deref();
    if method == Method::Near {
        return line.each(planes, |at, _, start, y, x| {
            let from = start + flat(planes, y.first, x.first);
            valid[at] = mask.is_none_or(|m| m[from]);
            out[at] = source[from];
        });
    }
    let mut found: Vec<T> = Vec::new();
    let mut votes: Vec<Vote<T>> = Vec::new();
    line.each(planes, |at, _, start, y, x| {
        let picked = if method == Method::Mode {
            votes.clear();
            let (wy, wx) = (line.taps.y.weights(y), line.taps.x.weights(x));
            visit(planes, start, y, x, |from, j, i| {
                if mask.is_none_or(|m| m[from]) {
                    let order = votes.len();
                    votes.push(Vote { value: source[from], order, weight: wy[j] * wx[i] });
                }
            });
            most(&mut votes)
        } else {
            found.clear();
            visit(planes, start, y, x, |from, _, _| {
                if mask.is_none_or(|m| m[from]) {
                    found.push(source[from]);
                }
            });
            ranked(method, &mut found)
        };
        if let Some(value) = picked {
            (out[at], valid[at]) = (value, true);
        }
    });
}

/// Source pixels of a pair of spans in row-major order: index in the block, number along y, along x.
fn visit(
    planes: &Planes<'_>,
    start: usize,
    y: Span,
    x: Span,
    mut f: impl FnMut(usize, usize, usize),
) {
    for j in 0..y.count {
        let row = start + flat(planes, y.first + j, x.first);
        (0..x.count).for_each(|i| f(row + i, j, i));
    }
}

/// Position of the value that stands for `count` sorted values: the quantile is a value, never a mean of two.
pub(super) fn rank(method: Method, count: usize) -> usize {
    let part = match method {
        Method::Q1 => 1,
        Method::Med => 2,
        Method::Q3 => 3,
        Method::Max => 4,
        _ => 0,
    };
    (count * part).div_ceil(4).saturating_sub(1)
}

fn ranked<T: Sample>(method: Method, found: &mut [T]) -> Option<T> {
    match method {
        Method::Min => found.iter().copied().min_by(T::order),
        Method::Max => found.iter().copied().max_by(T::order),
        _ if found.is_empty() => None,
        _ => {
            let rank = rank(method, found.len());
            Some(*found.select_nth_unstable_by(rank, T::order).1)
        }
    }
}

struct Vote<T> {
    value: T,
    order: usize,
    weight: f64,
}

/// By how much a later value must outweigh an earlier one, so that rounding decides nothing.
pub(super) const LEAD: f64 = 1e-9;

/// The value with the most weight, of several the first.
fn most<T: Sample>(votes: &mut [Vote<T>]) -> Option<T> {
    votes.sort_unstable_by(|a, b| a.value.order(&b.value).then(a.order.cmp(&b.order)));
    let same = |a: &Vote<T>, b: &Vote<T>| a.value.order(&b.value) == Ordering::Equal;
    let weight = |group: &[Vote<T>]| group.iter().fold(0.0, |sum, vote| sum + vote.weight);
    let heaviest = votes.chunk_by(same).map(weight).fold(0.0, f64::max);
    votes
        .chunk_by(same)
        .filter(|group| weight(group) >= heaviest - LEAD)
        .min_by_key(|group| group[0].order)
        .map(|group| group[0].value)
}

fn compute<T: Sample, R: Real>(
    method: Method,
    planes: &Planes<'_>,
    source: &[T],
    line: &Line<'_>,
    out: &mut [R],
    valid: &mut [bool],
) {
    let sums = |start: usize, (ys, y): (&Taps, Span), (xs, x): (&Taps, Span)| {
        let window = Window { planes, start, y, x, wy: ys.weights(y), wx: xs.weights(x) };
        if method == Method::Rms {
            window.sums(source, |v| v * v)
        } else {
            window.sums(source, |v| v)
        }
    };
    line.each(planes, |at, k, start, y, x| {
        let (ys, xs) = (line.taps.y, line.taps.x);
        let result = match method {
            Method::Average | Method::Rms | Method::Sum => {
                let sums = sums(start, (ys, y), (xs, x));
                (sums.weight > 0.0).then(|| match method {
                    Method::Rms => (sums.value / sums.weight).sqrt(),
                    Method::Sum => sums.value * line.taps.share.get(k).copied().unwrap_or(1.0),
                    _ => sums.value / sums.weight,
                })
            }
            _ => {
                let centre = start + flat(planes, y.centre, x.centre);
                if planes.mask.as_ref().is_some_and(|m| !m[centre]) {
                    return;
                }
                let mut sums_here = sums(start, (ys, y), (xs, x));
                if let Some((plain_y, plain_x)) = line.taps.plain
                    && !(sums_here.complete && x.whole && y.whole)
                {
                    let y = plain_y.spans[line.taps.y_span.unwrap_or(k)];
                    sums_here = sums(start, (plain_y, y), (plain_x, plain_x.spans[k]));
                }
                (sums_here.weight > NOTHING).then(|| sums_here.value / sums_here.weight)
            }
        };
        if let Some(value) = result {
            (out[at], valid[at]) = (R::of(value), true);
        }
    });
}

struct Window<'a> {
    planes: &'a Planes<'a>,
    start: usize,
    y: Span,
    x: Span,
    wy: &'a [f64],
    wx: &'a [f64],
}

struct Sums {
    value: f64,
    weight: f64,
    complete: bool,
}

impl Window<'_> {
    /// Weighted sum of the pixels that count: the sum of each row first, then the sum of the rows.
    fn sums<T: Sample>(&self, source: &[T], map: impl Fn(f64) -> f64) -> Sums {
        let mut sums = Sums { value: 0.0, weight: 0.0, complete: true };
        for (j, wy) in self.wy.iter().enumerate() {
            let from = self.start + flat(self.planes, self.y.first + j, self.x.first);
            let values = &source[from..from + self.x.count];
            let (mut value, mut weight) = (0.0, 0.0);
            if let Some(mask) = &self.planes.mask {
                for ((w, v), &ok) in
                    self.wx.iter().zip(values).zip(&mask[from..from + self.x.count])
                {
                    if ok {
                        value += w * map(v.real());
                        weight += w;
                    } else {
                        sums.complete = false;
                    }
                }
            } else {
                value = self.wx.iter().zip(values).fold(0.0, |sum, (w, v)| sum + w * map(v.real()));
                weight = self.x.total;
            }
            sums.value += wy * value;
            sums.weight += wy * weight;
        }
        sums
    }
}
