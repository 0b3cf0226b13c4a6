//! Boxes in index space.

use std::ops::Range;

/// A box of indices, one half-open range per dimension, in the dimension order of the schema it refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(pub Vec<Range<usize>>);

impl Region {
    /// Everything in `shape`.
    pub fn whole(shape: &[usize]) -> Region {
        Region(shape.iter().map(|&n| 0..n).collect())
    }

    pub fn shape(&self) -> Vec<usize> {
        self.0.iter().map(ExactSizeIterator::len).collect()
    }

    /// Number of pixels; 1 for a box without dimensions.
    pub fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).product()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().any(|range| range.start >= range.end)
    }

    /// The common part, or `None` where there is none.
    pub fn intersect(&self, other: &Region) -> Option<Region> {
        debug_assert_eq!(self.0.len(), other.0.len());
        let ranges =
            self.0.iter().zip(&other.0).map(|(a, b)| a.start.max(b.start)..a.end.min(b.end));
        // Most pairs that are asked about have nothing in common.
        (!ranges.clone().any(|range| range.is_empty())).then(|| Region(ranges.collect()))
    }

    /// The smallest box around both. An empty box does not count.
    #[must_use]
    pub fn hull(&self, other: &Region) -> Region {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Region(
            (self.0.iter().zip(&other.0))
                .map(|(a, b)| a.start.min(b.start)..a.end.max(b.end))
                .collect(),
        )
    }

    pub fn contains(&self, other: &Region) -> bool {
        other.is_empty()
            || self.0.iter().zip(&other.0).all(|(a, b)| a.start <= b.start && b.end <= a.end)
    }

    /// This box in coordinates relative to the start of `outer`, which must contain it.
    #[must_use]
    pub fn relative_to(&self, outer: &Region) -> Region {
        Region(
            (self.0.iter().zip(&outer.0))
                .map(|(a, o)| a.start - o.start..a.end - o.start)
                .collect(),
        )
    }

    /// The inverse: this box, in coordinates relative to the start of `outer`, in the ones of `outer`.
    #[must_use]
    pub fn within(&self, outer: &Region) -> Region {
        Region(
            (self.0.iter().zip(&outer.0))
                .map(|(a, o)| a.start + o.start..a.end + o.start)
                .collect(),
        )
    }
}

/// C-order strides of `shape`, in elements.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Calls `f(offset_in_a, offset_in_b, run)` for every contiguous run of `extent`, where the box starts at
/// `a_start` in an array of shape `a_shape` and at `b_start` in one of shape `b_shape`.
pub(crate) fn for_runs(
    extent: &[usize],
    (a_shape, a_start): (&[usize], &[usize]),
    (b_shape, b_start): (&[usize], &[usize]),
    mut f: impl FnMut(usize, usize, usize),
) {
    if extent.contains(&0) {
        return;
    }
    let Some((&run, outer)) = extent.split_last() else {
        f(0, 0, 1);
        return;
    };
    let (a_strides, b_strides) = (strides(a_shape), strides(b_shape));
    let offset = |start: &[usize], strides: &[usize]| -> usize {
        start.iter().zip(strides).map(|(s, stride)| s * stride).sum()
    };
    let (mut a, mut b) = (offset(a_start, &a_strides), offset(b_start, &b_strides));
    let mut index = vec![0; outer.len()];
    loop {
        f(a, b, run);
        let mut dim = outer.len();
        loop {
            if dim == 0 {
                return;
            }
            dim -= 1;
            index[dim] += 1;
            a += a_strides[dim];
            b += b_strides[dim];
            if index[dim] < outer[dim] {
                break;
            }
            a -= a_strides[dim] * outer[dim];
            b -= b_strides[dim] * outer[dim];
            index[dim] = 0;
        }
    }
}
