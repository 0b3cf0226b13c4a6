//! Cutting a result into tasks.
//!
//! A task starts as one decoding unit of the sources along every dimension and grows, spatial dimensions first, while
//! its working set stays below the target. It shrinks below the unit only if even one does not fit the memory of a
//! task. Cuts lie on those of the source, so that no unit is decoded for two tasks. Where operators look beyond their
//! task, a task grows on as long as that saves decoding.

use eolith_cube::{ChunkGrid, Kind, SpatialAxis};
use eolith_graph::{Code, Issue};

use super::memory::{USUAL_TILE, source_chunks};
use super::stages::Reading;
use super::{Physical, Program, memory};
use crate::logical::NodeId;
use crate::op::{Op, Scan};

/// Part of the decoding that must be left for a task to grow beyond the bytes aimed at.
const SAVES: f64 = 0.9;

/// How a result is cut.
pub(super) struct Cut {
    pub(super) tasks: ChunkGrid,
    /// Most bytes a task holds.
    pub(super) peak: u64,
    /// Whether tasks are smaller than a decoding unit of the sources.
    pub(super) split: bool,
}

/// The tasks of a node and the most bytes one of them holds.
///
/// # Errors
/// A single pixel that does not fit the memory of a task; the issue has no path yet.
pub(super) fn plan(physical: &Physical, program: &Program) -> Result<Cut, Issue> {
    let node = program.target;
    let options = &physical.options;
    let schema = physical.logical.schema(node);
    let shape = schema.shape().expect("invariant: no axis is pending");
    let spatial: Vec<usize> =
        [SpatialAxis::Y, SpatialAxis::X].iter().filter_map(|axis| schema.spatial(*axis)).collect();
    let Units { unit, origin } = units(physical, program, &spatial, &shape);
    let limit = |chunk: &mut Vec<usize>| {
        if let Some(max) = options.max_extent {
            for c in chunk.iter_mut() {
                *c = (*c).min(max.max(1));
            }
        }
    };
    let measure = |chunk: &[usize]| {
        self::peak(physical, program, &ChunkGrid::aligned(shape.clone(), chunk.to_vec(), &origin))
    };
    let mut chunk = unit.clone();
    limit(&mut chunk);
    let mut peak = measure(&chunk);
    let geometries =
        |d: usize| program.has_zones(physical) && matches!(schema.dims[d].kind, Kind::Geometry(_));
    while peak > options.task_memory {
        // Zones are the last to be cut: each part of them reads most of the rows again.
        let widest =
            (0..chunk.len()).filter(|&d| chunk[d] > 1).max_by_key(|&d| (!geometries(d), chunk[d]));
        let Some(widest) = widest else {
            let message = format!(
                "a single pixel of the result needs {} of memory for everything it is computed from, a task may hold {}",
                bytes(peak),
                bytes(options.task_memory)
            );
            let path = physical.logical.node(node).path.clone();
            return Err(Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, path, message)
                .hint("raise the memory limit or narrow the extent"));
        };
        // What is computed together stays together, as long as there are several of it.
        let grain = program.grain(widest);
        let halves = chunk[widest].div_ceil(2).next_multiple_of(grain);
        chunk[widest] = if halves < chunk[widest] { halves } else { chunk[widest].div_ceil(2) };
        peak = measure(&chunk);
    }
    // Growth: x and y by turns, then the other dimensions from the last to the first.
    let mut order: Vec<usize> = spatial.clone();
    order.extend((0..shape.len()).rev().filter(|d| !spatial.contains(d)));
    let target = options.target_bytes.min(options.task_memory);
    loop {
        let growable = |d: &&usize| chunk[**d] < shape[**d];
        let spatial_next = spatial.iter().filter(growable).min_by_key(|&&d| chunk[d]);
        let mut grown = false;
        for &d in spatial_next.into_iter().chain(order.iter().filter(growable)) {
            let mut larger = chunk.clone();
            larger[d] = (chunk[d] * 2).min(shape[d]);
            limit(&mut larger);
            if larger == chunk {
                continue;
            }
            let larger_peak = measure(&larger);
            // What a task holds anyway may serve more of the result.
            if larger_peak <= target.max(peak) {
                (chunk, peak, grown) = (larger, larger_peak, true);
                break;
            }
        }
        if !grown {
            break;
        }
    }
    let cut_zones = (0..chunk.len()).any(|d| geometries(d) && chunk[d] < shape[d]);
    if program.reaches() || cut_zones {
        let decoded = |chunk: &[usize]| {
            let partition = ChunkGrid::aligned(shape.clone(), chunk.to_vec(), &origin);
            Reading::of(physical, node, program, &partition).decoded
        };
        let mut known = decoded(&chunk);
        // The next dimension that saves enough, x and y by turns before the others.
        let wider = |chunk: &[usize], known: f64| {
            let mut next = order.clone();
            next[..spatial.len()].sort_by_key(|&d| chunk[d]);
            next.into_iter().filter(|&d| chunk[d] < shape[d]).find_map(|d| {
                let mut wider = chunk.to_vec();
                wider[d] = (chunk[d] * 2).min(shape[d]);
                limit(&mut wider);
                let decoded = (wider != chunk).then(|| decoded(&wider))?;
                let peak = measure(&wider);
                let pays = decoded <= known * SAVES && peak <= options.task_memory;
                pays.then_some((wider, peak, decoded))
            })
        };
        while let Some(found) = wider(&chunk, known) {
            (chunk, peak, known) = found;
        }
    }
    let split = (0..chunk.len()).any(|d| chunk[d] < unit[d] && !geometries(d));
    Ok(Cut { tasks: ChunkGrid::aligned(shape, chunk, &origin), peak, split })
}

