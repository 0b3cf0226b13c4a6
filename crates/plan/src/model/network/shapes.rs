//! Operators over the columns of a sample: products, normalisations, reductions, and other shapes of the same numbers.

use super::build::{Call, Form, Known, Read, Samples, bad, mixes, same_rows};
use super::ops::{Each, Fold, Pair};
use super::run::{Operand, What};
use super::tensor::{Kind, Tensor};

impl Call<'_> {
    pub(super) fn product(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        let right = self.weights(1)?;
        let (columns, is_list) = match *right.dims {
            [rows] if rows == own.width => (1, true),
            [rows, columns] if rows == own.width => (columns, false),
            _ => {
                return Err(bad(format!("{} columns meet weights of {:?}", own.width, right.dims)));
            }
        };
        let weights = turned(&right.values, own.width, columns);
        let made = self.matrix_of(own, weights, Vec::new(), own.kind)?;
        Ok(Known::Samples(if is_list { Samples { form: Form::Line, ..made } } else { made }))
    }

    pub(super) fn gemm(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        if self.int("transA", 0) != 0 {
            return Err(mixes());
        }
        let (alpha, beta) = (self.float("alpha", 1.0), self.float("beta", 1.0));
        let right = self.weights(1)?;
        let is_turned = self.int("transB", 0) != 0;
        let columns = match *right.dims {
            [columns, rows] if is_turned && rows == own.width => columns,
            [rows, columns] if !is_turned && rows == own.width => columns,
            _ => {
                return Err(bad(format!("{} columns meet weights of {:?}", own.width, right.dims)));
            }
        };
        let mut weights = if is_turned {
            right.values.to_vec()
        } else {
            turned(&right.values, own.width, columns)
        };
        if alpha != 1.0 {
            for weight in &mut weights {
                *weight *= alpha;
            }
        }
        let bias = if self.has(2) {
            let row = self.weights(2)?.row().ok_or_else(mixes)?;
            match row.len() {
                1 => vec![row[0] * beta; columns],
                n if n == columns => row.iter().map(|x| x * beta).collect(),
                n => return Err(bad(format!("{n} numbers are added to {columns} columns"))),
            }
        } else {
            Vec::new()
        };
        self.matrix_of(own, weights, bias, own.kind).map(Known::Samples)
    }

    pub(super) fn batch_normalization(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        if self.int("training_mode", 0) != 0 || self.node.outputs.len() > 1 {
            return Err(bad("it is in training".to_owned()));
        }
        let epsilon = self.float("epsilon", 1e-5);
        let mut lists = Vec::new();
        for i in 1..5 {
            let list = self.weights(i)?.values.clone();
            if list.len() != own.width {
                return Err(bad(format!("{} columns meet {} weights", own.width, list.len())));
            }
            lists.push(list);
        }
        let factor: Vec<f64> =
            (lists[0].iter().zip(lists[3].iter())).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let centred = self.with_row(own, lists[2].to_vec(), Pair::Sub, Kind::Double)?;
        let scaled = self.with_row(centred, factor, Pair::Mul, Kind::Double)?;
        self.with_row(scaled, lists[1].to_vec(), Pair::Add, own.kind).map(Known::Samples)
    }

    pub(super) fn layer_normalization(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        if ![1, -1].contains(&self.int("axis", -1)) || self.node.outputs.len() > 1 {
            return Err(mixes());
        }
        let epsilon = self.float("epsilon", 1e-5);
        let scale = self.weights(1)?.values.to_vec();
        let bias = if self.has(2) { Some(self.weights(2)?.values.to_vec()) } else { None };
        if scale.len() != own.width || bias.as_ref().is_some_and(|bias| bias.len() != own.width) {
            return Err(bad("its weights are not as many as the columns".to_owned()));
        }
        let mean = self.fold_of(own, Fold::Mean, Kind::Double)?;
        let centred = self.pair_of(own, mean, Pair::Sub, Kind::Double)?;
        let variance = self.fold_of(centred, Fold::MeanOfSquares, Kind::Double)?;
        let inverse = self.each_of(variance, Each::InverseRoot(epsilon), Kind::Double)?;
        let normal = self.pair_of(centred, inverse, Pair::Mul, Kind::Double)?;
        let kind = if bias.is_some() { Kind::Double } else { own.kind };
        let mut made = self.with_row(normal, scale, Pair::Mul, kind)?;
        if let Some(bias) = bias {
            made = self.with_row(made, bias, Pair::Add, own.kind)?;
        }
        Ok(Known::Samples(made))
    }

    pub(super) fn softmax(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        if ![1, -1].contains(&self.int("axis", -1)) {
            return Err(mixes());
        }
        let is_log = self.node.op == "LogSoftmax";
        self.softmax_of(own, is_log, own.kind).map(Known::Samples)
    }

    pub(super) fn softmax_of(&mut self, own: Samples, is_log: bool, kind: Kind) -> Read<Samples> {
        let most = self.fold_of(own, Fold::Max, Kind::Double)?;
        let below = self.pair_of(own, most, Pair::Sub, Kind::Double)?;
        let powers = self.each_of(below, Each::Exp, Kind::Double)?;
        let sum = self.fold_of(powers, Fold::Sum, Kind::Double)?;
        if is_log {
            let log = self.each_of(sum, Each::Log, Kind::Double)?;
            return self.pair_of(below, log, Pair::Sub, kind);
        }
        self.pair_of(powers, sum, Pair::Div, kind)
    }

    pub(super) fn reduce(&mut self, fold: Fold) -> Read<Known> {
        let own = self.table(0)?;
        let axes = match self.attribute("axes") {
            Some(axes) => axes.ints.clone(),
            None if self.has(1) => self.weights(1)?.ints(),
            None => Vec::new(),
        };
        if ![[1].as_slice(), &[-1]].contains(&axes.as_slice()) {
            return Err(mixes());
        }
        let made = self.fold_of(own, fold, own.kind)?;
        Ok(Known::Samples(self.kept(made)))
    }

    pub(super) fn arg(&mut self) -> Read<Known> {
        let own = self.table(0)?;
        if ![1, -1].contains(&self.int("axis", 0)) {
            return Err(mixes());
        }
        let last = self.int("select_last_index", 0) != 0;
        let fold = Fold::Arg { greatest: self.node.op == "ArgMax", last };
        let made = self.fold_of(own, fold, Kind::Int)?;
        Ok(Known::Samples(self.kept(made)))
    }

    pub(super) fn concat(&mut self) -> Read<Known> {
        let axis = self.int("axis", 0);
        let mut columns = Vec::new();
        let mut kind = None;
        for i in 0..self.node.inputs.len() {
            let own = self.table(i)?;
            if kind.is_some_and(|kind| kind != own.kind) {
                return Err(bad("its inputs have different types".to_owned()));
            }
            kind = Some(own.kind);
            columns.extend((0..own.width).map(|column| (own.value, column)));
            if columns.len() > super::run::COLUMNS {
                return Err(super::build::too_wide());
            }
        }
        match kind {
            Some(kind) if axis == 1 || axis == -1 => self.pick(columns, kind),
            _ => Err(mixes()),
        }
    }

    pub(super) fn gather(&mut self) -> Read<Known> {
        let axis = self.int("axis", 0);
        if let Known::Weights(table) = self.input(0)?.clone() {
            let index = self.samples(1)?;
            return self.lookup(&table, index, axis);
        }
        let own = self.table(0)?;
        let wanted = self.weights(1)?.clone();
        if ![1, -1].contains(&axis) || wanted.dims.len() > 1 {
            return Err(mixes());
        }
        let columns: Option<Vec<(usize, usize)>> =
            wanted.ints().into_iter().map(|i| Some((own.value, place(i, own.width)?))).collect();
        let columns = columns.ok_or_else(|| bad("a column is not there".to_owned()))?;
        let made = self.pick(columns, own.kind)?;
        match made {
            Known::Samples(made) if wanted.dims.is_empty() => {
                Ok(Known::Samples(Samples { form: Form::Line, ..made }))
            }
            made => Ok(made),
        }
    }

    /// Rows of a list or a table of weights, one a sample.
    pub(super) fn lookup(&mut self, table: &Tensor, index: Samples, axis: i64) -> Read<Known> {
        let (width, form) = match (table.dims.as_slice(), index.form) {
            ([_], form) if index.width == 1 => (1, form),
            ([_, width], Form::Line) => (*width, Form::Table),
            _ => return Err(mixes()),
        };
        if axis != 0 {
            return Err(mixes());
        }
        let what = What::Lookup(index.value, table.values.clone());
        self.made(what, form, width, table.kind).map(Known::Samples)
    }

    pub(super) fn pick(&mut self, columns: Vec<(usize, usize)>, kind: Kind) -> Read<Known> {
        let width = columns.len();
        self.builder.keep(width)?;
        self.made(What::Pick(columns), Form::Table, width, kind).map(Known::Samples)
    }

    pub(super) fn reshape(&mut self) -> Read<Known> {
        let shape = match self.attribute("shape") {
            Some(shape) => shape.ints.clone(),
            None => self.weights(1)?.ints(),
        };
        match self.input(0)?.clone() {
            Known::Weights(tensor) => {
                let mut dims = Vec::new();
                let known: i64 = shape.iter().filter(|n| **n > 0).product();
                for (i, n) in shape.iter().enumerate() {
                    dims.push(match n {
                        0 => tensor.dims.get(i).copied().ok_or_else(mixes)?,
                        -1 => tensor.len() / usize::try_from(known).unwrap_or(1).max(1),
                        n => usize::try_from(*n).map_err(|_| mixes())?,
                    });
                }
                tensor.shaped(dims).map(Known::Weights).ok_or_else(mixes)
            }
            Known::Samples(own) => {
                let form = match *shape {
                    [-1 | 0] if own.width == 1 => Form::Line,
                    [-1..=1, width] if width == -1 || usize::try_from(width) == Ok(own.width) => {
                        Form::Table
                    }
                    [0, 0] if own.form == Form::Table => Form::Table,
                    _ => return Err(mixes()),
                };
                // One row of all samples is no table of one row a sample.
                if own.form == Form::Row && shape.first() == Some(&0) {
                    return Err(mixes());
                }
                Ok(Known::Samples(Samples { form, ..own }))
            }
            Known::Texts => Ok(Known::Texts),
        }
    }

    pub(super) fn flatten(&mut self) -> Read<Known> {
        let own = self.samples(0)?;
        if self.int("axis", 1) != 1 || own.form == Form::Row {
            return Err(mixes());
        }
        Ok(Known::Samples(Samples { form: Form::Table, ..own }))
    }

    pub(super) fn squeeze(&mut self) -> Read<Known> {
        let axes = self.axes()?;
        match self.input(0)?.clone() {
            Known::Weights(tensor) => {
                let mut dims = tensor.dims.clone();
                let gone: Option<Vec<usize>> =
                    axes.iter().map(|axis| place(*axis, dims.len())).collect();
                let gone = gone.ok_or_else(mixes)?;
                let mut at = 0;
                dims.retain(|n| {
                    at += 1;
                    !(if gone.is_empty() { *n == 1 } else { gone.contains(&(at - 1)) })
                });
                tensor.shaped(dims).map(Known::Weights).ok_or_else(mixes)
            }
            Known::Samples(own) => match (own.form, axes.as_slice()) {
                (Form::Table, [1 | -1]) if own.width == 1 => {
                    Ok(Known::Samples(Samples { form: Form::Line, ..own }))
                }
                (Form::Row, [0 | -2]) => Ok(Known::Samples(Samples { form: Form::Line, ..own })),
                _ => Err(mixes()),
            },
            Known::Texts => Ok(Known::Texts),
        }
    }

    pub(super) fn unsqueeze(&mut self) -> Read<Known> {
        let mut axes = self.axes()?;
        match self.input(0)?.clone() {
            Known::Weights(tensor) => {
                let rank = tensor.dims.len() + axes.len();
                for axis in &mut axes {
                    *axis = place(*axis, rank).ok_or_else(mixes)? as i64;
                }
                axes.sort_unstable();
                let mut dims = tensor.dims.clone();
                for axis in axes {
                    dims.insert((axis as usize).min(dims.len()), 1);
                }
                tensor.shaped(dims).map(Known::Weights).ok_or_else(mixes)
            }
            Known::Samples(own) if own.form == Form::Line && matches!(*axes, [1 | -1]) => {
                Ok(Known::Samples(Samples { form: Form::Table, ..own }))
            }
            Known::Samples(_) | Known::Texts => Err(mixes()),
        }
    }

    /// A step with the same row of numbers for all samples.
    pub(super) fn with_row(
        &mut self,
        own: Samples,
        row: Vec<f64>,
        pair: Pair,
        kind: Kind,
    ) -> Read<Samples> {
        let width = same_rows(own.width, row.len())?;
        let what = What::Pair(Operand::Value(own.value), Operand::Row(row.into()), pair);
        self.made(what, own.form, width, kind)
    }

    fn axes(&self) -> Read<Vec<i64>> {
        match self.attribute("axes") {
            Some(axes) => Ok(axes.ints.clone()),
            None if self.has(1) => Ok(self.weights(1)?.ints()),
            None => Ok(Vec::new()),
        }
    }

    /// What is left of a table whose columns became one.
    fn kept(&self, made: Samples) -> Samples {
        if self.int("keepdims", 1) == 0 { Samples { form: Form::Line, ..made } } else { made }
    }
}

/// An index that counts from the end below zero.
pub(super) fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}

/// A matrix by columns.
fn turned(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect()
}
