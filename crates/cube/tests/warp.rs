//! Resampling gives the same pixels for any windows, and those of the definition.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::Range;

use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Block, Crs, DType, Grid, Number, Region, Values, for_values};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn part(&mut self) -> f64 {
        self.roll(1 << 20) as f64 / f64::from(1 << 20)
    }

    fn window(&mut self, len: usize) -> Range<usize> {
        let start = self.roll(len);
        start..start + 1 + self.roll(len - start)
    }

    /// Pixels with no-data, and with NaN and infinities where there are any.
    fn block(&mut self, dtype: DType, shape: &[usize]) -> Block {
        let len = shape.iter().product();
        let numbers: Vec<f64> = (0..len)
            .map(|_| match self.roll(12) {
                0 if dtype.is_float() => f64::NAN,
                1 if dtype.is_float() => f64::NEG_INFINITY,
                2 if dtype.is_float() => -0.0,
                3 if dtype.is_float() => 0.0,
                _ if dtype.is_float() => self.part() * 9.0 - 4.0,
                _ => self.roll(7) as f64,
            })
            .collect();
        let mut block = Block::new(shape.to_vec(), Values::F64(numbers)).cast(dtype);
        if self.roll(3) > 0 {
            block.validity = Some((0..len).map(|_| self.roll(5) > 0).collect());
        }
        block.canonical()
    }
}

fn bits(block: &Block, index: usize) -> Option<u64> {
    block.is_valid(index).then(|| {
        for_values!(&block.values, _v => match block.values.get(index) {
            Number::Float(value) if value.is_nan() => f64::NAN.to_bits(),
            Number::Float(value) => value.to_bits(),
            Number::Int(value) => value as u64,
        })
    })
}

fn utm(left: f64, top: f64, dx: f64, dy: f64, size: (usize, usize)) -> Grid {
    Grid::from_corner(Crs::epsg(32633).unwrap(), (left, top), (dx, dy), size)
}

fn degrees(left: f64, top: f64, dx: f64, dy: f64, size: (usize, usize)) -> Grid {
    Grid::from_corner(Crs::epsg(4326).unwrap(), (left, top), (dx, dy), size)
}

fn pairs() -> Vec<(Grid, Grid)> {
    let from = utm(650_000.0, 5_300_200.0, 10.0, -10.0, (17, 19));
    let crooked = |step: f64| degrees(17.0043, 47.8378, step * 1.3, -step, (13, 12));
    vec![
        (from.clone(), from.clone()),
        (from.clone(), utm(650_013.3, 5_300_190.1, 3.7, -5.0, (16, 14))),
        (from.clone(), utm(649_960.0, 5_300_230.0, 25.0, -30.0, (10, 9))),
        (from.clone(), utm(650_001.0, 5_300_000.0, 8.0, 12.0, (11, 12))),
        (from.clone(), utm(649_100.0, 5_301_350.0, 400.0, -500.0, (6, 5))),
        (from.clone(), crooked(0.0001)),
        (from.clone(), crooked(0.0003)),
        (crooked(0.00007), from),
        (degrees(-180.0, 90.0, 10.0, -10.0, (36, 18)), degrees(170.0, 40.0, 4.0, -4.0, (12, 10))),
        (degrees(170.0, 20.0, 1.0, -1.0, (20, 20)), degrees(-190.0, 22.0, 1.5, -1.5, (18, 15))),
    ]
}

#[test]
fn any_window_gives_the_pixels_of_the_definition() {
    let mut dice = Dice(7);
    for (number, (from, to)) in pairs().into_iter().enumerate() {
        for method in Method::ALL {
            let warp = Warp::new(from.clone(), to.clone(), method).unwrap();
            let mut valid = 0;
            for dtype in DType::ALL {
                let what = format!("grids {number}, {}, {dtype}", method.name());
                let (height, width) = (from.y.len, from.x.len);
                let source = dice.block(dtype, &[2, height, width]);
                let (rows, cols) = (to.y.len, to.x.len);
                let whole = warp.run(&source, [0..height, 0..width], [0..rows, 0..cols]);
                assert_eq!(whole.shape, [2, rows, cols], "{what}");
                assert_eq!(whole.dtype(), method.dtype(dtype), "{what}");
                valid += (0..whole.len()).filter(|&i| whole.is_valid(i)).count();

                for i in 0..whole.len() {
                    let plane = i / (rows * cols) * height * width;
                    let pixel = warp.pixel(i / cols % rows, i % cols, &|row, col| {
                        source.get(plane + row * width + col)
                    });
                    let mut one = Block::nulls(whole.dtype(), vec![1]);
                    if let Some(number) = pixel {
                        one.validity = None;
                        for_values!(&mut one.values, v => v[0] = eolith_cube::Element::from_number(number));
                    }
                    assert_eq!(bits(&one, 0), bits(&whole, i), "{what}, pixel {i}");
                }

                for _ in 0..3 {
                    let window = [dice.window(rows), dice.window(cols)];
                    let [y, x] = warp.source_region(window[0].clone(), window[1].clone());
                    assert!(y.end <= height && x.end <= width, "{what}");
                    let larger = [
                        y.start.saturating_sub(dice.roll(2))..(y.end + dice.roll(2)).min(height),
                        x.start.saturating_sub(dice.roll(2))..(x.end + dice.roll(2)).min(width),
                    ];
                    let part =
                        source.slice(&Region(vec![0..2, larger[0].clone(), larger[1].clone()]));
                    let got = warp.run(&part, larger, window.clone());
                    let cut = Region(vec![0..2, window[0].clone(), window[1].clone()]);
                    let expected = whole.slice(&cut).canonical();
                    assert_eq!(got.shape, expected.shape, "{what}");
                    for i in 0..got.len() {
                        assert_eq!(
                            bits(&got, i),
                            bits(&expected, i),
                            "{what}, window {window:?}, {i}"
                        );
                    }
                }
            }
            assert!(valid > 0, "grids {number}, {}", method.name());
        }
    }
}

