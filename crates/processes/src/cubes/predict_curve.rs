//! `predict_curve`: the values of a model function for parameters that were fitted.

use std::sync::Arc;

use eolith_cube::{Axis, Kind, Label, Labels};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::expr::Builder;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

use super::arguments::{label_of, labels, same_label, unsupported};
use crate::arrays::x_of;

pub(crate) static PREDICT_CURVE: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "predict_curve",
        "Predict values of a curve",
        "Replaces a dimension of parameters, as `apply_dimension` with `fit_curve` makes them, by the values that a \
         model function has at new labels. The labels are `x`: numbers, or instants as seconds since \
         1970-01-01T00:00:00Z. Without labels nothing can be predicted, since the data that was fitted is not part \
         of the parameters.",
    )
    .experimental()
    .category("cubes")
    .category("math")
    .param(param("parameters", "A data cube with parameters along one of its dimensions.", schema::cube()))
    .param(param(
        "function",
        "The model function of `x` and the array `parameters`.",
        schema::process_graph(
            [
                param("x", "", schema::number()),
                param("parameters", "", schema::array_from(1, schema::number())),
            ],
            schema::number(),
        ),
    ))
    .param(param(
        "dimension",
        "The name of the dimension of parameters, which becomes that of the predictions.",
        schema::string(),
    ))
    .param(
        param(
            "labels",
            "The labels to predict values for.",
            schema::any_of([
                schema::null(),
                json!({
                    "type": "array",
                    "uniqueItems": true,
                    "items": { "anyOf": [schema::number(), schema::date(), schema::date_time()] },
                }),
            ]),
        )
        .default(Json::Null),
    )
    .returns("A data cube with the predicted values.", schema::cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("parameters")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    if call.constant("labels")?.is_null() {
        return Err(unsupported("labels", "the labels to predict values for are needed"));
    }
    let labels = labels(call, "labels")?;
    let input = call.axis_input(&schema, dim);
    let mut builder = Builder::default();
    let axis = match &input {
        Input::Axis(k, ty, labels) => builder.axis(*k, ty.clone(), labels.clone()),
        Input::Value(..) | Input::Constant(_) => {
            return Err(Problem::new("Internal", "an axis is expected"));
        }
    };
    let mut values = Vec::with_capacity(labels.len());
    for (i, label) in labels.iter().enumerate() {
        if labels[..i].iter().any(|own| same_label(own, label)) {
            return Err(Problem::argument("labels", format!("label `{label}` is given twice")));
        }
        let x = x_of(label).ok_or_else(|| {
            Problem::argument("labels", format!("label `{label}` is no number and no date"))
        })?;
        let x = Input::Constant(Value::Float(x));
        let expr = call.callback("function", &[("x", x), ("parameters", input.clone())])?;
        values.push(builder.inline(&expr, &[axis]));
    }
    let root = if values.is_empty() {
        builder.constant(Value::array(Vec::new()))
    } else {
        builder.list(values)
    };
    let mut target = schema.dims[dim].clone();
    target.kind = match target.kind {
        Kind::Geometry(_) => Kind::Other,
        kind => kind,
    };
    let label = |label: Label| label_of(&target.kind, label);
    target.axis = Axis::Known(Labels::list(labels.into_iter().map(label)));
    let expr = builder.finish(root);
    if !matches!(expr.ty(), Type::Array(..)) {
        return Err(Problem::argument("function", "a number is expected"));
    }
    call.try_add(Op::along(&schema, dim, target, Arc::new(expr)), vec![data])
}
