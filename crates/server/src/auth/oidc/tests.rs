//! A provider on loopback that signs what it is told to.

use std::sync::{Arc, Mutex};

use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;

use super::*;
use crate::issuer::Keys;

/// A provider with keys that the tests change.
struct Fake {
    issuer: String,
    shown: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<usize>>,
}

fn key(number: u32) -> Keys {
    Keys::new(&format!("{number:064x}")).unwrap()
}

impl Fake {
    async fn start(calls_itself: Option<&str>) -> Fake {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realm", socket.local_addr().unwrap());
        let (shown, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let document = json!({
            "issuer": calls_itself.unwrap_or(&issuer),
            "jwks_uri": format!("{issuer}/keys"),
        });
        let (keys, count) = (Arc::clone(&shown), Arc::clone(&asked));
        let answer = move || {
            *count.lock().unwrap() += 1;
            let keys = keys.lock().unwrap().clone();
            async move { Json(json!({"keys": keys})) }
        };
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(|| async { Json(document) }))
            .route("/realm/keys", get(answer));
        tokio::spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Fake { issuer, shown, asked }
    }

    fn shows(&self, keys: &[&Keys]) {
        let odd = json!({"kty": "new", "kid": "odd", "alg": "X"});
        let shown = keys.iter().map(|key| key.public().clone());
        *self.shown.lock().unwrap() = std::iter::once(odd).chain(shown).collect();
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn provider(&self) -> Provider {
        serde_json::from_value(json!({
            "id": "fake",
            "issuer": self.issuer,
            "title": "Fake",
            "audience": ["eolith"],
            "default_clients": [{"id": "web", "grant_types": ["refresh_token"]}],
        }))
        .unwrap()
    }

    /// Claims that are right, but for those that are given.
    fn claims(&self, other: Value) -> Value {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "sub": "ada", "aud": "eolith", "iat": now, "exp": now + 600,
            "name": "Ada",
        });
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().shift_remove(name);
            }
        }
        claims
    }
}

