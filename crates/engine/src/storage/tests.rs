use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, RawQuery, Request};
use axum::http::{HeaderMap, Method, Response};
use axum::routing::any;

use super::*;

/// A server over `router` for as long as the test's runtime lives.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn answer(status: u16, body: &'static str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_is_asked_again() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let flaky = |headers: HeaderMap| async move {
        match ASKED.fetch_add(1, Ordering::Relaxed) {
            0 => answer(503, "busy"),
            1 => Response::builder()
                .status(429)
                .header("retry-after", "0")
                .body(Body::empty())
                .unwrap(),
            _ if headers.contains_key("range") => {
                Response::builder().status(206).body(Body::from("cde")).unwrap()
            }
            _ => answer(200, "abcdef"),
        }
    };
    let down = |UrlPath(_): UrlPath<String>| async { answer(500, "no") };
    let router = Router::new().route("/flaky", any(flaky)).route("/down/{name}", any(down));
    let root = serve(router).await;
    let flaky = Location::resolve("", &format!("{root}/flaky")).unwrap();
    assert_eq!(flaky.read().await.unwrap(), "abcdef");
    assert_eq!(ASKED.swap(0, Ordering::Relaxed), 3);
    assert_eq!(flaky.read_range(2..5).await.unwrap(), "cde");
    let down = Location::resolve("", &format!("{root}/down/x?secret=1")).unwrap();
    let text = down.read().await.unwrap_err().to_string();
    assert!(text.contains("500") && text.contains("6 times"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn signed_addresses_are_sent_as_they_are() {
    let signed = |method: Method, RawQuery(query): RawQuery, request: Request| async move {
        // As S3 does it: the signature is for GET, and for this spelling of the path.
        let path = request.uri().path();
        if query.as_deref() != Some("X-Sig=a%2Fb%3D&n=1") || method != Method::GET {
            return answer(403, "SignatureDoesNotMatch");
        }
        match request.headers().get("range").map(|range| range.to_str().unwrap()) {
            Some("bytes=0-0") => Response::builder()
                .status(206)
                .header("content-range", "bytes 0-0/10")
                .header("etag", "\"one\"")
                .body(Body::from("0"))
                .unwrap(),
            _ if path.ends_with("/a%20b+c.tif") => answer(200, "0123456789"),
            _ => answer(404, ""),
        }
    };
    let root = serve(Router::new().fallback(any(signed))).await;
    let query = "X-Sig=a%2Fb%3D&n=1";
    let file = Location::resolve("", &format!("{root}/x/a%20b+c.tif?{query}")).unwrap();
    assert_eq!(file.version().await.unwrap(), (10, "\"one\"".to_owned()));
    assert_eq!(file.read().await.unwrap(), "0123456789");
    // A folder keeps its signature for what is in it.
    let folder = Location::resolve("", &format!("{root}/x?{query}")).unwrap();
    assert_eq!(folder.join("a b+c.tif").href(), file.href());
    let other = Location::resolve("", &format!("{root}/x/a%20b+c.tif?X-Sig=wrong")).unwrap();
    let error = other.read().await.unwrap_err();
    assert!(matches!(error, StorageError::Denied { .. }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn what_a_server_lacks_is_said() {
    let whole = || async { answer(200, "0123456789") };
    let moved = || async {
        Response::builder().status(302).header("location", "/whole").body(Body::empty()).unwrap()
    };
    let nameless = |method: Method| async move {
        if method == Method::HEAD { answer(405, "") } else { answer(200, "abc") }
    };
    let router = Router::new()
        .route("/whole", any(whole))
        .route("/moved", any(moved))
        .route("/nameless", any(nameless))
        .route("/wrong", any(|| async { answer(400, "an  odd\nquestion") }));
    let root = serve(router).await;
    let at = |name: &str| Location::resolve("", &format!("{root}/{name}")).unwrap();
    assert_eq!(at("moved").read().await.unwrap(), "0123456789");
    assert!(matches!(at("whole").read_range(2..4).await, Err(StorageError::Unranged(_))));
    assert_eq!(at("whole").read_range(0..10).await.unwrap(), "0123456789");
    assert_eq!(at("nameless").version().await.unwrap().0, 3);
    assert!(at("none").read_optional().await.unwrap().is_none());
    let wrong = at("wrong").read().await.unwrap_err().to_string();
    assert!(wrong.ends_with("400: an odd question"), "{wrong}");
    let limited = http::get(at("whole").as_url().unwrap(), false, 9).await;
    assert!(matches!(limited, Err(StorageError::TooLarge { limit: 9, .. })));
    let closed = Location::resolve("", "http://127.0.0.1:1/x").unwrap();
    let text = closed.read().await.unwrap_err().to_string();
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn requests_do_not_reach_private_addresses_by_name() {
    // The text of the address is fine; what the name leads to is not.
    let url = Url::parse("https://localhost:1/x").unwrap();
    let error = http::get(&url, true, 100).await.unwrap_err().to_string();
    assert!(error.contains("private address"), "{error}");
    let access = Arc::new(Access::requests(false, ["/data"]));
    let item = Location::requested(&access, "/data/a/item.json").unwrap();
    assert!(item.relative("b.tif").is_ok() && item.relative("../../etc/passwd").is_err());
    assert!(item.relative("file:///etc/passwd").is_err());
    assert!(item.relative("http://169.254.169.254/x").is_err());
    assert!(item.relative("s3://bucket/key").is_err());
}

#[test]
fn addresses_are_resolved_by_text() {
    let relative = |document: &str, href: &str| {
        Location::resolve("", document).unwrap().relative(href).unwrap().href().to_owned()
    };
    assert_eq!(relative("https://h/a/b.json?k=1", "../c.tif"), "https://h/c.tif");
    assert_eq!(relative("https://h/a/b.json", "/c.tif?s=2"), "https://h/c.tif?s=2");
    assert_eq!(relative("s3://b/x/y.json", "./z/../t.tif"), "s3://b/x/t.tif");
    assert_eq!(relative("s3://b/x/y.json", "../../t.tif"), "s3://b/t.tif");
    assert_eq!(relative("/d/y.json", "t.tif"), "/d/t.tif");
    assert_eq!(relative("/d/y.json", "file:///q/a%20b.tif"), "/q/a b.tif");
    assert_eq!(relative("/d/y.json", "gs://b/t.tif"), "gs://b/t.tif");
    for unknown in ["ftp://h/x", "s3://", "http://"] {
        let error = Location::resolve("", unknown).unwrap_err();
        assert!(matches!(error, StorageError::Address(_)), "{unknown}: {error}");
    }
    let parent =
        |href: &str| Location::resolve("", href).unwrap().parent().unwrap().href().to_owned();
    assert_eq!(parent("https://h/a/b.zarr/zarr.json?k=1"), "https://h/a/b.zarr/?k=1");
    assert_eq!(parent("s3://b/x/zarr.json"), "s3://b/x");
    let folder = Location::resolve("", "s3://b/x/").unwrap();
    assert_eq!(folder.join("a/b").href(), "s3://b/x/a/b");
    assert_eq!(shown("https://h/a?secret"), "https://h/a?…");
}

#[test]
fn settings_of_a_bucket_are_taken_out_of_its_address() {
    let plain = bucket::configure("s3://set/x?region=eu-west-1&anonymous=true").unwrap();
    assert_eq!(plain, "s3://set/x");
    assert_eq!(bucket::configure("https://h/x?region=1").unwrap(), "https://h/x?region=1");
    let error = bucket::configure("gs://set/x?colour=red").unwrap_err().to_string();
    assert!(error.contains("`colour`"), "{error}");
}

#[test]
fn errors_of_stores_are_put_into_words() {
    let generic =
        |text: &'static str| object_store::Error::Generic { store: "S3", source: text.into() };
    let says = |error, word: &str| {
        let text = bucket::explain("s3://b/k", error).to_string();
        assert!(text.contains(word) && text.contains("s3://b/k"), "{text}");
    };
    says(generic("<Code>AuthorizationHeaderMalformed</Code>"), "another region");
    says(generic("Received redirect without LOCATION"), "AWS_REGION");
    says(generic("<Code>InvalidAccessKeyId</Code>"), "access key");
    let missing = |text: &'static str| object_store::Error::NotFound {
        path: "k".into(),
        source: text.into(),
    };
    says(missing("<Code>NoSuchBucket</Code>"), "no such bucket");
    says(missing("<Code>NoSuchKey</Code>"), "does not exist");
    let denied = object_store::Error::PermissionDenied { path: "k".into(), source: "403".into() };
    says(denied, "does not allow");
}
