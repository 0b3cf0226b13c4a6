//! Geometries as well-known binary: little-endian, two dimensions.

use eolith_cube::Geometry;
use eolith_cube::geometry::Position;

/// The name and the number of a kind of geometry.
pub(super) fn kind(geometry: &Geometry) -> (&'static str, u32) {
    match geometry {
        Geometry::Point(_) => ("Point", 1),
        Geometry::LineString(_) => ("LineString", 2),
        Geometry::Polygon(_) => ("Polygon", 3),
        Geometry::MultiPoint(_) => ("MultiPoint", 4),
        Geometry::MultiLineString(_) => ("MultiLineString", 5),
        Geometry::MultiPolygon(_) => ("MultiPolygon", 6),
        Geometry::Collection(_) => ("GeometryCollection", 7),
    }
}

/// The bytes of a geometry. Collections hold no collections, so this ends.
pub(super) fn encode(geometry: &Geometry) -> Vec<u8> {
    let mut out = Vec::new();
    put(geometry, &mut out);
    out
}

fn put(geometry: &Geometry, out: &mut Vec<u8>) {
    head(kind(geometry).1, out);
    match geometry {
        Geometry::Point(position) => place(position, out),
        Geometry::LineString(line) => places(line, out),
        Geometry::Polygon(rings) => many(rings, out, |ring, out| places(ring, out)),
        Geometry::MultiPoint(points) => many(points, out, |point, out| {
            head(1, out);
            place(point, out);
        }),
        Geometry::MultiLineString(lines) => many(lines, out, |line, out| {
            head(2, out);
            places(line, out);
        }),
        Geometry::MultiPolygon(polygons) => many(polygons, out, |rings, out| {
            head(3, out);
            many(rings, out, |ring, out| places(ring, out));
        }),
        Geometry::Collection(members) => many(members, out, put),
    }
}

fn head(kind: u32, out: &mut Vec<u8>) {
    out.push(1);
    out.extend(kind.to_le_bytes());
}

fn many<T>(items: &[T], out: &mut Vec<u8>, mut each: impl FnMut(&T, &mut Vec<u8>)) {
    // At most ten million positions are read, so that this is no narrowing.
    out.extend((items.len() as u32).to_le_bytes());
    for item in items {
        each(item, out);
    }
}

fn places(line: &[Position], out: &mut Vec<u8>) {
    many(line, out, place);
}

fn place(position: &Position, out: &mut Vec<u8>) {
    for v in position {
        out.extend(v.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_standard() {
        let point = encode(&Geometry::Point([1.0, -2.0]));
        assert_eq!(point[..5], [1, 1, 0, 0, 0]);
        assert_eq!(point[5..], [1.0_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat());
        let ring = vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
        let polygon = encode(&Geometry::Polygon(vec![ring.clone()]));
        assert_eq!(polygon[..13], [1, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(polygon.len(), 13 + 4 * 16);
        let several = encode(&Geometry::MultiPolygon(vec![vec![ring]]));
        assert_eq!(several[..9], [1, 6, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(several[9..], polygon);
        let none = encode(&Geometry::MultiPoint(Vec::new()));
        assert_eq!(none, [1, 4, 0, 0, 0, 0, 0, 0, 0]);
    }
}
