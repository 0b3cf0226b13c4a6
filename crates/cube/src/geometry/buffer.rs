//! Buffers: what lies within a distance of a geometry.
//!
//! Arcs become chords of a quarter circle's sixteenth, whose ends lie on the arc, as with GEOS at 16 segments a quarter.
//! Positions of the outline are rounded to about 1e-8 of the extent of the geometry.

use std::f64::consts::PI;

use geo::algorithm::buffer::{Buffer, BufferStyle, LineCap, LineJoin};
use geo::{BooleanOps, MultiLineString, MultiPolygon};

use super::Geometry;
use super::planar::{area, line, points, polygons};

/// The angle of one chord.
const CHORD: f64 = PI / 32.0;

impl Geometry {
    /// All that is at most `distance` (in the unit of the positions) away; with a negative distance, the part of
    /// polygons that is at least so far from their boundary, and nothing of points and lines.
    #[must_use]
    pub fn buffered(&self, distance: f64) -> Geometry {
        let style = || {
            BufferStyle::new(distance)
                .line_cap(LineCap::Round(CHORD))
                .line_join(LineJoin::Round(CHORD))
        };
        let parts = self.parts();
        let mut found: Option<MultiPolygon<f64>> = None;
        let mut add = |own: MultiPolygon<f64>| {
            found = Some(match found.take() {
                Some(known) => known.union(&own),
                None => own,
            });
        };
        if !parts.polygons.is_empty() {
            add(polygons(parts.polygons.iter().copied()).buffer_with_style(style()));
        }
        if distance > 0.0 && !parts.lines.is_empty() {
            let lines = parts.lines.iter().map(|own| line(own)).collect();
            add(MultiLineString(lines).buffer_with_style(style()));
        }
        if distance > 0.0 && !parts.points.is_empty() {
            add(points(&parts.points).buffer_with_style(style()));
        }
        area(found.unwrap_or_else(|| MultiPolygon(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(left: f64, bottom: f64, size: f64) -> Vec<[f64; 2]> {
        let (right, top) = (left + size, bottom + size);
        vec![[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    }

    /// Twice the signed area of all rings, outer ones positive.
    fn area_of(geometry: &Geometry) -> f64 {
        let shoelace = |ring: &[[f64; 2]]| -> f64 {
            ring.windows(2).map(|p| p[0][0] * p[1][1] - p[1][0] * p[0][1]).sum::<f64>() / 2.0
        };
        let polygons = geometry.parts().polygons;
        let of = |rings: &[Vec<[f64; 2]>]| {
            let inner: f64 = rings[1..].iter().map(|ring| shoelace(ring).abs()).sum();
            shoelace(&rings[0]).abs() - inner
        };
        polygons.into_iter().map(of).sum()
    }

    fn bounds(geometry: &Geometry) -> [f64; 4] {
        geometry.bounds().unwrap()
    }

    fn close(found: [f64; 4], expected: [f64; 4]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{found:?} {expected:?}");
    }

    #[test]
    fn a_point_becomes_a_circle() {
        let circle = Geometry::Point([5e5, 5e6]).buffered(100.0);
        // 64 chords: the area of the regular polygon in the circle.
        let expected = 32.0 * 1e4 * (PI / 32.0).sin();
        assert!((area_of(&circle) - expected).abs() < 1.0, "{}", area_of(&circle));
        close(bounds(&circle), [5e5 - 100.0, 5e6 - 100.0, 5e5 + 100.0, 5e6 + 100.0]);
    }

    #[test]
    fn polygons_grow_and_shrink() {
        let hole = vec![ring(0.0, 0.0, 10.0), ring(4.0, 4.0, 2.0)];
        let donut = Geometry::Polygon(hole);
        let grown = donut.buffered(0.5);
        close(bounds(&grown), [-0.5, -0.5, 10.5, 10.5]);
        // The hole shrinks by the distance on each side, corners stay sharp inside.
        let corners = 32.0 * 0.25 * (PI / 32.0).sin();
        let expected = 100.0 + 4.0 * 10.0 * 0.5 + corners - 1.0;
        assert!((area_of(&grown) - expected).abs() < 1e-3, "{} {expected}", area_of(&grown));
        let shrunk = donut.buffered(-0.5);
        close(bounds(&shrunk), [0.5, 0.5, 9.5, 9.5]);
        let hole = 4.0 + 4.0 * 2.0 * 0.5 + corners;
        assert!((area_of(&shrunk) - (81.0 - hole)).abs() < 1e-3, "{}", area_of(&shrunk));
        assert!(donut.buffered(-6.0).is_empty());
        // Filled: the hole is gone.
        assert_eq!(donut.buffered(2.0).parts().polygons[0].len(), 1);
    }

    #[test]
    fn lines_and_points_have_no_inside() {
        let line = Geometry::LineString(vec![[0.0, 0.0], [10.0, 0.0]]);
        let strip = line.buffered(1.0);
        close(bounds(&strip), [-1.0, -1.0, 11.0, 1.0]);
        let expected = 20.0 + 32.0 * (PI / 32.0).sin();
        assert!((area_of(&strip) - expected).abs() < 0.02, "{} {expected}", area_of(&strip));
        assert!(line.buffered(-1.0).is_empty());
        assert!(Geometry::Point([0.0, 0.0]).buffered(-1.0).is_empty());
        assert!(Geometry::MultiPolygon(Vec::new()).buffered(1.0).is_empty());
    }

    #[test]
    fn parts_that_meet_become_one() {
        let points = Geometry::MultiPoint(vec![[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]);
        let Geometry::MultiPolygon(parts) = points.buffered(1.0) else { panic!() };
        assert_eq!(parts.len(), 2);
        let mixed = Geometry::Collection(vec![
            Geometry::Point([0.0, 0.0]),
            Geometry::LineString(vec![[0.0, 0.0], [5.0, 0.0]]),
            Geometry::Polygon(vec![ring(4.0, -1.0, 2.0)]),
        ]);
        assert!(matches!(mixed.buffered(1.0), Geometry::Polygon(_)));
    }
}