/// Decoding units of the sources and where their grid begins, carried to the result's dimensions by name.
struct Units {
    unit: Vec<usize>,
    origin: Vec<usize>,
}

fn units(physical: &Physical, program: &Program, spatial: &[usize], shape: &[usize]) -> Units {
    let node = program.target;
    let schema = physical.logical.schema(node);
    let mut unit = vec![0; shape.len()];
    let mut origin = vec![0; shape.len()];
    let mut rows = false;
    for (i, source) in physical.logical.nodes.iter().enumerate().take(node.0 + 1) {
        let Op::Scan(scan) = &source.op else { continue };
        if program.reads_stored(physical, NodeId(i)) {
            // Rows of x lie beside each other in the scratch store.
            if let Some(d) = schema.spatial(SpatialAxis::X) {
                unit[d] = shape[d];
                rows = true;
            }
            continue;
        }
        let chunks = source_chunks(scan);
        for d in 0..shape.len() {
            let Some(own) = source.schema.position(&schema.dims[d].name) else { continue };
            if chunks[own] > unit[d] {
                unit[d] = chunks[own];
                origin[d] = first_index(scan, own);
            }
        }
    }
    let zones = program.has_zones(physical);
    for (d, unit) in unit.iter_mut().enumerate() {
        if zones && matches!(schema.dims[d].kind, Kind::Geometry(_)) {
            // They have their pixels from the same rows, wherever they are.
            *unit = shape[d];
        } else if *unit == 0 {
            *unit = if spatial.contains(&d) && !rows { USUAL_TILE } else { 1 };
        }
        let grain = program.grain(d);
        if grain > 1 {
            // Cuts are those of cells, which are counted from the first label.
            (*unit, origin[d]) = (unit.next_multiple_of(grain), 0);
        }
        *unit = (*unit).min(shape[d]).max(1);
    }
    Units { unit, origin }
}

/// Index in the source's arrays of the first label that a scan reads along a dimension.
pub(super) fn first_index(scan: &Scan, dim: usize) -> usize {
    let window = scan.window[dim].as_ref().and_then(|indices| indices.iter().min()).copied();
    let Some(source) = &scan.source else { return 0 };
    let first = window.unwrap_or_default();
    let offset = source.pieces.first().and_then(|piece| {
        piece.dims.iter().find_map(|own| match own {
            crate::need::ArrayDim::Along { dim: d, offset } if *d == dim => {
                Some((first + offset).saturating_sub(piece.region.0[dim].start))
            }
            _ => None,
        })
    });
    offset.unwrap_or(first)
}

/// The most bytes a task of this size holds at a time, over a few tasks that stand for all.
fn peak(physical: &Physical, program: &Program, partition: &ChunkGrid) -> u64 {
    if partition.is_empty() {
        return 0;
    }
    let mut samples = vec![0, partition.len() / 2, partition.len() - 1];
    samples.dedup();
    let peak = |i| memory::peak(physical, program, &partition.region(i));
    samples.into_iter().map(peak).max().unwrap_or_default()
}

pub(super) fn bytes(n: u64) -> String {
    const MIB: u64 = 1 << 20;
    if n < MIB { format!("{n} bytes") } else { format!("{:.1} MiB", n as f64 / MIB as f64) }
}
