//! Links of documents.

use std::path::Path;

use super::File;

/// Links of a Markdown file that lead to no file of the repository.
pub(super) fn links(file: &File, root: &Path) -> Vec<String> {
    if Path::new(&file.path).extension().is_none_or(|e| e != "md") {
        return Vec::new();
    }
    let folder = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
    let mut complaints = Vec::new();
    let mut code = false;
    for (i, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for target in targets(line) {
            let path = target.split('#').next().unwrap_or_default();
            let outside =
                ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
            if !outside && !path.is_empty() && !folder.join(path).exists() {
                complaints.push(file.at(i, &format!("the link `{target}` leads nowhere")));
            }
        }
    }
    complaints
}

/// What stands in `](…)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed() {
        let root = crate::shell::root();
        let text =
            "[a](https://a.org) ![b](../Cargo.toml) [c](#d)\n```\n[e](f)\n```\n[g](none.md#h)\n";
        let file = File { path: "docs/x.md".to_owned(), text: text.to_owned() };
        assert_eq!(links(&file, &root), ["docs/x.md:5: the link `none.md#h` leads nowhere"]);
    }
}
