//! Names of arrays that every format allows, each once.

use std::collections::BTreeSet;

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `wanted`, or the nearest name that is allowed and free, with a note of the change.
    pub(super) fn give(&mut self, wanted: &str, what: &str, notes: &mut Vec<String>) -> String {
        let allowed = |c: char| if "/\\".contains(c) || c.is_control() { '_' } else { c };
        let mut name: String = wanted.trim().chars().map(allowed).collect();
        // Zarr keeps names of dots alone, and those that start with two underscores, for itself.
        if name.chars().all(|c| c == '.') || name.starts_with("__") || name == "zarr.json" {
            name = format!("{what}{name}");
        }
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        if name != wanted {
            notes.push(format!("the {what} `{wanted}` is called `{name}` in the file"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_free_and_allowed() {
        let (mut names, mut notes) = (Names::default(), Vec::new());
        assert_eq!(names.give("x", "dimension", &mut notes), "x");
        assert_eq!(notes.len(), 0);
        assert_eq!(names.give("x", "band", &mut notes), "x_");
        assert_eq!(names.give("a/b", "band", &mut notes), "a_b");
        assert_eq!(names.give("..", "band", &mut notes), "band..");
        assert_eq!(names.give("", "band", &mut notes), "band");
        assert_eq!(notes.len(), 4);
    }
}
