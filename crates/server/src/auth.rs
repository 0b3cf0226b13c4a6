//! Who asks: nobody in particular, a user of this installation, or somebody whom an identity provider knows.
//!
//! Without authentication every request is the user [`LOCAL`], with or without a token; such a server is bound to
//! loopback only (see [`crate::serve`]). Otherwise a token says who asks: one that was given for a password here and is
//! valid for a day, one of the built-in issuer ([`crate::issuer`]), or one of a provider ([`Provider`]). The first two are for
//! users of the store ([`Users`]), and end when the user is removed or gets another password.

mod base64;
mod basic;
mod bearer;
mod guard;
mod known;
mod oidc;
mod password;
mod token;
mod users;

use argon2::password_hash;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::error::ApiError;
use crate::issuer;
use crate::state::AppState;

pub(crate) use self::base64::for_addresses;
pub(crate) use self::basic::credentials as basic_credentials;
pub(crate) use self::guard::Guard;
pub(crate) use self::known::Known;
pub(crate) use self::oidc::read_claims;
pub use self::oidc::{Client, Provider};
pub use self::users::{FIRST, Listed, UserError, Users};

/// The user of a server without authentication.
pub const LOCAL: &str = "local";

/// Who may use the server: whoever can log in by one of these ways, or everyone who reaches it if there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Users with a password; see [`Users`].
    pub basic: bool,
    /// The same by OpenID Connect.
    pub issuer: Option<issuer::Settings>,
    /// Users of others.
    pub providers: Vec<Provider>,
}

/// The user a request comes from.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    /// What people call the user, if it is known.
    pub(crate) name: Option<String>,
}

/// Whoever asks for what everybody may see. Who sends a token sees what is only theirs as well.
#[derive(Debug)]
pub(crate) struct Viewer(pub(crate) Option<User>);

impl Auth {
    /// Users with a password.
    pub fn basic() -> Auth {
        Auth { basic: true, ..Auth::default() }
    }

    /// Whether nobody is asked who it is.
    pub fn is_none(&self) -> bool {
        !self.basic && self.issuer.is_none() && self.providers.is_empty()
    }

    /// Whether there are users of the installation itself.
    pub fn has_users(&self) -> bool {
        self.basic || self.issuer.is_some()
    }

    /// Whether clients are told of providers.
    pub(crate) fn has_oidc(&self) -> bool {
        self.issuer.is_some() || !self.providers.is_empty()
    }
}

impl FromRequestParts<AppState> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<User, ApiError> {
        let user = state.guard().user(parts.headers.get(AUTHORIZATION)).await?;
        state.requests().take(&format!("user {}", user.id)).map_err(ApiError::too_many)?;
        Ok(user)
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Viewer, ApiError> {
        if !state.config().auth.is_none() && !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Viewer(None));
        }
        User::from_request_parts(parts, state).await.map(|user| Viewer(Some(user)))
    }
}

/// An unguessable name of 32 hexadecimal digits.
pub(crate) fn random_id() -> String {
    random().map_or_else(|_| "unknown".to_owned(), |bytes| hex(&bytes))
}

/// Bytes from the random number generator of the system.
pub(crate) fn random() -> Result<[u8; 16], UserError> {
    password_hash::try_generate_salt().map_err(|e| UserError::Random(e.to_string()))
}

/// Hexadecimal digits, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Whether two texts are the same; the time does not tell where they differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests;
