//! Tests of the public interface: malformed and well-formed graphs as data, limits, the standard.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may do both")]

mod cases;
mod definitions;
mod expansion;
mod large;
mod mutations;
mod standard;
mod substitution;
