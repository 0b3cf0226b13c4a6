//! Processes that change dimensions and leave pixels alone.

use std::sync::Arc;

use eolith_cube::{Block, DType, Dimension, Kind, Labels, Schema, SpatialAxis, Variable};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::op::{Cube, Op};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::value::Value;
use serde_json::json;

use super::arguments::{label, label_of, unsupported};

pub(crate) static ADD_DIMENSION: Process = Process {
    definition: || {
        Definition::new(
            "add_dimension",
            "Add a dimension with one label",
            "Puts a new dimension with a single label in front of the others.",
        )
        .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param("name", "The name of the new dimension.", schema::string()))
        .param(param("label", "Its label.", schema::label()))
        .param(
            param(
                "type",
                "Its type.",
                schema::one_of(&["bands", "geometry", "spatial", "temporal", "other"]),
            )
            .default(json!("other")),
        )
        .returns("The data cube with one more dimension.", schema::cube())
        .throws("DimensionExists", "The data cube has a dimension of this name already.")
    },
    lowering: Lowering::Custom(add),
};

pub(crate) static DROP_DIMENSION: Process = Process {
    definition: || {
        Definition::new(
            "drop_dimension",
            "Remove a dimension with one label",
            "Removes a dimension that has a single label. Use `reduce_dimension` where there are more.",
        )
        .note("A dimension without labels has not a single one and is refused.")
    .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param("name", "The name of the dimension.", schema::string()))
        .returns("The data cube without the dimension.", schema::cube())
        .throws("DimensionLabelCountMismatch", "The dimension has not exactly one label.")
        .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
    },
    lowering: Lowering::Custom(drop),
};

pub(crate) static RENAME_DIMENSION: Process = Process {
    definition: || {
        Definition::new(
            "rename_dimension",
            "Rename a dimension",
            "Gives a dimension another name; everything else stays.",
        )
        .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param("source", "The present name.", schema::string()))
        .param(param("target", "The new name.", schema::string()))
        .returns("The data cube with the dimension renamed.", schema::cube())
        .throws("DimensionNotAvailable", "The data cube has no dimension with the present name.")
        .throws("DimensionExists", "The data cube has a dimension with the new name already.")
    },
    lowering: Lowering::Custom(rename),
};

pub(crate) static DIMENSION_LABELS: Process = Process {
    definition: || {
        Definition::new(
            "dimension_labels",
            "Get the labels of a dimension",
            "Gives all labels of a dimension in their order; instants as texts.",
        )
        .category("cubes")
        .param(param("data", "A data cube.", schema::cube()))
        .param(param("dimension", "The name of the dimension.", schema::string()))
        .returns("The labels.", schema::array(json!({ "type": ["number", "string"] })))
        .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
    },
    lowering: Lowering::Custom(labels),
};

pub(crate) static CREATE_DATA_CUBE: Process = Process {
    definition: || {
        Definition::new(
            "create_data_cube",
            "Create a data cube without dimensions",
            "Gives a data cube that has neither dimensions nor values; `add_dimension` adds the first ones.",
        )
        .category("cubes")
        .returns("An empty data cube.", schema::cube())
    },
    lowering: Lowering::Custom(create),
};

fn add(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let name = call.required_text("name")?;
    if schema.position(&name).is_some() {
        return Err(exists(&name).at("name"));
    }
    let kind = match &*call.required_text("type")? {
        "bands" => Kind::Bands,
        "temporal" => Kind::Temporal,
        "other" => Kind::Other,
        "spatial" => {
            let free = [SpatialAxis::X, SpatialAxis::Y, SpatialAxis::Z]
                .into_iter()
                .find(|axis| schema.spatial(*axis).is_none());
            let axis = free.ok_or_else(|| {
                Problem::new("DimensionExists", "the data cube has all three spatial dimensions")
                    .at("type")
            })?;
            Kind::Spatial { axis, crs: None }
        }
        "geometry" => return Err(unsupported("type", "vector data cubes are not supported yet")),
        other => {
            return Err(Problem::argument("type", format!("there is no dimension type `{other}`")));
        }
    };
    let label = label_of(&kind, label(&call.constant("label")?, "label")?);
    let new = Dimension::new(name.to_string(), kind, Labels::list([label]));
    let mut dims = vec![(new, None)];
    dims.extend(schema.dims.iter().cloned().zip((0..).map(Some)));
    call.try_add(Op::relabel(&schema, dims), vec![data])
}

fn drop(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "name")?;
    let kept = schema.dims.iter().cloned().zip((0..).map(Some)).filter(|(_, i)| *i != Some(dim));
    call.try_add(Op::relabel(&schema, kept.collect()), vec![data])
}

fn rename(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "source")?;
    let target = call.required_text("target")?;
    if schema.position(&target).is_some() {
        return Err(exists(&target).at("target"));
    }
    let mut dims: Vec<_> = schema.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims[dim].0.name = target.to_string();
    call.try_add(Op::relabel(&schema, dims), vec![data])
}

fn labels(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    let labels = schema.dims[dim].labels().ok_or(Problem::Blocked)?;
    let values = labels.iter().map(Value::from).collect();
    Ok(Term::Expr(call.builder().constant(Value::array(values))))
}

fn create(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let schema = Schema::uniform(Vec::new(), Variable::new(DType::F64));
    let block = Block::nulls(DType::F64, Vec::new());
    Ok(call.add(Op::literal(Arc::new(Cube { schema, block })), Vec::new()))
}

fn exists(name: &str) -> Problem {
    Problem::new("DimensionExists", format!("the data cube has a dimension `{name}` already"))
}
