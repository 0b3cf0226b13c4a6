//! Where planning meets the world: sources, sinks, the catalogue, the scheduler and the session in front of them.

pub mod accounts;
pub mod budget;
pub mod catalog;
mod checksum;
pub mod cql2;
pub mod crs_text;
pub mod eval;
pub mod events;
pub mod ledger;
pub mod map;
pub mod meter;
mod place;
#[cfg(test)]
mod reference;
pub mod run;
pub mod sample;
pub mod scratch;
pub mod session;
pub mod sink;
pub mod source;
pub mod storage;
mod summary;
pub mod udf;
pub mod workspace;
