//! `run_udf`: a function of the user's.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::udf::{Role, Udf};
use serde_json::{Value as Json, json};

pub(crate) static RUN_UDF: Process = Process { definition, lowering: Lowering::Outside(lower) };

fn definition() -> Definition {
    Definition::new(
        "run_udf",
        "Run a function of your own",
        "Hands the data to a function that is written in one of the languages of `GET /udf_runtimes` and goes on with \
         what it returns. It runs in a sandbox: without network, without files but those of its libraries and a small \
         temporary folder, with limits of memory and time.\n\nIn `apply`, `apply_dimension` and `reduce_dimension` the \
         function gets a part of the data cube: all labels of the dimension that is worked on and of the bands, up to \
         256 × 256 pixels, and single labels of the other dimensions. It has to be the only process of the callback, and \
         what it returns has to have the dimensions that the calling process asks for. On a data cube itself it gets the \
         whole cube and may return any dimensions.\n\nNumbers come as floating point, no-data as NaN; NaN in the result \
         is no-data.",
    )
    .category("cubes")
    .category("import")
    .category("udf")
    .param(param("data", "A data cube, or the data of the callback this stands in.", schema::any()))
    .param(param(
        "udf",
        "The code itself (of more than one line), the address of a file with it, or the path of one.",
        udf_schema(),
    ))
    .param(param(
        "runtime",
        "The name of a language of `GET /udf_runtimes`; upper and lower case are the same.",
        json!({ "type": "string", "subtype": "udf-runtime" }),
    ))
    .param(
        param(
            "version",
            "The version of the language; null for the one that is there.",
            json!([
                { "type": "string", "subtype": "udf-runtime-version" },
                { "title": "Default runtime version", "type": "null" }
            ]),
        )
        .default(Json::Null),
    )
    .param(
        param("context", "Anything the function shall know besides the data.", schema::any())
            .default(json!({})),
    )
    .returns("What the function returns.", schema::titled("Any", schema::any()))
    .throws("InvalidRuntime", "There is no such language.")
    .throws("InvalidVersion", "The language is not there in this version.")
    .throws("FileNotFound", "There is no such file.")
}

fn udf_schema() -> Json {
    json!([
        { "type": "string", "format": "uri", "subtype": "uri", "pattern": "^https?://" },
        { "type": "string", "subtype": "file-path", "pattern": "^[^\r\n\\:'\"]+$" },
        { "type": "string", "subtype": "udf-code", "pattern": "(\r\n|\r|\n)" }
    ])
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data").map_err(|problem| match problem {
        Problem::Issue { .. } => problem.hint(
            "a UDF works on data cubes, and in `apply`, `apply_dimension` and `reduce_dimension` on the callback's data",
        ),
        Problem::Blocked => problem,
    })?;
    let runtime = call.required_text("runtime")?.to_string();
    let version = call.text("version")?.map(|version| version.to_string());
    let context = call.constant("context")?;
    let context = context.to_json().ok_or_else(|| {
        Problem::argument("context", "the context has to be something that JSON can hold")
    })?;
    let text = call.required_text("udf")?;
    let code = if text.contains(['\n', '\r']) { text } else { call.code(&text, "udf")? };
    let context = context.to_string().into();
    call.udf(data, Udf { runtime, version, code, context, role: Role::Whole })
}
