//! Limits of one user that are not those of the server, as the store keeps them.

use serde::{Deserialize, Serialize};

/// Limits of a user; what is not said is as for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Bytes of files and results.
    #[serde(skip_serializing_if = "Term::is_default")]
    pub storage: Term<u64>,
    /// Batch jobs that run at a time.
    #[serde(skip_serializing_if = "Term::is_default")]
    pub jobs: Term<u64>,
    /// Synchronous requests that one server works on at a time.
    #[serde(skip_serializing_if = "Term::is_default")]
    pub requests: Term<u64>,
    /// What the user may spend in all.
    #[serde(skip_serializing_if = "Term::is_default")]
    pub credits: Term<f64>,
}

/// One limit of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Term<T> {
    /// As for everybody.
    #[default]
    Default,
    /// No limit.
    None,
    #[serde(untagged)]
    Most(T),
}

impl<T: Copy> Term<T> {
    /// `default`, `none`, or what `parse` makes of the text.
    ///
    /// # Errors
    /// Those of `parse`.
    pub fn parse(
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Term<T>, String> {
        match text {
            "default" => Ok(Term::Default),
            "none" => Ok(Term::None),
            text => parse(text).map(Term::Most),
        }
    }

    /// The limit, where everybody has another one.
    pub(crate) fn or(self, everybody: Option<T>) -> Option<T> {
        match self {
            Term::Default => everybody,
            Term::None => None,
            Term::Most(most) => Some(most),
        }
    }

    fn is_default(&self) -> bool {
        matches!(self, Term::Default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let terms = Terms { storage: Term::Most(5), jobs: Term::None, ..Terms::default() };
        let text = serde_json::to_string(&terms).unwrap();
        assert_eq!(text, r#"{"storage":5,"jobs":"none"}"#);
        assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), terms);
        assert_eq!(serde_json::from_str::<Terms>("{}").unwrap(), Terms::default());
        let limits =
            [terms.storage.or(Some(9)), terms.jobs.or(Some(9)), terms.requests.or(Some(9))];
        assert_eq!(limits, [Some(5), None, Some(9)]);
        let number = |text: &str| text.parse::<u64>().map_err(|e| e.to_string());
        assert_eq!(Term::parse("7", number), Ok(Term::Most(7)));
        assert_eq!(Term::parse("none", number), Ok(Term::None));
        assert!(Term::parse("many", number).is_err());
    }
}
