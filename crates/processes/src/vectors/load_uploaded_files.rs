//! `load_uploaded_files`: files of the user's workspace.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::request::Source;
use serde_json::json;

use super::load_url::{file_format, format, loaded, options};
use crate::cubes::arguments;

pub(crate) static LOAD_UPLOADED_FILES: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "load_uploaded_files",
        "Load files of your workspace",
        "Makes one data cube of files that you have put into your workspace before. Files of geometries (`GeoJSON`, \
         `Parquet`, `FlatGeobuf`, `GPKG`) give a vector data cube with the dimension `geometry` and without values, with the \
         features of all files one after the other; they have to be in one reference system. Files of pixels (`GTiff`, \
         `netCDF`, `Zarr`) give their pixels as they are stored. Several of them are one data cube only if they are \
         GeoTIFFs of the same grid and bands whose names differ in a date, which becomes the dimension `t`. A Zarr store \
         is named by its metadata, e.g. `store.zarr/zarr.json`.",
    )
    .experimental()
    .category("cubes")
    .category("import")
    .param(param(
        "paths",
        "The files, by their paths in the workspace: `/folder/file`, `folder/file` and `./folder/file` are the same. \
         Nothing outside of it can be named, and no folders.",
        json!({
            "type": "array",
            "subtype": "file-paths",
            "items": { "type": "string", "subtype": "file-path", "pattern": "^[^\r\n\\:'\"]+$" },
        }),
    ))
    .param(file_format())
    .param(options())
    .returns("A data cube.", schema::cube())
    .throws("FormatUnsuitable", "The files are not of this format, or are no single data cube.")
    .throws("FileNotFound", "There is no such file.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let paths = arguments::texts(call, "paths")?;
    if paths.is_empty() {
        return Err(Problem::argument("paths", "at least one file is needed"));
    }
    let format = format(call)?;
    loaded(call, Source::Files(paths, format), format)
}
