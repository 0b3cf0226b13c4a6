//! Coordinates of one system as coordinates of another.
//!
//! ```text
//!  x, y ──► longitude, latitude ──► longitude, latitude ──► x, y
//!   from         of its datum         of the other datum      to
//! ```
//!
//! The way between two datums leads over WGS 84 with the shifts that the PROJ strings name. A system without a
//! named shift (a sphere, an unspecified datum) has the longitudes and latitudes of WGS 84, as in PROJ; a
//! system pair where only one side is such is computed in two steps, so that the other side keeps its shift.
//! Heights are zero throughout. `proj4rs` does the arithmetic.

use std::f64::consts::FRAC_PI_2;
use std::fmt;
use std::sync::Arc;

use proj4rs::Proj;
use proj4rs::errors::Result as ProjResult;
use proj4rs::transform::{Transform, TransformClosure, transform};

use super::proj_string::ProjString;
use super::{Crs, CrsError};

/// Moves points from one system to another.
pub trait CrsTransform: Send + Sync + fmt::Debug {
    /// Replaces each point by its image. x and y are in the units of the two systems (degrees for geographic
    /// ones). A point without image, and one of a longer slice without partner, becomes NaN.
    fn transform(&self, xs: &mut [f64], ys: &mut [f64]);
}

/// The transformation from `from` to `to`. Equal systems give one that leaves points as they are.
///
/// # Errors
/// [`CrsError`] if one of the systems cannot be computed.
pub fn transformer(from: &Crs, to: &Crs) -> Result<Arc<dyn CrsTransform>, CrsError> {
    if from == to || from.proj_string() == to.proj_string() {
        return Ok(Arc::new(Identity));
    }
    let (source, target) = (Side::of(from.proj())?, Side::of(to.proj())?);
    let hub = |datum: &str| ProjString::parse(datum).and_then(|p| Side::of(&p));
    let steps = match (from.proj().has_datum(), to.proj().has_datum()) {
        (true, true) | (false, false) => vec![(source, target)],
        (false, true) => vec![(source, hub("+proj=longlat")?), (hub(WGS84)?, target)],
        (true, false) => vec![(source, hub(WGS84)?), (hub("+proj=longlat")?, target)],
    };
    Ok(Arc::new(Steps(steps)))
}

const WGS84: &str = "+proj=longlat +datum=WGS84";

#[derive(Debug)]
struct Identity;

impl CrsTransform for Identity {
    fn transform(&self, xs: &mut [f64], ys: &mut [f64]) {
        blank_unpaired(xs, ys);
    }
}

#[derive(Debug)]
struct Steps(Vec<(Side, Side)>);

#[derive(Clone, Debug)]
struct Side {
    proj: Proj,
    geographic: bool,
}

impl Side {
    fn of(text: &ProjString) -> Result<Self, CrsError> {
        Ok(Side { proj: text.build()?, geographic: text.is_geographic() })
    }
}

impl CrsTransform for Steps {
    fn transform(&self, xs: &mut [f64], ys: &mut [f64]) {
        blank_unpaired(xs, ys);
        for (from, to) in &self.0 {
            let mut points = Points { xs, ys };
            if from.geographic {
                points.each(|x, y| {
                    let (x, y) = (x.to_radians(), y.to_radians());
                    // A hair beyond the pole is rounding, more is not a place.
                    (y.abs() <= FRAC_PI_2 + 1e-12).then(|| (x, y.clamp(-FRAC_PI_2, FRAC_PI_2)))
                });
            }
            if transform(&from.proj, &to.proj, &mut points).is_err() {
                // Only errors of the pair end up here, errors of points are points without image.
                points.each(|_, _| None);
            }
            if to.geographic {
                points.each(|x, y| Some((wrapped(x.to_degrees()), y.to_degrees())));
            }
        }
    }
}

struct Points<'a> {
    xs: &'a mut [f64],
    ys: &'a mut [f64],
}

impl Points<'_> {
    fn each(&mut self, mut f: impl FnMut(f64, f64) -> Option<(f64, f64)>) {
        for (x, y) in self.xs.iter_mut().zip(self.ys.iter_mut()) {
            let moved = if x.is_finite() && y.is_finite() { f(*x, *y) } else { None };
            (*x, *y) = match moved {
                Some((x, y)) if x.is_finite() && y.is_finite() => (x, y),
                _ => (f64::NAN, f64::NAN),
            };
        }
    }
}

impl Transform for Points<'_> {
    fn transform_coordinates<F: TransformClosure>(&mut self, f: &mut F) -> ProjResult<()> {
        self.each(|x, y| f(x, y, 0.0).ok().map(|(x, y, _)| (x, y)));
        Ok(())
    }
}

/// Longitude in [-180, 180].
fn wrapped(lon: f64) -> f64 {
    if lon.abs() <= 180.0 { lon } else { (lon + 180.0).rem_euclid(360.0) - 180.0 }
}

fn blank_unpaired(xs: &mut [f64], ys: &mut [f64]) {
    let pairs = xs.len().min(ys.len());
    xs[pairs..].fill(f64::NAN);
    ys[pairs..].fill(f64::NAN);
}

