//! The roots of a plan, one after the other: computed, written, told to the log, exported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use eolith_graph::{Issue, NodePath};
use eolith_plan::logical::{Effect, Log, Root, RootValue};
use eolith_plan::physical::{Part, Physical};
use eolith_plan::value::Value;
use serde_json::Value as Json;

use super::exports;
use super::kept::{self, Kept};
use super::output::{self, Destination};
use super::resource::{Resource, Saved};
use super::{Described, Report, Session, Target};
use crate::events::{Cancel, Completed, Entry, Event, Listener};
use crate::run::Stored;
use crate::sink::{Boxes, OutputFile};
use crate::summary::Summary;

impl Session {
    /// Computes all roots in their order: what is told to the log stands before what comes after it in the graph.
    pub(super) async fn roots(
        &self,
        physical: &Arc<Physical>,
        (files, target): (Vec<Destination>, &Target),
        (stored, kept): (&Stored, Option<&Kept>),
        report: &mut Report,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<(), Issue> {
        let listener = &kept.map_or_else(|| Arc::clone(listener), |kept| kept.naming(listener));
        // The checksum is of what is saved or handed over, whatever is logged.
        let mut number = 0;
        let mut resources: BTreeMap<NodePath, Resource> = BTreeMap::new();
        for (i, file) in files.into_iter().enumerate() {
            let root = &physical.logical.roots[i];
            let part = physical.roots[i].as_ref();
            if let Some(Effect::Log(log)) = &root.effect {
                let run = self.summary(physical, root, part, stored, listener, cancel);
                let (data, bytes) = run.await?;
                report.bytes_read += bytes;
                let Log { level, code, message } = log.clone();
                let path = root.path.clone();
                listener(Event::Log(Entry { level, code, message, data, path }));
                continue;
            }
            if let Some(Effect::Model(about)) = &root.effect {
                let written = output::model(root, about, target, listener)?;
                let written = kept::published(kept, written, &root.path).await?;
                listener(saved(written.clone(), None));
                report.outputs.extend(written);
                continue;
            }
            if let Some(Effect::Stac(effect)) = &root.effect {
                let resource = resources.get(&effect.of).cloned();
                let own = kept.map(|kept| (kept, i));
                let changed = self.changed(root, &effect.change, resource, target, own).await?;
                if root.is_result {
                    report.value = Some(Value::from_json(&changed.json));
                }
                resources.insert(root.path.clone(), changed);
                continue;
            }
            let Some(part) = part else {
                let outcome = output::value(physical, i, &file)?;
                report.checksum ^= outcome.checksum;
                report.outputs.extend(kept::published(kept, outcome.files, &root.path).await?);
                report.value = Some(outcome.value);
                number += 1;
                continue;
            };
            let at = root.path.clone();
            let started = Instant::now();
            // What goes to its file at once cannot be taken up again.
            let direct = match kept {
                Some(_) => None,
                None => output::direct(&file, physical, part, listener)?,
            };
            if let Some(direct) = direct {
                let direct = Arc::new(direct);
                let boxes: Arc<dyn Boxes> = Arc::clone(&direct) as _;
                let run = self.machine.run(physical, part, stored, &boxes, listener, cancel);
                report.bytes_read += run.await?;
                drop(boxes);
                report.times.run += started.elapsed();
                if let Some(outcome) = output::finish(&direct, listener, &at).await? {
                    let (resource, described) = resource(physical, part, root, &outcome);
                    listener(saved(outcome.files.clone(), Some(&described)));
                    report.resources.push(described);
                    resources.insert(at, resource);
                    report.add(outcome, number);
                    number += 1;
                    continue;
                }
            }
            let started = Instant::now();
            let brick = file.brick(physical.logical.schema(part.node));
            let own = kept.map(|kept| kept.part(physical.stages.len() + i));
            let result = self.place(physical, part, brick, own)?;
            let boxes: Arc<dyn Boxes> = Arc::clone(&result) as _;
            let run = self.machine.run(physical, part, stored, &boxes, listener, cancel);
            report.bytes_read += run.await?;
            drop(boxes);
            report.times.run += started.elapsed();
            let mut outcome = output::write(self, &file, result, listener, at.clone()).await?;
            outcome.files = kept::published(kept, outcome.files, &at).await?;
            let (resource, described) = resource(physical, part, root, &outcome);
            listener(saved(outcome.files.clone(), Some(&described)));
            report.resources.push(described);
            resources.insert(at, resource);
            report.add(outcome, number);
            number += 1;
        }
        Ok(())
    }

    /// What the log gets to know of a value, and the bytes read for it.
    async fn summary(
        &self,
        physical: &Arc<Physical>,
        root: &Root,
        part: Option<&Part>,
        stored: &Stored,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<(Json, u64), Issue> {
        let Some(part) = part else {
            let RootValue::Value(value) = &root.value else { return Ok((Json::Null, 0)) };
            // What JSON has not is a text.
            let text = || output::json_text(value).into();
            return Ok((value.to_json().unwrap_or_else(text), 0));
        };
        let schema = Arc::clone(physical.logical.schema(part.node));
        let summary = Arc::new(Summary::new(schema, part.partition.shape.clone()));
        let boxes: Arc<dyn Boxes> = Arc::clone(&summary) as _;
        let bytes = self.machine.run(physical, part, stored, &boxes, listener, cancel).await?;
        Ok((summary.to_json(), bytes))
    }
}

fn saved(outputs: Vec<OutputFile>, resource: Option<&Described>) -> Event {
    Event::Completed(Arc::new(Completed { outputs, resource: resource.cloned() }))
}

/// The STAC resource of a cube that was saved, and what is told of it. Only that has statistics: what is exported is the
/// same for runs that are kept and those that are not.
fn resource(
    physical: &Physical,
    part: &Part,
    root: &Root,
    outcome: &output::Outcome,
) -> (Resource, Described) {
    let logical = &physical.logical;
    let source = exports::source_times(logical, part.node);
    let (id, now) = (exports::id(root), output::now());
    let output::Outcome { files, statistics, .. } = outcome;
    let schema = logical.schema(part.node);
    let saved = Saved { id: &id, schema, files, statistics: &[], source, now: &now };
    let described = Resource::new(&Saved { statistics, ..saved }).described();
    (Resource::new(&saved), described)
}

impl Report {
    /// What became of result `number`.
    fn add(&mut self, outcome: output::Outcome, number: u32) {
        self.times.checksum += outcome.checking;
        self.times.write += outcome.writing;
        self.checksum ^= outcome.checksum.rotate_left(number);
        self.outputs.extend(outcome.files);
    }
}
