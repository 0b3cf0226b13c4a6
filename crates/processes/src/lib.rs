//! The predefined processes: an item each, with its public definition, its meaning and its kernel.
//!
//! Scalar and array processes are [`eolith_plan::function::Function`]s; their definitions are written in our own
//! words after the standard's interface (openEO processes 2.0.0-rc.2), which a test compares. Start at
//! [`registry`]; nothing else in the project names a process.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use eolith_graph::{Definition, Definitions};
use eolith_plan::process::{Lowering, Process, Registry};

pub use levels::level;

/// A scalar or array process: the fields of its [`eolith_plan::function::Function`] and its definition.
macro_rules! process {
    (
        $name:ident = $id:literal ($($parameter:ident),*),
        definition: $definition:expr,
        scalar: $scalar:expr,
        result: $result:expr,
        kernel: $kernel:expr,
        $(fold: $fold:expr,)?
        simplify: $simplify:expr $(,)?
    ) => {
        pub(crate) static $name: eolith_plan::process::Process = eolith_plan::process::Process {
            definition: $definition,
            lowering: eolith_plan::process::Lowering::Function(&eolith_plan::function::Function {
                id: $id,
                parameters: &[$(stringify!($parameter)),*],
                scalar: $scalar,
                result: $result,
                kernel: $kernel,
                fold: process!(@optional $($fold)?),
                simplify: $simplify,
                blanks: None,
            }),
        };
    };
    (@optional) => { None };
    (@optional $given:expr) => { Some($given) };
}

mod arguments;
mod arrays;
mod comparison;
mod cubes;
mod date;
mod inspect;
mod learning;
mod levels;
mod logic;
mod math;
mod reducers;
mod stac;
mod text;
mod vectors;

/// All predefined processes.
pub struct Predefined {
    by_id: BTreeMap<&'static str, (Definition, &'static Process)>,
}

/// The predefined processes of this back-end; built on first use.
pub fn registry() -> &'static Predefined {
    static REGISTRY: LazyLock<Predefined> = LazyLock::new(|| Predefined {
        by_id: [
            arrays::ALL,
            comparison::ALL,
            cubes::ALL,
            date::ALL,
            inspect::ALL,
            learning::ALL,
            logic::ALL,
            math::ALL,
            reducers::ALL,
            stac::ALL,
            text::ALL,
            vectors::ALL,
        ]
        .concat()
        .into_iter()
        .map(|process| {
            let definition = (process.definition)();
            (definition.id, (definition, process))
        })
        .collect(),
    });
    &REGISTRY
}

/// The predefined processes without those that run outside of the engine, for where there is nothing to run them.
pub fn registry_inside() -> &'static Predefined {
    static INSIDE: LazyLock<Predefined> = LazyLock::new(|| {
        let inside = |process: &Process| !matches!(process.lowering, Lowering::Outside(_));
        let kept = registry().by_id.iter().filter(|(_, (_, process))| inside(process));
        Predefined { by_id: kept.map(|(id, own)| (*id, own.clone())).collect() }
    });
    &INSIDE
}

impl Definitions for Predefined {
    fn get(&self, id: &str) -> Option<&Definition> {
        self.by_id.get(id).map(|(definition, _)| definition)
    }

    fn ids(&self) -> Vec<&str> {
        self.by_id.keys().copied().collect()
    }
}

impl Registry for Predefined {
    fn process(&self, id: &str) -> Option<&Process> {
        self.by_id.get(id).map(|(_, process)| *process)
    }
}

impl std::fmt::Debug for Predefined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}
