//! Zones: the pixels of each geometry gathered from a block, and one value a zone.
//!
//! A zone's pixels are in row-major order of the grid; lanes are the positions of the other dimensions. [`Zone`] takes
//! them while the rows go by, [`run`] from a block that has all of them.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::zonal::Footprint;
use eolith_cube::{Block, DType, Element, Number, Region, Values, for_values};

use super::lanewise::{self, Output};
use super::operate::{planes_last, turned};
use crate::expr::{Decomposed, State};
use crate::lanes::stream::Slab;
use crate::op::{Burn, Zonal};
use crate::physical::{TOGETHER, ZoneTile};
use crate::value::Fault;

/// Some lanes of one zone while the rows of the grid go by.
pub(super) struct Zone<'a> {
    own: &'a Zonal,
    footprint: &'a Footprint,
    pixels: Pixels<'a>,
    /// Pixels that have come.
    at: usize,
    /// How many of them are valid, in each lane; nothing where that is not asked for.
    valid: Vec<usize>,
    /// The type of the source's blocks, and that of the result.
    dtypes: [DType; 2],
    lanes: usize,
    /// The box of the result.
    result: Region,
}

/// What is kept of the pixels that have come.
enum Pixels<'a> {
    Folded(State<'a>),
    /// The array that the reducer needs at once; nothing before the first pixel.
    Gathered(Option<Block>),
    /// The value was handed over.
    Ended,
}

impl<'a> Zone<'a> {
    pub(super) fn new(
        own: &'a Zonal,
        fold: Option<&'a Decomposed>,
        tile: &ZoneTile,
        dtypes: [DType; 2],
    ) -> Zone<'a> {
        let dims = tile.region.0.iter().enumerate().filter(|(d, _)| !own.dims.contains(d));
        let lanes = dims.map(|(_, range)| range.len()).product();
        let pixels = match fold {
            Some(fold) => Pixels::Folded(fold.start(dtypes[0], lanes)),
            None => Pixels::Gathered(None),
        };
        let valid = own.counts.map_or_else(Vec::new, |_| vec![0; lanes]);
        let (footprint, result) = (&own.zones[tile.zone], tile.result.clone());
        Zone { own, footprint, pixels, at: 0, valid, dtypes, lanes, result }
    }

    /// The next rows: a block with all columns of the zone, whose first row is number `first`. Gives the value after the
    /// last of them.
    pub(super) fn push(
        &mut self,
        block: &Block,
        first: usize,
    ) -> Result<Option<(Region, Block)>, Fault> {
        let block = turned(block, &planes_last(self.own.dims, block.shape.len()));
        let rows = first..first + block.shape[block.shape.len() - 2];
        let window = [rows, self.footprint.cols.clone()];
        let array = gather(self.footprint, &block, &window, 0..self.lanes);
        let pixels = array.shape[0];
        if pixels == 0 {
            return Ok(None);
        }
        if !self.valid.is_empty() {
            count_valid(&array, &mut self.valid);
        }
        match &mut self.pixels {
            Pixels::Folded(state) => {
                let validity = array.validity.as_deref();
                state.push(self.at, &Slab::packed(&array.values, validity, pixels, self.lanes));
            }
            // Nothing to put it to.
            Pixels::Gathered(all) if pixels == self.footprint.len() => *all = Some(array),
            Pixels::Gathered(all) => {
                let shape = || vec![self.footprint.len(), self.lanes];
                let all = all.get_or_insert_with(|| Block::nulls(self.dtypes[0], shape()));
                all.paste(&[self.at, 0], &array);
            }
            Pixels::Ended => {}
        }
        self.at += pixels;
        if self.at == self.footprint.len() { self.end() } else { Ok(None) }
    }

    /// The value, unless it was given before: that of a zone without pixels.
    pub(super) fn end(&mut self) -> Result<Option<(Region, Block)>, Fault> {
        let [_, dtype] = self.dtypes;
        let lanes_of = |values: Block| {
            let mut shape = self.result.shape();
            if let Some(last) = self.own.counts {
                shape[last] = 1;
            }
            values.reshape(shape)
        };
        let values = match std::mem::replace(&mut self.pixels, Pixels::Ended) {
            Pixels::Ended => return Ok(None),
            _ if self.footprint.is_empty() => Block::nulls(dtype, vec![self.lanes]),
            Pixels::Folded(state) => {
                let register = state.finish().map_err(|(_, fault)| fault)?;
                Output::of(register, dtype, vec![self.lanes])?
            }
            Pixels::Gathered(array) => {
                let empty = || Block::nulls(self.dtypes[0], vec![0, self.lanes]);
                let array = array.unwrap_or_else(empty).canonical();
                if together(self.footprint) >= self.lanes {
                    lanewise::reduce(&self.own.expr, Cow::Owned(array), 0, None, dtype)?
                } else {
                    reduced(self.own, self.lanes, dtype, self.footprint, |lanes| {
                        array.slice(&Region(vec![0..array.shape[0], lanes]))
                    })?
                }
            }
        };
        let Some(last) = self.own.counts else {
            return Ok(Some((self.result.clone(), lanes_of(values).canonical())));
        };
        let mut out = Block::nulls(dtype, self.result.shape());
        let mut start = vec![0; self.result.0.len()];
        let mut values = Some(values);
        for (slot, kind) in self.result.0[last].clone().enumerate() {
            start[last] = slot;
            let part = match kind {
                0 => values.take().unwrap_or_else(|| Block::nulls(dtype, vec![self.lanes])),
                1 => counts(&vec![self.footprint.len(); self.lanes], dtype),
                _ => counts(&self.valid, dtype),
            };
            out.paste(&start, &lanes_of(part));
        }
        Ok(Some((self.result.clone(), out.canonical())))
    }
}

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
    if zone.is_empty() {
        return Ok(Block::nulls(dtype, vec![lanes]));
    }
    reduced(zonal, lanes, dtype, zone, |some| gather(zone, block, window, some))
}

