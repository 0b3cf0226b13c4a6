//! `flatten_dimensions` and `unflatten_dimension`: several dimensions as one, and back.

use std::collections::BTreeMap;

use eolith_cube::{Dimension, Kind, Labels};
use eolith_graph::{Code, Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

use super::arguments::texts;

/// More labels than this are a mistake: each is a text of its own.
const MOST: usize = 10_000_000;

pub(crate) static FLATTEN_DIMENSIONS: Process = Process {
    definition: || {
        Definition::new(
            "flatten_dimensions",
            "Combine dimensions into one",
            "Puts one dimension of type `other` in the place of the first of the given dimensions. Its labels are \
             the labels of these as texts with a separator between them; the first given dimension varies slowest.",
        )
        .experimental()
        .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param(
            "dimensions",
            "The names of the dimensions to combine, the slowest first.",
            json!({ "type": "array", "uniqueItems": true, "items": { "type": "string" } }),
        ))
        .param(param("target_dimension", "The name of the new dimension.", schema::string()))
        .param(separator())
        .returns("The data cube with the combined dimension.", schema::cube())
        .throws("DimensionNotAvailable", "The data cube has no dimension of one of the names.")
        .throws("TargetDimensionExists", "The data cube has a dimension with the new name already.")
    },
    lowering: Lowering::Custom(flatten),
};

pub(crate) static UNFLATTEN_DIMENSION: Process = Process {
    definition: || {
        Definition::new(
            "unflatten_dimension",
            "Split a dimension into several",
            "Splits the labels of a dimension at a separator and puts one dimension of type `other` for each part in \
             its place, with the parts as labels in the order in which they come first. Every combination of parts \
             must be a label, once.",
        )
        .experimental()
        .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param("dimension", "The name of the dimension to split.", schema::string()))
        .param(param(
            "target_dimensions",
            "The names of the new dimensions, in the order of the parts.",
            json!({ "type": "array", "uniqueItems": true, "minItems": 2, "items": { "type": "string" } }),
        ))
        .param(separator())
        .returns("The data cube with the new dimensions.", schema::cube())
        .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
        .throws("TargetDimensionExists", "The data cube has a dimension with one of the new names already.")
    },
    lowering: Lowering::Custom(unflatten),
};

fn separator() -> eolith_graph::Parameter {
    param(
        "label_separator",
        "What stands between the parts of a label.",
        json!({ "type": "string", "minLength": 1 }),
    )
    .default(json!("~"))
}

fn flatten(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let names = texts(call, "dimensions")?;
    let target = call.required_text("target_dimension")?;
    let separator = text_between(call)?;
    let mut chosen: Vec<usize> = Vec::with_capacity(names.len());
    for name in &names {
        let dim = schema.position(name).ok_or_else(|| {
            let message = format!("the data cube has no dimension `{name}`");
            Problem::new("DimensionNotAvailable", message).at("dimensions")
        })?;
        if chosen.contains(&dim) {
            return Err(Problem::argument(
                "dimensions",
                format!("dimension `{name}` is named twice"),
            ));
        }
        chosen.push(dim);
    }
    let Some(&place) = chosen.iter().min() else {
        return Err(Problem::argument("dimensions", "at least one dimension is expected"));
    };
    if schema.position(&target).is_some() {
        return Err(exists(&target).at("target_dimension"));
    }
    let mut labels = vec![String::new()];
    for (i, &dim) in chosen.iter().enumerate() {
        let own = schema.dims[dim].labels().ok_or(Problem::Blocked)?;
        if labels.len().saturating_mul(own.len()) > MOST {
            return Err(Problem::Issue {
                code: Code::PROCESS_GRAPH_COMPLEXITY,
                argument: Some("dimensions".to_owned()),
                message: format!("the new dimension would have more than {MOST} labels"),
                hint: Some("narrow the data cube first".to_owned()),
            });
        }
        let between = if i == 0 { "" } else { &*separator };
        labels = (labels.iter())
            .flat_map(|start| own.iter().map(move |label| format!("{start}{between}{label}")))
            .collect();
    }
    // The chosen dimensions beside each other, in the place of the first one there is.
    let mut order: Vec<usize> = (0..place).collect();
    order.extend(&chosen);
    order.extend((place..schema.dims.len()).filter(|dim| !chosen.contains(dim)));
    let (node, turned) = if order.is_sorted() {
        (data, schema.as_ref().clone())
    } else {
        let dims = order.iter().map(|&dim| (schema.dims[dim].clone(), Some(dim))).collect();
        let (op, turned) = Op::relabel(&schema, dims)?;
        (call.add_node((op, turned.clone()), vec![data]), turned)
    };
    let new = Dimension::new(target.to_string(), Kind::Other, Labels::texts(labels));
    call.try_add(Op::reshape(&turned, place, chosen.len(), vec![new]), vec![node])
}

