//! `apply_neighborhood`: a process on windows of a cube.

mod sizes;

use eolith_cube::Dimension;
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::nested::{Partition, Window};
use eolith_plan::process::{Lowering, Process};
use serde_json::{Value as Json, json};

use sizes::{Size, sizes};

pub(crate) static APPLY_NEIGHBORHOOD: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let cell = schema::any_of([
        schema::titled("Multi-dimensional data", schema::raster_cube()),
        schema::titled(
            "One-dimensional data",
            json!({ "type": "array", "subtype": "labeled-array" }),
        ),
    ]);
    let made = schema::any_of([
        schema::titled("Multi-dimensional data", schema::raster_cube()),
        schema::titled("One-dimensional data", json!({ "type": "array" })),
    ]);
    let callback = schema::process_graph(
        [param("data", "", cell), param("context", "", schema::any()).default(Json::Null)],
        made,
    );
    Definition::new(
        "apply_neighborhood",
        "Apply a process to windows of pixels",
        "Cuts the data cube into windows from its first labels on and runs a process on each. The process gets the \
         window as a data cube, with the overlap around it, and returns one with the same dimensions and labels, of \
         which the overlap is cut off. Windows at the far end may be smaller. What lies beyond the data cube is \
         no-data; only labels that are instants or numbers go on there. Sizes in units of the reference system have \
         the pixels whose centres lie in the window; overlaps are rounded to whole pixels. Durations count from the \
         first date. A window of one pixel along all dimensions but one is handed over as an array with labels.",
    )
    .category("cubes")
    .param(param("data", "A raster data cube.", schema::raster_cube()))
    .param(param("process", "Computes new values of a window.", callback))
    .param(param(
        "size",
        "Sizes of the windows; a dimension that is not named is handed over whole.",
        schema::array(chunk(json!({ "type": "null", "title": "All values" }))),
    ))
    .param(
        param(
            "overlap",
            "How much of the neighbouring windows is seen, on either side.",
            schema::any_of([
                schema::titled("Without overlap", schema::null()),
                schema::titled(
                    "With overlap",
                    schema::array(chunk(json!({ "type": "null", "title": "No values" }))),
                ),
            ]),
        )
        .default(Json::Null),
    )
    .param(super::arguments::context())
    .returns("A data cube with the new values and the same dimensions.", schema::raster_cube())
    .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
    .throws("DataCubePropertiesImmutable", "The process changes dimensions or labels.")
}

/// A size along a dimension.
fn chunk(none: Json) -> Json {
    let duration = "^(-?)P(?=\\d|T\\d)(?:(\\d+)Y)?(?:(\\d+)M)?(?:(\\d+)([DW]))?(?:T(?:(\\d+)H)?(?:(\\d+)M)?(?:(\\d+(?:\\.\\d+)?)S)?)?$";
    json!({
        "type": "object", "subtype": "chunk-size", "required": ["dimension", "value"],
        "properties": {
            "dimension": { "type": "string" },
            "value": { "default": null, "anyOf": [
                none,
                { "type": "number", "minimum": 0 },
                { "type": "string", "subtype": "duration", "pattern": duration },
            ] },
            "unit": { "default": null, "anyOf": [
                { "title": "Default unit", "type": "null" },
                { "title": "Specific unit", "type": "string", "enum": ["px", "m"] },
            ] },
        },
    })
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let size = sizes(call, &schema, "size")?;
    let overlap = sizes(call, &schema, "overlap")?;
    if !schema.pending().is_empty() {
        return Err(Problem::Blocked);
    }
    let windows: Result<Vec<Vec<Window>>, Problem> = (schema.dims.iter().enumerate())
        .map(|(d, dim)| windows(dim, size[d].as_ref(), overlap[d].as_ref()))
        .collect();
    let windows = windows?;
    // A dimension is not handed over if its windows are asked to be single labels without overlap.
    let single = |d: &usize| {
        size[*d].is_some()
            && windows[*d].iter().all(|own| own.core.len() == 1 && own.outer.len() == 1)
    };
    let several: Vec<usize> = (0..windows.len()).filter(|d| !single(d)).collect();
    match several.as_slice() {
        [only] => {
            let own = windows[*only].clone();
            call.lanes("process", data, *only, own)
        }
        _ => call.windows("process", data, windows),
    }
}

