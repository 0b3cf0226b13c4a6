//! Geometries on the plane, and the features they belong to.
//!
//! A [`Features`] is what the labels of a dimension of geometries stand for: in the order of the labels, each with
//! its geometry (or none), its id and its properties. Coordinates are x and y (or longitude and latitude) of one
//! reference system; a third coordinate is dropped. There is no topology here: rings are taken as they are, and
//! whether a polygon is valid is nobody's business. GeoJSON is read by [`Features::parse`]; what pixels a geometry
//! has is said by [`crate::zonal`].

mod buffer;
mod parse;
mod planar;
pub mod relation;
pub mod sample;
mod write;

use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::crs::{Crs, CrsError, transformer};
use crate::label::{Label, Labels};

/// x and y.
pub type Position = [f64; 2];
/// A ring is closed: its last position is its first. The first ring of a polygon is the outer one.
pub type Ring = Vec<Position>;

#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    Point(Position),
    MultiPoint(Vec<Position>),
    LineString(Vec<Position>),
    MultiLineString(Vec<Vec<Position>>),
    Polygon(Vec<Ring>),
    MultiPolygon(Vec<Vec<Ring>>),
    /// Members are no collections.
    Collection(Vec<Geometry>),
}

/// One geometry with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feature {
    /// A text or a number.
    pub id: Option<Json>,
    /// `None` and geometries without positions have no pixels.
    pub geometry: Option<Geometry>,
    pub properties: Map<String, Json>,
}

/// Features in one reference system.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    pub crs: Crs,
    pub list: Vec<Feature>,
}

/// The plain parts of a geometry.
#[derive(Debug, Default)]
pub struct Parts<'a> {
    pub points: Vec<Position>,
    pub lines: Vec<&'a [Position]>,
    pub polygons: Vec<&'a [Ring]>,
}

/// Why something is no geometry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// `place` is a path such as `features[3].geometry`; empty for the whole.
    #[error("GeoJSON{}: {reason}", at(place))]
    Malformed { place: String, reason: String },
    #[error("more than {most} positions in one request")]
    TooMany { most: usize },
    #[error(transparent)]
    Crs(#[from] CrsError),
    #[error("feature {feature} has positions without image in `{to}`")]
    Outside { feature: usize, to: String },
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" `{place}`") }
}

/// West and east of geometries in degrees that meet at the antimeridian, where RFC 7946 wants them to be cut: then east
/// is above 180. `None` where nothing meets there or all longitudes are taken.
pub fn across_antimeridian(geometries: &[Geometry]) -> Option<[f64; 2]> {
    let mut spans: Vec<[f64; 2]> = Vec::new();
    for geometry in geometries {
        let parts = geometry.parts();
        let points = parts.points.iter().map(|[x, _]| [*x, *x]);
        let lines = parts.lines.iter().filter_map(|line| span(line));
        let polygons = parts.polygons.iter().filter_map(|rings| span(rings.first()?));
        spans.extend(points.chain(lines).chain(polygons));
    }
    let reaches = |end: usize, at: f64| spans.iter().any(|span| (span[end] - at).abs() <= 1e-9);
    if !reaches(0, -180.0) || !reaches(1, 180.0) {
        return None;
    }
    spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut reached = -180.0;
    let mut widest: Option<[f64; 2]> = None;
    for [west, east] in spans {
        let gap = [reached, west];
        if west > reached && widest.is_none_or(|known| west - reached > known[1] - known[0]) {
            widest = Some(gap);
        }
        reached = east.max(reached);
    }
    widest.map(|[from, to]| [to, from + 360.0])
}

fn span(line: &[Position]) -> Option<[f64; 2]> {
    line.iter().fold(None, |known, &[x, _]| {
        let [west, east] = known.unwrap_or([x, x]);
        Some([west.min(x), east.max(x)])
    })
}

