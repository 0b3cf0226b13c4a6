//! The decoded chunks behind a box of a scan, and small boxes cut out of them.
//!
//! Chunks stay as they were decoded: in the array's own type and order, without a mask. [`Frame::read`] copies the
//! runs of a box straight into a block, casts on the way and finds no-data in the same pass, so that a box costs
//! about one copy of its pixels. Where pieces overlap, the first valid pixel wins; what no piece covers is no-data.
//! A piece on another grid is warped once, when the frame is made.

mod copy;
mod indices;
#[cfg(test)]
mod tests;

use eolith_cube::{Block, DType, Element, Number, Region, columns, for_dtype};

use self::copy::{Target, Walk};
use self::indices::{Along, Span};
use super::chunk::{Chunks, c_order};

pub(super) use self::indices::Indices;

/// Decoded pixels behind one box of a scan.
#[derive(Debug)]
pub struct Frame {
    dtype: DType,
    /// The box, in indices of the scan's own schema.
    region: Region,
    /// The source's indices behind each dimension of `region`.
    indices: Vec<Indices>,
    /// In the order in which they win.
    parts: Vec<Part>,
    bytes: u64,
}

/// What one piece gives.
#[derive(Debug)]
pub(super) struct Part {
    /// Along each dimension of the cube.
    along: Vec<Along>,
    /// The dimension of the array that a dimension of the cube is.
    array_dims: Vec<Option<usize>>,
    /// Dimensions of the array of which one index is used (of one chunk), and that index in it.
    fixed: Vec<(usize, usize)>,
    nodata: Vec<Number>,
    chunks: Chunks,
    /// The smallest box around its pixels, in positions of the frame.
    place: Region,
    /// Whether an earlier part has pixels there too.
    overlaps: bool,
}

/// How an array lies in the cube.
#[derive(Debug)]
pub(super) struct Layout {
    /// Source indices the array has, along each dimension of the cube.
    pub(super) own: Region,
    /// For each dimension of the array: the dimension of the cube with the array's index of its first own one, or
    /// the one index that is used.
    pub(super) dims: Vec<Result<(usize, usize), usize>>,
}

/// The pixels of a box of one array.
pub(super) fn block(dtype: DType, region: &Region, nodata: Vec<Number>, chunks: Chunks) -> Block {
    let indices: Vec<Indices> = region.0.iter().cloned().map(Indices::Span).collect();
    let dims = region.0.iter().enumerate().map(|(dim, range)| Ok((dim, range.start))).collect();
    let layout = Layout { own: region.clone(), dims };
    let parts = Part::new(&indices, &layout, nodata, chunks).into_iter().collect();
    Frame::new(dtype, region.clone(), indices, parts).read(region).canonical()
}

impl Frame {
    pub(super) fn new(
        dtype: DType,
        region: Region,
        indices: Vec<Indices>,
        mut parts: Vec<Part>,
    ) -> Frame {
        find_overlaps(&mut parts);
        let chunks = parts.iter().flat_map(|part| &part.chunks.held);
        let bytes = chunks.map(|chunk| chunk.bytes()).sum();
        Frame { dtype, region, indices, parts, bytes }
    }

    /// The box of the scan's schema that the frame covers.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Bytes of the decoded chunks. Those that other frames or the cache hold too are counted in each.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The pixels of a box inside [`Frame::region`], in indices of the scan's own schema; any values under the mask.
    pub fn read(&self, region: &Region) -> Block {
        debug_assert!(self.region.contains(region), "a box outside of its frame");
        let shape = region.shape();
        let len = region.len();
        let mut block = Block::new(shape, for_dtype!(self.dtype, T => T::wrap(columns::take(len))));
        if region.is_empty() {
            return block;
        }
        let place = region.relative_to(&self.region);
        let found: Vec<Found<'_>> = self.found(&place);
        let free = found.iter().filter(|found| !found.keep).map(|found| found.pixels);
        let partly = free.sum::<usize>() < len;
        if partly {
            let mut valid = columns::take(len);
            valid.fill(false);
            block.validity = Some(valid);
        }
        let strides = c_order(&block.shape);
        let mut target = Target {
            values: &mut block.values,
            valid: &mut block.validity,
            strides: &strides,
            walk: Walk::default(),
            flags: Vec::new(),
        };
        for found in &found {
            found.copy(&mut target);
        }
        if partly && block.validity.as_ref().is_some_and(|valid| !valid.contains(&false)) {
            block.validity = None;
        }
        block
    }

