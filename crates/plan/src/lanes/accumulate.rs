//! Sums, products and moments over arrays: the one definition of their order of evaluation.
//!
//! Elements belong to logical cells of [`CELL`] by their index. Inside a cell they are added in index order,
//! no-data is skipped, and the partial results of the cells are merged in their order. A stream of cells
//! therefore gives the same bytes as the whole array, whatever the chunks are. Scalar definitions come here with
//! one lane, kernels with many.

mod moments;

use std::fmt;
use std::ops::Range;

use multiversion::multiversion;

pub use self::moments::{MomentCells, Moments, moments};
use super::operand::Primitive;

/// Elements of one logical cell.
pub const CELL: usize = 256;

/// Lanes that are accumulated together, so that their state stays in the first-level cache.
const BLOCK: usize = 512;

/// `n` rows of `lanes` values; a row begins `stride` values after the one before it.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, P> {
    pub values: &'a [P],
    pub validity: Option<&'a [bool]>,
    pub n: usize,
    pub lanes: usize,
    pub stride: usize,
}

/// A product of integers: exact while 64 bits hold it, and as a float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntProduct {
    pub exact: Option<i64>,
    pub float: f64,
}

/// How the elements of a cell are put together, and cells with what came before them.
pub trait Rule: fmt::Debug + Send + 'static {
    type Cell: Copy + fmt::Debug + Send;
    type Total: Copy + fmt::Debug + Send;
    const IDENTITY: Self::Cell;
    fn step<P: Primitive>(cell: Self::Cell, value: P) -> Self::Cell;
    /// The total of one cell; what merging it with the total of nothing would give.
    fn open(cell: Self::Cell) -> Self::Total;
    fn merge(total: Self::Total, cell: Self::Cell) -> Self::Total;
}

/// Sums in floating point.
#[derive(Debug)]
pub struct FloatSum;

/// Exact sums of integers of at most 16 bits.
#[derive(Debug)]
pub struct NarrowSum;

/// Sums of integers that are known to fit.
#[derive(Debug)]
pub struct IntSum;

/// Exact sums of any 64-bit integers.
#[derive(Debug)]
pub struct WideSum;

#[derive(Debug)]
pub struct FloatProduct;

/// Products of integers.
#[derive(Debug)]
pub struct ExactProduct;

/// One running cell a lane and the total of the cells before it.
#[derive(Debug)]
pub struct Cells<R: Rule> {
    cell: Vec<R::Cell>,
    /// Nothing until the first cell is full, which short arrays never see.
    total: Option<Vec<R::Total>>,
    at: usize,
}

/// One total a lane.
#[derive(Debug)]
pub enum Totals<'a, R: Rule> {
    /// There was one cell: [`Rule::open`] makes totals of it.
    Cells(&'a [R::Cell]),
    Merged(&'a [R::Total]),
}

/// The totals of a whole array.
pub fn totals<R: Rule, P: Primitive>(m: Matrix<'_, P>) -> Vec<R::Total> {
    let mut cells = Cells::<R>::new(m.lanes);
    cells.push(m);
    match cells.finish() {
        Totals::Cells(cells) => cells.iter().map(|&cell| R::open(cell)).collect(),
        Totals::Merged(totals) => totals.to_vec(),
    }
}

impl<R: Rule> Cells<R> {
    pub fn new(lanes: usize) -> Cells<R> {
        Cells { cell: vec![R::IDENTITY; lanes], total: None, at: 0 }
    }

    /// Adds the next rows of the array.
    pub fn push<P: Primitive>(&mut self, m: Matrix<'_, P>) {
        if m.lanes == 1 && m.stride == 1 {
            return self.push_lane(&m.values[..m.n], m.validity.map(|mask| &mask[..m.n]));
        }
        for rows in runs(self.at, m.n) {
            if self.at > 0 && self.at.is_multiple_of(CELL) {
                self.close();
            }
            for start in (0..m.lanes).step_by(BLOCK) {
                let width = BLOCK.min(m.lanes - start);
                step::<R, P>(&mut self.cell[start..start + width], m, rows.clone(), start);
            }
            self.at += rows.len();
        }
    }

    /// Adds the next elements of the only lane.
    fn push_lane<P: Primitive>(&mut self, values: &[P], mask: Option<&[bool]>) {
        let mut next = 0;
        while next < values.len() {
            let full = self.at.is_multiple_of(CELL);
            if self.at > 0 && full {
                self.close();
            }
            // Sums of whole cells do not wait for each other.
            let cells = if full { (values.len() - next) / CELL } else { 0 };
            let taken = match cells {
                8.. => self.push_cells::<P, 8>(&values[next..], mask.map(|mask| &mask[next..])),
                4.. => self.push_cells::<P, 4>(&values[next..], mask.map(|mask| &mask[next..])),
                2.. => self.push_cells::<P, 2>(&values[next..], mask.map(|mask| &mask[next..])),
                _ => {
                    let end = values.len().min(next + CELL - self.at % CELL);
                    let mask = mask.map(|mask| [&mask[next..end]]);
                    let cell = side_by_side::<R, P, 1>([self.cell[0]], [&values[next..end]], mask);
                    self.cell.copy_from_slice(&cell);
                    end - next
                }
            };
            self.at += taken;
            next += taken;
        }
    }

    /// Adds the first `N` cells of a lane; gives the number of their elements.
    fn push_cells<P: Primitive, const N: usize>(
        &mut self,
        values: &[P],
        mask: Option<&[bool]>,
    ) -> usize {
        let part = |k: usize| k * CELL..(k + 1) * CELL;
        let values = std::array::from_fn(|k| &values[part(k)]);
        let mask = mask.map(|mask| std::array::from_fn(|k| &mask[part(k)]));
        let cells = side_by_side::<R, P, N>([R::IDENTITY; N], values, mask);
        for (k, cell) in cells.into_iter().enumerate() {
            if k > 0 {
                self.close();
            }
            self.cell[0] = cell;
        }
        N * CELL
    }

    /// The totals of what was added; nothing comes after it.
    pub fn finish(&mut self) -> Totals<'_, R> {
        match &mut self.total {
            None => Totals::Cells(&self.cell),
            Some(total) => {
                total.iter_mut().zip(&self.cell).for_each(|(t, &c)| *t = R::merge(*t, c));
                Totals::Merged(total)
            }
        }
    }

    /// Bytes of state for a lane of an array of `len` elements.
    pub fn bytes(len: Option<usize>) -> usize {
        size_of::<R::Cell>() + several(len) * size_of::<R::Total>()
    }

    fn close(&mut self) {
        match &mut self.total {
            None => self.total = Some(self.cell.iter().map(|&c| R::open(c)).collect()),
            Some(total) => {
                total.iter_mut().zip(&self.cell).for_each(|(t, &c)| *t = R::merge(*t, c));
            }
        }
        self.cell.fill(R::IDENTITY);
    }
}

