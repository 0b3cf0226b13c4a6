//! The endpoints that programs talk to: tokens for what was granted, and codes for devices.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::keys::Access;
use super::params::{Params, Refusal};
use super::{AUDIENCE, CLIENT, DEVICE_CODE, Grant, Issuer, SCOPES, address, hidden, secret};
use crate::app::no_issuer;
use crate::auth::{for_addresses, random_id, same};
use crate::job::{self, Millis};
use crate::links::Links;
use crate::state::AppState;
use crate::store::StoredGrant;

/// How long a device may wait to be confirmed.
const DEVICE: Millis = 10 * 60 * 1000;
/// How often a device may ask.
const INTERVAL: Millis = 2000;
/// What is added for one that asks too often (RFC 8628, 3.5).
const SLOWER: Millis = 5000;
/// Milliseconds that a clock of a client may be ahead.
const TOLERANCE: Millis = 300;
/// How long a refresh token can be used.
const REFRESH: Millis = 30 * 24 * 60 * 60 * 1000;
/// Characters of codes that people type: no vowels, nothing that looks alike (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Bytes of a scope.
const LONGEST: usize = 1000;

/// Who gets tokens, and for what.
struct For<'a> {
    client: &'a str,
    user: &'a str,
    password: &'a str,
    scope: &'a str,
    nonce: Option<&'a str>,
}

const INVALID: Refusal = Refusal::OAuth("invalid_grant", "it was not granted, or has ended");

