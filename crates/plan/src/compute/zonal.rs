//! Zones: the pixels of each geometry gathered from a block, and one value a zone.
//!
//! A zone's pixels are in row-major order of the grid; lanes are the positions of the other dimensions. What is not
//! kept under the ledger is the array of one zone: at most [`GATHERED`] pixels, or those of one lane.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::zonal::Footprint;
use eolith_cube::{Block, DType, Element, Number, Region, Values, for_values};

use super::lanewise;
use crate::op::{Burn, Zonal};
use crate::value::Fault;

/// Pixels of one zone that are gathered together.
const GATHERED: usize = 1 << 21;

/// The zones `region` of the result, from a block whose last two dimensions are y and x and start at the start of
/// `window` (rows, columns of the grid), which holds all of their pixels.
pub(super) fn run(
    zonal: &Zonal,
    block: &Block,
    window: &[Range<usize>; 2],
    region: &Region,
    dtype: DType,
) -> Result<Block, Fault> {
    let leading = block.shape.len() - 2;
    let mut out = Block::nulls(dtype, region.shape());
    let lanes: usize = block.shape[..leading].iter().product();
    let at = zonal.position;
    for (k, zone) in region.0[at].clone().enumerate() {
        let zone = &zonal.zones[zone];
        let mut shape = block.shape[..leading].to_vec();
        shape.insert(at, 1);
        let mut start = vec![0; region.0.len()];
        start[at] = k;
        let Some(last) = zonal.counts else {
            out.paste(&start, &values(zonal, zone, block, window, lanes, dtype)?.reshape(shape));
            continue;
        };
        shape.push(1);
        for (slot, kind) in region.0[last].clone().enumerate() {
            start[last] = slot;
            let part = match kind {
                0 => values(zonal, zone, block, window, lanes, dtype)?,
                1 => counts(&vec![zone.len(); lanes], dtype),
                _ => counts(&valid(zone, block, window, lanes), dtype),
            };
            out.paste(&start, &part.reshape(shape.clone()));
        }
    }
    Ok(out)
}

/// Whether the pixels of a box (rows, columns) belong to a footprint.
pub(super) fn inside(footprint: &Footprint, region: &Region) -> Block {
    let (rows, cols) = (region.0[0].clone(), region.0[1].clone());
    let mut flags = vec![false; rows.len() * cols.len()];
    for row in rows.start.max(footprint.rows.start)..rows.end.min(footprint.rows.end) {
        let start = (row - rows.start) * cols.len();
        for span in footprint.spans(row) {
            let (left, end) = (span.start.max(cols.start), span.end.min(cols.end));
            if left < end {
                flags[start + left - cols.start..start + end - cols.start].fill(true);
            }
        }
    }
    Block::new(region.shape(), Values::Bool(flags))
}

/// The values of geometries in a box, whose last two dimensions are y and x.
pub(super) fn burnt(burn: &Burn, region: &Region) -> Block {
    let leading = region.0.len() - 2;
    let (rows, cols) = (region.0[leading].clone(), region.0[leading + 1].clone());
    let mut owners: Vec<Option<usize>> = vec![None; rows.len() * cols.len()];
    for (owner, zone) in burn.zones.iter().enumerate() {
        for row in rows.start.max(zone.rows.start)..rows.end.min(zone.rows.end) {
            let start = (row - rows.start) * cols.len();
            for span in zone.spans(row) {
                let (left, end) = (span.start.max(cols.start), span.end.min(cols.end));
                if left < end {
                    let part = start + left - cols.start..start + end - cols.start;
                    owners[part].fill(Some(owner));
                }
            }
        }
    }
    if owners.iter().all(Option::is_none) {
        return Block::nulls(burn.block.dtype(), region.shape());
    }
    let mut source = region.0[..leading].to_vec();
    source.push(0..burn.zones.len());
    // Pixels of nobody take the first one's value and are masked.
    let indices: Vec<usize> = owners.iter().map(|owner| owner.unwrap_or_default()).collect();
    let mut block = burn.block.slice(&Region(source)).take(leading, &indices);
    let n = block.len();
    let mask = block.validity.get_or_insert_with(|| vec![true; n]);
    for lane in mask.chunks_mut(owners.len()) {
        lane.iter_mut().zip(&owners).for_each(|(valid, owner)| *valid &= owner.is_some());
    }
    block.reshape(region.shape())
}

