//! The stages of a plan, and where values wait: those of stages for the tasks that read them, those of roots for their
//! files.

use std::sync::Arc;

use eolith_graph::{Code, Issue};
use eolith_plan::explain;
use eolith_plan::op::Op;
use eolith_plan::physical::{Part, Physical};

use super::Session;
use super::kept::Kept;
use crate::events::{Cancel, Listener};
use crate::ledger::Ledger;
use crate::run::{Machine, Stored};
use crate::scratch::space::SpaceError;
use crate::scratch::{Layout, Scratch};
use crate::sink::Boxes;

impl Session {
    /// The same session, for one run whose accounts are kept.
    pub(super) fn metered(&self) -> Session {
        let accounts = Some(Arc::default());
        Session { machine: Machine { accounts, ..self.machine.clone() }, ..self.clone() }
    }

    /// Computes the values that are kept between tasks; gives them and the bytes read.
    pub(super) async fn stages(
        &self,
        physical: &Arc<Physical>,
        kept: Option<&Kept>,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<(Stored, u64), Issue> {
        let (mut stored, mut bytes) = (Stored::default(), 0);
        for (number, part) in physical.stages.iter().enumerate() {
            // Tasks read rows of x.
            let rows = Some(part.partition.shape.clone());
            let result = self.place(physical, part, rows, kept.map(|kept| kept.part(number)))?;
            let boxes: Arc<dyn Boxes> = Arc::clone(&result) as _;
            let machine = self.machine_for(physical, part, listener).await?;
            bytes += machine.run(physical, part, &stored, &boxes, listener, cancel).await?;
            Arc::make_mut(&mut stored).insert(part.node, result);
        }
        Ok((stored, bytes))
    }

    /// The machine with what a stage needs besides it.
    async fn machine_for(
        &self,
        physical: &Physical,
        part: &Part,
        listener: &Listener,
    ) -> Result<Machine, Issue> {
        let node = physical.logical.node(part.node);
        let Op::Udf(udf) = &node.op else { return Ok(self.machine.clone()) };
        let host = self.host().await.map_err(|reason| {
            Issue::new(Code::new("UdfExecutionFailed"), node.path.clone(), reason)
        })?;
        let outside = Some(Arc::new(host.pool(udf, listener)));
        Ok(Machine { outside, ..self.machine.clone() })
    }

    /// A place for the values of a stage or root: its part of the ledger if the run is kept, else memory while there is
    /// room, else a file. `brick` is the box in which the values will be read, if that is known.
    pub(super) fn place(
        &self,
        physical: &Physical,
        part: &Part,
        brick: Option<Vec<usize>>,
        kept: Option<(&Ledger, usize)>,
    ) -> Result<Arc<Scratch>, Issue> {
        let schema = Arc::clone(physical.logical.schema(part.node));
        let shape = &part.partition.shape;
        let room = || self.results.try_reserve(Scratch::bytes(&schema, shape));
        let tasks = &part.partition;
        let layout = || Layout { tasks, read: brick, brought: physical.emitted(part) };
        let made = if let Some(kept) = kept {
            Scratch::kept(schema, layout(), &self.space, kept)
        } else if let Some(room) = room() {
            Scratch::in_memory(schema, shape, room).map_err(SpaceError::Failed)
        } else {
            Scratch::on_disk(schema, layout(), &self.space)
        };
        let remark = explain::approximation(&physical.logical);
        made.map(|made| Arc::new(made.checked().with_remark(remark))).map_err(|error| {
            let path = physical.logical.node(part.node).path.clone();
            let message = format!("no room for the result: {error}");
            match error.hint() {
                Some(hint) => Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, path, message).hint(hint),
                None => Issue::new(Code::INTERNAL, path, message),
            }
        })
    }
}
