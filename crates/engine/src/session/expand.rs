//! Stored processes: those of users, and those that a process graph names by address.
//!
//! Addresses are those of the extension for remote process definitions: a process, or a list of them. They are read as
//! what a request brings ([`crate::storage::access`]), without any token, once for each run; [`super::documents`] keeps them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eolith_graph::{Code, Expansion, Issue, Library, Lookup, NodePath, Process, Reference, expand};
use eolith_processes::registry;
use serde_json::Value as Json;

use super::Session;

/// Addresses that one process may lead to.
const MOST_ADDRESSES: usize = 20;

/// What was read for a run, by address; errors are texts.
type Read = BTreeMap<String, Result<Arc<Json>, String>>;

impl Session {
    /// The process with stored ones in place.
    ///
    /// # Errors
    /// Processes that call themselves, or lead nowhere.
    pub(super) async fn expanded<'p>(
        &self,
        process: &'p Process,
    ) -> Result<Cow<'p, Process>, Vec<Issue>> {
        let mut library = Library::new();
        let mut read = Read::new();
        loop {
            match expand(process, registry(), &library) {
                Expansion::Unchanged => return Ok(Cow::Borrowed(process)),
                Expansion::Process(process) => return Ok(Cow::Owned(*process)),
                Expansion::Issues(issues) => return Err(issues),
                // Each round answers all that is open, and nothing nests deeper than so many levels.
                Expansion::Open(open) => self.look_up(open, &mut library, &mut read).await?,
            }
        }
    }

    async fn look_up(
        &self,
        open: BTreeSet<Reference>,
        library: &mut Library,
        read: &mut Read,
    ) -> Result<(), Vec<Issue>> {
        let mut stored: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for reference in open {
            match reference.namespace.as_deref() {
                Some(address) if address.contains("://") => {
                    let lookup = match self.document(address, read).await {
                        Ok(document) => named(document, &reference.id),
                        Err(reason) => Lookup::Failed(reason),
                    };
                    library.insert(reference, lookup);
                }
                _ => stored.entry(reference.namespace).or_default().push(reference.id),
            }
        }
        for (namespace, ids) in stored {
            let found = self.workspace.processes(namespace.as_deref(), &ids).await;
            let mut found = found.map_err(|error| {
                vec![Issue::new(Code::INTERNAL, NodePath::default(), error.to_string())]
            })?;
            for id in ids {
                let lookup = found.remove(&id).map_or(Lookup::Missing, Lookup::Found);
                library.insert(Reference { namespace: namespace.clone(), id }, lookup);
            }
        }
        Ok(())
    }

    async fn document<'d>(&self, address: &str, read: &'d mut Read) -> Result<&'d Json, String> {
        if !read.contains_key(address) {
            let document = if read.len() < MOST_ADDRESSES {
                self.documents.read(address, self.catalog.access()).await
            } else {
                Err(format!("the process leads to more than {MOST_ADDRESSES} addresses"))
            };
            read.insert(address.to_owned(), document);
        }
        match read.get(address) {
            Some(Ok(document)) => Ok(document),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("it was not read".to_owned()),
        }
    }
}

/// The process of that id in a document: a process, or an object with `processes`.
fn named(document: &Json, id: &str) -> Lookup {
    let has_id = |process: &&Json| process["id"] == id;
    let found = match document.get("processes") {
        Some(Json::Array(processes)) => processes.iter().find(has_id),
        Some(_) => return Lookup::Failed("`processes` of the namespace is no array".to_owned()),
        None => Some(document).filter(has_id),
    };
    found.map_or(Lookup::Missing, |process| Lookup::Found(process.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn processes_are_found_by_id_in_both_kinds_of_documents() {
        let f = json!({"id": "f", "process_graph": {}});
        assert_eq!(named(&f, "f"), Lookup::Found(f.clone()));
        assert_eq!(named(&f, "g"), Lookup::Missing);
        assert_eq!(named(&json!({"processes": [{"id": "g"}, f]}), "f"), Lookup::Found(f));
        assert_eq!(named(&json!([1]), "f"), Lookup::Missing);
        assert!(matches!(named(&json!({"processes": 1}), "f"), Lookup::Failed(_)));
    }
}
