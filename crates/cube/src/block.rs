//! Blocks: dense pixels with validity.

use crate::columns;
use crate::dtype::{DType, Number};
use crate::for_values;
use crate::region::{Region, for_runs, strides};
use crate::values::{Element, Values};

/// Pixels of one region, in C order, with the no-data mask beside them.
///
/// No-data is *not* a value: `NaN` may be valid. Where a pixel is invalid its stored value is zero, so equal
/// blocks are equal byte for byte; inside a tile anything may be there until [`Block::canonical`] restores that.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub shape: Vec<usize>,
    pub values: Values,
    /// One flag a pixel, `true` = valid; `None` = all are.
    pub validity: Option<Vec<bool>>,
}

impl Block {
    /// All valid pixels with the given values.
    pub fn new(shape: Vec<usize>, values: Values) -> Block {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Block { shape, values, validity: None }
    }

    /// Only no-data.
    pub fn nulls(dtype: DType, shape: Vec<usize>) -> Block {
        let len = shape.iter().product();
        Block { shape, values: Values::zeros(dtype, len), validity: Some(vec![false; len]) }
    }

    /// Gives the memory back to [`columns`].
    pub fn recycle(self) {
        columns::give_values(self.values);
        self.validity.into_iter().for_each(columns::give);
    }

    pub fn dtype(&self) -> DType {
        self.values.dtype()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn is_valid(&self, index: usize) -> bool {
        self.validity.as_ref().is_none_or(|mask| mask[index])
    }

    /// The number at a flat index, `None` for no-data.
    pub fn get(&self, index: usize) -> Option<Number> {
        self.is_valid(index).then(|| self.values.get(index))
    }

    /// Marks every pixel equal to `nodata` as invalid (NaN equals NaN here).
    pub fn mask_value(&mut self, nodata: Number) {
        if !self.dtype().holds(nodata) {
            return;
        }
        let invalid: Vec<bool> = for_values!(&self.values, v => mask_equal(v, nodata));
        if !invalid.contains(&true) {
            return;
        }
        match &mut self.validity {
            Some(mask) => mask.iter_mut().zip(invalid).for_each(|(ok, bad)| *ok &= !bad),
            None => self.validity = Some(invalid.into_iter().map(|bad| !bad).collect()),
        }
        self.zero_invalid();
    }

    /// Zero under the mask, no mask when all is valid.
    #[must_use]
    pub fn canonical(mut self) -> Block {
        if self.validity.as_ref().is_some_and(|mask| all(mask)) {
            self.validity = None;
        }
        self.zero_invalid();
        self
    }

    /// The part of this block inside `region` (in the block's own indices).
    #[must_use]
    pub fn slice(&self, region: &Region) -> Block {
        let shape = region.shape();
        if shape == self.shape {
            return self.clone();
        }
        let start: Vec<usize> = region.0.iter().map(|r| r.start).collect();
        let zero = vec![0; shape.len()];
        let copy = |out: &mut dyn FnMut(usize, usize, usize)| {
            for_runs(&shape, (&self.shape, &start), (&shape, &zero), out);
        };
        let values = for_values!(&self.values, v => {
            let mut out = columns::take(region.len());
            copy(&mut |a, b, n| out[b..b + n].copy_from_slice(&v[a..a + n]));
            Element::wrap(out)
        });
        let validity = self.validity.as_ref().map(|mask| {
            let mut out = columns::take(region.len());
            copy(&mut |a, b, n| out[b..b + n].copy_from_slice(&mask[a..a + n]));
            out
        });
        Block { shape, values, validity }
    }

    /// Overwrites the box that starts at `start` with `part` (same number of dimensions; `part` is cast to
    /// this block's type).
    pub fn paste(&mut self, start: &[usize], part: &Block) {
        let zero = vec![0; start.len()];
        let source =
            if part.dtype() == self.dtype() { None } else { Some(part.values.cast(self.dtype())) };
        let source = source.as_ref().unwrap_or(&part.values);
        let (shape, extent) = (self.shape.clone(), &part.shape);
        for_values!(&mut self.values, v => {
            let from = Element::slice(source).expect("invariant: cast to the same type");
            for_runs(extent, (&shape, start), (extent, &zero), |a, b, n| {
                v[a..a + n].copy_from_slice(&from[b..b + n]);
            });
        });
        if self.validity.is_none() && part.validity.is_none() {
            return;
        }
        let len = self.values.len();
        let mask = self.validity.get_or_insert_with(|| vec![true; len]);
        for_runs(extent, (&shape, start), (extent, &zero), |a, b, n| match &part.validity {
            Some(from) => mask[a..a + n].copy_from_slice(&from[b..b + n]),
            None => mask[a..a + n].fill(true),
        });
    }

    /// Like [`Block::paste`], but keeps pixels that are valid already: the first one wins. `part` has this block's
    /// type.
    pub fn fill_missing(&mut self, start: &[usize], part: &Block) {
        let Some(mask) = &self.validity else { return };
        let zero = vec![0; start.len()];
        let mut any_valid = false;
        for_runs(&part.shape, (&self.shape, start), (&part.shape, &zero), |a, _, n| {
            any_valid |= mask[a..a + n].contains(&true);
        });
        if !any_valid {
            return self.paste(start, part);
        }
        let here = Region(start.iter().zip(&part.shape).map(|(&s, &n)| s..s + n).collect());
        let mut merged = self.slice(&here);
        for i in 0..merged.len() {
            if !merged.is_valid(i)
                && let Some(number) = part.get(i)
            {
                merged.values.set(i, number);
                merged.validity.iter_mut().for_each(|mask| mask[i] = true);
            }
        }
        self.paste(start, &merged);
    }

    /// The same pixels as another type: exact where it holds them, else the nearest.
    #[must_use]
    pub fn cast(self, dtype: DType) -> Block {
        if self.dtype() == dtype {
            return self;
        }
        let values = self.values.cast(dtype);
        columns::give_values(self.values);
        Block { values, ..self }
    }

    /// Reorders dimensions: dimension `i` of the result is dimension `order[i]` of this block.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Block {
        let shape: Vec<usize> = order.iter().map(|&o| self.shape[o]).collect();
        if self.stays(order) {
            return self.clone().reshape(shape);
        }
        let own = strides(&self.shape);
        let steps: Vec<usize> = order.iter().map(|&o| own[o]).collect();
        self.gather(shape, &steps)
    }