/// `POST token`.
pub(super) async fn token(
    State(state): State<AppState>,
    links: Links,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refusal> {
    let issuer = state.guard().issuer().ok_or_else(no_issuer)?;
    let grants = Grants { state: &state, issuer, links: &links };
    let (client, given) = params.client(&headers)?;
    match params.need("grant_type")? {
        "client_credentials" => {
            grants.client_credentials(&client, given.as_deref(), params.get("scope")).await
        }
        // All others are for the public client.
        "authorization_code" | "refresh_token" | DEVICE_CODE if client != CLIENT => {
            Err(Refusal::OAuth("invalid_client", "there is no such public client"))
        }
        "authorization_code" => grants.authorization_code(&client, &params).await,
        "refresh_token" => grants.refresh_token(&client, params.need("refresh_token")?).await,
        DEVICE_CODE => grants.device_code(&client, &params).await,
        _ => Err(Refusal::OAuth("unsupported_grant_type", "there is no such way to a token")),
    }
}

/// `POST device_authorization` (RFC 8628).
pub(super) async fn device_authorization(
    State(state): State<AppState>,
    links: Links,
    params: Params,
) -> Result<Response, Refusal> {
    state.guard().issuer().ok_or_else(no_issuer)?;
    if params.need("client_id")? != CLIENT {
        return Err(Refusal::OAuth("invalid_client", "there is no such public client"));
    }
    let challenge = challenge(&params)?.map(str::to_owned);
    let (code, user_code) = (secret()?, user_code()?);
    let now = job::now();
    let grant = Grant::Device {
        client: CLIENT.to_owned(),
        scope: scope(params.get("scope"))?,
        challenge,
        interval: INTERVAL,
        asked: 0,
        granted: None,
    };
    state.store().remove_expired_grants(now).await?;
    let family = hidden(&user_code);
    state.store().add_grant(&hidden(&code), &family, now + DEVICE, &grant).await?;
    let page = format!("{}/device", address(&links));
    let answer = json!({
        "device_code": code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": DEVICE / 1000,
        "interval": INTERVAL / 1000,
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

struct Grants<'a> {
    state: &'a AppState,
    issuer: &'a Issuer,
    links: &'a Links,
}

impl Grants<'_> {
    async fn client_credentials(
        &self,
        id: &str,
        given: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<Response, Refusal> {
        let wrong = Refusal::OAuth("invalid_client", "unknown client or wrong secret");
        self.state.guard().attempt(id)?;
        let client = self.state.store().client(id).await?;
        // Compared for unknown clients, too.
        let expected = client.as_ref().map_or("", |client| client.secret_hash.as_str());
        let matches = same(hidden(given.unwrap_or_default()).as_bytes(), expected.as_bytes());
        let Some(client) = client.filter(|_| matches) else { return Err(wrong) };
        self.state.guard().succeeded(id);
        let Some(password) = self.state.guard().password_of(&client.user).await? else {
            return Err(wrong);
        };
        let scope = scope(wanted)?;
        let (user, password) = (client.user.as_str(), password.as_str());
        self.answer(&For { client: id, user, password, scope: &scope, nonce: None }, None)
    }

    async fn authorization_code(&self, client: &str, params: &Params) -> Result<Response, Refusal> {
        let code = hidden(params.need("code")?);
        let Some(stored) = self.valid(&code).await? else { return Err(INVALID) };
        // A code is good once, whatever comes of it.
        if !self.state.store().remove_grant(&code).await? {
            return Err(INVALID);
        }
        let Grant::Code { client: its, user, password, scope, redirect, challenge, nonce } =
            stored.grant
        else {
            return Err(INVALID);
        };
        let verified = params.get("code_verifier").is_some_and(|v| proves(v, &challenge));
        if its != client || params.get("redirect_uri") != Some(redirect.as_str()) || !verified {
            return Err(INVALID);
        }
        let nonce = nonce.as_deref();
        let about = For { client, user: &user, password: &password, scope: &scope, nonce };
        self.with_refresh(&about, &hidden(&random_id())).await
    }

    async fn device_code(&self, client: &str, params: &Params) -> Result<Response, Refusal> {
        let code = hidden(params.need("device_code")?);
        let Some(stored) = self.state.store().grant(&code).await? else {
            return Err(Refusal::OAuth("expired_token", "the code has ended: begin again"));
        };
        let Grant::Device { client: its, scope, challenge, interval, asked, granted } =
            stored.grant.clone()
        else {
            return Err(INVALID);
        };
        if stored.expires <= job::now() {
            return Err(Refusal::OAuth("expired_token", "nobody confirmed the code in time"));
        }
        let proved = challenge.as_ref().is_none_or(|challenge| {
            params.get("code_verifier").is_some_and(|v| proves(v, challenge))
        });
        if its != client || !proved {
            return Err(INVALID);
        }
        if let Some((user, password)) = granted {
            if !self.state.store().remove_grant(&code).await? {
                return Err(INVALID);
            }
            let about =
                For { client, user: &user, password: &password, scope: &scope, nonce: None };
            return self.with_refresh(&about, &hidden(&random_id())).await;
        }
        let now = job::now();
        let hasty = now < asked + interval - TOLERANCE;
        let interval = if hasty { interval + SLOWER } else { interval };
        let grant = Grant::Device { client: its, scope, challenge, interval, asked: now, granted };
        // Who was confirmed just now gets the answer the next time.
        self.state.store().change_grant(&stored, &grant).await?;
        Err(if hasty {
            Refusal::OAuth("slow_down", "it is asked too often")
        } else {
            Refusal::OAuth("authorization_pending", "the code is not confirmed yet")
        })
    }

    /// A refresh token is good until it expires: clients of openEO keep the first one and show it again and again.
    async fn refresh_token(&self, client: &str, given: &str) -> Result<Response, Refusal> {
        let Some(stored) = self.valid(&hidden(given)).await? else { return Err(INVALID) };
        let Grant::Refresh { client: its, user, password, scope } = stored.grant else {
            return Err(INVALID);
        };
        let current = self.state.guard().password_of(&user).await?;
        if its != client || current.as_deref() != Some(password.as_str()) {
            return Err(INVALID);
        }
        let about = For { client, user: &user, password: &password, scope: &scope, nonce: None };
        self.answer(&about, None)
    }

    async fn valid(&self, id: &str) -> Result<Option<StoredGrant>, Refusal> {
        let grant = self.state.store().grant(id).await?;
        Ok(grant.filter(|grant| grant.expires > job::now()))
    }

    async fn with_refresh(&self, about: &For<'_>, family: &str) -> Result<Response, Refusal> {
        let token = secret()?;
        let grant = Grant::Refresh {
            client: about.client.to_owned(),
            user: about.user.to_owned(),
            password: about.password.to_owned(),
            scope: about.scope.to_owned(),
        };
        let expires = job::now() + REFRESH;
        self.state.store().add_grant(&hidden(&token), family, expires, &grant).await?;
        self.answer(about, Some(token))
    }

    fn answer(&self, about: &For<'_>, refresh: Option<String>) -> Result<Response, Refusal> {
        let (now, seconds) = (Timestamp::now().as_second(), self.issuer.settings.token_seconds);
        let iss = address(self.links);
        let exp = now + i64::from(seconds);
        let access = Access {
            iss: iss.clone(),
            sub: about.user.to_owned(),
            aud: AUDIENCE.to_owned(),
            azp: about.client.to_owned(),
            scope: about.scope.to_owned(),
            jti: random_id(),
            pwd: about.password.to_owned(),
            iat: now,
            exp,
        };
        let mut answer = json!({
            "access_token": self.issuer.keys.sign("at+jwt", &access)?,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": about.scope,
        });
        if let Some(token) = refresh {
            answer["refresh_token"] = token.into();
            let mut id = json!({
                "iss": iss,
                "sub": about.user,
                "aud": about.client,
                "preferred_username": about.user,
                "iat": now,
                "exp": exp,
            });
            if let Some(nonce) = about.nonce {
                id["nonce"] = nonce.into();
            }
            answer["id_token"] = self.issuer.keys.sign("JWT", &id)?.into();
        }
        Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
    }
}

/// The scopes that are granted: those of the wanted ones that there are.
pub(super) fn scope(wanted: Option<&str>) -> Result<String, Refusal> {
    let wanted = wanted.unwrap_or("openid");
    if wanted.len() > LONGEST {
        return Err(Refusal::OAuth("invalid_scope", "the scope is too long"));
    }
    let known: Vec<&str> =
        SCOPES.into_iter().filter(|s| wanted.split(' ').any(|w| w == *s)).collect();
    Ok(known.join(" "))
}

/// The challenge of a client that will prove by RFC 7636 that it is still the same: only SHA-256 proves it.
pub(super) fn challenge(params: &Params) -> Result<Option<&str>, Refusal> {
    let Some(challenge) = params.get("code_challenge") else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if params.get("code_challenge_method") == Some("S256")
        && challenge.len() == 43
        && challenge.chars().all(plain)
    {
        Ok(Some(challenge))
    } else {
        Err(Refusal::OAuth("invalid_request", "only challenges by S256 are understood"))
    }
}

fn proves(verifier: &str, challenge: &str) -> bool {
    let digest = for_addresses(&Sha256::digest(verifier.as_bytes()));
    (43..=128).contains(&verifier.len()) && same(digest.as_bytes(), challenge.as_bytes())
}

/// Eight letters, 34 bits: enough for what lives ten minutes and can be tried by those with a password only.
fn user_code() -> Result<String, Refusal> {
    let mut letters = Vec::new();
    while letters.len() < 8 {
        // 240 is the largest multiple of 20 that a byte holds.
        let bytes = crate::auth::random()?;
        letters.extend(
            bytes.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(byte % 20)]),
        );
    }
    let text: String = letters.into_iter().take(8).map(char::from).collect();
    Ok(format!("{}-{}", &text[..4], &text[4..]))
}

/// What people type, as the code was made.
pub(super) fn typed(code: &str) -> String {
    let letters: String =
        code.chars().filter(|c| c.is_ascii_alphabetic()).map(|c| c.to_ascii_uppercase()).collect();
    match letters.split_at_checked(4) {
        Some((first, last)) => format!("{first}-{last}"),
        None => letters,
    }
}

/// Whether an error says that the password was wrong.
pub(super) fn is_wrong_password(error: &crate::error::ApiError) -> bool {
    error.is(&Code::CREDENTIALS_INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_those_of_rfc_7636() {
        // Appendix B of the RFC.
        let (verifier, challenge) = (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        );
        assert!(proves(verifier, challenge));
        assert!(!proves(challenge, verifier) && !proves("short", challenge));
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = user_code().unwrap();
        assert_eq!(code.len(), 9);
        assert_eq!(typed(&code.to_lowercase().replace('-', " ")), code);
        assert_eq!(typed(""), "");
        assert_eq!(scope(Some("email x openid")).ok().unwrap(), "openid email");
    }
}
