//! `cloud_detection`: clouds and their shadows in images of Sentinel-2, by thresholds on bands.
//!
//! The one method is the decision tree of figure 8 in Hollstein, A., Segl, K., Guanter, L., Brell, M., Enesco, M. (2016):
//! Ready-to-Use Methods for the Detection of Clouds, Cirrus, Snow, Shadow, Water and Clear Sky Pixels in Sentinel-2 MSI
//! Images. Remote Sensing 8(8), 666, <https://doi.org/10.3390/rs8080666>. It sees one pixel at a time: no neighbours, no
//! geometry of the sun, no other dates.

use std::sync::Arc;

use eolith_cube::{Axis, DType, Dimension, Kind, Label, Labels, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::expr::{Builder, ExprId};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

use super::arguments::function;

pub(crate) static CLOUD_DETECTION: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

/// The bands of the tree.
const BANDS: [&str; 10] = ["B01", "B02", "B03", "B05", "B06", "B07", "B8A", "B09", "B10", "B11"];
const B01: usize = 0;
const B02: usize = 1;
const B03: usize = 2;
const B05: usize = 3;
const B06: usize = 4;
const B07: usize = 5;
const B8A: usize = 6;
const B09: usize = 7;
const B10: usize = 8;
const B11: usize = 9;

/// What a pixel shows. Classes that are neither cloud nor shadow are clear here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Clear,
    Cirrus,
    Cloud,
    Shadow,
    Snow,
    Water,
}

/// A node of the tree: a band, or a difference or ratio of two, below a threshold or not.
enum Tree {
    Leaf(Class),
    Below(Feature, f64, &'static Tree, &'static Tree),
}

#[derive(Clone, Copy)]
enum Feature {
    Band(usize),
    Difference(usize, usize),
    Ratio(usize, usize),
}

/// Figure 8.
static TREE: Tree = Tree::Below(
    Feature::Band(B03),
    0.319,
    &Tree::Below(
        Feature::Band(B8A),
        0.166,
        &Tree::Below(
            Feature::Difference(B03, B07),
            0.027,
            &Tree::Below(
                Feature::Difference(B09, B11),
                -0.097,
                &Tree::Leaf(Class::Clear),
                &Tree::Leaf(Class::Shadow),
            ),
            &Tree::Below(
                Feature::Difference(B09, B11),
                0.021,
                &Tree::Leaf(Class::Water),
                &Tree::Leaf(Class::Shadow),
            ),
        ),
        &Tree::Below(
            Feature::Ratio(B02, B10),
            14.689,
            &Tree::Below(
                Feature::Ratio(B02, B09),
                0.788,
                &Tree::Leaf(Class::Clear),
                &Tree::Leaf(Class::Cirrus),
            ),
            &Tree::Leaf(Class::Clear),
        ),
    ),
    &Tree::Below(
        Feature::Ratio(B05, B11),
        4.33,
        &Tree::Below(
            Feature::Difference(B11, B10),
            0.255,
            &Tree::Below(
                Feature::Difference(B06, B07),
                -0.016,
                &Tree::Leaf(Class::Cloud),
                &Tree::Leaf(Class::Cirrus),
            ),
            &Tree::Below(
                Feature::Band(B01),
                0.3,
                &Tree::Leaf(Class::Clear),
                &Tree::Leaf(Class::Cloud),
            ),
        ),
        &Tree::Below(
            Feature::Band(B03),
            0.525,
            &Tree::Below(
                Feature::Ratio(B01, B05),
                1.184,
                &Tree::Leaf(Class::Clear),
                &Tree::Leaf(Class::Shadow),
            ),
            &Tree::Leaf(Class::Snow),
        ),
    ),
);

