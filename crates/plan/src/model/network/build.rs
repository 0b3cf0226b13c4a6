//! From a graph to steps: which operators there are, and what shapes they make.
//!
//! A value is known from the file (weights, and what is computed of weights alone), or it differs from sample to sample.
//! Such a value has one of three shapes: a table of a row a sample, a line of a number a sample, or that line as the only
//! row of a table. Whatever would make another one of it mixes samples, and is refused.

use std::collections::BTreeMap;

use super::elementwise::pair;
use super::learned;
use super::ops::{Each, Fold, Matrix, Pair};
use super::proto::{Attribute, Graph, Node};
use super::run::{COLUMNS, Program, Step, What};
use super::tensor::{Kind, Tensor};
use crate::model::BadModel;

/// Most operators, and most weights that are kept.
const NODES: usize = 10_000;
const WEIGHTS: usize = 1 << 24;

/// Most multiplications a sample takes, trees not counted.
const WORK: usize = 1 << 28;

/// A number that comes out.
pub(super) struct Output {
    pub(super) name: String,
    pub(super) is_single: bool,
}

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Weights(Tensor),
    Samples(Samples),
    /// Labels of classes; they do not come out.
    Texts,
}

/// A value that differs from sample to sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples {
    pub(super) value: usize,
    pub(super) form: Form,
    pub(super) kind: Kind,
    pub(super) width: usize,
}

/// The shape of such a value, for N samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// N rows.
    Table,
    /// N numbers.
    Line,
    /// One row of N numbers.
    Row,
}

/// What was read so far.
pub(super) struct Builder {
    known: BTreeMap<String, Known>,
    steps: Vec<Step>,
    weights: usize,
    work: usize,
}

/// An operator that is read.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) builder: &'a mut Builder,
}

pub(super) type Read<T> = Result<T, BadModel>;

/// The steps of a graph for samples of so many values, and what comes out.
pub(super) fn program(graph: &Graph, features: usize) -> Read<(Program, Vec<Output>)> {
    let mut builder = Builder { known: BTreeMap::new(), steps: Vec::new(), weights: 0, work: 0 };
    for (name, tensor) in &graph.weights {
        builder.known.insert(name.clone(), Known::Weights(tensor.clone()));
    }
    builder.inputs(graph, features)?;
    if graph.nodes.len() > NODES {
        return Err(bad(format!("it has {} operators, {NODES} are possible", graph.nodes.len())));
    }
    for node in &graph.nodes {
        let mut call = Call { node, builder: &mut builder };
        let made =
            call.results().map_err(|BadModel(reason)| bad(format!("`{}`: {reason}", node.op)))?;
        for (name, known) in node.outputs.iter().zip(made) {
            builder.known.insert(name.clone(), known);
        }
    }
    let (mut columns, mut outputs): (Vec<(usize, usize)>, Vec<Output>) = (Vec::new(), Vec::new());
    for name in &graph.outputs {
        match builder.known.get(name) {
            Some(Known::Samples(samples)) => {
                for k in 0..samples.width {
                    let own = if samples.width == 1 { name.clone() } else { format!("{name}_{k}") };
                    if outputs.iter().any(|output| output.name == own) {
                        return Err(bad(format!("two of its results are called `{own}`")));
                    }
                    outputs.push(Output { name: own, is_single: samples.kind == Kind::Single });
                    columns.push((samples.value, k));
                }
            }
            Some(Known::Weights(_)) => {
                return Err(bad(format!("its result `{name}` is the same for all samples")));
            }
            Some(Known::Texts) => {}
            None => return Err(bad(format!("nothing makes its result `{name}`"))),
        }
    }
    if columns.is_empty() {
        return Err(bad("no numbers come out of it".to_owned()));
    }
    let program = Program::new(features, builder.steps, &columns);
    let program = program.ok_or_else(too_wide)?;
    Ok((program, outputs))
}