impl IntProduct {
    /// The exact product as a float where there is one, else the rounded one.
    pub fn rounded(self) -> f64 {
        self.exact.map_or(self.float, |exact| exact as f64)
    }

    fn times(self, other: IntProduct) -> IntProduct {
        IntProduct {
            exact: self.exact.zip(other.exact).and_then(|(a, b)| a.checked_mul(b)),
            float: self.float * other.float,
        }
    }
}

impl<'a, P> Matrix<'a, P> {
    /// One lane.
    pub fn lane(values: &'a [P], validity: Option<&'a [bool]>) -> Matrix<'a, P> {
        Matrix { values, validity, n: values.len(), lanes: 1, stride: 1 }
    }

    /// `width` lanes of row `i` from lane `start` on.
    pub fn row(&self, i: usize, start: usize, width: usize) -> (&'a [P], Option<&'a [bool]>) {
        let first = i * self.stride + start;
        let range = first..first + width;
        (&self.values[range.clone()], self.validity.map(|mask| &mask[range]))
    }
}

macro_rules! rule {
    ($rule:ty: $cell:ty => $total:ty, $identity:expr, $step:expr, $merge:expr) => {
        impl Rule for $rule {
            type Cell = $cell;
            type Total = $total;
            const IDENTITY: $cell = $identity;
            #[inline]
            fn step<P: Primitive>(cell: $cell, value: P) -> $cell {
                $step(cell, value)
            }
            #[inline]
            fn open(cell: $cell) -> $total {
                <$total>::from(cell)
            }
            #[inline]
            fn merge(total: $total, cell: $cell) -> $total {
                $merge(total, <$total>::from(cell))
            }
        }
    };
}

rule! { FloatSum: f64 => f64, 0.0, |sum, x: P| sum + x.f64(), |a, b| a + b }
rule! { NarrowSum: i32 => i64, 0, |sum: i32, x: P| sum.wrapping_add(x.i64() as i32), i64::wrapping_add }
rule! { IntSum: i64 => i64, 0, |sum: i64, x: P| sum.wrapping_add(x.i64()), i64::wrapping_add }
rule! { WideSum: i128 => i128, 0, |sum, x: P| sum + i128::from(x.i64()), |a, b| a + b }
rule! { FloatProduct: f64 => f64, 1.0, |product, x: P| product * x.f64(), |a, b| a * b }
rule! {
    ExactProduct: IntProduct => IntProduct,
    IntProduct { exact: Some(1), float: 1.0 },
    |p: IntProduct, x: P| p.times(IntProduct { exact: Some(x.i64()), float: x.f64() }),
    IntProduct::times
}

