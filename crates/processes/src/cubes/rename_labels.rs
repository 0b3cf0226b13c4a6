//! `rename_labels`: other labels for the same pixels.

use std::sync::Arc;

use eolith_cube::{Axis, Features, Kind, Label, Labels};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

use super::arguments::{label_of, labels, same_label};

pub(crate) static RENAME_LABELS: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let label_list = || json!({ "type": "array", "uniqueItems": true, "items": { "type": ["number", "string"] } });
    Definition::new(
        "rename_labels",
        "Rename labels of a dimension",
        "Gives labels of a dimension other names; their order stays. Without `source` the present labels must be \
         0, 1, 2, …, and the first ones are renamed.",
    )
    .note("A target that the dimension already has is refused, also if it is renamed itself.")
    .category("cubes")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param("dimension", "The name of the dimension.", schema::string()))
    .param(param("target", "The new labels.", label_list()))
    .param(
        param("source", "The labels to rename, as many as in `target`.", label_list())
            .default(json!([])),
    )
    .returns("The data cube with the labels renamed.", schema::cube())
    .throws("LabelsNotEnumerated", "The present labels are not 0, 1, 2, …")
    .throws("LabelMismatch", "There are not as many new labels as labels to rename.")
    .throws("LabelNotAvailable", "The dimension has no such label.")
    .throws("LabelExists", "The dimension has a label like the new one already.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    let (target, source) = (labels(call, "target")?, labels(call, "source")?);
    let present = schema.dims[dim].labels().ok_or(Problem::Blocked)?;
    let mut renamed: Vec<Label> = present.iter().collect();
    let positions = positions(&renamed, &source, target.len())?;
    for (position, new) in positions.iter().zip(target) {
        let new = label_of(&schema.dims[dim].kind, new);
        if renamed.iter().any(|own| same_label(own, &new)) {
            let message =
                format!("dimension `{}` has a label `{new}` already", schema.dims[dim].name);
            return Err(Problem::new("LabelExists", message).at("target"));
        }
        renamed[*position] = new;
    }
    let mut dims: Vec<_> = schema.dims.iter().cloned().zip((0..).map(Some)).collect();
    if let Kind::Geometry(features) = &schema.dims[dim].kind {
        dims[dim].0.kind = Kind::Geometry(Arc::new(named(features, &renamed)));
    }
    dims[dim].0.axis = Axis::Known(Labels::list(renamed));
    call.try_add(Op::relabel(&schema, dims), vec![data])
}

/// Features whose ids are the labels, so that files written of them have these.
fn named(features: &Features, labels: &[Label]) -> Features {
    let mut features = features.clone();
    for (feature, label) in features.list.iter_mut().zip(labels) {
        feature.id = Some(match label {
            Label::Int(id) => json!(id),
            Label::Float(id) => json!(id),
            text => json!(text.to_string()),
        });
    }
    features
}

/// Where the labels to rename are.
fn positions(present: &[Label], source: &[Label], targets: usize) -> Result<Vec<usize>, Problem> {
    if source.is_empty() {
        let enumerated =
            present.iter().enumerate().all(|(i, label)| label.as_f64() == Some(i as f64));
        if !enumerated {
            return Err(Problem::new(
                "LabelsNotEnumerated",
                "the labels are not 0, 1, 2, …, so `source` must say which ones to rename",
            ));
        }
        if targets > present.len() {
            return Err(mismatch(targets, present.len()));
        }
        return Ok((0..targets).collect());
    }
    if source.len() != targets {
        return Err(mismatch(targets, source.len()));
    }
    let position = |label: &Label| {
        present.iter().position(|own| same_label(own, label)).ok_or_else(|| {
            Problem::new("LabelNotAvailable", format!("there is no label `{label}`")).at("source")
        })
    };
    source.iter().map(position).collect()
}

fn mismatch(targets: usize, sources: usize) -> Problem {
    Problem::new("LabelMismatch", format!("{targets} new labels for {sources} labels"))
}
