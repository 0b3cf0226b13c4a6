//! Where target pixels lie in the index space of the source grid.

use std::sync::Arc;

use super::taps::TIE;
use crate::crs::{CrsError, CrsTransform, transformer};
use crate::grid::Grid;
use crate::label::Regular;

/// The way from target indices to source index space.
#[derive(Clone, Debug)]
pub(super) struct Places {
    from: [Regular; 2],
    to: [Regular; 2],
    /// From the target's system to the source's; `None` if they are one system, where columns depend on x
    /// alone and rows on y alone.
    back: Option<Arc<dyn CrsTransform>>,
    /// Source pixels around the earth along x, for longitudes.
    period: Option<f64>,
}

/// Points in source index space: columns and rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    pub(super) cols: Vec<f64>,
    pub(super) rows: Vec<f64>,
}

/// A box in source index space, and the part of it that the target pixel covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    pub(super) cols: (f64, f64),
    pub(super) rows: (f64, f64),
    pub(super) share: f64,
}

impl Places {
    pub(super) fn new(from: &Grid, to: &Grid) -> Result<Places, CrsError> {
        let back = if from.crs == to.crs { None } else { Some(transformer(&to.crs, &from.crs)?) };
        let period = (360.0 / from.x.step).abs();
        let wraps = from.crs.is_geographic() && period.is_finite();
        Ok(Places {
            from: [from.y, from.x],
            to: [to.y, to.x],
            back,
            period: wraps.then_some(period),
        })
    }

    pub(super) fn separable(&self) -> bool {
        self.back.is_none()
    }

    /// Whether the source's columns go around the earth.
    pub(super) fn turns(&self) -> bool {
        self.period.is_some()
    }

    /// Rows and columns of the source grid.
    pub(super) fn source_len(&self) -> [usize; 2] {
        [self.from[0].len, self.from[1].len]
    }

    /// Source columns of target columns (fractions allowed), where the grids share a system.
    pub(super) fn col(&self, index: f64) -> f64 {
        index_of(self.from[1], place_of(self.to[1], index))
    }

    /// Source rows of target rows (fractions allowed), where the grids share a system.
    pub(super) fn row(&self, index: f64) -> f64 {
        index_of(self.from[0], place_of(self.to[0], index))
    }

    /// `count` target points from (`row`, `col`) on along a target row. Points without image are NaN.
    pub(super) fn line(&self, row: f64, col: f64, count: usize, out: &mut Points) {
        out.cols.clear();
        out.cols.extend((0..count).map(|k| col + k as f64));
        out.rows.clear();
        out.rows.resize(count, row);
        self.locate(out);
    }

    /// Replaces target points by their places in source index space, NaN for those without image.
    pub(super) fn locate(&self, Points { cols, rows }: &mut Points) {
        for (x, y) in cols.iter_mut().zip(rows.iter_mut()) {
            (*x, *y) = (place_of(self.to[1], *x), place_of(self.to[0], *y));
        }
        if let Some(back) = &self.back {
            back.transform(cols, rows);
        }
        for (x, y) in cols.iter_mut().zip(rows) {
            (*x, *y) = (index_of(self.from[1], *x), index_of(self.from[0], *y));
        }
    }

    /// The column on the side of the earth where the source grid is.
    pub(super) fn wrapped(&self, col: f64) -> f64 {
        let inside = (0.0..self.from[1].len as f64).contains(&(col + TIE));
        match self.period {
            Some(period) if !inside => col - ((col + TIE) / period).floor() * period,
            _ => col,
        }
    }

    /// Columns `low..high` on the side of the earth where the source grid is.
    pub(super) fn wrapped_box(&self, (low, high): (f64, f64)) -> (f64, f64) {
        let len = self.from[1].len as f64;
        match self.period {
            Some(period) if !(high > TIE && low + TIE < len) => {
                let mut turn = (low / period).floor() * period;
                if low - turn >= len {
                    turn += period;
                }
                (low - turn, high - turn)
            }
            _ => (low, high),
        }
    }

