use super::*;
use crate::crs::Crs;

/// Centres at 0, 1, 2, … along x and at 0, -1, -2, … along y.
fn grid(width: usize, height: usize) -> Grid {
    Grid::from_corner(Crs::epsg(32633).unwrap(), (-0.5, 0.5), (1.0, -1.0), (width, height))
}

fn ring(positions: &[(f64, f64)]) -> Ring {
    let mut ring: Ring = positions.iter().map(|&(x, y)| [x, y]).collect();
    ring.push(ring[0]);
    ring
}

/// The pixels as (row, column).
fn pixels(geometry: &Geometry, grid: &Grid) -> Vec<(usize, usize)> {
    let footprint = rasterise(geometry, grid).unwrap();
    let mut all = Vec::new();
    for row in 0..grid.y.len {
        for col in 0..grid.x.len {
            if footprint.contains(row, col) {
                all.push((row, col));
            }
        }
    }
    assert_eq!(all.len(), footprint.len());
    assert_eq!(all.is_empty(), footprint.is_empty());
    let rows =
        all.iter().map(|p| p.0).min().unwrap_or(0)..all.iter().map(|p| p.0 + 1).max().unwrap_or(0);
    let cols =
        all.iter().map(|p| p.1).min().unwrap_or(0)..all.iter().map(|p| p.1 + 1).max().unwrap_or(0);
    assert_eq!((footprint.rows.clone(), footprint.cols.clone()), (rows, cols));
    all
}

#[test]
fn centres_on_the_boundary_belong_to_a_polygon() {
    let square = ring(&[(1.0, -1.0), (3.0, -1.0), (3.0, -3.0), (1.0, -3.0)]);
    let found = pixels(&Geometry::Polygon(vec![square.clone()]), &grid(6, 6));
    let expected: Vec<(usize, usize)> = (1..4).flat_map(|r| (1..4).map(move |c| (r, c))).collect();
    assert_eq!(found, expected);
    // A hole without its boundary; the tip of a triangle is a pixel.
    let hole = ring(&[(1.5, -1.5), (2.5, -1.5), (2.5, -2.5), (1.5, -2.5)]);
    let found = pixels(&Geometry::Polygon(vec![square, hole]), &grid(6, 6));
    assert_eq!(found.len(), 8);
    assert!(!found.contains(&(2, 2)));
    let tip = ring(&[(2.0, 0.0), (3.4, -1.6), (0.6, -1.6)]);
    assert_eq!(pixels(&Geometry::Polygon(vec![tip]), &grid(6, 6)), [(0, 2), (1, 2)]);
}

#[test]
fn pixels_of_any_polygon_are_those_whose_centre_is_inside() {
    let mut state = 5_u64;
    let mut part = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let grid = grid(23, 17);
    for _ in 0..200 {
        let count = 3 + (part() * 9.0) as usize;
        // Edges that cross each other, partly off the grid.
        let outline: Vec<(f64, f64)> =
            (0..count).map(|_| (part() * 34.0 - 5.0, 4.0 - part() * 26.0)).collect();
        let other: Vec<(f64, f64)> = (0..3).map(|_| (part() * 20.0, -part() * 15.0)).collect();
        let geometry = Geometry::Polygon(vec![ring(&outline), ring(&other)]);
        let found = pixels(&geometry, &grid);
        for row in 0..17 {
            for col in 0..23 {
                // A ray to the north, across the columns where the code goes along rows.
                let (x, y) = (col as f64, -(row as f64));
                let mut inside = false;
                for positions in [&outline, &other] {
                    for (i, &(xa, ya)) in positions.iter().enumerate() {
                        let (xb, yb) = positions[(i + 1) % positions.len()];
                        if (xa > x) != (xb > x) && y < ya + (x - xa) / (xb - xa) * (yb - ya) {
                            inside = !inside;
                        }
                    }
                }
                assert_eq!(
                    found.contains(&(row, col)),
                    inside,
                    "{outline:?} {other:?} {row} {col}"
                );
            }
        }
    }
}

#[test]
fn several_polygons_are_their_union() {
    let square = |x: f64| vec![ring(&[(x, 0.2), (x + 2.2, 0.2), (x + 2.2, -1.2), (x, -1.2)])];
    let both = Geometry::MultiPolygon(vec![square(-0.1), square(0.9)]);
    assert_eq!(pixels(&both, &grid(6, 3)).len(), 8);
    let one = |x| rasterise(&Geometry::Polygon(square(x)), &grid(6, 3)).unwrap();
    assert_eq!(Footprint::union([&one(-0.1), &one(0.9)]), rasterise(&both, &grid(6, 3)).unwrap());
    assert_eq!(one(-0.1).spans(1), std::slice::from_ref(&(0..3)));
    assert_eq!(one(-0.1).spans(2), &[] as &[Range<usize>]);
}

