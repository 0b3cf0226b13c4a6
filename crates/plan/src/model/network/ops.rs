//! What operators do to numbers: one at a time, two at a time, and all columns of a pixel to one.
//!
//! All of it is computed in 64 bits and rounded once to the type of the result, with the transcendental functions of
//! the pinned `libm`: the same bits on any machine, and at least as exact as the 32 bits that others compute in.

use std::sync::Arc;

use multiversion::multiversion;

/// A function of one number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Each {
    Same,
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    /// Halves to even.
    Round,
    Exp,
    Log,
    Sqrt,
    /// `1 / sqrt(x + epsilon)`.
    InverseRoot(f64),
    Reciprocal,
    Tanh,
    Sigmoid,
    Erf,
    Softplus,
    Softsign,
    Relu,
    /// Below zero times a factor.
    Leaky(f64),
    Elu(f64),
    /// Alpha and gamma.
    Selu(f64, f64),
    /// Alpha and beta of `max(0, min(1, alpha x + beta))`.
    HardSigmoid(f64, f64),
    HardSwish,
    /// Whether by the hyperbolic tangent.
    Gelu(bool),
    Clip(f64, f64),
    /// Zero up to a threshold.
    Threshold(f64),
    /// Whether it is above.
    Above(f64),
    Not,
    /// What stands for a value (possibly NaN) that is replaced.
    Replaced(f64, f64),
    /// Zero as one, so that it can be divided by.
    Divisor,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Add,
    Sub,
    Mul,
    Div,
    /// Rounded towards zero.
    Quotient,
    Pow,
    Max,
    Min,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    And,
    Or,
    Xor,
    /// Below zero times the second.
    Leaky,
}

/// A function of all columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Sum,
    Mean,
    Product,
    Max,
    Min,
    SumOfAbsolutes,
    SumOfSquares,
    MeanOfSquares,
    /// The index of the greatest or least column, the last one of equal ones or the first.
    Arg {
        greatest: bool,
        last: bool,
    },
}

impl Each {
    pub(super) fn of(&self, x: f64) -> f64 {
        match *self {
            Each::Same => x,
            Each::Neg => -x,
            Each::Abs => x.abs(),
            Each::Sign if x == 0.0 || x.is_nan() => x,
            Each::Sign => x.signum(),
            Each::Floor => x.floor(),
            Each::Ceil => x.ceil(),
            Each::Round => x.round_ties_even(),
            Each::Exp => libm::exp(x),
            Each::Log => libm::log(x),
            Each::Sqrt => x.sqrt(),
            Each::InverseRoot(epsilon) => 1.0 / (x + epsilon).sqrt(),
            Each::Reciprocal => 1.0 / x,
            Each::Tanh => libm::tanh(x),
            Each::Sigmoid => sigmoid(x),
            Each::Erf => libm::erf(x),
            Each::Softplus if x > 0.0 => x + libm::log1p(libm::exp(-x)),
            Each::Softplus => libm::log1p(libm::exp(x)),
            Each::Softsign => x / (1.0 + x.abs()),
            Each::Relu if x < 0.0 => 0.0,
            Each::Relu => x,
            Each::Leaky(factor) if x < 0.0 => factor * x,
            Each::Leaky(_) => x,
            Each::Elu(alpha) if x < 0.0 => alpha * libm::expm1(x),
            Each::Elu(_) => x,
            Each::Selu(alpha, gamma) if x <= 0.0 => gamma * alpha * libm::expm1(x),
            Each::Selu(_, gamma) => gamma * x,
            Each::HardSigmoid(alpha, beta) => clipped(alpha * x + beta, 0.0, 1.0),
            Each::HardSwish => x * clipped(x / 6.0 + 0.5, 0.0, 1.0),
            Each::Gelu(false) => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Each::Gelu(true) => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + libm::tanh(inner))
            }
            Each::Clip(low, high) => clipped(x, low, high),
            Each::Threshold(alpha) if x > alpha => x,
            Each::Threshold(_) => 0.0,
            Each::Above(threshold) => f64::from(x > threshold),
            Each::Not => f64::from(x == 0.0),
            Each::Replaced(value, by) if x == value || (x.is_nan() && value.is_nan()) => by,
            Each::Replaced(..) => x,
            Each::Divisor if x == 0.0 => 1.0,
            Each::Divisor => x,
        }
    }
}

