//! What is exported: where it goes, and what can be known of that before anything is computed.

use eolith_cube::time::Instant;
use eolith_graph::{Code, Issue, NodePath};
use eolith_plan::logical::{Effect, Logical, NodeId, Root, RootValue, StacChange, StacEffect};
use eolith_plan::op::Op;

use super::kept::Kept;
use super::resource::{Copying, ExportError, Place, Resource};
use super::{Session, Target};
use crate::sink::SinkFormat;
use crate::workspace::WorkspaceError;

const COLLECTION: &str = "collection.json";

/// The id of the resource of a saved cube: its node.
pub(super) fn id(root: &Root) -> String {
    root.path.0.join("_")
}

/// The root whose files are the result: the result itself, or what was saved before its resource was changed.
pub(super) fn delivered(logical: &Logical) -> Option<usize> {
    let result = logical.roots.iter().position(|root| root.is_result)?;
    let first = chain(logical, &logical.roots[result]).last()?;
    logical.roots.iter().position(|root| std::ptr::eq(root, first))
}

/// First and last instant of all data that a node is made of.
pub(super) fn source_times(logical: &Logical, node: NodeId) -> Option<[Instant; 2]> {
    let mut wanted = vec![false; logical.nodes.len()];
    wanted[node.0] = true;
    let mut times: Option<[Instant; 2]> = None;
    for at in (0..=node.0).rev() {
        if !wanted[at] {
            continue;
        }
        let node = &logical.nodes[at];
        node.inputs.iter().for_each(|id| wanted[id.0] = true);
        for dim in node.schema.temporal() {
            let labels = node.schema.dims[dim].labels();
            for label in labels.into_iter().flat_map(|labels| labels.iter()) {
                let Some(time) = label.as_time() else { continue };
                let [first, last] = times.unwrap_or([time.instant; 2]);
                times = Some([first.min(time.instant), last.max(time.instant)]);
            }
        }
    }
    times
}

impl Session {
    /// Finds out whether all that is to be exported has a place. What an earlier attempt at the run exported is in no way.
    pub(super) async fn check_exports(
        &self,
        logical: &Logical,
        kept: Option<&Kept>,
    ) -> Result<(), Issue> {
        for (i, root) in logical.roots.iter().enumerate() {
            let Some(Effect::Stac(effect)) = &root.effect else { continue };
            let Some(place) = self.export_place(&effect.change, &root.path).await? else {
                continue;
            };
            // How much it will be is not known, but nothing fits where nothing is free.
            self.check_room(1, &root.path).await?;
            let (mut id, mut format) = (None, None);
            for before in chain(logical, root) {
                match &before.effect {
                    Some(Effect::Stac(StacEffect {
                        change: StacChange::Patch(changes), ..
                    })) => {
                        id = id.or_else(|| changes["id"].as_str().map(str::to_owned));
                    }
                    None => {
                        id = id.or_else(|| Some(self::id(before)));
                        format = self::format(logical, before);
                    }
                    Some(_) => {}
                }
            }
            if matches!(effect.change, StacChange::Collection(_))
                && format != Some(SinkFormat::GTiff)
            {
                let message = "collections are made of GeoTIFFs";
                let issue = Issue::new(Code::new("FeatureUnsupported"), root.path.clone(), message);
                return Err(issue.argument("data").hint("save the result as `GTiff`"));
            }
            if kept.is_some_and(|kept| kept.has_copied(i)) {
                continue;
            }
            let folder = place.folder(&id.unwrap_or_default());
            if tokio::fs::symlink_metadata(&folder).await.is_ok() {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(export_issue(&ExportError::Exists(name), &root.path));
            }
        }
        Ok(())
    }

    /// A resource after a change.
    pub(super) async fn changed(
        &self,
        root: &Root,
        change: &StacChange,
        resource: Option<Resource>,
        target: &Target,
        kept: Option<(&Kept, usize)>,
    ) -> Result<Resource, Issue> {
        let lost = |reason: &str| Issue::new(Code::INTERNAL, root.path.clone(), reason);
        let resource = resource.ok_or_else(|| lost("there is no resource"))?;
        if let StacChange::Patch(changes) = change {
            return Ok(resource.patched(changes));
        }
        // What is not written cannot be copied.
        if matches!(target, Target::Discard) {
            return Ok(resource);
        }
        let Some(place) = self.export_place(change, &root.path).await? else { return Ok(resource) };
        if !self.catalog.access().private {
            resource.check_assets().map_err(|error| export_issue(&error, &root.path))?;
        }
        if let Some((kept, number)) = kept
            && !kept.has_copied(number)
        {
            // What somebody else has put there meanwhile is not taken for this run's.
            resource.check_free(&place).map_err(|error| export_issue(&error, &root.path))?;
        }
        // A copy that an earlier attempt made counts already; this one takes its place.
        if !kept.is_some_and(|(kept, number)| kept.has_copied(number)) {
            let measured = resource.clone();
            let bytes = tokio::task::spawn_blocking(move || measured.bytes()).await;
            let bytes = bytes.map_err(|_| lost("measuring ended early"))?;
            self.check_room(bytes.map_err(|e| lost(&e.to_string()))?, &root.path).await?;
        }
        let copying = kept.map_or_else(|| Ok(Copying::default()), |(kept, i)| kept.copying(i));
        let copying = copying.map_err(|error| lost(&error.to_string()))?;
        let copied = tokio::task::spawn_blocking(move || resource.exported(&place, &copying)).await;
        copied
            .map_err(|_| lost("copying ended early"))?
            .map_err(|error| export_issue(&error, &root.path))
    }

