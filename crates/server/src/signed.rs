//! Links that need no token: whoever has one can see the results of one run of one job, or a file of an item, until it
//! expires.
//!
//! A link carries its claim and a keyed hash of it (HMAC-SHA-256 by RFC 2104, cut to 128 bits); nothing is stored. The
//! claim names the run, so that a link ends with what it leads to: when the job is started again or deleted.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::auth::{hex, unhex};
use crate::job::Millis;

/// Bytes of the hash that are sent.
const LENGTH: usize = 16;

/// How claims to files of items begin; no id of a job does.
const ASSET: &str = "asset";

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

/// What a link to a file of an item gives a right to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AssetClaim {
    /// Who it was made for: collections of users are theirs only.
    pub(crate) user: String,
    /// Collection, item and key of the asset.
    pub(crate) asset: [String; 3],
    pub(crate) expires: Millis,
}

impl Signer {
    pub(crate) fn new(secret: &str) -> Signer {
        Signer { secret: secret.as_bytes().to_vec() }
    }

    /// The part of an address that carries the claim.
    pub(crate) fn sign(&self, claim: &Claim) -> String {
        self.signed(&format!("{}.{}.{}", claim.job, claim.run, claim.expires))
    }

    /// The claim, if it was signed here; whether it is still valid is another question.
    pub(crate) fn check(&self, token: &str) -> Option<Claim> {
        let mut parts = self.text(token)?.split('.');
        let (job, run, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let claim =
            Claim { job: job.to_owned(), run: run.parse().ok()?, expires: expires.parse().ok()? };
        parts.next().is_none().then_some(claim)
    }

    /// The same for a file of an item.
    pub(crate) fn sign_asset(&self, claim: &AssetClaim) -> String {
        let AssetClaim { user, asset, expires } = claim;
        let said = json!([user, asset, expires]).to_string();
        self.signed(&format!("{ASSET}.{}", hex(said.as_bytes())))
    }

    /// The same for a file of an item.
    pub(crate) fn check_asset(&self, token: &str) -> Option<AssetClaim> {
        let said = self.text(token)?.strip_prefix(ASSET)?.strip_prefix('.')?;
        let (user, asset, expires) = serde_json::from_slice(&unhex(said)?).ok()?;
        Some(AssetClaim { user, asset, expires })
    }

    fn signed(&self, text: &str) -> String {
        let mac = hex(&self.mac(text)[..LENGTH]);
        format!("{text}.{mac}")
    }

    /// What was signed here.
    fn text<'t>(&self, token: &'t str) -> Option<&'t str> {
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
        Some(text)
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

    #[test]
    fn claims_of_one_kind_are_none_of_the_other() {
        let signer = Signer::new("secret");
        let asset = ["a/b", "i.1", "data"].map(str::to_owned);
        let claim = AssetClaim { user: "ada".to_owned(), asset, expires: 7 };
        let token = signer.sign_asset(&claim);
        assert_eq!(signer.check_asset(&token), Some(claim));
        assert_eq!((signer.check(&token), Signer::new("x").check_asset(&token)), (None, None));
        let results = Claim { job: "j-1".to_owned(), run: 3, expires: 7 };
        assert_eq!(signer.check_asset(&signer.sign(&results)), None);
    }
}
