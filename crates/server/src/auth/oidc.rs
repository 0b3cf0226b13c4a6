//! Users of identity providers: OpenID Connect as a resource server sees it.
//!
//! A client gets its token from the provider; here it is only checked: signature, issuer, audience, times. The keys come
//! from the provider ([`keys`]). Whoever the token is for becomes a user `<provider>~<subject>`, which no user with a
//! password can be called. Tokens that are no JSON Web Tokens are refused: only their provider could tell what they mean.

mod claims;
mod keys;

use std::collections::BTreeSet;

use eolith_graph::Code;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::claims::Claims;
pub(crate) use self::claims::read as read_claims;
use self::keys::KeyRing;
use super::hex;
use crate::error::ApiError;

/// Seconds that clocks may differ.
const SKEW: u64 = 60;
/// Characters of a subject that is taken over as it is.
const PLAIN: usize = 64;

/// An identity provider.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Letters, digits, `_` and `-`; part of tokens and of the ids of users.
    pub id: String,
    /// Its address: `https`, or a loopback address.
    pub issuer: String,
    pub title: String,
    /// CommonMark.
    pub description: Option<String>,
    #[serde(default = "openid")]
    pub scopes: Vec<String>,
    /// Audiences (`aud`) and clients (`azp`) whose tokens are accepted, beside those of the default clients.
    #[serde(default)]
    pub audience: BTreeSet<String>,
    #[serde(default)]
    pub default_clients: Vec<Client>,
    /// Sent along with requests for authorization (openEO 1.3).
    #[serde(default)]
    pub authorization_parameters: Map<String, Value>,
}

/// A client that anybody may use.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Client {
    pub id: String,
    pub grant_types: Vec<String>,
    #[serde(default)]
    pub redirect_urls: Vec<String>,
}

/// Ways to a token that openEO knows. There are more, but clients do not expect them in the list.
const GRANT_TYPES: [&str; 6] = [
    "implicit",
    "authorization_code",
    "authorization_code+pkce",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:device_code+pkce",
    "refresh_token",
];

/// A provider, and the keys it signs with.
#[derive(Debug)]
pub(crate) struct Trusted {
    provider: Provider,
    audience: BTreeSet<String>,
    keys: KeyRing,
}

/// Somebody whom a provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: String,
    /// For people.
    pub(crate) name: Option<String>,
}

impl Provider {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let id = &self.id;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if id.is_empty() || !id.chars().all(plain) {
            return Err(format!(
                "`{id}` cannot be the id of a provider: letters, digits, `_`, `-`"
            ));
        }
        keys::checked(&self.issuer).map_err(|e| format!("the issuer of `{id}`: {e}"))?;
        if self.audience.is_empty() && self.default_clients.is_empty() {
            return Err(format!("the provider `{id}` needs an `audience` or a default client"));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(format!("the scopes of `{id}` are without `openid`"));
        }
        for client in &self.default_clients {
            if let Some(grant) =
                client.grant_types.iter().find(|g| !GRANT_TYPES.contains(&g.as_str()))
            {
                let known = GRANT_TYPES.join(", ");
                return Err(format!("`{grant}` of the client `{}` is none of {known}", client.id));
            }
        }
        Ok(())
    }

    /// Asks it for its keys; how many there are.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn reach(&self) -> Result<usize, String> {
        keys::fetch(&self.issuer).await.map(|keys| keys.len())
    }

    /// As `GET /credentials/oidc` lists it; `modern` adds what came with openEO 1.3.
    pub(crate) fn to_json(&self, modern: bool) -> Value {
        let mut fields = json!({
            "id": self.id,
            "issuer": self.issuer,
            "title": self.title,
            "scopes": self.scopes,
        });
        if let Some(description) = &self.description {
            fields["description"] = description.as_str().into();
        }
        if !self.default_clients.is_empty() {
            let clients = self.default_clients.iter().map(Client::to_json);
            fields["default_clients"] = clients.collect();
        }
        if modern && !self.authorization_parameters.is_empty() {
            fields["authorization_parameters"] = self.authorization_parameters.clone().into();
        }
        fields
    }
}

impl Client {
    fn to_json(&self) -> Value {
        let mut fields = json!({"id": self.id, "grant_types": self.grant_types});
        if !self.redirect_urls.is_empty() {
            fields["redirect_urls"] = json!(self.redirect_urls);
        }
        fields
    }
}

impl Trusted {
    pub(crate) fn new(provider: Provider) -> Trusted {
        let clients = provider.default_clients.iter().map(|client| client.id.clone());
        let audience = provider.audience.iter().cloned().chain(clients).collect();
        let keys = KeyRing::new(&provider.issuer);
        Trusted { provider, audience, keys }
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Whether tokens with this `iss` are of the provider.
    pub(crate) fn issues(&self, issuer: &str) -> bool {
        self.provider.issuer.trim_end_matches('/') == issuer.trim_end_matches('/')
    }

    /// Who the token is for.
    ///
    /// # Errors
    /// `TokenInvalid`, or that the provider cannot be reached.
    pub(crate) async fn check(&self, token: &str) -> Result<Identity, ApiError> {
        let Some(header) = claims::header(token) else { return Err(refused(&self.opaque())) };
        let key = self.keys.find(&header).await?;
        let key =
            key.ok_or_else(|| refused("it is signed with a key that the provider does not have"))?;
        let claims = read_claims::<Claims>(token, header.alg, &key, SKEW);
        let claims = claims.map_err(|reason| refused(&reason))?;
        if !self.issues(&claims.iss) {
            return Err(refused("it is of another issuer"));
        }
        if !claims.is_for(&self.audience) {
            return Err(refused("it is for another audience"));
        }
        let id = user_id(&self.provider.id, &claims.sub);
        Ok(Identity { id, name: claims.person() })
    }

    fn opaque(&self) -> String {
        format!(
            "it is no JSON Web Token, and `{}` cannot be asked what it means: let it issue JWT access tokens",
            self.provider.id
        )
    }
}

/// Why a token is not accepted. The code makes clients get another one.
pub(crate) fn refused(reason: &str) -> ApiError {
    ApiError::new(Code::TOKEN_INVALID, format!("the token is not valid: {reason}"))
}

/// The user of a subject. Subjects are any text; users are also names of folders.
fn user_id(provider: &str, subject: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !subject.is_empty() && subject.len() <= PLAIN && subject.chars().all(plain) {
        format!("{provider}~{subject}")
    } else {
        // No plain subject has a second `~`.
        format!("{provider}~~{}", &hex(&Sha256::digest(subject.as_bytes()))[..40])
    }
}

fn openid() -> Vec<String> {
    vec!["openid".to_owned()]
}

#[cfg(test)]
mod tests;
