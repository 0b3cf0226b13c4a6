//! A server over generated data, in-process or behind a socket.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::session::{Session, Settings};
use eolith_server::about::About;
use eolith_server::allowance::Allowance;
use eolith_server::issuer;
use eolith_server::prices::Prices;
use eolith_server::rates::Rates;
use eolith_server::retention::Retention;
use eolith_server::{AppState, Auth, Config, Server, Store, Terms, Users, router};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::{data, socket};

/// The name in-process requests call the server by.
const NAME: &str = "eolith.test:8080";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    InProcess,
    Socket,
}

/// What a scenario says of its server.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// With authentication; a user `eolith` if there are no others.
    pub(crate) password: bool,
    /// Names and passwords.
    pub(crate) users: BTreeMap<String, String>,
    /// Names and limits.
    pub(crate) terms: BTreeMap<String, Terms>,
    /// With the built-in issuer.
    pub(crate) issuer: bool,
    pub(crate) rates: Option<Rates>,
    pub(crate) limits: Option<Allowance>,
    pub(crate) credits: Option<Prices>,
    pub(crate) retention: Retention,
    pub(crate) about: About,
    pub(crate) public_url: Option<String>,
    pub(crate) body_limit: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) base: String,
    pub(crate) password: Option<String>,
    pub(crate) users: Users,
    /// Where results are kept while they are sent.
    pub(crate) results: TempDir,
    _data: TempDir,
    way: Way,
}

#[derive(Debug)]
enum Way {
    InProcess(Box<Router>),
    Socket { authority: String, end: oneshot::Sender<()>, server: JoinHandle<()> },
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Results that are kept below the scratch folder of a server.
pub(crate) fn kept(scratch: &Path) -> usize {
    let inside = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = inside(scratch).filter(|entry| entry.path().is_dir());
    folders.map(|folder| inside(&folder.path()).count()).sum()
}

/// A session over the data below `folder`.
pub(crate) fn session(folder: &Path, scratch: &Path) -> Arc<Session> {
    let entries = ["cube", "nested/cube"].map(|id| Entry {
        id: Some(id.to_owned()),
        path: folder.join(id.replace('/', "-")).display().to_string() + ".zarr",
    });
    let catalog = Arc::new(Catalog::open(entries.to_vec(), None).for_requests(false));
    let threads = NonZeroUsize::new(2).unwrap();
    let settings = Settings {
        memory: 256 << 20,
        threads,
        scratch: Some(scratch.to_owned()),
        ..Settings::default()
    };
    Arc::new(Session::new(catalog, settings).unwrap())
}

impl Host {
    pub(crate) async fn start(options: &Options, access: Access) -> Host {
        let data = data::generated();
        let results = tempfile::tempdir().unwrap();
        let mut config = Config {
            bind: ([127, 0, 0, 1], 0).into(),
            public_url: options.public_url.clone(),
            state: data.path().join("state"),
            ..Config::default()
        };
        config.body_limit = options.body_limit.unwrap_or(config.body_limit);
        if options.password || !options.users.is_empty() {
            config.auth = Auth::basic();
        }
        config.auth.issuer = options.issuer.then(issuer::Settings::default);
        config.allowance = options.limits.clone().unwrap_or_else(Allowance::none);
        config.about = options.about.clone();
        config.retention = options.retention.clone();
        config.prices.clone_from(&options.credits);
        config.rates = options.rates.clone().unwrap_or_else(Rates::none);
        let store = Store::open(&config.state, None).await.unwrap();
        let users = Users::new(store, &config.state);
        for (user, password) in &options.users {
            users.add(user, Some(password)).await.unwrap();
        }
        for (user, terms) in &options.terms {
            users.set_terms(user, terms).await.unwrap();
        }
        let session = session(data.path(), results.path());
        let (authority, password, way) = match access {
            Access::InProcess => {
                let state = AppState::open(session, config).await.unwrap();
                let working = state.clone();
                tokio::spawn(async move { working.work().await });
                let password = state.first_password().map(str::to_owned);
                let routes = router(state);
                (NAME.to_owned(), password, Way::InProcess(Box::new(routes)))
            }
            Access::Socket => {
                let server = Server::bind(session, config).await.unwrap();
                let authority = server.address().to_string();
                let password = server.first_password().map(str::to_owned);
                let (end, ended) = oneshot::channel();
                let server = tokio::spawn(async move {
                    let end = async {
                        let _ = ended.await;
                    };
                    server.run(end).await;
                });
                (authority.clone(), password, Way::Socket { authority, end, server })
            }
        };
        let base = format!("http://{authority}");
        Host { base, password, users, results, _data: data, way }
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Answer {
        match &self.way {
            Way::InProcess(routes) => {
                let mut request =
                    Request::builder().method(method).uri(target).header("host", NAME);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Body::from(body)).unwrap();
                let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
                let headers = parts.headers.iter();
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                Answer {
                    status: parts.status.as_u16(),
                    headers: headers.map(|(n, v)| (n.to_string(), text(v.as_bytes()))).collect(),
                    body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
                }
            }
            Way::Socket { authority, .. } => {
                socket::ask(authority, method, target, headers, &body).await
            }
        }
    }

    /// Host and port; a server behind a socket only.
    pub(crate) fn authority(&self) -> &str {
        match &self.way {
            Way::Socket { authority, .. } => authority,
            Way::InProcess(_) => NAME,
        }
    }

    /// Ends the server; nothing of its results may be left.
    pub(crate) async fn stop(self) {
        if let Way::Socket { end, server, .. } = self.way {
            end.send(()).unwrap();
            server.await.unwrap();
            assert_eq!(kept(self.results.path()), 0, "results are left behind");
        }
    }
}
