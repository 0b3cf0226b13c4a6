//! The pages that people see: confirming the code of a device, and logging in for a client in the browser.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderMap, LOCATION, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::form::{Page, field, kept, plain};
use super::params::{Params, Refusal};
use super::token::{challenge, is_wrong_password, scope, typed};
use super::{CLIENT, Grant, Issuer, address, hidden, secret};
use crate::app::no_issuer;
use crate::state::AppState;

use crate::job::{self, Millis};
use crate::links::Links;
use crate::rates::Caller;

/// How long a client has to exchange its code.
const CODE: Millis = 60 * 1000;
const WRONG: &str = "Unknown user name or wrong password.";
/// What a request for a code is made of; kept in the form.
const REQUEST: [&str; 8] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// `GET device`: the form for the code.
pub(super) async fn device(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refusal> {
    let issuer = state.guard().issuer().ok_or_else(no_issuer)?;
    let code = params.get("user_code").map(typed).unwrap_or_default();
    device_form(issuer, &headers, StatusCode::OK, &code, None)
}

/// `POST device`: the code is confirmed by a user.
pub(super) async fn confirm_device(
    State(state): State<AppState>,
    Caller(caller): Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refusal> {
    let issuer = state.guard().issuer().ok_or_else(no_issuer)?;
    let code = typed(params.get("user_code").unwrap_or_default());
    let again = |status, problem| device_form(issuer, &headers, status, &code, Some(problem));
    if !issuer.forms.check(&headers, "device", params.get("proof")) {
        return again(StatusCode::FORBIDDEN, "The form has expired. Please try again.");
    }
    let Some((user, password)) = login(&state, &caller, &params).await? else {
        return again(StatusCode::FORBIDDEN, WRONG);
    };
    let stored = state.store().grant_of(&hidden(&code)).await?;
    let stored = stored.filter(|stored| stored.expires > job::now());
    let wrong = "There is no such code (any more).";
    let Some(stored) = stored else {
        state.guard().attempt(&caller)?;
        return again(StatusCode::NOT_FOUND, wrong);
    };
    let Grant::Device { client, scope, challenge, interval, asked, granted: None } =
        stored.grant.clone()
    else {
        return again(StatusCode::NOT_FOUND, wrong);
    };
    let granted = Some((user.clone(), password));
    let grant = Grant::Device { client, scope, challenge, interval, asked, granted };
    if !state.store().change_grant(&stored, &grant).await? {
        return again(StatusCode::CONFLICT, "Please try again.");
    }
    let text = format!("You are logged in as {user} on the other device, and can close this page.");
    Ok(plain(StatusCode::OK, "Confirmed", &text))
}

/// `GET authorize`: the form for name and password.
pub(super) async fn authorize(
    State(state): State<AppState>,
    links: Links,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refusal> {
    let issuer = state.guard().issuer().ok_or_else(no_issuer)?;
    match asked(issuer, &links, &params)? {
        Ok(asked) => login_form(issuer, &headers, StatusCode::OK, &params, &asked, None),
        Err(answer) => Ok(answer),
    }
}

/// `POST authorize`: a user logs in, and the browser goes back to the client with a code.
pub(super) async fn confirm_authorize(
    State(state): State<AppState>,
    Caller(caller): Caller,
    links: Links,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refusal> {
    let issuer = state.guard().issuer().ok_or_else(no_issuer)?;
    let asked = match asked(issuer, &links, &params)? {
        Ok(asked) => asked,
        Err(answer) => return Ok(answer),
    };
    let again = |problem| {
        login_form(issuer, &headers, StatusCode::FORBIDDEN, &params, &asked, Some(problem))
    };
    if !issuer.forms.check(&headers, &purpose(&params), params.get("proof")) {
        return again("The form has expired. Please try again.");
    }
    let Some((user, password)) = login(&state, &caller, &params).await? else {
        return again(WRONG);
    };
    let code = secret()?;
    let grant = Grant::Code {
        client: CLIENT.to_owned(),
        user,
        password,
        scope: scope(params.get("scope"))?,
        redirect: asked.redirect.clone(),
        challenge: asked.challenge.clone(),
        nonce: params.get("nonce").map(str::to_owned),
    };
    let family = hidden(&code);
    state.store().remove_expired_grants(job::now()).await?;
    state.store().add_grant(&family, &family, job::now() + CODE, &grant).await?;
    asked.back(&links, &params, &[("code", &code)])
}

/// What a client asks for, with an address that it may be sent back to.
struct Asked {
    redirect: String,
    url: Url,
    challenge: String,
}

/// Checks a request for a code. Nobody is sent to an address that is not among those of the client.
fn asked(
    issuer: &Issuer,
    links: &Links,
    params: &Params,
) -> Result<Result<Asked, Response>, Refusal> {
    let refuse = |text| Ok(Err(plain(StatusCode::BAD_REQUEST, "This does not work", text)));
    if params.get("client_id") != Some(CLIENT) {
        return refuse("The client is not known here.");
    }
    let redirect = params.get("redirect_uri").unwrap_or_default();
    if !issuer.settings.redirect_urls.iter().any(|url| url == redirect) {
        return refuse("The address to return to is not one of those that the server knows.");
    }
    let Ok(url) = Url::parse(redirect) else {
        return refuse("The address to return to is none.");
    };
    let asked = |challenge: &str| Asked {
        redirect: redirect.to_owned(),
        url: url.clone(),
        challenge: challenge.to_owned(),
    };
    let error = |code| asked("").back(links, params, &[("error", code)]).map(Err);
    if params.get("response_type") != Some("code") {
        return error("unsupported_response_type");
    }
    match challenge(params) {
        Ok(Some(challenge)) => Ok(Ok(asked(challenge))),
        _ => error("invalid_request"),
    }
}

impl Asked {
    /// Sends the browser back to the client.
    fn back(
        &self,
        links: &Links,
        params: &Params,
        told: &[(&str, &str)],
    ) -> Result<Response, Refusal> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(told).append_pair("iss", &address(links));
        if let Some(state) = params.get("state") {
            url.query_pairs_mut().append_pair("state", state);
        }
        let headers = [
            (LOCATION, url.to_string()),
            (CACHE_CONTROL, "no-store".to_owned()),
            (REFERRER_POLICY, "no-referrer".to_owned()),
        ];
        Ok((StatusCode::SEE_OTHER, headers).into_response())
    }
}

/// The user of a form and which password it was; `None` if it was wrong.
async fn login(
    state: &AppState,
    caller: &str,
    params: &Params,
) -> Result<Option<(String, String)>, Refusal> {
    let user = params.get("user").unwrap_or_default().to_owned();
    let password = params.get("password").unwrap_or_default().to_owned();
    match state.guard().check_password(caller, &user, password).await {
        Ok(password) => Ok(Some((user, password))),
        Err(error) if is_wrong_password(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn device_form(
    issuer: &Issuer,
    headers: &HeaderMap,
    status: StatusCode,
    code: &str,
    problem: Option<&str>,
) -> Result<Response, Refusal> {
    let page = Page {
        title: "Log in on another device",
        text:
            "Go on only if you started this yourself, and the code is the one that you see there."
                .to_owned(),
        problem,
        fields: field("Code", "user_code", "text", "off", code) + &password_fields(),
        button: Some("Confirm"),
        leads_to: None,
    };
    Ok(issuer.forms.show(headers, "device", status, page)?)
}

fn login_form(
    issuer: &Issuer,
    headers: &HeaderMap,
    status: StatusCode,
    params: &Params,
    asked: &Asked,
    problem: Option<&str>,
) -> Result<Response, Refusal> {
    let given = REQUEST.iter().filter_map(|name| Some(kept(name, params.get(name)?)));
    let origin = asked.url.origin().ascii_serialization();
    let page = Page {
        title: "Log in",
        text: format!("You go back to {origin} afterwards."),
        problem,
        fields: given.collect::<String>() + &password_fields(),
        button: Some("Log in"),
        leads_to: Some(origin),
    };
    Ok(issuer.forms.show(headers, &purpose(params), status, page)?)
}

fn password_fields() -> String {
    field("User name", "user", "text", "username", "")
        + &field("Password", "password", "password", "current-password", "")
}

/// The form is for this request and no other.
fn purpose(params: &Params) -> String {
    let values = REQUEST.iter().map(|name| params.get(name).unwrap_or_default());
    format!("authorize\0{}", values.collect::<Vec<_>>().join("\0"))
}
