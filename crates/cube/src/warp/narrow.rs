//! Point methods with small kernels: rows of target pixels with a fixed number of source pixels each.
//!
//! Gives the bits of the general way (`lines`, `apply`) in less time. Every pixel has `N` source pixels along each
//! axis; one that is missing has no weight and the place of one that is there, so that it changes no sum. Pixels that
//! are not that simple (a neighbour without data, a cubic kernel over the edge) are left to the general way.

use std::ops::Range;

use super::Method;
use super::apply::{NOTHING, Planes, Row, Target};
use super::lines::Rule;
use super::mesh::Mesh;
use super::place::Points;
use super::sample::{Real, Sample};
use super::taps::{Axis, Kernel, Taps, cubic, lanczos, linear, spline};
use crate::for_values;
use crate::values::{Element, Values};

/// Target pixels that are worked on together: what is known of them stays in the cache next to the core.
const SEGMENT: usize = 256;

/// Whether the kernel is small enough, and the block for the indices used here.
pub(super) fn fits(rule: &Rule, planes: &Planes<'_>) -> bool {
    rule.taps().is_some_and(|taps| taps <= 8) && u32::try_from(planes.area()).is_ok()
}

/// Computes a window (rows, columns) of the target grid.
pub(super) fn run(
    method: Method,
    rule: &Rule,
    planes: &Planes<'_>,
    rows: Range<usize>,
    cols: Range<usize>,
    target: &mut Target,
) {
    let job = Job { method, rule, planes, rows, cols };
    match method {
        Method::Near => job.window::<1>(|_| 1.0, target),
        Method::Bilinear => job.sized(linear, target),
        Method::Cubic => job.sized(cubic, target),
        Method::CubicSpline => job.sized(spline, target),
        _ => job.sized(lanczos, target),
    }
}

struct Job<'a> {
    method: Method,
    rule: &'a Rule,
    planes: &'a Planes<'a>,
    rows: Range<usize>,
    cols: Range<usize>,
}

/// What a target pixel takes from a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    None,
    Simple,
    General,
}

/// A segment of a row of target pixels.
#[derive(Debug)]
struct Segment<const N: usize> {
    states: Vec<State>,
    /// Offsets in a plane, and weights: along x, and along y.
    x: Vec<([u32; N], [f64; N])>,
    y: Vec<([u32; N], [f64; N])>,
    /// Sum of all weights.
    weights: Vec<f64>,
    /// The source pixel in which the centre lies.
    centres: Vec<u32>,
}

impl Job<'_> {
    fn sized(self, weight: impl Fn(f64) -> f64 + Copy, target: &mut Target) {
        match self.rule.taps() {
            Some(..=2) => self.window::<2>(weight, target),
            Some(3) => self.window::<3>(weight, target),
            Some(4) => self.window::<4>(weight, target),
            _ => self.window::<8>(weight, target),
        }
    }

    fn window<const N: usize>(self, weight: impl Fn(f64) -> f64 + Copy, target: &mut Target) {
        let Job { method, rule, planes, rows, cols } = self;
        let (mut mesh, mut points) = (Mesh::default(), Points::default());
        let mut segment = Segment::<N>::new();
        let mut general = General::new(method, rule);
        let mut valid = Vec::new();
        for (k, row) in rows.enumerate() {
            rule.line(&mut mesh, row, cols.clone(), &mut points);
            let mut start = 0;
            while start < cols.len() {
                let end = (start + SEGMENT).min(cols.len());
                segment.fill(rule, planes, &points, start..end, weight);
                let at = (k, start);
                segment.values(method, planes, at, target);
                for plane in 0..planes.count() {
                    segment.validity(method, planes, plane, &mut valid);
                    target.validity(plane, at, end - start).copy_from_slice(&valid);
                }
                let left = segment.states.iter().enumerate();
                for (i, _) in left.filter(|(_, state)| **state == State::General) {
                    let place = (points.cols[start + i], points.rows[start + i]);
                    general.pixel(rule, planes, place, (k, start + i), target);
                }
                start = end;
            }
        }
    }
}

impl<const N: usize> Segment<N> {
    fn new() -> Segment<N> {
        Segment {
            states: Vec::with_capacity(SEGMENT),
            x: Vec::with_capacity(SEGMENT),
            y: Vec::with_capacity(SEGMENT),
            weights: Vec::with_capacity(SEGMENT),
            centres: Vec::with_capacity(SEGMENT),
        }
    }