#[test]
fn the_same_grid_is_the_same_pixels() {
    let grid = utm(650_000.0, 5_300_200.0, 10.0, -10.0, (9, 8));
    let source = Dice(3).block(DType::I16, &[8, 9]);
    for method in Method::ALL.into_iter().filter(|m| *m != Method::CubicSpline) {
        let warp = Warp::new(grid.clone(), grid.clone(), method).unwrap();
        assert_eq!(warp.source_region(2..4, 5..9), [2..4, 5..9], "{}", method.name());
        let out = warp.run(&source, [0..8, 0..9], [0..8, 0..9]);
        // The root of a square is off by rounding.
        let expected = source.clone().cast(method.dtype(DType::I16));
        assert_eq!(out, expected, "{}", method.name());
    }
}

#[test]
fn totals_are_kept_between_systems() {
    let from = utm(650_000.0, 5_300_200.0, 10.0, -10.0, (20, 20));
    let to = degrees(17.004, 47.838, 0.0003, -0.0002, (14, 13));
    let warp = Warp::new(from, to, Method::Sum).unwrap();
    let source = Block::new(vec![20, 20], Values::F64(vec![1.0; 400]));
    let out = warp.run(&source, [0..20, 0..20], [0..13, 0..14]);
    let total: f64 = (0..out.len()).filter_map(|i| out.get(i)).map(Number::to_f64).sum();
    // Pixels cut by the outline keep the share of their whole.
    assert!((total - 400.0).abs() < 4.0, "{total}");
}

/// Windows larger than the pieces they are computed in, with clouds, edges, places without image and one plane or many.
#[test]
fn large_windows_give_the_pixels_of_the_definition() {
    let mut dice = Dice(11);
    let (height, width) = (230, 250);
    let from = utm(650_000.0, 5_300_200.0, 10.0, -10.0, (width, height));
    let mercator = |step: f64, size: (usize, usize)| {
        let crs = Crs::epsg(3857).unwrap();
        Grid::from_corner(crs, (1_892_790.0, 6_080_520.0), (step, -step), size)
    };
    let world = degrees(-180.0, 90.0, 360.0 / 250.0, -180.0 / 230.0, (width, height));
    let polar = Grid::from_corner(Crs::epsg(3413).unwrap(), (-9e6, 9e6), (9e4, -9e4), (200, 200));
    for (from, to) in [
        (from.clone(), mercator(20.0, (170, 160))),
        (from.clone(), mercator(9.0, (200, 90))),
        (from.clone(), mercator(44.0, (90, 90))),
        (from.clone(), utm(649_950.0, 5_300_210.0, 13.0, -11.0, (200, 210))),
        (world, polar),
    ] {
        for method in
            [Method::Near, Method::Bilinear, Method::Cubic, Method::CubicSpline, Method::Lanczos]
        {
            let warp = Warp::new(from.clone(), to.clone(), method).unwrap();
            for (dtype, count) in [(DType::U16, 1), (DType::I32, 7), (DType::F32, 3)] {
                let what = format!("{} to {}, {}, {dtype}", from.crs, to.crs, method.name());
                let len = count * height * width;
                let numbers: Vec<f64> = (0..len)
                    .map(|i| match dice.roll(4096) {
                        0 if dtype.is_float() => f64::NAN,
                        1 if dtype.is_float() => f64::INFINITY,
                        v => (v + i % 7) as f64,
                    })
                    .collect();
                let mut source =
                    Block::new(vec![count, height, width], Values::F64(numbers)).cast(dtype);
                if count != 3 {
                    let cloudy = |i: usize| (i / 40 + i / width / 40).is_multiple_of(5);
                    source.validity = Some((0..len).map(|i| !cloudy(i)).collect());
                }
                let source = source.canonical();
                let (rows, cols) = (to.y.len, to.x.len);
                let whole = warp.run(&source, [0..height, 0..width], [0..rows, 0..cols]);
                let valid = (0..whole.len()).filter(|&i| whole.is_valid(i)).count();
                assert!(valid > whole.len() / 8, "{what}: {valid} of {}", whole.len());
                for _ in 0..3000 {
                    let i = dice.roll(whole.len());
                    let plane = i / (rows * cols) * height * width;
                    let pixel = warp.pixel(i / cols % rows, i % cols, &|row, col| {
                        source.get(plane + row * width + col)
                    });
                    let mut one = Block::nulls(whole.dtype(), vec![1]);
                    if let Some(number) = pixel {
                        one.validity = None;
                        for_values!(&mut one.values, v => v[0] = eolith_cube::Element::from_number(number));
                    }
                    assert_eq!(bits(&one, 0), bits(&whole, i), "{what}, pixel {i}");
                }
                let window = [dice.window(rows), dice.window(cols)];
                let [y, x] = warp.source_region(window[0].clone(), window[1].clone());
                let part = source.slice(&Region(vec![0..count, y.clone(), x.clone()]));
                let out = warp.run(&part, [y, x], window.clone());
                let [y, x] = window;
                let expected = whole.slice(&Region(vec![0..count, y, x]));
                assert!((0..out.len()).all(|i| bits(&out, i) == bits(&expected, i)), "{what}");
            }
        }
    }
}

