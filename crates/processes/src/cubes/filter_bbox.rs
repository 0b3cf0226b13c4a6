//! `filter_bbox`: the pixels, or the geometries, inside a bounding box.

use eolith_cube::SpatialAxis;
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Filter, Problem, Term};
use eolith_plan::process::{Lowering, Process};

pub(crate) static FILTER_BBOX: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "filter_bbox",
        "Filter by a bounding box",
        "Keeps the pixels whose centre lies inside the box or on its edge, and of a vector data cube the geometries \
         that lie within the box as a whole; empty ones do not. A box in another reference system is taken to the one \
         of the pixels first, and geometries are taken to that of the box.",
    )
    .note("`base` and `height` cut a vertical axis where there is one.")
    .category("cubes")
    .category("filter")
    .param(param("data", "A data cube with x and y, or with geometries.", schema::raster_or_vector_cube()))
    .param(param("extent", "The bounding box, by default in degrees (EPSG:4326).", schema::bounding_box()))
    .returns("A data cube with fewer (or the same) labels along x and y, or of the geometries.", schema::raster_or_vector_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let bbox = super::arguments::bounding_box(call, "extent")?
        .ok_or_else(|| Problem::argument("extent", "a bounding box is expected, not null"))?;
    let schema = call.schema(data);
    if schema.spatial(SpatialAxis::X).is_none()
        && let Some(dim) = schema.dims.iter().position(|dim| dim.features().is_some())
    {
        return crate::vectors::filter_box(call, data, dim, &bbox);
    }
    call.filter(data, &Filter::Box(bbox))
}
