//! Machine learning: random forests that are trained, saved, loaded and asked, and models from ONNX files.

mod fit;
mod onnx;
mod predict;
mod store;

use std::sync::Arc;

use eolith_plan::bind::{Call, Problem};
use eolith_plan::model::{BadModel, Forest};
use eolith_plan::process::Process;
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

pub(crate) static ALL: &[&Process] =
    &[&fit::CLASS, &fit::REGRESSION, &onnx::PREDICT, &predict::PREDICT, &store::LOAD, &store::SAVE];

/// The schema of a model.
fn model_schema() -> Json {
    json!({ "type": "object", "subtype": "ml-model" })
}

/// An argument that is a model, or the content of the file of one.
fn model(call: &mut Call<'_, '_>, name: &str) -> Result<Arc<Forest>, Problem> {
    match call.constant(name)? {
        Value::Model(model) => Ok(model),
        Value::Object(map) => {
            let forest = Forest::from_json(&Json::Object((*map).clone()));
            let unsuitable =
                |reason: BadModel| Problem::argument(name, format!("is no model: {}", reason.0));
            forest.map(Arc::new).map_err(unsuitable)
        }
        other => Err(Problem::argument(name, format!("a model is expected, not {}", other.kind()))),
    }
}
