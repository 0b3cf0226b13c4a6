//! From a process graph to something that can be computed.
//!
//! ```text
//! eolith_graph::Process
//!   │ bind        nodes → operators and typed expressions; every problem at once   ◄── Need / Answer (need.rs)
//!   ▼
//! logical::Logical      operators with schemas (op.rs)
//!   │ optimize    ordered rules, one file each
//!   ▼
//! logical::Logical
//!   │ physical    boxes of the result, one a task
//!   ▼
//! physical::Physical ──► compute   one task over blocks
//! ```
//!
//! [`planner::plan`] is the way through; [`reference`] evaluates a bound plan slowly and obviously; [`explain`] prints
//! any stage. Nothing here does I/O, and no file but those of `eolith-processes` knows a process by name.

pub mod bind;
pub mod compute;
pub mod explain;
pub mod expr;
pub mod function;
pub mod lanes;
pub mod logical;
pub mod model;
pub mod need;
pub mod nested;
pub mod op;
pub mod optimize;
pub mod physical;
pub mod planner;
pub mod process;
pub mod reference;
pub mod request;
pub mod subplan;
pub mod target;
pub mod types;
pub mod udf;
pub mod value;
