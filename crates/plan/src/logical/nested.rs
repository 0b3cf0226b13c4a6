//! The schema of a nested operator: that of its input, with what the plans of its cells store.

use std::collections::BTreeSet;

use eolith_cube::{Schema, Variable};

use super::merge;
use crate::logical::Bad;
use crate::nested::{Nested, Partition, Plan};

pub(super) fn construct(
    input: &Schema,
    partition: Partition,
    plans: Vec<Plan>,
    cells: Vec<usize>,
) -> (Nested, Schema) {
    let mut found: Vec<Option<Variable>> = match &partition {
        Partition::Windows(_) => vec![None; input.variables.len()],
        // What lies outside stays.
        Partition::Areas { .. } => input.variables.iter().cloned().map(Some).collect(),
    };
    // Which plan stores which bands.
    let mut stored = BTreeSet::new();
    for (i, &plan) in cells.iter().enumerate() {
        let own = input.bands().map(|bands| {
            let cell = partition.cell(i);
            let range = cell.core.0[bands].clone();
            let first = (range.start as isize - cell.start[bands]) as usize;
            (range.start, range.end, first)
        });
        stored.insert((plan, own.unwrap_or((0, 1, 0))));
    }
    for (plan, (start, end, first)) in stored {
        let variables = &plans[plan].schema().variables;
        for (all, own) in found[start..end].iter_mut().zip(&variables[first..]) {
            *all = Some(match all.take() {
                None => own.clone(),
                Some(all) => joined(all, own),
            });
        }
    }
    let variables: Vec<Variable> = (found.into_iter().zip(&input.variables))
        .map(|(found, own)| found.unwrap_or_else(|| own.clone()))
        .collect();
    let schema = Schema { dims: input.dims.clone(), variables };
    (Nested::new(partition, plans, cells), schema)
}

/// Checks that a callback kept the dimensions of its cell; gives their positions in the result.
///
/// # Errors
/// `DataCubePropertiesImmutable`, with what changed.
pub(crate) fn kept(cell: &Schema, result: &Schema, labels_too: bool) -> Result<Vec<usize>, Bad> {
    let changed = |what: String| Bad::new("DataCubePropertiesImmutable", what);
    if let Some(new) = result.dims.iter().find(|dim| cell.position(&dim.name).is_none()) {
        return Err(changed(format!("the callback adds dimension `{}`", new.name)));
    }
    let mut order = Vec::with_capacity(cell.dims.len());
    for dim in &cell.dims {
        let name = &dim.name;
        let Some(at) = result.position(name) else {
            return Err(changed(format!("the callback removes dimension `{name}`")));
        };
        let new = &result.dims[at];
        if new.kind.name() != dim.kind.name() || new.crs() != dim.crs() {
            let message = format!("the callback changes the type or reference system of `{name}`");
            return Err(changed(message));
        }
        match (dim.labels(), new.labels()) {
            (Some(old), Some(new)) if old.len() != new.len() => {
                let (n, m) = (old.len(), new.len());
                let message =
                    format!("the callback returns {m} labels of dimension `{name}`, it got {n}");
                return Err(changed(message));
            }
            (Some(old), Some(new)) if labels_too && !merge::same(old, new) => {
                return Err(changed(format!(
                    "the callback changes the labels of dimension `{name}`"
                )));
            }
            (Some(_), Some(_)) => {}
            (None, _) | (_, None) => {
                return Err(changed(format!("the labels of dimension `{name}` are not known")));
            }
        }
        order.push(at);
    }
    Ok(order)
}

/// One variable that can stand for both.
fn joined(all: Variable, own: &Variable) -> Variable {
    if all == *own {
        return all;
    }
    let dtype = all.dtype.common(own.dtype);
    let mut variable = Variable::new(dtype);
    let nodata = all.nodata.filter(|a| own.nodata.is_some_and(|b| b.same(*a)));
    variable.nodata = nodata.filter(|value| dtype.holds(*value));
    variable.common_name = all.common_name;
    variable.center_wavelength = all.center_wavelength;
    variable
}
