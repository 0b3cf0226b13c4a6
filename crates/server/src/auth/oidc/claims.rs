//! What a signed token says, and whether it may be believed.

use std::collections::BTreeSet;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Signatures with public keys. With others whoever can check could sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Bytes of a token.
const LONGEST: usize = 16 << 10;

#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    #[serde(default)]
    aud: Audience,
    azp: Option<String>,
    client_id: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    Nobody,
    One(String),
    Many(Vec<String>),
}

/// The header of a token that may be checked at all.
pub(super) fn header(token: &str) -> Option<Header> {
    if token.len() > LONGEST || token.split('.').count() != 3 {
        return None;
    }
    let header = decode_header(token).ok()?;
    // What must be understood is not.
    (ALGORITHMS.contains(&header.alg) && header.crit.is_none()).then_some(header)
}

impl Claims {
    /// Whether it is meant for one of these, or was issued to one of these clients.
    pub(crate) fn is_for(&self, accepted: &BTreeSet<String>) -> bool {
        let named = match &self.aud {
            Audience::Nobody => &[],
            Audience::One(name) => std::slice::from_ref(name),
            Audience::Many(names) => names.as_slice(),
        };
        let client = self.azp.as_ref().or(self.client_id.as_ref());
        named.iter().chain(client).any(|name| accepted.contains(name))
    }

    /// How people call the user.
    pub(crate) fn person(&self) -> Option<String> {
        let names = [&self.name, &self.preferred_username, &self.email];
        names.into_iter().flatten().find(|name| !name.trim().is_empty()).cloned()
    }
}

/// The claims of a token that was signed with the key and is valid now.
pub(crate) fn read<T: DeserializeOwned>(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
    skew: u64,
) -> Result<T, String> {
    let mut rules = Validation::new(algorithm);
    rules.leeway = skew;
    rules.validate_nbf = true;
    // Compared by those who know `azp`.
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp", "iss", "sub"]);
    let token = decode::<T>(token, key, &rules).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet".to_owned(),
        ErrorKind::InvalidSignature => "its signature is wrong".to_owned(),
        ErrorKind::MissingRequiredClaim(name) => format!("it is without `{name}`"),
        _ => "it cannot be read".to_owned(),
    })?;
    Ok(token.claims)
}
