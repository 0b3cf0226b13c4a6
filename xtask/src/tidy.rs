//! `cargo xtask tidy`: rules of the project that neither compiler nor clippy knows.
//!
//! A rule is a function from the files of the repository to complaints; it also runs as a test. The rules: crates
//! depend on each other only along the edges of `docs/architecture.md`, process ids stay out of optimiser and
//! executors, the reference page has them all, files are short and say what they are, links of documents lead
//! somewhere, and nothing names a machine.

mod crates;
mod documents;
mod page;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, say};

pub(crate) fn run() -> Result<()> {
    let complaints = complaints(&shell::root())?;
    for complaint in &complaints {
        say(complaint);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("tidy: {} complaints", complaints.len())
}

/// A text file of the repository.
#[derive(Clone, Debug)]
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == "rs")
    }

    /// A complaint about a line, counted from 0.
    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

fn complaints(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let mut all = crates::edges(&files)?;
    all.extend(crates::process_ids(&files)?);
    all.extend(page::rules(&files)?);
    for file in &files {
        all.extend(text::rules(file));
        all.extend(documents::links(file, root));
    }
    Ok(all)
}

/// All text files under `root` that are not build output or hidden from git by rule.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type()?.is_dir() {
                if !["target", ".git", "__pycache__", "node_modules", ".eolith"]
                    .contains(&name.as_str())
                {
                    open.push(path);
                }
                continue;
            }
            // What is no UTF-8 is data.
            if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                if relative != ".git" {
                    files.push(File { path: relative, text });
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        assert_eq!(complaints(&shell::root()).unwrap(), Vec::<String>::new());
    }
}
