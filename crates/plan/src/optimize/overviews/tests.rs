//! Plans before and after the rule, and where it leaves them alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::warp::Method;
use eolith_cube::window::Stencil;
use eolith_cube::{
    Crs, DType, Dimension, Grid, Kind, Labels, Region, Schema, SpatialAxis, Variable,
};

use crate::logical::{Logical, NodeId};
use crate::need::{Answer, ArrayDim, ArrayRef, Format, Level, Need, Piece, Snapshot};
use crate::op::{Op, Scan, ScanSource};
use crate::optimize::testing::{Plan, lines};
use crate::request::{LoadRequest, Source};

/// Two bands of 100 x 100 pixels of 10 m, each an array of its own.
const BANDS: [&str; 2] = ["a", "b"];

fn grid(step: f64, n: usize) -> Grid {
    let crs = Crs::epsg(32632).unwrap();
    Grid::from_corner(crs, (600_000.0, 5_000_000.0), (step, -step), (n, n))
}

fn array(band: &str, level: usize) -> ArrayRef {
    let array = if level == 0 { String::new() } else { level.to_string() };
    let (href, format, chunk) = (format!("/{band}.tif"), Format::Tiff, Some(vec![1, 64, 64]));
    ArrayRef { href, format, array, version: None, chunk, requested: false }
}

fn scan(plan: &mut Plan) -> NodeId {
    let native = grid(10.0, 100);
    let kind = |axis| Kind::Spatial { axis, crs: Some(native.crs.clone()) };
    let dims = vec![
        Dimension::new("bands", Kind::Bands, Labels::texts(BANDS)),
        Dimension::new("y", kind(SpatialAxis::Y), Labels::Regular(native.y)),
        Dimension::new("x", kind(SpatialAxis::X), Labels::Regular(native.x)),
    ];
    let along = |dim| ArrayDim::Along { dim, offset: 0 };
    let piece = |(i, band): (usize, &&str)| Piece {
        array: array(band, 0),
        region: Region(vec![i..i + 1, 0..100, 0..100]),
        dims: vec![ArrayDim::Fixed(0), along(1), along(2)],
        nodata: None,
        grid: None,
    };
    let schema = Schema::uniform(dims, Variable::new(DType::F64));
    let pieces = BANDS.iter().enumerate().map(piece).collect();
    let source = Some(Arc::new(ScanSource { schema: schema.clone(), pieces }));
    let request = LoadRequest::all(Source::Collection("s2".to_owned()));
    let scan = Scan { request, source, window: vec![None; 3], level: None };
    plan.push(Op::scan(scan, schema), &[])
}

fn warp(plan: &mut Plan, input: NodeId, step: f64, method: Method) -> NodeId {
    let made = Op::warp(plan.0.schema(input), grid(step, (1000.0 / step) as usize), method);
    plan.push(made.unwrap(), &[input])
}

/// Overviews of 20, 40 and 76.9 m; those of `b` end at 40 m if `short`.
fn snapshot(short: bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for band in BANDS {
        let sizes = [(50, 20.0), (25, 40.0), (13, 1000.0 / 13.0)];
        let kept = if short && band == "b" { 2 } else { 3 };
        let level = |(i, (n, step)): (usize, (usize, f64))| Level {
            array: array(band, i + 1),
            grid: grid(step, n),
        };
        let levels: Vec<Level> = sizes.into_iter().take(kept).enumerate().map(level).collect();
        snapshot.insert(Need::Levels { array: array(band, 0) }, Answer::Levels(levels.into()));
    }
    snapshot
}

fn applied(plan: &Logical, snapshot: &Snapshot) -> (Logical, BTreeSet<Need>) {
    let mut needs = BTreeSet::new();
    (super::apply(plan.clone(), snapshot, &mut needs), needs)
}

fn pieces(plan: &Logical) -> Vec<(String, Option<f64>)> {
    let Op::Scan(scan) = &plan.nodes[0].op else { panic!("{:?}", plan.nodes[0]) };
    let source = scan.source.as_ref().unwrap();
    let step = |piece: &Piece| piece.grid.as_ref().map(|grid| grid.x.step);
    source.pieces.iter().map(|piece| (piece.array.array.clone(), step(piece))).collect()
}

#[test]
fn a_warp_over_single_pixels_reads_the_coarsest_level_that_is_fine_enough() {
    let mut plan = Plan::default();
    let data = scan(&mut plan);
    let mapped = plan.add(data, 2.0);
    let warped = warp(&mut plan, mapped, 50.0, Method::Near);
    let plan = plan.result(warped);
    assert_eq!(
        lines(&plan),
        "%0 Scan s2\n\
         %1 Map plus(x, 2) : f64 [%0]\n\
         %2 Warp near to EPSG:32632 20 x 20 px of 50 x -50 [%1]\n\
         result %2"
    );
    let (read, needs) = applied(&plan, &snapshot(false));
    assert!(needs.is_empty());
    assert_eq!(
        lines(&read),
        "%0 Scan s2 [overviews of 4.0 native pixels]\n\
         %1 Map plus(x, 2) : f64 [%0]\n\
         %2 Warp near to EPSG:32632 20 x 20 px of 50 x -50 [%1]\n\
         result %2"
    );
    assert_eq!(read.schema(NodeId(1)).grid().unwrap(), grid(40.0, 25));
    assert_eq!(read.schema(NodeId(2)), plan.schema(NodeId(2)));
    assert_eq!(pieces(&read), [("2".to_owned(), None), ("2".to_owned(), None)]);
}

