//! `apply_kernel`: weighted sums over the neighbours of a pixel.

use std::sync::Arc;

use eolith_cube::window::{Border, Stencil};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

pub(crate) static APPLY_KERNEL: Process = Process { definition, lowering: Lowering::Custom(lower) };

const BORDERS: [&str; 4] = ["replicate", "reflect", "reflect_pixel", "wrap"];

fn definition() -> Definition {
    let raster = || schema::cube_with([schema::spatial()]);
    Definition::new(
        "apply_kernel",
        "Weight the neighbours of each pixel",
        "Lays the kernel over every pixel, multiplies the weights with the pixels below them, and sums the products. \
         The kernel is not turned over. The sum is computed in double precision, row by row of the kernel, and then \
         multiplied by the factor. Booleans count as 0 and 1; pixels without data, NaN and infinities are replaced \
         before they are summed, so that the result has data everywhere.",
    )
    .note("The kernel is not turned: each weight meets the pixel it lies on, as the text says.")
    .category("cubes")
    .category("math > image filter")
    .param(param("data", "A raster data cube.", raster()))
    .param(param(
        "kernel",
        "The weights: rows from top to bottom as y goes through its labels, each with its columns along x. Rows and \
         columns are odd in number.",
        schema::kernel(),
    ))
    .param(
        param("factor", "What each sum is multiplied by.", schema::number()).default(json!(1)),
    )
    .param(
        param(
            "border",
            "What the kernel meets outside of the data cube: this number, the pixel at the edge (`replicate`), the \
             pixels mirrored at the edge with (`reflect`) or without (`reflect_pixel`) the one at the edge, or those \
             of the other side (`wrap`).",
            schema::any_of([schema::one_of(&BORDERS), schema::number()]),
        )
        .default(json!(0)),
    )
    .param(
        param(
            "replace_invalid",
            "What stands in for pixels without data, NaN and infinities.",
            schema::number(),
        )
        .default(json!(0)),
    )
    .returns("A data cube with the sums and the same dimensions.", raster())
    .throws(
        "KernelDimensionsUneven",
        "The kernel has an even number of rows or columns.",
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let (weights, size) = kernel(&call.constant("kernel")?)?;
    let mut stencil = Stencil::new(&weights, size).ok_or_else(|| {
        let [rows, cols] = size;
        let message = format!("the kernel has {rows} rows and {cols} columns, both must be odd");
        Problem::new("KernelDimensionsUneven", message).at("kernel")
    })?;
    stencil.factor = super::arguments::number(call, "factor")?;
    stencil.replacement = super::arguments::number(call, "replace_invalid")?;
    stencil.border = match call.constant("border")? {
        Value::Text(name) => Border::from_name(&name).ok_or_else(|| {
            Problem::argument("border", format!("there is no border `{name}`"))
                .hint(format!("borders: a number, {}", BORDERS.join(", ")))
        })?,
        _ => Border::Constant(super::arguments::number(call, "border")?),
    };
    call.try_add(Op::window(&schema, Arc::new(stencil)), vec![data])
}

/// The weights in row-major order, and how many rows and columns there are.
fn kernel(value: &Value) -> Result<(Vec<f64>, [usize; 2]), Problem> {
    let wrong = |message: String| Problem::argument("kernel", message);
    let rows = value
        .as_array()
        .ok_or_else(|| wrong(format!("rows of weights are expected, not {}", value.kind())))?;
    let mut weights = Vec::new();
    let mut width = None;
    for (i, row) in rows.values.iter().enumerate() {
        let row = row
            .as_array()
            .ok_or_else(|| wrong(format!("row {i} is {}, not an array", row.kind())))?;
        let first = *width.get_or_insert(row.values.len());
        if row.values.len() != first {
            let len = row.values.len();
            return Err(wrong(format!("row {i} has {len} weights, the first has {first}")));
        }
        for weight in &row.values {
            let number = weight.as_f64().filter(|v| v.is_finite());
            weights.push(number.ok_or_else(|| {
                wrong(format!("row {i} has {}, weights are finite numbers", weight.kind()))
            })?);
        }
    }
    Ok((weights, [rows.values.len(), width.unwrap_or(0)]))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, cube, numbers};

    fn kernel(rows: Json, more: Json) -> Result<Vec<Option<f64>>, String> {
        let data = cube(&["2020-01-01"], &["a"], 2, 3, vec![1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0]);
        let mut arguments = more;
        arguments["kernel"] = rows;
        call("apply_kernel", arguments, &data).map(|outcome| numbers(&outcome.cube()))
    }

    #[test]
    fn the_kernel_is_not_turned_over() {
        // The pixel to the right, tenfold that to the left, a hundredfold that below.
        let rows = json!([[0, 0, 0], [10, 0, 1], [0, 100, 0]]);
        let found = kernel(rows, json!({ "factor": 0.5 })).unwrap();
        // 1 2 3 over 4 - 6, zeroes around and for what is missing.
        let expected = [2.0 + 400.0, 13.0, 20.0 + 600.0, 0.0, 46.0, 0.0];
        assert_eq!(found, expected.map(|v| Some(v / 2.0)));
    }

    #[test]
    fn what_is_missing_or_outside_is_replaced() {
        let more = json!({ "border": -1, "replace_invalid": 7 });
        let found = kernel(json!([[1, 0, 1]]), more).unwrap();
        assert_eq!(found, [1.0, 4.0, 1.0, 6.0, 10.0, 6.0].map(Some));
        let found = kernel(json!([[1, 0, 1]]), json!({ "border": "wrap" })).unwrap();
        assert_eq!(found, [5.0, 4.0, 3.0, 6.0, 10.0, 4.0].map(Some));
    }

    #[test]
    fn kernels_that_are_none_are_refused() {
        for (rows, code) in [
            (json!([[1, 2, 3], [1, 2, 3]]), "KernelDimensionsUneven"),
            (json!([[1, 2]]), "KernelDimensionsUneven"),
            (json!([]), "KernelDimensionsUneven"),
            (json!([[]]), "KernelDimensionsUneven"),
            (json!([[1, 2, 3], [1, 2, 3], [1]]), "ProcessParameterInvalid"),
            (json!([[null]]), "ProcessParameterInvalid"),
        ] {
            assert_eq!(kernel(rows.clone(), json!({})), Err(code.to_owned()), "{rows}");
        }
        let border = kernel(json!([[1]]), json!({ "border": "mirror" }));
        assert_eq!(border, Err("ProcessParameterInvalid".to_owned()));
    }
}
