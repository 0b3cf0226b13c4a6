//! Networks: models from ONNX files that tell something of a pixel from its values.
//!
//! A network is read into a list of steps over columns: one column a feature, one number a pixel. Every step works on
//! each pixel by itself, so what a network says of a pixel does not depend on which pixels are asked with it; what mixes
//! pixels (images, sequences, fixed batches) is refused while the file is read. Shapes are known then too, and with them
//! the memory that a call takes. Nothing in a file makes a step allocate more.
//!
//! ```text
//! bytes ─ proto ─► graph ─ build (learned: operators of ai.onnx.ml) ─► steps ─ run ─► columns
//! ```
//! It is no runtime for any ONNX model: what it leaves out, and why, is in `docs/design/0034-networks.md`.

mod build;
mod elementwise;
mod learned;
mod ops;
mod proto;
mod run;
mod shapes;
mod tensor;
mod trees;

use std::fmt;

use self::run::Program;
use super::BadModel;

/// A model from an ONNX file. Equal ones come from the same bytes.
#[derive(Clone)]
pub struct Network {
    /// Values of a sample, over all inputs.
    pub features: usize,
    /// A name for each number that comes out.
    pub outputs: Vec<String>,
    /// Whether all that comes out are numbers of 32 bits.
    pub is_single: bool,
    program: Program,
    digest: u128,
}

impl Network {
    /// Reads a file. `features` is how many values a sample has, for models that leave it open.
    ///
    /// # Errors
    /// What is no ONNX model, has operators that are not known or do not work on each sample by itself, or is too large.
    pub fn parse(bytes: &[u8], features: usize) -> Result<Network, BadModel> {
        let graph = proto::parse(bytes)?;
        let digest = xxhash_rust::xxh3::xxh3_128(bytes);
        let (program, outputs) = build::program(&graph, features)?;
        let names = outputs.iter().map(|output| output.name.clone()).collect();
        let is_single = outputs.iter().all(|output| output.is_single);
        Ok(Network { features, outputs: names, is_single, program, digest })
    }

    /// What the network says of one sample.
    pub fn predict(&self, sample: &[f64]) -> Vec<f64> {
        let columns: Vec<&[f64]> = sample.chunks(1).collect();
        let mut out = vec![0.0; self.outputs.len()];
        self.predict_columns(&columns, 1, &mut out);
        out
    }

    /// The same for many: `columns` holds all samples' values of one feature after the other's, and so does `out` for
    /// what comes out.
    pub fn predict_columns(&self, columns: &[&[f64]], samples: usize, out: &mut [f64]) {
        self.program.run(columns, samples, out);
    }
}

impl PartialEq for Network {
    fn eq(&self, other: &Network) -> bool {
        (self.digest, self.features) == (other.digest, other.features)
    }
}

impl fmt::Debug for Network {
    /// Short, and different for different networks: plans are compared by their text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (steps, outputs) = (self.program.len(), self.outputs.len());
        write!(f, "Network({steps} steps, {} to {outputs}, {:032x})", self.features, self.digest)
    }
}
