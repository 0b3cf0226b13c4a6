//! The key that tokens are signed with: ES256, made once for a store.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hidden;
use crate::auth::{UserError, read_claims, unhex};
use crate::error::ApiError;
use crate::store::Store;

/// PKCS #8 (RFC 5208) around the 32 bytes of a key of P-256 as RFC 5915 has it, without the public part: version,
/// algorithm `ecPublicKey` with the curve `prime256v1`, and the key.
const BEFORE: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];
/// Numbers that are tried: nearly all are keys.
const TRIES: usize = 10;

pub(crate) struct Keys {
    sign: EncodingKey,
    check: DecodingKey,
    public: Value,
    kid: String,
}

/// What access tokens say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Access {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) azp: String,
    pub(super) scope: String,
    pub(super) jti: String,
    /// Which password of the user it was granted with.
    pub(super) pwd: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

impl Keys {
    pub(super) async fn open(store: &Store) -> Result<Keys, UserError> {
        let broken = |reason: &str| UserError::Random(reason.to_owned());
        for _ in 0..TRIES {
            let made = super::secret()?;
            if Keys::new(&made).is_none() {
                continue;
            }
            let kept = store.secret("issuer", &made).await?;
            return Keys::new(&kept).ok_or_else(|| broken("the key in the store is none"));
        }
        Err(broken("no key could be made"))
    }

    /// The key of that number (hexadecimal), if it is one.
    pub(crate) fn new(number: &str) -> Option<Keys> {
        let der = [BEFORE.as_slice(), &unhex(number).filter(|bytes| bytes.len() == 32)?].concat();
        let sign = EncodingKey::from_ec_der(&der);
        let mut jwk = Jwk::from_encoding_key(&sign, Algorithm::ES256).ok()?;
        let kid = hidden(&serde_json::to_string(&jwk).ok()?)[..16].to_owned();
        jwk.common.key_id = Some(kid.clone());
        let check = DecodingKey::from_jwk(&jwk).ok()?;
        let mut public = serde_json::to_value(&jwk).ok()?;
        public["use"] = json!("sig");
        Some(Keys { sign, check, public, kid })
    }

    /// As a JSON Web Key.
    pub(crate) fn public(&self) -> &Value {
        &self.public
    }

    pub(crate) fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<String, ApiError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.sign)
            .map_err(|error| ApiError::internal(format!("no token could be made: {error}")))
    }

    /// What an access token says that was signed here and has not expired.
    pub(super) fn read(&self, token: &str) -> Result<Access, String> {
        read_claims(token, Algorithm::ES256, &self.check, 0)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbers_below_the_order_of_the_curve() {
        let number = format!("{:0>64}", "2a");
        let keys = Keys::new(&number).unwrap();
        // The public part of the number 1 is the generator of P-256 (SEC 2, 2.4.2).
        let one = Keys::new(&format!("{:0>64}", "1")).unwrap();
        assert_eq!(one.public()["x"], "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY");
        assert_eq!(one.public()["y"], "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU");
        assert!(keys.public().get("d").is_none());
        for wrong in [&"0".repeat(64), &"f".repeat(64), "2a", ""] {
            assert!(Keys::new(wrong).is_none(), "{wrong}");
        }
        let other = Keys::new(&format!("{:0>64}", "2b")).unwrap();
        let claims = Access {
            iss: "i".into(),
            sub: "ada".into(),
            aud: "a".into(),
            azp: "c".into(),
            scope: "openid".into(),
            jti: "1".into(),
            pwd: "p".into(),
            iat: 0,
            exp: i64::MAX / 2,
        };
        let token = keys.sign("at+jwt", &claims).unwrap();
        assert_eq!(keys.read(&token).unwrap().sub, "ada");
        assert!(other.read(&token).is_err());
        let expired = keys.sign("at+jwt", &Access { exp: 5, ..claims }).unwrap();
        assert_eq!(keys.read(&expired).unwrap_err(), "it has expired");
    }
}
