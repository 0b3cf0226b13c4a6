//! Checks passwords and tokens.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use eolith_graph::Code;
use tokio::sync::Semaphore;

use super::bearer::{Bearer, From};
use super::known::{Known, fingerprint};
use super::oidc::{Trusted, refused};
use super::token::Tokens;
use super::{Auth, LOCAL, Provider, User, UserError, basic, hex, password, random};
use crate::error::ApiError;
use crate::issuer::{self, Issuer};
use crate::links::Links;
use crate::rates::{Buckets, Rates};
use crate::store::Store;

/// Passwords that are checked at a time: each check holds 19 MiB.
const CHECKS: usize = 2;

/// Knows who asks.
#[derive(Debug)]
pub(crate) struct Guard {
    auth: Auth,
    pub(super) tokens: Tokens,
    known: Known,
    issuer: Option<Issuer>,
    trusted: Vec<Trusted>,
    checks: Semaphore,
    /// Wrong passwords and secrets.
    attempts: Buckets,
    /// What is compared with the passwords of those who do not exist.
    nobody: Arc<str>,
}

impl Guard {
    pub(crate) async fn new(
        auth: Auth,
        rates: &Rates,
        public_url: Option<&str>,
        store: &Store,
        known: Known,
    ) -> Result<Guard, UserError> {
        for provider in &auth.providers {
            provider.check().map_err(UserError::Provider)?;
            let same =
                |other: &&Provider| other.id == provider.id || other.issuer == provider.issuer;
            if auth.providers.iter().filter(same).count() > 1 || provider.id == issuer::PROVIDER {
                let twice = format!("`{}` or its issuer is there twice", provider.id);
                return Err(UserError::Provider(twice));
            }
        }
        let made = hex(&[random()?, random()?].concat());
        let tokens = Tokens::new(store.secret("tokens", &made).await?.as_bytes());
        let nobody = if auth.has_users() {
            let hash = tokio::task::spawn_blocking(move || password::hash(&made)).await;
            hash.map_err(|error| UserError::Hash(error.to_string()))??.into()
        } else {
            Arc::default()
        };
        let issuer = match auth.issuer.clone() {
            Some(settings) => Some(Issuer::open(settings, public_url, store).await?),
            None => None,
        };
        Ok(Guard {
            tokens,
            known,
            issuer,
            trusted: auth.providers.iter().cloned().map(Trusted::new).collect(),
            checks: Semaphore::new(CHECKS),
            attempts: Buckets::new(rates.attempts / 60.0, rates.attempts_at_once),
            nobody,
            auth,
        })
    }

    /// The built-in issuer, if there is one.
    pub(crate) fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// All providers that clients may choose from.
    pub(crate) fn providers(&self, links: &Links) -> Vec<Provider> {
        let own = self.issuer.iter().map(|issuer| issuer.provider(links));
        own.chain(self.trusted.iter().map(|trusted| trusted.provider().clone())).collect()
    }

    /// Exchanges a user name and a password (HTTP Basic) for a token.
    pub(crate) async fn login(
        &self,
        caller: &str,
        headers: &HeaderMap,
    ) -> Result<String, ApiError> {
        if self.auth.is_none() {
            return self.tokens.issue(LOCAL, "");
        }
        if !self.auth.basic {
            let message = "there are no passwords here: log in by OpenID Connect";
            return Err(ApiError::new(Code::FEATURE_UNSUPPORTED, message));
        }
        let header = headers.get(AUTHORIZATION).ok_or_else(|| {
            ApiError::new(
                Code::AUTHENTICATION_REQUIRED,
                "a user name and a password are needed (HTTP Basic)",
            )
        })?;
        let (user, password) = basic::credentials(header)?;
        let password = self.check_password(caller, &user, password).await?;
        self.tokens.issue(&user, &password)
    }

