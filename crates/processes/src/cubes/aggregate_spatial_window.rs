//! `aggregate_spatial_window`: rectangular windows of pixels to one value each.

use eolith_cube::{Labels, Regular, SpatialAxis};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::Windows;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

use super::resample_spatial::{Align, align};

pub(crate) static AGGREGATE_SPATIAL_WINDOW: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let raster = || schema::cube_with([schema::spatial()]);
    let corners = ["lower-left", "upper-left", "lower-right", "upper-right"];
    Definition::new(
        "aggregate_spatial_window",
        "Aggregate rectangular windows",
        "Cuts x and y into windows of so many pixels that lie side by side and makes one value of all pixels of a \
         window. The new labels are the centres of the windows. Where the number of pixels is no multiple of the \
         size, pixels without data are added (`pad`) or the pixels that are left over are dropped (`trim`), on the \
         sides away from the corner given by `align`.",
    )
    .experimental()
    .category("cubes")
    .category("aggregate")
    .param(param("data", "A raster data cube.", raster()))
    .param(param(
        "reducer",
        "Computes one value from the array `data` of pixels, row by row.",
        schema::plain_reducer_callback(),
    ))
    .param(param(
        "size",
        "The number of pixels of a window along x and along y.",
        schema::pair(json!({ "type": "integer", "minimum": 1 })),
    ))
    .param(
        param(
            "boundary",
            "Whether pixels are added or dropped to make whole windows.",
            schema::one_of(&["pad", "trim"]),
        )
        .default(json!("pad")),
    )
    .param(
        param("align", "The corner of the extent where the first window begins.", schema::one_of(&corners))
            .default(json!("upper-left")),
    )
    .param(super::arguments::context())
    .returns("A raster data cube with a pixel for each window.", raster())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let whole = call.schema(data);
    let [width, height] = size(call)?;
    let trims = match &*call.required_text("boundary")? {
        "pad" => false,
        "trim" => true,
        other => {
            return Err(Problem::argument(
                "boundary",
                format!("`{other}` is neither pad nor trim"),
            ));
        }
    };
    let Align { left, upper } = align(&call.required_text("align")?)?;
    let mut selection = vec![None; whole.dims.len()];
    let mut windows = Vec::with_capacity(2);
    for (axis, size) in [(SpatialAxis::Y, height), (SpatialAxis::X, width)] {
        let dim = whole.spatial(axis).ok_or_else(|| {
            let message =
                format!("the data cube has no dimension for the spatial axis `{}`", axis.name());
            Problem::new("DimensionMissing", message).at("data")
        })?;
        let labels = whole.dims[dim].labels().ok_or(Problem::Blocked)?;
        let centres = centres(labels, &whole.dims[dim].name)?;
        let ascending = match (centres.first(), centres.last()) {
            (Some(first), Some(last)) if first != last => first < last,
            _ => axis == SpatialAxis::X,
        };
        // Whether the aligned corner is at the first label.
        let first = if axis == SpatialAxis::X { left == ascending } else { upper != ascending };
        let rest = centres.len() % size;
        let (mut before, mut centres) = (0, centres);
        if rest > 0 && trims {
            let kept = if first { 0..centres.len() - rest } else { rest..centres.len() };
            centres = centres[kept.clone()].to_vec();
            selection[dim] = Some(kept.collect());
        } else if rest > 0 && !first {
            before = size - rest;
        }
        let labels = window_labels(labels, &centres, size, before);
        windows.push(Windows { size, before, labels });
    }
    let input = super::aggregate_temporal::members(&whole);
    let reducer = call.callback("reducer", &[("data", input)])?;
    let (node, schema) = if selection.iter().any(Option::is_some) {
        let (op, schema) = Op::select(&whole, selection);
        (call.add_node((op, schema.clone()), vec![data]), schema)
    } else {
        (data, whole.as_ref().clone())
    };
    let windows: Result<[Windows; 2], _> = windows.try_into();
    let windows = windows.map_err(|_| Problem::new("Internal", "windows along two axes"))?;
    call.try_add(Op::coarsen(&schema, windows, reducer), vec![node])
}

fn size(call: &mut Call<'_, '_>) -> Result<[usize; 2], Problem> {
    let wrong = || Problem::argument("size", "two whole numbers above zero are expected");
    let value = call.constant("size")?;
    let sizes = value.as_array().ok_or_else(wrong)?;
    let one = |value: &Value| match value.as_f64() {
        Some(size) if size >= 1.0 && size.fract() == 0.0 && size < 2_147_483_648.0 => {
            Ok(size as usize)
        }
        _ => Err(wrong()),
    };
    match sizes.values.as_slice() {
        [x, y] => Ok([one(x)?, one(y)?]),
        _ => Err(wrong()),
    }
}

fn centres(labels: &Labels, name: &str) -> Result<Vec<f64>, Problem> {
    let number = |label: eolith_cube::Label| {
        label.as_f64().ok_or_else(|| {
            Problem::argument(
                "data",
                format!("label `{label}` of dimension `{name}` is not a coordinate"),
            )
        })
    };
    labels.iter().map(number).collect()
}

/// The centre of each window: that of all its pixels where these are evenly spaced, also beyond the data, else the
/// middle between the first and the last one that there are.
fn window_labels(labels: &Labels, centres: &[f64], size: usize, before: usize) -> Labels {
    let count = (centres.len() + before).div_ceil(size);
    if let (Some(regular), Some(&first)) = (labels.regular(), centres.first()) {
        let middle = (size as f64 - 1.0) / 2.0 - before as f64;
        let start = first + middle * regular.step;
        return Labels::Regular(Regular { start, step: regular.step * size as f64, len: count });
    }
    let centre = |window: usize| {
        let first = (window * size).saturating_sub(before);
        let last = ((window + 1) * size - before).min(centres.len()) - 1;
        eolith_cube::Label::Float(f64::midpoint(centres[first], centres[last]))
    };
    Labels::list((0..count).map(centre))
}
