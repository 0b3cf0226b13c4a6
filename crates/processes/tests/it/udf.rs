//! Functions of users while a process is planned: what is asked, and what becomes of the answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::{
    Block, Crs, DType, Dimension, Kind, Label, Labels, Regular, Schema, SpatialAxis, Values,
    Variable,
};
use eolith_plan::bind::Argument;
use eolith_plan::need::{Answer, Need, Snapshot};
use eolith_plan::op::Cube;
use eolith_plan::physical::{Options, Physical};
use eolith_plan::planner::{Planned, plan};
use eolith_plan::udf::{Outcome, Role, Udf};
use eolith_processes::registry;
use serde_json::{Value as Json, json};

const ROWS: usize = 300;
const COLUMNS: usize = 520;

/// Three dates, two bands, more than one cell.
fn cube() -> Cube {
    let crs = Some(Crs::epsg(32633).unwrap());
    let spatial = |axis, len, step| {
        let kind = Kind::Spatial { axis, crs: crs.clone() };
        let labels = Labels::Regular(Regular { start: 5.0, step, len });
        Dimension::new(if axis == SpatialAxis::X { "x" } else { "y" }, kind, labels)
    };
    let dims = vec![
        Dimension::new("t", Kind::Temporal, Labels::list((1..=3).map(Label::Int))),
        Dimension::new("bands", Kind::Bands, Labels::texts(["red", "nir"])),
        spatial(SpatialAxis::Y, ROWS, -10.0),
        spatial(SpatialAxis::X, COLUMNS, 10.0),
    ];
    let schema = Schema::uniform(dims, Variable::new(DType::I16));
    let shape = schema.shape().unwrap();
    let values = Values::zeros(DType::I16, shape.iter().product());
    Cube { schema, block: Block::new(shape, values) }
}

fn callback(arguments: Json) -> Json {
    json!({ "process_graph": { "f": { "process_id": "run_udf", "arguments": arguments, "result": true } } })
}

fn code(data: &str) -> Json {
    json!({ "data": { "from_parameter": data }, "udf": "a\nb", "runtime": "Python" })
}

/// What planning gives where the function gives this.
fn planned(
    process: &str,
    arguments: Json,
    options: &Options,
    answer: impl Fn(&Udf, &Json, DType) -> Answer,
) -> Result<Box<Physical>, (String, String)> {
    let mut arguments = arguments;
    arguments["data"] = json!({ "from_parameter": "cube" });
    let (process, issues) = eolith_graph::parse_value(json!({
        "process_graph": { "one": { "process_id": process, "arguments": arguments, "result": true } },
        "parameters": [{ "name": "cube", "description": "", "schema": {} }],
    }));
    assert!(issues.is_empty(), "{issues:?}");
    let given = BTreeMap::from([("cube".to_owned(), Argument::Cube(Arc::new(cube())))]);
    let mut snapshot = Snapshot::default();
    for _ in 0..3 {
        match plan(process.as_ref().unwrap(), &given, registry(), &snapshot, None, options) {
            Planned::Ready(plan) => return Ok(Box::new(plan.physical)),
            Planned::Issues(issues) => {
                return Err((issues[0].code.as_str().to_owned(), issues[0].to_string()));
            }
            Planned::Needs { needs, .. } => {
                for need in needs {
                    let given = match &need {
                        Need::Udf { udf, cell, dtype } => {
                            answer(udf, &serde_json::from_str(cell).unwrap(), *dtype)
                        }
                        other => panic!("{other:?}"),
                    };
                    snapshot.insert(need, given);
                }
            }
        }
    }
    panic!("the planner does not come to an end")
}

/// An outcome with these dimensions, labels enumerated.
fn gives(dims: &[(&str, usize)]) -> Answer {
    let dims = dims.iter().map(|(name, n)| ((*name).to_owned(), Labels::enumerated(*n)));
    Answer::Udf(Arc::new(Outcome { dtype: DType::F32, dims: dims.collect() }))
}

fn shape(physical: &Physical) -> Vec<(String, usize)> {
    let schema = physical.logical.schema(physical.stages[0].node);
    schema.dims.iter().map(|dim| (dim.name.clone(), dim.len().unwrap())).collect()
}

