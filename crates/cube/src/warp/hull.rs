//! The box of source pixels behind a window of the target, without looking at each of its pixels.

use std::ops::Range;

use super::lines::{Lines, Rule};

/// Windows up to this many rows are looked at row by row.
const FEW_ROWS: usize = 16;

/// Rows of a larger window that are looked at, about.
const SAMPLES: usize = 24;

type Box = [Range<usize>; 2];

/// Rows and columns of the source that a window needs; both empty if there are none.
///
/// In a large window only every so many rows are looked at. Rows between two of them reach no farther beyond both
/// than these lie apart, since places move smoothly from row to row; so the box is widened by the largest such step.
/// Where one of two neighbours has no source pixels at all, the rows between them are looked at one by one.
pub(super) fn source_region(rule: &Rule, rows: Range<usize>, cols: Range<usize>) -> Box {
    let exact = |rows: Range<usize>| Lines::new(rule, rows, cols.clone()).hull();
    if rows.len() <= FEW_ROWS || rule.places.separable() {
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
