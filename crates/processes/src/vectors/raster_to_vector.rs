//! `raster_to_vector`: areas of equal pixels as polygons.

use std::sync::Arc;

use eolith_cube::zonal::areas;
use eolith_cube::{
    Block, Dimension, Feature, Features, Geometry, Grid, Kind, Label, Number, Schema, SpatialAxis,
    Values, Variable,
};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Argument, Call, Problem, Term};
use eolith_plan::op::{Cube, Op};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::subplan::{Derivation, Stop};
use eolith_plan::value::{Fault, Value};
use serde_json::{Map, Value as Json};

use super::load_geojson::GEOMETRY;
use crate::cubes::arguments;

pub(crate) static RASTER_TO_VECTOR: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

/// Most polygons.
const MOST: usize = 2_000_000;

static POLYGONS: Derivation = Derivation { id: "polygons of equal pixels", run: polygons };

fn definition() -> Definition {
    Definition::new(
        "raster_to_vector",
        "Make polygons of equal pixels",
        "Makes a vector data cube of a raster data cube: a polygon for every area of pixels that have the same value and \
         touch along their sides, with that value. The outlines follow the pixels. Pixels without data belong to none. \
         Other dimensions than x and y are gone over label by label, the polygons have the labels as properties.",
    )
    .experimental()
    .category("cubes")
    .param(param("data", "A raster data cube, which has to fit into memory.", schema::cube()))
    .param(
        param(
            "projection",
            "The reference system of the polygons, as EPSG code or WKT2; that of the data cube if it is not given.",
            schema::any_of([schema::epsg_code(), schema::wkt2()]),
        )
        .default(Json::Null),
    )
    .returns("A vector data cube with the dimension `geometry`.", schema::vector_cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let projection = match call.constant("projection")? {
        Value::Null => None,
        _ => Some(arguments::projection(call, "projection")?),
    };
    if schema.spatial(SpatialAxis::X).is_none() || schema.spatial(SpatialAxis::Y).is_none() {
        return Err(Problem::argument("data", "a raster data cube with x and y is expected"));
    }
    let derived = call.derived(&[data], &POLYGONS, Value::Null).ok_or(Problem::Blocked)?;
    let Argument::Cube(mut cube) = derived else {
        return Err(Problem::new("Internal", "the polygons are no data cube"));
    };
    if let Some(crs) = projection
        && let Kind::Geometry(features) = &cube.schema.dims[0].kind
    {
        let moved =
            features.in_crs(&crs).map_err(|e| Problem::argument("projection", e.to_string()))?;
        let list = features.list.iter().cloned().zip(moved);
        let list = list.map(|(own, geometry)| Feature { geometry, ..own }).collect();
        let kind = Kind::Geometry(Arc::new(Features { crs, list }));
        Arc::make_mut(&mut cube).schema.dims[0].kind = kind;
    }
    Ok(call.add(Op::literal(cube), Vec::new()))
}

fn polygons(cubes: &[Arc<Cube>], _: &Value, stop: &Stop<'_>) -> Result<Argument, Fault> {
    let wrong = |message: String| Fault::new("ProcessParameterInvalid", message);
    let [cube] = cubes else {
        return Err(Fault::new("Internal", "polygons are made of one data cube"));
    };
    let schema = &cube.schema;
    let grid = schema.grid().map_err(|e| wrong(e.to_string()))?;
    let axes = [SpatialAxis::Y, SpatialAxis::X].map(|axis| schema.spatial(axis));
    let [Some(y), Some(x)] = axes else {
        return Err(wrong("a raster data cube with x and y is expected".to_owned()));
    };
    let others: Vec<usize> = (0..schema.dims.len()).filter(|dim| ![y, x].contains(dim)).collect();
    let block = cube.block.permute(&[others.as_slice(), &[y, x]].concat());
    let size = [grid.y.len, grid.x.len];
    let area = size[0] * size[1];
    let (mut list, mut values): (Vec<Feature>, Vec<Number>) = (Vec::new(), Vec::new());
    for plane in 0..block.len().checked_div(area).unwrap_or_default() {
        let keys: Vec<Option<u64>> =
            (plane * area..(plane + 1) * area).map(|i| block.get(i).map(key)).collect();
        let properties = labels(schema, &others, plane);
        let found = areas(&keys, size, MOST - list.len(), stop).ok_or_else(|| {
            let message = format!("there are more than {MOST} areas of equal pixels");
            Fault::new("ProcessGraphComplexity", message)
        })?;
        for own in found {
            values.extend(block.get(plane * area + own.first));
            let rings = own.rings.iter().enumerate();
            let rings = rings.map(|(i, ring)| placed(ring, &grid, i == 0)).collect();
            let geometry = Some(Geometry::Polygon(rings));
            list.push(Feature { id: None, geometry, properties: properties.clone() });
        }
    }
    let mut stored = Values::zeros(schema.dtype(), values.len());
    values.iter().enumerate().for_each(|(i, value)| stored.set(i, *value));
    let features = Features { crs: grid.crs, list };
    let labels = features.labels();
    let dims = vec![Dimension::new(GEOMETRY, Kind::Geometry(Arc::new(features)), labels)];
    let variables = vec![Variable::new(schema.dtype())];
    let block = Block::new(vec![values.len()], stored);
    Ok(Argument::Cube(Arc::new(Cube { schema: Schema { dims, variables }, block })))
}

/// What two values have in common that are the same.
fn key(value: Number) -> u64 {
    match value {
        Number::Int(value) => value as u64,
        Number::Float(value) if value.is_nan() => f64::NAN.to_bits(),
        // Both zeros are one.
        Number::Float(value) => (value + 0.0).to_bits(),
    }
}

/// The labels of a plane along the other dimensions.
fn labels(schema: &Schema, others: &[usize], plane: usize) -> Map<String, Json> {
    let mut rest = plane;
    let mut properties = Map::new();
    for dim in others.iter().rev().map(|&dim| &schema.dims[dim]) {
        let Some(all) = dim.labels() else { continue };
        let label = match all.get(rest % all.len()) {
            Label::Int(value) => value.into(),
            Label::Float(value) => value.into(),
            other => other.to_string().into(),
        };
        properties.insert(dim.name.clone(), label);
        rest /= all.len();
    }
    properties
}

/// A ring in the reference system of the grid: outer ones against the clock, holes with it.
fn placed(ring: &[[usize; 2]], grid: &Grid, is_outer: bool) -> Vec<[f64; 2]> {
    let place = |[col, row]: [usize; 2]| {
        let at = |axis: eolith_cube::Regular, corner: usize| {
            axis.start + (corner as f64 - 0.5) * axis.step
        };
        [at(grid.x, col), at(grid.y, row)]
    };
    let mut ring: Vec<[f64; 2]> = ring.iter().copied().map(place).collect();
    // Twice the area, of which only the sign matters.
    let [x, y] = ring[0];
    let turned: f64 = (ring.windows(2))
        .map(|pair| (pair[0][0] - x) * (pair[1][1] - y) - (pair[1][0] - x) * (pair[0][1] - y))
        .sum();
    if (turned > 0.0) != is_outer {
        ring.reverse();
    }
    ring
}
