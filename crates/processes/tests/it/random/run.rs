//! Computes one graph in many ways and compares.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::{Block, Region, Schema, Values};
use eolith_graph::Process;
use eolith_plan::bind::{Argument, bind};
use eolith_plan::compute::{Failure, run_root};
use eolith_plan::logical::{Logical, NodeId, RootValue};
use eolith_plan::need::{Answer, Collection, Content, Need, Snapshot};
use eolith_plan::op::{Cube, Op};
use eolith_plan::physical::{Options, Physical};
use eolith_plan::{explain, optimize, reference};
use serde_json::{Map, Value as Json, json};

/// Why two ways cannot be compared, or that they differ.
pub(crate) enum Problem {
    /// The binder refuses the graph.
    Refused,
    /// The reference evaluator ends with a fault; others may not come to it.
    Failed,
    Different(String),
}

/// The chunkings: most labels along a dimension, and how many bytes a task aims at.
const CHUNKINGS: [(Option<usize>, u64); 6] = [
    (None, 32 << 20),
    (Some(1), 32 << 20),
    (Some(2), 32 << 20),
    (Some(3), 32 << 20),
    (None, 200),
    (Some(2), 60),
];

/// Compares all ways of computing the result; a panic is a difference, so that it has a seed.
pub(crate) fn check(graph: &Map<String, Json>, cubes: &[Cube; 2]) -> Result<(), Problem> {
    std::panic::catch_unwind(|| compare(graph, cubes)).unwrap_or_else(|_| {
        let graph = Json::Object(graph.clone());
        Err(Problem::Different(format!("panic\n{graph}\n{}\n{}", show(&cubes[0]), show(&cubes[1]))))
    })
}

fn compare(graph: &Map<String, Json>, cubes: &[Cube; 2]) -> Result<(), Problem> {
    let bound = match (bound(graph, cubes), bound(&loaded(graph), cubes)) {
        (Some(given), Some(loaded)) => [given, loaded],
        // Loading nothing is an error, keeping nothing of a given cube is not.
        (Some(given), None) => [given.clone(), given],
        (None, _) => return Err(Problem::Refused),
    };
    let mut results = Vec::new();
    for bound in bound {
        results.extend(ways(graph, cubes, &bound)?);
    }
    match results.as_slice() {
        [given, loaded] if !same(given, loaded) => Err(Problem::Different(format!(
            "loaded cubes give something else\n{given:?}\n{loaded:?}\n{}\n{}\n{}",
            Json::Object(graph.clone()),
            show(&cubes[0]),
            show(&cubes[1])
        ))),
        _ => Ok(()),
    }
}

/// The result, if it is a cube, after comparing all ways to compute it.
fn ways(
    graph: &Map<String, Json>,
    cubes: &[Cube; 2],
    bound: &Logical,
) -> Result<Option<Block>, Problem> {
    let Some(root) = bound.roots.iter().position(|root| root.is_result) else {
        return Err(Problem::Refused);
    };
    let RootValue::Cube(id) = bound.roots[root].value else { return Ok(None) };
    let slow = reference::evaluate(bound, id, |node| -> Result<Block, Failure> {
        let all = Region::whole(&bound.schema(node).shape().unwrap());
        Ok(read(bound, node, &all, cubes))
    });
    let optimized = optimize::optimize(bound.clone());
    let mut failed = false;
    for (i, (max_extent, target_bytes)) in CHUNKINGS.into_iter().enumerate() {
        let options = Options { max_extent, target_bytes, ..Options::default() };
        let plans: &[(&str, &Logical)] = if i == 2 {
            &[("optimised", &optimized), ("as bound", bound)]
        } else {
            &[("optimised", &optimized)]
        };
        for (name, logical) in plans {
            let different = |text: String| {
                let graph = Json::Object(graph.clone());
                let plan = explain::logical(logical);
                Problem::Different(format!(
                    "{name}, chunking {i}: {text}\n{graph}\n{plan}\n{}\n{}",
                    show(&cubes[0]),
                    show(&cubes[1])
                ))
            };
            // In some chunkings every third operator is computed by tasks of its own and read back.
            let stored: Vec<NodeId> = if i % 2 == 1 {
                (0..logical.nodes.len()).skip(i % 3).step_by(3).map(NodeId).collect()
            } else {
                Vec::new()
            };
            let stored: Vec<NodeId> = (stored.into_iter())
                .filter(|id| !matches!(logical.node(*id).op, Op::Scan(_)))
                .collect();
            let physical = Physical::storing((*logical).clone(), &options, &stored)
                .map_err(|issues| different(format!("{issues:?}")))?;
            match (whole(&physical, root, bound.schema(id), cubes), &slow) {
                (Ok(fast), Ok(slow)) if same(&fast, slow) => {}
                (Ok(fast), Ok(slow)) => {
                    return Err(different(format!("\nfound    {fast:?}\nexpected {slow:?}")));
                }
                (Err(failure), Ok(_)) => {
                    return Err(different(format!("{failure:?} where the reference has a result")));
                }
                (_, Err(_)) => failed = true,
            }
        }
    }
    if failed { Err(Problem::Failed) } else { Ok(slow.ok()) }
}

