//! `filter_bands`: bands by name, common name or wavelength.

use eolith_cube::Schema;
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Filter, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

pub(crate) static FILTER_BANDS: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let mut wavelengths = schema::pair(schema::number());
    wavelengths["examples"] = json!([[[0.45, 0.5], [0.6, 0.7]]]);
    Definition::new(
        "filter_bands",
        "Filter bands",
        "Keeps the bands that a name, a common name or a range of wavelengths asks for, in the order of the request. \
         A name goes before an equal common name. Bands that do not exist are passed over.",
    )
    .note("Names that no band has are passed over; nothing left is an empty dimension.")
    .category("cubes")
    .category("filter")
    .param(param("data", "A data cube with bands.", schema::cube_with([schema::bands()])))
    .param(
        param("bands", "Names or common names of bands.", schema::array(schema::band_name()))
            .default(json!([])),
    )
    .param(
        param(
            "wavelengths",
            "Ranges of centre wavelengths in micrometres, both ends included.",
            schema::array(wavelengths),
        )
        .default(json!([])),
    )
    .returns("A data cube with the chosen bands.", schema::cube_with([schema::bands()]))
    .throws("BandFilterParameterMissing", "Neither `bands` nor `wavelengths` asks for anything.")
    .throws("DimensionMissing", "The data cube has no bands.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let mut names = super::arguments::texts(call, "bands")?;
    let ranges = ranges(call)?;
    if names.is_empty() && ranges.is_empty() {
        return Err(Problem::new(
            "BandFilterParameterMissing",
            "one of the arguments `bands` and `wavelengths` must name something",
        ));
    }
    let schema = call.schema(data);
    for range in ranges {
        names.extend(by_wavelength(&schema, range));
    }
    call.filter(data, &Filter::Bands(names))
}

fn ranges(call: &mut Call<'_, '_>) -> Result<Vec<[f64; 2]>, Problem> {
    let wrong = || {
        Problem::argument(
            "wavelengths",
            "an array of pairs (lowest, highest wavelength) is expected",
        )
    };
    let value = call.constant("wavelengths")?;
    let pairs = match &value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(array) => &array.values,
        _ => return Err(wrong()),
    };
    let pair = |value: &Value| {
        let array = value.as_array().ok_or_else(wrong)?;
        match array.values.as_slice() {
            [lo, hi] => Ok([lo.as_f64().ok_or_else(wrong)?, hi.as_f64().ok_or_else(wrong)?]),
            _ => Err(wrong()),
        }
    };
    pairs.iter().map(pair).collect()
}

/// Names of the bands whose centre is in the range, in the order of the cube.
fn by_wavelength(schema: &Schema, [lo, hi]: [f64; 2]) -> Vec<String> {
    let Some(labels) = schema.bands().and_then(|b| schema.dims[b].labels()) else {
        return Vec::new();
    };
    let inside = |w: f64| lo <= w && w <= hi;
    (labels.iter().zip(&schema.variables))
        .filter(|(_, variable)| variable.center_wavelength.is_some_and(inside))
        .map(|(label, _)| label.to_string())
        .collect()
}