    /// Finds out whether there is room for a copy.
    async fn check_room(&self, bytes: u64, path: &NodePath) -> Result<(), Issue> {
        let room = self.workspace.room(bytes).await;
        room.map_err(|error| match error {
            WorkspaceError::Full(message, hint) => {
                let message = format!("the export does not fit: {message}");
                let issue = Issue::new(Code::STORAGE_QUOTA_EXCEEDED, path.clone(), message);
                hint.into_iter().fold(issue, Issue::hint)
            }
            error => Issue::new(Code::INTERNAL, path.clone(), error.to_string()),
        })
    }

    /// Where a copy goes; `None` for changes that are no copies.
    async fn export_place(
        &self,
        change: &StacChange,
        path: &NodePath,
    ) -> Result<Option<Place>, Issue> {
        let refused = |argument: &str, error: &WorkspaceError| {
            let issue =
                Issue::new(Code::PROCESS_PARAMETER_INVALID, path.clone(), error.to_string());
            issue.argument(argument)
        };
        Ok(Some(match change {
            StacChange::Patch(_) => return Ok(None),
            StacChange::Workspace { name, merge: None } => {
                let folder =
                    self.workspace.place(name, "").map_err(|e| refused("workspace", &e))?;
                Place::Apart(folder)
            }
            StacChange::Workspace { name, merge: Some(into) } => {
                let into = into.trim_matches('/');
                let document = if into.to_ascii_lowercase().ends_with(".json") {
                    into.to_owned()
                } else {
                    format!("{into}/{COLLECTION}")
                };
                let id = document.rsplit('/').find(|part| *part != COLLECTION).unwrap_or(into);
                let id = id.trim_end_matches(".json").to_owned();
                let document = self.workspace.place(name, &document).map_err(|error| {
                    let at = match error {
                        WorkspaceError::Path(_) => "merge",
                        _ => "workspace",
                    };
                    refused(at, &error)
                })?;
                Place::Into { document, id }
            }
            StacChange::Collection(id) => {
                if self.catalog.ids().await.contains(id) {
                    let message = format!("`{id}` is a collection that cannot be changed");
                    let issue = Issue::new(Code::PROCESS_PARAMETER_INVALID, path.clone(), message);
                    return Err(issue.argument("collection"));
                }
                let folder =
                    self.workspace.collection(id).map_err(|e| refused("collection", &e))?;
                Place::Into { document: folder.join(COLLECTION), id: id.clone() }
            }
        }))
    }
}

/// A root and those that gave the resources before its own, the saved cube last.
fn chain<'l>(logical: &'l Logical, root: &'l Root) -> impl Iterator<Item = &'l Root> {
    std::iter::successors(Some(root), |root| match &root.effect {
        Some(Effect::Stac(effect)) => logical
            .roots
            .iter()
            .find(|other| other.path == effect.of && !matches!(other.effect, Some(Effect::Log(_)))),
        _ => None,
    })
}

fn format(logical: &Logical, root: &Root) -> Option<SinkFormat> {
    let RootValue::Cube(id) = root.value else { return None };
    match &logical.node(id).op {
        Op::Save(save) => SinkFormat::from_name(&save.format),
        _ => None,
    }
}

fn export_issue(error: &ExportError, path: &NodePath) -> Issue {
    let code = match error {
        ExportError::Exists(_) => Code::new("ResourceExists"),
        ExportError::Unsuitable(_) => Code::new("FeatureUnsupported"),
        ExportError::Io(_) => Code::INTERNAL,
    };
    let issue = Issue::new(code, path.clone(), error.to_string());
    match error {
        ExportError::Exists(_) => issue.hint("`stac_modify` can give the resource another `id`"),
        _ => issue,
    }
}
