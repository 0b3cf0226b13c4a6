//! Places between reference systems without a transformation for every pixel.
//!
//! The target grid is cut into cells of [`SIDE`] × [`SIDE`] pixels from its first pixel on. In each cell, places
//! are interpolated quadratically between nine that are transformed; four more show whether that is good
//! enough ([`TOLERANCE`]), else every place in the cell is transformed. A cell depends on the grids alone, so
//! windows do not show.

use multiversion::multiversion;

use super::place::{Places, Points};

/// Target pixels along a side of a cell.
const SIDE: f64 = 32.0;

/// Largest error at the four trial places, in source pixels. They lie near the maximum of the error between
/// nodes, so that 0.01 is kept throughout.
const TOLERANCE: f64 = 1e-3;

/// Nodes and then trial places of a cell, as parts of its sides (row, column).
const KNOTS: [(f64, f64); 13] = [
    (0.0, 0.0),
    (0.0, 0.5),
    (0.0, 1.0),
    (0.5, 0.0),
    (0.5, 0.5),
    (0.5, 1.0),
    (1.0, 0.0),
    (1.0, 0.5),
    (1.0, 1.0),
    (0.25, 0.25),
    (0.25, 0.75),
    (0.75, 0.25),
    (0.75, 0.75),
];
const NODES: usize = 9;

/// The cells along one row of cells.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    row: f64,
    first: f64,
    /// `None`: places are to be transformed.
    cells: Vec<Option<Cell>>,
    points: Points,
}

/// Places of the nodes: rows and columns in source index space.
#[derive(Clone, Copy, Debug)]
struct Cell {
    rows: [f64; NODES],
    cols: [f64; NODES],
}

impl Mesh {
    /// As [`Places::line`].
    pub(super) fn line(
        &mut self,
        places: &Places,
        row: f64,
        col: f64,
        count: usize,
        out: &mut Points,
    ) {
        out.rows.clear();
        out.cols.clear();
        if count == 0 {
            return;
        }
        let (first, last) = (cell_of(col), cell_of(col + (count - 1) as f64));
        self.prepare(places, cell_of(row), first, (last - first) as usize + 1);
        let down = basis(part(row, self.row));
        out.rows.resize(count, 0.0);
        out.cols.resize(count, 0.0);
        let mut from = 0;
        for (k, cell) in self.cells.iter().enumerate() {
            let index = first + k as f64;
            // The first column of the next cell; exact, as are all numbers here.
            let end = ((index + 1.0) * SIDE - 0.5 - col).ceil();
            let next = (end as usize).min(count);
            let own = [&mut out.rows[from..next], &mut out.cols[from..next]];
            let start = col + from as f64;
            if let Some(cell) = cell {
                let nodes = [fold(cell.rows, down), fold(cell.cols, down)];
                between(nodes, part(start, index), own);
            } else {
                places.line(row, start, next - from, &mut self.points);
                own[0].copy_from_slice(&self.points.rows);
                own[1].copy_from_slice(&self.points.cols);
            }
            from = next;
        }
    }

    fn prepare(&mut self, places: &Places, row: f64, first: f64, count: usize) {
        if (self.row, self.first, self.cells.len()) == (row, first, count) {
            return;
        }
        (self.row, self.first) = (row, first);
        self.points.rows.clear();
        self.points.cols.clear();
        for k in 0..count {
            let left = first + k as f64;
            self.points.rows.extend(KNOTS.map(|knot| (row + knot.0) * SIDE - 0.5));
            self.points.cols.extend(KNOTS.map(|knot| (left + knot.1) * SIDE - 0.5));
        }
        places.locate(&mut self.points);
        let knots = self.points.rows.chunks(KNOTS.len()).zip(self.points.cols.chunks(KNOTS.len()));
        self.cells.clear();
        self.cells.extend(knots.map(|(rows, cols)| Cell::new(rows, cols)));
    }
}

