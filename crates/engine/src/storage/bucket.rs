//! Buckets and containers of S3, Google Cloud Storage and Azure.
//!
//! Each store is configured by the environment variables its own tools use (`AWS_*`, `GOOGLE_*`, `AZURE_*`), and by
//! what an operator wrote after the `?` of the address of a data set: `endpoint`, `region`, `anonymous`,
//! `allow_http`, or any other key of the store. Settings of an address hold for its bucket.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::address::{self, Cloud, Scheme};
use super::{StorageError, http, shown};

/// Requests to one bucket at a time.
const CONCURRENT: usize = 64;
/// Where virtual machines of AWS and Azure get credentials of.
const METADATA_SERVICE: &str = "169.254.169.254:80";
/// How long to wait for it: it is next door or not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// The client of one bucket.
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// The same store, for uploads in parts.
    parts: Arc<dyn MultipartStore>,
    permits: Semaphore,
    /// What has to be there for requests to be signed, where nothing was configured.
    machine: Option<&'static str>,
    machine_answers: OnceCell<bool>,
}

/// Clients and settings of buckets by `scheme://bucket`.
#[derive(Default)]
struct Buckets {
    open: BTreeMap<String, Arc<Bucket>>,
    settings: BTreeMap<String, Vec<(String, String)>>,
}

static BUCKETS: Mutex<Buckets> =
    Mutex::new(Buckets { open: BTreeMap::new(), settings: BTreeMap::new() });

/// Takes the settings out of an operator's address (`s3://bucket/prefix?region=eu-west-1&anonymous=true`), keeps
/// them for the bucket and gives the plain address. Other addresses come back as they are.
///
/// # Errors
/// [`StorageError::Read`] for a key the store does not have.
pub fn configure(href: &str) -> Result<String, StorageError> {
    let (Some(Scheme::Bucket(cloud)), Some((plain, query))) =
        (Scheme::of(href), href.split_once('?'))
    else {
        return Ok(href.to_owned());
    };
    let (root, _) =
        address::split_bucket(plain).ok_or_else(|| StorageError::Address(shown(href)))?;
    let mut settings = Vec::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let key = match (&*key, cloud) {
            ("anonymous", _) => "skip_signature",
            ("endpoint", Cloud::Google) => "base_url",
            (other, _) => other,
        };
        if !is_key(cloud, key) {
            let reason = format!("`{key}` is no setting of this store");
            return Err(StorageError::Read { href: plain.to_owned(), reason });
        }
        settings.push((key.to_owned(), value.into_owned()));
    }
    let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    buckets.open.remove(root);
    buckets.settings.insert(root.to_owned(), settings);
    Ok(plain.to_owned())
}

impl Bucket {
    /// The client of `scheme://bucket`; one each, which keeps its connections and credentials.
    pub(super) fn open(root: &str) -> Result<Arc<Bucket>, StorageError> {
        let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.open.get(root) {
            return Ok(Arc::clone(bucket));
        }
        http::provide_tls();
        let settings = buckets.settings.get(root).cloned().unwrap_or_default();
        let Some(Scheme::Bucket(cloud)) = Scheme::of(root) else {
            return Err(StorageError::Address(root.to_owned()));
        };
        let (store, parts) = build(cloud, root, &settings).map_err(|error| explain(root, error))?;
        let bucket = Arc::new(Bucket {
            store,
            parts,
            permits: Semaphore::new(CONCURRENT),
            machine: machine_only(cloud, &settings),
            machine_answers: OnceCell::new(),
        });
        buckets.open.insert(root.to_owned(), Arc::clone(&bucket));
        Ok(bucket)
    }

    /// The bucket that a store is.
    #[cfg(test)]
    pub(super) fn over<S: ObjectStore + MultipartStore>(store: Arc<S>) -> Bucket {
        Bucket {
            store: Arc::clone(&store) as Arc<dyn ObjectStore>,
            parts: store,
            permits: Semaphore::new(CONCURRENT),
            machine: None,
            machine_answers: OnceCell::new(),
        }
    }

