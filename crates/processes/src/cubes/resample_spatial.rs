//! `resample_spatial`: another pixel grid.

use eolith_cube::crs::densified_bounds;
use eolith_cube::warp::Method;
use eolith_cube::{Crs, Grid, Schema};
use eolith_graph::{Code, Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

/// Points along each edge of the extent when it is taken to another reference system.
const POINTS_PER_EDGE: usize = 21;

/// Most pixels along an axis.
const MOST_ALONG: f64 = 2_147_483_648.0;

/// Most pixels in total.
const MOST: f64 = 1e12;

/// Part of a pixel below which an extent counts as a whole number of pixels.
const WHOLE: f64 = 1e-6;

pub(crate) static RESAMPLE_SPATIAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let raster = || schema::cube_with([schema::spatial()]);
    Definition::new(
        "resample_spatial",
        "Resample to another pixel grid",
        "Brings x and y of the data cube to another resolution, another reference system, or both. The new grid \
         covers the extent of the old one; the corner given by `align` keeps its coordinates. The methods are \
         those of `gdalwarp`; pixels without data take no part.",
    )
    .category("cubes")
    .category("reproject")
    .param(param("data", "A raster data cube.", raster()))
    .param(
        param(
            "resolution",
            "The size of a pixel in the units of the new reference system, one number or one for x and one for y. \
             0 keeps the present one; in a new reference system it keeps the number of pixels along the diagonal.",
            schema::any_of([
                json!({ "type": "number", "minimum": 0 }),
                schema::pair(json!({ "type": "number", "minimum": 0 })),
            ]),
        )
        .default(json!(0)),
    )
    .param(
        param(
            "projection",
            "The new reference system, as EPSG code or WKT2; null keeps the present one.",
            schema::target_projection(),
        )
        .default(Json::Null),
    )
    .param(
        param("method", "The resampling method.", schema::one_of(&METHODS)).default(json!("near")),
    )
    .param(
        param(
            "align",
            "The corner of the extent that keeps its coordinates.",
            schema::one_of(&["lower-left", "upper-left", "lower-right", "upper-right"]),
        )
        .default(json!("upper-left")),
    )
    .returns("A data cube on the new grid.", raster())
}

/// In the order of the standard.
pub(super) const METHODS: [&str; 14] = [
    "average",
    "bilinear",
    "cubic",
    "cubicspline",
    "lanczos",
    "max",
    "med",
    "min",
    "mode",
    "near",
    "q1",
    "q3",
    "rms",
    "sum",
];

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let resolution = resolution(call)?;
    let projection = match call.constant("projection")? {
        Value::Null => None,
        value => {
            let json = value.to_json().unwrap_or(Json::Null);
            Some(super::arguments::crs(&json, "projection")?)
        }
    };
    let method = method(call)?;
    let align = align(&call.required_text("align")?)?;
    if resolution == [0.0, 0.0] && projection.is_none() {
        return Ok(Term::Cube(data));
    }
    let from = grid(&schema, "data")?;
    let grid = target(&from, resolution, projection, align)?;
    if grid.aligned(&from) {
        return Ok(Term::Cube(data));
    }
    call.try_add(Op::warp(&schema, grid, method), vec![data])
}

/// The method that `method` names.
pub(super) fn method(call: &mut Call<'_, '_>) -> Result<Method, Problem> {
    let name = call.required_text("method")?;
    Method::from_name(&name).ok_or_else(|| {
        Problem::argument("method", format!("there is no resampling method `{name}`"))
            .hint(format!("methods: {}", METHODS.join(", ")))
    })
}

/// The pixel grid of the cube of an argument.
pub(super) fn grid(schema: &Schema, argument: &str) -> Result<Grid, Problem> {
    if !schema.pending().is_empty() && schema.grid().is_err() {
        return Err(Problem::Blocked);
    }
    let grid = schema.grid().map_err(|e| Problem::argument(argument, e.to_string()))?;
    if grid.x.len == 0 || grid.y.len == 0 {
        return Err(Problem::argument(argument, "the data cube has no pixels to resample")
            .hint("an empty extent was filtered or loaded before"));
    }
    Ok(grid)
}

/// Which edges keep their coordinates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Align {
    pub(super) left: bool,
    pub(super) upper: bool,
}

pub(super) fn align(name: &str) -> Result<Align, Problem> {
    Ok(match name {
        "upper-left" => Align { left: true, upper: true },
        "upper-right" => Align { left: false, upper: true },
        "lower-left" => Align { left: true, upper: false },
        "lower-right" => Align { left: false, upper: false },
        other => return Err(Problem::argument("align", format!("there is no corner `{other}`"))),
    })
}

