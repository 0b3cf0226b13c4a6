//! Links that need no token: whoever has one can see the results of one run of one job, until it expires.
//!
//! A link carries its claim and a keyed hash of it (HMAC-SHA-256 by RFC 2104, cut to 128 bits); nothing is stored. The
//! claim names the run, so that a link ends with what it leads to: when the job is started again or deleted.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::auth::hex;
use crate::job::Millis;

/// Bytes of the hash that are sent.
const LENGTH: usize = 16;

/// Signs and checks.
#[derive(Clone)]
pub(crate) struct Signer {
    secret: Vec<u8>,
}

/// What a link gives a right to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) job: String,
    pub(crate) run: i64,
    pub(crate) expires: Millis,
}

impl Signer {
    pub(crate) fn new(secret: &str) -> Signer {
        Signer { secret: secret.as_bytes().to_vec() }
    }

    /// The part of an address that carries the claim.
    pub(crate) fn sign(&self, claim: &Claim) -> String {
        let text = format!("{}.{}.{}", claim.job, claim.run, claim.expires);
        let mac = hex(&self.mac(&text)[..LENGTH]);
        format!("{text}.{mac}")
    }

    /// The claim, if it was signed here; whether it is still valid is another question.
    pub(crate) fn check(&self, token: &str) -> Option<Claim> {
        let (text, mac) = token.rsplit_once('.')?;
        let mut given = [0; LENGTH];
        if mac.len() != 2 * LENGTH {
            return None;
        }
        for (byte, digits) in given.iter_mut().zip(mac.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let mut check = self.keyed()?;
        check.update(text.as_bytes());
        // In the same time wherever the first difference is.
        check.verify_truncated_left(&given).ok()?;
        let mut parts = text.split('.');
        let (job, run, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let claim =
            Claim { job: job.to_owned(), run: run.parse().ok()?, expires: expires.parse().ok()? };
        parts.next().is_none().then_some(claim)
    }

    fn mac(&self, text: &str) -> Vec<u8> {
        self.keyed().map_or_else(Vec::new, |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
    }

    /// A key of any length is one.
    fn keyed(&self) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(&self.secret).ok()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_with_the_same_secret_is_believed() {
        let signer = Signer::new("secret");
        let claim = Claim { job: "j-1".to_owned(), run: 3, expires: 1_700_000_000_000 };
        let token = signer.sign(&claim);
        assert_eq!(signer.check(&token), Some(claim));
        assert_eq!(Signer::new("other").check(&token), None);
        for wrong in [
            token.replace("j-1", "j-2"),
            token.replace(".3.", ".4."),
            token[..token.len() - 1].to_owned(),
            format!("{token}0"),
            token.rsplit_once('.').unwrap().0.to_owned(),
            format!("{}.", token.rsplit_once('.').unwrap().0),
            String::new(),
            "é.é.é.ééééééééééééééé".to_owned(),
        ] {
            assert_eq!(signer.check(&wrong), None, "{wrong}");
        }
    }
}
