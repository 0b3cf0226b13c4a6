//! Rules for single lines and single files.

use super::File;

/// Lines of a Rust file.
const LONGEST: usize = 500;

/// Longer files, and why they are.
const LONG: [(&str, &str); 0] = [];

/// Words of unfinished code. Written in two parts, so that this file does not complain about itself.
const UNFINISHED: [(&str, &str); 4] =
    [("todo", "!("), ("unimplemented", "!("), ("FIX", "ME"), ("TO", "DO")];

/// First folders of paths that exist on one machine only.
const MACHINES: [&str; 5] = ["home", "root", "Users", "work", "mnt"];

/// Where packages come from, as lock files and lists may say it.
const REGISTRIES: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];

pub(super) fn rules(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if file.is_rust() {
        if lines > LONGEST && !LONG.iter().any(|(path, _)| *path == file.path) {
            complaints
                .push(file.at(lines - 1, &format!("{lines} lines; split files above {LONGEST}")));
        }
        let is_tests = file.path.ends_with("/tests.rs");
        if file.path.contains("/src/") && !is_tests && !file.text.starts_with("//!") {
            complaints.push(file.at(0, "does not start with `//!` and what the module is"));
        }
    }
    if !is_prose_or_code(&file.path) {
        return complaints;
    }
    for (i, line) in file.text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            complaints.push(file.at(i, "space at the end of the line"));
        }
        for (head, tail) in UNFINISHED {
            let word = format!("{head}{tail}");
            if has_word(line, &word) {
                complaints.push(
                    file.at(i, &format!("`{word}`: finish it, or describe it in docs/PLAN.md")),
                );
            }
        }
        if let Some(path) = machine_path(line) {
            complaints.push(file.at(i, &format!("names a path of one machine: `{path}`")));
        }
        if foreign_registry(&file.path, line) {
            complaints.push(file.at(i, "names a package registry other than the public one"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        complaints.push(file.at(lines.saturating_sub(1), "no line end at the end of the file"));
    }
    complaints
}

/// Data files are as they are.
fn is_prose_or_code(path: &str) -> bool {
    const ENDINGS: [&str; 10] =
        [".rs", ".md", ".toml", ".lock", ".py", ".yml", ".yaml", ".sh", ".js", "requirements.txt"];
    let data = path.contains("/fixtures/") || path.contains("/data/");
    (ENDINGS.iter().any(|ending| path.ends_with(ending)) && !data) || path == ".ci/run"
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && (word.ends_with('(') || !part(after))
    })
}

/// An absolute path below one of [`MACHINES`].
fn machine_path(line: &str) -> Option<&str> {
    MACHINES.iter().find_map(|name| {
        let path = format!("/{name}/");
        line.match_indices(&path).find_map(|(at, _)| {
            let before = line[..at].chars().next_back();
            let inside = before.is_some_and(|c| c.is_alphanumeric() || "._-/*)}]>~$".contains(c));
            let end = line[at..].find([' ', '"', '`', ')', '\'']).map_or(line.len(), |n| at + n);
            (!inside).then_some(&line[at..end])
        })
    })
}

fn foreign_registry(path: &str, line: &str) -> bool {
    let line = line.trim_start();
    let known = || REGISTRIES.iter().any(|registry| line.contains(registry));
    match path.rsplit('/').next() {
        Some("Cargo.lock") => line.starts_with("source = ") && !known(),
        Some("package-lock.json") => line.starts_with("\"resolved\"") && !known(),
        Some("requirements.txt") => line.contains("://") || line.starts_with("--"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        rules(&File { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn files_say_what_they_are_and_are_short() {
        assert_eq!(complaints("crates/a/src/b.rs", "//! What it is.\n"), 0);
        assert_eq!(complaints("crates/a/src/b.rs", "fn f() {}\n"), 1);
        assert_eq!(complaints("crates/a/tests/b.rs", "fn f() {}\n"), 0);
        assert_eq!(complaints("crates/a/src/b.rs", &"//! x\n".repeat(501)), 1);
    }

    #[test]
    fn lines() {
        assert_eq!(complaints("a.md", "text \n"), 1);
        assert_eq!(complaints("a.md", "text"), 1);
        let unfinished = format!("{}{}later\n", "to", "do!(");
        assert_eq!(complaints("a.py", &unfinished), 1);
        assert_eq!(complaints("a.py", "todolist TODOS\n"), 0);
    }

    #[test]
    fn machines_and_registries() {
        let path = format!("see /{}/me/file", "home");
        assert_eq!(machine_path(&path), Some(&path[4..]));
        assert_eq!(machine_path("https://example.org/home/me"), None);
        assert_eq!(machine_path("target/work/file ../root/"), None);
        assert!(foreign_registry("Cargo.lock", "source = \"registry+https://example.org/index\""));
        assert!(!foreign_registry("Cargo.lock", &format!("source = \"{}\"", REGISTRIES[0])));
        assert!(foreign_registry("tests/python/requirements.txt", "--index-url x"));
    }
}
