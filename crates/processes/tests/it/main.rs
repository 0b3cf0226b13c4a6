//! The processes against the standard's interface, its vectors, and their kernels against their definitions.

#![expect(clippy::unwrap_used, reason = "a test fails where one of its helpers does")]

mod encoding;
mod interface;
mod kernels;
mod order;
mod plans;
mod random;
mod streams;
mod udf;
mod vectors;

use std::path::PathBuf;

/// The openEO reference data, if this machine has it.
fn reference(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("EOLITH_REFERENCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = root.join("openeo").join(folder);
    path.is_dir().then_some(path)
}