fn definition() -> Definition {
    Definition::new(
        "cloud_detection",
        "Find clouds and their shadows",
        "Makes a data cube with the bands `cloud` and `shadow` in place of the bands of the data: 1 where a pixel shows \
         one, 0 elsewhere, no data where a band has no valid value. The one method is the decision tree over ten bands of \
         Sentinel-2 that Hollstein et al. (2016, doi:10.3390/rs8080666) published as their figure 8; cirrus counts as \
         cloud, snow and water as clear. The bands hold reflectances at the top of the atmosphere from 0 to 1; where \
         bands publish a scale and an offset, these are applied.",
    )
    .experimental()
    .note(
        "The standard leaves the methods to back-ends and has no name for the one that is here, the decision tree of \
         Hollstein et al. (2016): it is what null stands for, in every version. Fmask, s2cloudless and Sen2Cor are not \
         offered: they need trained models or the geometry of sun and sensor.",
    )
    .category("cubes")
    .category("optical")
    .param(param(
        "data",
        "Reflectances at the top of the atmosphere, with the bands B01, B02, B03, B05, B06, B07, B8A, B09, B10 and B11.",
        schema::cube_with([schema::spatial(), schema::bands()]),
    ))
    .param(param(
        "method",
        "null for the one method there is, the decision tree of Hollstein et al. (2016).",
        schema::any_of([schema::null()]),
    ))
    .param(
        param(
            "options",
            "There are none.",
            json!({ "type": "object", "additionalProperties": false }),
        )
        .default(json!({})),
    )
    .returns(
        "A data cube with the bands `cloud` and `shadow`.",
        schema::cube_with([schema::spatial(), schema::bands()]),
    )
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    if let Some(method) = call.text("method")? {
        let message = format!("there is no method `{method}`");
        let hint = "null stands for the decision tree of Hollstein et al. (2016)";
        return Err(Problem::argument("method", message).hint(hint));
    }
    if !call.entries("options")?.is_empty() {
        return Err(Problem::argument("options", "there are no options"));
    }
    let dim = schema.bands().ok_or_else(|| {
        Problem::argument("data", "the data cube has no dimension of type `bands`")
    })?;
    let labels: Vec<Label> = schema.dims[dim].labels().ok_or(Problem::Blocked)?.iter().collect();
    let found = bands(&labels)?;
    let mut kept: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    kept[dim] = Some(Arc::from(found.as_slice()));
    let (select, ten) = Op::select(&schema, kept);
    let node = call.add_node((select, ten.clone()), vec![data]);

    let Input::Axis(k, element, labels) = call.axis_input(&ten, dim) else {
        return Err(Problem::Blocked);
    };
    let mut builder = Builder::default();
    let axis = builder.axis(k, element, labels);
    let bands = (0..BANDS.len())
        .map(|band| reflectance(&mut builder, axis, &ten, band))
        .collect::<Result<Vec<_>, _>>()?;
    let mut valid = builder.call(function("is_valid")?, vec![bands[0]]);
    for band in &bands[1..] {
        let one = builder.call(function("is_valid")?, vec![*band]);
        valid = builder.call(function("and")?, vec![valid, one]);
    }
    let mut masks = Vec::new();
    for shown in [&[Class::Cloud, Class::Cirrus][..], &[Class::Shadow]] {
        let mask = TREE.mask(&mut builder, &bands, shown)?;
        let null = builder.constant(Value::Null);
        masks.push(builder.if_(valid, mask, null));
    }
    let both = builder.list(masks);
    let labels = Axis::Known(Labels::texts(["cloud", "shadow"]));
    let target = Dimension { name: schema.dims[dim].name.clone(), kind: Kind::Bands, axis: labels };
    let (op, mut made) = Op::along(&ten, dim, target, Arc::new(builder.finish(both)))?;
    for variable in &mut made.variables {
        // 0 is a value of these bands, whatever it was before.
        (variable.nodata, variable.common_name, variable.center_wavelength) = (None, None, None);
    }
    call.try_add(Ok((op, made)), vec![node])
}

