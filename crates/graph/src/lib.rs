//! What the user said: process graphs as they arrive, and what may be said, the definitions of processes.
//!
//! ```text
//! JSON text ─► parse ─► Process (Graph, Arg) ─► check against Definitions ─► Issues
//! ```
//!
//! [`parse()`] reads the wire form and never fails, it reports; [`check`] holds a process against
//! the [`Definitions`] it uses; [`expand`] puts stored processes in
//! place; [`wants`] lists what it asks a back-end for; [`substitute`] fills in
//! the parameters of a process. Everything
//! that can be wrong is an [`Issue`] with an openEO error [`Code`] and the path of the node.
//!
//! Deliberately not here: what a process does (the crate `processes`), which types and dimensions
//! its cubes have (`plan`), and which collections and formats exist (`engine`).

mod advice;
pub mod definition;
mod expand;
pub mod graph;
pub mod issue;
mod matching;
mod nearest;
mod order;
pub mod parse;
pub mod process;
pub mod schema;
mod scope;
mod signature;
mod substitute;
mod validate;
mod wants;

pub use definition::{Definition, Definitions, Exception, Link, Parameter, Returns, param};
pub use expand::{Expansion, Library, Lookup, Reference, expand};
pub use graph::{Arg, Graph, Node};
pub use issue::{Code, Issue, NodePath};
pub use parse::{parse, parse_value};
pub use process::Process;
pub use substitute::substitute;
pub use validate::check;
pub use wants::{Wants, wants};
