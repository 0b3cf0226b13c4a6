//! The pixels that features have on the grid of a cube.
//!
//! Longitudes that differ by 360 degrees are one place: on a grid in degrees a geometry has its pixels wherever the
//! longitudes of the grid are counted from.

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::geometry::across_antimeridian;
use eolith_cube::zonal::{self, Footprint, rasterise};
use eolith_cube::{Features, Geometry, Grid};

use crate::logical::Bad;

/// Most bytes that the outlines of all zones may take.
const MOST_OUTLINES: usize = 512 << 20;

/// What may be added to a longitude.
const TURNS: [f64; 3] = [-360.0, 0.0, 360.0];

/// The area of features: what is cut out of a grid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Area {
    /// The rows and columns of the bounding box of all features.
    pub window: [Range<usize>; 2],
    /// The pixels that any of the features has, of the whole grid.
    pub footprint: Footprint,
}

impl Area {
    pub(crate) fn of(features: &Features, grid: &Grid) -> Result<Area, Bad> {
        let footprint = Footprint::union(footprints(features, grid)?.iter());
        let geometries: Vec<Geometry> = placed(features, grid)?.into_iter().flatten().collect();
        let [rows, mut cols] = zonal::window(&geometries, grid);
        if grid.crs.is_geographic() {
            let across = across_antimeridian(&geometries);
            if across.is_some() {
                cols = footprint.cols.clone();
            }
            for turn in TURNS {
                let own = if let Some([west, east]) = across {
                    grid.pixels_inside([west + turn, -90.0, east + turn, 90.0])
                } else {
                    let moved = geometries.iter().map(|geometry| geometry.clone().moved(turn));
                    zonal::window(&moved.collect::<Vec<_>>(), grid)
                };
                cols = hull(cols, own[1].clone());
            }
        }
        Ok(Area { window: [rows, cols], footprint })
    }
}

/// The pixels of each feature.
pub(crate) fn footprints(features: &Features, grid: &Grid) -> Result<Arc<[Footprint]>, Bad> {
    let complex = |message: String| Bad::new("ProcessGraphComplexity", message);
    let mut held = 0;
    let footprint = |geometry: Option<Geometry>| -> Result<Footprint, Bad> {
        let Some(geometry) = geometry else { return Ok(Footprint::default()) };
        let turns = turned(geometry, grid);
        let turns: Result<Vec<Footprint>, _> =
            turns.iter().map(|geometry| rasterise(geometry, grid)).collect();
        let footprint = Footprint::union(&turns.map_err(|e| complex(e.to_string()))?);
        held += footprint.bytes();
        if held > MOST_OUTLINES {
            return Err(complex(format!(
                "the outlines of the geometries take more than {} MiB on this grid",
                MOST_OUTLINES >> 20
            )));
        }
        Ok(footprint)
    };
    placed(features, grid)?.into_iter().map(footprint).collect()
}

/// The geometries in the reference system of a grid.
fn placed(features: &Features, grid: &Grid) -> Result<Vec<Option<Geometry>>, Bad> {
    let wrong = |message: String| Bad::new("ProcessParameterInvalid", message);
    features.in_crs(&grid.crs).map_err(|e| wrong(e.to_string()))
}

/// A geometry at each place where it may have pixels of a grid.
fn turned(geometry: Geometry, grid: &Grid) -> Vec<Geometry> {
    if !grid.crs.is_geographic() {
        return vec![geometry];
    }
    let Some([left, _, right, _]) = geometry.bounds() else { return Vec::new() };
    let [west, _, east, _] = grid.bounds();
    let reaching = |turn: &&f64| left + **turn <= east && right + **turn >= west;
    TURNS.iter().filter(reaching).map(|turn| geometry.clone().moved(*turn)).collect()
}

/// Around two ranges, of which an empty one has no place.
fn hull(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b,
        (_, true) => a,
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}
