//! The openEO API over HTTP: a router over [`eolith_engine::session::Session`], and a server around it.
//!
//! ```text
//! socket ─► log ─► CORS ─► panics ─► compression ─► path ─► router ─► one handler file per resource ─► Session
//! ```
//! Nothing is planned, read or computed here: a handler checks who asks, calls the session and words the answer.
//! Deliberately missing so far: batch jobs, services, stored processes and logs; they answer `FeatureUnsupported`.
//! [`app`] holds the router and the rules for every answer, [`auth`] who may ask, [`serve`](mod@serve) the socket.

pub mod app;
mod archive;
pub mod auth;
mod body;
mod capabilities;
mod collections;
mod conformance;
mod credentials;
mod error;
mod file_formats;
mod links;
mod me;
mod processes;
mod result;
mod runs;
pub mod serve;
mod udf_runtimes;
mod validation;

pub use app::{AppState, router};
pub use auth::{Auth, Credentials};
pub use serve::{Config, ServeError, Server, serve};
