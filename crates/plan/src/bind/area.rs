//! Geometries over the pixels of a cube: a raster of what they have, and what they cut out.

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::{Features, Schema};

use crate::bind::{Call, Problem};
use crate::expr::{Builder, Expr};
use crate::logical::{Area, NodeId};
use crate::op::Op;
use crate::types::Type;
use crate::value::Value;

impl Call<'_, '_> {
    /// Which pixels of a cube belong to any of the features: booleans over its y and x.
    pub fn inside(&mut self, data: NodeId, features: &Features) -> Result<NodeId, Problem> {
        let schema = self.schema(data);
        let area = area(&schema, features)?;
        let made = Op::inside(&schema, Arc::new(area.footprint))?;
        Ok(self.add_node(made, Vec::new()))
    }

    /// The rows and columns of the box around the features, without data where no feature has the pixel.
    pub(super) fn cut_out(&mut self, data: NodeId, features: &Features) -> Result<NodeId, Problem> {
        let whole = self.schema(data);
        let area = area(&whole, features)?;
        let cropped = self.crop(data, &whole, &area.window);
        let schema = self.schema(cropped);
        let footprint = area.footprint.within(&area.window);
        let [rows, cols] = area.window.map(|range| range.len());
        if footprint.len() == rows * cols {
            return Ok(cropped);
        }
        let inside = self.add_node(Op::inside(&schema, Arc::new(footprint))?, Vec::new());
        let made = Op::map(&[&schema, &self.schema(inside)], Arc::new(kept(&schema, Value::Null)))?;
        Ok(self.add_node(made, vec![cropped, inside]))
    }

    fn crop(&mut self, data: NodeId, schema: &Schema, window: &[Range<usize>; 2]) -> NodeId {
        let mut indices = vec![None; schema.dims.len()];
        let (y, x) = crate::physical::spatial(schema);
        for (dim, range) in [y, x].into_iter().zip(window) {
            if schema.dims[dim].len() != Some(range.len()) {
                indices[dim] = Some(range.clone().collect());
            }
        }
        if indices.iter().all(Option::is_none) {
            return data;
        }
        self.add_node(Op::select(schema, indices), vec![data])
    }
}

fn area(schema: &Schema, features: &Features) -> Result<Area, Problem> {
    let grid = match schema.grid() {
        Ok(grid) => grid,
        Err(_) if !schema.pending().is_empty() => return Err(Problem::Blocked),
        Err(e) => return Err(Problem::new("ProcessParameterInvalid", e.to_string())),
    };
    Ok(Area::of(features, &grid)?)
}

/// `if(inside, data, outside)`.
pub(super) fn kept(schema: &Schema, outside: Value) -> Expr {
    let mut builder = Builder::default();
    let x = builder.input(0, Type::of_dtype(schema.dtype()));
    let inside = builder.input(1, Type::Bool);
    let outside = builder.constant(outside);
    let root = builder.if_(inside, x, outside);
    builder.finish(root)
}
