//! The openEO API over HTTP: a router over [`eolith_engine::session::Session`], and a server around it.
//!
//! ```text
//! socket ─► log ─► CORS ─► panics ─► compression ─► path ─► router ─► one file of `api` per resource ─► Session, Store
//! ```
//! Nothing is planned, read or computed here: a handler checks who asks, calls the session or the store and words the
//! answer. Batch jobs are run by [`queue`], by the rules of `job`, from what [`store`] keeps; they write to `folders`, and `results` says where what they gave is and `sending` sends it. [`app`] holds the router and the rules for every answer, [`state`](mod@state) what handlers share, [`auth`] who may ask, [`serve`](mod@serve) the
//! socket. A `service` shows a result as a map; `maps` draws its tiles. `files` are those that users upload. [`diagnosis`] looks whether
//! all this would work.

pub mod about;
mod accounts;
pub mod allowance;
mod api;
pub mod app;
mod archive;
pub mod auth;
mod body;
mod connections;
pub mod diagnosis;
mod entries;
mod error;
mod files;
mod folders;
mod inputs;
pub mod issuer;
mod item_search;
mod job;
mod links;
mod maps;
mod meter;
mod operations;
mod page;
mod places;
pub mod prices;
mod progress;
pub mod queue;
pub mod rates;
mod results;
pub mod retention;
mod runs;
mod sending;
pub mod serve;
mod service;
mod signed;
pub mod size;
pub mod state;
pub mod store;
pub mod terms;
mod traces;
mod workspaces;

pub use app::router;
pub use auth::{Auth, Client, FIRST, Listed, Provider, UserError, Users};
pub use connections::{Certificate, TlsError};
pub use queue::Limits;
pub use results::Keeping;
pub use serve::{Config, ServeError, Server, serve};
pub use state::{AppState, StateError};
pub use store::{Store, StoreError};
pub use terms::{Term, Terms};
