//! Plans as text: what `eolith explain` prints and what the tests of planner and optimiser compare.
//!
//! The text of a plan is a function of the plan alone, so that equal inputs give equal text on any machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use eolith_cube::zonal::Footprint;
use eolith_cube::{Axis, Dimension, Labels, Region, Schema};

use crate::expr::{Expr, ExprId, Node};
use crate::logical::{Effect, Logical, NodeId, RootValue, StacChange, StacEffect};
use crate::nested::{Nested, Partition};
use crate::op::{Op, Scan};
use crate::physical::{Physical, Sweep, schedule};
use crate::value::Value;

/// The logical plan: one node a line with its schema.
pub fn logical(plan: &Logical) -> String {
    let mut out = String::new();
    for (i, node) in plan.nodes.iter().enumerate() {
        let inputs: Vec<String> = node.inputs.iter().map(|id| format!("%{}", id.0)).collect();
        let _ = write!(out, "%{i} {}", op(&node.op, &node.schema));
        if !inputs.is_empty() {
            let _ = write!(out, " [{}]", inputs.join(", "));
        }
        let _ = writeln!(out, "\n     {}", schema(&node.schema));
        if let Op::Nested(nested) = &node.op {
            plans(&mut out, nested);
        }
    }
    for root in &plan.roots {
        let mark = match &root.effect {
            Some(Effect::Log(log)) => format!("log {}", log.level.name()),
            Some(Effect::Model(file)) => format!("model {:?}", file.name),
            Some(Effect::Stac(effect)) => {
                let _ = writeln!(
                    out,
                    "{}{}",
                    if root.is_result { "result: " } else { "" },
                    stac(effect)
                );
                continue;
            }
            None if root.is_result => "result".to_owned(),
            None => "effect".to_owned(),
        };
        match &root.value {
            RootValue::Cube(id) => {
                let _ = writeln!(out, "{mark} %{}", id.0);
            }
            RootValue::Value(value) => {
                let _ = writeln!(out, "{mark} {}", constant(value));
            }
        }
    }
    out
}

fn stac(StacEffect { of, change }: &StacEffect) -> String {
    match change {
        StacChange::Patch(_) => format!("stac of {of}: patch"),
        StacChange::Workspace { name, merge: None } => {
            format!("stac of {of}: copy to workspace {name:?}")
        }
        StacChange::Workspace { name, merge: Some(into) } => {
            format!("stac of {of}: copy to workspace {name:?}, into {into:?}")
        }
        StacChange::Collection(id) => format!("stac of {of}: copy to collection {id:?}"),
    }
}

/// The first plans of a nested operator's cells.
fn plans(out: &mut String, nested: &Nested) {
    for (i, plan) in nested.plans.iter().enumerate() {
        if i == SHOWN {
            let _ = writeln!(out, "     {} plans more", nested.plans.len() - SHOWN);
            break;
        }
        let cells = nested.cells.iter().filter(|own| **own == i).count();
        let _ = writeln!(out, "     plan of {cells} cells");
        for line in logical(&plan.logical).lines() {
            let _ = writeln!(out, "       {line}");
        }
    }
}

/// Plans of cells that are printed.
const SHOWN: usize = 4;

/// Which cells there are.
fn cells(partition: &Partition, out: &Schema) -> String {
    let windows = match partition {
        Partition::Areas { areas, .. } => {
            let pixels: usize = areas.iter().map(Footprint::len).sum();
            return format!("{} areas of {pixels} pixels", areas.len());
        }
        Partition::Windows(windows) => windows,
    };
    let along: Vec<String> = (out.dims.iter().zip(windows))
        .filter(|(_, own)| own.len() != 1 || own[0].core.len() != own[0].outer.len())
        .map(|(dim, own)| {
            let longest = own.iter().map(|window| window.core.len()).max().unwrap_or_default();
            let widest = own.iter().map(|window| window.outer.len()).max().unwrap_or_default();
            let seen = if widest > longest { format!(" (sees {widest})") } else { String::new() };
            format!("{}: {longest}{seen}", dim.name)
        })
        .collect();
    format!("{} windows {}", partition.len(), along.join(", "))
}

