//! The weights of a kernel, with what is alike in them.

/// Weights in rows and columns. Columns that are alike are one distinct column, rows that are alike one pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    /// The distinct columns in the order in which they first appear, each with the columns that it is.
    columns: Vec<Vec<usize>>,
    /// For each row its pattern.
    rows: Vec<usize>,
    /// For each pattern a weight for each distinct column.
    weights: Vec<f64>,
}

impl Kernel {
    /// Of `size` (rows, columns), both at least 1, with its weights in row-major order.
    pub(super) fn new(weights: &[f64], size: [usize; 2]) -> Kernel {
        let [tall, wide] = size;
        let same = |a: usize, b: usize| weights[a].to_bits() == weights[b].to_bits();
        let mut columns: Vec<Vec<usize>> = Vec::new();
        for column in 0..wide {
            let alike = |other: &&mut Vec<usize>| {
                (0..tall).all(|row| same(row * wide + column, row * wide + other[0]))
            };
            match columns.iter_mut().find(alike) {
                Some(known) => known.push(column),
                None => columns.push(vec![column]),
            }
        }
        let mut first_rows: Vec<usize> = Vec::new();
        let mut rows = Vec::with_capacity(tall);
        for row in 0..tall {
            let alike = |other: &usize| {
                (0..wide).all(|column| same(row * wide + column, other * wide + column))
            };
            let known = first_rows.iter().position(alike);
            rows.push(known.unwrap_or(first_rows.len()));
            if known.is_none() {
                first_rows.push(row);
            }
        }
        let distinct = |row: &usize| {
            let start = row * wide;
            columns.iter().map(move |alike| weights[start + alike[0]])
        };
        let weights = first_rows.iter().flat_map(distinct).collect();
        Kernel { columns, rows, weights }
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.iter().map(Vec::len).sum()]
    }

    /// The distinct columns, each with the columns that it is, in ascending order.
    pub(super) fn columns(&self) -> &[Vec<usize>] {
        &self.columns
    }

    /// For each row its pattern.
    pub(super) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Distinct rows.
    pub(super) fn patterns(&self) -> usize {
        self.weights.len() / self.columns.len()
    }

    /// The weights of a pattern, one for each distinct column.
    pub(super) fn weights(&self, pattern: usize) -> &[f64] {
        let n = self.columns.len();
        &self.weights[pattern * n..(pattern + 1) * n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_found() {
        #[rustfmt::skip]
        let weights = [
            1.0, 2.0, 1.0,
            3.0, 4.0, 3.0,
            1.0, 2.0, 1.0,
        ];
        let kernel = Kernel::new(&weights, [3, 3]);
        assert_eq!(kernel.columns(), [vec![0, 2], vec![1]]);
        assert_eq!(kernel.rows(), [0, 1, 0]);
        assert_eq!(kernel.patterns(), 2);
        assert_eq!(kernel.weights(1), [3.0, 4.0]);
        // Zeros of two signs are two weights.
        let kernel = Kernel::new(&[0.0, 5.0, -0.0], [1, 3]);
        assert_eq!(kernel.columns(), [vec![0], vec![1], vec![2]]);
    }
}
