//! Scenes laid out as one cube: which grid, which time labels, and which array fills which part.
//!
//! Grid: the one all assets share, if they do. Otherwise the reference system that covers most of the requested
//! area (ties: the lowest EPSG code) with the finest resolution among the requested bands, snapped to a multiple
//! of it; assets on other grids are brought in with nearest neighbour. Scenes of one time label are mosaicked in
//! the order of (datetime, id).

use std::collections::BTreeMap;

use eolith_cube::crs::densified_bounds;
use eolith_cube::{
    Crs, DType, Dimension, Grid, Kind, Label, Labels, Region, Regular, Schema, SpatialAxis,
    Variable,
};

use super::{boxes, requested_bands};
use crate::bind::Problem;
use crate::need::{ArrayDim, Degrees, Need, Piece, Scene, SceneAsset, SceneCollection};
use crate::op::ScanSource;
use crate::request::LoadRequest;

/// Numbers of the spatial dimensions of a cube of scenes (t, bands, y, x).
const Y: usize = 2;
const X: usize = 3;

/// The question for the scenes of a request.
pub(super) fn need(request: &LoadRequest) -> Result<Need, Problem> {
    let mut bbox: Option<[f64; 4]> = None;
    for requested in request.extents() {
        let own = boxes::degrees(&requested)?;
        bbox = Some(match bbox {
            None => own,
            Some(known) => boxes::overlap(known, own).ok_or_else(|| nothing(request))?,
        });
    }
    Ok(Need::Scenes {
        source: request.source.clone(),
        bbox: bbox.map(|b| b.map(Degrees::new)),
        start: request.time.and_then(|t| t.start),
        end: request.time.and_then(|t| t.end),
        properties: request.properties.clone(),
    })
}

fn nothing(request: &LoadRequest) -> Problem {
    let conditions = if request.properties.is_empty() { "" } else { " with these `properties`" };
    Problem::new(
        "NoDataAvailable",
        format!("{} has no data in the requested extent{conditions}", request.source),
    )
}

/// Lays the scenes out over one grid.
pub(super) fn lay_out(
    request: &LoadRequest,
    collection: &SceneCollection,
    scenes: &[Scene],
) -> Result<ScanSource, Problem> {
    let bands = requested_bands(request, collection)?;
    let nothing = || nothing(request);
    let assets: Vec<(&Scene, &SceneAsset, usize)> = (scenes.iter())
        .flat_map(|scene| scene.assets.iter().map(move |asset| (scene, asset)))
        .filter_map(|(scene, asset)| Some((scene, asset, *bands.get(&asset.band)?)))
        .collect();
    if assets.is_empty() {
        return Err(nothing());
    }
    let grids: Vec<&Grid> = assets.iter().map(|(_, asset, _)| &asset.grid).collect();
    let grid = clip(request, choose(request, &grids)?)?.ok_or_else(nothing)?;

    let mut times: BTreeMap<_, Label> = BTreeMap::new();
    for (scene, ..) in &assets {
        times.entry(scene.time.instant).or_insert_with(|| Label::Time(scene.time.clone()));
    }
    let position: BTreeMap<_, usize> =
        times.keys().enumerate().map(|(i, instant)| (*instant, i)).collect();
    let mut pieces = Vec::new();
    for (scene, asset, band) in &assets {
        if let Some(piece) = place(&grid, asset, position[&scene.time.instant], *band)? {
            pieces.push(piece);
        }
    }
    let schema = schema(collection, &bands, &assets, &grid, times.into_values());
    Ok(ScanSource { schema, pieces: pieces.into() })
}

