//! `load_collection`: pixels of a collection.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::{LoadRequest, Source};
use serde_json::Value as Json;

use super::arguments::{interval, spatial_extent, texts};
use super::properties::properties;

pub(crate) static LOAD_COLLECTION: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "load_collection",
        "Load a collection",
        "Makes a data cube of a collection, narrowed to an area, a time and some bands. A pixel belongs to the area \
         if its centre does. Scale and offset of bands are published in the metadata and not applied. Nothing is \
         read before the values are needed, so filters that follow are as good as the arguments here.",
    )
    .note("Scale and offset are shown, not applied.")
    .category("cubes")
    .category("import")
    .param(param("id", "The id of the collection.", schema::collection_id()))
    .param(param(
        "spatial_extent",
        "A bounding box, by default in degrees (EPSG:4326), or polygons: then pixels around them have no data; null for \
         everything.",
        schema::spatial_extent(),
    ))
    .param(param(
        "temporal_extent",
        "A left-closed interval, whose start or end may be null if it is open; null for everything.",
        schema::temporal_extent(),
    ))
    .param(
        param(
            "bands",
            "Names or common names of bands, in the order wanted; null for all bands.",
            schema::any_of([
                schema::array_from(1, schema::band_name()),
                schema::no_filter(),
            ]),
        )
        .default(Json::Null),
    )
    .param(
        param(
            "properties",
            "Conditions on the metadata of items: all of them must be true.",
            schema::any_of([schema::metadata_filter(), schema::no_filter()]),
        )
        .default(Json::Null),
    )
    .returns("A data cube.", schema::cube())
    .throws("NoDataAvailable", "The collection has no data in the extent.")
    .throws("TemporalExtentEmpty", "The temporal extent ends at or before its start.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let id = call.required_text("id")?;
    let request = request(call, Source::Collection(id.to_string()))?;
    call.load(request)
}

/// What a load's arguments ask of a source.
pub(super) fn request(call: &mut Call<'_, '_>, source: Source) -> Result<LoadRequest, Problem> {
    let mut request = LoadRequest::all(source);
    spatial_extent(call, "spatial_extent", &mut request)?;
    request.time = interval(call, "temporal_extent")?;
    let bands = texts(call, "bands")?;
    if call.has("bands") {
        if bands.is_empty() {
            return Err(Problem::argument("bands", "at least one band is needed"));
        }
        request.bands = Some(bands);
    }
    request.properties = properties(call, "properties")?;
    Ok(request)
}
