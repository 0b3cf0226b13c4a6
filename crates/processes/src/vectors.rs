//! Processes on vector data cubes: where geometries come from, and what changes them.
//!
//! The features of a dimension of geometries are known when a plan is made, so what changes them is computed then, and
//! the values of the cube are only selected or get new labels.

mod filter_vector;
mod load_geojson;
mod load_uploaded_files;
mod load_url;
mod points;
mod raster_to_vector;
mod vector_buffer;
mod vector_reproject;
mod vector_to_raster;

pub(crate) use filter_vector::filter_box;

use std::sync::Arc;

use eolith_cube::{Dimension, Features, Geometry, Kind, Schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::Process;

pub(crate) static ALL: &[&Process] = &[
    &filter_vector::FILTER_VECTOR,
    &load_geojson::LOAD_GEOJSON,
    &load_uploaded_files::LOAD_UPLOADED_FILES,
    &load_url::LOAD_URL,
    &points::VECTOR_TO_RANDOM_POINTS,
    &points::VECTOR_TO_REGULAR_POINTS,
    &raster_to_vector::RASTER_TO_VECTOR,
    &vector_buffer::VECTOR_BUFFER,
    &vector_reproject::VECTOR_REPROJECT,
    &vector_to_raster::VECTOR_TO_RASTER,
];

/// A cube with geometries, the position of their dimension and the features.
fn vector_cube(
    call: &mut Call<'_, '_>,
    name: &str,
) -> Result<(NodeId, usize, Arc<Features>), Problem> {
    let data = call.cube(name)?;
    let schema = call.schema(data);
    let found = schema.dims.iter().enumerate().find_map(|(i, dim)| Some((i, dim.features()?)));
    if let Some((dim, features)) = found {
        return Ok((data, dim, Arc::clone(features)));
    }
    let names: Vec<&str> = schema.dims.iter().map(|dim| &*dim.name).collect();
    let message = "a vector data cube is expected, this one has no dimension of geometries";
    Err(Problem::argument(name, message).hint(format!("dimensions: {}", names.join(", "))))
}

/// The geometries of features, for distances in metres.
fn in_metres(features: &Features, name: &str) -> Result<(), Problem> {
    let crs = &features.crs;
    if crs.unit_metres() == Some(1.0) {
        return Ok(());
    }
    let message = format!(
        "the distance is in metres, the positions are in `{crs}`, whose unit is the {}",
        crs.unit_name()
    );
    Err(Problem::new("UnitMismatch", message)
        .at(name)
        .hint("use `vector_reproject` before, e.g. to the UTM zone"))
}

/// The cube with other features under the same labels.
fn with_features(
    call: &mut Call<'_, '_>,
    data: NodeId,
    dim: usize,
    features: Features,
) -> Result<Term, Problem> {
    let schema = call.schema(data);
    let mut dims = identity(&schema);
    dims[dim].0.kind = Kind::Geometry(Arc::new(features));
    call.try_add(Op::relabel(&schema, dims), vec![data])
}

/// The same features with other geometries; `None` and empty ones are passed through.
fn changed(features: &Features, change: impl Fn(&Geometry) -> Geometry) -> Features {
    let mut features = features.clone();
    let full = features.list.iter_mut().filter_map(|feature| feature.geometry.as_mut());
    for geometry in full.filter(|geometry| !geometry.is_empty()) {
        *geometry = change(geometry);
    }
    features
}

/// All dimensions as they are, for a relabelling.
fn identity(schema: &Schema) -> Vec<(Dimension, Option<usize>)> {
    schema.dims.iter().cloned().zip((0..).map(Some)).collect()
}

#[cfg(test)]
mod testing;