/// Takes some rows into the cells of one block of lanes.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn step<R: Rule, P: Primitive>(
    cell: &mut [R::Cell],
    m: Matrix<'_, P>,
    rows: Range<usize>,
    start: usize,
) {
    for i in rows {
        let (row, mask) = m.row(i, start, cell.len());
        match mask {
            None => cell.iter_mut().zip(row).for_each(|(c, &x)| *c = R::step(*c, x)),
            Some(mask) => {
                for ((c, &x), &ok) in cell.iter_mut().zip(row).zip(mask) {
                    let next = R::step(*c, x);
                    *c = if ok { next } else { *c };
                }
            }
        }
    }
}

/// Takes elements into cells of one lane, each into its own.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn side_by_side<R: Rule, P: Primitive, const N: usize>(
    mut cells: [R::Cell; N],
    values: [&[P]; N],
    mask: Option<[&[bool]; N]>,
) -> [R::Cell; N] {
    let len = values[0].len();
    let values = values.map(|own| &own[..len]);
    let mask = mask.map(|mask| mask.map(|own| &own[..len]));
    let mut i = 0;
    while i < len {
        for (k, cell) in cells.iter_mut().enumerate() {
            let next = R::step(*cell, values[k][i]);
            let valid = match mask {
                Some(mask) => mask[k][i],
                None => true,
            };
            *cell = if valid { next } else { *cell };
        }
        i += 1;
    }
    cells
}

/// The next `n` rows after `at`, cut where cells end; numbered from the first of them.
fn runs(at: usize, n: usize) -> impl Iterator<Item = Range<usize>> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let run = (CELL - (at + done) % CELL).min(n - done);
        let rows = done..done + run;
        done += run;
        (run > 0).then_some(rows)
    })
}

/// 1 if an array of this length may have more than one cell.
fn several(len: Option<usize>) -> usize {
    usize::from(len.is_none_or(|len| len > CELL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_merged_in_order() {
        let values: Vec<f64> = (0..1000).map(|i| 0.1 * f64::from(i)).collect();
        let cells: Vec<f64> = values.chunks(CELL).map(|cell| cell.iter().sum()).collect();
        let sums = totals::<FloatSum, _>(Matrix::lane(&values, None));
        assert_eq!(sums, [cells.iter().sum::<f64>()]);
    }

    #[test]
    fn a_lane_in_pieces_is_the_lane() {
        let values: Vec<f64> = (0..20_000).map(|i| 0.1 * f64::from(i * 7919 % 1013)).collect();
        let valid: Vec<bool> = (0..values.len()).map(|i| i / 3 % 5 > 0).collect();
        for mask in [None, Some(valid.as_slice())] {
            let cell = |k: usize, cell: &[f64]| {
                let counts = |i: usize| mask.is_none_or(|mask| mask[k * CELL + i]);
                cell.iter().enumerate().filter(|(i, _)| counts(*i)).fold(0.0, |sum, (_, v)| sum + v)
            };
            let cells = values.chunks(CELL).enumerate().map(|(k, own)| cell(k, own));
            let expected = cells.reduce(|sum, cell| sum + cell);
            for step in [1, 100, 256, 300, 1024, 5000, 20_000] {
                let mut cells = Cells::<FloatSum>::new(1);
                for start in (0..values.len()).step_by(step) {
                    let piece = start..(start + step).min(values.len());
                    let mask = mask.map(|mask| &mask[piece.clone()]);
                    cells.push(Matrix::lane(&values[piece], mask));
                }
                let Totals::Merged(totals) = cells.finish() else { panic!("many cells") };
                assert_eq!(totals.first().copied(), expected, "{step}");
            }
        }
    }

    #[test]
    fn moments_of_many_cells_are_those_of_all_values() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let all = moments(Matrix::lane(&values, None))[0];
        assert_eq!((all.count, all.mean), (1000.0, 499.5));
        assert!((all.variance() - 83_416.666_666_666_67).abs() < 1e-9);
    }

    #[test]
    fn no_data_is_skipped_in_every_lane() {
        let values = [1u8, 10, 2, 20, 3, 30];
        let mask = [true, false, false, true, true, true];
        let m = Matrix { values: &values, validity: Some(&mask), n: 3, lanes: 2, stride: 2 };
        assert_eq!(totals::<IntSum, _>(m), [4, 50]);
        assert_eq!(totals::<NarrowSum, _>(m), [4, 50]);
        assert_eq!(moments(m)[1].mean, 25.0);
    }

    #[test]
    fn the_largest_narrow_integers_fit_a_cell() {
        let values = [u16::MAX; 3 * CELL];
        let sums = totals::<NarrowSum, _>(Matrix::lane(&values, None));
        assert_eq!(sums, [3 * CELL as i64 * 65_535]);
    }

    #[test]
    fn products_of_integers_know_when_they_overflow() {
        let product = totals::<ExactProduct, _>(Matrix::lane(&[i64::MAX, 2], None));
        assert_eq!(product[0].exact, None);
    }
}
