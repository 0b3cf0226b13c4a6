//! `save_ml_model` and `load_ml_model`: models in files.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::ModelFile;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

use super::model_schema;

pub(super) static SAVE: Process =
    Process { definition: save_definition, lowering: Lowering::Custom(save) };

pub(super) static LOAD: Process =
    Process { definition: load_definition, lowering: Lowering::Custom(load) };

/// What a model can be used for, in the terms of the extension MLM. A forest is for the first or the second.
const TASKS: [&str; 11] = [
    "regression",
    "classification",
    "object-detection",
    "detection",
    "scene-classification",
    "segmentation",
    "semantic-segmentation",
    "similarity-search",
    "generative",
    "image-captioning",
    "super-resolution",
];

fn save_definition() -> Definition {
    Definition::new(
        "save_ml_model",
        "Save a model",
        "Writes the model as a JSON file and beside it a STAC item that describes it by the extension for machine \
         learning models (MLM). `load_ml_model` reads that item.",
    )
    .experimental()
    .category("machine learning")
    .category("import")
    .param(param("data", "The model.", model_schema()))
    .param(param("name", "The name of the model; its files are called so.", schema::string()))
    .param(param(
        "tasks",
        "What the model can be used for.",
        schema::array(schema::one_of(&TASKS)),
    ))
    .param(
        param("options", "There are none.", json!({ "type": "object", "additionalParameters": false }))
            .default(json!({})),
    )
    .returns("True, once the model is saved.", schema::boolean())
}

fn save(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let model = super::model(call, "data")?;
    let name = call.required_text("name")?.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~ ".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let message = "a name of letters, digits, spaces and the signs - _ . ~ is expected";
        return Err(Problem::argument("name", message));
    }
    let Value::Array(tasks) = call.constant("tasks")? else {
        return Err(Problem::argument("tasks", "an array of texts is expected"));
    };
    let mut named = Vec::new();
    for task in &tasks.values {
        match task.as_text() {
            Some(task) if task == model.task() => named.push(task.to_owned()),
            other => {
                let message = format!("the model is for {}, not for {other:?}", model.task());
                return Err(Problem::argument("tasks", message));
            }
        }
    }
    if !call.entries("options")?.is_empty() {
        return Err(Problem::argument("options", "there are no options"));
    }
    call.save_model(model, ModelFile { name, tasks: named });
    Ok(Term::Expr(call.builder().constant(Value::Bool(true))))
}

fn load_definition() -> Definition {
    Definition::new(
        "load_ml_model",
        "Load a model",
        "Loads a model that `save_ml_model` wrote, by the address of its STAC item or by its path in the user's files.",
    )
    .experimental()
    .category("machine learning")
    .category("import")
    .param(param(
        "uri",
        "The STAC item of the model.",
        schema::any_of([
            json!({ "title": "URL", "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://" }),
            json!({ "title": "User-uploaded File", "type": "string", "subtype": "file-path",
                "pattern": "^[^\r\n\\:'\"]+$" }),
        ]),
    ))
    .returns("The model.", model_schema())
}

fn load(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let uri = call.required_text("uri")?;
    let model = call.saved_model(&uri).map_err(|problem| problem.at("uri"))?;
    Ok(Term::Expr(call.builder().constant(Value::Model(model))))
}
