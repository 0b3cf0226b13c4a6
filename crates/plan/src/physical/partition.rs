//! Cutting a result into tasks.
//!
//! A task starts as one unit: the decoding unit of the sources along x and y, one label along everything else.
//! It grows, spatial dimensions first, while its working set stays below the target, and shrinks below the unit
//! only if even one does not fit the memory of a task.

use eolith_cube::{ChunkGrid, Region, SpatialAxis};
use eolith_graph::{Code, Issue};

use super::{Options, Physical, PhysicalRoot};
use crate::logical::NodeId;
use crate::need::ArrayDim;
use crate::op::{Op, Scan};

/// Decoding unit assumed for files that were not opened yet.
const USUAL_TILE: usize = 512;

pub(super) fn plan(
    physical: &Physical,
    root: usize,
    options: &Options,
) -> Result<PhysicalRoot, Issue> {
    let Some(node) = physical.root_node(root) else {
        return Ok(PhysicalRoot {
            node: None,
            partition: ChunkGrid::new(Vec::new(), Vec::new()),
            peak: 0,
        });
    };
    let schema = physical.logical.schema(node);
    let shape = schema.shape().expect("invariant: no axis is pending");
    let spatial: Vec<usize> =
        [SpatialAxis::Y, SpatialAxis::X].iter().filter_map(|axis| schema.spatial(*axis)).collect();
    let unit = units(physical, node, &spatial, &shape);
    let limit = |chunk: &mut Vec<usize>| {
        if let Some(max) = options.max_extent {
            for c in chunk.iter_mut() {
                *c = (*c).min(max.max(1));
            }
        }
    };
    let mut chunk: Vec<usize> =
        (0..shape.len()).map(|d| if spatial.contains(&d) { unit[d] } else { 1 }).collect();
    limit(&mut chunk);
    let mut peak = peak(physical, node, &shape, &chunk);
    while peak > options.task_memory {
        let widest = (0..chunk.len()).max_by_key(|&d| chunk[d]).filter(|&d| chunk[d] > 1);
        let Some(widest) = widest else {
            let path = physical.logical.roots[root].path.clone();
            let message = format!(
                "a single pixel of the result needs {} of memory for everything it is computed from, a task may hold {}",
                bytes(peak),
                bytes(options.task_memory)
            );
            return Err(Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, path, message)
                .hint("raise the memory limit or narrow the extent"));
        };
        chunk[widest] = chunk[widest].div_ceil(2);
        peak = self::peak(physical, node, &shape, &chunk);
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
            let larger_peak = self::peak(physical, node, &shape, &larger);
            if larger_peak <= target {
                (chunk, peak, grown) = (larger, larger_peak, true);
                break;
            }
        }
        if !grown {
            break;
        }
    }
    Ok(PhysicalRoot { node: Some(node), partition: ChunkGrid::new(shape, chunk), peak })
}

/// Decoding units of the sources, carried to the result's dimensions by name.
fn units(physical: &Physical, node: NodeId, spatial: &[usize], shape: &[usize]) -> Vec<usize> {
    let schema = physical.logical.schema(node);
    let mut units = vec![0; shape.len()];
    for source in &physical.logical.nodes {
        let Op::Scan(scan) = &source.op else { continue };
        let chunks = source_chunks(scan);
        for &d in spatial {
            let own = source.schema.position(&schema.dims[d].name);
            units[d] = units[d].max(own.map_or(0, |own| chunks[own]));
        }
    }
    let unit = |(u, n): (usize, &usize)| if u == 0 { USUAL_TILE.min(*n) } else { u.min(*n) };
    units.into_iter().zip(shape).map(|(u, n)| unit((u, n)).max(1)).collect()
}

/// The largest decoding unit of a scan's pieces along each of its dimensions.
fn source_chunks(scan: &Scan) -> Vec<usize> {
    let mut chunks = vec![0; scan.window.len()];
    let Some(source) = &scan.source else { return chunks };
    for piece in source.pieces.iter() {
        for (i, dim) in piece.dims.iter().enumerate() {
            if let ArrayDim::Along { dim, .. } = dim {
                let own = piece.array.chunk.as_ref().map_or(USUAL_TILE, |chunk| chunk[i]);
                chunks[*dim] = chunks[*dim].max(own);
            }
        }
    }
    chunks
}

/// The most bytes a task of this size holds at a time, over a few tasks that stand for all.
fn peak(physical: &Physical, node: NodeId, shape: &[usize], chunk: &[usize]) -> u64 {
    let grid = ChunkGrid::new(shape.to_vec(), chunk.to_vec());
    if grid.is_empty() {
        return 0;
    }
    let mut samples = vec![0, grid.len() / 2, grid.len() - 1];
    samples.dedup();
    samples.into_iter().map(|i| task_peak(physical, node, grid.region(i))).max().unwrap_or_default()
}

/// The most bytes one task holds at a time.
pub(super) fn task_peak(physical: &Physical, root: NodeId, output: Region) -> u64 {
    let task = physical.task_for(Some(root), output);
    let nodes = &physical.logical.nodes;
    let size = |i: usize, region: &Region| {
        let schema = &nodes[i].schema;
        // One byte a pixel for validity.
        region.len() as u64 * (schema.dtype().size() as u64 + 1)
    };
    let mut last_use = vec![0; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if task.regions[i].is_some() {
            node.inputs.iter().for_each(|input| last_use[input.0] = i);
        }
    }
    // Scans are read before the first operator runs, one after the other. While one is, its block stands beside what
    // was decoded of it: a single array may hold all of it.
    let (mut live, mut peak): (u64, u64) = (0, 0);
    for (i, region) in task.regions.iter().enumerate() {
        if let (Op::Scan(scan), Some(region)) = (&nodes[i].op, region)
            && !region.is_empty()
        {
            live += size(i, region);
            let unit = decoding(scan, nodes[i].schema.dtype().size());
            peak = peak.max(live + size(i, region) + unit);
        }
    }
    for (i, region) in task.regions.iter().enumerate() {
        let Some(region) = region else { continue };
        if !matches!(nodes[i].op, Op::Scan(_)) {
            live += size(i, region);
        }
        peak = peak.max(live);
        for input in &nodes[i].inputs {
            if last_use[input.0] == i
                && let Some(done) = &task.regions[input.0]
            {
                live = live.saturating_sub(size(input.0, done));
            }
        }
    }
    peak
}

/// The largest indivisible unit of a scan, decoded.
fn decoding(scan: &Scan, pixel: usize) -> u64 {
    let Some(source) = &scan.source else { return 0 };
    let unit = |chunk: &Vec<usize>| chunk.iter().product::<usize>();
    let largest = source.pieces.iter().filter_map(|p| p.array.chunk.as_ref()).map(unit).max();
    (largest.unwrap_or(USUAL_TILE * USUAL_TILE) * pixel) as u64
}

fn bytes(n: u64) -> String {
    const MIB: u64 = 1 << 20;
    if n < MIB { format!("{n} bytes") } else { format!("{:.1} MiB", n as f64 / MIB as f64) }
}