fn schema(
    collection: &SceneCollection,
    bands: &BTreeMap<String, usize>,
    assets: &[(&Scene, &SceneAsset, usize)],
    grid: &Grid,
    times: impl Iterator<Item = Label>,
) -> Schema {
    let mut order: Vec<(&str, usize)> = bands.iter().map(|(name, &i)| (name.as_str(), i)).collect();
    order.sort_by_key(|(_, i)| *i);
    let variables = (order.iter())
        .map(|(name, i)| {
            let published =
                collection.bands.iter().find(|(own, _)| own == name).map(|(_, v)| v.clone());
            let mut variable = published.unwrap_or_else(|| Variable::new(DType::F64));
            let own = assets.iter().filter(|(_, _, band)| band == i);
            let dtype = own.clone().map(|(_, asset, _)| asset.variable.dtype).reduce(DType::common);
            variable.dtype = dtype.unwrap_or(variable.dtype);
            if let Some((_, asset, _)) = own.clone().next() {
                variable.nodata = asset.variable.nodata.or(variable.nodata);
                variable.scale = asset.variable.scale.or(variable.scale);
                variable.offset = asset.variable.offset.or(variable.offset);
            }
            variable
        })
        .collect();
    let names = &collection.names;
    let spatial = |name: &str, axis, regular| {
        let kind = Kind::Spatial { axis, crs: Some(grid.crs.clone()) };
        Dimension::new(name, kind, Labels::Regular(regular))
    };
    Schema {
        dims: vec![
            Dimension::new(names.t.clone(), Kind::Temporal, Labels::list(times)),
            Dimension::new(
                names.bands.clone(),
                Kind::Bands,
                Labels::texts(order.iter().map(|(name, _)| *name)),
            ),
            spatial(&names.y, SpatialAxis::Y, grid.y),
            spatial(&names.x, SpatialAxis::X, grid.x),
        ],
        variables,
    }
}

/// The grid before it is cut to the request.
fn choose(request: &LoadRequest, grids: &[&Grid]) -> Result<Grid, Problem> {
    let first = grids[0];
    if grids.iter().all(|grid| grid.aligned(first)) {
        return Ok(first.clone());
    }
    let crs = most_covering(request, grids)?;
    let own: Vec<&&Grid> = grids.iter().filter(|grid| grid.crs == crs).collect();
    let finest = |get: fn(&Grid) -> f64| {
        own.iter().map(|grid| get(grid).abs()).fold(f64::INFINITY, f64::min)
    };
    let (dx, dy) = (finest(|g| g.x.step), finest(|g| g.y.step));
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for grid in grids {
        let [w, s, e, n] = bounds_of(grid, &crs)?;
        bounds = [bounds[0].min(w), bounds[1].min(s), bounds[2].max(e), bounds[3].max(n)];
    }
    // A requested area smaller than the scenes needs no more than itself; the cut below is exact.
    let around = request.boxes.iter().map(|own| boxes::bounds_in(own, &crs).map(Some));
    let outlines = request.geometries.iter().map(|features| boxes::bounds_of(features, &crs));
    for requested in around.chain(outlines) {
        let Some([w, s, e, n]) = requested? else { continue };
        bounds = [
            bounds[0].max(w - dx),
            bounds[1].max(s - dy),
            bounds[2].min(e + dx),
            bounds[3].min(n + dy),
        ];
    }
    let left = (bounds[0] / dx).floor() * dx;
    let top = (bounds[3] / dy).ceil() * dy;
    let pixels = |size: f64, step: f64| (size / step - 1e-6).ceil().max(0.0) as usize;
    let size = (pixels(bounds[2] - left, dx), pixels(top - bounds[1], dy));
    Ok(Grid::from_corner(crs, (left, top), (dx, -dy), size))
}

/// The reference system whose scenes cover most of the request.
fn most_covering(request: &LoadRequest, grids: &[&Grid]) -> Result<Crs, Problem> {
    let wgs84 = Crs::wgs84();
    let extents = request.extents();
    let mut area: Vec<(Crs, f64)> = Vec::new();
    for grid in grids {
        let [w, s, e, n] = bounds_of(grid, &wgs84)?;
        let mut own = Some([w, s, e, n]);
        for requested in &extents {
            let wanted = boxes::degrees(requested)?;
            own = own.and_then(|own| boxes::overlap(own, wanted));
        }
        let own = own.map_or(0.0, |[w, s, e, n]| {
            let width = if w > e { e + 360.0 - w } else { e - w };
            width * (n - s).max(0.0)
        });
        match area.iter_mut().find(|(crs, _)| *crs == grid.crs) {
            Some((_, sum)) => *sum += own,
            None => area.push((grid.crs.clone(), own)),
        }
    }
    area.sort_by(|(a, x), (b, y)| {
        let codes = (a.code().unwrap_or(u32::MAX), b.code().unwrap_or(u32::MAX));
        y.total_cmp(x).then(codes.0.cmp(&codes.1))
    });
    Ok(area.swap_remove(0).0)
}