/// Where the bands are; Sentinel-2's own names have no leading zero in some collections.
fn bands(labels: &[Label]) -> Result<Vec<usize>, Problem> {
    let at = |name: &str| {
        let short = name.replace("B0", "B");
        let is = |label: &Label| label.as_text().is_some_and(|text| text == name || text == short);
        labels.iter().position(is)
    };
    let missing: Vec<&str> = BANDS.into_iter().filter(|name| at(name).is_none()).collect();
    if !missing.is_empty() {
        let message = format!("the bands {} are missing", missing.join(", "));
        let known: Vec<String> = labels.iter().map(Label::to_string).collect();
        let hint = format!("bands: {}", known.join(", "));
        return Err(Problem::argument("data", message).hint(hint));
    }
    Ok(BANDS.iter().filter_map(|name| at(name)).collect())
}

/// A band as a reflectance from 0 to 1.
fn reflectance(
    builder: &mut Builder,
    axis: ExprId,
    schema: &Schema,
    band: usize,
) -> Result<ExprId, Problem> {
    let variable = &schema.variables[band];
    let value = builder.pick(axis, band);
    let integer = !matches!(variable.dtype, DType::F32 | DType::F64);
    if integer && variable.scale.is_none() {
        let message = format!("`{}` holds integers, which are no reflectances", BANDS[band]);
        let hint = "scale the bands to reflectances from 0 to 1 before";
        return Err(Problem::argument("data", message).hint(hint));
    }
    let mut scaled = value;
    if let Some(scale) = variable.scale {
        let scale = builder.constant(Value::Float(scale));
        scaled = builder.call(function("multiply")?, vec![scaled, scale]);
    }
    if let Some(offset) = variable.offset {
        let offset = builder.constant(Value::Float(offset));
        scaled = builder.call(function("add")?, vec![scaled, offset]);
    }
    Ok(scaled)
}

impl Tree {
    /// 1 where the tree ends at one of these classes, else 0.
    fn mask(
        &self,
        builder: &mut Builder,
        bands: &[ExprId],
        shown: &[Class],
    ) -> Result<ExprId, Problem> {
        let (feature, threshold, below, other) = match self {
            Tree::Leaf(class) => {
                return Ok(builder.constant(Value::Int(i64::from(shown.contains(class)))));
            }
            Tree::Below(feature, threshold, below, other) => (feature, threshold, below, other),
        };
        let value = match feature {
            Feature::Band(a) => bands[*a],
            Feature::Difference(a, b) => {
                builder.call(function("subtract")?, vec![bands[*a], bands[*b]])
            }
            Feature::Ratio(a, b) => builder.call(function("divide")?, vec![bands[*a], bands[*b]]),
        };
        let threshold = builder.constant(Value::Float(*threshold));
        let is_below = builder.call(function("lt")?, vec![value, threshold]);
        let (below, other) =
            (below.mask(builder, bands, shown)?, other.mask(builder, bands, shown)?);
        Ok(builder.if_(is_below, below, other))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::BANDS;
    use crate::cubes::testing::{call, cube, numbers};

    #[test]
    fn scales_and_offsets_give_reflectances() {
        // Bright, no snow (0.4 / 0.5 < 4.33), thick (0.5 - 0.001 >= 0.255), white in B01: a cloud.
        let white = [0.35, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.001, 0.5];
        let plain = cube(&["2020-01-01"], &BANDS, 1, 1, white.to_vec());
        let stored = white.map(|value| value * 10_000.0 + 1000.0).to_vec();
        let mut scaled = cube(&["2020-01-01"], &BANDS, 1, 1, stored);
        for variable in &mut scaled.schema.variables {
            (variable.scale, variable.offset) = (Some(0.0001), Some(-0.1));
        }
        for data in [plain, scaled] {
            let made = call("cloud_detection", json!({ "method": null }), &data).unwrap().cube();
            assert_eq!(numbers(&made), [Some(1.0), Some(0.0)]);
            assert_eq!(made.schema.variables[1].scale, None);
        }
    }
}
