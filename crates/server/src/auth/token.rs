//! Tokens: JSON Web Tokens that the servers of a store sign and check themselves (HS256).

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

pub(super) const ISSUER: &str = "eolith";
const SECONDS: i64 = 24 * 60 * 60;

/// Signs and checks with one secret.
pub(super) struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    /// Which password of the user it was made with.
    pub(super) pwd: String,
    iat: i64,
    exp: i64,
}

impl Tokens {
    pub(super) fn new(secret: &[u8]) -> Tokens {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "sub"]);
        rules.leeway = 0;
        Tokens {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            rules,
        }
    }

    /// A token for `user` that is valid for a day.
    pub(super) fn issue(&self, user: &str, password: &str) -> Result<String, ApiError> {
        self.issue_until(user, password, SECONDS)
    }

    /// A token that ends `seconds` from now.
    pub(super) fn issue_until(
        &self,
        user: &str,
        password: &str,
        seconds: i64,
    ) -> Result<String, ApiError> {
        let now = Timestamp::now().as_second();
        let (iss, sub, pwd) = (ISSUER.to_owned(), user.to_owned(), password.to_owned());
        let claims = Claims { iss, sub, pwd, iat: now, exp: now + seconds };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|error| ApiError::internal(format!("no token could be made: {error}")))
    }

    /// What a token says that is genuine and not expired.
    pub(super) fn check(&self, token: &str) -> Option<Claims> {
        decode::<Claims>(token, &self.check, &self.rules).ok().map(|token| token.claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}