/// What an approximate plan leaves out: one sentence for people and for the metadata of results. `None` where nothing
/// but native pixels are read.
pub fn approximation(plan: &Logical) -> Option<String> {
    let scans = plan.nodes.iter().filter_map(|node| match &node.op {
        Op::Scan(scan) => Some((scan.request.source.name(), scan.level?)),
        _ => None,
    });
    let read: BTreeSet<String> = scans
        .map(|(name, level)| format!("`{name}` in pixels of {level:.1} native ones"))
        .collect();
    let read: Vec<String> = read.into_iter().collect();
    let text = format!("approximate: overviews were read of {}", read.join(", "));
    (!read.is_empty()).then_some(text)
}

/// The physical plan: tasks, their size and what they read.
pub fn physical(plan: &Physical) -> String {
    let mut out = String::new();
    if let Some(text) = approximation(&plan.logical) {
        let _ = writeln!(out, "{text}");
    }
    if let Some(cost) = plan.cost() {
        let _ = writeln!(
            out,
            "reads {} bytes decoded (each {:.1} times), scratch {} bytes, at most {} bytes a task",
            cost.decoded, cost.times, cost.scratch, cost.peak
        );
        for warning in &cost.warnings {
            let _ = writeln!(out, "warning: {warning}");
        }
    }
    let stages = plan.stages.iter().map(|part| ("stage", part));
    for (name, part) in stages.chain(plan.roots.iter().flatten().map(|part| ("root", part))) {
        let grid = &part.partition;
        let _ = writeln!(
            out,
            "{name} %{}: {} tasks of {:?} over {:?}, at most {} bytes each",
            part.node.0,
            grid.len(),
            grid.chunk,
            grid.shape,
            part.peak
        );
        if let (true, Op::Scan(_)) = (name == "stage", &plan.logical.node(part.node).op) {
            let _ = writeln!(
                out,
                "     kept decoded: the tasks that read it are smaller than what can be decoded at once"
            );
        }
        if grid.is_empty() {
            continue;
        }
        sweep(&mut out, plan, &part.program.sweep, 1);
        let first = plan.task(part, 0);
        let steps = schedule::reads(plan, &first.program, &first.output);
        let mut read: BTreeMap<NodeId, Region> = BTreeMap::new();
        for (id, region) in steps.iter().flatten() {
            read.entry(*id).and_modify(|all| *all = all.hull(region)).or_insert(region.clone());
        }
        for (id, region) in read {
            if let Op::Scan(scan) = &plan.logical.node(id).op {
                let _ = writeln!(
                    out,
                    "     first task reads %{} {} {:?} = {} pixels in {} steps",
                    id.0,
                    scan.request.source.name(),
                    region.shape(),
                    region.len(),
                    steps.iter().flatten().filter(|(own, _)| *own == id).count()
                );
            }
        }
    }
    out
}

/// One sweep a line, those it needs below it.
fn sweep(out: &mut String, plan: &Physical, own: &Sweep, depth: usize) {
    for feed in &own.feeds {
        let dims = &plan.logical.schema(feed.source).dims;
        let along = feed.along.map_or_else(String::new, |d| format!(" along {}", dims[d].name));
        let folds: Vec<String> = feed.folds.iter().map(|id| format!("%{}", id.0)).collect();
        let folds = if folds.is_empty() {
            String::new()
        } else {
            format!(" folded to {}", folds.join(", "))
        };
        let _ = writeln!(out, "{}sweep %{}{along}{folds}", "     ".repeat(depth), feed.source.0);
    }
    own.before.iter().chain(&own.each).for_each(|nested| sweep(out, plan, nested, depth + 1));
}

