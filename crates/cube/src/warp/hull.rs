//! The box of source pixels behind a window of the target, without looking at each of its pixels.

use std::ops::Range;

use super::lines::{Lines, Rule};
use super::place::Points;

/// Windows up to this many rows are looked at row by row.
const FEW_ROWS: usize = 16;

/// Rows of a larger window that are looked at, about.
const SAMPLES: usize = 24;

/// Nodes of the lattice along each side.
const NODES: usize = 9;

type Box = [Range<usize>; 2];

/// Rows and columns of the source that a window needs; both empty if there are none.
pub(super) fn source_region(rule: &Rule, rows: Range<usize>, cols: Range<usize>) -> Box {
    let large = rows.len().max(cols.len()) > FEW_ROWS;
    let lattice = if large { by_lattice(rule, &rows, &cols) } else { None };
    lattice.unwrap_or_else(|| by_rows(rule, rows, cols))
}

/// From the places of a lattice over the window, widened by the reach of a pixel and by how far places between its
/// nodes can lie off the straight line, for which the second differences of the lattice stand. `None` where places
/// cannot be compared: without image, or around the earth.
fn by_lattice(rule: &Rule, rows: &Range<usize>, cols: &Range<usize>) -> Option<Box> {
    let node = |range: &Range<usize>, k: usize| {
        range.start as f64 - 0.5 + range.len() as f64 * k as f64 / (NODES - 1) as f64
    };
    let mut points = Points::default();
    for k in 0..NODES * NODES {
        points.rows.push(node(rows, k / NODES));
        points.cols.push(node(cols, k % NODES));
    }
    rule.places.locate(&mut points);
    let limits = rule.places.source_len();
    let mut found = [0..0, 0..0];
    for (axis, at) in [&points.rows, &points.cols].into_iter().enumerate() {
        if !at.iter().all(|v| v.is_finite()) {
            return None;
        }
        let low = at.iter().copied().fold(f64::INFINITY, f64::min);
        let high = at.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut bend = 0.0_f64;
        for line in 0..NODES {
            for k in 1..NODES - 1 {
                let along = |step: usize, at_line: usize| {
                    let i = at_line + k * step;
                    (at[i - step] - 2.0 * at[i] + at[i + step]).abs()
                };
                bend = bend.max(along(1, line * NODES)).max(along(NODES, line));
            }
        }
        // Columns around the earth: only where no turn is in question.
        let inside = low >= -1.0 && high <= limits[axis] as f64;
        if axis == 1 && rule.places.turns() && !inside {
            return None;
        }
        let reach = rule.kernel.map_or(1.0, |kernel| kernel.reach() * rule.ratios[axis]);
        let margin = reach + 1.0 + bend;
        let limit = limits[axis] as f64;
        let first = (low - margin).floor().clamp(0.0, limit);
        let last = (high + margin).ceil().clamp(0.0, limit);
        found[axis] = first as usize..last as usize;
    }
    Some(if is_empty(&found) { [0..0, 0..0] } else { found })
}

/// In a large window only every so many rows are looked at. Rows between two of them reach no farther beyond both
/// than these lie apart, since places move smoothly from row to row; so the box is widened by the largest such step.
/// Where one of two neighbours has no source pixels at all, the rows between them are looked at one by one.
fn by_rows(rule: &Rule, rows: Range<usize>, cols: Range<usize>) -> Box {
    let exact = |rows: Range<usize>| Lines::new(rule, rows, cols.clone()).hull();
    if rows.len() <= FEW_ROWS {
        return exact(rows);
    }
    let step = rows.len().div_ceil(SAMPLES).max(2);
    let mut at: Vec<usize> = rows.clone().step_by(step).collect();
    at.extend((at.last() != Some(&(rows.end - 1))).then_some(rows.end - 1));
    let samples: Vec<Box> = at.iter().map(|&row| exact(row..row + 1)).collect();
    let mut whole = [0..0, 0..0];
    let mut margin = [0, 0];
    for sample in &samples {
        join(&mut whole, sample);
    }
    for (pair, rows) in samples.windows(2).zip(at.windows(2)) {
        match (is_empty(&pair[0]), is_empty(&pair[1])) {
            (false, false) => {
                for (axis, margin) in margin.iter_mut().enumerate() {
                    let (a, b) = (&pair[0][axis], &pair[1][axis]);
                    *margin = (*margin).max(a.start.abs_diff(b.start)).max(a.end.abs_diff(b.end));
                }
            }
            // The edge of the source lies between.
            _ => join(&mut whole, &exact(rows[0] + 1..rows[1])),
        }
    }
    let limits = rule.places.source_len();
    if is_empty(&whole) {
        return whole;
    }
    for (axis, range) in whole.iter_mut().enumerate() {
        *range =
            range.start.saturating_sub(margin[axis])..(range.end + margin[axis]).min(limits[axis]);
    }
    whole
}

fn is_empty(region: &Box) -> bool {
    region.iter().any(|range| range.is_empty())
}

fn join(whole: &mut Box, part: &Box) {
    if is_empty(part) {
        return;
    }
    if is_empty(whole) {
        whole.clone_from(part);
        return;
    }
    for (all, own) in whole.iter_mut().zip(part) {
        *all = all.start.min(own.start)..all.end.max(own.end);
    }
}

#[cfg(test)]
mod tests {
    use crate::crs::Crs;
    use crate::grid::Grid;
    use crate::label::Regular;
    use crate::warp::lines::Lines;
    use crate::warp::{Method, Warp};

    fn grid(epsg: u32, corner: (f64, f64), step: f64, size: (usize, usize)) -> Grid {
        let axis =
            |first: f64, step: f64, len: usize| Regular { start: first + step / 2.0, step, len };
        Grid {
            crs: Crs::epsg(epsg).unwrap(),
            x: axis(corner.0, step, size.0),
            y: axis(corner.1, -step, size.1),
        }
    }

    #[test]
    fn the_box_holds_every_pixel_that_a_window_needs() {
        let source = grid(32632, (600_000.0, 5_200_000.0), 10.0, (2048, 2048));
        let targets = [
            grid(3857, (1_148_000.0, 5_930_000.0), 20.0, (1600, 1600)),
            grid(3035, (4_420_000.0, 2_650_000.0), 30.0, (900, 900)),
            grid(4326, (10.2, 47.0), 0.0005, (800, 700)),
        ];
        for target in targets {
            for method in [Method::Near, Method::Bilinear, Method::Lanczos, Method::Average] {
                let warp = Warp::new(source.clone(), target.clone(), method).unwrap();
                for (rows, cols) in [(0..600, 0..640), (17..81, 200..712), (301..318, 100..117)] {
                    let exact = Lines::new(&warp.rule, rows.clone(), cols.clone()).hull();
                    let found = warp.source_region(rows, cols);
                    for (found, exact) in found.iter().zip(&exact) {
                        assert!(
                            exact.is_empty()
                                || found.start <= exact.start && exact.end <= found.end,
                            "{found:?} {exact:?} {method:?}"
                        );
                        assert!(
                            exact.is_empty() || found.len() <= exact.len() + 24,
                            "{found:?} {exact:?}"
                        );
                    }
                }
            }
        }
    }
}
