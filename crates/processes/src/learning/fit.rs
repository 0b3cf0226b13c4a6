//! `ml_fit_class_random_forest` and `ml_fit_regr_random_forest`: training.
//!
//! A sample is a geometry: its predictors are the values of the other dimension, its target the value of another vector
//! cube under the same label. Training is the answer to a question of the plan: it runs once, before the rest is
//! planned.

use std::sync::Arc;

use eolith_cube::{Kind, Label, Labels};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Argument, Call, Problem, Term};
use eolith_plan::logical::NodeId;
use eolith_plan::model::{Forest, Samples, Settings, Variables};
use eolith_plan::op::Cube;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::subplan::{Derivation, Stop};
use eolith_plan::value::{Fault, Value};
use serde_json::{Value as Json, json};

use super::model_schema;

/// What both trainings have in common.
macro_rules! described {
    ($first:literal) => {
        concat!(
            $first,
            " A geometry is a sample; those without a target or without one of the predictors are left out. Trees grow \
             until their leaves are pure, each from as many samples as there are, drawn with repeats. The same data, \
             arguments and seed give the same model on any machine."
        )
    };
}

pub(super) static CLASS: Process = Process {
    definition: || {
        definition(
            "ml_fit_class_random_forest",
            "Train a random forest that classifies",
            described!(
                "Trains a random forest (Breiman 2001) that tells to which class a sample belongs. Classes are the \
                 different numbers of the target."
            ),
        )
    },
    lowering: Lowering::Custom(|call| lower(call, true)),
};

pub(super) static REGRESSION: Process = Process {
    definition: || {
        definition(
            "ml_fit_regr_random_forest",
            "Train a random forest that estimates numbers",
            described!(
                "Trains a random forest (Breiman 2001) that estimates a number for a sample."
            ),
        )
    },
    lowering: Lowering::Custom(|call| lower(call, false)),
};

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    let vector = |other| schema::cube_with([schema::geometry(), other]);
    Definition::new(id, summary, description)
        .experimental()
        .category("machine learning")
        .param(param(
            "predictors",
            "A vector data cube with the features of each geometry along its other dimension.",
            schema::any_of([vector(schema::bands()), vector(json!({ "type": "other" }))]),
        ))
        .param(param(
            "target",
            "A vector data cube with the value to predict for each of these geometries.",
            schema::vector_cube(),
        ))
        .param(param(
            "max_variables",
            "How many features each split chooses from: a number, or `all`, the binary logarithm, a third or the square \
             root of how many there are.",
            schema::any_of([
                schema::integer_from(1),
                schema::one_of(&["all", "log2", "onethird", "sqrt"]),
            ]),
        ))
        .param(param("num_trees", "The number of trees.", schema::integer_from(1)).default(json!(100)))
        .param(
            param(
                "seed",
                "Where the random numbers start. Null is a fixed seed: the model is the same each time.",
                schema::integer_or_null(),
            )
            .default(json!(null)),
        )
        .returns("The model.", model_schema())
}

fn lower(call: &mut Call<'_, '_>, is_class: bool) -> Result<Term, Problem> {
    let cubes = [call.cube("predictors")?, call.cube("target")?];
    let [features, _] =
        [checked(call, cubes[0], "predictors", 2)?, checked(call, cubes[1], "target", 1)?];
    let features =
        features.map(|labels| labels.iter().map(|l| Json::from(l.to_string())).collect());
    let features: Vec<Json> = features.unwrap_or_default();
    let variables = match call.constant("max_variables")? {
        Value::Int(count) if count >= 1 => json!(count),
        Value::Text(name) if ["all", "log2", "onethird", "sqrt"].contains(&&*name) => json!(*name),
        _ => {
            let message =
                "a number from 1 on, or one of `all`, `log2`, `onethird`, `sqrt` is expected";
            return Err(Problem::argument("max_variables", message));
        }
    };
    let trees = match call.constant("num_trees")? {
        Value::Int(count) if (1..=MOST_TREES).contains(&count) => count,
        _ => {
            let message = format!("a number from 1 to {MOST_TREES} is expected");
            return Err(Problem::argument("num_trees", message));
        }
    };
    let seed = match call.constant("seed")? {
        Value::Null => 0,
        Value::Int(seed) => seed,
        other => {
            let message = format!("an integer or null is expected, not {}", other.kind());
            return Err(Problem::argument("seed", message));
        }
    };
    let context = json!({ "class": is_class, "features": features, "variables": variables, "trees": trees, "seed": seed });
    match call.derived(&cubes, &FIT, Value::from_json(&context)) {
        Some(Argument::Value(model)) => Ok(Term::Expr(call.builder().constant(model))),
        Some(Argument::Cube(_)) | None => Err(Problem::Blocked),
    }
}

