//! Users with a password: added, listed, changed and removed by the operator.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::{hex, password, random};
use crate::accounts;
use crate::issuer;
use crate::job;
use crate::places;
use crate::store::{Store, StoreError, StoredClient, StoredUser};
use crate::terms::Terms;

/// The user that a server makes for itself when it has none.
pub const FIRST: &str = "eolith";
/// Where versions before the store kept their only user.
const FORMER: &str = "credentials.json";
/// Characters of a name.
const LONGEST: usize = 64;

/// The users of an installation.
#[derive(Clone, Debug)]
pub struct Users {
    pub(super) store: Store,
    state: PathBuf,
}

/// What is told of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// Limits that are not those of everybody.
    pub terms: Terms,
    /// Bytes of files and results.
    pub stored: u64,
    /// Credits, over all time.
    pub spent: f64,
}

/// Why something cannot be done to a user.
#[derive(Debug, Error)]
pub enum UserError {
    #[error(
        "`{0}` cannot be a user name: at most 64 letters, digits, `_`, `-` and `.`, the first one a letter or digit"
    )]
    Name(String),
    #[error("there is a user `{0}` already")]
    Exists(String),
    #[error("there is no user `{0}`")]
    Unknown(String),
    #[error("a password has at least 8 characters, and at most 1000 bytes")]
    Password,
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    #[error("{0}")]
    Provider(String),
    #[error("there is no client `{0}`")]
    UnknownClient(String),
    #[error("the system has no random numbers: {0}")]
    Random(String),
    #[error("cannot use `{path}`: {reason}")]
    File { path: PathBuf, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// The users in a store, whose files are below `state`.
    pub fn new(store: Store, state: &Path) -> Users {
        Users { store, state: state.to_owned() }
    }

    /// Adds a user. Without a password one is made and returned: it is stored nowhere, so it must be shown now.
    ///
    /// # Errors
    /// A name that is not allowed or taken, a password that is too short.
    pub async fn add(&self, id: &str, given: Option<&str>) -> Result<Option<String>, UserError> {
        if !is_name(id) {
            return Err(UserError::Name(id.to_owned()));
        }
        let (hash, made) = hashed(given).await?;
        let user = StoredUser {
            id: id.to_owned(),
            password_hash: Some(hash),
            created: job::now(),
            record: json!({}),
        };
        if self.store.add_user(&user).await? {
            Ok(made)
        } else {
            Err(UserError::Exists(id.to_owned()))
        }
    }

    /// Gives a user another password; all tokens of the user end. Without a password one is made and returned.
    ///
    /// # Errors
    /// There is no such user, or the password is too short.
    pub async fn set_password(
        &self,
        id: &str,
        given: Option<&str>,
    ) -> Result<Option<String>, UserError> {
        let Some(user) = self.store.user(id).await? else {
            return Err(UserError::Unknown(id.to_owned()));
        };
        let (hash, made) = hashed(given).await?;
        self.store.put_user(&StoredUser { password_hash: Some(hash), ..user }).await?;
        Ok(made)
    }

    /// All users by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self) -> Result<Vec<Listed>, UserError> {
        let mut listed = Vec::new();
        for user in self.store.users().await? {
            let home = places::root(&self.state, &user.id);
            listed.push(Listed {
                spent: self.store.spent(&user.id).await? as f64 / 1e6,
                stored: accounts::used(&self.store, home, &user.id).await?,
                terms: serde_json::from_value(user.record).map_err(StoreError::from)?,
                created: job::instant(user.created),
                id: user.id,
            });
        }
        Ok(listed)
    }

    /// Limits of a user; those of everybody if there is no such user yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn terms(&self, id: &str) -> Result<Terms, UserError> {
        let user = self.store.user(id).await?;
        let terms = user.map(|user| serde_json::from_value(user.record));
        Ok(terms.transpose().map_err(StoreError::from)?.unwrap_or_default())
    }

    /// Sets the limits of a user, who may also be one of an identity provider. Servers know them after some seconds.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn set_terms(&self, id: &str, terms: &Terms) -> Result<(), UserError> {
        // Whom a provider knows need not have been here.
        let foreign = id.split_once('~').is_some_and(|(provider, sub)| {
            is_name(provider) && !sub.is_empty() && sub.chars().all(|c| is_part(c) || c == '~')
        });
        if !foreign && self.store.user(id).await?.is_none() {
            return Err(UserError::Unknown(id.to_owned()));
        }
        let record = serde_json::to_value(terms).map_err(StoreError::from)?;
        Ok(self.store.set_record(id, &record, job::now()).await?)
    }

    /// Removes a user with everything the user has: somebody who gets the name later starts with nothing.
    ///
    /// # Errors
    /// There is no such user, or the files cannot be removed.
    pub async fn remove(&self, id: &str) -> Result<(), UserError> {
        if self.store.user(id).await?.is_none() {
            return Err(UserError::Unknown(id.to_owned()));
        }
        // Files of jobs go with the next sweep of a server.
        self.store.remove_things_of(id).await?;
        let folder = places::root(&self.state, id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(file(&folder, error)),
            _ => {}
        }
        self.store.remove_user(id).await?;
        Ok(())
    }

    /// Adds a client that gets tokens for a user with a secret (`client_credentials` at the built-in issuer): its id, and
    /// the secret, which is stored nowhere.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn add_client(&self, user: &str) -> Result<(String, String), UserError> {
        if self.store.user(user).await?.is_none() {
            return Err(UserError::Unknown(user.to_owned()));
        }
        let id = format!("c-{}", hex(&random()?[..8]));
        let secret = hex(&[random()?, random()?].concat());
        let client = StoredClient {
            id: id.clone(),
            user: user.to_owned(),
            secret_hash: issuer::hidden(&secret),
            created: job::now(),
        };
        self.store.add_client(&client).await?;
        Ok((id, secret))
    }

    /// All clients: id and user.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn clients(&self) -> Result<Vec<(String, String)>, UserError> {
        let clients = self.store.clients().await?;
        Ok(clients.into_iter().map(|client| (client.id, client.user)).collect())
    }

    /// Removes a client; its tokens go on until they expire.
    ///
    /// # Errors
    /// There is no such client.
    pub async fn remove_client(&self, id: &str) -> Result<(), UserError> {
        let removed = self.store.remove_client(id).await?;
        if removed { Ok(()) } else { Err(UserError::UnknownClient(id.to_owned())) }
    }

    /// Makes the first user where there is none; gives the password that was made. The user that a former version kept
    /// in a file moves to the store.
    pub(crate) async fn first(&self) -> Result<Option<String>, UserError> {
        self.take_over().await?;
        if self.store.users().await?.iter().any(|user| user.password_hash.is_some()) {
            return Ok(None);
        }
        match self.add(FIRST, None).await {
            // Another server was faster, and has told the password.
            Err(UserError::Exists(_)) => Ok(None),
            made => made,
        }
    }

    async fn take_over(&self) -> Result<(), UserError> {
        #[derive(Deserialize)]
        struct Former {
            user: String,
            password_hash: String,
        }
        let path = self.state.join(FORMER);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            text => text.map_err(|error| file(&path, error))?,
        };
        let former: Former = serde_json::from_str(&text).map_err(|error| file(&path, error))?;
        let user = StoredUser {
            id: former.user,
            password_hash: Some(former.password_hash),
            created: job::now(),
            record: json!({}),
        };
        self.store.add_user(&user).await?;
        fs::remove_file(&path).map_err(|error| file(&path, error))
    }
}