#[test]
fn nothing_to_resample_is_no_data() {
    let one = |left: f64| utm(left, 5_300_000.0, 10.0, -10.0, (1, 1));
    let empty = utm(650_000.0, 5_300_000.0, 10.0, -10.0, (0, 0));
    let broken = utm(f64::NAN, f64::INFINITY, 0.0, f64::NAN, (3, 3));
    let far = degrees(-100.0, 95.0, 1.0, -1.0, (3, 3));
    let source = Block::new(vec![1, 1], Values::U8(vec![9]));
    for method in Method::ALL {
        for (from, to) in [
            (one(0.0), one(1e6)),
            (one(0.0), far.clone()),
            (far.clone(), one(0.0)),
            (one(0.0), broken.clone()),
            (broken.clone(), one(0.0)),
            (empty.clone(), one(650_000.0)),
        ] {
            let warp = Warp::new(from, to, method).unwrap();
            assert_eq!(warp.source_region(0..1, 0..1), [0..0, 0..0], "{}", method.name());
            let out = warp.run(&source, [0..1, 0..1], [0..1, 0..1]);
            assert_eq!(out, Block::nulls(method.dtype(DType::U8), vec![1, 1]), "{}", method.name());
            let nothing = Block::nulls(DType::U8, vec![3, 0, 0]);
            assert_eq!(warp.run(&nothing, [0..0, 0..0], [0..2, 4..5]).shape, [3, 2, 1]);
            assert!(warp.run(&source, [0..1, 0..1], [0..0, 0..1]).is_empty());
            assert_eq!(warp.pixel(0, 0, &|_, _| Some(Number::Int(1))), None);
        }
        let warp = Warp::new(one(0.0), one(0.0), method).unwrap();
        assert_eq!(
            warp.run(&source, [0..1, 0..1], [0..1, 0..1]).get(0).map(Number::to_f64),
            Some(9.0)
        );
        // A block that lacks what is needed.
        assert_eq!(warp.run(&source, [5..6, 5..6], [0..1, 0..1]).get(0), None);
        // A target pixel many times the size of the source, and one much smaller.
        for step in [1e7, 1e-7] {
            let to = utm(5.0 - step / 2.0, 5_299_995.0 + step / 2.0, step, -step, (1, 1));
            let warp = Warp::new(one(0.0), to, method).unwrap();
            assert!(
                warp.run(&source, [0..1, 0..1], [0..1, 0..1]).get(0).is_some(),
                "{}",
                method.name()
            );
        }
    }
}

#[test]
fn longitudes_meet_on_the_other_side() {
    let world = degrees(-180.0, 90.0, 1.0, -1.0, (360, 180));
    let source =
        Block::new(vec![180, 360], Values::I32((0..64_800).map(|i| i % 360 - 180).collect()));
    let pacific = degrees(0.0, 10.0, 1.0, -1.0, (360, 2));
    for method in [Method::Near, Method::Max, Method::Average] {
        let warp = Warp::new(world.clone(), pacific.clone(), method).unwrap();
        let out = warp.run(&source, [0..180, 0..360], [0..2, 0..360]);
        let row: Vec<i128> = (0..360).map(|i| out.get(i).unwrap().to_f64() as i128).collect();
        let expected: Vec<i128> = (0..180).chain(-180..0).collect();
        assert_eq!(row, expected, "{}", method.name());
    }
}
