//! Operators that work on each number by itself, or on two at the same place.

use super::build::{Call, Form, Known, Read, Samples, bad, lacks, mixes, same_rows, texts};
use super::ops::{Each, Pair};
use super::run::{Operand, What};
use super::tensor::{Kind, Tensor};

impl Call<'_> {
    /// The operator as a function of one number, if it is one.
    pub(super) fn each(&self) -> Read<Option<Each>> {
        let float = |name: &str, usual: f64| {
            self.attribute(name).and_then(|own| own.float).unwrap_or(usual)
        };
        Ok(Some(match self.node.op.as_str() {
            "Neg" => Each::Neg,
            "Abs" => Each::Abs,
            "Sign" => Each::Sign,
            "Floor" => Each::Floor,
            "Ceil" => Each::Ceil,
            "Round" => Each::Round,
            "Exp" => Each::Exp,
            "Log" => Each::Log,
            "Sqrt" => Each::Sqrt,
            "Reciprocal" => Each::Reciprocal,
            "Tanh" => Each::Tanh,
            "Sigmoid" => Each::Sigmoid,
            "Erf" => Each::Erf,
            "Softplus" => Each::Softplus,
            "Softsign" => Each::Softsign,
            "Relu" => Each::Relu,
            "LeakyRelu" => Each::Leaky(float("alpha", 0.01)),
            "Elu" => Each::Elu(float("alpha", 1.0)),
            "Selu" => Each::Selu(
                float("alpha", 1.673_263_192_176_818_8),
                float("gamma", 1.050_701_022_148_132_3),
            ),
            "HardSigmoid" => Each::HardSigmoid(float("alpha", 0.2), float("beta", 0.5)),
            "HardSwish" => Each::HardSwish,
            "ThresholdedRelu" => Each::Threshold(float("alpha", 1.0)),
            "Gelu" => {
                let how = self.attribute("approximate").and_then(|own| own.text.as_deref());
                Each::Gelu(how == Some("tanh"))
            }
            "Not" => Each::Not,
            "Clip" => {
                // Limits are attributes in older files and inputs in younger ones.
                let limit = |name: &str, i: usize, usual: f64| -> Read<f64> {
                    if self.node.inputs.get(i).is_some_and(|name| !name.is_empty()) {
                        return self.number(i);
                    }
                    Ok(float(name, usual))
                };
                Each::Clip(limit("min", 1, f64::NEG_INFINITY)?, limit("max", 2, f64::INFINITY)?)
            }
            _ => return Ok(None),
        }))
    }

    /// A function of one number over the first input.
    pub(super) fn change(&mut self, each: Each) -> Read<Known> {
        Ok(match self.input(0)?.clone() {
            Known::Weights(tensor) => {
                self.builder.keep(tensor.len())?;
                Known::Weights(tensor.mapped(tensor.kind, |x| each.of(x)))
            }
            Known::Samples(own) => Known::Samples(self.each_of(own, each, own.kind)?),
            Known::Texts => return Err(texts()),
        })
    }

    pub(super) fn combine(&mut self, pair: Pair) -> Read<Known> {
        let inputs: Vec<Known> =
            (0..self.node.inputs.len()).map(|i| self.input(i).cloned()).collect::<Read<_>>()?;
        let is_mean = self.node.op == "Mean";
        let Some((first, rest)) = inputs.split_first() else { return Err(lacks(0)) };
        let mut all = first.clone();
        for other in rest {
            let kind = match (kind_of(&all)?, kind_of(other)?) {
                _ if pair.is_a_question() => Kind::Bool,
                (a, b) if a == b => a,
                // The exponent may be of another type.
                (a, _) if pair == Pair::Pow => a,
                _ => return Err(bad("its inputs have different types".to_owned())),
            };
            let pair = if pair == Pair::Div && kind == Kind::Int { Pair::Quotient } else { pair };
            all = match (&all, other) {
                (Known::Weights(a), Known::Weights(b)) => {
                    let made = of_weights(a, b, pair, kind).ok_or_else(|| {
                        bad("weights of these shapes are not combined".to_owned())
                    })?;
                    self.builder.keep(made.len())?;
                    Known::Weights(made)
                }
                _ => Known::Samples(self.paired(&[all, other.clone()], pair, kind)?),
            };
        }
        if is_mean && let Known::Samples(own) = all {
            let count = Tensor::new(own.kind, Vec::new(), vec![inputs.len() as f64]);
            let count = Known::Weights(count.ok_or_else(mixes)?);
            return self.paired(&[all, count], Pair::Div, own.kind).map(Known::Samples);
        }
        Ok(all)
    }

    pub(super) fn paired(&mut self, sides: &[Known; 2], pair: Pair, kind: Kind) -> Read<Samples> {
        let (form, width) = shape_of(sides)?;
        let [a, b] = sides;
        let what = What::Pair(operand(a)?, operand(b)?, pair);
        self.made(what, form, width, kind)
    }

    pub(super) fn choose(&mut self) -> Read<Known> {
        let all = [self.input(0)?.clone(), self.input(1)?.clone(), self.input(2)?.clone()];
        let kind = kind_of(&all[1])?;
        let (form, width) = shape_of(&all)?;
        let what = What::Choose([operand(&all[0])?, operand(&all[1])?, operand(&all[2])?]);
        self.made(what, form, width, kind).map(Known::Samples)
    }

    pub(super) fn constant(&mut self) -> Read<Tensor> {
        let attribute = |name: &str| self.node.attributes.get(name);
        let made = if let Some(own) = attribute("value") {
            own.tensor.clone()
        } else if let Some(own) = attribute("value_float").and_then(|own| own.float) {
            Tensor::new(Kind::Single, Vec::new(), vec![own])
        } else if let Some(own) = attribute("value_int").and_then(|own| own.int) {
            Tensor::new(Kind::Int, Vec::new(), vec![own as f64])
        } else if let Some(own) = attribute("value_floats") {
            Tensor::new(Kind::Single, vec![own.floats.len()], own.floats.clone())
        } else if let Some(own) = attribute("value_ints") {
            let ints = own.ints.iter().map(|int| *int as f64).collect();
            Tensor::new(Kind::Int, vec![own.ints.len()], ints)
        } else {
            None
        };
        made.ok_or_else(|| bad("it holds no numbers".to_owned()))
    }

    pub(super) fn cast(&mut self) -> Read<Known> {
        let to = self.int("to", 0);
        let kind = Kind::of(to).ok_or_else(|| bad(format!("type {to} is not supported")))?;
        Ok(match self.input(0)?.clone() {
            Known::Weights(tensor) => {
                self.builder.keep(tensor.len())?;
                Known::Weights(tensor.mapped(kind, |x| x))
            }
            Known::Samples(own) => Known::Samples(self.each_of(own, Each::Same, kind)?),
            Known::Texts => Known::Texts,
        })
    }
}