fn windows(
    dim: &Dimension,
    size: Option<&Size>,
    overlap: Option<&Size>,
) -> Result<Vec<Window>, Problem> {
    let len = dim.len().unwrap_or_default();
    if let Some(Size::Duration(period)) = size {
        return sizes::periods(dim, period, overlap);
    }
    let overlap = overlap.map_or(Ok(0), |overlap| overlap.labels(dim, "overlap"))?;
    match size {
        None => Ok(Partition::windows_at(dim, &[0][..len.min(1)], overlap)),
        Some(Size::Units(units)) => {
            Ok(Partition::windows_at(dim, &sizes::starts(dim, *units)?, overlap))
        }
        Some(size) => match size.labels(dim, "size")? {
            0 => Err(Problem::argument("size", format!("windows along `{}` are empty", dim.name))),
            n => Ok(Partition::windows_of(dim, n, overlap)),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, callback, cube, numbers};
    use eolith_plan::op::Cube;

    fn applied(data: &Cube, process: Json, size: Json, overlap: Json) -> Result<Cube, String> {
        let arguments = json!({ "process": process, "size": size, "overlap": overlap });
        call("apply_neighborhood", arguments, data).map(|outcome| outcome.cube())
    }

    fn px(dimension: &str, value: usize) -> Json {
        json!({ "dimension": dimension, "value": value, "unit": "px" })
    }

    /// Sums over three pixels beside each other.
    fn smooth() -> Json {
        callback(
            "apply_kernel",
            json!({ "data": { "from_parameter": "data" }, "kernel": [[1, 1, 1]] }),
        )
    }

    fn row(n: i32) -> Cube {
        cube(&["2020-01-01"], &["a"], 1, n as usize, (1..=n).map(f64::from).collect())
    }

    #[test]
    fn what_is_beyond_a_window_is_seen_with_an_overlap_only() {
        let size = json!([px("x", 2)]);
        let alone = applied(&row(5), smooth(), size.clone(), Json::Null).unwrap();
        assert_eq!(numbers(&alone), [3.0, 3.0, 7.0, 7.0, 5.0].map(Some));
        let seen = applied(&row(5), smooth(), size, json!([px("x", 1)])).unwrap();
        assert_eq!(numbers(&seen), [3.0, 6.0, 9.0, 12.0, 9.0].map(Some));
    }

    #[test]
    fn shapes_must_stay() {
        let data = || json!({ "from_parameter": "data" });
        let mean = callback("mean", json!({ "data": data() }));
        let gone = callback(
            "reduce_dimension",
            json!({ "data": data(), "dimension": "t", "reducer": mean }),
        );
        let immutable = Err("DataCubePropertiesImmutable".to_owned());
        let size = json!([px("x", 2)]);
        assert_eq!(applied(&row(4), gone, size.clone(), Json::Null), immutable);
        let renamed = callback(
            "rename_labels",
            json!({ "data": data(), "dimension": "bands", "source": ["a"], "target": ["b"] }),
        );
        assert_eq!(applied(&row(4), renamed, size, Json::Null), immutable);
        let unknown = applied(&row(4), smooth(), json!([px("q", 2)]), Json::Null);
        assert_eq!(unknown, Err("DimensionNotAvailable".to_owned()));
    }

    #[test]
    fn one_dimension_is_an_array() {
        let times = ["2020-01-01", "2020-01-05", "2020-02-01", "2020-02-03"];
        let data = cube(&times, &["a"], 1, 1, vec![1.0, 2.0, 3.0, 4.0]);
        let sums = callback("cumsum", json!({ "data": { "from_parameter": "data" } }));
        let size = |t: Json| json!([px("x", 1), px("y", 1), px("bands", 1), t]);
        let months = json!({ "dimension": "t", "value": "P1M" });
        let found = applied(&data, sums.clone(), size(months), Json::Null).unwrap();
        assert_eq!(numbers(&found), [1.0, 3.0, 3.0, 7.0].map(Some));
        let whole = json!([px("x", 1), px("y", 1), px("bands", 1)]);
        let found = applied(&data, sums, whole, Json::Null).unwrap();
        assert_eq!(numbers(&found), [1.0, 3.0, 6.0, 10.0].map(Some));
    }
}
