//! Kernels give the same results for any windows, and those of the definition.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::Range;

use eolith_cube::window::{Border, Stencil};
use eolith_cube::{Block, DType, Number, Region, Values};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn window(&mut self, len: usize) -> Range<usize> {
        let start = self.roll(len);
        start..start + 1 + self.roll(len - start)
    }
}

const BORDERS: [Border; 5] = [
    Border::Constant(-1.5),
    Border::Replicate,
    Border::Reflect,
    Border::ReflectPixel,
    Border::Wrap,
];

/// Any weights, or such that rows, columns or both are the same from either side.
fn stencil(dice: &mut Dice, size: [usize; 2], border: Border) -> Stencil {
    let mut weights: Vec<f64> =
        (0..size[0] * size[1]).map(|_| dice.roll(1000) as f64 / 7.0 - 60.0).collect();
    let even = [dice.roll(2) == 0, dice.roll(2) == 0];
    for k in 0..weights.len() {
        let [y, x] = [k / size[1], k % size[1]];
        let y = if even[0] { y.min(size[0] - 1 - y) } else { y };
        let x = if even[1] { x.min(size[1] - 1 - x) } else { x };
        weights[k] = weights[y * size[1] + x];
    }
    let mut stencil = Stencil::new(&weights, size).unwrap();
    (stencil.border, stencil.replacement, stencil.factor) = (border, 2.25, 0.3);
    stencil
}

fn block(dice: &mut Dice, dtype: DType, shape: &[usize]) -> Block {
    let len = shape.iter().product();
    let numbers = (0..len).map(|_| match dice.roll(11) {
        0 if dtype.is_float() => f64::NAN,
        1 if dtype.is_float() => f64::INFINITY,
        _ => dice.roll(100) as f64,
    });
    let mut block = Block::new(shape.to_vec(), Values::F64(numbers.collect())).cast(dtype);
    if dice.roll(2) > 0 {
        block.validity = Some((0..len).map(|_| dice.roll(5) > 0).collect());
    }
    block.canonical()
}

#[test]
fn any_window_gives_the_sums_of_the_definition() {
    let mut dice = Dice(11);
    for round in 0..40 {
        let size = [1 + dice.roll(9), 1 + dice.roll(if round % 4 == 0 { 300 } else { 9 })];
        let kernel = [1 + 2 * dice.roll(4), 1 + 2 * dice.roll(7)];
        for border in BORDERS {
            let stencil = stencil(&mut dice, kernel, border);
            let dtype = DType::ALL[dice.roll(DType::ALL.len())];
            let source = block(&mut dice, dtype, &[2, size[0], size[1]]);
            let target = [dice.window(size[0]), dice.window(size[1])];
            let needed = [0, 1].map(|axis| stencil.needed(axis, target[axis].clone(), size[axis]));
            let part = source.slice(&Region(vec![0..2, needed[0].clone(), needed[1].clone()]));
            let out = stencil.run(&part, needed, target.clone(), size);
            let what = format!("{size:?} {kernel:?} {border:?} {dtype} {target:?}");
            assert_eq!(out.shape, [2, target[0].len(), target[1].len()], "{what}");
            let mut at = 0;
            for plane in 0..2 {
                for row in target[0].clone() {
                    for col in target[1].clone() {
                        let expected = stencil.pixel(row, col, size, &|y, x| {
                            source.get((plane * size[0] + y) * size[1] + x)
                        });
                        let Some(Number::Float(found)) = out.get(at) else { panic!("{what}") };
                        assert_eq!(found.to_bits(), expected.to_bits(), "{what} {row} {col}");
                        at += 1;
                    }
                }
            }
        }
    }
}

/// Whole numbers have one sum in any order: what is taken together must not change it.
#[test]
fn columns_and_rows_that_are_alike_count_once_each() {
    let mut dice = Dice(5);
    for _ in 0..60 {
        let size = [1 + 2 * dice.roll(4), 1 + 2 * dice.roll(8)];
        // Few different weights, so that columns and rows are alike by chance; the middle repeats as well.
        let lines = [1 + dice.roll(3), 1 + dice.roll(3)];
        let own: Vec<f64> = (0..9).map(|_| dice.roll(7) as f64 - 3.0).collect();
        let rows: Vec<usize> = (0..size[0]).map(|_| dice.roll(lines[0])).collect();
        let columns: Vec<usize> = (0..size[1]).map(|_| dice.roll(lines[1])).collect();
        let weight = |y: usize, x: usize| own[rows[y] * 3 + columns[x]];
        let weights: Vec<f64> =
            (0..size[0]).flat_map(|y| (0..size[1]).map(move |x| weight(y, x))).collect();
        let stencil = Stencil::new(&weights, size).unwrap();
        assert_eq!(stencil.size(), size);
        let pixels: Vec<i32> = (0..size[0] * size[1]).map(|_| dice.roll(1000) as i32).collect();
        let expected: f64 = pixels.iter().zip(&weights).map(|(v, w)| f64::from(*v) * w).sum();
        let source = Block::new(size.to_vec(), Values::I32(pixels));
        let middle = size.map(|n| n / 2..n / 2 + 1);
        let out = stencil.run(&source, size.map(|n| 0..n), middle, size);
        assert_eq!(out.get(0), Some(Number::Float(expected)), "{size:?} {weights:?}");
    }
}

/// The rows of letters in the standard's text, by hand: pixels 1 to 8, seen one by one from -6 to 13.
#[test]
fn borders_are_those_of_the_standard() {
    let source = Block::new(vec![1, 8], Values::U8((1..=8).collect()));
    for (border, left, right) in [
        (Border::Constant(0.0), [0; 6], [0; 6]),
        (Border::Replicate, [1; 6], [8; 6]),
        (Border::Reflect, [6, 5, 4, 3, 2, 1], [8, 7, 6, 5, 4, 3]),
        (Border::ReflectPixel, [7, 6, 5, 4, 3, 2], [7, 6, 5, 4, 3, 2]),
        (Border::Wrap, [3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6]),
    ] {
        for (k, expected) in left.iter().enumerate() {
            // One weight that looks 6 - k pixels to the left of the first pixel.
            let mut weights = vec![0.0; 13];
            weights[k] = 1.0;
            let mut stencil = Stencil::new(&weights, [1, 13]).unwrap();
            stencil.border = border;
            let out = stencil.run(&source, [0..1, 0..8], [0..1, 0..1], [1, 8]);
            assert_eq!(out.get(0).unwrap().to_f64(), f64::from(*expected), "{border:?} {k}");
        }
        for (k, expected) in right.iter().enumerate() {
            let mut weights = vec![0.0; 13];
            weights[7 + k] = 1.0;
            let mut stencil = Stencil::new(&weights, [1, 13]).unwrap();
            stencil.border = border;
            let out = stencil.run(&source, [0..1, 0..8], [0..1, 7..8], [1, 8]);
            assert_eq!(out.get(0).unwrap().to_f64(), f64::from(*expected), "{border:?} {k}");
        }
    }
}

#[test]
fn only_odd_kernels_are_kernels() {
    assert!(Stencil::new(&[1.0; 6], [2, 3]).is_none());
    assert!(Stencil::new(&[], [0, 0]).is_none());
    assert!(Stencil::new(&[1.0; 2], [1, 3]).is_none());
    assert!(Stencil::new(&[1.0; 3], [1, 3]).is_some());
}
