//! `apply`: each value on its own.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::udf::Role;

pub(crate) static APPLY: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "apply",
        "Apply a process to each value",
        "Replaces every value of the data cube by what the process makes of it. Dimensions and labels stay as they \
         are. No-data reaches the process as null, and null becomes no-data.",
    )
    .category("cubes")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param("process", "Computes a new value from the value `x`.", schema::element_callback()))
    .param(super::arguments::context())
    .returns("A data cube with the new values and the same dimensions.", schema::cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    if let Some(result) = call.outside("process", "x", data, Role::Apply)? {
        return Ok(result);
    }
    let x = Input::Value(0, Type::of_dtype(schema.dtype()));
    let process = call.callback("process", &[("x", x)])?;
    call.try_add(Op::map(&[&schema], process), vec![data])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cubes::testing::{callback, cube, numbers, run};

    /// `data / context`, where the context is a reduced cube.
    fn divided(reduced: &[&str]) -> Result<Vec<Option<f64>>, String> {
        let mut graph = serde_json::Map::new();
        let mut from = json!({ "from_parameter": "data" });
        for dimension in reduced {
            let reducer = callback("max", json!({ "data": { "from_parameter": "data" } }));
            let arguments = json!({ "data": from, "dimension": dimension, "reducer": reducer });
            from = json!({ "from_node": dimension });
            let node = json!({ "process_id": "reduce_dimension", "arguments": arguments });
            graph.insert((*dimension).to_owned(), node);
        }
        let context = json!({ "from_parameter": "context" });
        let list = if reduced.len() == 4 { json!([context]) } else { context };
        let y = json!({ "process_graph": {
            "n": { "process_id": "max", "arguments": { "data": list } },
            "d": { "process_id": "divide", "result": true,
                "arguments": { "x": { "from_parameter": "x" }, "y": { "from_node": "n" } } } } });
        let arguments =
            json!({ "data": { "from_parameter": "data" }, "process": y, "context": from });
        let node = json!({ "process_id": "apply", "arguments": arguments, "result": true });
        graph.insert("apply".to_owned(), node);
        let data = cube(&["2020-01-01"], &["B1"], 1, 3, vec![1.0, 4.0, f64::NAN]);
        Ok(numbers(&run(graph.into(), &[("data", &data)])?.cube()))
    }

    #[test]
    fn a_cube_with_one_dimension_or_none_is_a_value() {
        let expected = Ok(vec![Some(0.25), Some(1.0), None]);
        assert_eq!(divided(&["t", "bands", "y", "x"]), expected);
        assert_eq!(divided(&["t", "bands", "y"]), expected);
        assert_eq!(divided(&["t", "bands"]), Err("ProcessParameterInvalid".to_owned()));
    }
}
