use axum::http::HeaderValue;

use super::known::Known;
use super::token::Tokens;
use super::*;
use crate::rates::Rates;
use crate::store::Store;

async fn started(auth: Auth, store: &Store) -> Guard {
    let known = Known::new(store.clone());
    Guard::new(auth, &Rates::none(), None, store, known).await.unwrap()
}

fn header(text: &str) -> Option<HeaderValue> {
    Some(HeaderValue::from_str(text).unwrap())
}

fn code(result: Result<User, ApiError>) -> String {
    match result {
        Ok(user) => user.id,
        Err(error) => format!("{error:?}").split('"').nth(1).unwrap().to_owned(),
    }
}

#[tokio::test]
async fn tokens_are_accepted_bare_and_with_the_prefix_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).await.unwrap();
    let users = Users::new(store.clone(), dir.path());
    users.add("ada", Some("correct horse")).await.unwrap();
    let guard = started(Auth::basic(), &store).await;
    let user = async |text: &str| code(guard.user(header(text).as_ref()).await);
    let password = guard.verified("ada", "correct horse".to_owned()).await.unwrap().unwrap();
    let token = guard.tokens.issue("ada", &password).unwrap();
    assert_eq!(user(&format!("Bearer {token}")).await, "ada");
    assert_eq!(user(&format!("bearer basic//{token}")).await, "ada");
    assert_eq!(user(&format!("Bearer oidc/x/{token}")).await, "TokenInvalid");
    assert_eq!(user(&format!("Bearer {token}x")).await, "TokenInvalid");
    assert_eq!(user("Bearer ").await, "AuthenticationSchemeInvalid");
    assert_eq!(user("Basic YTpi").await, "AuthenticationSchemeInvalid");
    assert_eq!(code(guard.user(None).await), "AuthenticationRequired");
    let someone = guard.tokens.issue("someone", &password).unwrap();
    assert_eq!(user(&format!("Bearer {someone}")).await, "TokenInvalid");
    let expired = guard.tokens.issue_until("ada", &password, -1).unwrap();
    assert_eq!(user(&format!("Bearer {expired}")).await, "TokenInvalid");
    let foreign = Tokens::new(b"another secret").issue("ada", &password).unwrap();
    assert_eq!(user(&format!("Bearer {foreign}")).await, "TokenInvalid");
    let unsigned =
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJpc3MiOiJlb2xpdGgiLCJleHAiOjk5OTk5OTk5OTl9.";
    assert_eq!(user(&format!("Bearer {unsigned}")).await, "TokenInvalid");
    // Another server of the store accepts the token; it ends with the password.
    let other = started(Auth::basic(), &store).await;
    assert_eq!(code(other.user(header(&format!("Bearer {token}")).as_ref()).await), "ada");
    users.set_password("ada", None).await.unwrap();
    let third = started(Auth::basic(), &store).await;
    assert_eq!(code(third.user(header(&format!("Bearer {token}")).as_ref()).await), "TokenInvalid");
}

#[tokio::test]
async fn only_the_right_password_of_the_user_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).await.unwrap();
    let users = Users::new(store.clone(), dir.path());
    users.add("ada", Some("correct horse")).await.unwrap();
    users.add("bob", Some("battery staple")).await.unwrap();
    let guard = started(Auth::basic(), &store).await;
    let right = async |user: &str, password: &str| {
        guard.verified(user, password.to_owned()).await.unwrap().is_some()
    };
    assert!(right("ada", "correct horse").await && right("bob", "battery staple").await);
    assert!(!right("ada", "battery staple").await && !right("nobody", "correct horse").await);
    assert!(!right("ada", "").await && !right("ADA", "correct horse").await);
}

#[tokio::test]
async fn without_authentication_everyone_is_local() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).await.unwrap();
    let guard = started(Auth::default(), &store).await;
    assert_eq!(code(guard.user(None).await), LOCAL);
    assert_eq!(code(guard.user(header("Bearer anything").as_ref()).await), LOCAL);
}
