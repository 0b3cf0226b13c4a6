//! Which source pixels along one axis count for a target pixel, and how much.

use super::Method;

/// Distance in source pixels below which a point lies on an edge or a centre. Well above the rounding of
/// coordinates, well below anything visible.
pub(super) const TIE: f64 = 1e-8;

/// Weights below this are none.
const NO_WEIGHT: f64 = 1e-12;

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

/// The source pixels along one axis as [`Taps::push_point`] finds them, for kernels of at most `N` pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis<const N: usize> {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) centre: usize,
    pub(super) total: f64,
    pub(super) whole: bool,
    /// Those from `count` on are 0.
    pub(super) weights: [f64; N],
}

impl<const N: usize> Axis<N> {
    const NONE: Axis<N> =
        Axis { first: 0, count: 0, centre: 0, total: 0.0, whole: false, weights: [0.0; N] };

    /// Around point `at` of an axis with `len` pixels, with a kernel of `radius` widened by `ratio`.
    #[inline]
    pub(super) fn new(
        at: f64,
        len: usize,
        (radius, ratio): (f64, f64),
        weight: impl Fn(f64) -> f64,
    ) -> Axis<N> {
        let pixel = (at + TIE).floor();
        if !(pixel >= 0.0 && pixel < len as f64) {
            return Axis::NONE;
        }
        let centre = pixel as usize;
        let reach = radius * ratio;
        let mut axis = Axis { first: centre, count: 1, centre, whole: true, ..Axis::NONE };
        if reach == 0.0 {
            axis.weights[0] = 1.0;
            axis.total = 1.0;
            return axis;
        }
        let middle = snapped(at - 0.5);
        let low = (middle - reach).floor() + 1.0;
        let high = (middle + reach).ceil() - 1.0;
        axis.whole = low >= 0.0 && high < len as f64;
        let low = low.max(0.0) as usize;
        let mut count = (high.min(len as f64 - 1.0) as usize + 1 - low).min(N);
        for i in 0..count {
            axis.weights[i] = weight(((low + i) as f64 - middle).abs() / ratio);
        }
        while count > 0 && axis.weights[count - 1].abs() < NO_WEIGHT {
            count -= 1;
            axis.weights[count] = 0.0;
        }
        let mut skipped = 0;
        while skipped < count && axis.weights[0].abs() < NO_WEIGHT {
            axis.weights.rotate_left(1);
            axis.weights[N - 1] = 0.0;
            skipped += 1;
        }
        axis.first = low + skipped;
        axis.count = count - skipped;
        axis.whole |= axis.count == 1;
        for i in 0..axis.count {
            axis.total += axis.weights[i];
        }
        axis
    }

    /// Whether all pixels are among the `len` from `start` on.
    #[inline]
    pub(super) fn within(&self, start: usize, len: usize) -> bool {
        self.first >= start && self.first + self.count <= start + len
    }

    /// Offsets of the pixels from `start` in steps of `stride`, with the weights; a missing pixel is the last one.
    #[inline]
    pub(super) fn offsets(&self, start: usize, stride: usize) -> ([u32; N], [f64; N]) {
        let mut offsets = [0; N];
        for (i, offset) in offsets.iter_mut().enumerate() {
            *offset = ((self.first - start + i.min(self.count - 1)) * stride) as u32;
        }
        (offsets, self.weights)
    }
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

fn snapped(at: f64) -> f64 {
    if (at - at.round()).abs() < TIE { at.round() } else { at }
}
