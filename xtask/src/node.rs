//! The npm packages of the tests, in `target/test-env/node`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{self, say};

/// Installs what `tests/js/package.json` names; gives the folder of the modules, for `NODE_PATH`.
pub(crate) fn modules() -> Result<PathBuf> {
    let list = shell::root().join("tests/js/package.json");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("cannot read `{}`", list.display()))?;
    let folder = shell::target()?.join("test-env/node");
    let modules = folder.join("node_modules");
    let installed = folder.join("installed.txt");
    if modules.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(modules);
    }
    say(&format!("installing npm packages into {}", folder.display()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), &wanted)?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel",
        "error",
    ]);
    shell::check(npm.current_dir(&folder)).context("the tests need Node with npm")?;
    fs::write(installed, wanted)?;
    Ok(modules)
}
