//! What only Debian has: installed by apt as root, unless `EOLITH_TEST_APT=0` forbids it.

use std::process::Command;

use anyhow::Result;

use crate::shell::{self, say};

/// Installs a package if that is allowed; whether it was tried.
pub(crate) fn install(package: &str) -> Result<bool> {
    if !is_root() || std::env::var_os("EOLITH_TEST_APT").is_some_and(|allowed| allowed == "0") {
        return Ok(false);
    }
    say(&format!("installing {package} by apt"));
    let apt = |args: &[&str]| {
        shell::check(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?;
    apt(&["install", "-qq", "-y", "--no-install-recommends", package])?;
    Ok(true)
}

/// Whether this process may do everything.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Whether this process may do everything.
#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}