    fn fill(
        &mut self,
        rule: &Rule,
        planes: &Planes<'_>,
        points: &Points,
        range: Range<usize>,
        weight: impl Fn(f64) -> f64 + Copy,
    ) {
        self.states.clear();
        self.x.clear();
        self.y.clear();
        self.weights.clear();
        self.centres.clear();
        let [height, width] = rule.places.source_len();
        let [[top, left], [tall, wide]] = planes.place();
        let [along, across] = rule.ratios;
        let reach = rule.kernel.map_or(0.0, |kernel| kernel.reach());
        for (&col, &row) in points.cols[range.clone()].iter().zip(&points.rows[range]) {
            let x = Axis::<N>::new(rule.places.wrapped(col), width, (reach, across), weight);
            let y = Axis::<N>::new(row, height, (reach, along), weight);
            let (mut state, mut centre, mut sum) = (State::None, 0, 1.0);
            let mut offsets = [([0; N], [0.0; N]); 2];
            if x.count > 0 && y.count > 0 && x.within(left, wide) && y.within(top, tall) {
                let simple = !rule.plain || (x.whole && y.whole);
                state = if simple { State::Simple } else { State::General };
                offsets = [x.offsets(left, 1), y.offsets(top, wide)];
                sum = y.weights.iter().fold(0.0, |sum, w| sum + w * x.total);
                centre = (y.centre - top) * wide + (x.centre - left);
            }
            self.states.push(state);
            self.x.push(offsets[0]);
            self.y.push(offsets[1]);
            self.weights.push(sum);
            self.centres.push(centre as u32);
        }
    }

    /// The values of all planes, valid or not.
    fn values(&self, method: Method, planes: &Planes<'_>, at: (usize, usize), out: &mut Target) {
        let n = self.states.len();
        for_values!(planes.values(), source => {
            for (plane, source) in source.chunks_exact(planes.area()).enumerate() {
                let place = out.place(plane, at);
                match out.values_mut() {
                    values if method == Method::Near => {
                        if let Some(out) = Element::slice_mut(values) {
                            self.nearest(source, &mut out[place..place + n]);
                        }
                    }
                    Values::F32(out) => self.sums(source, &mut out[place..place + n]),
                    Values::F64(out) => self.sums(source, &mut out[place..place + n]),
                    _ => {}
                }
            }
        });
    }

    fn nearest<T: Sample>(&self, source: &[T], out: &mut [T]) {
        for (out, &centre) in out.iter_mut().zip(&self.centres) {
            *out = source[centre as usize];
        }
    }

    fn sums<T: Sample, R: Real>(&self, source: &[T], out: &mut [R]) {
        let pixels = self.x.iter().zip(&self.y).zip(&self.weights);
        for (out, ((x, y), weight)) in out.iter_mut().zip(pixels) {
            let mut value = 0.0;
            for j in 0..N {
                let mut sum = 0.0;
                for i in 0..N {
                    sum += x.1[i] * source[(y.0[j] + x.0[i]) as usize].real();
                }
                value += y.1[j] * sum;
            }
            *out = R::of(value / weight);
        }
    }

    /// Which pixels of a plane are valid, if they are simple; those that are not become general.
    fn validity(
        &mut self,
        method: Method,
        planes: &Planes<'_>,
        plane: usize,
        valid: &mut Vec<bool>,
    ) {
        valid.clear();
        let weights = self.weights.iter().zip(&self.states);
        valid.extend(weights.map(|(weight, state)| *state == State::Simple && *weight > NOTHING));
        let Some(mask) = planes.mask(plane) else { return };
        for (k, ok) in valid.iter_mut().enumerate().filter(|(_, ok)| **ok) {
            *ok = mask[self.centres[k] as usize];
            if !*ok || method == Method::Near {
                continue;
            }
            let (x, y) = (&self.x[k].0, &self.y[k].0);
            let mut all = true;
            for j in 0..N {
                for i in 0..N {
                    all &= mask[(y[j] + x[i]) as usize];
                }
            }
            if !all {
                self.states[k] = State::General;
            }
        }
    }
}

/// The general way for single pixels.
struct General {
    method: Method,
    kernel: Kernel,
    x: Taps,
    y: Taps,
    plain: Option<(Taps, Taps)>,
}

impl General {
    fn new(method: Method, rule: &Rule) -> General {
        General {
            method,
            kernel: rule.kernel.unwrap_or(Kernel::NEAR),
            x: Taps::default(),
            y: Taps::default(),
            plain: rule.plain.then(Default::default),
        }
    }

    /// Computes the target pixel `at` (row and column in the window) of all planes anew.
    fn pixel(
        &mut self,
        rule: &Rule,
        planes: &Planes<'_>,
        (col, row): (f64, f64),
        at: (usize, usize),
        target: &mut Target,
    ) {
        let [height, width] = rule.places.source_len();
        let col = rule.places.wrapped(col);
        let one = |taps: &mut Taps, place: f64, len: usize, kernel: Kernel, ratio: f64| {
            taps.clear();
            taps.push_point(place, len, kernel, ratio);
        };
        one(&mut self.x, col, width, self.kernel, rule.ratios[1]);
        one(&mut self.y, row, height, self.kernel, rule.ratios[0]);
        if let Some((y, x)) = &mut self.plain {
            one(x, col, width, Kernel::BILINEAR, 1.0);
            one(y, row, height, Kernel::BILINEAR, 1.0);
        }
        for plane in 0..planes.count() {
            target.validity(plane, at, 1)[0] = false;
        }
        let taps = Row {
            x: &self.x,
            y: &self.y,
            y_span: Some(0),
            plain: self.plain.as_ref().map(|(y, x)| (y, x)),
            share: &[],
        };
        target.fill_at(self.method, planes, at, taps);
    }
}
