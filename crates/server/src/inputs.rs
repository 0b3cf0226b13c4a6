//! What results were made of, and how their STAC says so: `derived_from`, licence and providers.
//!
//! The engine tells what a run has read. The data sets are kept with the job; their items, of which there may be many,
//! in a file beside the results, which is one item collection behind a signed link.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use eolith_engine::session::{self, Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::links::{Links, escaped, link};

/// Words for licences that have no name of their own; STAC 1.1 knows the first only.
const NAMELESS: [&str; 3] = ["other", "proprietary", "various"];

/// A data set that results were made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Input {
    origin: Kept,
    title: Option<String>,
    license: Option<String>,
    providers: Vec<Value>,
    /// To licences and citations.
    links: Vec<Value>,
    /// How many of its items were read.
    items: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Collection(String),
    Address(String),
    Job(String),
    File(String),
}

/// What is kept of what a run has read.
pub(crate) fn kept(read: &[session::Input]) -> Vec<Input> {
    let kept = |input: &session::Input| Input {
        origin: match input.origin.clone() {
            Origin::Collection(id) => Kept::Collection(id),
            Origin::Address(address) => Kept::Address(address),
            Origin::Job(id) => Kept::Job(id),
            Origin::File(path) => Kept::File(path),
        },
        title: input.title.clone(),
        license: input.license.clone(),
        providers: input.providers.clone(),
        links: input.links.clone(),
        items: input.items.len(),
    };
    read.iter().map(kept).collect()
}

/// Writes the items of all data sets, in the order of [`kept`], if there are any.
pub(crate) fn write(path: &Path, read: &[session::Input]) -> io::Result<()> {
    if read.iter().all(|input| input.items.is_empty()) {
        return Ok(());
    }
    let items: Value = read.iter().map(|input| Value::from(input.items.clone())).collect();
    std::fs::write(path, items.to_string())
}

/// Whether items were read.
pub(crate) fn has_items(inputs: &[Input]) -> bool {
    inputs.iter().any(|input| input.items > 0)
}

/// The file as an item collection.
pub(crate) fn item_collection(inputs: &[Input], file: Value, links: &Links) -> Value {
    let Value::Array(lists) = file else { return json!(null) };
    let mut features = Vec::new();
    for (input, list) in inputs.iter().zip(lists) {
        let Value::Array(items) = list else { continue };
        for mut item in items {
            if let (Kept::Collection(id), Some(own)) = (&input.origin, item["links"].as_array_mut())
            {
                own.push(link("collection", links.collection(id), "Its collection"));
                item["collection"] = id.as_str().into();
            }
            features.push(item);
        }
    }
    json!({"type": "FeatureCollection", "features": features, "links": []})
}

/// Links `derived_from` to the data sets and, if there are any, to their items at `items`; and those to licences.
pub(crate) fn derived(inputs: &[Input], links: &Links, items: &str) -> Vec<Value> {
    let mut derived: Vec<Value> = Vec::new();
    let mut add = |link: Value| {
        if !derived.iter().any(|known| known["rel"] == link["rel"] && known["href"] == link["href"])
        {
            derived.push(link);
        }
    };
    for Input { origin, title, .. } in inputs {
        let (href, name) = match origin {
            Kept::Collection(id) => (links.collection(id), id),
            Kept::Address(address) => (address.clone(), address),
            Kept::Job(id) => (links.to(&format!("/jobs/{id}/results")), id),
            Kept::File(path) => {
                (links.to(&format!("/files/{}", escaped(path.trim_start_matches('/')))), path)
            }
        };
        let title = title.as_ref().unwrap_or(name);
        let mut link = json!({"rel": "derived_from", "href": href, "title": title});
        if let Kept::Collection(_) | Kept::Job(_) = origin {
            link["type"] = "application/json".into();
        }
        add(link);
    }
    if has_items(inputs) {
        let mut link = link("derived_from", items.to_owned(), "All items that were read");
        link["type"] = "application/geo+json".into();
        add(link);
    }
    inputs.iter().flat_map(|input| &input.links).cloned().for_each(add);
    derived
}

/// The licence of all of them, or `other` where there are several, or one without a name.
pub(crate) fn license(inputs: &[Input]) -> &str {
    let all: BTreeSet<&str> =
        inputs.iter().map(|input| input.license.as_deref().unwrap_or_default()).collect();
    match all.first() {
        Some(only) if all.len() == 1 && !only.is_empty() && !NAMELESS.contains(only) => only,
        _ => NAMELESS[0],
    }
}

/// The providers of all, each once with all its roles, and this back-end, which `processed` the results.
pub(crate) fn providers(inputs: &[Input], processed: Map<String, Value>) -> Vec<Value> {
    let mut providers: Vec<Value> = Vec::new();
    for provider in inputs.iter().flat_map(|input| &input.providers) {
        let same =
            |own: &&mut Value| own["name"] == provider["name"] && own["url"] == provider["url"];
        let Some(known) = providers.iter_mut().find(same) else {
            if provider["name"].is_string() {
                providers.push(provider.clone());
            }
            continue;
        };
        for role in provider["roles"].as_array().into_iter().flatten() {
            match known["roles"].as_array_mut() {
                Some(roles) if !roles.contains(role) => roles.push(role.clone()),
                Some(_) => {}
                None => known["roles"] = json!([role]),
            }
        }
    }
    let mut own = processed;
    own.insert("name".to_owned(), "Eolith".into());
    own.insert("roles".to_owned(), json!(["processor"]));
    providers.push(own.into());
    providers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(license: Option<&str>, providers: Value) -> Input {
        Input {
            origin: Kept::Address("https://h/c".to_owned()),
            title: None,
            license: license.map(str::to_owned),
            providers: providers.as_array().cloned().unwrap_or_default(),
            links: Vec::new(),
            items: 0,
        }
    }

    #[test]
    fn a_licence_is_said_where_all_have_it() {
        let of = |licenses: &[Option<&str>]| {
            let inputs: Vec<Input> = licenses.iter().map(|l| input(*l, json!([]))).collect();
            license(&inputs).to_owned()
        };
        assert_eq!(of(&[Some("CC-BY-4.0"), Some("CC-BY-4.0")]), "CC-BY-4.0");
        for other in [
            &[Some("CC-BY-4.0"), Some("MIT")][..],
            &[Some("MIT"), None],
            &[Some("proprietary")],
            &[],
        ] {
            assert_eq!(of(other), "other", "{other:?}");
        }
    }

    #[test]
    fn providers_come_once_with_all_their_roles() {
        let esa = |role: &str| json!([{"name": "ESA", "roles": [role]}, {"roles": ["host"]}]);
        let inputs = [input(None, esa("producer")), input(None, esa("licensor"))];
        let all = providers(&inputs, Map::new());
        assert_eq!(all[0], json!({"name": "ESA", "roles": ["producer", "licensor"]}));
        assert_eq!((all.len(), &all[1]["roles"]), (2, &json!(["processor"])));
    }
}