fn resolution(call: &mut Call<'_, '_>) -> Result<[f64; 2], Problem> {
    let wrong = || {
        Problem::argument("resolution", "a number or two numbers, none below zero, are expected")
    };
    let number =
        |value: &Value| value.as_f64().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(wrong);
    match &call.constant("resolution")? {
        Value::Null => Ok([0.0, 0.0]),
        Value::Array(array) => match array.values.as_slice() {
            [x, y] => Ok([number(x)?, number(y)?]),
            _ => Err(wrong()),
        },
        value => number(value).map(|both| [both, both]),
    }
}

/// The new grid: the extent of the old one in the new reference system, in pixels of the new size that start at
/// the aligned corner and cover all of it.
fn target(
    from: &Grid,
    resolution: [f64; 2],
    projection: Option<Crs>,
    align: Align,
) -> Result<Grid, Problem> {
    let same_crs = projection.as_ref().is_none_or(|crs| *crs == from.crs);
    let crs = projection.unwrap_or_else(|| from.crs.clone());
    let [west, south, east, north] = if same_crs {
        from.bounds()
    } else {
        densified_bounds(from.bounds(), &from.crs, &crs, POINTS_PER_EDGE)
            .map_err(|e| Problem::argument("projection", e.to_string()))?
    };
    let (width, height) = (east - west, north - south);
    let kept = if same_crs {
        [from.x.step.abs(), from.y.step.abs()]
    } else {
        [width.hypot(height) / (from.x.len as f64).hypot(from.y.len as f64); 2]
    };
    let size = |i: usize| if resolution[i] > 0.0 { resolution[i] } else { kept[i] };
    let (dx, dy) = (size(0), size(1));
    let count = |extent: f64, step: f64| (extent / step - WHOLE).ceil().max(1.0);
    let (columns, rows) = (count(width, dx), count(height, dy));
    let fits = columns <= MOST_ALONG && rows <= MOST_ALONG && columns * rows <= MOST;
    if !fits {
        return Err(Problem::Issue {
            code: Code::PROCESS_GRAPH_COMPLEXITY,
            argument: Some("resolution".to_owned()),
            message: format!("the result would have {columns} × {rows} pixels"),
            hint: Some("the resolution is in the units of the new reference system".to_owned()),
        });
    }
    let left = if align.left { west } else { east - columns * dx };
    let top = if align.upper { north } else { south + rows * dy };
    // The direction of y stays what it was.
    let size = (columns as usize, rows as usize);
    Ok(if from.y.step > 0.0 {
        Grid::from_corner(crs, (left, top - rows * dy), (dx, dy), size)
    } else {
        Grid::from_corner(crs, (left, top), (dx, -dy), size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let crs = Crs::epsg(32633).unwrap();
        Grid::from_corner(crs, (500_000.0, 5_000_000.0), (10.0, -10.0), (10, 7))
    }

    fn corner(resolution: f64, name: &str) -> [f64; 4] {
        target(&grid(), [resolution; 2], None, align(name).unwrap()).unwrap().bounds()
    }

    #[test]
    fn the_aligned_corner_keeps_its_coordinates() {
        // 100 × 70 m in pixels of 30 m: 4 × 3 of them, 120 × 90 m.
        assert_eq!(corner(30.0, "upper-left"), [500_000.0, 4_999_910.0, 500_120.0, 5_000_000.0]);
        assert_eq!(corner(30.0, "upper-right"), [499_980.0, 4_999_910.0, 500_100.0, 5_000_000.0]);
        assert_eq!(corner(30.0, "lower-left"), [500_000.0, 4_999_930.0, 500_120.0, 5_000_020.0]);
        assert_eq!(corner(30.0, "lower-right"), [499_980.0, 4_999_930.0, 500_100.0, 5_000_020.0]);
        assert_eq!(corner(5.0, "lower-right"), [500_000.0, 4_999_930.0, 500_100.0, 5_000_000.0]);
    }

    #[test]
    fn a_resolution_of_zero_is_kept() {
        let align = align("upper-left").unwrap();
        let half = target(&grid(), [5.0, 0.0], None, align).unwrap();
        assert_eq!((half.x.len, half.y.len), (20, 7));
        let other = target(&grid(), [0.0; 2], Some(Crs::wgs84()), align).unwrap();
        // As many pixels along the diagonal, but square ones in degrees.
        let diagonal = (other.x.len as f64).hypot(other.y.len as f64);
        assert!((diagonal - 10f64.hypot(7.0)).abs() < 2.0, "{diagonal}");
        assert_eq!(other.x.step, -other.y.step);
    }

    #[test]
    fn absurd_sizes_are_refused_by_number() {
        let align = align("upper-left").unwrap();
        let problem = target(&grid(), [1e-6; 2], None, align).unwrap_err();
        let Problem::Issue { code, message, .. } = problem else { panic!() };
        assert_eq!(code, Code::PROCESS_GRAPH_COMPLEXITY);
        assert!(message.contains("100000000 × 70000000"), "{message}");
    }
}
