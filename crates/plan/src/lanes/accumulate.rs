//! Sums, products and moments over arrays: the one definition of their order of evaluation.
//!
//! Elements belong to logical cells of [`CELL`] by their index. Inside a cell they are added in index order,
//! no-data is skipped, and the partial results of the cells are merged in their order. A stream of cells
//! therefore gives the same bytes as the whole array, whatever the chunks are. Scalar definitions come here with
//! one lane, kernels with many.

use super::operand::Primitive;

/// Elements of one logical cell.
pub const CELL: usize = 256;

/// Lanes that are accumulated together, so that their state stays in the first-level cache.
const BLOCK: usize = 512;

/// `n` rows of `lanes` values.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, P> {
    pub values: &'a [P],
    pub validity: Option<&'a [bool]>,
    pub n: usize,
    pub lanes: usize,
}

/// Number, mean and sum of squared distances from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
}

/// A product of integers: exact while 64 bits hold it, and as a float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntProduct {
    pub exact: Option<i64>,
    pub float: f64,
}

/// Sums in floating point.
pub fn sum_f64<P: Primitive>(m: Matrix<'_, P>) -> Vec<f64> {
    fold(m, 0.0, |sum, x| sum + x.f64(), |a, b| a + b)
}

/// Sums of integers that are known to fit.
pub fn sum_i64<P: Primitive>(m: Matrix<'_, P>) -> Vec<i64> {
    fold(m, 0i64, |sum, x| sum.wrapping_add(x.i64()), i64::wrapping_add)
}

/// Exact sums of any 64-bit integers.
pub fn sum_i128<P: Primitive>(m: Matrix<'_, P>) -> Vec<i128> {
    fold(m, 0i128, |sum, x| sum + i128::from(x.i64()), |a, b| a + b)
}

pub fn product_f64<P: Primitive>(m: Matrix<'_, P>) -> Vec<f64> {
    fold(m, 1.0, |product, x| product * x.f64(), |a, b| a * b)
}

pub fn product_int<P: Primitive>(m: Matrix<'_, P>) -> Vec<IntProduct> {
    let one = IntProduct { exact: Some(1), float: 1.0 };
    let times = |a: IntProduct, b: IntProduct| IntProduct {
        exact: a.exact.zip(b.exact).and_then(|(a, b)| a.checked_mul(b)),
        float: a.float * b.float,
    };
    fold(m, one, |p, x| times(p, IntProduct { exact: Some(x.i64()), float: x.f64() }), times)
}

/// Moments by Welford's recurrence inside a cell and the pairwise update of Chan, Golub and LeVeque (1979) between
/// cells.
pub fn moments<P: Primitive>(m: Matrix<'_, P>) -> Vec<Moments> {
    let mut total = vec![Moments::default(); m.lanes];
    let width = BLOCK.min(m.lanes);
    let (mut count, mut mean, mut m2) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
    for start in (0..m.lanes).step_by(BLOCK) {
        let width = BLOCK.min(m.lanes - start);
        let (count, mean, m2) = (&mut count[..width], &mut mean[..width], &mut m2[..width]);
        for first in (0..m.n).step_by(CELL) {
            count.fill(0.0);
            mean.fill(0.0);
            m2.fill(0.0);
            for i in first..(first + CELL).min(m.n) {
                let (row, mask) = m.row(i, start, width);
                let state = count.iter_mut().zip(mean.iter_mut()).zip(m2.iter_mut()).zip(row);
                let step = |count: &mut f64, mean: &mut f64, m2: &mut f64, x: f64, ok: bool| {
                    let next = *count + 1.0;
                    let delta = x - *mean;
                    let moved = *mean + delta / next;
                    let grown = *m2 + delta * (x - moved);
                    *count = if ok { next } else { *count };
                    *mean = if ok { moved } else { *mean };
                    *m2 = if ok { grown } else { *m2 };
                };
                match mask {
                    None => state.for_each(|(((c, a), s), x)| step(c, a, s, x.f64(), true)),
                    Some(mask) => state
                        .zip(mask)
                        .for_each(|((((c, a), s), x), &ok)| step(c, a, s, x.f64(), ok)),
                }
            }
            for (lane, total) in total[start..start + width].iter_mut().enumerate() {
                let cell = Moments { count: count[lane], mean: mean[lane], m2: m2[lane] };
                *total = total.merge(cell);
            }
        }
    }
    total
}

