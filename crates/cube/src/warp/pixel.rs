//! One target pixel, computed the obvious way: the definition that the fast path is tested against.

use std::cmp::Ordering;

use super::Method;
use super::apply::{LEAD, NOTHING, Row, rank};
use super::taps::{Span, Taps};
use crate::dtype::Number;

type Source<'a> = &'a dyn Fn(usize, usize) -> Option<Number>;

struct Pixel {
    value: Option<Number>,
    weight_y: f64,
    weight_x: f64,
}

/// The only pixel of `row`.
pub(super) fn pixel(method: Method, row: Row<'_>, source: Source<'_>) -> Option<Number> {
    let (y, x) = (row.y.spans[0], row.x.spans[0]);
    if y.count == 0 || x.count == 0 {
        return None;
    }
    if method == Method::Near {
        return source(y.first, x.first);
    }
    let rows = read((row.y, y), (row.x, x), source);
    let valid =
        || rows.iter().flatten().filter_map(|p| p.value.map(|v| (v, p.weight_y * p.weight_x)));
    match method {
        Method::Mode => most(valid().collect()),
        Method::Min | Method::Max | Method::Med | Method::Q1 | Method::Q3 => {
            let mut values: Vec<Number> = valid().map(|(value, _)| value).collect();
            values.sort_by(order);
            values.get(rank(method, values.len())).copied()
        }
        Method::Average => mean(&rows, 0.0, |v| v).map(Number::Float),
        Method::Rms => mean(&rows, 0.0, |v| v * v).map(|v| Number::Float(v.sqrt())),
        Method::Sum => {
            let (value, weight) = sums(&rows, |v| v);
            (weight > 0.0).then(|| Number::Float(value * row.share.first().copied().unwrap_or(1.0)))
        }
        Method::Near | Method::Bilinear | Method::Cubic | Method::CubicSpline | Method::Lanczos => {
            source(y.centre, x.centre).filter(finite)?;
            let complete = y.whole && x.whole && rows.iter().flatten().all(|p| p.value.is_some());
            let rows = match row.plain {
                Some((ys, xs)) if !complete => read((ys, ys.spans[0]), (xs, xs.spans[0]), source),
                _ => rows,
            };
            mean(&rows, NOTHING, |v| v).map(Number::Float)
        }
    }
}

fn read((ys, y): (&Taps, Span), (xs, x): (&Taps, Span), source: Source<'_>) -> Vec<Vec<Pixel>> {
    let row = |(j, &weight_y): (usize, &f64)| {
        let pixel = |(i, &weight_x): (usize, &f64)| Pixel {
            value: source(y.first + j, x.first + i).filter(finite),
            weight_y,
            weight_x,
        };
        xs.weights(x).iter().enumerate().map(pixel).collect()
    };
    ys.weights(y).iter().enumerate().map(row).collect()
}

/// Weighted sum of values and sum of weights, rows first.
fn sums(rows: &[Vec<Pixel>], map: fn(f64) -> f64) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for row in rows {
        let mut own = (0.0, 0.0);
        for pixel in row {
            if let Some(value) = pixel.value {
                own.0 += pixel.weight_x * map(value.to_f64());
                own.1 += pixel.weight_x;
            }
        }
        let weight_y = row.first().map_or(0.0, |p| p.weight_y);
        sums.0 += weight_y * own.0;
        sums.1 += weight_y * own.1;
    }
    sums
}

fn mean(rows: &[Vec<Pixel>], more_than: f64, map: fn(f64) -> f64) -> Option<f64> {
    let (value, weight) = sums(rows, map);
    (weight > more_than).then(|| value / weight)
}

fn most(votes: Vec<(Number, f64)>) -> Option<Number> {
    let mut groups: Vec<(Number, f64)> = Vec::new();
    for (value, weight) in votes {
        match groups.iter_mut().find(|group| order(&group.0, &value) == Ordering::Equal) {
            Some(group) => group.1 += weight,
            None => groups.push((value, weight)),
        }
    }
    let heaviest = groups.iter().fold(0.0, |most: f64, group| most.max(group.1));
    groups.into_iter().find(|group| group.1 >= heaviest - LEAD).map(|group| group.0)
}

fn finite(number: &Number) -> bool {
    match number {
        Number::Int(_) => true,
        Number::Float(value) => value.is_finite(),
    }
}

fn order(a: &Number, b: &Number) -> Ordering {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a.cmp(b),
        _ => a.to_f64().total_cmp(&b.to_f64()),
    }
}
