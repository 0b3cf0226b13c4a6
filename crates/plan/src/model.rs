//! Models that processes train, load and predict with: random forests, and networks from ONNX files ([`network`]).
//!
//! A forest is a list of binary trees whose nodes ask whether a feature is at most a threshold. It predicts the mean of
//! its trees' values, or the class with the largest mean share in them, the lower class where two are equal. `fit`
//! grows one from samples, `json` is its portable form.

mod fit;
mod json;
pub mod network;

use std::fmt;

pub use fit::{Samples, Settings, Variables};

/// A model. Equal ones have the same portable form, and predict the same.
#[derive(Clone)]
pub struct Forest {
    pub target: Target,
    /// The names of the features, in the order in which they are given.
    pub features: Vec<String>,
    trees: Vec<Tree>,
    /// Of the portable form.
    digest: u128,
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Number,
    /// One of these, ascending.
    Class(Vec<f64>),
}

/// A tree as columns; node 0 is its root and children come after their parents.
#[derive(Clone, Debug, PartialEq, Default)]
struct Tree {
    /// The feature that decides; `LEAF` for none.
    feature: Vec<u32>,
    /// Values up to this go left.
    threshold: Vec<f64>,
    /// The two next nodes. Of a leaf: where its values begin.
    children: Vec<[u32; 2]>,
    /// Of leaves: the number, or the share of each class.
    values: Vec<f64>,
}

const LEAF: u32 = u32::MAX;

/// Why a model cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadModel(pub String);

impl Forest {
    fn new(target: Target, features: Vec<String>, trees: Vec<Tree>) -> Forest {
        let mut forest = Forest { target, features, trees, digest: 0 };
        forest.digest = xxhash_rust::xxh3::xxh3_128(forest.to_json().to_string().as_bytes());
        forest
    }

    pub fn len(&self) -> usize {
        self.trees.len()
    }

    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// Nodes of all trees.
    pub fn nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.feature.len()).sum()
    }

    /// What the forest says of one sample: its features in their order.
    pub fn predict(&self, sample: &[f64]) -> f64 {
        let mut sums = vec![0.0; self.outputs()];
        for tree in &self.trees {
            let leaf = tree.leaf(|feature| sample[feature]);
            sums.iter_mut().zip(tree.values(leaf, self.outputs())).for_each(|(sum, v)| *sum += v);
        }
        self.decide(&sums)
    }

    /// The same for many samples: `columns` holds all samples' values of one feature after the other's. Trees go over
    /// blocks of samples, so that a tree stays in the cache.
    pub fn predict_columns(&self, columns: &[&[f64]], out: &mut [f64]) {
        const BLOCK: usize = 512;
        let outputs = self.outputs();
        let mut sums = vec![0.0; BLOCK * outputs];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            sums.fill(0.0);
            let first = block * BLOCK;
            for tree in &self.trees {
                for (i, sums) in sums.chunks_mut(outputs).take(out.len()).enumerate() {
                    let leaf = tree.leaf(|feature| columns[feature][first + i]);
                    sums.iter_mut().zip(tree.values(leaf, outputs)).for_each(|(sum, v)| *sum += v);
                }
            }
            for (out, sums) in out.iter_mut().zip(sums.chunks(outputs)) {
                *out = self.decide(sums);
            }
        }
    }

    /// Values of a leaf.
    fn outputs(&self) -> usize {
        match &self.target {
            Target::Number => 1,
            Target::Class(classes) => classes.len(),
        }
    }

    fn decide(&self, sums: &[f64]) -> f64 {
        match &self.target {
            Target::Number => sums[0] / self.trees.len() as f64,
            Target::Class(classes) => {
                let better = |best: usize, i: usize| if sums[i] > sums[best] { i } else { best };
                classes[(1..sums.len()).fold(0, better)]
            }
        }
    }
}

impl Tree {
    /// The leaf of a sample. `NaN` goes right.
    fn leaf(&self, value: impl Fn(usize) -> f64) -> usize {
        let mut node = 0;
        while self.feature[node] != LEAF {
            let left = value(self.feature[node] as usize) <= self.threshold[node];
            node = self.children[node][usize::from(!left)] as usize;
        }
        node
    }

    fn values(&self, leaf: usize, outputs: usize) -> &[f64] {
        let start = self.children[leaf][0] as usize;
        &self.values[start..start + outputs]
    }

    /// A node without children yet.
    fn push(&mut self) -> usize {
        self.feature.push(LEAF);
        self.threshold.push(0.0);
        self.children.push([0, 0]);
        self.feature.len() - 1
    }

    fn set_leaf(&mut self, node: usize, values: &[f64]) {
        self.children[node] = [self.values.len() as u32, 0];
        self.values.extend(values);
    }
}

impl PartialEq for Forest {
    fn eq(&self, other: &Forest) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Forest {
    /// Short, and different for different forests: plans are compared by their text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forest({} trees, {:032x})", self.trees.len(), self.digest)
    }
}

impl fmt::Display for BadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadModel {}

#[cfg(test)]
mod tests;
