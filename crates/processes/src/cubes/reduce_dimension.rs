//! `reduce_dimension`: a whole dimension to one value.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::udf::Role;

pub(crate) static REDUCE_DIMENSION: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "reduce_dimension",
        "Reduce a dimension to one value",
        "Hands all values along a dimension to the reducer, as an array labelled with the labels of the dimension, \
         and puts the value it returns in their place. The dimension is gone afterwards.",
    )
    .category("cubes")
    .category("reducer")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param(
        "reducer",
        "Computes one value from the array `data`, e.g. `mean`, or `array_element` with the label of a band.",
        schema::reducer_callback(),
    ))
    .param(param("dimension", "The name of the dimension to reduce.", schema::string()))
    .param(super::arguments::context())
    .returns("The data cube without the dimension.", schema::cube())
    .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    if let Some(result) = call.outside("reducer", "data", data, Role::Reduce(dim))? {
        return Ok(result);
    }
    let input = call.axis_input(&schema, dim);
    let reducer = call.callback("reducer", &[("data", input)])?;
    call.try_add(Op::reduce(&schema, dim, reducer), vec![data])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cubes::testing::{call, callback, cube, numbers};

    #[test]
    fn a_reducer_sees_the_labels() {
        let data =
            cube(&["2020-01-01", "2020-01-02"], &["a", "b"], 1, 2, (0..8).map(f64::from).collect());
        let reducer = callback(
            "array_element",
            json!({ "data": { "from_parameter": "data" }, "label": "b" }),
        );
        let picked =
            call("reduce_dimension", json!({ "dimension": "bands", "reducer": reducer }), &data);
        let picked = picked.unwrap().cube();
        assert_eq!(numbers(&picked), [2.0, 3.0, 6.0, 7.0].map(Some));
        let names: Vec<&str> = picked.schema.dims.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["t", "y", "x"]);
        let mean = callback("mean", json!({ "data": { "from_parameter": "data" } }));
        let mean = call("reduce_dimension", json!({ "dimension": "t", "reducer": mean }), &data);
        assert_eq!(numbers(&mean.unwrap().cube()), [2.0, 3.0, 4.0, 5.0].map(Some));
    }

    #[test]
    fn a_dimension_that_is_not_there_is_named() {
        let data = cube(&["2020-01-01"], &["a"], 1, 1, vec![1.0]);
        let reducer = callback("mean", json!({ "data": { "from_parameter": "data" } }));
        let failed =
            call("reduce_dimension", json!({ "dimension": "z", "reducer": reducer }), &data);
        assert_eq!(failed, Err("DimensionNotAvailable".to_owned()));
    }
}
