//! The source pixel in which the centre of a target pixel lies.

use std::ops::Range;

use multiversion::multiversion;

use crate::for_values;
use crate::values::Element;
use crate::warp::apply::{Planes, Target};
use crate::warp::lines::Rule;
use crate::warp::mesh::Mesh;
use crate::warp::place::Points;
use crate::warp::taps::TIE;

/// The block does not have the pixel.
const NONE: u32 = u32::MAX;

/// Computes a window (rows, columns) of the target grid.
pub(super) fn run(
    rule: &Rule,
    planes: &Planes<'_>,
    [rows, cols]: [Range<usize>; 2],
    target: &mut Target,
) {
    let (mut mesh, mut points) = (Mesh::default(), Points::default());
    let mut found = vec![NONE; cols.len()];
    let [start, size] = planes.place();
    let lens = rule.places.source_len();
    // A block may be larger than what the grid has.
    let inside = [0, 1].map(|axis| lens[axis].saturating_sub(start[axis]).min(size[axis]) as f64);
    let start = start.map(|n| n as f64);
    for (k, row) in rows.enumerate() {
        rule.line(&mut mesh, row, cols.clone(), &mut points);
        if rule.places.turns() {
            points.cols.iter_mut().for_each(|col| *col = rule.places.wrapped(*col));
        }
        indices([&points.rows, &points.cols], start, inside, size[1], &mut found);
        for_values!(planes.values(), source => {
            for (plane, source) in source.chunks_exact(planes.area()).enumerate() {
                if let Some((out, valid)) = target.stretch(plane, (k, 0), cols.len()) {
                    take(source, planes.mask(plane), &found, out, valid);
                }
            }
        });
    }
}

fn take<T: Element>(
    source: &[T],
    mask: Option<&[bool]>,
    found: &[u32],
    out: &mut [T],
    valid: &mut [bool],
) {
    for ((out, valid), &at) in out.iter_mut().zip(valid).zip(found) {
        if let Some(value) = source.get(at as usize) {
            *out = *value;
            *valid = mask.is_none_or(|mask| mask[at as usize]);
        }
    }
}

/// Indices of the pixels at places (rows, columns) in a plane of `size` from `start` on with rows of `stride`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn indices(places: [&[f64]; 2], start: [f64; 2], size: [f64; 2], stride: usize, found: &mut [u32]) {
    let (n, stride) = (found.len(), stride as f64);
    let (rows, cols) = (&places[0][..n], &places[1][..n]);
    for k in 0..n {
        let (row, col) = ((rows[k] + TIE).floor() - start[0], (cols[k] + TIE).floor() - start[1]);
        let inside = row >= 0.0 && row < size[0] && col >= 0.0 && col < size[1];
        // Exact: the block has fewer pixels than an `i32` can count.
        let at = (row * stride + col) as i32 as u32;
        found[k] = if inside { at } else { NONE };
    }
}
