//! Random cubes: one to five dimensions in any order, every storage type, several types of bands, no-data, NaN and
//! infinities; pixels or geometries.

use std::sync::Arc;

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{
    Block, Crs, DType, Dimension, Features, Kind, Label, Labels, Number, Regular, Schema,
    SpatialAxis, Values, Variable,
};
use eolith_plan::op::Cube;
use serde_json::{Value as Json, json};

use super::chance::Chance;

/// Most pixels of a cube: chunks of single pixels are a task each.
const MOST: usize = 150;

pub(crate) fn cube(chance: &mut Chance) -> Cube {
    loop {
        let mut dims = dimensions(chance);
        chance.shuffle(&mut dims);
        let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap()).collect();
        let len = shape.iter().product::<usize>();
        if len > MOST {
            continue;
        }
        let dtype = *chance.pick(&DType::ALL);
        let mut schema = Schema::uniform(dims, variable(chance, dtype));
        if chance.one_in(3) {
            for variable in &mut schema.variables {
                let own = near(chance, dtype);
                *variable = self::variable(chance, own);
            }
        }
        common_names(chance, &mut schema);
        let block = block(chance, &schema, shape);
        return Cube { schema, block };
    }
}

/// A type that may stand beside this one.
fn near(chance: &mut Chance, usual: DType) -> DType {
    let near: &[DType] = if usual.is_float() {
        &[DType::F32, DType::F64, DType::I16]
    } else {
        &[DType::U8, DType::I8, DType::U16, DType::I16, DType::I32, DType::F32]
    };
    *chance.pick(near)
}

fn variable(chance: &mut Chance, dtype: DType) -> Variable {
    let mut variable = Variable::new(dtype);
    if chance.one_in(2) {
        variable.nodata = Some(match dtype {
            DType::F32 | DType::F64 => Number::Float(f64::NAN),
            DType::Bool => return variable,
            _ => Number::Int(dtype.bounds().unwrap().1),
        });
    }
    variable
}

fn common_names(chance: &mut Chance, schema: &mut Schema) {
    let mut names = ["nir", "red", "green", "blue"];
    chance.shuffle(&mut names);
    for (variable, name) in schema.variables.iter_mut().zip(names) {
        variable.common_name = Some(name.to_owned());
        variable.center_wavelength = Some(0.4 + chance.below(8) as f64 / 10.0);
    }
}

fn dimensions(chance: &mut Chance) -> Vec<Dimension> {
    let mut dims = Vec::new();
    let crs = if chance.one_in(4) { None } else { Some(Crs::epsg(32633).unwrap()) };
    let size = |chance: &mut Chance| if chance.one_in(25) { 0 } else { 1 + chance.below(5) };
    if chance.one_in(4) {
        let labels = Labels::enumerated(size(chance));
        dims.push(Dimension::new("other", Kind::Other, labels));
    }
    if !chance.one_in(3) {
        let n = size(chance);
        dims.push(Dimension::new("t", Kind::Temporal, times(chance, n)));
    }
    if !chance.one_in(3) {
        let n = 1 + chance.below(4);
        let labels = Labels::texts((0..n).map(|i| format!("B{i}")));
        dims.push(Dimension::new("bands", Kind::Bands, labels));
    }
    if chance.one_in(5) {
        dims.push(geometries(chance));
    } else if !chance.one_in(3) {
        for (name, axis, first, step) in
            [("y", SpatialAxis::Y, 5_000_095.0, -10.0), ("x", SpatialAxis::X, 500_005.0, 10.0)]
        {
            // Shifted by whole or half pixels now and then, so that two cubes overlap in part or not on one grid.
            let shift = *chance.pick(&[0.0, 0.0, 0.0, 1.0, 2.0, 0.5]);
            let regular = Regular { start: first + shift * step, step, len: size(chance) };
            let labels = if chance.one_in(2) {
                Labels::Regular(regular)
            } else {
                Labels::list((0..regular.len).map(|i| Label::Float(regular.at(i))))
            };
            dims.push(Dimension::new(name, Kind::Spatial { axis, crs: crs.clone() }, labels));
        }
    }
    if dims.is_empty() {
        let n = size(chance);
        dims.push(Dimension::new("t", Kind::Temporal, times(chance, n)));
    }
    dims
}

