//! `load_url`: a file by its address.

use std::sync::Arc;

use eolith_graph::{Definition, Parameter, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::{InputFormat, LoadRequest, Source};
use serde_json::json;

use super::load_geojson::cube;

pub(crate) static LOAD_URL: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "load_url",
        "Load a file by its address",
        "Makes a data cube of a file on the web. A file of pixels (`GTiff`, `netCDF`, `Zarr`) gives its pixels as they \
         are stored, of which only what is needed is read. A file of geometries (`GeoJSON`, `Parquet`, `FlatGeobuf`, `GPKG`) \
         gives a vector data cube with the dimension `geometry` and without values; properties stay with the features.",
    )
    .experimental()
    .category("cubes")
    .category("import")
    .param(param(
        "url",
        "The address of the file, with whatever is needed to be allowed to read it.",
        json!({
            "title": "URL", "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://",
        }),
    ))
    .param(file_format())
    .param(options())
    .returns("A data cube.", schema::cube())
    .throws("FormatUnsuitable", "The file is not of this format, or nothing reads this format.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let url = call.required_text("url")?;
    let format = format(call)?;
    loaded(call, Source::Url(url.to_string(), format), format)
}

/// The cube in files of a format, which the call names.
pub(super) fn loaded(
    call: &mut Call<'_, '_>,
    source: Source,
    format: InputFormat,
) -> Result<Term, Problem> {
    no_options(call)?;
    if !format.is_vector() {
        return call.load(LoadRequest::all(source));
    }
    let features = call.load_features(source)?;
    let cube = cube((*features).clone(), &[])?;
    Ok(call.add(Op::literal(Arc::new(cube)), Vec::new()))
}

/// The parameter for the format of files.
pub(super) fn file_format() -> Parameter {
    param(
        "format",
        "The name of the format, as under `GET /file_formats`; upper and lower case make no difference.",
        json!({ "type": "string", "subtype": "input-format" }),
    )
}

/// The parameter for what a format can be told.
pub(super) fn options() -> Parameter {
    let schema = json!({ "type": "object", "subtype": "input-format-options" });
    param("options", "Options of the format; there are none yet.", schema).default(json!({}))
}

/// The format to read, by name.
pub(super) fn format(call: &mut Call<'_, '_>) -> Result<InputFormat, Problem> {
    let name = call.required_text("format")?;
    InputFormat::from_name(&name).ok_or_else(|| {
        let names = InputFormat::ALL.map(InputFormat::name).join(", ");
        Problem::new("FormatUnsuitable", format!("there is no input format `{name}`"))
            .at("format")
            .hint(format!("input formats: {names}"))
    })
}

fn no_options(call: &mut Call<'_, '_>) -> Result<(), Problem> {
    let unknown = call.entries("options")?.keys().next().cloned();
    match unknown {
        None => Ok(()),
        Some(name) => {
            Err(Problem::argument("options", format!("the format has no option `{name}`")))
        }
    }
}