impl Features {
    /// West, south, east, north of all geometries; `None` without positions. In degrees, west is greater than east
    /// across the antimeridian.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        let geometries: Vec<Geometry> =
            self.list.iter().filter_map(|feature| feature.geometry.clone()).collect();
        let boxes = geometries.iter().filter_map(Geometry::bounds);
        let [mut west, south, mut east, north] = boxes
            .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])?;
        if self.crs.is_geographic() {
            [west, east] = across_antimeridian(&geometries).unwrap_or([west, east]);
            if east > 180.0 && east - west < 360.0 {
                // A box may also lie on the other side as a whole.
                let turn = |lon: f64| if lon > 180.0 { lon - 360.0 } else { lon };
                (west, east) = (turn(west), turn(east));
            }
        }
        Some([west, south, east, north])
    }

    /// How many positions all geometries have.
    pub fn positions(&self) -> usize {
        let of = |geometry: &Geometry| {
            let parts = geometry.parts();
            let lines: usize = parts.lines.iter().map(|line| line.len()).sum();
            let rings = parts.polygons.iter().copied().flatten();
            parts.points.len() + lines + rings.map(Vec::len).sum::<usize>()
        };
        self.list.iter().filter_map(|feature| feature.geometry.as_ref()).map(of).sum()
    }

    /// Labels of a dimension over these: the ids if all have one and no two the same, else numbers from 0.
    pub fn labels(&self) -> Labels {
        let label = |feature: &Feature| match feature.id.as_ref()? {
            Json::String(text) => Some(Label::text(text.as_str())),
            Json::Number(number) => number
                .as_i64()
                .map(Label::Int)
                .or_else(|| number.as_f64().filter(|v| v.is_finite()).map(Label::Float)),
            _ => None,
        };
        let ids: Option<Vec<Label>> = self.list.iter().map(label).collect();
        let Some(ids) = ids else { return Labels::enumerated(self.list.len()) };
        let mut texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        let distinct = texts.windows(2).all(|pair| pair[0] != pair[1]);
        if distinct { Labels::list(ids) } else { Labels::enumerated(self.list.len()) }
    }

    /// The features at `indices`.
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Features {
        Features {
            crs: self.crs.clone(),
            list: indices.iter().filter_map(|&i| self.list.get(i).cloned()).collect(),
        }
    }

    /// The geometries in another reference system. Positions are transformed and nothing between them: a long
    /// straight edge stays straight, as with GDAL and PROJ.
    ///
    /// # Errors
    /// [`GeometryError::Crs`], and [`GeometryError::Outside`] for positions that the other system does not have.
    pub fn in_crs(&self, to: &Crs) -> Result<Vec<Option<Geometry>>, GeometryError> {
        let mut geometries: Vec<Option<Geometry>> =
            self.list.iter().map(|feature| feature.geometry.clone()).collect();
        if self.crs == *to {
            return Ok(geometries);
        }
        let way = transformer(&self.crs, to)?;
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for (feature, geometry) in geometries.iter_mut().enumerate() {
            let Some(geometry) = geometry else { continue };
            xs.clear();
            ys.clear();
            geometry.for_positions(&mut |position| {
                xs.push(position[0]);
                ys.push(position[1]);
            });
            way.transform(&mut xs, &mut ys);
            if xs.iter().chain(&ys).any(|v| !v.is_finite()) {
                return Err(GeometryError::Outside { feature, to: to.to_string() });
            }
            let mut next = xs.iter().zip(&ys);
            geometry.for_positions(&mut |position| {
                if let Some((&x, &y)) = next.next() {
                    *position = [x, y];
                }
            });
        }
        Ok(geometries)
    }
}

impl Geometry {
    pub fn parts(&self) -> Parts<'_> {
        let mut parts = Parts::default();
        let mut open = vec![self];
        while let Some(geometry) = open.pop() {
            match geometry {
                Geometry::Point(position) => parts.points.push(*position),
                Geometry::MultiPoint(positions) => parts.points.extend(positions),
                Geometry::LineString(line) => parts.lines.push(line),
                Geometry::MultiLineString(lines) => {
                    parts.lines.extend(lines.iter().map(Vec::as_slice));
                }
                Geometry::Polygon(rings) => parts.polygons.push(rings),
                Geometry::MultiPolygon(polygons) => {
                    parts.polygons.extend(polygons.iter().map(Vec::as_slice));
                }
                Geometry::Collection(members) => open.extend(members.iter().rev()),
            }
        }
        parts
    }

    /// Whether it is made of polygons only.
    pub fn is_area(&self) -> bool {
        let parts = self.parts();
        parts.points.is_empty() && parts.lines.is_empty()
    }

    /// Whether it has no positions.
    pub fn is_empty(&self) -> bool {
        self.bounds().is_none()
    }

    /// The same further along x.
    #[must_use]
    pub fn moved(mut self, by: f64) -> Geometry {
        self.for_positions(&mut |position| position[0] += by);
        self
    }

    /// West, south, east, north; `None` without positions.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        let parts = self.parts();
        let lines = parts.lines.into_iter().flatten();
        let rings = parts.polygons.into_iter().flatten().flatten();
        let all = parts.points.iter().chain(lines).chain(rings);
        all.fold(None, |bounds, &[x, y]| {
            let [west, south, east, north] = bounds.unwrap_or([x, y, x, y]);
            Some([west.min(x), south.min(y), east.max(x), north.max(y)])
        })
    }

    fn for_positions(&mut self, f: &mut dyn FnMut(&mut Position)) {
        let mut open = vec![self];
        while let Some(geometry) = open.pop() {
            match geometry {
                Geometry::Point(position) => f(position),
                Geometry::MultiPoint(line) | Geometry::LineString(line) => {
                    line.iter_mut().for_each(&mut *f);
                }
                Geometry::MultiLineString(lines) | Geometry::Polygon(lines) => {
                    lines.iter_mut().flatten().for_each(&mut *f);
                }
                Geometry::MultiPolygon(polygons) => {
                    polygons.iter_mut().flatten().flatten().for_each(&mut *f);
                }
                Geometry::Collection(members) => open.extend(members),
            }
        }
    }
}
