//! `fit_curve`: the parameters of a model function, by least squares.

use std::sync::Arc;

use eolith_cube::time::Instant;
use eolith_cube::{Label, Values};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::Lambda;
use eolith_plan::function::Function;
use eolith_plan::lanes::operand::refusal;
use eolith_plan::lanes::{self, KernelCall, Lanes, Register};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use super::least_squares::{Model, fit};
use crate::arguments::{Num, array, flag, wrong};

pub(crate) static FIT_CURVE: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "fit_curve",
        "Fit a curve",
        "Finds the parameters for which a model function comes nearest to the values of a labelled array, by \
         non-linear least squares (Levenberg–Marquardt). The labels are `x`: numbers, or instants as seconds since \
         1970-01-01T00:00:00Z. The parameters are no-data if there are fewer values than parameters or if no best \
         ones are found, and NaN if one of the values is NaN or infinite.",
    )
    .experimental()
    .category("arrays")
    .category("math")
    .param(param(
        "data",
        "The values, labelled with `x`.",
        json!({ "type": "array", "subtype": "labeled-array", "items": { "type": "number" } }),
    ))
    .param(param(
        "parameters",
        "A first guess of the parameters, which says how many there are.",
        schema::array_from(1, schema::number()),
    ))
    .param(param(
        "function",
        "The model function of `x` and the array `parameters`.",
        schema::process_graph(
            [
                param("x", "", schema::number_or_null()),
                param("parameters", "", schema::array_from(1, schema::number())),
            ],
            schema::number(),
        ),
    ))
    .param(
        param(
            "ignore_nodata",
            "Whether no-data is passed over; otherwise the parameters of an array with no-data are no-data.",
            schema::boolean(),
        )
        .default(json!(true)),
    )
    .returns("The best parameters.", schema::array_from(1, schema::number()))
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, parameters) = (call.expr("data")?, call.expr("parameters")?);
    let length = call.builder().ty(parameters).length();
    if length == Some(0) {
        return Err(Problem::argument("parameters", "at least one parameter is expected"));
    }
    let types = [("x", Type::F64), ("parameters", Type::array(Type::F64, length))];
    let function = call.typed_lambda("function", &types)?;
    let ignore = call.expr("ignore_nodata")?;
    Ok(Term::Expr(call.builder().call(&FIT, vec![data, parameters, function, ignore])))
}

/// `x` as a number: instants are seconds since 1970.
pub(crate) fn x_of(label: &Label) -> Option<f64> {
    let seconds = |instant: Instant| instant.0 as f64 / 1e6;
    match label {
        Label::Time(time) => Some(seconds(time.instant)),
        Label::Text(text) => Instant::parse(text).ok().map(seconds),
        number => number.as_f64(),
    }
}

static FIT: Function = Function {
    id: "fit_curve",
    parameters: &["data", "parameters", "function", "ignore_nodata"],
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let start = start(&args[1])?;
        let lambda = lambda(&args[2])?;
        let x = positions(data.labels.as_deref())?;
        let y = |value: &Value| match value {
            Value::Null => Ok(None),
            value => Num::of(value)
                .map(|y| Some(y.f64()))
                .ok_or_else(|| wrong("data", "an array of numbers", value)),
        };
        let y: Vec<Option<f64>> = data.values.iter().map(y).collect::<Result<_, _>>()?;
        let found = fitted(&x, &y, &start, flag(args, 3, "ignore_nodata")?, &mut |x, p, out| {
            let p = Value::array(p.iter().map(|p| Value::Float(*p)).collect());
            for (x, out) in x.iter().zip(out) {
                let value = lambda.call(&[Value::Float(*x), p.clone()])?;
                *out = value.as_f64().unwrap_or(f64::NAN);
            }
            Ok(())
        })?;
        let value = |p: f64| Value::Float(p);
        Ok(Value::array(match found {
            Some(found) => found.into_iter().map(value).collect(),
            None => vec![Value::Null; start.len()],
        }))
    },
    result: |types| Type::array(Type::F64, types[1].length()),
    kernel: Some(kernel),
    fold: None,
    simplify: None,
    blanks: None,
};