/// The graph with the given cubes loaded from collections.
fn loaded(graph: &Map<String, Json>) -> Map<String, Json> {
    let mut graph = graph.clone();
    for node in graph.values_mut() {
        for (_, argument) in node["arguments"].as_object_mut().into_iter().flatten() {
            if let Some(name) = argument["from_parameter"].as_str() {
                *argument = json!({ "from_node": format!("load_{name}") });
            }
        }
    }
    for name in ["data", "second"] {
        let arguments = json!({ "id": name, "spatial_extent": null, "temporal_extent": null });
        let node = json!({ "process_id": "load_collection", "arguments": arguments });
        graph.insert(format!("load_{name}"), node);
    }
    graph
}

/// The pixels of a region of a scan.
fn read(logical: &Logical, node: NodeId, region: &Region, cubes: &[Cube; 2]) -> Block {
    let Op::Scan(scan) = &logical.node(node).op else { unreachable!("only scans are read") };
    let cube = if scan.request.source.name() == "data" { &cubes[0] } else { &cubes[1] };
    let mut block = cube.block.clone();
    for (dim, indices) in scan.source_indices(region).iter().enumerate() {
        block = block.take(dim, indices);
    }
    block.cast(logical.schema(node).dtype()).canonical()
}

/// The schema of the result if the binder takes the graph and gives a cube. A panic is left to [`check`].
pub(crate) fn schema_of(graph: &Map<String, Json>, cubes: &[Cube; 2]) -> Option<Schema> {
    let bound = std::panic::catch_unwind(|| bound(graph, cubes)).ok()??;
    bound.roots.iter().find(|root| root.is_result).and_then(|root| match root.value {
        RootValue::Cube(id) => Some(bound.schema(id).as_ref().clone()),
        RootValue::Value(_) => None,
    })
}

fn bound(graph: &Map<String, Json>, cubes: &[Cube; 2]) -> Option<Logical> {
    let parameters = json!([
        { "name": "data", "description": "", "schema": {} },
        { "name": "second", "description": "", "schema": {} },
    ]);
    let (process, issues) =
        eolith_graph::parse_value(json!({ "process_graph": graph, "parameters": parameters }));
    assert!(issues.is_empty(), "{issues:?}\n{graph:?}");
    let process: Process = process.unwrap();
    let arguments: BTreeMap<String, Argument> = ["data", "second"]
        .into_iter()
        .zip(cubes)
        .map(|(name, cube)| (name.to_owned(), Argument::Cube(Arc::new(cube.clone()))))
        .collect();
    let mut snapshot = Snapshot::default();
    for (id, cube) in ["data", "second"].into_iter().zip(cubes) {
        let content = Content::Cube { schema: cube.schema.clone(), pieces: Arc::from([]) };
        let collection = Arc::new(Collection { id: id.to_owned(), content });
        snapshot.insert(Need::collection(id), Answer::Collection(collection));
    }
    loop {
        let bound = bind(&process, &arguments, eolith_processes::registry(), &snapshot, None);
        if !bound.issues.is_empty() || bound.needs.is_empty() {
            return bound.issues.is_empty().then_some(bound.logical);
        }
        for need in bound.needs {
            if let Need::Network { uri, features } = &need {
                let network = super::learning::network(uri, *features);
                snapshot.insert(need, Answer::Network(network));
                continue;
            }
            let subplan = need.subplan().expect("both collections are known");
            let answer = subplan.answer_with(|plan, id| -> Result<Block, Failure> {
                reference::evaluate(plan, id, |scan| {
                    let all = Region::whole(&plan.schema(scan).shape().unwrap());
                    Ok(read(plan, scan, &all, cubes))
                })
            });
            // A fault upstream ends the run, here as there.
            snapshot.insert(need, answer.ok()?);
        }
    }
}

fn whole(
    physical: &Physical,
    root: usize,
    schema: &Schema,
    cubes: &[Cube; 2],
) -> Result<Block, Failure> {
    let part = physical.roots[root].as_ref().unwrap();
    let whole = run_root(physical, part, |id, region| -> Result<Block, Failure> {
        Ok(read(&physical.logical, id, region, cubes))
    })?;
    assert_eq!((whole.dtype(), &whole.shape), (schema.dtype(), &schema.shape().unwrap()));
    Ok(whole)
}

/// Bit by bit; every NaN is the same.
fn same(a: &Block, b: &Block) -> bool {
    let values = match (&a.values, &b.values) {
        (Values::F32(a), Values::F32(b)) => {
            a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        }
        (Values::F64(a), Values::F64(b)) => {
            a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        }
        (a, b) => a == b,
    };
    values && a.shape == b.shape && a.validity == b.validity && a.dtype() == b.dtype()
}

fn show(cube: &Cube) -> String {
    let dims: Vec<String> = (cube.schema.dims.iter())
        .map(|dim| {
            let labels: Vec<String> = dim.labels().unwrap().iter().map(|l| l.to_string()).collect();
            format!("{} {}", dim.name, labels.join(" "))
        })
        .collect();
    let bands: Vec<String> =
        cube.schema.variables.iter().map(|v| format!("{} {:?}", v.dtype, v.nodata)).collect();
    format!("cube ({}) [{}] {:?}", dims.join(", "), bands.join(", "), cube.block)
}
