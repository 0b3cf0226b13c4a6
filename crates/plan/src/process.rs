//! What a process is to the planner: what it publishes, and how a call of it is lowered.

use eolith_graph::{Definition, Definitions};

use crate::bind::{Call, Problem, Term};
use crate::function::Function;

/// One predefined process. Its file in `eolith-processes` holds everything there is to say about it.
pub struct Process {
    /// What `GET /processes` shows. Its parameters are the only source of names, order and defaults.
    pub definition: fn() -> Definition,
    pub lowering: Lowering,
}

/// How a call becomes operators and expressions.
#[derive(Debug)]
pub enum Lowering {
    /// A scalar or array process: a call of this function, whose parameters are named like the process's.
    Function(&'static Function),
    /// What takes cubes also in callbacks where others take one value or array at a time: it gets the whole cube of the
    /// calling process (see [`Call::outside`]).
    Outside(fn(&mut Call<'_, '_>) -> Result<Term, Problem>),
    /// Anything else.
    Custom(fn(&mut Call<'_, '_>) -> Result<Term, Problem>),
}

/// All predefined processes.
pub trait Registry: Definitions + Sync {
    fn process(&self, id: &str) -> Option<&Process>;
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.definition)().id)
    }
}