impl Pair {
    fn is_a_question(self) -> bool {
        matches!(
            self,
            Pair::Less
                | Pair::LessOrEqual
                | Pair::Greater
                | Pair::GreaterOrEqual
                | Pair::Equal
                | Pair::And
                | Pair::Or
                | Pair::Xor
        )
    }
}

pub(super) fn pair(op: &str) -> Option<Pair> {
    Some(match op {
        "Add" | "Sum" | "Mean" => Pair::Add,
        "Sub" => Pair::Sub,
        "Mul" => Pair::Mul,
        "Div" => Pair::Div,
        "Pow" => Pair::Pow,
        "Max" => Pair::Max,
        "Min" => Pair::Min,
        "Less" => Pair::Less,
        "LessOrEqual" => Pair::LessOrEqual,
        "Greater" => Pair::Greater,
        "GreaterOrEqual" => Pair::GreaterOrEqual,
        "Equal" => Pair::Equal,
        "And" => Pair::And,
        "Or" => Pair::Or,
        "Xor" => Pair::Xor,
        "PRelu" => Pair::Leaky,
        _ => return None,
    })
}

/// Form and columns of what several values make together. Rows of weights are as wide as the tables, or one number.
fn shape_of(all: &[Known]) -> Read<(Form, usize)> {
    let mut form = None;
    let (mut width, mut rank) = (1, 0);
    for known in all {
        let own = match known {
            Known::Samples(own) => {
                if form.is_some_and(|form| form != own.form) {
                    return Err(mixes());
                }
                form = Some(own.form);
                own.width
            }
            Known::Weights(tensor) => {
                rank = rank.max(tensor.dims.len());
                tensor.row().ok_or_else(mixes)?.len()
            }
            Known::Texts => return Err(texts()),
        };
        width = same_rows(width, own)?;
    }
    match form {
        Some(Form::Table) => Ok((Form::Table, width)),
        // A line and a table of one number would be a table of one row.
        Some(Form::Line) if width == 1 && rank <= 1 => Ok((Form::Line, 1)),
        Some(Form::Row) if width == 1 => Ok((Form::Row, 1)),
        Some(_) => Err(mixes()),
        None => Err(bad("all its inputs are constants".to_owned())),
    }
}

fn operand(known: &Known) -> Read<Operand> {
    match known {
        Known::Samples(own) => Ok(Operand::Value(own.value)),
        Known::Weights(tensor) => tensor.row().map(Operand::Row).ok_or_else(mixes),
        Known::Texts => Err(texts()),
    }
}

fn kind_of(known: &Known) -> Read<Kind> {
    match known {
        Known::Samples(own) => Ok(own.kind),
        Known::Weights(tensor) => Ok(tensor.kind),
        Known::Texts => Err(texts()),
    }
}

/// Of the same shape, or one of them a single number.
fn of_weights(a: &Tensor, b: &Tensor, pair: Pair, kind: Kind) -> Option<Tensor> {
    if a.dims == b.dims {
        let values = a.values.iter().zip(b.values.iter());
        let values = values.map(|(a, b)| kind.rounded(pair.of(*a, *b))).collect();
        return Some(Tensor { kind, dims: a.dims.clone(), values });
    }
    match (&*a.values, &*b.values) {
        (_, [one]) if b.dims.len() <= a.dims.len() => Some(a.mapped(kind, |x| pair.of(x, *one))),
        ([one], _) if a.dims.len() <= b.dims.len() => Some(b.mapped(kind, |x| pair.of(*one, x))),
        _ => None,
    }
}
