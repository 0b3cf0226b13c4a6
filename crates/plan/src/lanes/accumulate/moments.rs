//! Count, mean and squared distances from it, for variance and standard deviation.

use std::ops::Range;

use multiversion::multiversion;

use super::{BLOCK, CELL, Matrix, runs, several};
use crate::lanes::operand::Primitive;

/// Number, mean and sum of squared distances from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
}

/// [`Moments`] of an axis that goes by, by Welford's recurrence inside a cell and the pairwise update of Chan, Golub and
/// LeVeque (1979) between cells.
#[derive(Debug)]
pub struct MomentCells {
    count: Vec<f64>,
    mean: Vec<f64>,
    m2: Vec<f64>,
    total: Option<Vec<Moments>>,
    at: usize,
}

/// The moments of a whole array.
pub fn moments<P: Primitive>(m: Matrix<'_, P>) -> Vec<Moments> {
    let mut cells = MomentCells::new(m.lanes);
    cells.push(m);
    cells.finish()
}

impl MomentCells {
    pub fn new(lanes: usize) -> MomentCells {
        let zeros = || vec![0.0; lanes];
        MomentCells { count: zeros(), mean: zeros(), m2: zeros(), total: None, at: 0 }
    }

    /// Adds the next rows of the array.
    pub fn push<P: Primitive>(&mut self, m: Matrix<'_, P>) {
        for rows in runs(self.at, m.n) {
            if self.at > 0 && self.at.is_multiple_of(CELL) {
                self.close();
            }
            for start in (0..m.lanes).step_by(BLOCK) {
                let width = BLOCK.min(m.lanes - start);
                let state = [&mut self.count, &mut self.mean, &mut self.m2];
                let block = state.map(|state| &mut state[start..start + width]);
                step_moments(block, m, rows.clone(), start);
            }
            self.at += rows.len();
        }
    }

    /// The moments of what was added.
    pub fn finish(mut self) -> Vec<Moments> {
        self.close();
        self.total.unwrap_or_default()
    }

    /// Bytes of state for a lane of an array of `len` elements.
    pub fn bytes(len: Option<usize>) -> usize {
        (1 + several(len)) * size_of::<Moments>()
    }

    fn close(&mut self) {
        let state = self.count.iter().zip(&self.mean).zip(&self.m2);
        let cells = state.map(|((&count, &mean), &m2)| Moments { count, mean, m2 });
        match &mut self.total {
            None => self.total = Some(cells.collect()),
            Some(total) => total.iter_mut().zip(cells).for_each(|(t, c)| *t = t.merge(c)),
        }
        for state in [&mut self.count, &mut self.mean, &mut self.m2] {
            state.fill(0.0);
        }
    }
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

/// The same for counts, means and sums of squares.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn step_moments<P: Primitive>(
    [count, mean, m2]: [&mut [f64]; 3],
    m: Matrix<'_, P>,
    rows: Range<usize>,
    start: usize,
) {
    for i in rows {
        let (row, mask) = m.row(i, start, count.len());
        let state = count.iter_mut().zip(mean.iter_mut()).zip(m2.iter_mut()).zip(row);
        let next = |count: f64, mean: f64, m2: f64, x: f64| {
            let next = count + 1.0;
            let delta = x - mean;
            let moved = mean + delta / next;
            (next, moved, m2 + delta * (x - moved))
        };
        match mask {
            None => {
                for (((count, mean), m2), x) in state {
                    (*count, *mean, *m2) = next(*count, *mean, *m2, x.f64());
                }
            }
            Some(mask) => {
                for ((((count, mean), m2), x), &ok) in state.zip(mask) {
                    let (n, moved, grown) = next(*count, *mean, *m2, x.f64());
                    *count = if ok { n } else { *count };
                    *mean = if ok { moved } else { *mean };
                    *m2 = if ok { grown } else { *m2 };
                }
            }
        }
    }
}
