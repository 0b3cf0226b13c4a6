//! What a server says of itself to people: its name, and where its operator says more.

use serde::Deserialize;
use serde_json::{Value, json};

/// Relations that are about the account of a user; all others are about the server.
const OF_ACCOUNTS: [&str; 3] = ["edit-form", "payment", "alternate"];
/// Relations that only the server itself can say.
const OURS: [&str; 9] = [
    "self",
    "root",
    "version-history",
    "data",
    "conformance",
    "service-desc",
    "search",
    "items",
    "http://www.opengis.net/def/rel/ogc/1.0/queryables",
];

/// Name, text and links of an installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct About {
    pub title: String,
    /// CommonMark.
    pub description: String,
    pub links: Vec<Reference>,
}

/// An address that the operator names: of terms, of a form, of an editor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// As openEO names it: `terms-of-service`, `privacy-policy`, `create-form`, `web-editor`, …
    pub rel: String,
    pub href: String,
    pub title: Option<String>,
    /// The media type of what is there.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Default for About {
    fn default() -> About {
        About {
            title: "Eolith".to_owned(),
            description: "Earth observation data cubes behind the openEO API.".to_owned(),
            links: Vec::new(),
        }
    }
}

impl About {
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        for Reference { rel, href, .. } in &self.links {
            if OURS.contains(&rel.as_str()) || rel.is_empty() {
                return Err(format!("`rel = \"{rel}\"` is nothing that an operator says"));
            }
            let web =
                ["https://", "http://", "mailto:"].iter().any(|start| href.starts_with(start));
            if !web {
                return Err(format!("`{href}` of `{rel}` is no address of the web"));
            }
        }
        Ok(())
    }

    /// The links about the server, or those about accounts.
    pub(crate) fn links(&self, accounts: bool) -> impl Iterator<Item = Value> {
        let wanted = move |link: &&Reference| OF_ACCOUNTS.contains(&link.rel.as_str()) == accounts;
        self.links.iter().filter(wanted).map(Reference::shown)
    }
}

impl Reference {
    fn shown(&self) -> Value {
        let Reference { rel, href, title, kind } = self;
        let (title, kind) =
            (title.as_deref().unwrap_or(rel), kind.as_deref().unwrap_or("text/html"));
        json!({"rel": rel, "href": href, "type": kind, "title": title})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_of_the_web_and_not_ours() {
        let about = |rel: &str, href: &str| {
            let link = json!({"rel": rel, "href": href});
            serde_json::from_value::<About>(json!({"links": [link]})).unwrap()
        };
        let terms = about("terms-of-service", "https://e.org/terms");
        assert!(terms.check().is_ok());
        assert_eq!(terms.links(false).next().unwrap()["title"], "terms-of-service");
        assert_eq!(terms.links(true).count(), 0);
        assert_eq!(about("payment", "https://e.org/pay").links(true).count(), 1);
        assert!(about("self", "https://e.org").check().is_err());
        assert!(about("about", "/etc/passwd").check().is_err());
    }
}
