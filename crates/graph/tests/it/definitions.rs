//! A small set of definitions for tests.

use eolith_graph::{Definition, Definitions, param, schema};
use serde_json::json;

pub(crate) struct Few(Vec<Definition>);

impl Definitions for Few {
    fn get(&self, id: &str) -> Option<&Definition> {
        self.0.iter().find(|definition| definition.id == id)
    }

    fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|definition| definition.id).collect()
    }
}

pub(crate) fn few() -> Few {
    let new = |id| Definition::new(id, "", "");
    Few(vec![
        new("add").param(param("x", "", schema::number_or_null())).param(param(
            "y",
            "",
            schema::number_or_null(),
        )),
        new("absolute").param(param("x", "", schema::number_or_null())),
        new("gt").param(param("x", "", schema::scalar_or_null())).param(param(
            "y",
            "",
            schema::scalar_or_null(),
        )),
        new("e"),
        new("array_create")
            .param(param("data", "", schema::array_any()).default(json!([])))
            .param(param("repeat", "", schema::integer_from(1)).default(json!(1))),
        new("array_element")
            .param(param("data", "", schema::array_any()))
            .param(param("index", "", schema::integer_from(0)).optional())
            .param(param("label", "", schema::label()).optional())
            .param(param("return_nodata", "", schema::boolean()).default(json!(false))),
        new("mean")
            .param(param("data", "", schema::array_number_or_null()))
            .param(param("ignore_nodata", "", schema::boolean()).default(json!(true))),
        new("exact")
            .param(param("value", "", json!({ "const": 42 })))
            .param(param("name", "", json!({ "type": "string", "minLength": 2 })).optional())
            .param(param("other", "", json!({ "not": { "type": "string" } })).optional())
            .param(param("delta", "", schema::positive_number_or_null()).optional()),
        new("load_collection")
            .param(param("id", "", schema::collection_id()))
            .param(param("spatial_extent", "", schema::spatial_extent()))
            .param(param("temporal_extent", "", schema::temporal_extent()))
            .param(param("bands", "", bands_or_null()).default(json!(null)))
            .param(
                param(
                    "properties",
                    "",
                    schema::any_of([schema::metadata_filter(), schema::no_filter()]),
                )
                .default(json!(null)),
            ),
        new("filter_bbox").param(param("data", "", schema::raster_or_vector_cube())).param(param(
            "extent",
            "",
            schema::bounding_box(),
        )),
        new("reduce_dimension")
            .param(param("data", "", schema::cube()))
            .param(param("reducer", "", schema::reducer_callback()))
            .param(param("dimension", "", schema::string()))
            .param(param("context", "", schema::any()).default(json!(null))),
        new("apply")
            .param(param("data", "", schema::cube()))
            .param(param("process", "", schema::element_callback()))
            .param(param("context", "", schema::any()).default(json!(null))),
        new("aggregate_temporal_period")
            .param(param("data", "", schema::cube()))
            .param(param("period", "", schema::one_of(&["day", "month", "year"])))
            .param(param("reducer", "", schema::reducer_callback())),
        new("resample_spatial")
            .param(param("data", "", schema::raster_cube()))
            .param(param("projection", "", schema::target_projection()).default(json!(null))),
        new("save_result")
            .param(param("data", "", schema::cube()))
            .param(param("format", "", schema::output_format()))
            .param(param("options", "", schema::output_format_options()).default(json!({}))),
    ])
}

fn bands_or_null() -> serde_json::Value {
    schema::any_of([schema::array_from(1, schema::band_name()), schema::no_filter()])
}
