//! Topological relations between geometries, as the Simple Features standard defines them.

use geo::algorithm::Relate as _;
use geo::{Geometry as Planar, GeometryCollection, unary_union};

use super::planar::{line, planar, points, polygons};
use super::{Geometry, Position, Ring};

/// How one geometry lies to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Intersects,
    Disjoint,
    Equals,
    Touches,
    Crosses,
    Overlaps,
    Contains,
    Within,
}

/// The union of several geometries, to be compared with others.
#[derive(Debug)]
pub struct Base {
    /// The geometries one by one, where each of them can be asked; the union as the only one otherwise.
    parts: Vec<(Planar<f64>, [f64; 4])>,
    relation: Relation,
}

impl Relation {
    /// The names of the standard.
    pub const NAMES: [(&'static str, Relation); 8] = [
        ("intersects", Relation::Intersects),
        ("disjoint", Relation::Disjoint),
        ("equals", Relation::Equals),
        ("touches", Relation::Touches),
        ("crosses", Relation::Crosses),
        ("overlaps", Relation::Overlaps),
        ("contains", Relation::Contains),
        ("within", Relation::Within),
    ];
}

impl Base {
    /// Of geometries in the same plane. Empty ones do not count.
    pub fn new(geometries: &[Geometry], relation: Relation) -> Base {
        let full: Vec<&Geometry> = geometries.iter().filter(|own| !own.is_empty()).collect();
        // Whether something meets a union is the same as whether it meets a part of it, and exact.
        let one_by_one = matches!(relation, Relation::Intersects | Relation::Disjoint);
        let around = |own: &Geometry| own.bounds().unwrap_or([f64::NAN; 4]);
        let parts = if one_by_one || full.len() < 2 {
            full.into_iter().map(|own| (planar(own), around(own))).collect()
        } else {
            let all = Geometry::Collection(full.into_iter().cloned().collect());
            vec![(union(&all), around(&all))]
        };
        Base { parts, relation }
    }

    /// Whether the base stands in the relation to a candidate that is not empty: "the base intersects, … contains, is
    /// within the candidate".
    pub fn accepts(&self, candidate: &Geometry) -> bool {
        let Some(around) = candidate.bounds() else { return false };
        let own = planar(candidate);
        let apart = |other: &[f64; 4]| {
            around[0] > other[2]
                || around[2] < other[0]
                || around[1] > other[3]
                || around[3] < other[1]
        };
        let mut near = self.parts.iter().filter(|(_, bounds)| !apart(bounds));
        let matrix = |base: &Planar<f64>| base.relate(&own);
        match self.relation {
            Relation::Intersects => near.any(|(base, _)| matrix(base).is_intersects()),
            Relation::Disjoint => !near.any(|(base, _)| matrix(base).is_intersects()),
            Relation::Equals => near.any(|(base, _)| matrix(base).is_equal_topo()),
            Relation::Touches => near.any(|(base, _)| matrix(base).is_touches()),
            Relation::Crosses => near.any(|(base, _)| matrix(base).is_crosses()),
            Relation::Overlaps => near.any(|(base, _)| matrix(base).is_overlaps()),
            Relation::Contains => near.any(|(base, _)| matrix(base).is_contains()),
            Relation::Within => near.any(|(base, _)| matrix(base).is_within()),
        }
    }
}

/// Everything of a geometry as one: polygons are dissolved, parts of different kind stand side by side.
fn union(geometry: &Geometry) -> Planar<f64> {
    let parts = geometry.parts();
    let mut members: Vec<Planar<f64>> = Vec::new();
    if !parts.polygons.is_empty() {
        let each: Vec<_> = parts
            .polygons
            .iter()
            .map(|rings: &&[Ring]| polygons(std::iter::once(*rings)))
            .collect();
        members.push(unary_union(&each).into());
    }
    if !parts.lines.is_empty() {
        let lines = parts.lines.iter().map(|own: &&[Position]| line(own)).collect();
        members.push(geo::MultiLineString(lines).into());
    }
    if !parts.points.is_empty() {
        members.push(points(&parts.points).into());
    }
    if members.len() == 1 {
        return members.swap_remove(0);
    }
    Planar::GeometryCollection(GeometryCollection(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(left: f64, bottom: f64, size: f64) -> Geometry {
        let (right, top) = (left + size, bottom + size);
        Geometry::Polygon(vec![vec![
            [left, bottom],
            [right, bottom],
            [right, top],
            [left, top],
            [left, bottom],
        ]])
    }

    /// Indices of candidates that stand in the relation to the union of the bases.
    fn kept(relation: Relation, bases: &[Geometry], candidates: &[Geometry]) -> Vec<usize> {
        let base = Base::new(bases, relation);
        (0..candidates.len()).filter(|&i| base.accepts(&candidates[i])).collect()
    }

    #[test]
    fn polygons_stand_in_every_relation() {
        let base = [square(0.0, 0.0, 4.0)];
        let candidates = [
            square(1.0, 1.0, 1.0),
            square(0.0, 0.0, 4.0),
            square(3.0, 3.0, 4.0),
            square(4.0, 0.0, 4.0),
            square(9.0, 9.0, 1.0),
            square(-1.0, -1.0, 9.0),
            Geometry::LineString(vec![[-1.0, 2.0], [5.0, 2.0]]),
            Geometry::Point([2.0, 2.0]),
            Geometry::Point([0.0, 2.0]),
            Geometry::MultiPoint(Vec::new()),
        ];
        let found = |relation| kept(relation, &base, &candidates);
        assert_eq!(found(Relation::Intersects), [0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(found(Relation::Disjoint), [4]);
        assert_eq!(found(Relation::Equals), [1]);
        assert_eq!(found(Relation::Touches), [3, 8]);
        assert_eq!(found(Relation::Crosses), [6]);
        assert_eq!(found(Relation::Overlaps), [2]);
        assert_eq!(found(Relation::Contains), [0, 1, 7]);
        assert_eq!(found(Relation::Within), [1, 5]);
    }

    #[test]
    fn several_bases_are_their_union() {
        let bases =
            [square(0.0, 0.0, 4.0), square(4.0, 0.0, 4.0), Geometry::MultiPoint(Vec::new())];
        let candidates = [square(3.0, 1.0, 2.0), square(9.0, 0.0, 1.0)];
        assert_eq!(kept(Relation::Contains, &bases, &candidates), [0]);
        assert_eq!(kept(Relation::Intersects, &bases, &candidates), [0]);
        assert_eq!(kept(Relation::Disjoint, &bases, &candidates), [1]);
        let none: [Geometry; 0] = [];
        assert_eq!(kept(Relation::Disjoint, &none, &candidates), [0, 1]);
        assert!(kept(Relation::Intersects, &none, &candidates).is_empty());
    }
}
