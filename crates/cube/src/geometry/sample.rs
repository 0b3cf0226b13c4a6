//! Points in, on and of geometries: random ones and regular ones.
//!
//! Of a geometry with parts of several kinds the largest kind counts: polygons before lines before points.

use geo::TriangulateEarcut as _;

use super::planar::polygon;
use super::{Geometry, Parts, Position, Ring};
use crate::crs::Crs;
use crate::grid::Grid;
use crate::label::Regular;
use crate::zonal::{TooDetailed, rasterise};

/// Random numbers that are the same on every machine: the generator SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// Where random points of one geometry come from.
#[derive(Debug)]
enum Pieces<'a> {
    Triangles(Vec<[Position; 3]>),
    Segments(Vec<[Position; 2]>),
    Points(&'a [Position]),
}

impl Random {
    /// A sequence for one of several things, all from one seed.
    pub fn new(seed: u64, thing: u64) -> Random {
        let mut random = Random(seed);
        let start = random.next();
        Random(start ^ Random(thing).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `n`, which is not 0; the bias is below 2⁻⁶⁴·n.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

impl Geometry {
    /// At most `count` points, evenly distributed over the area, or the length; of points, as many as there are, each
    /// once. None of an empty geometry.
    pub fn random_points(&self, count: usize, random: &mut Random) -> Vec<Position> {
        let parts = self.parts();
        match pieces(&parts) {
            Pieces::Points(points) => chosen(points, count, random),
            Pieces::Triangles(all) => {
                let sizes = all.iter().map(|[a, b, c]| {
                    ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs()
                });
                placed(&all, sizes.collect(), count, random, |[a, b, c], random| {
                    let (mut s, mut t) = (random.unit(), random.unit());
                    if s + t > 1.0 {
                        (s, t) = (1.0 - s, 1.0 - t);
                    }
                    [0, 1].map(|i| a[i] + s * (b[i] - a[i]) + t * (c[i] - a[i]))
                })
            }
            Pieces::Segments(all) => {
                let sizes = all.iter().map(|[a, b]| distance(*a, *b));
                placed(&all, sizes.collect(), count, random, |[a, b], random| {
                    let t = random.unit();
                    [0, 1].map(|i| a[i] + t * (b[i] - a[i]))
                })
            }
        }
    }

    /// Points `step` apart: of polygons the centres of square cells, counted from the upper left corner of the box
    /// around each, that lie inside or on the boundary; on each line from its start on; points as they are. The first
    /// position of polygons that no centre lies in.
    ///
    /// # Errors
    /// [`TooDetailed`] also where there were more than `most` points.
    pub fn regular_points(&self, step: f64, most: usize) -> Result<Vec<Position>, TooDetailed> {
        let parts = self.parts();
        let mut found: Vec<Position> = Vec::new();
        if !parts.polygons.is_empty() {
            for rings in &parts.polygons {
                cell_centres(rings, step, most, &mut found)?;
            }
            if found.is_empty() {
                found.extend(parts.polygons.iter().copied().flatten().flatten().next());
            }
        } else if parts.lines.is_empty() {
            found = parts.points;
        } else {
            for line in &parts.lines {
                along(line, step, most, &mut found)?;
            }
        }
        if found.len() > most { Err(TooDetailed) } else { Ok(found) }
    }
}

fn pieces<'a>(parts: &'a Parts<'_>) -> Pieces<'a> {
    if !parts.polygons.is_empty() {
        let triangles = parts.polygons.iter().flat_map(|rings| polygon(rings).earcut_triangles());
        let corners = |t: geo::Triangle<f64>| t.to_array().map(|c| [c.x, c.y]);
        let triangles: Vec<[Position; 3]> = triangles.map(corners).collect();
        if !triangles.is_empty() {
            return Pieces::Triangles(triangles);
        }
        // Without an inside the outline is all there is.
        let outline = parts.polygons.iter().copied().flatten();
        return Pieces::Segments(outline.flat_map(|ring| segments(ring)).collect());
    }
    if !parts.lines.is_empty() {
        return Pieces::Segments(parts.lines.iter().flat_map(|line| segments(line)).collect());
    }
    Pieces::Points(&parts.points)
}

fn segments(line: &[Position]) -> impl Iterator<Item = [Position; 2]> + '_ {
    line.windows(2).map(|pair| [pair[0], pair[1]])
}

fn distance(a: Position, b: Position) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    (dx * dx + dy * dy).sqrt()
}

/// A point in each of `count` pieces, which are picked by their size.
fn placed<T>(
    pieces: &[T],
    sizes: Vec<f64>,
    count: usize,
    random: &mut Random,
    point: impl Fn(&T, &mut Random) -> Position,
) -> Vec<Position> {
    let mut reached = 0.0;
    let ends: Vec<f64> = sizes
        .into_iter()
        .map(|size| {
            reached += size;
            reached
        })
        .collect();
    if pieces.is_empty() {
        return Vec::new();
    }
    (0..count)
        .map(|_| {
            let at = random.unit() * reached;
            let picked = ends.partition_point(|end| *end <= at).min(pieces.len() - 1);
            point(&pieces[picked], random)
        })
        .collect()
}

/// At most `count` of the points, each once, in their order.
fn chosen(points: &[Position], count: usize, random: &mut Random) -> Vec<Position> {
    let mut left: Vec<usize> = (0..points.len()).collect();
    let count = count.min(points.len());
    for i in 0..count {
        let other = i + random.below(points.len() - i);
        left.swap(i, other);
    }
    left.truncate(count);
    left.sort_unstable();
    left.into_iter().map(|i| points[i]).collect()
}

fn cell_centres(
    rings: &[Ring],
    step: f64,
    most: usize,
    found: &mut Vec<Position>,
) -> Result<(), TooDetailed> {
    let polygon = Geometry::Polygon(rings.to_vec());
    let Some([west, south, east, north]) = polygon.bounds() else { return Ok(()) };
    let cells = |extent: f64| (extent / step).ceil().max(1.0);
    let (cols, rows) = (cells(east - west), cells(north - south));
    if !(cols < 1e9 && rows < 1e9) {
        return Err(TooDetailed);
    }
    let x = Regular { start: west + step / 2.0, step, len: cols as usize };
    let y = Regular { start: north - step / 2.0, step: -step, len: rows as usize };
    let grid = Grid { crs: Crs::wgs84(), x, y };
    let cells = rasterise(&polygon, &grid)?;
    if found.len() + cells.len() > most {
        return Err(TooDetailed);
    }
    for row in cells.rows.clone() {
        for col in cells.spans(row).iter().cloned().flatten() {
            found.push([x.at(col), y.at(row)]);
        }
    }
    Ok(())
}

fn along(
    line: &[Position],
    step: f64,
    most: usize,
    found: &mut Vec<Position>,
) -> Result<(), TooDetailed> {
    found.extend(line.first());
    let whole: f64 = segments(line).map(|[a, b]| distance(a, b)).sum();
    if found.len() as f64 + whole / step > most as f64 {
        return Err(TooDetailed);
    }
    // Counted, not summed up, so that rounding does not grow along the line.
    let (mut reached, mut next) = (0.0, 1.0);
    for [a, b] in segments(line) {
        let length = distance(a, b);
        while next * step <= reached + length && length > 0.0 {
            let t = (next * step - reached) / length;
            found.push([0, 1].map(|i| a[i] + t * (b[i] - a[i])));
            next += 1.0;
        }
        reached += length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangle() -> Geometry {
        Geometry::Polygon(vec![vec![[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [0.0, 0.0]]])
    }

    #[test]
    fn random_points_lie_evenly_in_polygons() {
        let donut = Geometry::Polygon(vec![
            vec![[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0], [0.0, 0.0]],
            vec![[2.0, 2.0], [6.0, 2.0], [6.0, 6.0], [2.0, 6.0], [2.0, 2.0]],
        ]);
        let points = donut.random_points(10_000, &mut Random::new(7, 0));
        let inside = |[x, y]: &Position| {
            (0.0..=8.0).contains(x)
                && (0.0..=8.0).contains(y)
                && !((2.0..6.0).contains(x) && (2.0..6.0).contains(y))
        };
        assert!(points.iter().all(inside));
        // The left third of the area: 16 of 48.
        let left = points.iter().filter(|p| p[0] < 2.0).count();
        assert!((3100..3570).contains(&left), "{left}");
        let again = donut.random_points(10_000, &mut Random::new(7, 0));
        assert_eq!(points, again);
        assert_ne!(points, donut.random_points(10_000, &mut Random::new(8, 0)));
        assert_ne!(points, donut.random_points(10_000, &mut Random::new(7, 1)));
    }

    #[test]
    fn random_points_lie_evenly_on_lines_and_are_taken_once_of_points() {
        let line = Geometry::LineString(vec![[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]);
        let points = line.random_points(4000, &mut Random::new(1, 0));
        assert!(points.iter().all(|[x, y]| *y == 0.0 || *x == 3.0));
        let flat = points.iter().filter(|p| p[1] == 0.0).count();
        assert!((2850..3150).contains(&flat), "{flat}");
        let own: Vec<Position> = (0..10).map(|i| [f64::from(i), 0.0]).collect();
        let several = Geometry::MultiPoint(own.clone());
        assert_eq!(several.random_points(99, &mut Random::new(1, 0)), own);
        let four = several.random_points(4, &mut Random::new(1, 0));
        assert_eq!(four.len(), 4);
        assert!(four.windows(2).all(|p| p[0][0] < p[1][0]), "{four:?}");
        assert!(
            Geometry::MultiPoint(Vec::new()).random_points(4, &mut Random::new(1, 0)).is_empty()
        );
    }

    #[test]
    fn regular_points_are_centres_of_cells() {
        // Cells of 2 from (0, 8) on: the centres below or on the diagonal x + y = 8.
        let found = triangle().regular_points(2.0, 100).unwrap();
        let expected = [
            [1.0, 7.0],
            [1.0, 5.0],
            [3.0, 5.0],
            [1.0, 3.0],
            [3.0, 3.0],
            [5.0, 3.0],
            [1.0, 1.0],
            [3.0, 1.0],
            [5.0, 1.0],
            [7.0, 1.0],
        ];
        assert_eq!(found, expected);
        // The only centre is outside.
        assert_eq!(triangle().regular_points(20.0, 100).unwrap(), [[0.0, 0.0]]);
        assert!(triangle().regular_points(2.0, 9).is_err());
        assert!(triangle().regular_points(1e-300, 9).is_err());
    }

    #[test]
    fn regular_points_walk_along_lines() {
        let line = Geometry::LineString(vec![[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]);
        let expected = [[0.0, 0.0], [2.0, 0.0], [3.0, 1.0], [3.0, 3.0]];
        assert_eq!(line.regular_points(2.0, 100).unwrap(), expected);
        let points = Geometry::MultiPoint(vec![[1.0, 2.0], [1.0, 2.5]]);
        assert_eq!(points.regular_points(2.0, 100).unwrap(), [[1.0, 2.0], [1.0, 2.5]]);
    }
}
