//! `load_result`: what an earlier job gave.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::Source;
use serde_json::{Value as Json, json};

use super::load_collection::{area, bands, request, time};
use super::load_stac::spatial_extent;

pub(crate) static LOAD_RESULT: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "load_result",
        "Load the results of a job",
        "Makes a data cube of the results of an earlier job, by its id or by the address of the STAC metadata of its \
         results, narrowed to an area, a time and some bands. The results must be one data cube: one file, or scenes \
         that belong together.",
    )
    .experimental()
    .category("cubes")
    .category("import")
    .param(param(
        "id",
        "The id of the job, or the address of its results.",
        schema::any_of([
            json!({ "title": "ID", "type": "string", "subtype": "job-id", "pattern": "^[\\w\\-\\.~]+$" }),
            json!({ "title": "URL", "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://" }),
        ]),
    ))
    .param(area(spatial_extent()).default(Json::Null))
    .param(time().default(Json::Null))
    .param(bands())
    .returns("A data cube.", schema::cube())
    .throws("NoDataAvailable", "There is no data in the extent.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let id = call.required_text("id")?.to_string();
    let source = if id.contains("://") { Source::Stac(id) } else { Source::Result(id) };
    let request = request(call, source)?;
    call.load(request)
}