impl Builder {
    /// The features: all of the only input, or as many as each of several says.
    fn inputs(&mut self, graph: &Graph, features: usize) -> Read<()> {
        // Older files list the weights among the inputs.
        let inputs = graph.inputs.iter().filter(|own| !graph.weights.contains_key(&own.name));
        let inputs: Vec<_> = inputs.collect();
        let mut next = 0;
        for input in &inputs {
            let kind = Kind::of(input.kind).ok_or_else(|| {
                bad(format!("its input `{}` has no type of numbers that is supported", input.name))
            })?;
            let (form, width) = match input.shape.as_deref() {
                Some([_, Some(width)]) => (Form::Table, *width),
                None | Some([_, None]) if inputs.len() == 1 => (Form::Table, features),
                Some([_]) => (Form::Line, 1),
                None | Some([_, None]) => {
                    return Err(bad(format!("its input `{}` has no fixed size", input.name)));
                }
                Some(shape) => {
                    return Err(bad(format!(
                        "its input `{}` has {} dimensions: only models of single samples (N, features) are supported",
                        input.name,
                        shape.len()
                    )));
                }
            };
            let columns = (next..next + width).map(|column| (0, column)).collect();
            next += width;
            if next > features {
                continue;
            }
            let made = self.step(What::Pick(columns), width, kind)?;
            let samples = Samples { value: made, form, kind, width };
            self.known.insert(input.name.clone(), Known::Samples(samples));
        }
        if inputs.is_empty() {
            return Err(bad("it has no input".to_owned()));
        }
        if next != features {
            return Err(bad(format!("it wants {next} features, the data cube has {features}")));
        }
        Ok(())
    }

    /// Adds a step; returns the number of its value.
    fn step(&mut self, what: What, width: usize, kind: Kind) -> Read<usize> {
        if width == 0 || width > COLUMNS {
            return Err(too_wide());
        }
        self.steps.push(Step { what, width, kind });
        Ok(self.steps.len())
    }