    /// Like [`Block::permute`], without a copy where no pixel changes its place.
    #[must_use]
    pub fn into_permuted(self, order: &[usize]) -> Block {
        if !self.stays(order) {
            return self.permute(order);
        }
        let shape = order.iter().map(|&o| self.shape[o]).collect();
        self.reshape(shape)
    }

    /// Takes `indices` along dimension `dim`; repeats and any order are fine.
    #[must_use]
    pub fn take(&self, dim: usize, indices: &[usize]) -> Block {
        let outer: usize = self.shape[..dim].iter().product();
        let inner: usize = self.shape[dim + 1..].iter().product();
        let n = self.shape[dim];
        let mut shape = self.shape.clone();
        shape[dim] = indices.len();
        let starts =
            move || (0..outer).flat_map(move |o| indices.iter().map(move |&i| (o * n + i) * inner));
        let values = for_values!(&self.values, v => {
            let mut out = Vec::with_capacity(outer * indices.len() * inner);
            starts().for_each(|s| out.extend_from_slice(&v[s..s + inner]));
            Element::wrap(out)
        });
        let validity = self.validity.as_ref().map(|mask| {
            let mut out = Vec::with_capacity(outer * indices.len() * inner);
            starts().for_each(|s| out.extend_from_slice(&mask[s..s + inner]));
            out
        });
        Block { shape, values, validity }
    }

    /// Same pixels, other shape of equal size (dimensions of length one added or removed).
    #[must_use]
    pub fn reshape(mut self, shape: Vec<usize>) -> Block {
        debug_assert_eq!(shape.iter().product::<usize>(), self.values.len());
        self.shape = shape;
        self
    }

    /// Repeats the block to `shape`: dimension `i` of the result is dimension `from[i]` of this block, or a
    /// repetition where that is `None`.
    #[must_use]
    pub fn broadcast(&self, shape: &[usize], from: &[Option<usize>]) -> Block {
        let own = strides(&self.shape);
        let steps: Vec<usize> = from.iter().map(|f| f.map_or(0, |d| own[d])).collect();
        if shape == self.shape && from.iter().enumerate().all(|(i, f)| *f == Some(i)) {
            return self.clone();
        }
        self.gather(shape.to_vec(), &steps)
    }

    /// Whether dimensions of more than one label keep their order.
    fn stays(&self, order: &[usize]) -> bool {
        order.iter().filter(|&&dim| self.shape[dim] != 1).is_sorted()
    }

    fn gather(&self, shape: Vec<usize>, steps: &[usize]) -> Block {
        let values = for_values!(&self.values, v => Element::wrap(gather(v, &shape, steps)));
        let validity = self.validity.as_ref().map(|mask| gather(mask, &shape, steps));
        Block { shape, values, validity }
    }

    fn zero_invalid(&mut self) {
        let Some(mask) = &self.validity else { return };
        for_values!(&mut self.values, v => {
            // Without a branch, so that it runs over vectors.
            for (value, &ok) in v.iter_mut().zip(mask) {
                *value = if ok { *value } else { Default::default() };
            }
        });
    }
}