#[test]
fn a_cell_is_what_a_function_gets_whatever_the_memory() {
    let mut asked = Vec::new();
    for (threads, memory) in [(1, 256), (7, 600), (2, 4000)] {
        let options = Options {
            threads,
            task_memory: memory << 20,
            max_extent: Some(threads),
            ..Options::default()
        };
        let made = planned(
            "apply",
            json!({ "process": callback(code("x")) }),
            &options,
            |udf, cell, dtype| {
                assert_eq!((udf.role, dtype), (Role::Apply, DType::I16));
                let lengths: Vec<(String, usize)> = (cell["dims"].as_array().unwrap().iter())
                    .map(|dim| {
                        (
                            dim["name"].as_str().unwrap().to_owned(),
                            dim["labels"].as_array().unwrap().len(),
                        )
                    })
                    .collect();
                assert_eq!(cell["dims"][2]["crs"], "EPSG:32633");
                let named: Vec<(&str, usize)> =
                    lengths.iter().map(|(name, n)| (name.as_str(), *n)).collect();
                assert_eq!(named, [("t", 1), ("bands", 2), ("y", 256), ("x", 256)]);
                gives(&named)
            },
        );
        let made = made.unwrap();
        let [stage] = made.stages.as_slice() else { panic!("{} stages", made.stages.len()) };
        assert_eq!(stage.partition.len(), 3 * 2 * 3, "dates, rows and columns of cells");
        assert!(stage.peak > options.udf_memory);
        let tasks: Vec<_> = (0..18)
            .map(|i| {
                let task = made.task(stage, i);
                (task.output, task.cell.unwrap())
            })
            .collect();
        assert!(tasks.iter().all(|(input, cell)| input == cell), "a cell keeps its shape");
        asked.push(tasks);
    }
    assert!(asked.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_reducer_takes_its_axis_away_and_a_callback_may_change_it() {
    let options = Options::default();
    let reduce = json!({ "dimension": "t", "reducer": callback(code("data")) });
    let made = planned("reduce_dimension", reduce, &options, |udf, _, _| {
        assert_eq!(udf.role, Role::Reduce(0));
        gives(&[("bands", 2), ("y", 256), ("x", 256)])
    });
    let made = made.unwrap();
    assert_eq!(
        shape(&made),
        [("bands", 2), ("y", ROWS), ("x", COLUMNS)].map(|(n, l)| (n.to_owned(), l))
    );
    let task = made.task(&made.stages[0], 5);
    assert_eq!(task.output.0, [0..3, 0..2, 256..300, 512..520]);
    assert_eq!(task.cell.unwrap().0, [0..2, 256..300, 512..520]);

    let along = json!({ "dimension": "bands", "process": callback(code("data")) });
    let made = planned("apply_dimension", along, &options, |_, _, _| {
        gives(&[("t", 1), ("bands", 5), ("y", 256), ("x", 256)])
    });
    let made = made.unwrap();
    assert_eq!(shape(&made)[1], ("bands".to_owned(), 5));
    let schema = made.logical.schema(made.stages[0].node);
    assert_eq!((schema.variables.len(), schema.dtype()), (5, DType::F32));
    let task = made.task(&made.stages[0], 0);
    assert_eq!((task.output.0[1].clone(), task.cell.unwrap().0[1].clone()), (0..2, 0..5));
}

#[test]
fn on_a_cube_itself_a_function_gets_all_of_it() {
    let arguments = json!({ "udf": "a\nb", "runtime": "Python" });
    let options = Options { task_memory: 1 << 30, ..Options::default() };
    let made = planned("run_udf", arguments.clone(), &options, |udf, cell, _| {
        assert_eq!(udf.role, Role::Whole);
        assert_eq!(cell["dims"][3]["labels"].as_array().unwrap().len(), COLUMNS);
        gives(&[("words", 7)])
    });
    assert_eq!(shape(&made.unwrap()), [("words".to_owned(), 7)]);
    let little = Options { task_memory: 130 << 20, ..Options::default() };
    let (code, text) =
        planned("run_udf", arguments, &little, |_, _, _| gives(&[("words", 7)])).unwrap_err();
    assert_eq!(code, "ProcessGraphComplexity");
    assert!(text.contains("a cell of [3, 2, 300, 520] pixels"), "{text}");
}

#[test]
fn what_does_not_fit_its_place_is_refused_with_both_shapes() {
    let options = Options::default();
    let apply = json!({ "process": callback(code("x")) });
    let wrong = |answer: fn() -> Answer| {
        planned("apply", apply.clone(), &options, move |_, _, _| answer()).unwrap_err()
    };
    let (code, text) = wrong(|| gives(&[("t", 1), ("bands", 2), ("y", 256), ("x", 255)]));
    assert_eq!(code, "UdfResultInvalid");
    assert!(text.contains("x (255)") && text.contains("x (256)"), "{text}");
    assert_eq!(wrong(|| gives(&[("t", 1), ("y", 256), ("x", 256)])).0, "UdfResultInvalid");
    assert_eq!(wrong(|| Answer::Failed("no Python".to_owned())).0, "UdfExecutionFailed");
    let fault = || Answer::Fault(eolith_plan::value::Fault::new("InvalidRuntime", "no R"));
    assert_eq!(wrong(fault).0, "InvalidRuntime");
}

#[test]
fn other_processes_of_such_a_callback_have_to_take_cubes() {
    let options = Options::default();
    let callback = json!({ "process_graph": {
        "add": { "process_id": "add", "arguments": { "x": { "from_parameter": "x" }, "y": 1 } },
        "f": {
            "process_id": "run_udf",
            "arguments": { "data": { "from_node": "add" }, "udf": "a\nb", "runtime": "Python" },
            "result": true
        }
    } });
    let never = |_: &Udf, _: &Json, _: DType| panic!("nothing is to be asked");
    let (code, text) =
        planned("apply", json!({ "process": callback }), &options, never).unwrap_err();
    assert_eq!(code, "ProcessParameterInvalid");
    assert!(text.contains("not a data cube"), "{text}");
    // A value is no cube.
    let (process, _) = eolith_graph::parse_value(json!({ "process_graph": { "one": {
        "process_id": "run_udf", "arguments": { "data": [1, 2], "udf": "a\nb", "runtime": "Python" }, "result": true
    } } }));
    let snapshot = Snapshot::default();
    let Planned::Issues(issues) =
        plan(&process.unwrap(), &BTreeMap::new(), registry(), &snapshot, None, &options)
    else {
        panic!("an array was taken")
    };
    assert_eq!(issues[0].code.as_str(), "ProcessParameterInvalid");
    assert!(issues[0].hint.as_deref().unwrap_or_default().contains("data cubes"));
}
