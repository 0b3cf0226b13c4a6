//! Boxes of frames against a walk over single pixels: arrays of random types, chunks, gaps and orders of dimensions,
//! Zarr and TIFF, laid over a cube at random.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use eolith_cube::crs::Crs;
use eolith_cube::{
    Block, DType, Dimension, Grid, Kind, Labels, Number, Region, Schema, SpatialAxis, Values,
    Variable,
};
use eolith_plan::need::{ArrayDim, ArrayRef, Format, Piece};
use eolith_plan::op::{Scan, ScanSource};
use eolith_plan::request::{LoadRequest, Source};
use serde_json::json;

use crate::source::open::Readers;
use crate::source::scan;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % n.max(1)
    }

    /// All of `n` at every other call.
    fn range(&mut self, n: usize) -> Range<usize> {
        if self.below(2) == 0 {
            return 0..n;
        }
        let start = self.below(n);
        start..start + 1 + self.below(n - start)
    }
}

/// A file with one array, and what is in it.
struct Stored {
    array: ArrayRef,
    dtype: DType,
    shape: Vec<usize>,
    pixels: Vec<Option<f64>>,
}

impl Stored {
    fn at(&self, index: &[usize]) -> Option<f64> {
        let flat = index.iter().zip(&self.shape).fold(0, |flat, (&i, &n)| flat * n + i);
        self.pixels[flat]
    }
}

fn array(href: &Path, format: Format, name: &str) -> ArrayRef {
    let href = href.display().to_string();
    ArrayRef { href, format, array: name.to_owned(), version: None, chunk: None, requested: false }
}

/// A Zarr array of version 3 without compression; one chunk in seven is not there.
fn zarr(folder: &Path, dice: &mut Dice) -> Stored {
    let dtypes = [DType::U8, DType::U16, DType::I16, DType::F32, DType::F64, DType::Bool];
    let dtype = dtypes[dice.below(dtypes.len())];
    let shape: Vec<usize> = (0..=dice.below(4)).map(|_| 1 + dice.below(11)).collect();
    let chunk: Vec<usize> = shape.iter().map(|&n| 1 + dice.below(n + 1)).collect();
    let small = |value: usize| if dtype == DType::Bool { value % 2 } else { value } as f64;
    let mut pixels = vec![Some(0.0); shape.iter().product()];
    let grid = eolith_cube::ChunkGrid::new(shape.clone(), chunk.clone());
    let document = json!({
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": dtype.name(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": if dtype == DType::Bool { json!(true) } else { json!(1) },
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    });
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("zarr.json"), document.to_string()).unwrap();
    for number in 0..grid.len() {
        let region = grid.region(number);
        let missing = dice.below(7) == 0;
        let full = Region::whole(&chunk);
        let mut bytes = Vec::new();
        let position: Vec<String> = (region.0.iter().zip(&grid.chunk))
            .map(|(range, size)| (range.start / size).to_string())
            .collect();
        let key = format!("c.{}", position.join("."));
        for flat in 0..full.len() {
            let (mut rest, mut at, mut stride, mut inside) = (flat, 0, 1, true);
            for dim in (0..shape.len()).rev() {
                let i = region.0[dim].start + rest % chunk[dim];
                rest /= chunk[dim];
                inside &= i < shape[dim];
                at += i * stride;
                stride *= shape[dim];
            }
            let value = if missing { 1.0 } else { small(dice.below(7)) };
            let value = if dtype.is_float() && value == 6.0 { f64::NAN } else { value };
            if inside {
                pixels[at] = Some(value);
            }
            let one = Values::F64(vec![value]).cast(dtype);
            bytes.extend(one.le_bytes(0..1));
        }
        if !missing {
            std::fs::write(folder.join(key), bytes).unwrap();
        }
    }
    Stored { array: array(folder, Format::Zarr, ""), dtype, shape, pixels }
}