impl Pair {
    pub(super) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Pair::Add => a + b,
            Pair::Sub => a - b,
            Pair::Mul => a * b,
            Pair::Div => a / b,
            Pair::Quotient => (a / b).trunc(),
            Pair::Pow => libm::pow(a, b),
            Pair::Max if a.is_nan() || a > b => a,
            Pair::Max => b,
            Pair::Min if a.is_nan() || a < b => a,
            Pair::Min => b,
            Pair::Less => f64::from(a < b),
            Pair::LessOrEqual => f64::from(a <= b),
            Pair::Greater => f64::from(a > b),
            Pair::GreaterOrEqual => f64::from(a >= b),
            Pair::Equal => f64::from(a == b),
            Pair::And => f64::from(a != 0.0 && b != 0.0),
            Pair::Or => f64::from(a != 0.0 || b != 0.0),
            Pair::Xor => f64::from((a != 0.0) != (b != 0.0)),
            Pair::Leaky if a < 0.0 => a * b,
            Pair::Leaky => a,
        }
    }
}

impl Fold {
    /// Takes columns of `out.len()` numbers, at least one.
    pub(super) fn run(self, columns: &[f64], out: &mut [f64]) {
        let lanes = out.len();
        let count = (columns.len() / lanes.max(1)) as f64;
        let mut rest = columns.chunks_exact(lanes.max(1));
        match self {
            Fold::Arg { greatest, last } => {
                let mut best = rest.next().unwrap_or_default().to_vec();
                out.fill(0.0);
                for (i, column) in (1_u32..).zip(rest) {
                    for ((best, out), &x) in best.iter_mut().zip(&mut *out).zip(column) {
                        let better = if greatest { x > *best } else { x < *best };
                        if better || (last && x == *best) {
                            (*best, *out) = (x, f64::from(i));
                        }
                    }
                }
            }
            Fold::Max | Fold::Min | Fold::Product => {
                let pair = match self {
                    Fold::Max => Pair::Max,
                    Fold::Min => Pair::Min,
                    _ => Pair::Mul,
                };
                out.copy_from_slice(rest.next().unwrap_or_default());
                for column in rest {
                    out.iter_mut().zip(column).for_each(|(out, &x)| *out = pair.of(*out, x));
                }
            }
            Fold::Sum | Fold::Mean => add(rest, out, |x| x),
            Fold::SumOfAbsolutes => add(rest, out, f64::abs),
            Fold::SumOfSquares | Fold::MeanOfSquares => add(rest, out, |x| x * x),
        }
        if matches!(self, Fold::Mean | Fold::MeanOfSquares) {
            for out in out {
                *out /= count;
            }
        }
    }
}

/// A matrix with which the columns of a pixel are multiplied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    /// The weights of each column of the result, one after the other.
    pub(super) weights: Arc<[f64]>,
    /// What is added; nothing if it is empty.
    pub(super) bias: Arc<[f64]>,
}

impl Matrix {
    /// Multiplies columns of `lanes` numbers. Products are added in the order of the columns.
    pub(super) fn run(&self, columns: &[f64], out: &mut [f64], lanes: usize) {
        let inputs = columns.len() / lanes.max(1);
        for (k, out) in out.chunks_exact_mut(lanes.max(1)).enumerate() {
            out.fill(self.bias.get(k).copied().unwrap_or_default());
            weigh(&self.weights[k * inputs..(k + 1) * inputs], columns, out);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn weigh(weights: &[f64], columns: &[f64], out: &mut [f64]) {
    let lanes = out.len().max(1);
    let mut fours = weights.chunks_exact(4);
    let mut columns = columns.chunks_exact(4 * lanes);
    for (four, columns) in fours.by_ref().zip(columns.by_ref()) {
        let (a, rest) = columns.split_at(lanes);
        let (b, rest) = rest.split_at(lanes);
        let (c, d) = rest.split_at(lanes);
        for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *out = (((*out + four[0] * a) + four[1] * b) + four[2] * c) + four[3] * d;
        }
    }
    let columns = columns.remainder().chunks_exact(lanes);
    for (weight, column) in fours.remainder().iter().zip(columns) {
        out.iter_mut().zip(column).for_each(|(out, x)| *out += weight * x);
    }
}

fn add<'a>(columns: impl Iterator<Item = &'a [f64]>, out: &mut [f64], f: impl Fn(f64) -> f64) {
    out.fill(0.0);
    for column in columns {
        out.iter_mut().zip(column).for_each(|(out, &x)| *out += f(x));
    }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    // Exact for large numbers of either sign.
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

fn clipped(x: f64, low: f64, high: f64) -> f64 {
    let raised = if x < low { low } else { x };
    if raised > high { high } else { raised }
}