#[test]
fn what_is_not_known_is_asked_first() {
    let mut plan = Plan::default();
    let data = scan(&mut plan);
    let selected = plan.select(data, 0, &[1]);
    let warped = warp(&mut plan, selected, 50.0, Method::Near);
    let plan = crate::optimize::optimize(plan.result(warped));
    let (same, needs) = applied(&plan, &Snapshot::default());
    assert_eq!(lines(&same), lines(&plan));
    // The other band is not read.
    assert_eq!(needs, BTreeSet::from([Need::Levels { array: array("b", 0) }]));
}

#[test]
fn all_arrays_are_read_on_the_lattice_that_every_one_reaches() {
    let mut plan = Plan::default();
    let data = scan(&mut plan);
    let warped = warp(&mut plan, data, 100.0, Method::Average);
    let plan = plan.result(warped);
    let (both, _) = applied(&plan, &snapshot(false));
    assert_eq!(pieces(&both), [("3".to_owned(), None), ("3".to_owned(), None)]);
    let (one, _) = applied(&plan, &snapshot(true));
    assert_eq!(pieces(&one), [("2".to_owned(), None), ("2".to_owned(), None)]);
    // An array without overviews is brought to the lattice of the others.
    let mut known = snapshot(false);
    known.insert(Need::Levels { array: array("a", 0) }, Answer::Missing);
    let (mixed, _) = applied(&plan, &known);
    assert_eq!(pieces(&mixed), [(String::new(), Some(10.0)), ("3".to_owned(), None)]);
}

#[test]
fn a_window_of_the_load_is_read_where_it_is() {
    let mut plan = Plan::default();
    let data = scan(&mut plan);
    let rows: Vec<usize> = (30..90).collect();
    let selected = plan.select(data, 1, &rows);
    let warped = warp(&mut plan, selected, 50.0, Method::Near);
    let plan = crate::optimize::optimize(plan.result(warped));
    let (read, _) = applied(&plan, &snapshot(false));
    let Op::Scan(scan) = &read.nodes[0].op else { panic!("{:?}", read.nodes[0]) };
    // Rows of 40 m whose centres lie between 4 999 700 and 4 999 100 m, both included: 7 to 22.
    let y = read.schema(NodeId(0)).grid().unwrap().y;
    assert_eq!((y.start, y.step, y.len), (4_999_700.0, -40.0, 16));
    let piece = &scan.source.as_ref().unwrap().pieces[0];
    assert_eq!(piece.dims[1], ArrayDim::Along { dim: 1, offset: 7 });
    assert_eq!(piece.region, Region(vec![0..1, 0..16, 0..25]));
}

#[test]
fn what_needs_native_pixels_gets_them() {
    let native = |change: fn(&mut Plan, NodeId) -> NodeId| {
        let mut plan = Plan::default();
        let data = scan(&mut plan);
        let result = change(&mut plan, data);
        let plan = plan.result(result);
        let (same, needs) = applied(&plan, &snapshot(false));
        assert_eq!(lines(&same), lines(&plan));
        assert!(needs.is_empty());
    };
    // A window counts pixels.
    native(|plan, data| {
        let stencil = Stencil::new(&[1.0; 9], [3, 3]).unwrap();
        let smooth = Op::window(plan.0.schema(data), Arc::new(stencil)).unwrap();
        let smooth = plan.push(smooth, &[data]);
        warp(plan, smooth, 50.0, Method::Near)
    });
    // There are fewer pixels to sum.
    native(|plan, data| warp(plan, data, 50.0, Method::Sum));
    // No level is as fine as the target.
    native(|plan, data| warp(plan, data, 15.0, Method::Near));
    native(|plan, data| warp(plan, data, 5.0, Method::Near));
    // Every second row is no window.
    native(|plan, data| {
        let rows: Vec<usize> = (0..100).step_by(2).collect();
        let thinned = plan.select(data, 1, &rows);
        warp(plan, thinned, 50.0, Method::Near)
    });
}

#[test]
fn other_users_of_a_load_keep_native_pixels() {
    let mut plan = Plan::default();
    let data = scan(&mut plan);
    let mapped = plan.add(data, 2.0);
    let warped = warp(&mut plan, mapped, 50.0, Method::Near);
    let mut plan = plan.result(warped);
    let root = crate::logical::RootValue::Cube(mapped);
    plan.roots.push(crate::logical::Root {
        value: root,
        path: eolith_graph::NodePath::default(),
        is_result: false,
        effect: None,
    });
    let (read, _) = applied(&plan, &snapshot(false));
    assert_eq!(
        lines(&read),
        "%0 Scan s2 [overviews of 4.0 native pixels]\n\
         %1 Scan s2\n\
         %2 Map plus(x, 2) : f64 [%0]\n\
         %3 Map plus(x, 2) : f64 [%1]\n\
         %4 Warp near to EPSG:32632 20 x 20 px of 50 x -50 [%2]\n\
         result %4\n\
         effect %3"
    );
}
