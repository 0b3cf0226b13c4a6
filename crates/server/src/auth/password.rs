//! Passwords: how they are made, hashed (Argon2id) and checked.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use super::{UserError, random};

/// Letters and digits that are not mistaken for each other; 32 of them, so that a byte gives 5 bits.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789_";
/// Characters that a password of one's own must have.
const SHORTEST: usize = 8;
/// Bytes that a password may have.
pub(super) const LONGEST: usize = 1000;

/// Four groups of five characters, 100 bits.
pub(super) fn made() -> Result<String, UserError> {
    let bytes = [random()?, random()?].concat();
    let letters = |group: &[u8]| -> String {
        group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    };
    Ok(bytes[..20].chunks(5).map(letters).collect::<Vec<_>>().join("-"))
}

/// The hash to keep, in the form of PHC.
pub(super) fn hash(password: &str) -> Result<String, UserError> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(UserError::Password);
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| UserError::Hash(error.to_string()))
}

/// Whether the password is the one of the hash. Takes tens of milliseconds and 19 MiB.
pub(super) fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_with_argon2_and_salt() {
        let password = made().unwrap();
        assert_eq!(password.len(), 23);
        let (first, second) = (hash(&password).unwrap(), hash(&password).unwrap());
        assert!(first.starts_with("$argon2id$") && first != second && !first.contains(&password));
        assert!(verify(&first, &password) && verify(&second, &password));
        assert!(!verify(&first, "wrong") && !verify("broken", &password));
        for wrong in ["short", &"x".repeat(2000)] {
            assert!(matches!(hash(wrong), Err(UserError::Password)));
        }
    }
}