fn unflatten(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    let names = texts(call, "target_dimensions")?;
    let separator = text_between(call)?;
    if names.len() < 2 {
        return Err(Problem::argument("target_dimensions", "at least two dimensions are expected"));
    }
    for (i, name) in names.iter().enumerate() {
        if schema.position(name).is_some() {
            return Err(exists(name).at("target_dimensions"));
        }
        if names[..i].contains(name) {
            let message = format!("dimension `{name}` is named twice");
            return Err(Problem::argument("target_dimensions", message));
        }
    }
    let labels = schema.dims[dim].labels().ok_or(Problem::Blocked)?;
    let mut parts: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new(); names.len()];
    let mut tuples: Vec<Vec<usize>> = Vec::with_capacity(labels.len());
    for label in labels.iter() {
        let text = label.to_string();
        let pieces: Vec<&str> = text.split(&*separator).collect();
        if pieces.len() != names.len() {
            let message = format!(
                "label `{label}` has {} parts between `{separator}`, {} are expected",
                pieces.len(),
                names.len()
            );
            return Err(Problem::argument("data", message));
        }
        let number = |(known, piece): (&mut BTreeMap<String, usize>, &str)| {
            let next = known.len();
            *known.entry(piece.to_owned()).or_insert(next)
        };
        tuples.push(parts.iter_mut().zip(pieces).map(number).collect());
    }
    let lengths: Vec<usize> = parts.iter().map(BTreeMap::len).collect();
    let count = lengths.iter().try_fold(1_usize, |n, own| n.checked_mul(*own));
    let mut places = vec![None; count.filter(|n| *n == labels.len()).unwrap_or_default()];
    for (i, tuple) in tuples.iter().enumerate() {
        let place = tuple.iter().zip(&lengths).fold(0, |place, (part, n)| place * n + part);
        if let Some(free) = places.get_mut(place).filter(|own| own.is_none()) {
            *free = Some(i);
        }
    }
    let indices: Option<Vec<usize>> = places.into_iter().collect();
    let Some(indices) = indices.filter(|indices| indices.len() == labels.len()) else {
        let sizes: Vec<String> = lengths.iter().map(usize::to_string).collect();
        let message = format!(
            "the {} labels are not every combination of their parts ({}), each once",
            labels.len(),
            sizes.join(" × ")
        );
        return Err(Problem::argument("data", message));
    };
    let (node, sorted) = if indices.is_sorted() {
        (data, schema.as_ref().clone())
    } else {
        let mut selection = vec![None; schema.dims.len()];
        selection[dim] = Some(indices.into());
        let (op, sorted) = Op::select(&schema, selection);
        (call.add_node((op, sorted.clone()), vec![data]), sorted)
    };
    let new = |(name, own): (&String, BTreeMap<String, usize>)| {
        let mut labels: Vec<(usize, String)> = own.into_iter().map(|(text, i)| (i, text)).collect();
        labels.sort_unstable();
        Dimension::new(name, Kind::Other, Labels::texts(labels.into_iter().map(|(_, text)| text)))
    };
    let targets = names.iter().zip(parts).map(new).collect();
    call.try_add(Op::reshape(&sorted, dim, 1, targets), vec![node])
}

fn text_between(call: &mut Call<'_, '_>) -> Result<std::sync::Arc<str>, Problem> {
    let separator = call.required_text("label_separator")?;
    if separator.is_empty() {
        return Err(Problem::argument(
            "label_separator",
            "a text of at least one character is expected",
        ));
    }
    Ok(separator)
}

fn exists(name: &str) -> Problem {
    Problem::new("TargetDimensionExists", format!("the data cube has a dimension `{name}` already"))
}