    /// The box around the corners (in order around the pixel); `None` if a corner has no image.
    pub(super) fn footprint(&self, cols: [f64; 4], rows: [f64; 4]) -> Option<Footprint> {
        let finite = |v: &f64| v.is_finite();
        if !(cols.iter().all(finite) && rows.iter().all(finite)) {
            return None;
        }
        let near = |col: f64| self.near(col, cols[0]);
        let cols = cols.map(near);
        let span = |v: [f64; 4]| {
            (
                v.iter().copied().fold(f64::INFINITY, f64::min),
                v.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            )
        };
        let (across, along) = (span(cols), span(rows));
        // Shoelace over the diagonals.
        let area = 0.5
            * ((cols[2] - cols[0]) * (rows[3] - rows[1])
                - (cols[3] - cols[1]) * (rows[2] - rows[0]))
                .abs();
        let whole = (across.1 - across.0) * (along.1 - along.0);
        let share = if whole > 0.0 { (area / whole).min(1.0) } else { 1.0 };
        Some(Footprint { cols: self.wrapped_box(across), rows: along, share })
    }

    /// Source pixels per target pixel along rows and columns, the same for the whole grid: exact where the
    /// grids share a system, else the median over some points where both grids are.
    pub(super) fn ratios(&self, from: &Grid, to: &Grid) -> Result<[f64; 2], CrsError> {
        if self.separable() {
            return Ok([0, 1].map(|axis| (self.to[axis].step / self.from[axis].step).abs()));
        }
        let [height, width] = self.to.map(|axis| lattice(axis.len));
        let pairs = |rows: &[f64], cols: &[f64]| -> Vec<(f64, f64)> {
            rows.iter().flat_map(|&r| cols.iter().map(move |&c| (r, c))).collect()
        };
        let mut found = self.local_ratios(&pairs(&height, &width));
        if found.is_empty() {
            // The source is small in the target: look from its side.
            let there = Places::new(to, from)?;
            let [height, width] = there.to.map(|axis| lattice(axis.len));
            let mut line = Points::default();
            let inside = pairs(&height, &width).into_iter().filter_map(|(row, col)| {
                there.line(row, col, 1, &mut line);
                let (row, col) = (line.rows[0], there.wrapped(line.cols[0]));
                there.holds(row, col).then(|| (row.floor(), col.floor()))
            });
            found = self.local_ratios(&inside.collect::<Vec<_>>());
        }
        let median = |axis: usize| {
            let mut values: Vec<f64> = found.iter().map(|ratio| ratio[axis]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(1.0)
        };
        Ok([median(0), median(1)])
    }

    /// Lengths of the steps to the next target column and row, in source rows and columns.
    fn local_ratios(&self, targets: &[(f64, f64)]) -> Vec<[f64; 2]> {
        let (mut here, mut below) = (Points::default(), Points::default());
        let ratio = |&(row, col): &(f64, f64)| {
            self.line(row, col, 2, &mut here);
            self.line(row + 1.0, col, 1, &mut below);
            if !self.holds(here.rows[0], self.wrapped(here.cols[0])) {
                return None;
            }
            let [right, down] =
                [here.cols[1], below.cols[0]].map(|col| self.near(col, here.cols[0]));
            let across = (right - here.cols[0]).hypot(down - here.cols[0]);
            let along = (here.rows[1] - here.rows[0]).hypot(below.rows[0] - here.rows[0]);
            (across.is_finite() && along.is_finite()).then_some([along, across])
        };
        targets.iter().filter_map(ratio).collect()
    }

    fn holds(&self, row: f64, col: f64) -> bool {
        (0.0..self.from[0].len as f64).contains(&row)
            && (0.0..self.from[1].len as f64).contains(&col)
    }

    /// The column less than half the earth away from `other`. Only the way through another system breaks
    /// longitudes up.
    fn near(&self, col: f64, other: f64) -> f64 {
        match self.period {
            Some(period) if self.back.is_some() => col - ((col - other) / period).round() * period,
            _ => col,
        }
    }
}

fn place_of(axis: Regular, index: f64) -> f64 {
    axis.start + index * axis.step
}

fn index_of(axis: Regular, place: f64) -> f64 {
    (place - axis.start) / axis.step + 0.5
}

/// Up to nine indices spread over an axis.
fn lattice(len: usize) -> Vec<f64> {
    let count = len.min(9);
    (0..count).map(|k| ((k as f64 + 0.5) / count as f64 * len as f64).floor()).collect()
}
