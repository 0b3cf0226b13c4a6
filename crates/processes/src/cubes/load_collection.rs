//! `load_collection`: pixels of a collection.

use eolith_graph::{Definition, Parameter, param, schema};
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
    .param(area(schema::spatial_extent()))
    .param(time())
    .param(bands())
    .param(conditions())
    .returns("A data cube.", schema::cube())
    .throws("NoDataAvailable", "The collection has no data in the extent.")
    .throws("TemporalExtentEmpty", "The temporal extent ends at or before its start.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let id = call.required_text("id")?;
    let request = request(call, Source::Collection(id.to_string()))?;
    call.load(request)
}

/// The parameter for the area of a load, whose schema is not the same for all of them.
pub(super) fn area(schema: Json) -> Parameter {
    param(
        "spatial_extent",
        "A bounding box, by default in degrees (EPSG:4326), or polygons: then pixels around them have no data; null for \
         everything.",
        schema,
    )
}

/// The parameter for the time of a load.
pub(super) fn time() -> Parameter {
    param(
        "temporal_extent",
        "A left-closed interval, whose start or end may be null if it is open; null for everything.",
        schema::temporal_extent(),
    )
}

/// The parameter for the bands of a load.
pub(super) fn bands() -> Parameter {
    let names = schema::array_from(1, schema::band_name());
    let text = "Names or common names of bands, in the order wanted; null for all bands.";
    param("bands", text, schema::any_of([names, schema::no_filter()])).default(Json::Null)
}

/// The parameter for the items of a load.
pub(super) fn conditions() -> Parameter {
    let filter = schema::any_of([schema::metadata_filter(), schema::no_filter()]);
    let text = "Conditions on the metadata of items: all of them must be true.";
    param("properties", text, filter).default(Json::Null)
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
