//! The plans of a nested operator's cells, ready to run.

use std::sync::Arc;

use eolith_cube::Region;
use eolith_graph::Issue;

use super::{Options, Physical, Program, memory};
use crate::nested::Nested;

/// Plans whose memory is measured, those of the largest cells.
const MEASURED: usize = 3;

/// One entry for each plan of the operator.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) plans: Vec<CellPlan>,
    /// Plans that need the most memory, with the size of their cells.
    largest: Vec<(usize, Vec<usize>)>,
}

#[derive(Debug)]
pub(crate) struct CellPlan {
    pub(crate) physical: Physical,
    pub(crate) program: Arc<Program>,
}

impl Cells {
    /// Prepares the plans; a cell is computed by one thread and stores nothing.
    pub(super) fn new(nested: &Nested, options: Options) -> Result<Cells, Vec<Issue>> {
        let options = Options { threads: 1, stages: false, ..options };
        let plans: Result<Vec<CellPlan>, Vec<Issue>> = (nested.plans.iter())
            .map(|plan| {
                let physical = Physical::prepared(plan.logical.clone(), options)?;
                let program = Arc::new(Program::new(&physical, plan.result(), false));
                Ok(CellPlan { physical, program })
            })
            .collect();
        let mut sizes: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); nested.plans.len()];
        for (i, &plan) in nested.cells.iter().enumerate() {
            let shape = nested.partition.cell(i).shape;
            let size = shape.iter().product();
            if size >= sizes[plan].0 {
                sizes[plan] = (size, shape);
            }
        }
        let mut largest: Vec<(usize, (usize, Vec<usize>))> =
            sizes.into_iter().enumerate().collect();
        largest.sort_by_key(|(plan, (size, _))| (std::cmp::Reverse(*size), *plan));
        largest.truncate(MEASURED);
        let largest = largest.into_iter().map(|(plan, (_, shape))| (plan, shape)).collect();
        Ok(Cells { plans: plans?, largest })
    }

    /// Bytes that computing one cell takes, as far as a box of the result needs it.
    pub(super) fn bytes(&self, nested: &Nested, region: &Region) -> u64 {
        let measure = |(plan, shape): &(usize, Vec<usize>)| {
            let own = &self.plans[*plan];
            let part = (shape.iter().zip(&region.0).zip(&nested.free))
                .map(|((&n, range), &free)| 0..if free { n.min(range.len()) } else { n })
                .collect();
            memory::peak(&own.physical, &own.program, &Region(part))
        };
        self.largest.iter().map(measure).max().unwrap_or_default()
    }
}