/// Points, boxes and nothing at all, in and around the pixels of other cubes.
fn geometries(chance: &mut Chance) -> Dimension {
    let place = |chance: &mut Chance| {
        [500_000.0 + chance.below(60) as f64, 5_000_040.0 + chance.below(80) as f64]
    };
    let features: Vec<Json> = (0..=chance.below(4))
        .map(|i| {
            let [x, y] = place(chance);
            let (width, height) = (1.0 + chance.below(30) as f64, 1.0 + chance.below(30) as f64);
            let (east, north) = (x + width, y + height);
            let geometry = match chance.below(5) {
                0 => Json::Null,
                1 => json!({ "type": "Point", "coordinates": [x, y] }),
                2 => json!({ "type": "LineString", "coordinates": [[x, y], [east, north]] }),
                _ => json!({ "type": "Polygon",
                    "coordinates": [[[x, y], [east, y], [east, north], [x, north], [x, y]]] }),
            };
            json!({ "type": "Feature", "id": i, "properties": { "n": i }, "geometry": geometry })
        })
        .collect();
    let crs = json!({ "type": "name", "properties": { "name": "EPSG:32633" } });
    let all = json!({ "type": "FeatureCollection", "features": features, "crs": crs });
    let features = Features::parse(&all).unwrap();
    let labels = features.labels();
    Dimension::new("geometry", Kind::Geometry(Arc::new(features)), labels)
}

fn times(chance: &mut Chance, n: usize) -> Labels {
    let start = 1_577_836_800_000_000 + chance.below(3) as i64 * 86_400_000_000;
    let step =
        *chance.pick(&[3_600_000_000i64, 86_400_000_000, 10 * 86_400_000_000, 40 * 86_400_000_000]);
    Labels::list((0..n as i64).map(|i| Label::Time(TimeLabel::of(Instant(start + i * step)))))
}

fn block(chance: &mut Chance, schema: &Schema, shape: Vec<usize>) -> Block {
    let dtype = schema.dtype();
    let len: usize = shape.iter().product();
    let bands = schema.bands();
    let stride: usize = bands.map_or(1, |b| shape[b + 1..].iter().product());
    let mut values = Values::zeros(dtype, len);
    let masked = chance.one_in(2);
    let wild = chance.one_in(3);
    let mut validity = vec![true; len];
    for (i, valid) in validity.iter_mut().enumerate() {
        let variable = match bands {
            Some(b) => &schema.variables[i / stride % shape[b]],
            None => &schema.variables[0],
        };
        let number = number(chance, variable.dtype, wild);
        if variable.nodata.is_some_and(|nodata| nodata.same(number)) || masked && chance.one_in(4) {
            *valid = false;
        } else {
            values.set(i, number);
        }
    }
    Block { shape, values, validity: Some(validity) }.canonical()
}

fn number(chance: &mut Chance, dtype: DType, wild: bool) -> Number {
    if dtype.is_float() {
        let value = if wild && chance.one_in(4) {
            *chance.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e30, 16_777_217.0])
        } else {
            (chance.below(200) as f64 - 100.0) / *chance.pick(&[1.0, 4.0, 10.0])
        };
        return Number::Float(if dtype == DType::F32 { f64::from(value as f32) } else { value });
    }
    let (lo, hi) = dtype.bounds().unwrap();
    if wild && chance.one_in(4) {
        return Number::Int(*chance.pick(&[lo, hi, hi - 1]));
    }
    Number::Int((chance.below(100) as i128 - 20).clamp(lo, hi))
}
