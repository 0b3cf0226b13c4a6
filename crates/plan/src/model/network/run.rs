//! The steps of a network, and how they are computed: block by block of samples, in one buffer.

use std::sync::Arc;

use super::ops::{Each, Fold, Matrix, Pair};
use super::tensor::Kind;
use super::trees::Trees;

/// Numbers of the buffer: 1 MiB.
const BUFFER: usize = 1 << 17;

/// Most columns that exist at a time; of these a block has eight samples.
pub(super) const COLUMNS: usize = BUFFER / 8;

/// Most samples of a block.
const BLOCK: usize = 512;

/// What a network computes.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Where the columns are: of the features first, then of each step's result.
    places: Vec<Place>,
    /// The columns that come out.
    outputs: Vec<usize>,
    /// Columns of the buffer.
    columns: usize,
}

/// One step. Its result is value `features + number of the step`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) what: What,
    /// Columns of the result.
    pub(super) width: usize,
    pub(super) kind: Kind,
}

/// What a step computes, of values by their number. Value 0 is the features.
#[derive(Clone, Debug)]
pub(super) enum What {
    Each(usize, Each),
    Pair(Operand, Operand, Pair),
    /// The second where the first is not zero, else the third.
    Choose([Operand; 3]),
    Matrix(usize, Matrix),
    Fold(usize, Fold),
    /// Columns of values.
    Pick(Vec<(usize, usize)>),
    /// Rows of a table (its width is the step's), by an index that counts from the end below zero.
    Lookup(usize, Arc<[f64]>),
    Trees(usize, Arc<Trees>),
}

/// A side of a step: a value, or the same number (or row of numbers) for all samples.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Value(usize),
    Row(Arc<[f64]>),
}

/// Columns of the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: usize,
    width: usize,
}

impl What {
    /// The values that it reads.
    fn reads(&self) -> Vec<usize> {
        let of = |operand: &Operand| match operand {
            Operand::Value(value) => Some(*value),
            Operand::Row(_) => None,
        };
        match self {
            What::Each(value, _)
            | What::Matrix(value, _)
            | What::Fold(value, _)
            | What::Lookup(value, _)
            | What::Trees(value, _) => vec![*value],
            What::Pair(a, b, _) => [a, b].into_iter().filter_map(of).collect(),
            What::Choose(all) => all.iter().filter_map(of).collect(),
            What::Pick(columns) => columns.iter().map(|(value, _)| *value).collect(),
        }
    }
}

