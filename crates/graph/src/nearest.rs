//! "Did you mean": the known name that is closest to an unknown one.

/// Looks for similar names, within a budget: a hostile request with thousands of unknown names gets
/// hints for the first of them only.
#[derive(Debug)]
pub(crate) struct Nearest {
    comparisons_left: usize,
}

/// Longer names are not compared.
const MAX_CHARS: usize = 48;

impl Nearest {
    pub(crate) fn new() -> Self {
        Nearest { comparisons_left: 50_000 }
    }

    /// The candidate with the fewest edits (insert, delete, replace, swap neighbours; case does not
    /// count) if they are at most a third of the name's length; the first of several.
    pub(crate) fn find<'a>(
        &mut self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let name = folded(name)?;
        let mut best = None;
        let mut limit = name.len() / 3 + 1;
        for candidate in candidates {
            if self.comparisons_left == 0 {
                break;
            }
            self.comparisons_left -= 1;
            let Some(folded) = folded(candidate) else { continue };
            if folded.len().abs_diff(name.len()) >= limit {
                continue;
            }
            let edits = edits(&name, &folded);
            if edits < limit {
                limit = edits;
                best = Some(candidate);
            }
        }
        best
    }

    /// The same as a hint.
    pub(crate) fn hint<'a>(
        &mut self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        self.find(name, candidates).map(|found| format!("did you mean `{found}`?"))
    }
}

fn folded(name: &str) -> Option<Vec<char>> {
    // Bytes bound chars from above; four bytes a char is UTF-8's maximum.
    if name.len() > 4 * MAX_CHARS {
        return None;
    }
    let chars: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    (!chars.is_empty() && chars.len() <= MAX_CHARS).then_some(chars)
}

/// The optimal string alignment distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_closest_name() {
        let known = ["reduce_dimension", "rename_dimension", "ndvi", "add", "e"];
        let mut nearest = Nearest::new();
        assert_eq!(nearest.find("reduce_dimensions", known), Some("reduce_dimension"));
        assert_eq!(nearest.find("NDVI", known), Some("ndvi"));
        assert_eq!(nearest.find("nvdi", known), Some("ndvi"));
        assert_eq!(nearest.find("completely_else", known), None);
        assert_eq!(nearest.find("", known), None);
        assert_eq!(nearest.find(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn counts_swaps_as_one_edit() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("abcd"), &chars("abdc")), 1);
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(edits(&chars(""), &chars("abc")), 3);
    }

    #[test]
    fn stops_when_the_budget_is_spent() {
        let mut nearest = Nearest { comparisons_left: 1 };
        assert_eq!(nearest.find("ndvx", ["ndvi"]), Some("ndvi"));
        assert_eq!(nearest.find("ndvx", ["ndvi"]), None);
    }
}
