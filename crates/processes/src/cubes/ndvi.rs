//! `ndvi`: the normalised difference of near infrared and red.

use std::sync::Arc;

use eolith_cube::{Dimension, Kind, Label, Labels, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::Builder;
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use serde_json::{Value as Json, json};

use super::arguments::function;

pub(crate) static NDVI: Process = Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::spatial(), schema::bands()]);
    Definition::new(
        "ndvi",
        "Normalized Difference Vegetation Index",
        "Computes `(nir - red) / (nir + red)` for each pixel. Without `target_band` the bands are gone afterwards; \
         with it, the index becomes another band.",
    )
    .category("cubes")
    .category("math > indices")
    .category("vegetation indices")
    .param(param("data", "A data cube with bands.", cube()))
    .param(
        param("nir", "Name or common name of the near-infrared band.", schema::band_name())
            .default(json!("nir")),
    )
    .param(
        param("red", "Name or common name of the red band.", schema::band_name())
            .default(json!("red")),
    )
    .param(
        param(
            "target_band",
            "The name of the band to add; null to drop the bands.",
            schema::any_of([json!({ "type": "string", "pattern": "^\\w+$" }), schema::null()]),
        )
        .default(Json::Null),
    )
    .returns("A data cube with the index.", schema::cube_with([schema::spatial()]))
    .throws("NirBandAmbiguous", "Not exactly one band is meant by `nir`.")
    .throws("RedBandAmbiguous", "Not exactly one band is meant by `red`.")
    .throws("DimensionAmbiguous", "The data cube has not exactly one dimension of type `bands`.")
    .throws("BandExists", "There is a band with the name of the target already.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let mut dims = (0..schema.dims.len()).filter(|&d| schema.dims[d].kind == Kind::Bands);
    let (Some(bands), None) = (dims.next(), dims.next()) else {
        return Err(Problem::new(
            "DimensionAmbiguous",
            "the data cube must have exactly one dimension of type `bands`",
        ));
    };
    let labels: Vec<Label> = schema.dims[bands].labels().ok_or(Problem::Blocked)?.iter().collect();
    let target = call.text("target_band")?;
    if let Some(target) = &target
        && labels.iter().any(|label| label.to_string() == **target)
    {
        return Err(Problem::new("BandExists", format!("there is a band `{target}` already"))
            .at("target_band"));
    }
    let nir = band(call, &schema, &labels, "nir", "NirBandAmbiguous")?;
    let red = band(call, &schema, &labels, "red", "RedBandAmbiguous")?;
    let index = index(call, data, &schema, bands, [nir, red])?;
    let Some(target) = target else { return Ok(Term::Cube(index)) };

    // The index as a band of its own, merged with the others.
    let single = call.schema(index);
    let name = schema.dims[bands].name.clone();
    let mut dims: Vec<_> = single.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims.insert(bands, (Dimension::new(name, Kind::Bands, Labels::texts([&target])), None));
    let (op, banded) = Op::relabel(&single, dims)?;
    let banded_node = call.add_node((op, banded.clone()), vec![index]);
    call.try_add(Op::merge([&schema, &banded], None), vec![data, banded_node])
}

/// The one band with this name, or with this common name.
fn band(
    call: &mut Call<'_, '_>,
    schema: &Schema,
    labels: &[Label],
    argument: &str,
    code: &'static str,
) -> Result<usize, Problem> {
    let name = call.required_text(argument)?;
    if let Some(i) = labels.iter().position(|label| label.to_string() == *name) {
        return Ok(i);
    }
    let common: Vec<usize> = (0..labels.len())
        .filter(|&i| schema.variables[i].common_name.as_deref() == Some(&*name))
        .collect();
    if let [only] = common.as_slice() {
        return Ok(*only);
    }
    let message = if common.is_empty() {
        format!("no band has the name or common name `{name}`")
    } else {
        format!("{} bands have the common name `{name}`", common.len())
    };
    let known: Vec<String> = labels.iter().map(Label::to_string).collect();
    Err(Problem::new(code, message).at(argument).hint(format!("bands: {}", known.join(", "))))
}

/// The normalised difference of two bands, without the bands dimension. Only these two decide its type.
fn index(
    call: &mut Call<'_, '_>,
    data: NodeId,
    schema: &Schema,
    bands: usize,
    pair: [usize; 2],
) -> Result<NodeId, Problem> {
    let mut kept: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    kept[bands] = Some(Arc::from(pair));
    let (select, two) = Op::select(schema, kept);
    let two_node = call.add_node((select, two.clone()), vec![data]);
    let mut builder = Builder::default();
    let labels = two.dims[bands].labels().map(|labels| labels.iter().collect());
    let axis = builder.axis(0, Type::of_dtype(two.dtype()), labels);
    let (nir, red) = (builder.pick(axis, 0), builder.pick(axis, 1));
    let root = builder.call(function("normalized_difference")?, vec![nir, red]);
    let made = Op::reduce(&two, bands, Arc::new(builder.finish(root)))?;
    Ok(call.add_node(made, vec![two_node]))
}
