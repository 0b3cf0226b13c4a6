//! The built-in issuer as a client and a browser see it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::host::{Access, Answer, Host, Options};

const PASSWORD: &str = "correct horse";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// From appendix B of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn start() -> Host {
    let users = BTreeMap::from([("ada".to_owned(), PASSWORD.to_owned())]);
    Host::start(&Options { users, issuer: true, ..Options::default() }, Access::InProcess).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

async fn post(host: &Host, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let headers = [("cookie".to_owned(), cookie.to_owned())];
    host.ask("POST", path, &headers, form(fields).into_bytes()).await
}

/// An answer of the token endpoint: status and JSON.
async fn token(host: &Host, fields: &[(&str, &str)]) -> (u16, Value) {
    let answer = post(host, "/oidc/token", "", fields).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["cache-control"], "no-store");
    (answer.status, json(&answer))
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

async fn error(host: &Host, fields: &[(&str, &str)]) -> String {
    let (status, answer) = token(host, fields).await;
    assert!(status >= 400, "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

/// Who the API says a token is.
async fn me(host: &Host, token: &str) -> (u16, Value) {
    let headers = [("authorization".to_owned(), format!("Bearer {token}"))];
    let answer = host.ask("GET", "/openeo/1.2/me", &headers, Vec::new()).await;
    (answer.status, json(&answer))
}

/// A form: its cookie and the proof in it.
async fn opened(host: &Host, target: &str) -> (String, String) {
    let answer = host.ask("GET", target, &[], Vec::new()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-security-policy"].contains("frame-ancestors 'none'"));
    let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
    assert!(answer.headers["set-cookie"].contains("HttpOnly; SameSite=Strict"));
    let text = String::from_utf8(answer.body).unwrap();
    let proof = text.split("name=\"proof\" value=\"").nth(1).unwrap();
    (cookie, proof.split('"').next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_tokens_with_a_secret() {
    let host = start().await;
    let (id, secret) = host.users.add_client("ada").await.unwrap();
    let grant = ("grant_type", "client_credentials");
    let ask = [grant, ("client_id", &id), ("client_secret", &secret), ("scope", "openid")];
    let (status, answer) = token(&host, &ask).await;
    assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")));
    assert!(answer.get("refresh_token").is_none());
    let access = answer["access_token"].as_str().unwrap();
    for sent in [access.to_owned(), format!("oidc/local/{access}")] {
        let (status, user) = me(&host, &sent).await;
        assert_eq!((status, user["user_id"].as_str()), (200, Some("ada")));
    }
    for wrong in [format!("oidc/other/{access}"), format!("basic//{access}"), format!("{access}x")]
    {
        let (status, answer) = me(&host, &wrong).await;
        assert_eq!((status, answer["code"].as_str()), (403, Some("TokenInvalid")), "{wrong}");
    }
    for (id, secret) in [(id.as_str(), "wrong"), ("nobody", secret.as_str()), (id.as_str(), "")] {
        let ask = [grant, ("client_id", id), ("client_secret", secret)];
        assert_eq!(error(&host, &ask).await, "invalid_client");
    }
    assert_eq!(
        error(&host, &[("client_id", "eolith"), ("grant_type", "password")]).await,
        "unsupported_grant_type"
    );
    // The tokens end with the user.
    host.users.remove("ada").await.unwrap();
    assert_eq!(error(&host, &ask).await, "invalid_client");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_confirmed_in_a_browser_and_its_tokens_are_renewed() {
    let host = start().await;
    let ask = [
        ("client_id", "eolith"),
        ("scope", "openid offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let device = json(&post(&host, "/oidc/device_authorization", "", &ask).await);
    let (code, user_code) =
        (device["device_code"].as_str().unwrap(), device["user_code"].as_str().unwrap());
    let poll = [
        ("grant_type", DEVICE_CODE),
        ("client_id", "eolith"),
        ("device_code", code),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&host, &poll).await, "authorization_pending");
    assert_eq!(error(&host, &poll).await, "slow_down");
    assert_eq!(error(&host, &poll[..3]).await, "invalid_grant");
    let unknown = [poll[0], poll[1], ("device_code", "unknown")];
    assert_eq!(error(&host, &unknown).await, "expired_token");
    let page = device["verification_uri_complete"].as_str().unwrap();
    let (cookie, proof) = opened(&host, page.strip_prefix(&host.base).unwrap()).await;
    let confirm = async |cookie: &str, proof: &str, code: &str, password: &str| {
        let fields =
            [("proof", proof), ("user_code", code), ("user", "ada"), ("password", password)];
        post(&host, "/oidc/device", cookie, &fields).await.status
    };
    assert_eq!(confirm(&cookie, &proof, user_code, "wrong").await, 403);
    assert_eq!(confirm("", &proof, user_code, PASSWORD).await, 403);
    assert_eq!(confirm(&cookie, "", user_code, PASSWORD).await, 403);
    assert_eq!(confirm(&cookie, &proof, "BBBB-BBBB", PASSWORD).await, 404);
    assert_eq!(error(&host, &poll).await, "slow_down");
    assert_eq!(confirm(&cookie, &proof, &user_code.to_lowercase(), PASSWORD).await, 200);
    let (status, first) = token(&host, &poll).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(error(&host, &poll).await, "expired_token");
    let (_, user) = me(&host, first["access_token"].as_str().unwrap()).await;
    assert_eq!(user["user_id"], "ada");
    // Tokens about the user are none for the API.
    let (status, _) = me(&host, first["id_token"].as_str().unwrap()).await;
    assert_eq!(status, 403);
    let renew = async |given: &Value| {
        let given = given["refresh_token"].as_str().unwrap();
        token(
            &host,
            &[("grant_type", "refresh_token"), ("client_id", "eolith"), ("refresh_token", given)],
        )
        .await
    };
    // Clients keep the first one and show it again.
    for _ in 0..2 {
        let (status, next) = renew(&first).await;
        assert_eq!(status, 200);
        assert_eq!(me(&host, next["access_token"].as_str().unwrap()).await.0, 200);
    }
    let wrong = serde_json::json!({"refresh_token": "nothing"});
    assert_eq!(renew(&wrong).await.1["error"], "invalid_grant");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_go_back_with_a_code_to_known_addresses_only() {
    let host = start().await;
    let back = "https://editor.openeo.org/";
    let request = [
        ("client_id", "eolith"),
        ("redirect_uri", back),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "a&b"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let target = |fields: &[(&str, &str)]| format!("/oidc/authorize?{}", form(fields));
    let other = |name: &str, value: &'static str| {
        let mut fields = request;
        fields.iter_mut().filter(|(n, _)| *n == name).for_each(|field| field.1 = value);
        target(&fields)
    };
    for wrong in ["https://editor.openeo.org.evil.example/", "https://editor.openeo.org/x", ""] {
        let answer = host.ask("GET", &other("redirect_uri", wrong), &[], Vec::new()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(!answer.headers.contains_key("location"));
    }
    for (wrong, said) in [
        (other("response_type", "token"), "error=unsupported_response_type"),
        (other("code_challenge_method", "plain"), "error=invalid_request"),
        (other("code_challenge", ""), "error=invalid_request"),
    ] {
        let answer = host.ask("GET", &wrong, &[], Vec::new()).await;
        let location = &answer.headers["location"];
        assert!(answer.status == 303 && location.starts_with(back) && location.contains(said));
    }
    let (cookie, proof) = opened(&host, &target(&request)).await;
    let log_in = async |cookie: &str, changed: &str, password: &str| {
        let mut fields = request.to_vec();
        fields[4].1 = changed;
        fields.extend([("proof", proof.as_str()), ("user", "ada"), ("password", password)]);
        post(&host, "/oidc/authorize", cookie, &fields).await
    };
    assert_eq!(log_in(&cookie, "a&b", "wrong").await.status, 403);
    assert_eq!(log_in("", "a&b", PASSWORD).await.status, 403);
    assert_eq!(log_in(&cookie, "another", PASSWORD).await.status, 403);
    let code = async || {
        let answer = log_in(&cookie, "a&b", PASSWORD).await;
        assert_eq!(answer.status, 303);
        let location = answer.headers["location"].clone();
        assert!(location.starts_with(back) && location.contains("state=a%26b"), "{location}");
        let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap();
        code.to_owned()
    };
    let exchange = async |code: &str, back: &str, verifier: &str| {
        token(
            &host,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "eolith"),
                ("code", code),
                ("redirect_uri", back),
                ("code_verifier", verifier),
            ],
        )
        .await
    };
    let first = code().await;
    assert_eq!(exchange(&first, back, CHALLENGE).await.1["error"], "invalid_grant");
    assert_eq!(exchange(&first, back, VERIFIER).await.1["error"], "invalid_grant", "used");
    assert_eq!(exchange(&code().await, "x", VERIFIER).await.1["error"], "invalid_grant");
    let second = code().await;
    let (status, answer) = exchange(&second, back, VERIFIER).await;
    assert_eq!(status, 200);
    assert_eq!(exchange(&second, back, VERIFIER).await.1["error"], "invalid_grant");
    assert_eq!(me(&host, answer["access_token"].as_str().unwrap()).await.1["user_id"], "ada");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_tokens() {
    let host = start().await;
    let (id, secret) = host.users.add_client("ada").await.unwrap();
    let ask =
        [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
    let (_, before) = token(&host, &ask).await;
    host.users.set_password("ada", None).await.unwrap();
    // A server trusts what it has read for some seconds.
    let start = std::time::Instant::now();
    while me(&host, before["access_token"].as_str().unwrap()).await.0 == 200 {
        assert!(start.elapsed().as_secs() < 15);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (_, after) = token(&host, &ask).await;
    assert_eq!(me(&host, after["access_token"].as_str().unwrap()).await.0, 200);
    host.stop().await;
}