/// Most trees of a forest.
const MOST_TREES: i64 = 100_000;

/// The labels of the dimension of features, where there is one; the cube must have geometries and `rank` dimensions.
fn checked(
    call: &mut Call<'_, '_>,
    id: NodeId,
    name: &str,
    rank: usize,
) -> Result<Option<Labels>, Problem> {
    let schema = call.schema(id);
    let is_geometry = |kind: &Kind| matches!(kind, Kind::Geometry(_));
    let geometries = schema.dims.iter().filter(|dim| is_geometry(&dim.kind)).count();
    if geometries != 1 || schema.dims.len() != rank {
        let names: Vec<&str> = schema.dims.iter().map(|dim| dim.name.as_str()).collect();
        let expected = if rank == 1 {
            "a dimension of geometries alone"
        } else {
            "geometries and one other dimension"
        };
        let message =
            format!("the vector data cube must have {expected}, it has ({})", names.join(", "));
        return Err(
            Problem::argument(name, message).hint("use `reduce_dimension` or `flatten_dimensions`")
        );
    }
    let other = schema.dims.iter().find(|dim| !is_geometry(&dim.kind));
    match other {
        None => Ok(None),
        Some(dim) => dim.labels().cloned().map(Some).ok_or(Problem::Blocked),
    }
}

static FIT: Derivation = Derivation { id: "random forest", run: fit };

fn fit(cubes: &[Arc<Cube>], context: &Value, stop: &Stop<'_>) -> Result<Argument, Fault> {
    let Value::Object(context) = context else {
        return Err(Fault::new("Internal", "the settings of the training are missing"));
    };
    let [predictors, target] = cubes else {
        return Err(Fault::new("Internal", "training takes two data cubes"));
    };
    let texts = context["features"].as_array().into_iter().flatten();
    let features: Vec<String> = texts.filter_map(Json::as_str).map(str::to_owned).collect();
    let is_class = context["class"] == true;
    let samples = samples(predictors, target, features, is_class)?;
    let variables = match (context["variables"].as_u64(), context["variables"].as_str()) {
        (Some(count), _) => Variables::Count(count as usize),
        (None, Some("log2")) => Variables::Log2,
        (None, Some("onethird")) => Variables::Third,
        (None, Some("sqrt")) => Variables::Root,
        (None, _) => Variables::All,
    };
    let trees = context["trees"].as_u64().unwrap_or_default() as usize;
    let seed = context["seed"].as_i64().unwrap_or_default();
    let forest = Forest::fit(&samples, Settings { trees, variables, seed }, stop);
    let forest = forest.map_err(|reason| Fault::new("ProcessParameterInvalid", reason.0))?;
    Ok(Argument::Value(Value::Model(Arc::new(forest))))
}

/// The geometries that have a target and all predictors, found by their labels.
fn samples(
    predictors: &Cube,
    target: &Cube,
    features: Vec<String>,
    is_class: bool,
) -> Result<Samples, Fault> {
    let position = |kind: bool| {
        (predictors.schema.dims.iter()).position(|d| matches!(d.kind, Kind::Geometry(_)) == kind)
    };
    let (Some(geometry), Some(_)) = (position(true), position(false)) else {
        return Err(Fault::new("Internal", "the predictors are no vector data cube"));
    };
    let labels = |cube: &Cube, dim: usize| -> Vec<Label> {
        cube.schema.dims[dim].labels().map_or_else(Vec::new, |labels| labels.iter().collect())
    };
    let (own, others) = (labels(predictors, geometry), labels(target, 0));
    let finite = |value: Option<eolith_cube::Number>| {
        value.map(eolith_cube::Number::to_f64).filter(|value| value.is_finite())
    };
    let n = features.len();
    let mut columns = vec![Vec::new(); n];
    let mut found = Vec::new();
    // Both usually have the same geometries in the same order: looked for from there.
    let mut hint = 0;
    for (i, label) in own.iter().enumerate() {
        let len = others.len();
        let place = (0..len).map(|k| (hint + k) % len).find(|&k| others[k].same(label));
        let Some(place) = place else { continue };
        hint = place + 1;
        let Some(value) = finite(target.block.get(place)) else { continue };
        let at = |k: usize| if geometry == 0 { i * n + k } else { k * own.len() + i };
        let row: Option<Vec<f64>> = (0..n).map(|k| finite(predictors.block.get(at(k)))).collect();
        let Some(row) = row else { continue };
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        found.push(value);
    }
    if found.is_empty() {
        let message = "no geometry has a target and all predictors under the same label";
        return Err(Fault::new("ProcessParameterInvalid", message));
    }
    Ok(Samples { features, columns, target: found, is_class })
}