/// An expression in infix-free notation: `subtract([0], [1])`.
pub fn expression(expr: &Expr) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(expr.nodes.len());
    for typed in &expr.nodes {
        let at = |id: &ExprId| texts[id.0].clone();
        let list = |ids: &[ExprId]| ids.iter().map(at).collect::<Vec<_>>().join(", ");
        let text = match &typed.node {
            Node::Input(0) => "x".to_owned(),
            Node::Input(1) => "y".to_owned(),
            Node::Input(k) => format!("x{k}"),
            Node::Axis(0, _) => "data".to_owned(),
            Node::Axis(k, _) => format!("data{k}"),
            Node::Const(value) => constant(value),
            Node::Fault(fault) => format!("error({})", fault.code),
            Node::Call { function, args } => format!("{}({})", function.id, list(args)),
            Node::Pick { array, index } => format!("{}[{index}]", at(array)),
            Node::List(items) => format!("[{}]", list(items)),
            Node::If { condition, accept, reject } => {
                format!("if({}, {}, {})", at(condition), at(accept), at(reject))
            }
            Node::Each { array, body, .. } => {
                format!("each({}, λ({}))", at(array), expression(body))
            }
            Node::Lambda { body, .. } => format!("λ({})", expression(body)),
        };
        // Shared nodes would make the text exponential; what is long is cut in the middle of the expression.
        texts.push(if text.len() > LONGEST { format!("…#{}", texts.len()) } else { text });
    }
    let mark = if expr.ty().is_plain() { "" } else { " scalar" };
    format!("{} : {}{mark}", texts[expr.root.0], expr.ty())
}

/// Longest text of one expression node.
const LONGEST: usize = 400;

fn op(op: &Op, out: &Schema) -> String {
    let name = op.name();
    match op {
        Op::Scan(scan) => format!("{name} {}", read(scan)),
        Op::Literal(_) | Op::Pending => name.to_owned(),
        Op::Inside(footprint) => {
            let all: usize = out.shape().unwrap_or_default().iter().product();
            format!("{name} {} of {all} pixels", footprint.len())
        }
        Op::Burn(own) => {
            let pixels: usize = own.zones.iter().map(Footprint::len).sum();
            format!("{name} {} geometries on {pixels} pixels", own.zones.len())
        }
        Op::Select(indices) => {
            let kept: Vec<String> = (indices.iter().zip(&out.dims))
                .filter_map(|(indices, dim)| {
                    Some(format!("{}: {}", dim.name, run(indices.as_ref()?)))
                })
                .collect();
            format!("{name} {}", kept.join(", "))
        }
        Op::Relabel { dims } => {
            let from: Vec<String> = (dims.iter())
                .map(|from| from.map_or_else(|| "new".to_owned(), |d| d.to_string()))
                .collect();
            format!("{name} ({})", from.join(", "))
        }
        Op::Map { expr, .. } => format!("{name} {}", expression(expr)),
        Op::Reduce { dim, expr } => format!("{name} dimension {dim}: {}", expression(expr)),
        Op::Along { dim, expr } => format!("{name} dimension {dim}: {}", expression(expr)),
        Op::Group { dim, groups, expr } => {
            let count = groups.as_ref().map_or_else(|| "?".to_owned(), |g| g.len().to_string());
            format!("{name} dimension {dim} into {count}: {}", expression(expr))
        }
        Op::Warp { grid, method } => format!(
            "{name} {} to {} {} x {} px of {} x {}",
            method.name(),
            grid.crs,
            grid.x.len,
            grid.y.len,
            grid.x.step,
            grid.y.step
        ),
        Op::Window { stencil, .. } => {
            let [rows, cols] = stencil.size();
            format!("{name} {rows} x {cols}, {} beyond the edges", stencil.border)
        }
        Op::Coarsen(own) => {
            let [rows, cols] = own.size;
            format!("{name} {rows} x {cols}: {}", expression(&own.expr))
        }
        Op::Reshape(own) => format!("{name} {:?} to {:?}", own.from, own.to),
        Op::Zonal(zonal) => {
            let pixels: usize = zonal.zones.iter().map(Footprint::len).sum();
            let zones = zonal.zones.len();
            format!("{name} {zones} zones of {pixels} pixels: {}", expression(&zonal.expr))
        }
        Op::Merge(merge) => match &merge.resolver {
            Some(expr) => format!("{name} overlap {}", expression(expr)),
            None => name.to_owned(),
        },
        Op::Nested(own) => {
            let free: Vec<&str> = (out.dims.iter().zip(&own.free))
                .filter_map(|(dim, free)| free.then_some(dim.name.as_str()))
                .collect();
            let free = if free.is_empty() {
                String::new()
            } else {
                format!(", free along {}", free.join(" "))
            };
            format!("{name} {}{free}", cells(&own.partition, out))
        }
        Op::Parameter(k) => format!("{name} {k}"),
        Op::Udf(udf) => {
            let digest = udf.digest();
            format!("{name} {} {digest} {}", udf.runtime, udf.role.name())
        }
        Op::Save(save) => format!("{name} {}", save.format),
    }
}

