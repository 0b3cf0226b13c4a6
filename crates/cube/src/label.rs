//! Labels of dimensions.

use std::fmt;
use std::sync::Arc;

use crate::time::TimeLabel;

/// One label. Labels compare by type first: the number 1 is not the text `1`.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    Text(Arc<str>),
    Int(i64),
    Float(f64),
    Time(TimeLabel),
}

/// All labels of one dimension, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Evenly spaced pixel centres.
    Regular(Regular),
    List(Arc<[Label]>),
}

/// `len` evenly spaced numbers: `start + i * step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regular {
    pub start: f64,
    pub step: f64,
    pub len: usize,
}

impl Label {
    pub fn text(text: impl Into<Arc<str>>) -> Label {
        Label::Text(text.into())
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Label::Text(text) = self { Some(text) } else { None }
    }

    pub fn as_time(&self) -> Option<&TimeLabel> {
        if let Label::Time(time) = self { Some(time) } else { None }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Label::Int(value) => Some(*value as f64),
            Label::Float(value) => Some(*value),
            Label::Text(_) | Label::Time(_) => None,
        }
    }

    /// Whether both name the same thing: times as instants, numbers by value, texts exactly.
    pub fn same(&self, other: &Label) -> bool {
        match (self, other) {
            (Label::Text(a), Label::Text(b)) => a == b,
            (Label::Time(a), Label::Time(b)) => a.instant == b.instant,
            _ => match (self.as_f64(), other.as_f64()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Text(text) => f.write_str(text),
            Label::Int(value) => write!(f, "{value}"),
            Label::Float(value) => write!(f, "{value}"),
            Label::Time(time) => f.write_str(&time.text),
        }
    }
}

impl Labels {
    pub fn list(labels: impl IntoIterator<Item = Label>) -> Labels {
        Labels::List(labels.into_iter().collect())
    }

    pub fn texts<S: AsRef<str>>(labels: impl IntoIterator<Item = S>) -> Labels {
        Labels::list(labels.into_iter().map(|text| Label::text(text.as_ref())))
    }

    /// The integers `0..n`, as given to a dimension whose labels lost their meaning.
    pub fn enumerated(n: usize) -> Labels {
        Labels::list((0..n as i64).map(Label::Int))
    }

    pub fn len(&self) -> usize {
        match self {
            Labels::Regular(regular) => regular.len,
            Labels::List(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label at `index`.
    pub fn get(&self, index: usize) -> Label {
        match self {
            Labels::Regular(regular) => Label::Float(regular.at(index)),
            Labels::List(list) => list[index].clone(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Label> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Position of a label, by [`Label::same`].
    pub fn position(&self, label: &Label) -> Option<usize> {
        self.iter().position(|own| own.same(label))
    }

    /// The labels at `indices`, kept regular where they are evenly spaced neighbours.
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Labels {
        let contiguous = indices.windows(2).all(|pair| pair[1] == pair[0] + 1);
        match (self, indices.first()) {
            (Labels::Regular(regular), Some(&first)) if contiguous => {
                Labels::Regular(regular.slice(first, indices.len()))
            }
            _ => Labels::list(indices.iter().map(|&i| self.get(i))),
        }
    }

    /// The numbers as evenly spaced centres, if they are (1e-6 of a step); a single number is not, since its
    /// step is unknown.
    pub fn regular(&self) -> Option<Regular> {
        match self {
            Labels::Regular(regular) => Some(*regular),
            Labels::List(list) => {
                let numbers: Option<Vec<f64>> = list.iter().map(Label::as_f64).collect();
                Regular::detect(&numbers?)
            }
        }
    }
}

impl Regular {
    pub fn at(&self, index: usize) -> f64 {
        self.start + index as f64 * self.step
    }

    /// `len` neighbours from `first` on.
    #[must_use]
    pub fn slice(&self, first: usize, len: usize) -> Regular {
        Regular { start: self.at(first), step: self.step, len }
    }

    /// Outer edges of the first and the last pixel, in index order.
    pub fn edges(&self) -> (f64, f64) {
        (self.start - self.step / 2.0, self.start + (self.len as f64 - 0.5) * self.step)
    }

    /// Evenly spaced numbers within 1e-6 of a step, or `None`.
    pub fn detect(numbers: &[f64]) -> Option<Regular> {
        let (&first, &last) = (numbers.first()?, numbers.last()?);
        if numbers.len() < 2 {
            return None;
        }
        let step = (last - first) / (numbers.len() - 1) as f64;
        let regular = Regular { start: first, step, len: numbers.len() };
        let even =
            |(i, &number): (usize, &f64)| (regular.at(i) - number).abs() <= 1e-6 * step.abs();
        (step != 0.0 && step.is_finite() && numbers.iter().enumerate().all(even)).then_some(regular)
    }
}
