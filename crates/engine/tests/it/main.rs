//! The engine as a whole: vectors three ways, the reference page, and a session over a generated store.

#![expect(clippy::unwrap_used, reason = "a test fails where one of its helpers does")]

mod compare;
mod computed;
mod effects;
mod exports;
mod map;
mod page;
mod session;
mod target;
mod vectors;

use std::path::PathBuf;

/// The openEO reference data, if this machine has it.
fn reference(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("EOLITH_REFERENCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = root.join("openeo").join(folder);
    folder.is_dir().then_some(folder)
}
