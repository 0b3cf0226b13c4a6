//! Random cubes through every cube process, and through chains of them: the reference evaluator, one task, many
//! chunkings, optimised or not, give the same bits.
//!
//! A failure prints its seed; `EOLITH_SEED=… cargo test -p eolith-processes --test it random` runs that one alone,
//! and `EOLITH_SEEDS=…` as many as it says.

mod callbacks;
mod calls;
mod chance;
mod cubes;
mod focal;
mod learning;
mod run;
mod zones;

use std::fmt::Write as _;

use serde_json::{Map, json};

use self::chance::Chance;
use self::run::Problem;

/// Random cubes; each goes through every process and through one chain.
const SEEDS: u64 = 500;

#[test]
fn single_processes_agree_however_they_are_computed() {
    let mut outcome = Outcome::default();
    let mut compared = vec![0; calls::CUBE_PROCESSES.len()];
    for seed in seeds() {
        for (k, id) in calls::CUBE_PROCESSES.iter().enumerate() {
            let mut chance = Chance::new(seed * 1000 + k as u64);
            let cubes = [cubes::cube(&mut chance), cubes::cube(&mut chance)];
            let mut graph = Map::new();
            let Some(node) =
                calls::call(&mut chance, id, &cubes[0].schema, "data", Some(&cubes[1]))
            else {
                continue;
            };
            graph.insert("n0".to_owned(), node);
            graph["n0"]["result"] = json!(true);
            let before = outcome.equal;
            outcome.add(&format!("seed {seed} {id}"), run::check(&graph, &cubes));
            compared[k] += outcome.equal - before;
        }
    }
    println!("{}", outcome.judge());
    let idle: Vec<&str> = (calls::CUBE_PROCESSES.iter().zip(&compared))
        .filter(|(_, n)| **n < 20)
        .map(|(id, _)| *id)
        .collect();
    assert!(idle.is_empty() || outcome.equal < 1000, "hardly ever run: {idle:?}");
    println!("{:?}", calls::CUBE_PROCESSES.iter().zip(compared).collect::<Vec<_>>());
}

#[test]
fn chains_agree_however_they_are_computed() {
    let mut outcome = Outcome::default();
    for seed in seeds() {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let cubes = [cubes::cube(&mut chance), cubes::cube(&mut chance)];
        let mut graph = Map::new();
        let mut schema = cubes[0].schema.clone();
        let mut source = None;
        for step in 0..2 + chance.below(4) {
            let id = *chance.pick(calls::CUBE_PROCESSES);
            let from = source.clone().unwrap_or_else(|| "data".to_owned());
            let Some(mut node) = calls::call(&mut chance, id, &schema, &from, Some(&cubes[1]))
            else {
                continue;
            };
            if source.is_some() {
                calls::rewire(&mut chance, &mut node, &from, &graph);
            }
            let name = format!("n{step}");
            let mut longer = graph.clone();
            longer.values_mut().for_each(|node| node["result"] = json!(false));
            node["result"] = json!(true);
            longer.insert(name.clone(), node);
            // Steps that the binder refuses are left out; what remains is still a chain.
            if let Some(next) = run::schema_of(&longer, &cubes) {
                (graph, schema, source) = (longer, next, Some(name));
            }
        }
        if source.is_some() {
            outcome.add(&format!("seed {seed}"), run::check(&graph, &cubes));
        }
    }
    println!("{}", outcome.judge());
}

fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("EOLITH_SEED") {
        return vec![seed.parse().expect("EOLITH_SEED is a number")];
    }
    let most = std::env::var("EOLITH_SEEDS").ok().and_then(|most| most.parse().ok());
    (0..most.unwrap_or(SEEDS)).collect()
}

/// Counts and differences.
#[derive(Default)]
struct Outcome {
    equal: usize,
    refused: usize,
    failed: usize,
    wrong: Vec<String>,
}

impl Outcome {
    fn add(&mut self, name: &str, result: Result<(), Problem>) {
        match result {
            Ok(()) => self.equal += 1,
            Err(Problem::Refused) => self.refused += 1,
            Err(Problem::Failed) => self.failed += 1,
            Err(Problem::Different(text)) => self.wrong.push(format!("{name}: {text}")),
        }
    }

    /// Fails if anything differs; else says how much was compared.
    fn judge(&self) -> String {
        let mut text = String::new();
        for wrong in self.wrong.iter().take(8) {
            let _ = writeln!(text, "{wrong}\n");
        }
        assert!(self.wrong.is_empty(), "{} differ\n{text}", self.wrong.len());
        assert!(
            self.equal > self.refused + self.failed || self.equal < 100,
            "most graphs are refused: {} of {}",
            self.refused + self.failed,
            self.equal + self.refused + self.failed
        );
        let (equal, refused, failed) = (self.equal, self.refused, self.failed);
        format!("{equal} equal, {refused} refused while bound, {failed} failed in every way")
    }
}
