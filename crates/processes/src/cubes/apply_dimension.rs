//! `apply_dimension`: a whole dimension to an array.

use std::sync::Arc;

use eolith_cube::{Axis, Dimension, Extent, Kind, Labels};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::expr::{Builder, Expr};
use eolith_plan::logical::NodeId;
use eolith_plan::op::{Cube, Op};
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::udf::Role;
use eolith_plan::value::Value;

use super::arguments::function;

pub(crate) static APPLY_DIMENSION: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "apply_dimension",
        "Apply a process along a dimension",
        "Hands all values along a dimension to the process, as an array labelled with the labels of the dimension, \
         and puts the array it returns in their place. If both are equally long, labels and reference system of \
         the dimension stay; otherwise the labels are 0, 1, 2, … and the reference system is gone. With \
         `target_dimension` the dimension is replaced by another one: either one that exists and has a single \
         label, or a new one of type `other`.",
    )
    .category("cubes")
    .param(param("data", "A data cube.", schema::cube()))
    .param(param("process", "Computes an array from the array `data`.", schema::array_callback()))
    .param(param("dimension", "The name of the dimension to work on.", schema::string()))
    .param(
        param(
            "target_dimension",
            "The name of the dimension that takes the new values; null for the one that is worked on.",
            schema::string_or_null(),
        )
        .default(serde_json::Value::Null),
    )
    .param(super::arguments::context())
    .returns("A data cube with the new values.", schema::cube())
    .throws("DimensionNotAvailable", "The data cube has no dimension of this name.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = call.dimension(&schema, "dimension")?;
    let source = schema.dims[dim].clone();
    let target = call.text("target_dimension")?.filter(|name| **name != *source.name);
    if let Some(result) = call.outside("process", "data", data, Role::Along(dim))? {
        return match target {
            None => Ok(result),
            Some(_) => Err(Problem::argument(
                "target_dimension",
                "what a UDF returns stays in the dimension that is worked on",
            )
            .hint("rename the dimension afterwards")),
        };
    }
    let input = call.axis_input(&schema, dim);
    let process = call.callback("process", &[("data", input)])?;
    let length = match process.ty() {
        Type::Array(_, length) => *length,
        Type::Null | Type::Bool | Type::Int(_) | Type::F32 | Type::F64 | Type::Text | Type::Any => {
            Some(1)
        }
    };
    let length = match length {
        None if source.labels().is_some() => match length_of(call, data, dim, &process)? {
            Some(n) => Some(n),
            // The same name and type, whatever the labels will be.
            None if target.is_none() => return Ok(call.pending((*schema).clone(), vec![data])),
            None => return Err(Problem::Blocked),
        },
        known => known,
    };
    if length == Some(0) {
        return Err(Problem::argument(
            "process",
            "the process returns no values, at least one is expected",
        ));
    }
    let axis = match (length, source.labels()) {
        (Some(n), Some(labels)) if n == labels.len() && target.is_none() => {
            return call.try_add(Op::along(&schema, dim, source, process), vec![data]);
        }
        (Some(n), _) => Axis::Known(Labels::enumerated(n)),
        (None, None) => Axis::Pending(Extent::default()),
        (None, Some(_)) => return Err(Problem::Blocked),
    };
    let Some(target) = target else {
        let kind = match source.kind {
            Kind::Spatial { axis, .. } => Kind::Spatial { axis, crs: None },
            Kind::Geometry(_) => Kind::Other,
            other @ (Kind::Temporal | Kind::Bands | Kind::Other) => other,
        };
        let changed = Dimension { name: source.name, kind, axis };
        return call.try_add(Op::along(&schema, dim, changed, process), vec![data]);
    };
    let Some(existing) = schema.position(&target) else {
        let new = Dimension { name: target.to_string(), kind: Kind::Other, axis };
        return call.try_add(Op::along(&schema, dim, new, process), vec![data]);
    };
    if schema.dims[existing].len().is_some_and(|n| n != 1) {
        return Err(Problem::argument(
            "target_dimension",
            format!("dimension `{target}` has more than one label and cannot take the new values"),
        ));
    }
    let kind = match &schema.dims[existing].kind {
        Kind::Spatial { axis, .. } => Kind::Spatial { axis: *axis, crs: None },
        Kind::Geometry(_) => Kind::Other,
        other @ (Kind::Temporal | Kind::Bands | Kind::Other) => other.clone(),
    };
    // First in the place of the source under a name nobody has, then moved to the place of the target.
    let free = (0..=schema.dims.len())
        .map(|i| format!("{target}~{i}"))
        .find(|name| schema.position(name).is_none());
    let moved = Dimension { name: free.unwrap_or_default(), kind: Kind::Other, axis: axis.clone() };
    let (op, along) = Op::along(&schema, dim, moved, process)?;
    let along_node = call.add_node((op, along.clone()), vec![data]);
    let filled = Dimension { name: target.to_string(), kind, axis };
    let dims = (0..schema.dims.len()).filter(|d| *d != dim).map(|d| {
        if d == existing { (filled.clone(), Some(dim)) } else { (along.dims[d].clone(), Some(d)) }
    });
    call.try_add(Op::relabel(&along, dims.collect()), vec![along_node])
}