    pub(super) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    pub(super) fn parts(&self) -> &dyn MultipartStore {
        &*self.parts
    }

    /// The right to one request.
    ///
    /// # Errors
    /// [`StorageError::Denied`] where there is nothing to sign requests with: asking a metadata service that is not
    /// there would take minutes.
    pub(super) async fn permit(&self, href: &str) -> Result<SemaphorePermit<'_>, StorageError> {
        if let Some(variables) = self.machine {
            // The variable by which Amazon's own tools are told not to ask.
            let off = std::env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|v| is_true(&v));
            let connect = tokio::net::TcpStream::connect(METADATA_SERVICE);
            let answers = || async {
                matches!(tokio::time::timeout(METADATA_TIMEOUT, connect).await, Ok(Ok(_)))
            };
            if off || !*self.machine_answers.get_or_init(answers).await {
                let reason = format!("there are no credentials (set {variables})");
                return Err(StorageError::Denied { href: shown(href), reason });
            }
        }
        let closed =
            |_| StorageError::Read { href: shown(href), reason: "the store was closed".to_owned() };
        self.permits.acquire().await.map_err(closed)
    }
}

/// What a store's error means to a user.
pub(super) fn explain(href: &str, error: object_store::Error) -> StorageError {
    let href = shown(href);
    let text = http::chain(&error);
    let denied =
        |reason: &str| StorageError::Denied { href: href.clone(), reason: reason.to_owned() };
    if let Some(reason) = known(&WRONG, &text) {
        return StorageError::Read { href, reason: reason.to_owned() };
    }
    if let Some(reason) = known(&DENIED, &text) {
        return denied(reason);
    }
    match error {
        object_store::Error::NotFound { .. } => StorageError::NotFound(href),
        object_store::Error::PermissionDenied { .. } => denied(
            "the store does not allow it with these credentials (or without any, for an anonymous request)",
        ),
        object_store::Error::Unauthenticated { .. } => {
            denied("the store asks for credentials, or for other ones")
        }
        _ => StorageError::Read { href, reason: without_endpoint(&text) },
    }
}