    /// The parts that have pixels in a box.
    fn found(&self, place: &Region) -> Vec<Found<'_>> {
        let mut all: Vec<Found<'_>> = Vec::new();
        for part in &self.parts {
            let Some(here) = part.place.intersect(place) else { continue };
            let spans: Vec<Vec<Span>> = (part.along.iter().enumerate())
                .map(|(dim, along)| {
                    let wanted = part.array_dims[dim].map(|own| part.chunks.wanted[own].as_slice());
                    self.indices[dim].spans(&place.0[dim], along, wanted.unwrap_or_default())
                })
                .collect();
            let count = |spans: &Vec<Span>| spans.iter().map(|span| span.len).sum::<usize>();
            let pixels = spans.iter().map(count).product();
            if pixels > 0 {
                let earlier = |other: &Found<'_>| other.here.intersect(&here).is_some();
                let keep = part.overlaps && all.iter().any(earlier);
                all.push(Found { part, here, spans, pixels, keep });
            }
        }
        all
    }
}

/// What a part gives to a box.
struct Found<'a> {
    part: &'a Part,
    here: Region,
    spans: Vec<Vec<Span>>,
    pixels: usize,
    keep: bool,
}

impl Found<'_> {
    fn copy(&self, target: &mut Target<'_>) {
        let part = self.part;
        let numbers: Vec<usize> = part.chunks.wanted.iter().map(Vec::len).collect();
        let strides = c_order(&numbers);
        let mut choice = vec![0; self.spans.len()];
        let mut spans: Vec<&Span> = self.spans.iter().map(|spans| &spans[0]).collect();
        loop {
            let along = |(dim, span): (usize, &&Span)| {
                part.array_dims[dim].map_or(0, |own| span.chunk * strides[own])
            };
            let chunk = spans.iter().enumerate().map(along).sum::<usize>();
            copy::copy(part, &part.chunks.held[chunk], &spans, self.keep, target);
            let mut dim = choice.len();
            loop {
                if dim == 0 {
                    return;
                }
                dim -= 1;
                choice[dim] += 1;
                if choice[dim] < self.spans[dim].len() {
                    spans[dim] = &self.spans[dim][choice[dim]];
                    break;
                }
                choice[dim] = 0;
                spans[dim] = &self.spans[dim][0];
            }
        }
    }
}

impl Part {
    /// `None` where the array has no pixel of the box.
    pub(super) fn new(
        indices: &[Indices],
        layout: &Layout,
        nodata: Vec<Number>,
        chunks: Chunks,
    ) -> Option<Part> {
        let place = indices.iter().zip(&layout.own.0).map(|(indices, own)| indices.positions(own));
        let place = Region(place.collect::<Option<Vec<_>>>()?);
        let alone = |own: &std::ops::Range<usize>| Along { own: own.clone(), array: None };
        let mut along: Vec<Along> = layout.own.0.iter().map(alone).collect();
        let mut array_dims = vec![None; along.len()];
        let mut fixed = Vec::new();
        for (own, dim) in layout.dims.iter().enumerate() {
            let unit = chunks.unit[own];
            match *dim {
                Ok((dim, start)) => {
                    along[dim].array = Some((start, unit));
                    array_dims[dim] = Some(own);
                }
                Err(index) => fixed.push((own, index % unit)),
            }
        }
        Some(Part { along, array_dims, fixed, nodata, chunks, place, overlaps: false })
    }
}

/// Marks the parts that touch an earlier one. Along the dimension that tells most parts apart, only those that are
/// open at the same index are compared.
fn find_overlaps(parts: &mut [Part]) {
    let Some(first) = parts.first() else { return };
    let distinct = |dim: &usize| {
        let mut starts: Vec<usize> = parts.iter().map(|part| part.place.0[*dim].start).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.len()
    };
    let Some(dim) = (0..first.place.0.len()).max_by_key(distinct) else {
        parts.iter_mut().skip(1).for_each(|part| part.overlaps = true);
        return;
    };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&i| parts[i].place.0[dim].start);
    let mut open: Vec<usize> = Vec::new();
    for i in order {
        let start = parts[i].place.0[dim].start;
        open.retain(|&other| parts[other].place.0[dim].end > start);
        for &other in &open {
            if parts[i].place.intersect(&parts[other].place).is_some() {
                parts[i.max(other)].overlaps = true;
            }
        }
        open.push(i);
    }
}