/// One of the TIFFs that `make.py` writes.
fn tiff(dice: &mut Dice) -> Stored {
    type Case = (&'static str, DType, usize);
    let cases: [Case; 9] = [
        ("tiled-lzw-2", DType::U16, 3),
        ("planar-deflate-2", DType::I32, 2),
        ("strips-deflate-3", DType::F32, 2),
        ("tiled-big-endian-2", DType::U16, 2),
        ("packbits", DType::U8, 1),
        ("strips-planar-zstd-3", DType::F64, 3),
        ("mask", DType::U8, 2),
        ("sparse", DType::I16, 1),
        ("sparse-no-value", DType::I16, 1),
    ];
    let (name, dtype, bands) = cases[dice.below(cases.len())];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiff");
    let pixel = |i: usize| {
        let (band, row, column) = (i / 480, i / 24 % 20, i % 24);
        let value = |band: usize| ((band * 53 + row * 7 + column * 3) % 97) as f64;
        match name {
            "mask" if value(0) % 5.0 == 0.0 => None,
            "sparse" if row >= 16 || column >= 16 => Some(-7.0),
            "sparse-no-value" if row >= 16 || column >= 16 => None,
            _ => Some(value(band)),
        }
    };
    let array = array(&folder.join(format!("{name}.tif")), Format::Tiff, "");
    let pixels = (0..bands * 480).map(pixel).collect();
    Stored { array, dtype, shape: vec![bands, 20, 24], pixels }
}

/// Lays an array over a cube of this shape.
fn lay(stored: &Stored, cube: &[usize], dice: &mut Dice) -> Piece {
    let mut free: Vec<usize> = (0..cube.len()).collect();
    let mut region: Vec<Range<usize>> = cube
        .iter()
        .map(|&n| {
            let at = dice.below(n);
            at..at + 1
        })
        .collect();
    let dims = stored.shape.iter().map(|&n| {
        if free.is_empty() || dice.below(6) == 0 {
            return ArrayDim::Fixed(dice.below(n));
        }
        let last = if dice.below(3) == 0 { dice.below(free.len()) } else { free.len() - 1 };
        let dim = free.swap_remove(last);
        let own = dice.range(n);
        let len = own.len().min(cube[dim]);
        let start = dice.below(cube[dim] - len + 1);
        region[dim] = start..start + len;
        ArrayDim::Along { dim, offset: own.start }
    });
    let dims = dims.collect();
    let nodata = match dice.below(4) {
        0 => Some(Number::Float(f64::NAN)),
        1 => None,
        _ => Some(Number::Int(dice.below(5) as i128)),
    };
    Piece { array: stored.array.clone(), region: Region(region), dims, nodata, grid: None }
}

fn window(n: usize, dice: &mut Dice) -> Option<Arc<[usize]>> {
    let step = 1 + dice.below(3);
    match dice.below(5) {
        0 => Some((0..n).step_by(step).collect()),
        1 => Some((0..n).rev().step_by(step).collect()),
        2 => Some((0..n + 2).map(|_| dice.below(n)).collect()),
        _ => None,
    }
}

fn scan_of(schema: Schema, pieces: Vec<Piece>, window: Vec<Option<Arc<[usize]>>>) -> Scan {
    let request = LoadRequest::all(Source::Collection("test".to_owned()));
    let source = Some(Arc::new(ScanSource { schema, pieces: pieces.into() }));
    Scan { request, source, window, level: None }
}

/// The pixel that the definition of a piece asks for.
fn expected(stored: &[Stored], pieces: &[Piece], index: &[usize]) -> Option<f64> {
    pieces.iter().zip(stored).find_map(|(piece, stored)| {
        if !piece.region.0.iter().zip(index).all(|(own, i)| own.contains(i)) {
            return None;
        }
        let own: Vec<usize> = (piece.dims.iter())
            .map(|dim| match *dim {
                ArrayDim::Fixed(i) => i,
                ArrayDim::Along { dim, offset } => index[dim] - piece.region.0[dim].start + offset,
            })
            .collect();
        let value = stored.at(&own)?;
        let missing = piece.nodata.is_some_and(|nodata| {
            let nodata = nodata.to_f64();
            stored.dtype.holds(piece.nodata.unwrap())
                && (value == nodata || (value.is_nan() && nodata.is_nan()))
        });
        (!missing).then_some(value)
    })
}

fn check(block: &Block, region: &Region, dtype: DType, pixel: impl Fn(&[usize]) -> Option<f64>) {
    assert_eq!((block.dtype(), &block.shape), (dtype, &region.shape()));
    assert!(block.validity.as_ref().is_none_or(|valid| valid.contains(&false)));
    for flat in 0..block.len() {
        let mut rest = flat;
        let mut index: Vec<usize> = (region.0.iter().rev())
            .map(|range| {
                let i = range.start + rest % range.len();
                rest /= range.len();
                i
            })
            .collect();
        index.reverse();
        let (own, wanted) = (block.get(flat).map(Number::to_f64), pixel(&index));
        let same = own == wanted || own.is_some_and(f64::is_nan) && wanted.is_some_and(f64::is_nan);
        assert!(same, "{own:?} instead of {wanted:?} at {index:?}");
    }
}

#[tokio::test]
async fn boxes_are_what_a_walk_over_pixels_gives() {
    let folder = tempfile::tempdir().unwrap();
    let readers = Readers::default();
    let mut seen = [0; 3];
    for round in 0..150 {
        let dice = &mut Dice(round);
        let cube = [1 + dice.below(3), 1 + dice.below(2), 3 + dice.below(9), 3 + dice.below(9)];
        let stored: Vec<Stored> = (0..=dice.below(9))
            .map(|i| match dice.below(3) {
                0 => tiff(dice),
                _ => zarr(&folder.path().join(format!("{round}-{i}")), dice),
            })
            .collect();
        let pieces: Vec<Piece> = stored.iter().map(|stored| lay(stored, &cube, dice)).collect();
        let variables = stored.iter().map(|stored| Variable::new(stored.dtype)).collect();
        let schema = Arc::new(Schema { dims: Vec::new(), variables });
        let window: Vec<_> = cube.iter().map(|&n| window(n, dice)).collect();
        let scan = scan_of((*schema).clone(), pieces.clone(), window.clone());
        let shape: Vec<usize> =
            cube.iter().zip(&window).map(|(&n, own)| own.as_ref().map_or(n, |w| w.len())).collect();
        let region = Region(shape.iter().map(|&n| dice.range(n)).collect());
        let frame = scan::fetch(&readers, &scan, &schema, &region).await.unwrap().frame().unwrap();
        let pixel = |index: &[usize]| {
            let own: Vec<usize> = (index.iter().zip(&window))
                .map(|(&i, window)| window.as_ref().map_or(i, |window| window[i]))
                .collect();
            expected(&stored, &pieces, &own)
        };
        check(&frame.read(&region), &region, schema.dtype(), pixel);
        for _ in 0..6 {
            let part = Region(
                (region.0.iter())
                    .map(|range| {
                        let own = dice.range(range.len());
                        range.start + own.start..range.start + own.end
                    })
                    .collect(),
            );
            let block = frame.read(&part);
            check(&block, &part, schema.dtype(), pixel);
            for number in (0..block.len()).map(|i| block.get(i)) {
                seen[number.map_or(0, |number| 1 + usize::from(number.to_f64().is_nan()))] += 1;
            }
        }
    }
    assert!(seen.iter().all(|&n| n > 100), "no-data, numbers and NaN: {seen:?}");
}

#[tokio::test]
async fn a_piece_on_another_grid_is_brought_in_by_the_nearest_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let readers = Readers::default();
    let crs = Crs::epsg(32633).unwrap();
    for round in 0..20 {
        let dice = &mut Dice(round);
        let mut stored = zarr(&folder.path().join(round.to_string()), dice);
        while stored.shape.len() != 3 {
            stored = zarr(&folder.path().join(format!("{round}-{}", dice.below(1 << 30))), dice);
        }
        let (height, width) = (stored.shape[1], stored.shape[2]);
        // Pixels of 20 m under a cube of 10 m whose corner lies 40 m further up and left.
        let cube = Grid::from_corner(crs.clone(), (600.0, 9_040.0), (10.0, -10.0), (32, 30));
        let grid = Grid::from_corner(crs.clone(), (640.0, 9_000.0), (20.0, -20.0), (width, height));
        let spatial = |name, axis, labels| {
            let kind = Kind::Spatial { axis, crs: Some(crs.clone()) };
            Dimension::new(name, kind, Labels::Regular(labels))
        };
        let schema = Arc::new(Schema {
            dims: vec![
                Dimension::new("t", Kind::Other, Labels::enumerated(4)),
                spatial("y", SpatialAxis::Y, cube.y),
                spatial("x", SpatialAxis::X, cube.x),
            ],
            variables: vec![Variable::new(stored.dtype)],
        });
        let plane = dice.below(stored.shape[0]);
        let nodata = Some(Number::Int(2));
        let piece = Piece {
            array: stored.array.clone(),
            region: Region(vec![2..3, 0..30, 0..32]),
            dims: vec![
                ArrayDim::Fixed(plane),
                ArrayDim::Along { dim: 1, offset: 0 },
                ArrayDim::Along { dim: 2, offset: 0 },
            ],
            nodata,
            grid: Some(grid),
        };
        let windows = vec![None, window(30, dice), window(32, dice)];
        let n = |dim: usize, n| windows[dim].as_ref().map_or(n, |window| window.len());
        let region = Region(vec![1..4, dice.range(n(1, 30)), dice.range(n(2, 32))]);
        let scan = scan_of((*schema).clone(), vec![piece], windows.clone());
        let frame = scan::fetch(&readers, &scan, &schema, &region).await.unwrap().frame().unwrap();
        check(&frame.read(&region), &region, stored.dtype, |index| {
            let at = |dim: usize| windows[dim].as_ref().map_or(index[dim], |w| w[index[dim]]);
            // Four pixels of 10 m up to the corner, then two for each pixel.
            let (y, x) = (at(1).checked_sub(4)? / 2, at(2).checked_sub(4)? / 2);
            if index[0] != 2 || y >= height || x >= width {
                return None;
            }
            let value = stored.at(&[plane, y, x])?;
            (!stored.dtype.holds(Number::Int(2)) || value != 2.0).then_some(value)
        });
    }
}
