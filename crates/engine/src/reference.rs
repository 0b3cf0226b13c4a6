//! Where tests find real data: the folder `data/real` of the reference, if it is there.

use std::path::{Path, PathBuf};

/// Below `$EOLITH_REFERENCE`, else beside the repository. Tests without it use generated data only.
pub(crate) fn reference() -> Option<PathBuf> {
    let root = std::env::var_os("EOLITH_REFERENCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    // Without `..`, as addresses of what is found below it are written.
    root.join("data/real").canonicalize().ok().filter(|data| data.is_dir())
}