fn bounds_of(grid: &Grid, crs: &Crs) -> Result<[f64; 4], Problem> {
    if grid.crs == *crs {
        return Ok(grid.bounds());
    }
    densified_bounds(grid.bounds(), &grid.crs, crs, 21)
        .map_err(|e| Problem::new("NoDataAvailable", format!("a scene cannot be placed: {e}")))
}

/// The part of a grid whose pixel centres lie in all requested boxes; `None` where there is none.
fn clip(request: &LoadRequest, grid: Grid) -> Result<Option<Grid>, Problem> {
    let (mut x, mut y) = (0..grid.x.len, 0..grid.y.len);
    for requested in &request.boxes {
        let [w, s, e, n] = boxes::bounds_in(requested, &grid.crs)?;
        x = cut(grid.x, &x, w, e);
        y = cut(grid.y, &y, s, n);
    }
    if x.is_empty() || y.is_empty() {
        return Ok(None);
    }
    Ok(Some(Grid {
        x: grid.x.slice(x.start, x.len()),
        y: grid.y.slice(y.start, y.len()),
        crs: grid.crs,
    }))
}

fn cut(axis: Regular, range: &std::ops::Range<usize>, lo: f64, hi: f64) -> std::ops::Range<usize> {
    let tolerance = 1e-6 * axis.step.abs();
    let inside = |i: &usize| (lo - tolerance..=hi + tolerance).contains(&axis.at(*i));
    let first = range.clone().find(inside);
    let last = range.clone().rev().find(inside);
    match (first, last) {
        (Some(first), Some(last)) => first..last + 1,
        _ => range.start..range.start,
    }
}

/// Where one asset goes, or `None` if it lies outside.
fn place(
    grid: &Grid,
    asset: &SceneAsset,
    time: usize,
    band: usize,
) -> Result<Option<Piece>, Problem> {
    let whole = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| {
        Region(vec![time..time + 1, band..band + 1, y, x])
    };
    let piece = |region, y: usize, x: usize, own: Option<Grid>| {
        Some(Piece {
            array: asset.array.clone(),
            region,
            dims: vec![
                ArrayDim::Fixed(asset.plane),
                ArrayDim::Along { dim: Y, offset: y },
                ArrayDim::Along { dim: X, offset: x },
            ],
            nodata: asset.variable.nodata,
            grid: own,
        })
    };
    let shift = |cube: Regular, own: Regular| -> Option<i64> {
        let steps = (own.start - cube.start) / cube.step;
        let same = (own.step - cube.step).abs() * own.len as f64 <= 1e-3 * cube.step.abs();
        (same && (steps - steps.round()).abs() <= 1e-3).then_some(steps.round() as i64)
    };
    if asset.grid.crs == grid.crs
        && let (Some(dx), Some(dy)) = (shift(grid.x, asset.grid.x), shift(grid.y, asset.grid.y))
    {
        let range = |shift: i64, own: usize, all: usize| {
            let start = shift.clamp(0, all as i64) as usize;
            let end = (shift + own as i64).clamp(0, all as i64) as usize;
            (start..end, (-shift).max(0) as usize)
        };
        let (x, x_offset) = range(dx, asset.grid.x.len, grid.x.len);
        let (y, y_offset) = range(dy, asset.grid.y.len, grid.y.len);
        if x.is_empty() || y.is_empty() {
            return Ok(None);
        }
        return Ok(piece(whole(x, y), y_offset, x_offset, None));
    }
    let [w, s, e, n] = bounds_of(&asset.grid, &grid.crs)?;
    let (x, y) = (cut(grid.x, &(0..grid.x.len), w, e), cut(grid.y, &(0..grid.y.len), s, n));
    if x.is_empty() || y.is_empty() {
        return Ok(None);
    }
    Ok(piece(whole(x, y), 0, 0, Some(asset.grid.clone())))
}
