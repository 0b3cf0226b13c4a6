//! The general way for single pixels.

use crate::warp::Method;
use crate::warp::apply::{Planes, Row, Target};
use crate::warp::lines::Rule;
use crate::warp::taps::{Kernel, Taps};

pub(super) struct Single<'a> {
    method: Method,
    rule: &'a Rule,
    kernel: Kernel,
    x: Taps,
    y: Taps,
    plain: Option<(Taps, Taps)>,
}

impl<'a> Single<'a> {
    pub(super) fn new(method: Method, rule: &'a Rule) -> Single<'a> {
        Single {
            method,
            rule,
            kernel: rule.kernel.unwrap_or(Kernel::NEAR),
            x: Taps::default(),
            y: Taps::default(),
            plain: rule.plain.then(Default::default),
        }
    }

    /// Computes the target pixel `at` (row and column in the window) of all planes anew. Its place is a column and a
    /// row of the source.
    pub(super) fn pixel(
        &mut self,
        planes: &Planes<'_>,
        (col, row): (f64, f64),
        at: (usize, usize),
        target: &mut Target,
    ) {
        let Rule { places, ratios, .. } = self.rule;
        let [height, width] = places.source_len();
        let one = |taps: &mut Taps, place: f64, len: usize, kernel: Kernel, ratio: f64| {
            taps.clear();
            taps.push_point(place, len, kernel, ratio);
        };
        one(&mut self.x, col, width, self.kernel, ratios[1]);
        one(&mut self.y, row, height, self.kernel, ratios[0]);
        if let Some((y, x)) = &mut self.plain {
            one(x, col, width, Kernel::BILINEAR, 1.0);
            one(y, row, height, Kernel::BILINEAR, 1.0);
        }
        target.clear(at);
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