impl Cell {
    fn new(rows: &[f64], cols: &[f64]) -> Option<Cell> {
        let cell = Cell { rows: nodes(rows)?, cols: nodes(cols)? };
        let good = (NODES..KNOTS.len()).all(|i| {
            let (down, across) = (basis(KNOTS[i].0), basis(KNOTS[i].1));
            let off = |nodes, truth: f64| (dot(fold(nodes, down), across) - truth).abs();
            off(cell.rows, rows[i]) <= TOLERANCE && off(cell.cols, cols[i]) <= TOLERANCE
        });
        good.then_some(cell)
    }
}

fn nodes(values: &[f64]) -> Option<[f64; NODES]> {
    values.first_chunk().copied()
}

/// Places of a row of pixels in a cell, the first of which lies at `start` of the cell's width.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn between(nodes: [[f64; 3]; 2], start: f64, [rows, cols]: [&mut [f64]; 2]) {
    let n = rows.len();
    let cols = &mut cols[..n];
    for i in 0..n {
        // Exact: sides of cells are powers of two.
        let across = basis(start + f64::from(i as u32) / SIDE);
        rows[i] = dot(nodes[0], across);
        cols[i] = dot(nodes[1], across);
    }
}

/// The cell in which an index lies; pixel edges belong to the cell after them.
fn cell_of(index: f64) -> f64 {
    ((index + 0.5) / SIDE).floor()
}

fn part(index: f64, cell: f64) -> f64 {
    (index + 0.5) / SIDE - cell
}

/// Weights of the nodes at 0, 1/2 and 1 for a value at `t`.
#[inline]
fn basis(t: f64) -> [f64; 3] {
    [(2.0 * t - 1.0) * (t - 1.0), 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)]
}

/// The three values of a line across the cell.
fn fold(nodes: [f64; NODES], down: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| dot([nodes[i], nodes[i + 3], nodes[i + 6]], down))
}

#[inline]
fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::grid::Grid;

    fn grid(epsg: u32, corner: (f64, f64), step: (f64, f64)) -> Grid {
        Grid::from_corner(Crs::epsg(epsg).unwrap(), corner, step, (200, 150))
    }

    /// The largest error in pixels and the number of cells that are interpolated.
    fn error(from: &Grid, to: &Grid) -> (f64, usize) {
        let places = Places::new(from, to).unwrap();
        let (mut mesh, mut near, mut truth) =
            (Mesh::default(), Points::default(), Points::default());
        let (mut worst, mut meshed) = (0.0_f64, 0);
        for row in 0..to.y.len {
            let (row, col, count) = (row as f64 - 0.5, -0.5, to.x.len + 1);
            mesh.line(&places, row, col, count, &mut near);
            places.line(row, col, count, &mut truth);
            meshed += mesh.cells.iter().flatten().count();
            for i in 0..count {
                assert_eq!(near.rows[i].is_nan(), truth.rows[i].is_nan());
                let off = (near.rows[i] - truth.rows[i]).hypot(near.cols[i] - truth.cols[i]);
                worst = if off.is_nan() { worst } else { worst.max(off) };
            }
        }
        (worst, meshed)
    }

    #[test]
    fn interpolated_places_are_close() {
        let utm = |step: f64| grid(32633, (650_000.0, 5_300_000.0), (step, -step));
        let degrees = |step: f64| grid(4326, (17.0, 47.8), (step, -step));
        let world = grid(4326, (-180.0, 90.0), (1.8, -1.2));
        for (from, to, meshes, most) in [
            (utm(10.0), degrees(0.0001), true, 1e-6),
            (degrees(0.0001), utm(10.0), true, 1e-6),
            (utm(1000.0), degrees(0.01), true, 1e-3),
            (grid(3857, (1.8e6, 6.1e6), (10.0, -10.0)), utm(10.0), true, 1e-6),
            (utm(10.0), world.clone(), false, 1e-2),
            (world, grid(3413, (-4e6, 4e6), (4e4, -4e4)), false, 1e-2),
        ] {
            let (worst, meshed) = error(&from, &to);
            assert!(worst <= most, "{} from {}: {worst}", to.crs, from.crs);
            assert!(!meshes || meshed > 0, "{} from {}", to.crs, from.crs);
        }
    }
}
