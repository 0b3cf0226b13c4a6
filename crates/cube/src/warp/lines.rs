//! The source pixels of target rows, one after the other.

use std::ops::Range;

use super::apply::Row;
use super::mesh::Mesh;
use super::place::{Places, Points};
use super::taps::{Kernel, Span, Taps};

/// How spans are made, the same for every pixel.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) places: Places,
    /// `None`: the footprint.
    pub(super) kernel: Option<Kernel>,
    /// Factors that widen the kernel along rows and columns.
    pub(super) ratios: [f64; 2],
    /// Whether the kernel gives way to the bilinear one where it lacks a pixel.
    pub(super) plain: bool,
}

impl Rule {
    /// Most source pixels along an axis that a pixel of a point method needs; `None` for footprints.
    pub(super) fn taps(&self) -> Option<usize> {
        let reach = self.kernel?.reach() * self.ratios[0].max(self.ratios[1]);
        Some(if reach < 1e6 { ((2.0 * reach).ceil() as usize).max(1) } else { usize::MAX })
    }

    /// Places of the centres of a row of target pixels.
    pub(super) fn line(&self, mesh: &mut Mesh, row: usize, cols: Range<usize>, out: &mut Points) {
        if !self.places.separable() {
            return mesh.line(&self.places, row as f64, cols.start as f64, cols.len(), out);
        }
        out.rows.clear();
        out.rows.resize(cols.len(), self.places.row(row as f64));
        out.cols.clear();
        out.cols.extend(cols.map(|col| self.places.col(col as f64)));
    }
}

/// Spans of the current target row; buffers are kept from row to row.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rule: &'a Rule,
    rows: Range<usize>,
    cols: Range<usize>,
    row: usize,
    y: Taps,
    x: Taps,
    plain: Option<(Taps, Taps)>,
    share: Vec<f64>,
    mesh: Mesh,
    points: Points,
    below: Points,
}

impl<'a> Lines<'a> {
    pub(super) fn new(rule: &'a Rule, rows: Range<usize>, cols: Range<usize>) -> Lines<'a> {
        let mut lines = Lines {
            rule,
            row: rows.start,
            rows,
            cols,
            y: Taps::default(),
            x: Taps::default(),
            plain: rule.plain.then(Default::default),
            share: Vec::new(),
            mesh: Mesh::default(),
            points: Points::default(),
            below: Points::default(),
        };
        if rule.places.separable() {
            lines.fill_axes();
        }
        lines
    }

    /// The next row of the window.
    pub(super) fn next(&mut self) -> Option<Row<'_>> {
        if self.row >= self.rows.end {
            return None;
        }
        let row = self.row;
        self.row += 1;
        let separable = self.rule.places.separable();
        if !separable {
            self.x.clear();
            self.y.clear();
            match self.rule.kernel {
                Some(kernel) => self.fill_points(row, kernel),
                None => self.fill_boxes(row),
            }
        }
        Some(Row {
            x: &self.x,
            y: &self.y,
            y_span: separable.then_some(row - self.rows.start),
            plain: self.plain.as_ref().map(|(y, x)| (y, x)),
            share: &self.share,
        })
    }

    /// Rows and columns that the window needs.
    pub(super) fn hull(mut self) -> [Range<usize>; 2] {
        let mut hull = [0..0, 0..0];
        let add = |range: &mut Range<usize>, span: Span| {
            let own = span.first..span.first + span.count;
            *range = if range.start == range.end {
                own
            } else {
                range.start.min(own.start)..range.end.max(own.end)
            };
        };
        while let Some(row) = self.next() {
            for (k, &x) in row.x.spans.iter().enumerate() {
                let y = row.y.spans[row.y_span.unwrap_or(k)];
                if x.count > 0 && y.count > 0 {
                    add(&mut hull[0], y);
                    add(&mut hull[1], x);
                }
            }
        }
        hull
    }

    /// Grids of one system: spans of all columns and all rows.
    fn fill_axes(&mut self) {
        let places = &self.rule.places;
        let [height, width] = places.source_len();
        let [tall, wide] = self.rule.ratios;
        if let Some(kernel) = self.rule.kernel {
            for col in self.cols.clone() {
                let at = places.wrapped(places.col(col as f64));
                self.x.push_point(at, width, kernel, wide);
                if let Some((_, plain)) = &mut self.plain {
                    plain.push_point(at, width, Kernel::BILINEAR, 1.0);
                }
            }
            for row in self.rows.clone() {
                let at = places.row(row as f64);
                self.y.push_point(at, height, kernel, tall);
                if let Some((plain, _)) = &mut self.plain {
                    plain.push_point(at, height, Kernel::BILINEAR, 1.0);
                }
            }
            return;
        }
        let sides = |index: usize, place: &dyn Fn(f64) -> f64| {
            let (a, b) = (place(index as f64 - 0.5), place(index as f64 + 0.5));
            (a.min(b), a.max(b))
        };
        for col in self.cols.clone() {
            let (low, high) = places.wrapped_box(sides(col, &|i| places.col(i)));
            self.x.push_box(low, high, width);
        }
        for row in self.rows.clone() {
            let (low, high) = sides(row, &|i| places.row(i));
            self.y.push_box(low, high, height);
        }
    }

    fn fill_points(&mut self, row: usize, kernel: Kernel) {
        let places = &self.rule.places;
        let [height, width] = places.source_len();
        let [tall, wide] = self.rule.ratios;
        self.mesh.line(
            places,
            row as f64,
            self.cols.start as f64,
            self.cols.len(),
            &mut self.points,
        );
        if let Some((y, x)) = &mut self.plain {
            y.clear();
            x.clear();
        }
        for (&col, &row) in self.points.cols.iter().zip(&self.points.rows) {
            let col = places.wrapped(col);
            self.x.push_point(col, width, kernel, wide);
            self.y.push_point(row, height, kernel, tall);
            if let Some((y, x)) = &mut self.plain {
                x.push_point(col, width, Kernel::BILINEAR, 1.0);
                y.push_point(row, height, Kernel::BILINEAR, 1.0);
            }
        }
    }

    fn fill_boxes(&mut self, row: usize) {
        let places = &self.rule.places;
        let [height, width] = places.source_len();
        let (left, count) = (self.cols.start as f64 - 0.5, self.cols.len() + 1);
        if row == self.rows.start {
            self.mesh.line(places, row as f64 - 0.5, left, count, &mut self.below);
        }
        std::mem::swap(&mut self.points, &mut self.below);
        self.mesh.line(places, row as f64 + 0.5, left, count, &mut self.below);
        self.share.clear();
        let (above, below) = (&self.points, &self.below);
        for k in 0..self.cols.len() {
            let corners =
                |above: &[f64], below: &[f64]| [above[k], above[k + 1], below[k + 1], below[k]];
            let footprint = places
                .footprint(corners(&above.cols, &below.cols), corners(&above.rows, &below.rows));
            if let Some(footprint) = footprint {
                self.x.push_box(footprint.cols.0, footprint.cols.1, width);
                self.y.push_box(footprint.rows.0, footprint.rows.1, height);
                self.share.push(footprint.share);
            } else {
                self.x.push_none();
                self.y.push_none();
                self.share.push(1.0);
            }
        }
    }
}