async fn reason(trusted: &Trusted, token: &str) -> String {
    match trusted.check(token).await {
        Ok(identity) => identity.id,
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn tokens_are_accepted_for_what_they_say_and_who_signed_them() {
    let (fake, own, stranger) = (Fake::start(None).await, key(7), key(8));
    fake.shows(&[&own]);
    let trusted = Trusted::new(fake.provider());
    let now = Timestamp::now().as_second();
    let sign = |claims: Value| own.sign("JWT", &fake.claims(claims)).unwrap();
    for right in [
        json!({}),
        json!({"aud": ["other", "eolith"]}),
        json!({"aud": "account", "azp": "web"}),
        json!({"aud": null, "client_id": "web"}),
        json!({"exp": now - 30}),
        json!({"nbf": now + 30}),
        json!({"iss": format!("{}/", fake.issuer)}),
    ] {
        let identity = trusted.check(&sign(right.clone())).await;
        let expected = Identity { id: "fake~ada".to_owned(), name: Some("Ada".to_owned()) };
        assert_eq!(identity.unwrap(), expected, "{right}");
    }
    for (wrong, said) in [
        (json!({"aud": "another"}), "another audience"),
        (json!({"aud": null}), "another audience"),
        (json!({"aud": "x", "azp": "someone"}), "another audience"),
        (json!({"exp": now - 90}), "expired"),
        (json!({"exp": null}), "without `exp`"),
        (json!({"nbf": now + 90}), "not valid yet"),
        (json!({"iss": "https://another.example"}), "another issuer"),
        (json!({"sub": null}), "cannot be read"),
        (json!({"sub": 5}), "cannot be read"),
    ] {
        let found = reason(&trusted, &sign(wrong.clone())).await;
        assert!(found.contains("TokenInvalid") && found.contains(said), "{wrong}: {found}");
    }
    // Signed by somebody else, under a name of its own and under that of the provider.
    let foreign = stranger.sign("JWT", &fake.claims(json!({}))).unwrap();
    assert!(reason(&trusted, &foreign).await.contains("key that the provider does not have"));
    let good = sign(json!({}));
    let (head, rest) = good.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    let (_, signature) = foreign.rsplit_once('.').unwrap();
    let mixed = format!("{head}.{body}.{signature}");
    assert!(reason(&trusted, &mixed).await.contains("signature is wrong"));
}

#[tokio::test]
async fn signatures_that_anybody_could_make_are_none() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let (fake, own) = (Fake::start(None).await, key(7));
    fake.shows(&[&own]);
    let trusted = Trusted::new(fake.provider());
    let claims = fake.claims(json!({}));
    let encoded = |value: &Value| crate::auth::for_addresses(value.to_string().as_bytes());
    let kid = own.public()["kid"].as_str().unwrap();
    for algorithm in ["none", "None", "NONE", ""] {
        let head = encoded(&json!({"alg": algorithm, "typ": "JWT", "kid": kid}));
        let token = format!("{head}.{}.", encoded(&claims));
        assert!(reason(&trusted, &token).await.contains("no JSON Web Token"), "{algorithm}");
    }
    // The public key as a secret.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    let secret = EncodingKey::from_secret(own.public()["x"].as_str().unwrap().as_bytes());
    let token = encode(&header, &claims, &secret).unwrap();
    assert!(reason(&trusted, &token).await.contains("no JSON Web Token"));
    for wrong in ["", "opaque", "a.b.c", "..", &"x.".repeat(20_000)] {
        assert!(reason(&trusted, wrong).await.contains("no JSON Web Token"));
    }
}

#[tokio::test]
async fn new_keys_are_fetched_but_not_for_every_token() {
    let (fake, first, second) = (Fake::start(None).await, key(7), key(8));
    fake.shows(&[&first]);
    let trusted = Arc::new(Trusted::new(fake.provider()));
    let token = |key: &Keys| key.sign("JWT", &fake.claims(json!({}))).unwrap();
    // Many at once ask once.
    let many = (0..20).map(|_| {
        let (trusted, token) = (Arc::clone(&trusted), token(&first));
        tokio::spawn(async move { trusted.check(&token).await.is_ok() })
    });
    let many = futures::future::join_all(many).await;
    assert!(many.into_iter().all(|ok| ok.unwrap()));
    assert_eq!(fake.asked(), 1);
    // The key changes: nobody asks again at once, whatever is sent.
    fake.shows(&[&second]);
    for _ in 0..10 {
        assert!(trusted.check(&token(&second)).await.is_err());
    }
    assert_eq!(fake.asked(), 1);
    trusted.keys.forget_when().await;
    assert!(trusted.check(&token(&second)).await.is_ok());
    assert!(trusted.check(&token(&first)).await.is_err());
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn a_provider_that_is_another_or_absent_is_not_asked_twice_at_once() {
    let fake = Fake::start(Some("https://another.example")).await;
    fake.shows(&[&key(7)]);
    let token = key(7).sign("JWT", &fake.claims(json!({}))).unwrap();
    let trusted = Trusted::new(fake.provider());
    for _ in 0..3 {
        assert!(reason(&trusted, &token).await.contains("IdentityProviderUnavailable"));
    }
    assert_eq!(fake.asked(), 0);
}

#[test]
fn ids_of_users_are_safe_and_of_one_provider() {
    assert_eq!(user_id("egi", "Ada.L-1_x"), "egi~Ada.L-1_x");
    let allowed = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || "_-.~".contains(c));
    let odd = ["", "a@b.org", "../x", "a~b", "~x", "ä", &"x".repeat(100)];
    let ids: BTreeSet<String> = odd.iter().map(|subject| user_id("egi", subject)).collect();
    assert_eq!(ids.len(), odd.len());
    assert!(ids.iter().all(|id| allowed(id) && id.starts_with("egi~~") && id.len() == 45));
}

#[test]
fn providers_are_checked_before_they_are_trusted() {
    let provider = |change: Value| {
        let mut fields = json!({
            "id": "egi", "issuer": "https://egi.example/", "title": "EGI", "audience": ["x"],
        });
        for (name, value) in change.as_object().unwrap() {
            fields[name] = value.clone();
        }
        serde_json::from_value::<Provider>(fields).unwrap().check()
    };
    assert_eq!(provider(json!({})), Ok(()));
    assert_eq!(provider(json!({"issuer": "http://127.0.0.1:8080/x"})), Ok(()));
    assert_eq!(provider(json!({"issuer": "http://[::1]:8080"})), Ok(()));
    for wrong in [
        json!({"id": "a/b"}),
        json!({"id": ""}),
        json!({"id": "a~b"}),
        json!({"issuer": "http://egi.example"}),
        json!({"issuer": "http://localhost.example"}),
        json!({"issuer": "file:///etc/passwd"}),
        json!({"issuer": "egi"}),
        json!({"audience": []}),
        json!({"scopes": ["email"]}),
        json!({"default_clients": [{"id": "c", "grant_types": ["client_credentials"]}]}),
    ] {
        assert!(provider(wrong.clone()).is_err(), "{wrong}");
    }
}
