//! Pages with a form: plain HTML without scripts, and proof that a form that comes back is one that was sent to the same
//! browser (a cookie and a keyed hash of it and of what the form is for).

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderMap, REFERRER_POLICY,
    SET_COOKIE, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::auth::{UserError, hex, same};
use crate::job::{self, Millis};
use crate::store::Store;

const NAME: &str = "eolith-form";
/// How long a form may stay open.
const OPEN: Millis = 60 * 60 * 1000;

/// Signs forms.
pub(super) struct Forms {
    secret: Vec<u8>,
}

/// A page to show.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    /// What is said above the form; text.
    pub(super) text: String,
    /// What went wrong.
    pub(super) problem: Option<&'a str>,
    /// Fields as HTML: see [`field`] and [`kept`].
    pub(super) fields: String,
    /// What the button says; no form without.
    pub(super) button: Option<&'a str>,
    /// Where the answer to the form may lead to, beside this server.
    pub(super) leads_to: Option<String>,
}

impl Forms {
    pub(super) async fn open(store: &Store) -> Result<Forms, UserError> {
        let secret = store.secret("forms", &super::secret()?).await?.into_bytes();
        Ok(Forms { secret })
    }

    /// A page; its form is for `purpose` and for this browser.
    pub(super) fn show(
        &self,
        headers: &HeaderMap,
        purpose: &str,
        status: StatusCode,
        page: Page<'_>,
    ) -> Result<Response, UserError> {
        let (browser, fresh) = match cookie(headers) {
            Some(browser) => (browser, false),
            None => (super::secret()?, true),
        };
        let expires = job::now() + OPEN;
        let proof = format!("{expires}.{}", self.mac(&browser, purpose, expires));
        let mut response = html(status, &page, &proof);
        if fresh {
            let cookie =
                format!("{NAME}={browser}; Path={}; HttpOnly; SameSite=Strict", super::MOUNT);
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
        }
        Ok(response)
    }

    /// Whether a form is one of ours, for that purpose, from the browser it was sent to.
    pub(super) fn check(&self, headers: &HeaderMap, purpose: &str, proof: Option<&str>) -> bool {
        let (Some(browser), Some((expires, mac))) =
            (cookie(headers), proof.and_then(|proof| proof.split_once('.')))
        else {
            return false;
        };
        let Ok(expires) = expires.parse() else { return false };
        same(self.mac(&browser, purpose, expires).as_bytes(), mac.as_bytes())
            && expires > job::now()
    }

    fn mac(&self, browser: &str, purpose: &str, expires: Millis) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else {
            return String::new();
        };
        // The first two parts have no such byte.
        mac.update(format!("{expires}\0{browser}\0{purpose}").as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

/// A page without a form.
pub(super) fn plain(status: StatusCode, title: &str, text: &str) -> Response {
    let page = Page {
        title,
        text: text.to_owned(),
        problem: None,
        fields: String::new(),
        button: None,
        leads_to: None,
    };
    html(status, &page, "")
}

/// A field that people fill in.
pub(super) fn field(label: &str, name: &str, kind: &str, complete: &str, value: &str) -> String {
    format!(
        "<label>{} <input name=\"{name}\" type=\"{kind}\" autocomplete=\"{complete}\" value=\"{}\" required></label>\n",
        escaped(label),
        escaped(value)
    )
}

/// A field that only carries a value.
pub(super) fn kept(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value))
}

fn html(status: StatusCode, page: &Page<'_>, proof: &str) -> Response {
    let problem = page.problem.map_or_else(String::new, |problem| {
        format!("<p class=\"problem\" role=\"alert\">{}</p>\n", escaped(problem))
    });
    let form = page.button.map_or_else(String::new, |button| {
        format!(
            "<form method=\"post\">\n{}{}<button>{}</button>\n</form>\n",
            kept("proof", proof),
            page.fields,
            escaped(button)
        )
    });
    let (title, text) = (escaped(page.title), escaped(&page.text));
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:24em;margin:4em auto;padding:0 1em}}\
         label,input,button{{display:block;width:100%;box-sizing:border-box;font:inherit}}\
         input,button{{padding:.4em;margin:.2em 0 1em}}.problem{{color:#a00}}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<p>{text}</p>\n{problem}{form}</body>\n</html>\n"
    );
    let target = page.leads_to.as_deref().unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {target}"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let mut response = (status, headers, body).into_response();
    if let Ok(policy) = HeaderValue::from_str(policy.trim_end()) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What the browser was given.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs =
        all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == NAME)?;
    let made = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    made.then(|| value.to_owned())
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_back_from_its_browser_and_for_its_purpose_only() {
        let forms = Forms { secret: b"secret".to_vec() };
        let browser = "ab".repeat(32);
        let headers = |browser: &str| {
            let cookie = format!("other=1; {NAME}={browser}");
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&cookie).unwrap())])
        };
        let until = job::now() + 1000;
        let proof = format!("{until}.{}", forms.mac(&browser, "device", until));
        assert!(forms.check(&headers(&browser), "device", Some(&proof)));
        assert!(!forms.check(&headers(&browser), "authorize", Some(&proof)));
        assert!(!forms.check(&headers(&"cd".repeat(32)), "device", Some(&proof)));
        assert!(!forms.check(&HeaderMap::new(), "device", Some(&proof)));
        assert!(!forms.check(&headers(&browser), "device", None));
        assert!(!forms.check(&headers(&browser), "device", Some(&format!("9{proof}"))));
        let past = format!("5.{}", forms.mac(&browser, "device", 5));
        assert!(!forms.check(&headers(&browser), "device", Some(&past)));
    }

    #[test]
    fn what_is_shown_is_text() {
        assert!(
            kept("a", "\"><script>'&").contains("value=\"&quot;&gt;&lt;script&gt;&#39;&amp;\"")
        );
    }
}