#[test]
fn points_have_the_pixel_they_lie_in() {
    let points = vec![[0.4, -0.6], [2.5, -1.5], [-0.6, 0.0], [0.0, -2.6], [5.4, -2.4]];
    // At an edge the higher row and column; nothing outside.
    assert_eq!(pixels(&Geometry::MultiPoint(points), &grid(6, 3)), [(1, 0), (2, 3), (2, 5)]);
}

#[test]
fn lines_have_every_pixel_they_pass_through() {
    let line =
        |positions: &[[f64; 2]]| pixels(&Geometry::LineString(positions.to_vec()), &grid(6, 4));
    assert_eq!(line(&[[0.0, 0.0], [3.0, 0.0]]), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!(line(&[[2.0, 9.0], [2.0, -9.0]]), [(0, 2), (1, 2), (2, 2), (3, 2)]);
    // Half a row down over three columns: the row changes in the middle column.
    assert_eq!(line(&[[0.0, -0.25], [2.0, -0.75]]), [(0, 0), (0, 1), (1, 1), (1, 2)]);
    assert_eq!(line(&[[2.0, -0.75], [0.0, -0.25]]), [(0, 0), (0, 1), (1, 1), (1, 2)]);
    assert_eq!(line(&[[-9.0, -1.0], [99.0, -1.0]]).len(), 6);
}

#[test]
fn a_window_holds_the_centres_in_the_bounding_box() {
    let square = |x: f64, size: f64| {
        let (right, bottom) = (x + size, -1.0 - size);
        Geometry::Polygon(vec![ring(&[(x, -1.0), (right, -1.0), (right, bottom), (x, bottom)])])
    };
    assert_eq!(window(&[square(1.2, 2.8)], &grid(6, 6)), [1..4, 2..5]);
    // Without a centre of its own it still is a part of the box.
    assert_eq!(window(&[square(1.2, 0.2), square(4.0, 0.0)], &grid(6, 6)), [1..2, 2..5]);
    assert_eq!(window(&[square(1.2, 0.2)], &grid(6, 6)), [1..2, 2..2]);
    let points = Geometry::MultiPoint(vec![[1.4, -2.6], [3.5, -3.0]]);
    assert_eq!(window(&[points], &grid(6, 6)), [3..4, 1..5]);
    assert_eq!(window(&[square(-9.0, 4.0), square(40.0, 4.0)], &grid(6, 6)), [1..6, 0..6]);
    assert!(window(&[square(40.0, 4.0)], &grid(6, 6))[1].is_empty());
    assert_eq!(window(&[], &grid(6, 6)), [0..0, 0..0]);
}

#[test]
fn a_part_of_a_footprint_has_the_pixels_of_the_window() {
    let found = rasterise(
        &Geometry::Polygon(vec![
            ring(&[(0.6, 0.0), (4.4, 0.0), (4.4, -4.4), (0.6, -4.4)]),
            ring(&[(1.5, -0.5), (3.5, -0.5), (3.5, -3.5), (1.5, -3.5)]),
        ]),
        &grid(6, 6),
    );
    let found = found.unwrap();
    let part = found.within(&[2..6, 0..4]);
    for row in 0..5 {
        for col in 0..5 {
            let inside = row < 4 && col < 4 && found.contains(row + 2, col);
            assert_eq!(part.contains(row, col), inside, "{row} {col}");
        }
    }
    assert_eq!((part.rows.clone(), part.cols.clone(), part.len()), (0..3, 1..4, 5));
    assert!(found.within(&[6..9, 0..4]).is_empty());
    assert_eq!(found.within(&[0..6, 0..6]), found);
}

#[test]
fn nothing_is_outside_of_the_grid() {
    let far = ring(&[(1e12, 1e12), (2e12, 1e12), (1e12, 2e12)]);
    assert!(pixels(&Geometry::Polygon(vec![far]), &grid(6, 4)).is_empty());
    let all = ring(&[(-1e9, 1e9), (1e9, 1e9), (1e9, -1e9), (-1e9, -1e9)]);
    assert_eq!(pixels(&Geometry::Polygon(vec![all]), &grid(6, 4)).len(), 24);
    assert!(pixels(&Geometry::Polygon(Vec::new()), &grid(6, 4)).is_empty());
    assert!(pixels(&Geometry::MultiPoint(Vec::new()), &grid(0, 0)).is_empty());
}
