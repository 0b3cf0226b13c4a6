//! HTTP Basic: user name and password from a header (RFC 7617).

use axum::http::HeaderValue;
use eolith_graph::Code;

use crate::error::ApiError;

/// User name and password. The name ends at the first colon.
pub(super) fn credentials(header: &HeaderValue) -> Result<(String, String), ApiError> {
    let text = header.to_str().unwrap_or_default().trim();
    let encoded = match text.split_once(' ') {
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => encoded.trim(),
        _ => {
            let message = "only HTTP Basic is accepted here";
            return Err(ApiError::new(Code::AUTHENTICATION_SCHEME_INVALID, message));
        }
    };
    decode(encoded)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once(':').map(|(user, password)| (user.into(), password.into()))
        })
        .ok_or_else(|| {
            let message = "the header `Authorization` is not a user name and a password in base64";
            ApiError::new(Code::CREDENTIALS_INVALID, message)
        })
}

/// Base64 with the standard alphabet (RFC 4648), padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_rfc_4648_has_it() {
        let cases = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYg", "foob"),
        ];
        for (encoded, text) in cases {
            assert_eq!(decode(encoded).as_deref(), Some(text.as_bytes()), "{encoded}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for wrong in ["Z", "Zm9vY", "Zm 9", "Zm=v", "Zm9v\n", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_name_ends_at_the_first_colon() {
        let header = HeaderValue::from_static("Basic YTpiOmM=");
        assert_eq!(credentials(&header).unwrap(), ("a".to_owned(), "b:c".to_owned()));
        for wrong in ["Basic YWI=", "Basic //79", "Basic", "Bearer YTpi", ""] {
            assert!(credentials(&HeaderValue::from_static(wrong)).is_err(), "{wrong}");
        }
    }
}
