//! `predict_onnx`: what a model in an ONNX file says of each pixel.

use std::sync::Arc;

use eolith_cube::{Axis, DType, Dimension, Kind, Labels, Schema, Values};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, Expr};
use eolith_plan::function::Function;
use eolith_plan::lanes::operand::refusal;
use eolith_plan::lanes::{KernelCall, Lanes, Register};
use eolith_plan::logical::NodeId;
use eolith_plan::model::network::Network;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

pub(super) static PREDICT: Process = Process { definition, lowering: Lowering::Custom(lower) };

/// The dimension of the results where the data has no bands.
const BANDS: &str = "bands";

fn definition() -> Definition {
    let uri = |description: &str| json!({ "description": description, "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://" });
    Definition::new(
        "predict_onnx",
        "Predict with an ONNX model",
        "Gives what the model says of the bands of each pixel, which are its features in the order of the labels (a data \
         cube without bands has one feature). The bands are replaced by what comes out of the model: all numbers of all \
         its results, called by the name of the result and, where it has several numbers, their position \
         (`probabilities_0`). Labels of classes that are texts are left out.\n\nThe model is asked about each pixel of \
         each date by itself. It has to take a table of samples (N, features), or one of several inputs of that kind, \
         which get the bands one after the other, and has to work on each sample by itself: networks of images and \
         sequences are refused, and so are operators that are not known, by name. There is no data where a band has \
         none; `NaN` is given to the model. Bands are rounded to the type of the input. Results are 32-bit floating \
         point if all of them are in the model, else 64-bit.",
    )
    .experimental()
    .category("machine learning")
    .param(param("data", "A raster data cube.", schema::raster_cube()))
    .param(param(
        "model",
        "The ONNX file with its weights inside, or a STAC item that names it as the asset with the role `mlm:model`: an \
         address, or a path in the user's files.",
        schema::any_of([
            uri("The address of the ONNX file."),
            uri("The address of a STAC item."),
            json!({ "title": "User-uploaded File", "type": "string", "subtype": "file-path",
                "pattern": "^[^\r\n\\:'\"]+$" }),
        ]),
    ))
    .returns("A raster data cube with the results of the model as bands.", schema::raster_cube())
    .note(
        "The process is one of the back-ends of VITO, whose definition leaves shapes, names and no-data open. Paths of \
         the user's files are our addition. There a model gets tiles of images; here it gets single pixels, so that \
         results do not depend on how a data cube is cut.",
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let uri = call.required_text("model")?;
    let (data, dim) = with_bands(call, data)?;
    let schema = call.schema(data);
    let features = schema.dims[dim].len().ok_or(Problem::Blocked)?;
    let network = call.network(&uri, features).map_err(|problem| problem.at("model"))?;
    let bands = Dimension {
        name: schema.dims[dim].name.clone(),
        kind: Kind::Bands,
        axis: Axis::Known(Labels::texts(network.outputs.clone())),
    };
    let made = Op::along(&schema, dim, bands, asked(&schema, dim, network));
    call.try_add(made, vec![data])
}

/// The cube with bands, and their position.
fn with_bands(call: &mut Call<'_, '_>, data: NodeId) -> Result<(NodeId, usize), Problem> {
    let schema = call.schema(data);
    if let Some(dim) = schema.bands() {
        return Ok((data, dim));
    }
    if schema.position(BANDS).is_some() {
        let message = format!("the dimension `{BANDS}` of the data cube is of another type");
        return Err(Problem::new("DimensionExists", message).at("data"));
    }
    let mut dims: Vec<_> = schema.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims.push((Dimension::new(BANDS, Kind::Bands, Labels::texts(["value"])), None));
    let made = Op::relabel(&schema, dims)?;
    Ok((call.add_node(made, vec![data]), schema.dims.len()))
}

fn asked(schema: &Schema, dim: usize, network: Arc<Network>) -> Arc<Expr> {
    let mut builder = Builder::default();
    let labels = schema.dims[dim].labels().map(|labels| labels.iter().collect());
    let axis = builder.axis(0, Type::of_dtype(schema.dtype()), labels);
    let function = if network.is_single { &SINGLE } else { &DOUBLE };
    let count = builder.constant(Value::Int(network.outputs.len() as i64));
    let network = builder.constant(Value::Network(network));
    let root = builder.call(function, vec![axis, network, count]);
    Arc::new(builder.finish(root))
}

/// An array of as many numbers as come out of the network.
static SINGLE: Function = function(|types| Type::array(Type::F32, count(types)));
static DOUBLE: Function = function(|types| Type::array(Type::F64, count(types)));

const fn function(result: fn(&[&Type]) -> Type) -> Function {
    Function {
        id: "predict_onnx",
        parameters: &["data", "model", "count"],
        scalar,
        result,
        kernel: Some(kernel),
        fold: None,
        simplify: None,
        blanks: None,
    }
}

fn count(types: &[&Type]) -> Option<usize> {
    match types[2] {
        Type::Int(interval) if interval.lo == interval.hi => usize::try_from(interval.lo).ok(),
        _ => None,
    }
}

fn scalar(args: &[Value]) -> Result<Value, Fault> {
    let (Value::Array(array), Value::Network(network)) = (&args[0], &args[1]) else {
        return Err(Fault::new("ProcessParameterInvalid", "a model and its features are expected"));
    };
    let number = |value: &Value| value.as_f64().or(value.as_bool().map(f64::from));
    let features: Option<Vec<f64>> = array.values.iter().map(number).collect();
    Ok(Value::array(match features {
        Some(features) if features.len() == network.features => {
            network.predict(&features).into_iter().map(Value::Float).collect()
        }
        _ => vec![Value::Null; network.outputs.len()],
    }))
}

fn kernel(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let Value::Network(network) = call.constant(1)? else { return Err(refusal()) };
    let rows = call.rows(0)?;
    if rows.n != network.features {
        return Err(refusal());
    }
    let (lanes, n) = (call.lanes, network.outputs.len());
    let Values::F64(values) = rows.values.cast(DType::F64) else { return Err(refusal()) };
    let columns: Vec<&[f64]> = values.chunks(lanes.max(1)).collect();
    let mut out = vec![0.0; lanes * n];
    network.predict_columns(&columns, lanes, &mut out);
    let validity = rows.validity.map(|mask| {
        let mut valid = vec![true; lanes];
        for mask in mask.chunks(lanes.max(1)) {
            valid.iter_mut().zip(mask).for_each(|(valid, own)| *valid &= own);
        }
        valid.repeat(n)
    });
    let values = if network.is_single {
        Values::F32(out.into_iter().map(|x| x as f32).collect())
    } else {
        Values::F64(out)
    };
    Ok(Register::Array { n, lanes: Lanes::plain(values, validity), labels: None })
}