/// What a client of a store says, without the address that it asked: who sent a process graph may read it.
fn without_endpoint(text: &str) -> String {
    let is_url = |word: &str| word.contains("http://") || word.contains("https://");
    let words = text.split(' ').map(|word| if is_url(word) { "(the endpoint)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether an error says nothing of what was asked for: a store that cannot be reached, or has troubles of its own.
pub(super) fn is_passing(error: &object_store::Error) -> bool {
    let text = http::chain(error);
    matches!(error, object_store::Error::Generic { .. })
        && known(&WRONG, &text).or_else(|| known(&DENIED, &text)).is_none()
}

/// Whether an error says that there is no such object, or no such upload.
pub(super) fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        || http::chain(error).contains("NoSuchUpload")
}

/// The first reason whose word is in a text.
fn known(reasons: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    reasons.iter().find(|(word, _)| text.contains(word)).map(|(_, reason)| *reason)
}

const REGION: &str =
    "the bucket is in another region (set AWS_REGION, or `?region=` in the address)";
const ENDPOINT: &str = "the endpoint is not `https` (set AWS_ALLOW_HTTP=true to use it)";

/// What is wrong where a store says these words.
const WRONG: [(&str, &str); 7] = [
    ("NoSuchBucket", "there is no such bucket"),
    ("ContainerNotFound", "there is no such bucket"),
    ("without LOCATION", REGION),
    ("AuthorizationHeaderMalformed", REGION),
    ("PermanentRedirect", REGION),
    ("URL scheme is not allowed", ENDPOINT),
    ("scheme is not http", ENDPOINT),
];

/// Why nothing is allowed where a store says these words.
const DENIED: [(&str, &str); 5] = [
    ("InvalidAccessKeyId", "the store does not know the access key"),
    ("SignatureDoesNotMatch", "the secret does not fit the access key"),
    ("ExpiredToken", "the session token has expired"),
    ("169.254.169.254", "there are no credentials, and this machine gives none"),
    ("metadata.google.internal", "there are no credentials, and this machine gives none"),
];

/// A store, and the same one for uploads in parts.
type Built = (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>);

fn both<S: ObjectStore + MultipartStore>(store: S) -> Built {
    let store = Arc::new(store);
    (Arc::clone(&store) as Arc<dyn ObjectStore>, store)
}

fn build(cloud: Cloud, root: &str, settings: &[(String, String)]) -> object_store::Result<Built> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(90),
    };
    // Whole chunks go through one request: half a minute is short on a slow line.
    let slow = [("connect_timeout", "10 seconds"), ("timeout", "300 seconds")];
    let variables = |prefix: &str| -> Vec<(String, String)> {
        let all = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let mut own: Vec<_> = all.filter(|(key, _)| key.starts_with(prefix)).collect();
        own.sort();
        own.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()
    };
    let all = |prefix: &str| {
        let slow = slow.map(|(key, value)| (key.to_owned(), value.to_owned()));
        slow.into_iter().chain(variables(prefix)).chain(settings.iter().cloned())
    };
    Ok(match cloud {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::new().with_url(root).with_retry(retry);
            for (key, value) in all("AWS_") {
                if let Ok(key) = AmazonS3ConfigKey::from_str(&key) {
                    builder = builder.with_config(key, value);
                }
            }
            both(builder.build()?)
        }
        Cloud::Google => {
            let mut builder = GoogleCloudStorageBuilder::new().with_url(root).with_retry(retry);
            for (key, value) in all("GOOGLE_") {
                if let Ok(key) = GoogleConfigKey::from_str(&key) {
                    builder = builder.with_config(key, value);
                }
            }
            both(builder.build()?)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::new().with_url(root).with_retry(retry);
            for (key, value) in all("AZURE_") {
                if let Ok(key) = AzureConfigKey::from_str(&key) {
                    builder = builder.with_config(key, value);
                }
            }
            both(builder.build()?)
        }
    })
}

fn is_key(cloud: Cloud, key: &str) -> bool {
    match cloud {
        Cloud::S3 => AmazonS3ConfigKey::from_str(key).is_ok(),
        Cloud::Google => GoogleConfigKey::from_str(key).is_ok(),
        Cloud::Azure => AzureConfigKey::from_str(key).is_ok(),
    }
}

/// The variables to set, where only the machine itself could give credentials.
fn machine_only(cloud: Cloud, settings: &[(String, String)]) -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let anonymous = settings.iter().any(|(key, value)| key == "skip_signature" && is_true(value))
        || ["AWS_SKIP_SIGNATURE", "AZURE_SKIP_SIGNATURE"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|v| is_true(&v)));
    let secret = |key: &str| {
        [
            "access_key",
            "token",
            "secret",
            "sas",
            "client",
            "msi",
            "identity",
            "emulator",
            "cli",
            "metadata_endpoint",
        ]
        .iter()
        .any(|word| key.contains(word))
    };
    if anonymous || settings.iter().any(|(key, _)| secret(key)) {
        return None;
    }
    match cloud {
        Cloud::S3 => {
            let known = [
                "AWS_ACCESS_KEY_ID",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "AWS_METADATA_ENDPOINT",
            ];
            (!known.iter().any(|name| set(name))).then_some(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket",
            )
        }
        Cloud::Azure => {
            let known = std::env::vars_os().any(|(name, _)| {
                let name = name.to_string_lossy().to_ascii_lowercase();
                name.starts_with("azure_") && (secret(&name) || name.contains("key"))
            });
            (!known).then_some(
                "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_SKIP_SIGNATURE=true for a public container",
            )
        }
        // The search for Google's metadata service ends at its name.
        Cloud::Google => None,
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "t" | "y")
}
