//! From a process graph to something that can be computed.

pub mod expr;
pub mod function;
pub mod lanes;
pub mod need;
pub mod types;
pub mod value;
