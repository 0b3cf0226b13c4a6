//! The user, the hash of the password and the secret of the tokens, in one file that only its owner can read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{hex, random};

const FILE: &str = "credentials.json";
/// Letters and digits that are not mistaken for each other; 32 of them, so that a byte gives 5 bits.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789_";

/// The one user of a server with authentication.
#[derive(Clone)]
pub struct Credentials {
    pub(super) user: String,
    pub(super) hash: Arc<str>,
    secret: Arc<[u8]>,
}

/// Why there are no credentials.
#[derive(Debug, Error)]
pub enum CredentialsError {
    #[error("`{0}` cannot be a user name: letters, digits, `_`, `-`, `.` and `~` are allowed")]
    User(String),
    #[error("`{path}` is for the user `{stored}`, not `{user}`; remove the file to start anew")]
    OtherUser { path: PathBuf, stored: String, user: String },
    #[error("cannot use `{path}`: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("the system has no random numbers: {0}")]
    Random(String),
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    user: String,
    password_hash: String,
    token_secret: String,
}

impl Credentials {
    /// Reads the credentials in `state_dir`, or makes them. The password is returned only when it was made: it is
    /// stored nowhere, so it must be shown to the user now.
    ///
    /// # Errors
    /// A user name that openEO does not allow, a file for another user, a folder that cannot be written.
    pub fn open(
        state_dir: &Path,
        user: &str,
    ) -> Result<(Credentials, Option<String>), CredentialsError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~".contains(c);
        if user.is_empty() || !user.chars().all(allowed) {
            return Err(CredentialsError::User(user.to_owned()));
        }
        let path = state_dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok((Credentials::stored(path, &text, user)?, None)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (credentials, password) = Credentials::create(&path, user)?;
                Ok((credentials, Some(password)))
            }
            Err(error) => Err(file(&path, error)),
        }
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn stored(path: PathBuf, text: &str, user: &str) -> Result<Credentials, CredentialsError> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| file(&path, error))?;
        if stored.token_secret.len() < 32 {
            return Err(file(&path, "its `token_secret` is too short"));
        }
        if stored.user != user {
            let (stored, user) = (stored.user, user.to_owned());
            return Err(CredentialsError::OtherUser { path, stored, user });
        }
        Ok(Credentials::from(stored))
    }

    fn create(path: &Path, user: &str) -> Result<(Credentials, String), CredentialsError> {
        let password = password()?;
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| CredentialsError::Hash(error.to_string()))?;
        let stored = Stored {
            user: user.to_owned(),
            password_hash: hash.to_string(),
            token_secret: hex(&[random()?, random()?].concat()),
        };
        let text = serde_json::to_string_pretty(&stored).map_err(|error| file(path, error))?;
        write(path, &text).map_err(|error| file(path, error))?;
        Ok((Credentials::from(stored), password))
    }
}

impl From<Stored> for Credentials {
    fn from(stored: Stored) -> Credentials {
        Credentials {
            user: stored.user,
            hash: stored.password_hash.into(),
            secret: stored.token_secret.into_bytes().into(),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

fn file(path: &Path, reason: impl ToString) -> CredentialsError {
    CredentialsError::File { path: path.to_owned(), reason: reason.to_string() }
}

/// Four groups of five characters, 100 bits.
fn password() -> Result<String, CredentialsError> {
    let bytes = [random()?, random()?].concat();
    let letters = |group: &[u8]| -> String {
        group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    };
    Ok(bytes[..20].chunks(5).map(letters).collect::<Vec<_>>().join("-"))
}

/// Writes a file for its owner only. It has its rights and its content before it has its name, and it never replaces
/// another one: of two servers that start at a time, the second fails.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    let unfinished = path.with_extension(format!("{}.part", std::process::id()));
    let mut out = options.open(&unfinished)?;
    let linked = out
        .write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::hard_link(&unfinished, path));
    match linked {
        // Some file systems have no links.
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(&unfinished, path)
        }
        linked => linked.and(fs::remove_file(&unfinished)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::verify;

    #[test]
    fn the_password_is_shown_once_and_only_its_hash_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        let (first, password) = Credentials::open(&state, "eolith").unwrap();
        let password = password.unwrap();
        assert_eq!(password.len(), 23);
        assert!(verify(&first.hash, &password) && !verify(&first.hash, "wrong"));
        let text = fs::read_to_string(state.join(FILE)).unwrap();
        assert!(!text.contains(&password) && text.contains("$argon2id$"));
        let (second, none) = Credentials::open(&state, "eolith").unwrap();
        assert!(none.is_none());
        assert_eq!((&second.hash, second.secret()), (&first.hash, first.secret()));
        assert!(!format!("{second:?}").contains("argon2"));
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
        assert!(matches!(
            Credentials::open(&state, "other"),
            Err(CredentialsError::OtherUser { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        Credentials::open(&state, "eolith").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn broken_files_and_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for user in ["", "a@b.org", "a b"] {
            assert!(matches!(Credentials::open(dir.path(), user), Err(CredentialsError::User(_))));
        }
        let short = r#"{"user": "eolith", "password_hash": "x", "token_secret": "short"}"#;
        for text in ["", "{}", short] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let opened = Credentials::open(dir.path(), "eolith");
            assert!(matches!(opened, Err(CredentialsError::File { .. })), "{text}");
        }
    }
}