/// How many values the process returns, where that depends on pixels: it is the same for all of them or an error.
/// `None` until it was computed.
fn length_of(
    call: &mut Call<'_, '_>,
    data: NodeId,
    dim: usize,
    process: &Expr,
) -> Result<Option<usize>, Problem> {
    let schema = call.schema(data);
    let Input::Axis(k, element, labels) = call.axis_input(&schema, dim) else { return Ok(None) };
    let mut builder = Builder::default();
    let axis = builder.axis(k, element, labels);
    let values = builder.inline(process, &[axis]);
    let all = builder.constant(Value::Bool(true));
    let length = builder.call(&crate::reducers::COUNT_OF, vec![values, all]);
    let made = Op::reduce(&schema, dim, Arc::new(builder.finish(length)))?;
    let lengths = call.add_node(made, vec![data]);
    let mut ends = Vec::new();
    for end in ["min", "max"] {
        let mut node = lengths;
        while let Some(last) = call.schema(node).dims.len().checked_sub(1) {
            let schema = call.schema(node);
            let mut builder = Builder::default();
            let axis = builder.axis(0, Type::of_dtype(schema.dtype()), None);
            let skipped = builder.constant(Value::Bool(true));
            let one = builder.call(function(end)?, vec![axis, skipped]);
            let made = Op::reduce(&schema, last, Arc::new(builder.finish(one)))?;
            node = call.add_node(made, vec![node]);
        }
        ends.push(node);
    }
    let Some(found) = call.computed(&ends) else { return Ok(None) };
    let number = |cube: &Arc<Cube>| cube.block.get(0).map_or(0.0, eolith_cube::Number::to_f64);
    match [number(&found[0]), number(&found[1])] {
        [least, most] if least == most => Ok(Some(most as usize)),
        [least, most] => {
            let message = format!(
                "the process returns {least} values for some pixels and {most} for others, a data cube needs one number"
            );
            Err(Problem::argument("process", message)
                .hint("keep the number of values, e.g. by replacing some instead of removing them"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, callback, cube, numbers};
    use eolith_plan::op::Cube;

    fn applied(data: &Cube, target: Json) -> (Vec<String>, Vec<Option<f64>>) {
        let both = callback("extrema", json!({ "data": { "from_parameter": "data" } }));
        let arguments = json!({ "dimension": "t", "target_dimension": target, "process": both });
        let result = call("apply_dimension", arguments, data).unwrap().cube();
        let name = |dim: &eolith_cube::Dimension| {
            let labels: Vec<String> = dim.labels().unwrap().iter().map(|l| l.to_string()).collect();
            format!("{} {}: {}", dim.kind.name(), dim.name, labels.join(" "))
        };
        (result.schema.dims.iter().take(2).map(name).collect(), numbers(&result))
    }

    #[test]
    fn the_target_is_the_source_a_new_dimension_or_one_with_a_single_label() {
        let times = ["2020-01-01", "2020-01-02", "2020-01-03"];
        let data = cube(&times, &["a"], 1, 1, vec![5.0, 9.0, 7.0]);
        let values = vec![Some(5.0), Some(9.0)];
        let dims = |dims: [&str; 2]| dims.map(str::to_owned).to_vec();
        assert_eq!(
            applied(&data, Json::Null),
            (dims(["temporal t: 0 1", "bands bands: a"]), values.clone())
        );
        assert_eq!(
            applied(&data, json!("range")),
            (dims(["other range: 0 1", "bands bands: a"]), values.clone())
        );
        let (names, found) = applied(&data, json!("bands"));
        assert_eq!((names[0].as_str(), found), ("bands bands: 0 1", values));
    }
}
