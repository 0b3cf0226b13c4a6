//! The resources of the openEO API, one file each.

pub(crate) mod capabilities;
pub(crate) mod collections;
pub(crate) mod conformance;
pub(crate) mod credentials;
pub(crate) mod description;
pub(crate) mod file_formats;
pub(crate) mod files;
mod items;
pub(crate) mod job_logs;
pub(crate) mod job_results;
pub(crate) mod job_runs;
pub(crate) mod jobs;
pub(crate) mod me;
pub(crate) mod ogc_tiles;
pub(crate) mod process_graphs;
pub(crate) mod processes;
pub(crate) mod processing_parameters;
pub(crate) mod queryables;
pub(crate) mod result;
pub(crate) mod search;
pub(crate) mod service_types;
pub(crate) mod services;
pub(crate) mod signed_results;
pub(crate) mod tiles;
pub(crate) mod udf_runtimes;
pub(crate) mod validation;
pub(crate) mod wmts;
