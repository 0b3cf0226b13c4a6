//! A small OpenID provider for the users of this installation: for one's own machine, for a small team, and for tests.
//!
//! ```text
//! <server>/oidc/.well-known/openid-configuration · jwks · token · device_authorization · device · authorize · userinfo
//! ```
//! It knows the users with a password ([`crate::auth::Users`]), one public client ([`CLIENT`]: device code, or
//! authorization code with PKCE) and clients with a secret that act for a user. Tokens are signed with ES256; the key and
//! all grants are in the store, so that the servers of a store are one issuer. It is no identity provider for anybody
//! else: there is no registration, no consent and no session, every page asks for the password.

mod form;
mod keys;
mod pages;
mod params;
mod token;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::form::Forms;
pub(crate) use self::keys::Keys;
use crate::auth::{Client, Provider, UserError, hex, random};
use crate::job::Millis;
use crate::links::Links;
use crate::state::AppState;
use crate::store::Store;

/// Where it is on the server.
pub(crate) const MOUNT: &str = "/oidc";
/// How the API calls it as a provider.
pub const PROVIDER: &str = "local";
/// The client without a secret.
pub const CLIENT: &str = "eolith";
/// The audience of access tokens: the API of the servers of this store.
const AUDIENCE: &str = "eolith-api";

const SCOPES: [&str; 4] = ["openid", "profile", "offline_access", "email"];
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How the built-in issuer is run.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Addresses that browsers may be sent back to, to the letter.
    pub redirect_urls: Vec<String>,
    /// How long access tokens are valid.
    pub token_seconds: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        let urls =
            ["https://editor.openeo.org", "https://editor.openeo.org/", "http://localhost:1410/"];
        Settings { redirect_urls: urls.map(str::to_owned).to_vec(), token_seconds: 60 * 60 }
    }
}

/// What was granted to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grant {
    /// A device waits for somebody to confirm its code.
    Device {
        client: String,
        scope: String,
        challenge: Option<String>,
        /// Milliseconds between two questions.
        interval: Millis,
        asked: Millis,
        /// User and password, once confirmed.
        granted: Option<(String, String)>,
    },
    Code {
        client: String,
        user: String,
        password: String,
        scope: String,
        redirect: String,
        challenge: String,
        nonce: Option<String>,
    },
    Refresh {
        client: String,
        user: String,
        /// Which password of the user it was granted with; it ends with it.
        password: String,
        scope: String,
    },
}

#[derive(Debug)]
pub(crate) struct Issuer {
    settings: Settings,
    /// The address of the server, if it is always the same.
    public_url: Option<String>,
    keys: Keys,
    forms: Forms,
}

impl Issuer {
    pub(crate) async fn open(
        settings: Settings,
        public_url: Option<&str>,
        store: &Store,
    ) -> Result<Issuer, UserError> {
        let public_url = public_url.map(str::to_owned);
        let (keys, forms) = (Keys::open(store).await?, Forms::open(store).await?);
        Ok(Issuer { settings, public_url, keys, forms })
    }

    /// The user that an access token was issued to, with the password it was granted with.
    pub(crate) fn check(&self, token: &str) -> Result<(String, String), String> {
        let claims = self.keys.read(token)?;
        let own = match &self.public_url {
            Some(url) => claims.iss == format!("{}{MOUNT}", url.trim_end_matches('/')),
            None => claims.iss.ends_with(MOUNT),
        };
        if own && claims.aud == AUDIENCE {
            Ok((claims.sub, claims.pwd))
        } else {
            Err("it is no access token of this server".to_owned())
        }
    }

    /// As a provider of the API.
    pub(crate) fn provider(&self, links: &Links) -> Provider {
        let grants = [
            "authorization_code+pkce",
            DEVICE_CODE,
            &format!("{DEVICE_CODE}+pkce"),
            "refresh_token",
        ];
        let client = Client {
            id: CLIENT.to_owned(),
            grant_types: grants.map(str::to_owned).to_vec(),
            redirect_urls: self.settings.redirect_urls.clone(),
        };
        Provider {
            id: PROVIDER.to_owned(),
            issuer: address(links),
            title: "Users of this server".to_owned(),
            description: None,
            scopes: vec!["openid".to_owned(), "offline_access".to_owned()],
            audience: std::collections::BTreeSet::new(),
            default_clients: vec![client],
            authorization_parameters: serde_json::Map::new(),
        }
    }
}

/// The address that tokens name as their issuer.
fn address(links: &Links) -> String {
    links.beside(MOUNT)
}

/// Its pages and endpoints, for a server that has it.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/token", post(token::token))
        .route("/device_authorization", post(token::device_authorization))
        .route("/device", get(pages::device).post(pages::confirm_device))
        .route("/authorize", get(pages::authorize).post(pages::confirm_authorize))
        .route("/userinfo", get(userinfo).post(userinfo))
}

async fn discovery(links: Links) -> Json<Value> {
    let issuer = address(&links);
    let at = |path: &str| format!("{issuer}{path}");
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device_authorization"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported":
            ["authorization_code", "refresh_token", "client_credentials", DEVICE_CODE],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "preferred_username"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(State(state): State<AppState>) -> Response {
    match state.guard().issuer() {
        Some(issuer) => Json(json!({"keys": [issuer.keys.public()]})).into_response(),
        None => crate::app::no_issuer().into_response(),
    }
}

async fn userinfo(user: crate::auth::User) -> Response {
    let answer = Json(json!({"sub": user.id, "preferred_username": user.id}));
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

/// An unguessable text of 256 bits.
fn secret() -> Result<String, UserError> {
    Ok(hex(&[random()?, random()?].concat()))
}

/// Under which name something is kept that only its owner can name.
pub(crate) fn hidden(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}
