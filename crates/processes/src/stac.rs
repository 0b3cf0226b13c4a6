//! Processes on STAC resources: what is saved, changed and handed on.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::StacChange;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::{Value as Json, json};

pub(crate) static ALL: &[&Process] = &[&EXPORT_COLLECTION, &EXPORT_WORKSPACE, &STAC_MODIFY];

static STAC_MODIFY: Process = Process {
    definition: || {
        Definition::new(
            "stac_modify",
            "Change a STAC resource",
            "Changes the metadata of a STAC resource by a JSON merge patch: members of the changes replace those of the \
             resource, objects are merged, and null removes a member. Files stay as they are.",
        )
        .experimental()
        .category("stac")
        .param(param("data", "The STAC resource.", schema::stac()))
        .param(param("changes", "The changes.", json!({ "type": "object" })))
        .returns("The changed STAC resource.", schema::stac())
    },
    lowering: Lowering::Custom(modify),
};

static EXPORT_WORKSPACE: Process = Process {
    definition: || {
        Definition::new(
            "export_workspace",
            "Copy results to a workspace",
            "Copies a STAC resource that `save_result` gave, with all its files, to a workspace of the user: to a folder \
             that is named after its id, or, with `merge`, as a part of a collection there, which is made if it does not \
             exist. Nothing is overwritten: where there is a resource of that id, the process fails before anything is \
             computed.",
        )
        .experimental()
        .note("Only what `save_result` gives in the same process graph can be exported; `merge` names a collection.")
        .category("export")
        .category("stac")
        .param(param("data", "The STAC resource to copy.", schema::stac()))
        .param(param(
            "workspace",
            "The name of the workspace.",
            json!({ "type": "string", "pattern": "^[\\w\\-\\.~]+$", "subtype": "workspace-id" }),
        ))
        .param(
            param(
                "merge",
                "The path of a STAC collection in the workspace, a folder or its document; null to keep the resource \
                 apart from others.",
                schema::string_or_null(),
            )
            .default(Json::Null),
        )
        .returns("The STAC resource as it is in the workspace.", schema::stac())
    },
    lowering: Lowering::Custom(to_workspace),
};

static EXPORT_COLLECTION: Process = Process {
    definition: || {
        Definition::new(
            "export_collection",
            "Make a collection of results",
            "Adds a STAC resource that `save_result` gave, with all its files, to a collection of the user, which is \
             made if it does not exist. Process graphs that run later load it by its id. The collections of the \
             back-end itself cannot be changed.",
        )
        .experimental()
        .note("Only GeoTIFFs that `save_result` gives in the same process graph can be exported.")
        .category("export")
        .category("stac")
        .param(param("data", "The STAC resource to add.", schema::stac()))
        .param(param(
            "collection",
            "The id of the collection.",
            schema::any_of([
                json!({ "title": "New Collection", "type": "string", "pattern": COLLECTION_IDS }),
                json!({ "title": "Existing Collection", "type": "string", "subtype": "collection-id",
                    "pattern": COLLECTION_IDS }),
            ]),
        ))
        .returns(
            "The id of the collection.",
            json!({ "type": "string", "subtype": "collection-id", "pattern": COLLECTION_IDS }),
        )
    },
    lowering: Lowering::Custom(to_collection),
};

const COLLECTION_IDS: &str = "^[A-Za-z0-9_\\-\\.~/]+$";

fn modify(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    if matches!(call.constant("changes")?, Value::Null) {
        return Err(Problem::argument("changes", "an object is expected, not null"));
    }
    let changes = Json::Object(call.entries("changes")?);
    call.patch("data", &changes)
}

fn to_workspace(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let name = call.required_text("workspace")?;
    let plain = |c: char| c.is_alphanumeric() || "_-.~".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Problem::argument("workspace", "this cannot be the name of a workspace"));
    }
    let merge = call.text("merge")?.map(|merge| merge.to_string());
    if merge.as_deref().is_some_and(|merge| merge.trim_matches('/').is_empty()) {
        return Err(Problem::argument("merge", "the path of a collection is expected"));
    }
    call.export("data", StacChange::Workspace { name: name.to_string(), merge })
}

fn to_collection(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let id = call.required_text("collection")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~/".contains(c);
    if id.is_empty() || !id.chars().all(allowed) {
        return Err(Problem::argument("collection", "this cannot be the id of a collection"));
    }
    call.export("data", StacChange::Collection(id.to_string()))?;
    Ok(Term::Expr(call.builder().constant(Value::Text(id))))
}