    /// Checks a password for somebody who asks from an address; gives the name of the password.
    pub(crate) async fn check_password(
        &self,
        caller: &str,
        user: &str,
        password: String,
    ) -> Result<String, ApiError> {
        self.attempt(caller)?;
        let verified = self.verified(user, password).await?;
        let verified = verified.ok_or_else(|| {
            ApiError::new(Code::CREDENTIALS_INVALID, "unknown user name or wrong password")
        })?;
        self.succeeded(caller);
        Ok(verified)
    }

    /// Counts an attempt before it is known how it ends: many at a time are many.
    pub(crate) fn attempt(&self, caller: &str) -> Result<(), ApiError> {
        self.attempts.take(caller).map_err(ApiError::too_many)
    }

    /// Only those that fail count.
    pub(crate) fn succeeded(&self, caller: &str) {
        self.attempts.give_back(caller);
    }

    /// The name of the password that a user has now, if there is the user.
    pub(crate) async fn password_of(&self, user: &str) -> Result<Option<String>, ApiError> {
        let user = self.known.user(user).await?;
        Ok(user.and_then(|user| user.password_hash.as_deref().map(fingerprint)))
    }

    /// Which password of the user it is, if it is the current one.
    pub(super) async fn verified(
        &self,
        user: &str,
        password: String,
    ) -> Result<Option<String>, ApiError> {
        let stored = self.known.fresh(user).await?;
        let hash = stored.as_ref().and_then(|user| user.password_hash.clone());
        // The password is checked for unknown users too, so that the time says nothing about names.
        let exists = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.nobody), Arc::from);
        let checked = Arc::clone(&hash);
        let permit = self.checks.acquire().await;
        let matches = tokio::task::spawn_blocking(move || {
            password.len() <= password::LONGEST && password::verify(&checked, &password)
        })
        .await
        .map_err(|_| ApiError::internal("the password could not be checked"))?;
        drop(permit);
        Ok((matches && exists).then(|| fingerprint(&hash)))
    }

    /// The user of a request that needs one.
    pub(crate) async fn user(&self, header: Option<&HeaderValue>) -> Result<User, ApiError> {
        if self.auth.is_none() {
            return Ok(User { id: LOCAL.to_owned(), name: None });
        }
        let header = header.ok_or_else(|| {
            ApiError::new(Code::AUTHENTICATION_REQUIRED, "this needs a token: log in first")
        })?;
        let Bearer { from, token } = Bearer::read(header)?;
        match from {
            From::Password if self.auth.basic => {
                let claims = self.tokens.check(token);
                let claims =
                    claims.ok_or_else(|| refused("it has expired, or is not of this server"))?;
                self.own(claims.sub, &claims.pwd).await
            }
            From::Provider(issuer::PROVIDER) => self.issued(token).await,
            From::Provider(id) => {
                let mut trusted = self.trusted.iter();
                self.foreign(trusted.find(|trusted| trusted.provider().id == id), token).await
            }
            From::Issuer(address) => {
                match self.trusted.iter().find(|trusted| trusted.issues(&address)) {
                    None => self.issued(token).await,
                    trusted => self.foreign(trusted, token).await,
                }
            }
            From::Password => Err(refused("tokens for passwords are not accepted here")),
        }
    }

    /// The user of a token of the built-in issuer.
    async fn issued(&self, token: &str) -> Result<User, ApiError> {
        let Some(issuer) = &self.issuer else { return Err(refused("nobody knows its issuer")) };
        let (user, password) = issuer.check(token).map_err(|reason| refused(&reason))?;
        self.own(user, &password).await
    }

    async fn foreign(&self, trusted: Option<&Trusted>, token: &str) -> Result<User, ApiError> {
        let Some(trusted) = trusted else { return Err(refused("nobody knows its provider")) };
        let identity = trusted.check(token).await?;
        Ok(User { id: identity.id, name: identity.name })
    }

    /// A user of the store, if the password is still the one that the token was given for.
    async fn own(&self, id: String, password: &str) -> Result<User, ApiError> {
        if self.password_of(&id).await?.as_deref() == Some(password) {
            Ok(User { id, name: None })
        } else {
            Err(refused("the user is gone or has another password: log in again"))
        }
    }
}