fn read(scan: &Scan) -> String {
    let mut text = scan.request.source.name().to_owned();
    for filter in &scan.request.properties {
        let _ = write!(text, " [{}: {}]", filter.name, expression(&filter.condition));
    }
    if let Some(level) = scan.level {
        let _ = write!(text, " [overviews of {level:.1} native pixels]");
    }
    for (i, window) in scan.window.iter().enumerate() {
        if let (Some(indices), Some(source)) = (window, &scan.source) {
            let dim = &source.schema.dims[i];
            let _ = write!(
                text,
                " [{}: {} of {}]",
                dim.name,
                run(indices),
                dim.len().map_or_else(|| "?".to_owned(), |n| n.to_string())
            );
        }
    }
    text
}

/// Indices as a range where they are one, else the first few.
fn run(indices: &[usize]) -> String {
    match (indices.first(), indices.last()) {
        (Some(first), Some(last)) if indices.windows(2).all(|w| w[1] == w[0] + 1) => {
            format!("{first}..{}", last + 1)
        }
        _ if indices.len() <= 6 => {
            indices.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
        }
        _ => format!("{} labels", indices.len()),
    }
}

fn schema(schema: &Schema) -> String {
    let dims: Vec<String> = schema.dims.iter().map(dimension).collect();
    let mut types: Vec<String> = schema
        .variables
        .iter()
        .map(|v| {
            let nodata = v.nodata.map_or_else(String::new, |n| format!(" nodata {n}"));
            let scale = match (v.scale, v.offset) {
                (None, None) => String::new(),
                (scale, offset) => {
                    format!(
                        " (published scale {}, offset {}, not applied)",
                        scale.unwrap_or(1.0),
                        offset.unwrap_or(0.0)
                    )
                }
            };
            format!("{}{nodata}{scale}", v.dtype)
        })
        .collect();
    if types.windows(2).all(|w| w[0] == w[1]) {
        types.truncate(1);
    }
    format!("({}) {}", dims.join(", "), types.join(" | "))
}

fn dimension(dim: &Dimension) -> String {
    let crs = dim.crs().map_or_else(String::new, |crs| format!(" {crs}"));
    let labels = match &dim.axis {
        Axis::Pending(extent) => match &extent.range {
            Some((first, last)) => format!("pending {first}..{last}"),
            None => "pending".to_owned(),
        },
        Axis::Known(Labels::Regular(regular)) => format!("{}{crs}", regular.len),
        Axis::Known(labels) if (1..=4).contains(&labels.len()) => {
            let texts: Vec<String> = labels.iter().map(|l| l.to_string()).collect();
            texts.join(" ")
        }
        Axis::Known(labels) => labels.len().to_string(),
    };
    format!("{}: {labels}", dim.name)
}

fn constant(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Array(array) => {
            let items: Vec<String> = array.values.iter().take(8).map(constant).collect();
            let more = if array.values.len() > 8 { ", …" } else { "" };
            format!("[{}{more}]", items.join(", "))
        }
        Value::Object(_) => "{…}".to_owned(),
        Value::Model(model) => format!("{model:?}"),
        Value::Network(network) => format!("{network:?}"),
        Value::Lambda(lambda) => format!("λ({})", expression(&lambda.body)),
    }
}