/// The model function evaluated for all observations of a lane at once.
fn kernel(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let start = start(call.constant(1)?)?;
    let lambda = lambda(call.constant(2)?)?;
    let ignore = call.flag(3)?;
    let x = positions(rows.labels.map(|labels| &**labels))?;
    let lanes = call.lanes;
    let mut values = vec![0.0; start.len() * lanes];
    let mut valid = vec![true; start.len() * lanes];
    for lane in 0..lanes {
        let y = |i: usize| {
            let at = i * lanes + lane;
            rows.validity.is_none_or(|mask| mask[at]).then(|| rows.values.get(at).to_f64())
        };
        let y: Vec<Option<f64>> = (0..rows.n).map(y).collect();
        let found = fitted(&x, &y, &start, ignore, &mut |x, p, out| model(lambda, x, p, out))?;
        for (k, slot) in (lane..values.len()).step_by(lanes).enumerate() {
            match &found {
                Some(found) => values[slot] = found[k],
                None => valid[slot] = false,
            }
        }
    }
    let lanes = Lanes::plain(Values::F64(values), Some(valid));
    Ok(Register::Array { n: start.len(), lanes, labels: None })
}

fn model(lambda: &Lambda, x: &[f64], parameters: &[f64], out: &mut [f64]) -> Result<(), Fault> {
    let parameters = Value::array(parameters.iter().map(|p| Value::Float(*p)).collect());
    let mut inputs = vec![
        Register::Scalar(Lanes::plain(Values::F64(x.to_vec()), None)),
        Register::Const(parameters),
    ];
    inputs.extend(lambda.captured.iter().cloned().map(Register::Const));
    let found = lanes::evaluate(&lambda.body, inputs, x.len()).map_err(|_| refusal())?;
    for (lane, out) in out.iter_mut().enumerate() {
        *out = found.value(lane, x.len()).as_f64().unwrap_or(f64::NAN);
    }
    Ok(())
}

/// What a model function gives at `x` for parameters.
type At<'a> = dyn FnMut(&[f64], &[f64], &mut [f64]) -> Result<(), Fault> + 'a;

/// The parameters of one array; `None` for no-data.
fn fitted(
    x: &[f64],
    y: &[Option<f64>],
    start: &[f64],
    ignore_nodata: bool,
    at: &mut At<'_>,
) -> Result<Option<Vec<f64>>, Fault> {
    if !ignore_nodata && y.iter().any(Option::is_none) {
        return Ok(None);
    }
    let (x, y): (Vec<f64>, Vec<f64>) =
        x.iter().zip(y).filter_map(|(x, y)| Some((*x, (*y)?))).unzip();
    if y.len() < start.len() {
        return Ok(None);
    }
    if !y.iter().all(|y| y.is_finite()) {
        return Ok(Some(vec![f64::NAN; start.len()]));
    }
    let model: &mut Model<'_> = &mut |parameters, out| at(&x, parameters, out);
    fit(start, &y, model)
}

fn positions(labels: Option<&[Label]>) -> Result<Vec<f64>, Fault> {
    let labels = labels.ok_or_else(|| Fault::argument("data", "must have labels, they are `x`"))?;
    let x = |label: &Label| {
        x_of(label).ok_or_else(|| {
            Fault::argument(
                "data",
                format_args!("has the label `{label}`, which is no number and no date"),
            )
        })
    };
    labels.iter().map(x).collect()
}

fn start(value: &Value) -> Result<Vec<f64>, Fault> {
    let wrong = || wrong("parameters", "an array of at least one number", value);
    let numbers: Option<Vec<f64>> =
        value.as_array().ok_or_else(wrong)?.values.iter().map(Value::as_f64).collect();
    numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(wrong)
}

fn lambda(value: &Value) -> Result<&Arc<Lambda>, Fault> {
    if let Value::Lambda(lambda) = value {
        Ok(lambda)
    } else {
        Err(wrong("function", "a process", value))
    }
}
