//! `/process_graphs`: the processes that a user has stored; `/processes/{namespace}`: those that others may use.
//!
//! What was sent is kept as it is and shown without nulls. Only its structure is checked: collections and processes that
//! it names need not exist yet. A process with `public: true` can be read by everybody in the namespace `u:` and the id
//! of its owner; its canonical link is an address that other back-ends can run it from.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use eolith_engine::session::processes;
use eolith_graph::Code;
use serde_json::{Value, json};

use super::jobs::without_nulls;
use crate::auth::User;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::job::now;
use crate::links::{Links, escaped, link};
use crate::page::List;
use crate::places::OF_USER;
use crate::state::AppState;

/// What a list leaves out: it may be large.
const DETAILS: [&str; 4] = ["process_graph", "exceptions", "examples", "links"];

pub(crate) async fn list(list: List) -> Result<Json<Value>, ApiError> {
    let processes = list.state.store().processes(&list.user.id, false).await?;
    let about = ("/process_graphs", "processes", "User-defined processes");
    Ok(list.answer_of_all(about, processes, id, |process| listed(process.clone())))
}

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let process = state.store().process(&user.id, &id).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(described(process, &user.id, &links)))
}

/// Stores a process in the place of one that has the id already. The id in the path counts.
pub(crate) async fn store(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let Value::Object(mut process) = body else {
        let message = "a process is a JSON object with a `process_graph`";
        return Err(ApiError::new(Code::PROCESS_INVALID, message));
    };
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let message = format!("`{id}` cannot be the id of a process: letters, digits and _ can");
        return Err(ApiError::new(Code::PROCESS_INVALID, message));
    }
    if processes().get(&id).is_some() {
        let message = format!("`{id}` is the id of a predefined process\nhint: choose another one");
        return Err(ApiError::new(Code::PREDEFINED_PROCESS_EXISTS, message));
    }
    match process.get("process_graph") {
        Some(Value::Object(_)) => {}
        Some(Value::Null) | None => {
            let message = "the process has no `process_graph`";
            return Err(ApiError::new(Code::PROCESS_GRAPH_MISSING, message));
        }
        Some(_) => {
            let message = "`process_graph` is an object of nodes";
            return Err(ApiError::new(Code::PROCESS_GRAPH_INVALID, message));
        }
    }
    process.insert("id".to_owned(), id.clone().into());
    let public = match process.get("public") {
        Some(Value::Bool(public)) => *public,
        Some(Value::Null) | None => false,
        Some(_) => {
            return Err(ApiError::new(Code::PROCESS_INVALID, "`public` is true or false"));
        }
    };
    let process = Value::Object(process);
    let (_, issues) = eolith_graph::parse_value(process.clone());
    if !issues.is_empty() {
        return Err(issues.into());
    }
    state.store().put_process(&user.id, &id, public, now(), &process).await?;
    Ok(Json(described(process, &user.id, &links)))
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if state.store().remove_process(&user.id, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

/// Always all of them, like the predefined ones. A user without any looks like one that does not exist.
pub(crate) async fn list_public(
    State(state): State<AppState>,
    links: Links,
    Path(namespace): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let user = namespace.strip_prefix(OF_USER).ok_or_else(|| no_namespace(&namespace))?;
    let processes = state.store().processes(user, true).await?;
    if processes.is_empty() {
        return Err(no_namespace(&namespace));
    }
    let address = links.to(&format!("/processes/{}", escaped(&namespace)));
    let own = [link("self", address, "Public processes of a user")];
    let processes: Vec<Value> = processes.into_iter().map(listed).collect();
    Ok(Json(json!({"processes": processes, "links": own})))
}

pub(crate) async fn show_public(
    State(state): State<AppState>,
    links: Links,
    Path((namespace, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let user = namespace.strip_prefix(OF_USER).ok_or_else(|| no_namespace(&namespace))?;
    let process = state.store().process(user, &id).await?.filter(is_public);
    Ok(Json(described(process.ok_or_else(|| unknown(&id))?, user, &links)))
}

/// What a list shows of a process.
fn listed(process: Value) -> Value {
    let Value::Object(mut fields) = without_nulls(process) else { return Value::Null };
    fields.retain(|name, _| !DETAILS.contains(&name.as_str()));
    fields.into()
}

/// The process with the address by which others can use it, if they may.
fn described(process: Value, owner: &str, links: &Links) -> Value {
    let address = links.to(&format!("/processes/{OF_USER}{owner}/{}", id(&process)));
    let canonical = is_public(&process).then(|| link("canonical", address, "For everybody"));
    let Value::Object(mut fields) = without_nulls(process) else { return Value::Null };
    let given = match fields.shift_remove("links") {
        Some(Value::Array(given)) => given,
        _ => Vec::new(),
    };
    let others = given.into_iter().filter(|link| link["rel"] != "canonical");
    let all: Vec<Value> = canonical.into_iter().chain(others).collect();
    if !all.is_empty() {
        fields.insert("links".to_owned(), all.into());
    }
    fields.into()
}

fn id(process: &Value) -> &str {
    process["id"].as_str().unwrap_or_default()
}

fn is_public(process: &Value) -> bool {
    process["public"] == true
}

fn unknown(id: &str) -> ApiError {
    let message = format!("there is no process `{id}`");
    ApiError::new(Code::PROCESS_GRAPH_NOT_FOUND, message)
}

fn no_namespace(namespace: &str) -> ApiError {
    let message = format!("there is no namespace `{namespace}` of processes");
    ApiError::new(Code::NOT_FOUND, message)
}
