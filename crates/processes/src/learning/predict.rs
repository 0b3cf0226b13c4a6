//! `ml_predict`: what a model says of each pixel.

use std::sync::Arc;

use eolith_cube::{DType, Dimension, Kind, Labels, Schema, Values};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, ExprId};
use eolith_plan::function::Function;
use eolith_plan::lanes::operand::refusal;
use eolith_plan::lanes::{KernelCall, Lanes, Register};
use eolith_plan::logical::NodeId;
use eolith_plan::model::Forest;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use super::model_schema;

pub(super) static PREDICT: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "ml_predict",
        "Predict with a model",
        "Gives what the model says of the values along the dimensions, which are its features in the order of the labels; \
         of several dimensions the labels of the last one vary fastest. There is no data where a feature is no-data or \
         `NaN`. The dimensions are replaced by `predictions`, which stands last and has the label 0.",
    )
    .experimental()
    .category("machine learning")
    .param(param("data", "A data cube with the features.", schema::cube()))
    .param(param("model", "The model.", model_schema()))
    .param(param(
        "dimensions",
        "The dimensions that hold the features; with none, each value is a sample with a single feature.",
        schema::array(schema::string()),
    ))
    .returns(
        "A data cube with the predicted values.",
        schema::cube_with([json!({ "type": "other" })]),
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let Value::Array(names) = call.constant("dimensions")? else {
        return Err(Problem::argument("dimensions", "an array of names is expected"));
    };
    let mut dims: Vec<usize> = Vec::new();
    for name in &names.values {
        let name = name.as_text().ok_or_else(|| {
            Problem::argument("dimensions", format!("a name is expected, not {}", name.kind()))
        })?;
        let dim = schema.position(name).ok_or_else(|| {
            Problem::new(
                "DimensionNotAvailable",
                format!("the data cube has no dimension `{name}`"),
            )
            .at("dimensions")
        })?;
        if dims.contains(&dim) {
            return Err(Problem::argument("dimensions", format!("`{name}` is named twice")));
        }
        dims.push(dim);
    }
    let model = super::model(call, "model")?;
    let lengths: Option<Vec<usize>> = dims.iter().map(|&dim| schema.dims[dim].len()).collect();
    let features = lengths.ok_or(Problem::Blocked)?.iter().product::<usize>();
    if features != model.features.len() {
        let message = format!(
            "the model wants {} features ({}), the dimensions hold {features}",
            model.features.len(),
            model.features.join(", ")
        );
        return Err(Problem::argument("dimensions", message));
    }
    let predicted = match dims.as_slice() {
        [dim] => {
            let made = Op::reduce(&schema, *dim, reducer(&schema, *dim, model))?;
            call.add_node(made, vec![data])
        }
        _ => joined(call, data, &schema, &dims, model)?,
    };
    let schema = call.schema(predicted);
    if schema.position("predictions").is_some() {
        let message = "the data cube has a dimension `predictions` already";
        return Err(Problem::new("DimensionExists", message).at("data"));
    }
    let mut dims: Vec<_> = schema.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims.push((Dimension::new("predictions", Kind::Other, Labels::enumerated(1)), None));
    call.try_add(Op::relabel(&schema, dims), vec![predicted])
}

fn reducer(schema: &Schema, dim: usize, model: Arc<Forest>) -> Arc<eolith_plan::expr::Expr> {
    let mut builder = Builder::default();
    let labels = schema.dims[dim].labels().map(|labels| labels.iter().collect());
    let axis = builder.axis(0, Type::of_dtype(schema.dtype()), labels);
    let root = asked(&mut builder, axis, model);
    Arc::new(builder.finish(root))
}

/// Features over several dimensions, or none: a cube for each combination of labels, put together pixel by pixel.
fn joined(
    call: &mut Call<'_, '_>,
    data: NodeId,
    schema: &Schema,
    dims: &[usize],
    model: Arc<Forest>,
) -> Result<NodeId, Problem> {
    let mut parts: Vec<NodeId> = Vec::new();
    for feature in 0..model.features.len() {
        let mut kept: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
        let mut rest = feature;
        for &dim in dims.iter().rev() {
            let n = schema.dims[dim].len().unwrap_or(1);
            kept[dim] = Some(Arc::from([rest % n]));
            rest /= n;
        }
        let (select, one) = Op::select(schema, kept);
        let node = call.add_node((select, one.clone()), vec![data]);
        let left = one.dims.iter().cloned().zip((0..).map(Some));
        let left = left.filter(|(_, from)| from.is_none_or(|from| !dims.contains(&from)));
        let made = Op::relabel(&one, left.collect())?;
        parts.push(call.add_node(made, vec![node]));
    }
    let schemas: Vec<_> = parts.iter().map(|part| call.schema(*part)).collect();
    let inputs: Vec<&Schema> = schemas.iter().map(|schema| &**schema).collect();
    let mut builder = Builder::default();
    let features: Vec<ExprId> = (inputs.iter().enumerate())
        .map(|(k, input)| builder.input(k, Type::of_dtype(input.dtype())))
        .collect();
    let list = builder.list(features);
    let root = asked(&mut builder, list, model);
    let made = Op::map(&inputs, Arc::new(builder.finish(root)))?;
    Ok(call.add_node(made, parts))
}

fn asked(builder: &mut Builder, features: ExprId, model: Arc<Forest>) -> ExprId {
    let model = builder.constant(Value::Model(model));
    builder.call(&FUNCTION, vec![features, model])
}

static FUNCTION: Function = Function {
    id: "ml_predict",
    parameters: &["data", "model"],
    scalar,
    result: |_| Type::F64,
    kernel: Some(kernel),
    fold: None,
    simplify: None,
    blanks: None,
};

fn scalar(args: &[Value]) -> Result<Value, Fault> {
    let (Value::Array(array), Value::Model(model)) = (&args[0], &args[1]) else {
        return Err(Fault::new("ProcessParameterInvalid", "a model and its features are expected"));
    };
    let features: Option<Vec<f64>> =
        array.values.iter().map(|value| value.as_f64().filter(|v| !v.is_nan())).collect();
    Ok(match features {
        Some(features) if features.len() == model.features.len() => {
            Value::Float(model.predict(&features))
        }
        _ => Value::Null,
    })
}

fn kernel(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let Value::Model(model) = call.constant(1)? else { return Err(refusal()) };
    let rows = call.rows(0)?;
    if rows.n != model.features.len() || rows.values.dtype() == DType::Bool {
        return Err(refusal());
    }
    let lanes = call.lanes;
    let Values::F64(values) = rows.values.cast(DType::F64) else { return Err(refusal()) };
    let columns: Vec<&[f64]> = values.chunks(lanes.max(1)).collect();
    let mut valid = vec![true; lanes];
    for (i, column) in columns.iter().enumerate() {
        let mask = rows.validity.map(|mask| &mask[i * lanes..(i + 1) * lanes]);
        for (lane, ok) in valid.iter_mut().enumerate() {
            *ok &= mask.is_none_or(|mask| mask[lane]) && !column[lane].is_nan();
        }
    }
    let mut out = vec![0.0; lanes];
    model.predict_columns(&columns, &mut out);
    let all = valid.iter().all(|ok| *ok);
    Ok(Register::Scalar(Lanes::plain(Values::F64(out), (!all).then_some(valid))))
}
