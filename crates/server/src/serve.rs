//! The socket: where the server listens, and how it ends.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eolith_engine::session::Session;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::about::About;
use crate::allowance::Allowance;
use crate::app::router;
use crate::auth::Auth;
use crate::connections::{self, Certificate, Tls, TlsError};
use crate::operations;
use crate::prices::Prices;
use crate::queue::Limits;
use crate::rates::Rates;
use crate::results::Keeping;
use crate::retention::Retention;
use crate::state::{AppState, StateError};

/// How long requests may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);
/// How long a cancelled run may take to notice.
const CLEANUP: Duration = Duration::from_secs(5);

/// How to serve.
#[derive(Clone)]
pub struct Config {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
    pub auth: Auth,
    /// The address clients use, if it is not the one in their requests: behind a proxy, with a path before ours.
    pub public_url: Option<String>,
    /// Bytes a request may have.
    pub body_limit: usize,
    /// With one, the server speaks `https` only.
    pub certificate: Option<Certificate>,
    /// Folder of the database, of runs and of what users have.
    pub state: PathBuf,
    /// The folder of the only user of a server without authentication; one below `state` if `None`.
    pub workspace: Option<PathBuf>,
    /// PostgreSQL, if the database is not a file in that folder.
    pub database: Option<String>,
    pub jobs: Limits,
    /// Where the results of jobs are.
    pub results: Keeping,
    pub rates: Rates,
    pub allowance: Allowance,
    /// What things cost, if they do.
    pub prices: Option<Prices>,
    /// How long results and logs are kept.
    pub retention: Retention,
    /// How long signed links can be used.
    pub links_valid: Duration,
    /// What people are told of it.
    pub about: About,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(
        "`{0}` can be reached from other machines, and without authentication everyone there could read the data\n\
         hint: use a loopback address such as 127.0.0.1, or authentication"
    )]
    Unprotected(SocketAddr),
    #[error("cannot listen on `{address}`: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("`{0}` cannot be the public address: it starts with http:// or https://")]
    PublicUrl(String),
    #[error("there is no encryption: {0}")]
    Tls(#[from] TlsError),
    #[error("the prices cannot be used: {0}")]
    Prices(String),
    #[error("`[retention]` cannot be used: {0}")]
    Retention(String),
    #[error("`[about]` cannot be used: {0}")]
    About(String),
    #[error(transparent)]
    State(#[from] StateError),
}

/// A server that listens already; connections wait until [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    state: AppState,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            auth: Auth::default(),
            public_url: None,
            body_limit: 10 << 20,
            certificate: None,
            state: std::env::temp_dir().join(format!("eolith-{}", std::process::id())),
            workspace: None,
            database: None,
            jobs: Limits::default(),
            results: Keeping::default(),
            rates: Rates::none(),
            allowance: Allowance::none(),
            prices: None,
            retention: Retention::default(),
            links_valid: Duration::from_hours(7 * 24),
            about: About::default(),
        }
    }
}

impl Config {
    /// Whether its parts fit together.
    pub(crate) fn check(&self) -> Result<(), ServeError> {
        if self.auth.is_none() && !self.bind.ip().to_canonical().is_loopback() {
            return Err(ServeError::Unprotected(self.bind));
        }
        self.prices.as_ref().map_or(Ok(()), Prices::check).map_err(ServeError::Prices)?;
        self.retention.check().map_err(ServeError::Retention)?;
        self.about.check().map_err(ServeError::About)?;
        match &self.public_url {
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                Err(ServeError::PublicUrl(url.clone()))
            }
            _ => Ok(()),
        }
    }

    /// How the server is spoken to, where nothing stands before it.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bind", &self.bind)
            .field("auth", &self.auth)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

/// Serves until Ctrl-C, or on Unix the request to terminate.
pub async fn serve(session: Arc<Session>, config: Config) -> Result<(), ServeError> {
    let server = Server::bind(session, config).await?;
    info!(url = server.url(), "listening");
    server.run(terminated()).await;
    Ok(())
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// An address that is taken, or one that strangers can reach while there is no authentication.
    pub async fn bind(session: Arc<Session>, config: Config) -> Result<Server, ServeError> {
        config.check()?;
        let address = config.bind;
        let tls = config.certificate.clone().map(Tls::open).transpose()?.map(Arc::new);
        let state = AppState::open(session, config).await?;
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Server { listener, address, tls, state })
    }

    /// The address it listens on, with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client connects to.
    pub fn url(&self) -> String {
        let config = self.state.config();
        let own = || format!("{}://{}", config.scheme(), self.address);
        config.public_url.clone().unwrap_or_else(own)
    }

    /// The password of the user [`crate::auth::FIRST`], if the user was made just now: it is stored nowhere.
    pub fn first_password(&self) -> Option<&str> {
        self.state.first_password()
    }

    /// Answers until `end`. Requests that are under way then have some seconds to finish; after that their runs are
    /// cancelled.
    pub async fn run(self, end: impl Future<Output = ()> + Send + 'static) {
        let runs = self.state.runs().clone();
        let state = self.state.clone();
        let working = tokio::spawn(async move { state.work().await });
        let folding = tokio::spawn(operations::upkeep());
        let renewing = self.tls.clone().map(|tls| tokio::spawn(async move { tls.renew().await }));
        let state = self.state.clone();
        let (ending, ended) = oneshot::channel::<()>();
        let serving = connections::serve(self.listener, self.tls, router(self.state), async move {
            end.await;
            // The other side is gone only when serving has ended anyway.
            let _ = ending.send(());
        });
        let grace = async {
            if ended.await.is_ok() {
                tokio::time::sleep(GRACE).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = serving => {}
            () = grace => warn!("requests were still under way at the end"),
        }
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        folding.abort();
        state.stop_work();
        runs.stop(CLEANUP).await;
        if tokio::time::timeout(CLEANUP, working).await.is_err() {
            warn!("a job was still under way at the end; it goes on with the next server");
        }
    }
}

/// Ends with Ctrl-C, or on Unix with the request to terminate.
#[cfg(unix)]
pub async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => interrupt.await,
    }
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
pub async fn terminated() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