    pub(super) fn keep(&mut self, weights: usize) -> Read<()> {
        self.weights += weights;
        if self.weights > WEIGHTS {
            Err(bad("its weights are too many".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Call<'_> {
    fn results(&mut self) -> Read<Vec<Known>> {
        let own = match self.node.domain.as_str() {
            "" | "ai.onnx" => self.general()?,
            "ai.onnx.ml" => return learned::results(self),
            _ => None,
        };
        own.map(|known| vec![known]).ok_or_else(|| unknown(self.node))
    }

    /// Operators of the main set; `None` for those that are not known.
    fn general(&mut self) -> Read<Option<Known>> {
        if let Some(each) = self.each()? {
            return self.change(each).map(Some);
        }
        if let Some(pair) = pair(&self.node.op) {
            return self.combine(pair).map(Some);
        }
        Ok(Some(match self.node.op.as_str() {
            "Constant" => Known::Weights(self.constant()?),
            "Identity" | "Dropout" => self.input(0)?.clone(),
            "Cast" => self.cast()?,
            "MatMul" => self.product()?,
            "Gemm" => self.gemm()?,
            "BatchNormalization" => self.batch_normalization()?,
            "LayerNormalization" => self.layer_normalization()?,
            "Softmax" | "LogSoftmax" => self.softmax()?,
            "ReduceSum" => self.reduce(Fold::Sum)?,
            "ReduceMean" => self.reduce(Fold::Mean)?,
            "ReduceMax" => self.reduce(Fold::Max)?,
            "ReduceMin" => self.reduce(Fold::Min)?,
            "ReduceProd" => self.reduce(Fold::Product)?,
            "ReduceL1" => self.reduce(Fold::SumOfAbsolutes)?,
            "ReduceSumSquare" => self.reduce(Fold::SumOfSquares)?,
            "ReduceL2" => {
                let squares = self.reduce(Fold::SumOfSquares)?;
                let Known::Samples(squares) = squares else { return Ok(None) };
                Known::Samples(self.each_of(squares, Each::Sqrt, squares.kind)?)
            }
            "ArgMax" | "ArgMin" => self.arg()?,
            "Where" => self.choose()?,
            "Concat" => self.concat()?,
            "Gather" => self.gather()?,
            "Reshape" => self.reshape()?,
            "Flatten" => self.flatten()?,
            "Squeeze" => self.squeeze()?,
            "Unsqueeze" => self.unsqueeze()?,
            "Transpose" => match self.input(0)? {
                Known::Weights(tensor) => {
                    let turned = tensor.transposed().ok_or_else(mixes)?;
                    self.builder.keep(turned.len())?;
                    Known::Weights(turned)
                }
                Known::Samples(_) | Known::Texts => return Err(mixes()),
            },
            _ => return Ok(None),
        }))
    }

    pub(super) fn each_of(&mut self, own: Samples, each: Each, kind: Kind) -> Read<Samples> {
        let value = self.builder.step(What::Each(own.value, each), own.width, kind)?;
        Ok(Samples { value, kind, ..own })
    }

    pub(super) fn fold_of(&mut self, own: Samples, fold: Fold, kind: Kind) -> Read<Samples> {
        let value = self.builder.step(What::Fold(own.value, fold), 1, kind)?;
        Ok(Samples { value, kind, width: 1, form: own.form })
    }

    pub(super) fn pair_of(
        &mut self,
        a: Samples,
        b: Samples,
        pair: Pair,
        kind: Kind,
    ) -> Read<Samples> {
        let sides = [Known::Samples(a), Known::Samples(b)];
        self.paired(&sides, pair, kind)
    }

    /// A product with a matrix of weights, given as the weights of each column of the result.
    pub(super) fn matrix_of(
        &mut self,
        own: Samples,
        weights: Vec<f64>,
        bias: Vec<f64>,
        kind: Kind,
    ) -> Read<Samples> {
        let width = weights.len() / own.width.max(1);
        self.builder.keep(weights.len())?;
        self.builder.work += weights.len();
        if self.builder.work > WORK {
            return Err(bad("it takes too many multiplications".to_owned()));
        }
        let matrix = Matrix { weights: weights.into(), bias: bias.into() };
        let value = self.builder.step(What::Matrix(own.value, matrix), width, kind)?;
        Ok(Samples { value, kind, width, form: Form::Table })
    }

    pub(super) fn made(
        &mut self,
        what: What,
        form: Form,
        width: usize,
        kind: Kind,
    ) -> Read<Samples> {
        let value = self.builder.step(what, width, kind)?;
        Ok(Samples { value, form, kind, width })
    }

    /// The value that input `i` stands for.
    pub(super) fn input(&self, i: usize) -> Read<&Known> {
        let name =
            self.node.inputs.get(i).filter(|name| !name.is_empty()).ok_or_else(|| lacks(i))?;
        self.builder.known.get(name).ok_or_else(|| bad(format!("nothing makes its input `{name}`")))
    }

    /// Whether input `i` is given.
    pub(super) fn has(&self, i: usize) -> bool {
        self.node.inputs.get(i).is_some_and(|name| !name.is_empty())
    }

    pub(super) fn samples(&self, i: usize) -> Read<Samples> {
        match self.input(i)? {
            Known::Samples(own) => Ok(*own),
            Known::Weights(_) => Err(bad(format!("its input {i} is the same for all samples"))),
            Known::Texts => Err(texts()),
        }
    }

    /// A table of samples.
    pub(super) fn table(&self, i: usize) -> Read<Samples> {
        self.samples(i).and_then(|own| if own.form == Form::Table { Ok(own) } else { Err(mixes()) })
    }

    pub(super) fn weights(&self, i: usize) -> Read<&Tensor> {
        match self.input(i)? {
            Known::Weights(tensor) => Ok(tensor),
            Known::Samples(_) | Known::Texts => {
                Err(bad(format!("its input {i} has to be a constant")))
            }
        }
    }

    pub(super) fn number(&self, i: usize) -> Read<f64> {
        let weights = self.weights(i)?;
        match *weights.values {
            [number] => Ok(number),
            _ => Err(bad(format!("its input {i} has to be a single number"))),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attributes.get(name)
    }

    pub(super) fn int(&self, name: &str, usual: i64) -> i64 {
        self.attribute(name).and_then(|own| own.int).unwrap_or(usual)
    }

    pub(super) fn float(&self, name: &str, usual: f64) -> f64 {
        self.attribute(name).and_then(|own| own.float).unwrap_or(usual)
    }
}

/// The columns of two that are as wide as each other, or of which one has a single column.
pub(super) fn same_rows(a: usize, b: usize) -> Read<usize> {
    match (a, b) {
        (a, b) if a == b => Ok(a),
        (1, n) | (n, 1) if n > 0 => Ok(n),
        _ => Err(bad(format!("{a} columns meet {b}"))),
    }
}

pub(super) fn unknown(node: &Node) -> BadModel {
    let domain = if node.domain.is_empty() { "" } else { " of " };
    bad(format!("this operator{domain}{} is not supported", node.domain))
}

pub(super) fn mixes() -> BadModel {
    bad("it does not work on each sample by itself".to_owned())
}

pub(super) fn texts() -> BadModel {
    bad("texts are not supported".to_owned())
}

pub(super) fn too_wide() -> BadModel {
    bad(format!("a sample needs no column, or more than {COLUMNS} at a time"))
}

pub(super) fn lacks(i: usize) -> BadModel {
    bad(format!("its input {i} is missing"))
}

pub(super) fn bad(message: String) -> BadModel {
    BadModel(message)
}
