//! Stages that are made outside of the executor: functions of the user's.
//!
//! A task computes the input of one cell; who runs the task hands it to the function and stores what comes back. Cells
//! are no choice of the planner's (see [`crate::udf`]), so there is nothing to partition: a cell that does not fit is
//! refused.

use std::sync::Arc;

use eolith_cube::ChunkGrid;
use eolith_graph::{Code, Issue};

use super::{Part, Physical, Program, memory, partition};
use crate::logical::NodeId;
use crate::udf::Udf;

/// Cells whose memory stands for that of all.
const SAMPLES: usize = 3;

/// The stage of a function.
pub(super) fn part(physical: &Physical, id: NodeId, udf: &Udf) -> Result<Part, Issue> {
    let node = physical.logical.node(id);
    let input = physical.logical.schema(node.inputs[0]);
    let shape = node.schema.shape().expect("invariant: no axis is pending");
    let program = Program::new(physical, node.inputs[0], false);
    let cells = ChunkGrid::new(shape, udf.made(input, &node.schema));
    let n = cells.len();
    let mut peak = 0;
    for i in (0..SAMPLES.min(n)).map(|k| k * (n - 1) / (SAMPLES - 1)) {
        let region = cells.region(i);
        let given = physical.target_box(id, &program, &region);
        let pixels = |region: &eolith_cube::Region, dtype: eolith_cube::DType| {
            region.len() as u64 * (dtype.size() as u64 + 1)
        };
        let handed = pixels(&given, input.dtype()) + pixels(&region, node.schema.dtype());
        let computed = memory::peak(physical, &program, &given);
        // Handed over as they are and as bytes.
        peak = peak.max(computed.max(2 * handed) + handed + physical.options.udf_memory);
    }
    if peak > physical.options.task_memory {
        let message = format!(
            "a cell of {:?} pixels, its source and the function need {} of memory, a task may hold {}",
            udf.cell(input),
            partition::bytes(peak),
            partition::bytes(physical.options.task_memory)
        );
        let issue = Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, node.path.clone(), message);
        return Err(issue.hint("raise the memory limit or narrow the extent"));
    }
    Ok(Part { node: id, program: Arc::new(program), partition: cells, peak, split: false })
}

/// Whether a part is made outside.
pub(super) fn is_made(physical: &Physical, part: &Part) -> bool {
    let is_udf = matches!(physical.logical.node(part.node).op, crate::op::Op::Udf(_));
    is_udf && part.program.target != part.node
}