/// Ids of users of providers have a `~`, so that no name can be one of those.
fn is_name(id: &str) -> bool {
    id.len() <= LONGEST
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(is_part)
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

async fn hashed(given: Option<&str>) -> Result<(String, Option<String>), UserError> {
    let made = if given.is_some() { None } else { Some(password::made()?) };
    let text = given.map(str::to_owned).or_else(|| made.clone()).unwrap_or_default();
    let hash = tokio::task::spawn_blocking(move || password::hash(&text))
        .await
        .map_err(|error| UserError::Hash(error.to_string()))??;
    Ok((hash, made))
}

fn file(path: &Path, reason: impl ToString) -> UserError {
    UserError::File { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Term;

    async fn users() -> (Users, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), None).await.unwrap();
        (Users::new(store, dir.path()), dir)
    }

    #[tokio::test]
    async fn users_come_and_go_with_what_they_have() {
        let (users, dir) = users().await;
        let made = users.add("ada", None).await.unwrap().unwrap();
        assert_eq!(users.add("bob", Some("correct horse")).await.unwrap(), None);
        assert!(matches!(users.add("ada", None).await, Err(UserError::Exists(_))));
        for wrong in ["", "a b", "a@b.org", "x~y", "..", "-a", &"a".repeat(65)] {
            assert!(matches!(users.add(wrong, None).await, Err(UserError::Name(_))), "{wrong}");
        }
        let ids: Vec<String> = users.list().await.unwrap().into_iter().map(|u| u.id).collect();
        assert_eq!(ids, ["ada", "bob"]);
        let stored = users.store.user("ada").await.unwrap().unwrap();
        assert!(password::verify(&stored.password_hash.unwrap(), &made));
        users.set_password("ada", Some("another one")).await.unwrap();
        let stored = users.store.user("ada").await.unwrap().unwrap();
        assert!(password::verify(&stored.password_hash.unwrap(), "another one"));
        let folder = places::root(dir.path(), "ada");
        fs::create_dir_all(folder.join("files")).unwrap();
        let job = job::Job::new("j-1".into(), "ada".into(), serde_json::Map::new(), 1);
        users.store.add_job(&job).await.unwrap();
        fs::write(folder.join("files/a"), "12345").unwrap();
        let terms = Terms { storage: Term::Most(7), jobs: Term::None, ..Terms::default() };
        users.set_terms("ada", &terms).await.unwrap();
        users.set_terms("egi~1", &terms).await.unwrap();
        for unknown in ["zoe", "a b~c", "~c", "egi~", "egi~a/b"] {
            let refused = users.set_terms(unknown, &terms).await;
            assert!(matches!(refused, Err(UserError::Unknown(_))), "{unknown}");
        }
        let listed = users.list().await.unwrap();
        assert_eq!((listed[0].stored, listed[0].terms), (5, terms));
        assert_eq!((listed[2].id.as_str(), listed[2].stored), ("egi~1", 0));
        assert_eq!(users.terms("bob").await.unwrap(), Terms::default());
        users.remove("ada").await.unwrap();
        assert!(!folder.exists() && users.store.job("j-1").await.unwrap().is_none());
        assert!(matches!(users.remove("ada").await, Err(UserError::Unknown(_))));
        assert!(matches!(users.set_password("ada", None).await, Err(UserError::Unknown(_))));
    }

    #[tokio::test]
    async fn the_first_user_is_made_once_and_a_former_one_moves_to_the_store() {
        let (users, _dir) = users().await;
        assert!(users.first().await.unwrap().is_some());
        assert!(users.first().await.unwrap().is_none());
        let (users, dir) = self::users().await;
        let hash = password::hash("the old password").unwrap();
        let former = json!({"user": FIRST, "password_hash": hash, "token_secret": "x"});
        fs::write(dir.path().join(FORMER), former.to_string()).unwrap();
        assert!(users.first().await.unwrap().is_none());
        let stored = users.store.user(FIRST).await.unwrap().unwrap();
        assert_eq!(stored.password_hash, Some(hash));
        assert!(!dir.path().join(FORMER).exists());
    }
}