/// The smallest box in `to` that holds the image of `bbox` (`[west, south, east, north]` in `from`), found by
/// moving `points_per_edge` points (at least 2) of each edge.
///
/// Points without image are left out; if there are any, a lattice of as many points a side is looked at too.
/// A geographic result that crosses the antimeridian has an east above 180, so west is never above east; one
/// around a pole has all longitudes and reaches the pole. A geographic `bbox` with west above east is taken
/// as crossing the antimeridian.
///
/// # Errors
/// [`CrsError::Outside`] if no point has an image, [`CrsError::Malformed`] if `bbox` is no box.
pub fn densified_bounds(
    bbox: [f64; 4],
    from: &Crs,
    to: &Crs,
    points_per_edge: usize,
) -> Result<[f64; 4], CrsError> {
    let [west, south, mut east, north] = bbox;
    if west > east && from.is_geographic() {
        east += 360.0;
    }
    if !bbox.iter().all(|v| v.is_finite()) || west > east || south > north {
        return Err(CrsError::malformed(
            &format!("{bbox:?}"),
            "it is not a box of west, south, east, north",
        ));
    }
    let bbox = [west, south, east, north];
    let forward = transformer(from, to)?;
    if from == to {
        return Ok(bbox);
    }
    let count = points_per_edge.clamp(2, 10_000);
    let (mut xs, mut ys) = ring(bbox, count);
    forward.transform(&mut xs, &mut ys);
    let complete = xs.iter().all(|x| x.is_finite());
    if !complete {
        let side = count.min(200);
        let (mut more_x, mut more_y): (Vec<f64>, Vec<f64>) = (0..side * side)
            .map(|i| (between(west, east, i % side, side), between(south, north, i / side, side)))
            .unzip();
        forward.transform(&mut more_x, &mut more_y);
        xs.append(&mut more_x);
        ys.append(&mut more_y);
    }
    let mut found = Range::of(&ys);
    let mut across = if to.is_geographic() && complete { unrolled(&xs) } else { Range::of(&xs) };
    if !across.is_some() || !found.is_some() {
        return Err(CrsError::Outside { to: to.to_string() });
    }
    if to.is_geographic() && !from.is_geographic() {
        for pole in poles_inside(bbox, from, to)? {
            found.add(pole);
            across = Range { low: -180.0, high: 180.0 };
        }
    }
    Ok([across.low, found.low, across.high, found.high])
}

#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn of(values: &[f64]) -> Range {
        let mut range = Range { low: f64::INFINITY, high: f64::NEG_INFINITY };
        values.iter().filter(|v| v.is_finite()).for_each(|v| range.add(*v));
        range
    }

    fn add(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn is_some(self) -> bool {
        self.low <= self.high
    }
}

/// The value `index` of `count` from `low` to `high`, both included.
fn between(low: f64, high: f64, index: usize, count: usize) -> f64 {
    if index + 1 == count { high } else { low + (high - low) * index as f64 / (count - 1) as f64 }
}

/// Points along the four edges, in order, closed.
fn ring([west, south, east, north]: [f64; 4], count: usize) -> (Vec<f64>, Vec<f64>) {
    let edges = [
        (west, south, east, south),
        (east, south, east, north),
        (east, north, west, north),
        (west, north, west, south),
    ];
    edges
        .iter()
        .flat_map(|(x0, y0, x1, y1)| {
            (0..count).map(move |i| (between(*x0, *x1, i, count), between(*y0, *y1, i, count)))
        })
        .unzip()
}

/// The range of longitudes along a closed line, taking the short way between neighbours.
fn unrolled(lons: &[f64]) -> Range {
    let Some(first) = lons.first().copied() else { return Range::of(lons) };
    let mut range = Range { low: first, high: first };
    let mut last = first;
    for lon in lons {
        last += wrapped(lon - last);
        range.add(last);
    }
    if range.high - range.low >= 360.0 - 1e-9 || (last - first).abs() > 180.0 {
        return Range { low: -180.0, high: 180.0 };
    }
    let turn = wrapped(range.low) - range.low;
    Range { low: range.low + turn, high: range.high + turn }
}

/// Latitudes of the poles that lie in a projected box.
fn poles_inside(
    [west, south, east, north]: [f64; 4],
    projected: &Crs,
    geographic: &Crs,
) -> Result<Vec<f64>, CrsError> {
    let to_box = transformer(geographic, projected)?;
    let inside = |pole: f64| {
        // In systems that stretch the pole to a line, or lose it, it is an edge and was looked at.
        let (mut xs, mut ys) = ([0.0, 90.0], [pole; 2]);
        to_box.transform(&mut xs, &mut ys);
        let near = (xs[0] - xs[1]).abs() < 1.0 && (ys[0] - ys[1]).abs() < 1.0;
        near && (west..=east).contains(&xs[0]) && (south..=north).contains(&ys[0])
    };
    Ok([-90.0, 90.0].into_iter().filter(|pole| inside(*pole)).collect())
}
