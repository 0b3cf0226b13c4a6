//! The configuration file of a server (TOML): all options of the command line, and what is too long for it.
//!
//! [docs/configuration.md] is the table of everything; a test keeps it complete.
//!
//! [docs/configuration.md]: ../../../docs/configuration.md

mod layers;
#[cfg(test)]
mod page;

use std::path::Path;

use eolith_server::Provider;
use eolith_server::about::About;
use eolith_server::allowance::Allowance;
use eolith_server::issuer::Settings;
use eolith_server::prices::Prices;
use eolith_server::rates::Rates;
use eolith_server::retention::Retention;
use serde::Deserialize;

use crate::failure::Failure;

pub(crate) use layers::parse;

/// All of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    /// Options of `eolith serve` by their names on the command line.
    pub(crate) server: toml::Table,
    /// Identity providers whose users may use the server.
    pub(crate) providers: Vec<Provider>,
    /// The built-in issuer (`--auth oidc`).
    pub(crate) issuer: Settings,
    /// How often somebody may ask.
    pub(crate) rates: Option<Rates>,
    /// What a user may have and take at a time.
    pub(crate) limits: Option<Allowance>,
    /// What things cost.
    pub(crate) credits: Option<Prices>,
    /// How long results and logs are kept.
    pub(crate) retention: Retention,
    /// What people are told of the server.
    pub(crate) about: About,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<File, Failure> {
        let failed = |reason: String| {
            Failure::text(format!("cannot use the configuration `{}`: {reason}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}