impl Program {
    /// Lays the values out in the buffer. `outputs` are columns of values, `None` if more columns are needed at a time
    /// than there may be.
    pub(super) fn new(
        features: usize,
        steps: Vec<Step>,
        outputs: &[(usize, usize)],
    ) -> Option<Program> {
        let mut last = vec![0; steps.len() + 1];
        for (i, step) in steps.iter().enumerate() {
            step.what.reads().into_iter().for_each(|value| last[value] = i + 1);
        }
        for (value, _) in outputs {
            last[*value] = usize::MAX;
        }
        let mut places = vec![Place { first: 0, width: features }];
        // Free runs of columns, by their beginning; what no run has room for goes behind all.
        let (mut free, mut columns): (Vec<Place>, usize) = (Vec::new(), features);
        for (i, step) in steps.iter().enumerate() {
            let found = free.iter().position(|run| run.width >= step.width);
            let first = if let Some(k) = found {
                let run = &mut free[k];
                let first = run.first;
                (run.first, run.width) = (first + step.width, run.width - step.width);
                first
            } else {
                columns += step.width;
                columns - step.width
            };
            places.push(Place { first, width: step.width });
            for (value, _) in last.iter().enumerate().filter(|(_, last)| **last == i + 1) {
                free.push(places[value]);
            }
            // What nobody reads is free at once.
            if last[i + 1] == 0 {
                free.push(places[i + 1]);
            }
            free.sort_by_key(|run| run.first);
            free.dedup_by(|next, run| {
                let joined = run.first + run.width == next.first;
                if joined {
                    run.width += next.width;
                }
                joined
            });
            free.retain(|run| run.width > 0);
        }
        let outputs = outputs.iter().map(|(value, column)| places[*value].first + column).collect();
        (columns <= COLUMNS).then_some(Program { steps, places, outputs, columns })
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Computes the columns that come out of those of the features.
    pub(super) fn run(&self, features: &[&[f64]], samples: usize, out: &mut [f64]) {
        let lanes = (BUFFER / self.columns.max(1)).clamp(1, BLOCK).min(samples);
        let mut buffer = vec![0.0; self.columns * lanes];
        let mut scratch = Vec::new();
        for first in (0..samples).step_by(lanes.max(1)) {
            let lanes = lanes.min(samples - first);
            for (feature, column) in features.iter().zip(buffer.chunks_exact_mut(lanes)) {
                column.copy_from_slice(&feature[first..first + lanes]);
            }
            for (step, place) in self.steps.iter().zip(&self.places[1..]) {
                scratch.clear();
                scratch.resize(place.width * lanes, 0.0);
                self.step(step, &buffer, &mut scratch, lanes);
                match step.kind {
                    Kind::Double => {}
                    kind => scratch.iter_mut().for_each(|x| *x = kind.rounded(*x)),
                }
                buffer[place.first * lanes..][..scratch.len()].copy_from_slice(&scratch);
            }
            for (k, column) in self.outputs.iter().enumerate() {
                out[k * samples + first..][..lanes]
                    .copy_from_slice(&buffer[column * lanes..][..lanes]);
            }
        }
    }

    fn step(&self, step: &Step, buffer: &[f64], out: &mut [f64], lanes: usize) {
        let value = |value: usize| {
            let place = self.places[value];
            &buffer[place.first * lanes..][..place.width * lanes]
        };
        let side = |operand: &Operand, column: usize| -> Side<'_> {
            match operand {
                Operand::Value(id) => {
                    let all = value(*id);
                    let one = all.len() == lanes;
                    Side::Column(if one { all } else { &all[column * lanes..][..lanes] })
                }
                Operand::Row(row) => Side::One(if row.len() == 1 { row[0] } else { row[column] }),
            }
        };
        match &step.what {
            What::Each(id, each) => {
                out.iter_mut().zip(value(*id)).for_each(|(out, x)| *out = each.of(*x));
            }
            What::Pair(a, b, pair) => {
                for (k, out) in out.chunks_exact_mut(lanes).enumerate() {
                    let (a, b) = (side(a, k), side(b, k));
                    for (lane, out) in out.iter_mut().enumerate() {
                        *out = pair.of(a.at(lane), b.at(lane));
                    }
                }
            }
            What::Choose([condition, yes, no]) => {
                for (k, out) in out.chunks_exact_mut(lanes).enumerate() {
                    let (condition, yes, no) = (side(condition, k), side(yes, k), side(no, k));
                    for (lane, out) in out.iter_mut().enumerate() {
                        let chosen = if condition.at(lane) == 0.0 { &no } else { &yes };
                        *out = chosen.at(lane);
                    }
                }
            }
            What::Matrix(id, matrix) => matrix.run(value(*id), out, lanes),
            What::Fold(id, fold) => fold.run(value(*id), out),
            What::Pick(columns) => {
                for (out, (id, column)) in out.chunks_exact_mut(lanes).zip(columns) {
                    out.copy_from_slice(&value(*id)[column * lanes..][..lanes]);
                }
            }
            What::Lookup(id, table) => {
                let rows = table.len() / step.width.max(1);
                for (lane, index) in value(*id).iter().enumerate() {
                    let row = if *index < 0.0 { index + rows as f64 } else { *index };
                    let inside = row >= 0.0 && row < rows as f64;
                    for k in 0..step.width {
                        out[k * lanes + lane] =
                            if inside { table[row as usize * step.width + k] } else { f64::NAN };
                    }
                }
            }
            What::Trees(id, trees) => trees.run(value(*id), out, lanes),
        }
    }
}

/// One side of an operation.
enum Side<'a> {
    One(f64),
    Column(&'a [f64]),
}

impl Side<'_> {
    fn at(&self, lane: usize) -> f64 {
        match self {
            Side::One(value) => *value,
            Side::Column(column) => column[lane],
        }
    }
}
