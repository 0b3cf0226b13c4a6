//! HTTP Basic: user name and password from a header (RFC 7617).

use axum::http::HeaderValue;
use eolith_graph::Code;

use super::base64;
use crate::error::ApiError;

/// User name and password. The name ends at the first colon.
pub(crate) fn credentials(header: &HeaderValue) -> Result<(String, String), ApiError> {
    let text = header.to_str().unwrap_or_default().trim();
    let encoded = match text.split_once(' ') {
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => encoded.trim(),
        _ => {
            let message = "only HTTP Basic is accepted here";
            return Err(ApiError::new(Code::AUTHENTICATION_SCHEME_INVALID, message));
        }
    };
    base64::decode(encoded)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once(':').map(|(user, password)| (user.into(), password.into()))
        })
        .ok_or_else(|| {
            let message = "the header `Authorization` is not a user name and a password in base64";
            ApiError::new(Code::CREDENTIALS_INVALID, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_ends_at_the_first_colon() {
        let header = HeaderValue::from_static("Basic YTpiOmM=");
        assert_eq!(credentials(&header).unwrap(), ("a".to_owned(), "b:c".to_owned()));
        for wrong in ["Basic YWI=", "Basic //79", "Basic", "Bearer YTpi", ""] {
            assert!(credentials(&HeaderValue::from_static(wrong)).is_err(), "{wrong}");
        }
    }
}
