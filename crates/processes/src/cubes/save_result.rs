//! `save_result`: a cube into files, with a STAC resource of them.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Save;
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

pub(crate) static SAVE_RESULT: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "save_result",
        "Save a data cube",
        "Writes the data cube in a file format that the back-end lists under `GET /file_formats`. A process graph \
         may save several cubes; each gives its own files. What it returns describes them: a STAC item, or a \
         collection of items for images of several dates; `stac_modify` changes it, `export_workspace` and \
         `export_collection` copy it with the files. Who asks for the result of a process graph that ends here gets \
         the files.",
    )
    .note("A process that needs a data cube takes what was saved: older graphs go on with it.")
    .category("cubes")
    .category("export")
    .category("stac")
    .param(param("data", "The data cube to save.", schema::cube()))
    .param(param(
        "format",
        "The name of the file format; upper and lower case make no difference.",
        schema::output_format(),
    ))
    .param(
        param("options", "Options of the file format.", schema::output_format_options())
            .default(json!({})),
    )
    .returns("The STAC resource that lists the files.", schema::stac())
    .throws("FormatUnsuitable", "The file format cannot hold this data cube.")
    .throws("DataCubeEmpty", "The file format cannot hold a data cube without values.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let format = call.required_text("format")?.to_string();
    let options = call.entries("options")?;
    Ok(call.save(data, Save { format, options }))
}
