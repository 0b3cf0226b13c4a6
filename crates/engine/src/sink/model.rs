//! Models as files: the model itself, and a STAC item that describes it by the extension for machine learning models.

use std::io::Write;
use std::path::Path;

use eolith_plan::logical::ModelFile;
use eolith_plan::model::Forest;
use serde_json::{Value as Json, json};

use super::{OutputFile, SinkError, file};

/// The version of the extension that the item follows.
const EXTENSION: &str = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json";
const MEDIA_TYPE: &str = "application/json";

/// Writes `<name>.forest.json` and `<name>.json`, the item, to a folder. `now` is an instant as STAC writes it.
pub fn write(
    folder: &Path,
    about: &ModelFile,
    forest: &Forest,
    now: &str,
) -> Result<Vec<OutputFile>, SinkError> {
    let asset = format!("{}.forest.json", about.name);
    let files = [
        (folder.join(&asset), forest.to_json()),
        (folder.join(format!("{}.json", about.name)), item(about, forest, &asset, now)),
    ];
    let mut staged = Vec::new();
    for (path, json) in &files {
        staged.push(file::stage(path, |out| {
            writeln!(out, "{json}").map_err(|e| file::error_at(path, &e))
        })?);
    }
    let paths = file::publish_all(staged)?;
    let output = |path| OutputFile { path, media_type: MEDIA_TYPE, notes: Vec::new(), image: None };
    Ok(paths.into_iter().map(output).collect())
}

fn item(about: &ModelFile, forest: &Forest, asset: &str, now: &str) -> Json {
    let tasks =
        if about.tasks.is_empty() { vec![forest.task().to_owned()] } else { about.tasks.clone() };
    let shape = |n: usize| json!({ "shape": [-1, n], "dim_order": ["batch", "feature"], "data_type": "float64" });
    json!({
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [EXTENSION],
        "id": about.name,
        "geometry": null,
        "properties": {
            "datetime": now,
            "mlm:name": about.name,
            "mlm:architecture": "Random Forest",
            "mlm:tasks": tasks,
            "mlm:framework": "Eolith",
            "mlm:framework_version": env!("CARGO_PKG_VERSION"),
            "mlm:input": [{
                "name": "features",
                "bands": forest.features,
                "input": shape(forest.features.len()),
            }],
            "mlm:output": [{ "name": "predictions", "tasks": tasks, "result": shape(1) }],
        },
        "links": [],
        "assets": {
            "model": {
                "href": format!("./{asset}"),
                "type": MEDIA_TYPE,
                "title": "The forest, as columns of nodes",
                "roles": ["mlm:model"],
                "mlm:artifact_type": "eolith-forest",
            },
        },
    })
}
