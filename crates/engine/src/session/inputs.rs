//! What a run reads: the data sets of its plan with their items, and what is said of whose they are.
//!
//! It is taken from the plan and the answers that it was made of, not from the process graph: of many items only those
//! are named that have a part in the result.

use std::collections::BTreeSet;

use eolith_plan::logical::Logical;
use eolith_plan::need::{Answer, Need, Scene, Snapshot};
use eolith_plan::op::Op;
use eolith_plan::request::Source;
use serde_json::{Value as Json, json};

use super::Session;
use super::resource::VERSION;
use crate::catalog::{bounds, describe};

/// Something that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub origin: Origin,
    /// The id that the data set gives itself; empty where it has none.
    pub id: String,
    pub title: Option<String>,
    /// An SPDX id or `proprietary`; `None` where nothing can be known.
    pub license: Option<String>,
    /// STAC provider objects.
    pub providers: Vec<Json>,
    /// STAC links to licences and citations.
    pub links: Vec<Json>,
    /// STAC items without assets, a link `via` to where others can read them where that is known; empty for data that
    /// is no collection of items.
    pub items: Vec<Json>,
}

/// How whoever sent the process calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A collection of this back-end.
    Collection(String),
    /// An address without its query, where signatures are.
    Address(String),
    /// The results of a job.
    Job(String),
    /// A file of the workspace.
    File(String),
}

/// A data set of a plan, and its scenes that are read.
struct Read {
    source: Source,
    items: Vec<Json>,
}

impl Session {
    /// What a plan reads, described.
    pub(super) async fn inputs(&self, found: Found) -> Vec<Input> {
        let mut inputs: Vec<Input> = Vec::new();
        for Read { source, items } in found.reads {
            let about = self.catalog.about(&source, &*self.workspace).await;
            for (number, origin) in origins(&source).into_iter().enumerate() {
                let items = if number == 0 { items.clone() } else { Vec::new() };
                let bare = Input::of(origin);
                inputs.push(match &about {
                    Some(about) => Input {
                        id: about.id.clone(),
                        title: about.title.clone(),
                        license: Some(about.license.clone()),
                        providers: about.providers.clone(),
                        links: (about.links.iter())
                            .filter(|link| link["rel"] == "license" || link["rel"] == "cite-as")
                            .cloned()
                            .collect(),
                        items,
                        ..bare
                    },
                    None => Input { items, ..bare },
                });
            }
        }
        inputs.extend(found.files.into_iter().map(|address| Input::of(origin(&address))));
        inputs.dedup_by(|a, b| a.origin == b.origin && a.items == b.items);
        inputs
    }
}

/// What a plan reads.
pub(super) struct Found {
    reads: Vec<Read>,
    /// Models, by address or path.
    files: Vec<String>,
}

/// What a plan reads that was made with these answers, and what was read for them.
pub(super) fn of(logical: &Logical, known: &Snapshot) -> Found {
    let computed = known.iter().filter_map(|(need, _)| need.subplan());
    let plans: Vec<&Logical> =
        std::iter::once(logical).chain(computed.map(|subplan| subplan.plan())).collect();
    let mut sources: Vec<(&Source, BTreeSet<&str>)> = Vec::new();
    for node in plans.iter().flat_map(|plan| &plan.nodes) {
        let Op::Scan(scan) = &node.op else { continue };
        let source = &scan.request.source;
        let at = sources.iter().position(|(other, _)| *other == source).unwrap_or_else(|| {
            sources.push((source, BTreeSet::new()));
            sources.len() - 1
        });
        sources[at].1.extend(scan.pieces().map(|piece| piece.array.href.as_str()));
    }
    let read = |(source, files): (&Source, BTreeSet<&str>)| Read {
        source: source.clone(),
        items: items(source, &files, known),
    };
    let mut reads: Vec<Read> = sources.into_iter().map(read).collect();
    let mut files = Vec::new();
    for (need, _) in known.iter() {
        match need {
            Need::Features { source } => {
                reads.push(Read { source: source.clone(), items: Vec::new() });
            }
            Need::Model { uri } | Need::Network { uri, .. } => files.push(uri.clone()),
            _ => {}
        }
    }
    Found { reads, files }
}

/// The items of a source that have some of these files.
fn items(source: &Source, files: &BTreeSet<&str>, known: &Snapshot) -> Vec<Json> {
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    for (need, answer) in known.iter() {
        let (Need::Scenes { source: own, .. }, Answer::Scenes(scenes)) = (need, answer) else {
            continue;
        };
        for scene in scenes.iter().filter(|_| own == source) {
            let is_read =
                scene.assets.iter().any(|asset| files.contains(asset.array.href.as_str()));
            if is_read && seen.insert((&scene.id, scene.time.instant)) {
                items.push(item(scene));
            }
        }
    }
    items
}

fn item(scene: &Scene) -> Json {
    let via = scene.address.iter().map(|href| json!({"rel": "via", "href": href}));
    let mut item = json!({
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": scene.id,
        "geometry": scene.bbox.map(bounds::outline),
        "properties": {"datetime": describe::instant_text(scene.time.instant)},
        "links": via.collect::<Vec<Json>>(),
        "assets": {},
    });
    if let Some(bbox) = scene.bbox {
        item["bbox"] = json!(bbox);
    }
    item
}

fn origins(source: &Source) -> Vec<Origin> {
    match source {
        Source::Collection(id) => vec![Origin::Collection(id.clone())],
        Source::Result(job) => vec![Origin::Job(job.clone())],
        Source::Stac(url) | Source::Url(url, _) => vec![origin(url)],
        Source::Files(paths, _) => paths.iter().cloned().map(Origin::File).collect(),
    }
}

/// What an address or a path stands for.
fn origin(address: &str) -> Origin {
    if !address.contains("://") {
        return Origin::File(address.to_owned());
    }
    Origin::Address(address.split(['?', '#']).next().unwrap_or_default().to_owned())
}

impl Input {
    /// One of which nothing else is known.
    fn of(origin: Origin) -> Input {
        Input {
            origin,
            id: String::new(),
            title: None,
            license: None,
            providers: Vec::new(),
            links: Vec::new(),
            items: Vec::new(),
        }
    }
}
