//! `filter_bbox`: the pixels inside a bounding box.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Filter, Problem, Term};
use eolith_plan::process::{Lowering, Process};

pub(crate) static FILTER_BBOX: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "filter_bbox",
        "Filter by a bounding box",
        "Keeps the pixels whose centre lies inside the box or on its edge. A box in another reference system is \
         taken to the one of the data cube first.",
    )
    .category("cubes")
    .category("filter")
    .param(param("data", "A data cube with x and y.", schema::raster_or_vector_cube()))
    .param(param("extent", "The bounding box, by default in degrees (EPSG:4326).", schema::bounding_box()))
    .returns("A data cube with fewer (or the same) labels along x and y.", schema::raster_or_vector_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let bbox = super::arguments::bounding_box(call, "extent")?
        .ok_or_else(|| Problem::argument("extent", "a bounding box is expected, not null"))?;
    call.filter(data, &Filter::Box(bbox))
}
