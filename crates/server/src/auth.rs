//! Who asks: nobody in particular, or the one user with a password.
//!
//! Without authentication every request is the user [`LOCAL`], with or without a token; such a server is bound to
//! loopback only (see [`crate::serve`]). With it, a password is exchanged for a signed token that is valid for a day.

mod basic;
mod store;
mod token;

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordVerifier};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use eolith_graph::Code;
use tokio::sync::Semaphore;

use self::token::Tokens;
use crate::app::AppState;
use crate::error::ApiError;

pub use self::store::{Credentials, CredentialsError};

/// The user of a server without authentication.
pub const LOCAL: &str = "local";

/// Passwords that are checked at a time: each check holds 19 MiB.
const CHECKS: usize = 2;

/// Who may use the server.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Everyone who reaches it.
    None,
    /// One user with a password; see [`Credentials::open`].
    Basic(Credentials),
}

/// Checks passwords and tokens.
#[derive(Debug)]
pub(crate) struct Guard {
    auth: Auth,
    tokens: Tokens,
    checks: Semaphore,
}

/// The user a request comes from.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
}

/// An unguessable name of 32 hexadecimal digits.
pub(crate) fn random_id() -> String {
    random().map_or_else(|_| "unknown".to_owned(), |bytes| hex(&bytes))
}

impl Guard {
    pub(crate) fn new(auth: Auth) -> Result<Guard, CredentialsError> {
        let secret = match &auth {
            // Tokens are signed, but nobody looks at them: any secret does.
            Auth::None => random()?.to_vec(),
            Auth::Basic(credentials) => credentials.secret().to_vec(),
        };
        Ok(Guard { auth, tokens: Tokens::new(&secret), checks: Semaphore::new(CHECKS) })
    }

    /// Exchanges a user name and a password (HTTP Basic) for a token.
    pub(crate) async fn login(&self, headers: &HeaderMap) -> Result<String, ApiError> {
        let Auth::Basic(credentials) = &self.auth else { return self.tokens.issue(LOCAL) };
        let header = headers.get(AUTHORIZATION).ok_or_else(|| {
            ApiError::new(
                Code::AUTHENTICATION_REQUIRED,
                "a user name and a password are needed (HTTP Basic)",
            )
        })?;
        let (user, password) = basic::credentials(header)?;
        let hash = Arc::clone(&credentials.hash);
        let permit = self.checks.acquire().await;
        // The password is checked for unknown users too, so that the time says nothing about names.
        let matches = tokio::task::spawn_blocking(move || verify(&hash, &password))
            .await
            .map_err(|_| ApiError::internal("the password could not be checked"))?;
        drop(permit);
        if matches && user == credentials.user {
            self.tokens.issue(&credentials.user)
        } else {
            Err(ApiError::new(Code::CREDENTIALS_INVALID, "unknown user name or wrong password"))
        }
    }

    /// The user of a request that needs one.
    pub(crate) fn user(&self, header: Option<&HeaderValue>) -> Result<User, ApiError> {
        let Auth::Basic(credentials) = &self.auth else { return Ok(User { id: LOCAL.to_owned() }) };
        let header = header.ok_or_else(|| {
            ApiError::new(Code::AUTHENTICATION_REQUIRED, "this needs a token: log in first")
        })?;
        let invalid =
            || ApiError::new(Code::TOKEN_INVALID, "the token is not valid any more: log in again");
        let text = header.to_str().map_err(|_| invalid())?.trim();
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                let message = "only bearer tokens are accepted here";
                return Err(ApiError::new(Code::AUTHENTICATION_SCHEME_INVALID, message));
            }
        };
        let token = token.strip_prefix("basic//").unwrap_or(token);
        let user = self.tokens.check(token).ok_or_else(invalid)?;
        if user == credentials.user { Ok(User { id: user }) } else { Err(invalid()) }
    }
}

impl FromRequestParts<AppState> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<User, ApiError> {
        state.guard().user(parts.headers.get(AUTHORIZATION))
    }
}

fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Bytes from the random number generator of the system.
fn random() -> Result<[u8; 16], CredentialsError> {
    password_hash::try_generate_salt().map_err(|e| CredentialsError::Random(e.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<HeaderValue> {
        Some(HeaderValue::from_str(text).unwrap())
    }

    fn code(result: Result<User, ApiError>) -> String {
        match result {
            Ok(user) => user.id,
            Err(error) => format!("{error:?}").split('"').nth(1).unwrap().to_owned(),
        }
    }

    #[test]
    fn tokens_are_accepted_bare_and_with_the_prefix_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (credentials, _) = Credentials::open(dir.path(), "eolith").unwrap();
        let guard = Guard::new(Auth::Basic(credentials.clone())).unwrap();
        let user = |text: &str| code(guard.user(header(text).as_ref()));
        let token = guard.tokens.issue("eolith").unwrap();
        assert_eq!(user(&format!("Bearer {token}")), "eolith");
        assert_eq!(user(&format!("bearer basic//{token}")), "eolith");
        assert_eq!(user(&format!("Bearer oidc/x/{token}")), "TokenInvalid");
        assert_eq!(user(&format!("Bearer {token}x")), "TokenInvalid");
        assert_eq!(user("Bearer "), "AuthenticationSchemeInvalid");
        assert_eq!(user("Basic YTpi"), "AuthenticationSchemeInvalid");
        assert_eq!(code(guard.user(None)), "AuthenticationRequired");
        let someone = guard.tokens.issue("someone").unwrap();
        assert_eq!(user(&format!("Bearer {someone}")), "TokenInvalid");
        let expired = Tokens::new(credentials.secret()).issue_until("eolith", -1).unwrap();
        assert_eq!(user(&format!("Bearer {expired}")), "TokenInvalid");
        let foreign = Tokens::new(b"another secret").issue("eolith").unwrap();
        assert_eq!(user(&format!("Bearer {foreign}")), "TokenInvalid");
        let unsigned =
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJlb2xpdGgiLCJpc3MiOiJlb2xpdGgiLCJleHAiOjk5OTk5OTk5OTl9.";
        assert_eq!(user(&format!("Bearer {unsigned}")), "TokenInvalid");
    }

    #[test]
    fn without_authentication_everyone_is_local() {
        let guard = Guard::new(Auth::None).unwrap();
        assert_eq!(code(guard.user(None)), LOCAL);
        assert_eq!(code(guard.user(header("Bearer anything").as_ref())), LOCAL);
    }
}
