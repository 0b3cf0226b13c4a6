//! `vector_to_raster`: values of geometries on a pixel grid.

use std::collections::BTreeSet;

use eolith_cube::{Dimension, Features, Kind};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::{Cube, Op};
use eolith_plan::process::{Lowering, Process};
use serde_json::Value as Json;

use super::load_geojson::{self, PROPERTIES};
use super::vector_cube;

pub(crate) static VECTOR_TO_RASTER: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

/// Name of the dimension that is made of properties.
const BANDS: &str = "bands";

fn definition() -> Definition {
    Definition::new(
        "vector_to_raster",
        "Draw geometries on a pixel grid",
        "Makes a raster data cube with the pixel grid of `target`: every pixel of a geometry has the value of that \
         geometry, all others have no data. A polygon has the pixels whose centres are inside of it, a point the pixel \
         it lies in, a line those it passes through; where geometries share a pixel, the last one has it. The other \
         dimensions of the vector data cube stay; one called `properties` becomes the dimension `bands`.\n\nA vector data \
         cube without any value, as it is loaded, gives the properties that are numbers or booleans: a band each.",
    )
    .experimental()
    .category("cubes")
    .category("vector")
    .param(param("data", "A vector data cube.", schema::vector_cube()))
    .param(param(
        "target",
        "The raster data cube whose pixel grid and reference system are taken. Its pixels do not matter.",
        schema::raster_cube(),
    ))
    .returns("A raster data cube; x and y are its last dimensions.", schema::raster_cube())
    .note("Of geometries that share a pixel the last one counts, also where it has no data.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, _, features) = vector_cube(call, "data")?;
    let target = call.cube("target")?;
    let target = call.schema(target);
    let known = call.computed(&[data]);
    if !target.pending().is_empty() {
        return Err(Problem::Blocked);
    }
    let known = known.ok_or(Problem::Blocked)?.swap_remove(0);
    let has_values = (0..known.block.len()).any(|i| known.block.is_valid(i));
    let cube = if has_values || known.schema.dims.len() > 1 {
        known.as_ref().clone()
    } else {
        let names = numeric(&features);
        if names.is_empty() {
            let message = "the vector data cube has neither values nor properties that are numbers";
            return Err(Problem::argument("data", message));
        }
        load_geojson::cube((*features).clone(), &names)?
    };
    call.try_add(Op::burn(&with_bands(cube), &target), Vec::new())
}

/// Names of the properties that are numbers or booleans wherever they are there, sorted.
fn numeric(features: &Features) -> Vec<String> {
    let (mut numbers, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (name, value) in features.list.iter().flat_map(|feature| &feature.properties) {
        match value {
            Json::Null => {}
            Json::Number(_) | Json::Bool(_) => drop(numbers.insert(name)),
            Json::String(_) | Json::Array(_) | Json::Object(_) => drop(others.insert(name)),
        }
    }
    numbers.difference(&others).map(|name| (*name).clone()).collect()
}

/// Properties are bands, where there are none.
fn with_bands(mut cube: Cube) -> Cube {
    let schema = &mut cube.schema;
    let named = schema.position(PROPERTIES).filter(|&dim| schema.dims[dim].kind == Kind::Other);
    let free = schema.bands().is_none() && schema.position(BANDS).is_none();
    if let Some(dim) = named.filter(|_| free)
        && let Some(labels) = schema.dims[dim].labels()
    {
        let labels = eolith_cube::Labels::texts(labels.iter().map(|label| label.to_string()));
        schema.variables = vec![schema.variables[0].clone(); labels.len()];
        schema.dims[dim] = Dimension::new(BANDS, Kind::Bands, labels);
    }
    cube
}
