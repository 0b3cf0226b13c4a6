//! The same pixels under other dimensions.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::{Block, Element, Region, for_values};

use crate::op::Reshape;

/// The box `region` of the result from a block that holds the box `have` of the input, in which all of its pixels are.
pub(super) fn run(own: &Reshape, block: Cow<'_, Block>, have: &Region, region: &Region) -> Block {
    let wanted = &region.0[own.first..own.first + own.to.len()];
    let there = &have.0[own.first..own.first + own.from.len()];
    let pixels = |ranges: &[Range<usize>]| ranges.iter().map(Range::len).product::<usize>();
    if pixels(wanted) == pixels(there) {
        // Both boxes have the same pixels, each in the order of all pixels.
        return block.into_owned().reshape(region.shape());
    }
    let places = places(own, there, wanted);
    let outer: usize = block.shape[..own.first].iter().product();
    let inner: usize = block.shape[own.first + own.from.len()..].iter().product();
    let rows = pixels(there);
    let starts =
        || (0..outer).flat_map(|o| places.iter().map(move |place| (o * rows + place) * inner));
    let values = for_values!(&block.values, v => Element::wrap(taken(v, starts(), inner)));
    let validity = block.validity.as_ref().map(|mask| taken(mask, starts(), inner));
    Block { shape: region.shape(), values, validity }
}

/// For each pixel of the box `wanted`, in C order, its position in the box `there`.
fn places(own: &Reshape, there: &[Range<usize>], wanted: &[Range<usize>]) -> Vec<usize> {
    let mut index: Vec<usize> = wanted.iter().map(|range| range.start).collect();
    let count: usize = wanted.iter().map(Range::len).product();
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let mut pixel = index.iter().zip(own.to.iter()).fold(0, |pixel, (i, n)| pixel * n + i);
        let (mut place, mut stride) = (0, 1);
        for (range, n) in there.iter().zip(own.from.iter()).rev() {
            place += (pixel % n - range.start) * stride;
            pixel /= n;
            stride *= range.len();
        }
        places.push(place);
        for (i, range) in index.iter_mut().zip(wanted).rev() {
            *i += 1;
            if *i < range.end {
                break;
            }
            *i = range.start;
        }
    }
    places
}

fn taken<T: Copy>(values: &[T], starts: impl Iterator<Item = usize>, run: usize) -> Vec<T> {
    starts.flat_map(|start| &values[start..start + run]).copied().collect()
}
