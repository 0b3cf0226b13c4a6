//! The schema of a function of the user's, from what was found to come out of it.

use std::sync::Arc;

use eolith_cube::{Axis, Dimension, Kind, Labels, Schema, Variable};

use super::Bad;
use crate::op::Op;
use crate::udf::{Outcome, Role, Udf};

type Made = Result<(Op, Schema), Bad>;

/// What is said of a result that has another shape than its place asks for.
const CODE: &str = "UdfResultInvalid";

impl Op {
    /// A function of the user's. `outcome` is what comes out of its first cell.
    ///
    /// # Errors
    /// `UdfResultInvalid`: dimensions or numbers of labels that the role does not allow.
    pub fn udf(input: &Schema, udf: Arc<Udf>, outcome: &Outcome) -> Made {
        let cell = udf.cell(input);
        let dims = match udf.role {
            Role::Apply => {
                same(outcome, input.dims.iter().zip(cell))?;
                input.dims.clone()
            }
            Role::Reduce(gone) => {
                let kept = (input.dims.iter().zip(cell).enumerate()).filter(|(d, _)| *d != gone);
                same(outcome, kept.map(|(_, own)| own))?;
                let mut dims = input.dims.clone();
                dims.remove(gone);
                dims
            }
            Role::Along(dim) => {
                let Some((_, labels)) = outcome.dims.get(dim) else {
                    return Err(differs(outcome, &names(&input.dims)));
                };
                let mut wanted = cell;
                wanted[dim] = labels.len();
                same(outcome, input.dims.iter().zip(wanted))?;
                let mut dims = input.dims.clone();
                dims[dim] = changed(&input.dims[dim], labels);
                dims
            }
            Role::Whole => (outcome.dims.iter())
                .map(|(name, labels)| match input.dim(name) {
                    Some(own) => changed(own, labels),
                    None => Dimension::new(name.as_str(), Kind::Other, labels.clone()),
                })
                .collect(),
        };
        let bands = dims.iter().find(|dim| dim.kind == Kind::Bands);
        // Bands that are still the same ones keep what is known of them besides their numbers.
        let kept = bands.is_some_and(|own| input.bands().is_some_and(|d| input.dims[d] == *own))
            || (bands.is_none() && input.bands().is_none());
        let variables = if kept {
            let own = input.variables.iter().map(|variable| Variable {
                common_name: variable.common_name.clone(),
                center_wavelength: variable.center_wavelength,
                ..Variable::new(outcome.dtype)
            });
            own.collect()
        } else {
            vec![Variable::new(outcome.dtype); bands.and_then(Dimension::len).unwrap_or(1)]
        };
        Ok((Op::Udf(udf), Schema { dims, variables }))
    }
}

/// Checks names and numbers of labels.
fn same<'a>(
    outcome: &Outcome,
    wanted: impl Iterator<Item = (&'a Dimension, usize)> + Clone,
) -> Result<(), Bad> {
    let found = outcome.dims.iter().map(|(name, labels)| (name.as_str(), labels.len()));
    if found.eq(wanted.clone().map(|(dim, n)| (dim.name.as_str(), n))) {
        return Ok(());
    }
    let wanted: Vec<String> = wanted.map(|(dim, n)| format!("{} ({n})", dim.name)).collect();
    Err(differs(outcome, &wanted.join(", ")))
}

fn differs(outcome: &Outcome, wanted: &str) -> Bad {
    let found: Vec<String> =
        outcome.dims.iter().map(|(name, labels)| format!("{name} ({})", labels.len())).collect();
    let message = format!(
        "the UDF returned the dimensions {}, here they have to be {wanted}",
        if found.is_empty() { "(none)".to_owned() } else { found.join(", ") }
    );
    Bad::new(CODE, message)
}

fn names(dims: &[Dimension]) -> String {
    dims.iter().map(|dim| dim.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A dimension with other labels. What its type says of labels is dropped where they do not have it.
fn changed(own: &Dimension, labels: &Labels) -> Dimension {
    let equal = own.labels().is_some_and(|before| {
        before.len() == labels.len() && before.iter().zip(labels.iter()).all(|(a, b)| a.same(&b))
    });
    if equal {
        return own.clone();
    }
    let texts = || labels.iter().all(|label| label.as_text().is_some());
    let times = || labels.iter().all(|label| label.as_time().is_some());
    let (kind, labels) = match &own.kind {
        Kind::Spatial { axis, crs } => match labels.regular() {
            Some(regular) => {
                (Kind::Spatial { axis: *axis, crs: crs.clone() }, Labels::Regular(regular))
            }
            None => (Kind::Other, labels.clone()),
        },
        Kind::Temporal if times() => (Kind::Temporal, labels.clone()),
        Kind::Bands if texts() => (Kind::Bands, labels.clone()),
        Kind::Bands => (Kind::Bands, Labels::texts(labels.iter().map(|label| label.to_string()))),
        Kind::Temporal | Kind::Geometry(_) | Kind::Other => (Kind::Other, labels.clone()),
    };
    Dimension { name: own.name.clone(), kind, axis: Axis::Known(labels) }
}