/// Valid elements of each lane.
pub fn counts(validity: Option<&[bool]>, n: usize, lanes: usize) -> Vec<u32> {
    let Some(mask) = validity else { return vec![n as u32; lanes] };
    let mut counts = vec![0u32; lanes];
    for row in mask.chunks_exact(lanes.max(1)) {
        counts.iter_mut().zip(row).for_each(|(count, &ok)| *count += u32::from(ok));
    }
    counts
}

impl Moments {
    /// The moments of both sets of values.
    #[must_use]
    pub fn merge(self, other: Moments) -> Moments {
        if other.count == 0.0 {
            return self;
        }
        if self.count == 0.0 {
            return other;
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        Moments {
            count,
            mean: self.mean + delta * (other.count / count),
            m2: self.m2 + other.m2 + delta * delta * (self.count * other.count / count),
        }
    }

    /// Of the sample, so with one degree of freedom less; NaN for a single value.
    pub fn variance(self) -> f64 {
        self.m2 / (self.count - 1.0)
    }
}

impl<'a, P> Matrix<'a, P> {
    /// `width` lanes of row `i` from lane `start` on.
    pub fn row(&self, i: usize, start: usize, width: usize) -> (&'a [P], Option<&'a [bool]>) {
        let range = i * self.lanes + start..i * self.lanes + start + width;
        (&self.values[range.clone()], self.validity.map(|mask| &mask[range]))
    }
}

fn fold<P: Primitive, A: Copy>(
    m: Matrix<'_, P>,
    identity: A,
    step: impl Fn(A, P) -> A,
    merge: impl Fn(A, A) -> A,
) -> Vec<A> {
    let mut total = vec![identity; m.lanes];
    let mut cell = vec![identity; BLOCK.min(m.lanes)];
    for start in (0..m.lanes).step_by(BLOCK) {
        let width = BLOCK.min(m.lanes - start);
        let (total, cell) = (&mut total[start..start + width], &mut cell[..width]);
        for first in (0..m.n).step_by(CELL) {
            cell.fill(identity);
            for i in first..(first + CELL).min(m.n) {
                let (row, mask) = m.row(i, start, width);
                match mask {
                    None => cell.iter_mut().zip(row).for_each(|(c, &x)| *c = step(*c, x)),
                    Some(mask) => cell.iter_mut().zip(row).zip(mask).for_each(|((c, &x), &ok)| {
                        let next = step(*c, x);
                        *c = if ok { next } else { *c };
                    }),
                }
            }
            total.iter_mut().zip(&*cell).for_each(|(t, &c)| *t = merge(*t, c));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_lane(values: &[f64]) -> Matrix<'_, f64> {
        Matrix { values, validity: None, n: values.len(), lanes: 1 }
    }

    #[test]
    fn cells_are_merged_in_order() {
        let values: Vec<f64> = (0..1000).map(|i| 0.1 * f64::from(i)).collect();
        let cells: Vec<f64> = values.chunks(CELL).map(|cell| cell.iter().sum()).collect();
        assert_eq!(sum_f64(one_lane(&values)), [cells.iter().sum::<f64>()]);
    }

    #[test]
    fn moments_of_many_cells_are_those_of_all_values() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let all = moments(one_lane(&values))[0];
        assert_eq!((all.count, all.mean), (1000.0, 499.5));
        assert!((all.variance() - 83_416.666_666_666_67).abs() < 1e-9);
    }

    #[test]
    fn no_data_is_skipped_in_every_lane() {
        let values = [1u8, 10, 2, 20, 3, 30];
        let mask = [true, false, false, true, true, true];
        let m = Matrix { values: &values[..], validity: Some(&mask[..]), n: 3, lanes: 2 };
        assert_eq!(sum_i64(m), [4, 50]);
        assert_eq!(counts(m.validity, 3, 2), [2, 2]);
        assert_eq!(moments(m)[1].mean, 25.0);
    }

    #[test]
    fn products_of_integers_know_when_they_overflow() {
        let m = Matrix { values: &[i64::MAX, 2][..], validity: None, n: 2, lanes: 1 };
        assert_eq!(product_int(m)[0].exact, None);
    }
}