/// Whether all flags are set; looks at many at once before it gives up early.
fn all(mask: &[bool]) -> bool {
    mask.chunks(1024).all(|chunk| chunk.iter().fold(true, |all, &ok| all & ok))
}

fn mask_equal<T: Element>(values: &[T], nodata: Number) -> Vec<bool> {
    let nan = matches!(nodata, Number::Float(f) if f.is_nan());
    if nan {
        // Only NaN differs from itself.
        #[expect(clippy::eq_op, reason = "the portable NaN test for a generic element")]
        return values.iter().map(|v| v != v).collect();
    }
    let nodata = T::from_number(nodata);
    values.iter().map(|&v| v == nodata).collect()
}

fn gather<T: Copy>(values: &[T], shape: &[usize], steps: &[usize]) -> Vec<T> {
    let len: usize = shape.iter().product();
    let mut out = Vec::with_capacity(len);
    if len == 0 {
        return out;
    }
    let Some((&run, outer)) = shape.split_last() else {
        return vec![values[0]];
    };
    let step = steps[outer.len()];
    let mut index = vec![0; outer.len()];
    let mut base = 0;
    loop {
        match step {
            1 => out.extend_from_slice(&values[base..base + run]),
            0 => out.extend(std::iter::repeat_n(values[base], run)),
            _ => out.extend((0..run).map(|i| values[base + i * step])),
        }
        let mut dim = outer.len();
        loop {
            if dim == 0 {
                return out;
            }
            dim -= 1;
            index[dim] += 1;
            base += steps[dim];
            if index[dim] < outer[dim] {
                break;
            }
            base -= steps[dim] * outer[dim];
            index[dim] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(shape: &[usize]) -> Block {
        let len = shape.iter().product::<usize>();
        let mut block = Block::new(shape.to_vec(), Values::I32((0..len as i32).collect()));
        block.mask_value(Number::Int(5));
        block
    }

    #[test]
    fn slices_and_pastes_are_inverse() {
        let whole = block(&[3, 4, 5]);
        let region = Region(vec![1..3, 0..2, 2..5]);
        let part = whole.slice(&region);
        assert_eq!(part.shape, [2, 2, 3]);
        assert_eq!(part.get(0), Some(Number::Int(22)));
        let mut copy = Block::nulls(DType::I32, vec![3, 4, 5]);
        copy.paste(&[0, 0, 0], &whole);
        copy.paste(&[1, 0, 2], &part);
        assert_eq!(copy.canonical(), whole);
    }

    #[test]
    fn permute_take_and_broadcast_agree_with_indices() {
        let whole = block(&[2, 3, 4]);
        let turned = whole.permute(&[2, 0, 1]);
        assert_eq!(turned.shape, [4, 2, 3]);
        assert_eq!(turned.get(3 * 6 + 3 + 2), whole.get(12 + 2 * 4 + 3));
        assert_eq!(whole.clone().into_permuted(&[2, 0, 1]), turned);
        // Dimensions of one label go anywhere.
        let thin = whole.clone().reshape(vec![2, 1, 3, 4]);
        assert_eq!(thin.permute(&[1, 0, 2, 3]), whole.clone().reshape(vec![1, 2, 3, 4]));
        assert_eq!(thin.into_permuted(&[0, 2, 3, 1]), whole.clone().reshape(vec![2, 3, 4, 1]));
        let taken = whole.take(1, &[2, 2, 0]);
        assert_eq!(taken.get(0), whole.get(8));
        assert_eq!(taken.get(8), whole.get(0));
        let wide = block(&[4]).broadcast(&[2, 4, 3], &[None, Some(0), None]);
        assert_eq!(wide.get(3 + 2), Some(Number::Int(1)));
    }

    #[test]
    fn the_first_valid_pixel_wins() {
        let mut out = Block::nulls(DType::I32, vec![2, 3]);
        let mut first = Block::new(vec![1, 2], Values::I32(vec![1, 0]));
        first.mask_value(Number::Int(0));
        out.fill_missing(&[0, 1], &first);
        out.fill_missing(&[0, 0], &Block::new(vec![2, 3], Values::I32(vec![7; 6])));
        assert_eq!(out.canonical(), Block::new(vec![2, 3], Values::I32(vec![7, 1, 7, 7, 7, 7])));
    }

    #[test]
    fn nan_is_a_value_until_declared_nodata() {
        let mut block = Block::new(vec![2], Values::F64(vec![f64::NAN, 1.0]));
        assert!(block.is_valid(0));
        block.mask_value(Number::Float(f64::NAN));
        assert_eq!(block.get(0), None);
        assert_eq!(block.values, Values::F64(vec![0.0, 1.0]));
    }
}
