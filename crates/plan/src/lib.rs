//! From a process graph to something that can be computed.

pub mod need;