/// The value of a zone in every lane.
fn values(
    zonal: &Zonal,
    zone: &Footprint,
    block: &Block,
    window: &[Range<usize>; 2],
    lanes: usize,
    dtype: DType,
) -> Result<Block, Fault> {
    let mut out = Block::nulls(dtype, vec![lanes]);
    if zone.is_empty() {
        return Ok(out);
    }
    let together = (GATHERED / zone.len()).clamp(1, lanes.max(1));
    let mut first = 0;
    while first < lanes {
        let some = first..(first + together).min(lanes);
        let array = gather(zone, block, window, some.clone());
        out.paste(&[first], &lanewise::reduce(&zonal.expr, Cow::Owned(array), 0, None, dtype)?);
        first = some.end;
    }
    Ok(out)
}

fn counts(counts: &[usize], dtype: DType) -> Block {
    let numbers = counts.iter().map(|n| *n as i64).collect();
    Block::new(vec![counts.len()], Values::I64(numbers)).cast(dtype)
}

/// Pixels × lanes of a zone.
fn gather(
    zone: &Footprint,
    block: &Block,
    window: &[Range<usize>; 2],
    lanes: Range<usize>,
) -> Block {
    let shape = vec![zone.len(), lanes.len()];
    let values =
        for_values!(&block.values, v => Element::wrap(turned(zone, v, window, lanes.clone())));
    let validity = block.validity.as_ref().map(|mask| turned(zone, mask, window, lanes));
    Block { shape, values, validity }
}

fn turned<T: Copy + Default>(
    zone: &Footprint,
    values: &[T],
    window: &[Range<usize>; 2],
    lanes: Range<usize>,
) -> Vec<T> {
    let n = lanes.len();
    let area = window[0].len() * window[1].len();
    if n == 1 {
        let mut out = Vec::with_capacity(zone.len());
        for_spans(zone, window, |span| {
            let start = lanes.start * area + span.start;
            out.extend_from_slice(&values[start..start + span.len()]);
        });
        return out;
    }
    let mut out = vec![T::default(); zone.len() * n];
    let mut pixel = 0;
    for_spans(zone, window, |span| {
        let part = &mut out[pixel * n..(pixel + span.len()) * n];
        for (slot, lane) in lanes.clone().enumerate() {
            let row = &values[lane * area + span.start..lane * area + span.end];
            row.iter().enumerate().for_each(|(i, value)| part[i * n + slot] = *value);
        }
        pixel += span.len();
    });
    out
}

/// How many pixels are valid in every lane: with data, not NaN, not infinite.
fn valid(zone: &Footprint, block: &Block, window: &[Range<usize>; 2], lanes: usize) -> Vec<usize> {
    let area = window[0].len() * window[1].len();
    let mut counts = vec![0; lanes];
    for (lane, count) in counts.iter_mut().enumerate() {
        for_spans(zone, window, |span| {
            let all = lane * area + span.start..lane * area + span.end;
            let finite = |i: &usize| match block.get(*i) {
                None => false,
                Some(Number::Float(value)) => value.is_finite(),
                Some(Number::Int(_)) => true,
            };
            *count += all.filter(finite).count();
        });
    }
    counts
}

/// The spans of a zone as indices in a plane of the window.
fn for_spans(zone: &Footprint, window: &[Range<usize>; 2], mut f: impl FnMut(Range<usize>)) {
    for row in zone.rows.clone() {
        let start = (row - window[0].start) * window[1].len();
        for span in zone.spans(row) {
            let left = start + span.start - window[1].start;
            f(left..left + span.len());
        }
    }
}
