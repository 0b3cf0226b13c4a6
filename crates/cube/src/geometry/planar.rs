//! Geometries of the plane for the algorithms of the crate `geo`: there and back.
//!
//! Its topology (buffers, relations, triangles) is used only through the neighbours of this module; nothing else knows
//! its types.

use geo::{
    Coord, Geometry as Planar, GeometryCollection, LineString, MultiLineString, MultiPoint,
    MultiPolygon, Point, Polygon,
};

use super::{Geometry, Position, Ring};

/// The same geometry.
pub(super) fn planar(geometry: &Geometry) -> Planar<f64> {
    let lines = |lines: &[Vec<Position>]| lines.iter().map(|l| line(l)).collect::<Vec<_>>();
    match geometry {
        Geometry::Point(position) => Planar::Point(Point(coord(*position))),
        Geometry::MultiPoint(positions) => Planar::MultiPoint(points(positions)),
        Geometry::LineString(own) => Planar::LineString(line(own)),
        Geometry::MultiLineString(own) => Planar::MultiLineString(MultiLineString(lines(own))),
        Geometry::Polygon(rings) => Planar::Polygon(polygon(rings)),
        Geometry::MultiPolygon(own) => {
            Planar::MultiPolygon(polygons(own.iter().map(Vec::as_slice)))
        }
        Geometry::Collection(members) => {
            Planar::GeometryCollection(GeometryCollection(members.iter().map(planar).collect()))
        }
    }
}

pub(super) fn points(positions: &[Position]) -> MultiPoint<f64> {
    MultiPoint(positions.iter().map(|position| Point(coord(*position))).collect())
}

pub(super) fn line(positions: &[Position]) -> LineString<f64> {
    LineString(positions.iter().map(|position| coord(*position)).collect())
}

pub(super) fn polygon(rings: &[Ring]) -> Polygon<f64> {
    let mut rings = rings.iter().map(|ring| line(ring));
    let outer = rings.next().unwrap_or_else(|| LineString(Vec::new()));
    Polygon::new(outer, rings.collect())
}

pub(super) fn polygons<'a>(all: impl Iterator<Item = &'a [Ring]>) -> MultiPolygon<f64> {
    MultiPolygon(all.map(polygon).collect())
}

/// Polygons of the algorithms as one geometry: a polygon if there is one, several otherwise (and none, which is empty).
pub(super) fn area(found: MultiPolygon<f64>) -> Geometry {
    let ring = |ring: &LineString<f64>| ring.0.iter().map(|c| [c.x, c.y]).collect::<Ring>();
    let rings = |polygon: &Polygon<f64>| {
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
    };
    let mut all: Vec<Vec<Ring>> = found.0.iter().map(rings).collect();
    if all.len() == 1 { Geometry::Polygon(all.swap_remove(0)) } else { Geometry::MultiPolygon(all) }
}

fn coord([x, y]: Position) -> Coord<f64> {
    Coord { x, y }
}
