//! `inspect`: a look at a value.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::{Level, Log};
use eolith_plan::process::{Lowering, Process};
use serde_json::json;

pub(crate) static ALL: &[&Process] = &[&INSPECT];

static INSPECT: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let levels: Vec<&str> = Level::ALL.iter().map(|level| level.name()).collect();
    Definition::new(
        "inspect",
        "Write a value to the log",
        "Writes a message and what the data is to the log and gives the data back unchanged. Of a data cube the log \
         gets the dimensions, the types, and of each band how many values there are, the smallest, the largest and \
         the mean one, and a few values; the data cube is computed for that. Of values of single pixels, inside of a \
         callback, it gets the type only. Nothing is computed where the log does not take entries of the level.",
    )
    .category("development")
    .param(param("data", "What to look at.", schema::any()))
    .param(param("message", "A message for the log.", schema::string()).default(json!("")))
    .param(
        param("code", "A label by which entries can be found.", schema::string())
            .default(json!("User")),
    )
    .param(
        param("level", "How severe the entry is.", schema::one_of(&levels)).default(json!("info")),
    )
    .returns("The data, unchanged.", schema::any())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.any("data")?;
    let message = call.required_text("message")?.to_string();
    let code = call.required_text("code")?.to_string();
    let level = call.required_text("level")?;
    let level = Level::from_name(&level).ok_or_else(|| {
        Problem::argument("level", format!("there is no level `{level}`"))
            .hint("levels: error, warning, info, debug")
    })?;
    call.log(&data, Log { level, code, message });
    Ok(data)
}