/// Lanes of a zone that are reduced together.
fn together(zone: &Footprint) -> usize {
    (TOGETHER / zone.len().max(1)).max(1)
}

/// The value of a zone in every lane; `array` gives its pixels × some of the lanes.
fn reduced(
    zonal: &Zonal,
    lanes: usize,
    dtype: DType,
    zone: &Footprint,
    array: impl Fn(Range<usize>) -> Block,
) -> Result<Block, Fault> {
    let mut out = Block::nulls(dtype, vec![lanes]);
    let mut first = 0;
    while first < lanes {
        let some = first..(first + together(zone)).min(lanes);
        let own = Cow::Owned(array(some.clone()));
        let own = lanewise::reduce(&zonal.expr, own, 0, None, dtype)?;
        out.paste(&[first], &own);
        first = some.end;
    }
    Ok(out)
}

fn counts(counts: &[usize], dtype: DType) -> Block {
    let numbers = counts.iter().map(|n| *n as i64).collect();
    Block::new(vec![counts.len()], Values::I64(numbers)).cast(dtype)
}

/// Pixels × lanes of what a zone has in a window.
fn gather(
    zone: &Footprint,
    block: &Block,
    window: &[Range<usize>; 2],
    lanes: Range<usize>,
) -> Block {
    let pixels = zone.pixels(&window[0]);
    let shape = vec![pixels, lanes.len()];
    let values = for_values!(&block.values, v => Element::wrap(columns(zone, v, window, pixels, lanes.clone())));
    let validity = block.validity.as_ref().map(|mask| columns(zone, mask, window, pixels, lanes));
    Block { shape, values, validity }
}

fn columns<T: Copy + Default>(
    zone: &Footprint,
    values: &[T],
    window: &[Range<usize>; 2],
    pixels: usize,
    lanes: Range<usize>,
) -> Vec<T> {
    let n = lanes.len();
    let area = window[0].len() * window[1].len();
    if n == 1 {
        let mut out = Vec::with_capacity(pixels);
        for_spans(zone, window, |span| {
            let start = lanes.start * area + span.start;
            out.extend_from_slice(&values[start..start + span.len()]);
        });
        return out;
    }
    let mut out = vec![T::default(); pixels * n];
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
    let mut counts = vec![0; lanes];
    for (lane, count) in counts.iter_mut().enumerate() {
        let array = gather(zone, block, window, lane..lane + 1);
        count_valid(&array, std::slice::from_mut(count));
    }
    counts
}

/// Adds the valid ones of pixels × lanes.
fn count_valid(array: &Block, counts: &mut [usize]) {
    let lanes = counts.len();
    for i in 0..array.len() {
        let finite = match array.get(i) {
            None => false,
            Some(Number::Float(value)) => value.is_finite(),
            Some(Number::Int(_)) => true,
        };
        counts[i % lanes] += usize::from(finite);
    }
}

/// The spans of a zone as indices in a plane of the window.
fn for_spans(zone: &Footprint, window: &[Range<usize>; 2], mut f: impl FnMut(Range<usize>)) {
    for row in zone.rows.start.max(window[0].start)..zone.rows.end.min(window[0].end) {
        let start = (row - window[0].start) * window[1].len();
        for span in zone.spans(row) {
            let left = start + span.start - window[1].start;
            f(left..left + span.len());
        }
    }
}
