//! Runs a process graph over literal cubes: as bound, in one task, and in tasks of single pixels, which must agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::time::TimeLabel;
use eolith_cube::{
    Block, Crs, Dimension, Kind, Label, Labels, Number, Schema, SpatialAxis, Values, Variable,
};
use eolith_plan::bind::Argument;
use eolith_plan::compute::{Failure, run_root};
use eolith_plan::logical::RootValue;
use eolith_plan::need::Snapshot;
use eolith_plan::op::Cube;
use eolith_plan::physical::Options;
use eolith_plan::planner::{Planned, plan};
use eolith_plan::reference;
use eolith_plan::value::Value;
use serde_json::Value as Json;

/// A result: a cube or a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Cube(Cube),
    Value(Value),
}

/// The result of a process graph whose parameters are cubes; an error is its code.
pub(crate) fn run(graph: Json, cubes: &[(&str, &Cube)]) -> Result<Outcome, String> {
    let (process, issues) = eolith_graph::parse_value(serde_json::json!({
        "process_graph": graph,
        "parameters": cubes.iter().map(|(name, _)| serde_json::json!({ "name": name, "description": "", "schema": {} })).collect::<Vec<_>>(),
    }));
    assert!(issues.is_empty(), "{issues:?}");
    let arguments: BTreeMap<String, Argument> = cubes
        .iter()
        .map(|(name, cube)| ((*name).to_owned(), Argument::Cube(Arc::new((*cube).clone()))))
        .collect();
    let process = process.unwrap();
    let mut outcomes = Vec::new();
    for max_extent in [None, Some(1)] {
        let options = Options { max_extent, ..Options::default() };
        let registry = crate::registry();
        let mut snapshot = Snapshot::default();
        let plan = loop {
            match plan(&process, &arguments, registry, &snapshot, None, &options) {
                Planned::Ready(plan) => break plan,
                Planned::Issues(issues) => return Err(issues[0].code.as_str().to_owned()),
                Planned::Needs { needs, .. } => {
                    for need in needs {
                        let subplan = need.subplan().expect("nothing is loaded");
                        let answer = subplan.answer_with(|plan, id| -> Result<Block, Failure> {
                            reference::evaluate(plan, id, |_| unreachable!("no scans"))
                        });
                        let answer = answer.map_err(|failure| failure.fault.code.to_owned())?;
                        snapshot.insert(need, answer);
                    }
                }
            }
        };
        let root = plan.bound.roots.iter().position(|root| root.is_result).unwrap();
        let id = match &plan.bound.roots[root].value {
            RootValue::Value(value) => return Ok(Outcome::Value(value.clone())),
            RootValue::Cube(id) => *id,
        };
        let schema = plan.bound.schema(id).as_ref().clone();
        let slow = reference::evaluate(&plan.bound, id, |_| -> Result<Block, Failure> {
            unreachable!("no scans")
        });
        outcomes.push(slow.map_err(|failure| failure.fault.code));
        let part = plan.physical.roots[root].as_ref().unwrap();
        let made = run_root(&plan.physical, part, |_, _| unreachable!("no scans"));
        let (whole, failed) = match made {
            Ok(whole) => (whole, None),
            Err(Failure { fault, .. }) => (Block::nulls(schema.dtype(), vec![0]), Some(fault.code)),
        };
        outcomes.push(failed.map_or(Ok(whole.canonical()), Err));
        if outcomes.len() == 4 {
            let first = outcomes[0].clone();
            for other in &outcomes {
                assert_eq!(format!("{first:?}"), format!("{other:?}"));
            }
            return match first {
                Ok(block) => Ok(Outcome::Cube(Cube { schema, block })),
                Err(code) => Err(code.to_owned()),
            };
        }
    }
    unreachable!("two chunkings give four outcomes")
}

/// One call with the cube `data` as its first argument.
pub(crate) fn call(id: &str, arguments: Json, data: &Cube) -> Result<Outcome, String> {
    let mut arguments = arguments;
    arguments["data"] = serde_json::json!({ "from_parameter": "data" });
    let graph =
        serde_json::json!({ "one": { "process_id": id, "arguments": arguments, "result": true } });
    run(graph, &[("data", data)])
}

impl Outcome {
    pub(crate) fn cube(self) -> Cube {
        match self {
            Outcome::Cube(cube) => cube,
            Outcome::Value(value) => panic!("a value: {value:?}"),
        }
    }
}

/// A callback of one process with these arguments.
pub(crate) fn callback(id: &str, arguments: Json) -> Json {
    serde_json::json!({ "process_graph": { "only": { "process_id": id, "arguments": arguments, "result": true } } })
}

/// A cube with the dimensions t, bands, y, x (10 m pixels of UTM 33N) and the given numbers; NaN is no-data.
pub(crate) fn cube(
    times: &[&str],
    bands: &[&str],
    rows: usize,
    columns: usize,
    values: Vec<f64>,
) -> Cube {
    let time = |text: &&str| Label::Time(TimeLabel::parse(text).unwrap());
    let crs = Some(Crs::epsg(32633).unwrap());
    let spatial = |name: &str, axis, first: f64, step: f64, n: usize| {
        let labels = Labels::list((0..n).map(|i| Label::Float(first + step * i as f64)));
        Dimension::new(name, Kind::Spatial { axis, crs: crs.clone() }, labels)
    };
    let dims = vec![
        Dimension::new("t", Kind::Temporal, Labels::list(times.iter().map(time))),
        Dimension::new("bands", Kind::Bands, Labels::texts(bands)),
        spatial("y", SpatialAxis::Y, 5_000_095.0, -10.0, rows),
        spatial("x", SpatialAxis::X, 500_005.0, 10.0, columns),
    ];
    let mut variable = Variable::new(eolith_cube::DType::F64);
    variable.nodata = Some(Number::Float(f64::NAN));
    let shape = vec![times.len(), bands.len(), rows, columns];
    let mut block = Block::new(shape, Values::F64(values));
    block.mask_value(Number::Float(f64::NAN));
    Cube { schema: Schema::uniform(dims, variable), block }
}

/// All numbers of a cube in order; `None` is no-data.
pub(crate) fn numbers(cube: &Cube) -> Vec<Option<f64>> {
    (0..cube.block.len()).map(|i| cube.block.get(i).map(Number::to_f64)).collect()
}
