//! Where the pixels lie: GeoTIFF tags to a [`Grid`] (OGC 19-008r4).
//!
//! Only north-up (or south-up) grids: rotated ones, ground control points and geocentric coordinates are refused
//! by name. World files and RPCs are not read.

use std::collections::BTreeMap;

use eolith_cube::{Crs, Grid};

use super::header::Directory;
use super::layout::Fault;
use super::{projection, tag};

/// The keys of the GeoKey directory that are numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GeoKeys(BTreeMap<u16, f64>);

const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const GEOGRAPHIC_TYPE: u16 = 2048;
const PROJECTED_TYPE: u16 = 3072;
const USER_DEFINED: u32 = 32767;

/// The grid of the image of `width` × `height` pixels that `directory` describes.
pub(super) fn grid(directory: &Directory, (width, height): (usize, usize)) -> Result<Grid, Fault> {
    let keys = GeoKeys::new(directory);
    let (left, top, dx, dy) = affine(directory)?;
    let numbers = [left, top, dx, dy];
    if numbers.iter().any(|n| !n.is_finite()) || dx == 0.0 || dy == 0.0 {
        return Err(Fault::Invalid(format!("its pixel size is {dx} by {dy} at ({left}, {top})")));
    }
    // Coordinates of `PixelIsPoint` are those of pixel centres.
    let point = keys.code(RASTER_TYPE) == Some(2);
    let (left, top) = if point { (left - dx / 2.0, top - dy / 2.0) } else { (left, top) };
    Ok(Grid::from_corner(crs(&keys)?, (left, top), (dx, dy), (width, height)))
}

impl GeoKeys {
    fn new(directory: &Directory) -> GeoKeys {
        let words = directory.integers(tag::GEO_KEYS).unwrap_or_default();
        let doubles = directory.floats(tag::GEO_DOUBLES).unwrap_or_default();
        let entries = words.chunks_exact(4).skip(1);
        let key = |entry: &[u64]| {
            let value = match entry[1] {
                0 => Some(entry[3] as f64),
                at if at == u64::from(tag::GEO_DOUBLES) => doubles.get(entry[3] as usize).copied(),
                _ => None,
            };
            Some((entry[0] as u16, value?))
        };
        GeoKeys(entries.filter_map(key).collect())
    }

    /// A number, of whatever kind.
    pub(super) fn number(&self, key: u16) -> Option<f64> {
        self.0.get(&key).copied()
    }

    /// A code: a whole number.
    pub(super) fn code(&self, key: u16) -> Option<u32> {
        self.number(key).map(|number| number as u32)
    }
}

/// Upper-left coordinates and pixel sizes.
fn affine(directory: &Directory) -> Result<(f64, f64, f64, f64), Fault> {
    if let Some(m) = directory.floats(tag::TRANSFORMATION).filter(|m| m.len() >= 16) {
        if m[1] != 0.0 || m[4] != 0.0 {
            return Err(Fault::Unsupported("a rotated grid".to_owned()));
        }
        return Ok((m[3], m[7], m[0], m[5]));
    }
    let ties = directory.floats(tag::TIEPOINT).unwrap_or_default();
    match (directory.floats(tag::PIXEL_SCALE), ties) {
        (Some([sx, sy, ..]), [i, j, _, x, y, ..]) => {
            if *sy < 0.0 {
                // The scale is a size; GDAL takes the sign as a mistake of the writer, too.
                tracing::warn!("the pixel height {sy} of a TIFF is negative: taken as north-up");
            }
            let dy = -sy.abs();
            Ok((x - i * sx, y - j * dy, *sx, dy))
        }
        (None, ties) if ties.len() > 6 => {
            Err(Fault::Unsupported("ground control points".to_owned()))
        }
        _ => Err(Fault::Invalid("it has no georeference (no GeoTIFF tags)".to_owned())),
    }
}

