//! Which source pixels along one axis count for a target pixel, and how much.

use super::Method;

/// Distance in source pixels below which a point lies on an edge or a centre. Well above the rounding of
/// coordinates, well below anything visible.
pub(super) const TIE: f64 = 1e-8;

/// Weights below this are none.
pub(super) const NO_WEIGHT: f64 = 1e-12;

/// Source pixels `first..first + count` along one axis, with weights from `offset` on in their [`Taps`]. No
/// pixels: the target pixel has no source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) count: usize,
    offset: usize,
    /// The pixel in which the centre of the target pixel lies (point methods only).
    pub(super) centre: usize,
    /// Sum of the weights, in order.
    pub(super) total: f64,
    /// Whether no pixel with weight lies outside the grid.
    pub(super) whole: bool,
}

/// Spans of a line of target pixels with their weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps {
    pub(super) spans: Vec<Span>,
    weights: Vec<f64>,
}

/// A weight as a function of the distance, and the distance from which on it is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    weight: fn(f64) -> f64,
    radius: f64,
}

impl Kernel {
    pub(super) const NEAR: Kernel = Kernel { weight: |_| 1.0, radius: 0.0 };
    pub(super) const BILINEAR: Kernel = Kernel { weight: linear, radius: 1.0 };
    pub(super) const CUBIC: Kernel = Kernel { weight: cubic, radius: 2.0 };
    pub(super) const SPLINE: Kernel = Kernel { weight: spline, radius: 2.0 };
    pub(super) const LANCZOS: Kernel = Kernel { weight: lanczos, radius: 3.0 };

    /// Source pixels on each side, before widening.
    pub(super) fn reach(&self) -> f64 {
        self.radius
    }

    /// The kernel of a point method; `None` for methods over a footprint.
    pub(super) fn of(method: Method) -> Option<Kernel> {
        match method {
            Method::Near => Some(Self::NEAR),
            Method::Bilinear => Some(Self::BILINEAR),
            Method::Cubic => Some(Self::CUBIC),
            Method::CubicSpline => Some(Self::SPLINE),
            Method::Lanczos => Some(Self::LANCZOS),
            Method::Average
            | Method::Mode
            | Method::Max
            | Method::Min
            | Method::Med
            | Method::Q1
            | Method::Q3
            | Method::Sum
            | Method::Rms => None,
        }
    }
}

#[inline]
pub(super) fn linear(x: f64) -> f64 {
    1.0 - x
}

/// Keys (1981) with a = -1/2, also called Catmull-Rom.
#[inline]
pub(super) fn cubic(x: f64) -> f64 {
    if x <= 1.0 { (1.5 * x - 2.5) * x * x + 1.0 } else { ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0 }
}

/// Cubic B-spline; it smooths, and does not pass through the source values.
#[inline]
pub(super) fn spline(x: f64) -> f64 {
    if x <= 1.0 { (0.5 * x - 1.0) * x * x + 2.0 / 3.0 } else { (2.0 - x).powi(3) / 6.0 }
}

/// Lanczos with three lobes.
#[inline]
pub(super) fn lanczos(x: f64) -> f64 {
    // sin 3t from sin t: the sine is what costs.
    let third = std::f64::consts::FRAC_PI_3 * x;
    let sine = libm::sin(third);
    let triple = (3.0 - 4.0 * sine * sine) * sine;
    if x == 0.0 { 1.0 } else { triple * sine / (3.0 * third * third) }
}

impl Taps {
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.weights.clear();
    }

    pub(super) fn weights(&self, span: Span) -> &[f64] {
        &self.weights[span.offset..span.offset + span.count]
    }

    pub(super) fn push_none(&mut self) {
        self.spans.push(Span::default());
    }

    /// Adds the pixels around point `at` of an axis with `len` pixels, with a kernel widened by `ratio`.
    pub(super) fn push_point(&mut self, at: f64, len: usize, kernel: Kernel, ratio: f64) {
        let pixel = (at + TIE).floor();
        if !(pixel >= 0.0 && pixel < len as f64) {
            return self.push_none();
        }
        let centre = pixel as usize;
        let reach = kernel.radius * ratio;
        if reach == 0.0 {
            self.weights.push(1.0);
            return self.finish(centre, self.weights.len() - 1, centre, true);
        }
        let middle = snapped(at - 0.5);
        // A kernel is zero at its radius: pixels there have no weight.
        let low = (middle - reach).floor() + 1.0;
        let high = (middle + reach).ceil() - 1.0;
        let whole = low >= 0.0 && high < len as f64;
        let (low, high) = (low.max(0.0) as usize, high.min(len as f64 - 1.0) as usize);
        let offset = self.weights.len();
        let weight = |i: usize| (kernel.weight)((i as f64 - middle).abs() / ratio);
        self.weights.extend((low..=high).map(weight));
        // At a pixel centre most kernels are zero at all other centres. Pixels without weight must not count,
        // as infinity times zero is not zero, and as they would make windows larger than need be.
        let zero = |weight: &&f64| weight.abs() < NO_WEIGHT;
        let own = &self.weights[offset..];
        let skipped = own.iter().take_while(zero).count();
        let kept = own.len() - own.iter().rev().take_while(zero).count();
        self.weights.truncate(offset + kept.max(skipped));
        self.weights.drain(offset..offset + skipped);
        let count = self.weights.len() - offset;
        let whole = whole || count == 1;
        self.finish(low + skipped, offset, centre, whole);
    }

    /// Adds the pixels that `low..high` touches on an axis with `len` pixels, with the touched length.
    pub(super) fn push_box(&mut self, low: f64, high: f64, len: usize) {
        let (low, high) = (snapped(low), snapped(high));
        let first = low.floor().max(0.0);
        let end = high.ceil().max(low.floor() + 1.0).min(len as f64);
        if first >= end || !(high - low).is_finite() {
            return self.push_none();
        }
        let (first, end) = (first as usize, end as usize);
        let touched = |i: usize| {
            if high <= low { 1.0 } else { high.min((i + 1) as f64) - low.max(i as f64) }
        };
        let offset = self.weights.len();
        self.weights.extend((first..end).map(touched));
        self.finish(first, offset, first, true);
    }

    /// The weights from `offset` on are those of the pixels from `first` on.
    fn finish(&mut self, first: usize, offset: usize, centre: usize, whole: bool) {
        let own = &self.weights[offset..];
        let (count, total) = (own.len(), own.iter().fold(0.0, |sum, w| sum + w));
        self.spans.push(Span { first, count, offset, centre, total, whole });
    }
}

/// The whole number next to a place that is as good as there, else the place.
#[inline]
pub(super) fn snapped(at: f64) -> f64 {
    let whole = (at + 0.5).floor();
    if (at - whole).abs() < TIE { whole } else { at }
}
