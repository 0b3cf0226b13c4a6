//! `load_stac`: pixels of a STAC item, collection, catalogue or service.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::Source;
use serde_json::{Value as Json, json};

use super::load_collection::{area, bands, conditions, request, time};

pub(crate) static LOAD_STAC: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "load_stac",
        "Load from STAC",
        "Makes a data cube of what a STAC item, collection, catalogue or a collection of a STAC API describes, narrowed \
         to an area, a time, some bands and some items. A pixel belongs to the area if its centre does. Scenes of \
         different reference systems or resolutions come on one grid: that of the system with most of the area, at the \
         finest resolution. Scale and offset of bands are published in the metadata and not applied. Filters that \
         follow are as good as the arguments here.",
    )
    .experimental()
    .note("Scale and offset are shown, not applied.")
    .category("cubes")
    .category("import")
    .param(param(
        "url",
        "The address of the item, the collection, the catalogue, or the collection of an API.",
        json!({
            "title": "URL", "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://",
        }),
    ))
    .param(area(spatial_extent()).default(Json::Null))
    .param(time().default(Json::Null))
    .param(bands())
    .param(conditions())
    .returns("A data cube.", schema::cube())
    .throws("NoDataAvailable", "There is no data in the extent.")
    .throws("TemporalExtentEmpty", "The temporal extent ends at or before its start.")
    .throws("PropertiesUnsupported", "What the address leads to has no items to be filtered.")
}

/// As for collections, where GeoJSON is on its way out.
pub(super) fn spatial_extent() -> Json {
    let mut extent = schema::spatial_extent();
    for one in extent.as_array_mut().into_iter().flatten() {
        if let Some(fields) = one.as_object_mut() {
            fields.remove("deprecated");
        }
    }
    extent
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let url = call.required_text("url")?;
    let request = request(call, Source::Stac(url.to_string()))?;
    call.load(request)
}