fn crs(keys: &GeoKeys) -> Result<Crs, Fault> {
    let model = keys.code(MODEL_TYPE);
    if model == Some(3) {
        return Err(Fault::Unsupported("geocentric coordinates".to_owned()));
    }
    let defined = |code: &u32| *code != 0;
    let projected = keys.code(PROJECTED_TYPE).filter(defined).filter(|_| model != Some(2));
    let code = projected.or_else(|| keys.code(GEOGRAPHIC_TYPE).filter(defined));
    let projected = projected.is_some() || model == Some(1);
    let parsed = match code {
        Some(code) if code != USER_DEFINED => Crs::epsg(code),
        None if !projected => {
            return Err(Fault::Invalid("it names no reference system".to_owned()));
        }
        _ => Crs::parse(&projection::proj_string(keys, projected).map_err(Fault::Unsupported)?),
    };
    parsed.map_err(|error| Fault::Unsupported(format!("a reference system: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::header::TestValue::{Floats, Integers};
    use super::*;

    fn geokeys(keys: &[(u64, u64)]) -> Vec<u64> {
        let mut words = vec![1, 1, 0, keys.len() as u64];
        for &(key, value) in keys {
            words.extend([key, 0, 1, value]);
        }
        words
    }

    fn directory(raster_type: u64) -> Directory {
        Directory::of([
            (tag::PIXEL_SCALE, Floats(vec![10.0, 20.0, 0.0])),
            (tag::TIEPOINT, Floats(vec![1.0, 2.0, 0.0, 500.0, 900.0, 0.0])),
            (
                tag::GEO_KEYS,
                Integers(geokeys(&[(1024, 1), (1025, raster_type), (2048, 4326), (3072, 32633)])),
            ),
        ])
    }

    #[test]
    fn tiepoints_count_from_their_pixel_and_points_from_centres() {
        let area = grid(&directory(1), (4, 3)).unwrap();
        assert_eq!(area.bounds(), [490.0, 880.0, 530.0, 940.0]);
        assert_eq!((area.x.at(0), area.y.at(0)), (495.0, 930.0));
        assert_eq!(area.crs.code(), Some(32633));
        let point = grid(&directory(2), (4, 3)).unwrap();
        assert_eq!((point.x.at(0), point.y.at(0)), (490.0, 940.0));
    }

    #[test]
    fn what_is_no_plain_grid_is_refused_by_name() {
        let mut matrix = vec![0.0; 16];
        (matrix[0], matrix[1], matrix[5]) = (10.0, 1.0, -10.0);
        let rotated = Directory::of([(tag::TRANSFORMATION, Floats(matrix))]);
        assert_eq!(grid(&rotated, (2, 2)), Err(Fault::Unsupported("a rotated grid".to_owned())));
        let points = Directory::of([(tag::TIEPOINT, Floats(vec![0.0; 24]))]);
        assert!(
            matches!(grid(&points, (2, 2)), Err(Fault::Unsupported(what)) if what.contains("control"))
        );
        let nothing = grid(&Directory::default(), (2, 2));
        assert!(matches!(nothing, Err(Fault::Invalid(what)) if what.contains("no georeference")));
    }

    #[test]
    fn user_defined_systems_become_proj_strings() {
        let mut words =
            geokeys(&[(1024, 1), (3072, 32767), (3074, 32767), (3075, 24), (2048, 32767)]);
        words[3] += 3;
        for (at, key) in [2057, 2058, 3080].into_iter().enumerate() {
            words.extend([key, tag::GEO_DOUBLES.into(), 1, at as u64]);
        }
        let sinusoidal = Directory::of([
            (tag::PIXEL_SCALE, Floats(vec![463.3, 463.3, 0.0])),
            (tag::TIEPOINT, Floats(vec![0.0; 6])),
            (tag::GEO_KEYS, Integers(words)),
            (tag::GEO_DOUBLES, Floats(vec![6_371_007.181, 6_371_007.181, 0.0])),
        ]);
        let keys = GeoKeys::new(&sinusoidal);
        assert_eq!(
            projection::proj_string(&keys, true).unwrap(),
            "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
        );
    }
}
