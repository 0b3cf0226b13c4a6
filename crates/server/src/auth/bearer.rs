//! The token of a request, and who gave it.

use axum::http::HeaderValue;
use eolith_graph::Code;
use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;

use super::oidc::refused;
use super::token;
use crate::error::ApiError;

/// A token, as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bearer<'a> {
    pub(super) from: From<'a>,
    pub(super) token: &'a str,
}

/// Who is said to have given a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum From<'a> {
    /// We, for a password.
    Password,
    /// The provider of that id.
    Provider(&'a str),
    /// Somebody with that address.
    Issuer(String),
}

/// Who the token itself says to be of; nothing of it is believed.
#[derive(Deserialize)]
struct Said {
    iss: String,
}

impl<'a> Bearer<'a> {
    /// `basic//T`, `oidc/<provider>/T`, or `T` alone.
    pub(super) fn read(header: &'a HeaderValue) -> Result<Bearer<'a>, ApiError> {
        let text = header.to_str().map_err(|_| refused("it is no text"))?.trim();
        let text = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                let message = "only bearer tokens are accepted here";
                return Err(ApiError::new(Code::AUTHENTICATION_SCHEME_INVALID, message));
            }
        };
        if let Some(token) = text.strip_prefix("basic//") {
            return Ok(Bearer { from: From::Password, token });
        }
        if let Some((provider, token)) =
            text.strip_prefix("oidc/").and_then(|rest| rest.split_once('/'))
        {
            return Ok(Bearer { from: From::Provider(provider), token });
        }
        let said = insecure_decode_claims::<Said>(text);
        let said = said.map_err(|_| refused("it is no token of this server or its providers"))?;
        let from = if said.iss == token::ISSUER { From::Password } else { From::Issuer(said.iss) };
        Ok(Bearer { from, token: text })
    }
}
