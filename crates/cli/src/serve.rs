//! `eolith serve`: folders, files and catalogues as openEO.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use eolith_engine::session::Session;
use eolith_engine::storage::bucket;
use eolith_server::allowance::Allowance;
use eolith_server::queue::Limits as Jobs;
use eolith_server::rates::Rates;
use eolith_server::store::private_folder;
use eolith_server::{Certificate, Config, FIRST, Keeping, Server};

use crate::config::File;
use crate::data::{Data, Limits};
use crate::failure::{Failure, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "EOLITH_PORT", default_value_t = 8080)]
    port: u16,
    /// Address to listen on. Anything but loopback needs authentication.
    #[arg(long, env = "EOLITH_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Who may use it: anyone on this machine (`none`), users with a password (`basic`, see `eolith user`; the first one is
    /// made at the first start), the same by OpenID Connect from this server (`oidc`). Several with commas between.
    #[arg(long, env = "EOLITH_AUTH", value_enum, value_delimiter = ',', default_value = "none")]
    auth: Vec<Auth>,
    /// TOML file with these options (`[server]`), identity providers and all else that docs/configuration.md has.
    #[arg(long, value_name = "FILE", env = "EOLITH_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for the database, results of jobs, files of users, and what was found in the data; the user's data folder if
    /// not given.
    #[arg(long, value_name = "DIR", env = "EOLITH_STATE")]
    state: Option<PathBuf>,
    /// PostgreSQL instead of a file in `--state`: `postgres://USER:PASSWORD@HOST/DATABASE`. Several servers may use one.
    #[arg(long, value_name = "URL", env = "EOLITH_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Says that all servers of the database see the same `--state`, which they have to.
    #[arg(long, env = "EOLITH_SHARED_DIR")]
    shared_dir: bool,
    /// Folder in an object store for results of jobs: `s3://BUCKET/PREFIX`, `gs://…` or `az://…`, set up like sources in
    /// buckets. In `--state` if not given.
    #[arg(long, value_name = "URL", env = "EOLITH_RESULTS", hide_env_values = true)]
    results: Option<String>,
    /// Seconds that the object store for results may be away before a job that is computed fails.
    #[arg(long, value_name = "SECONDS", env = "EOLITH_RESULTS_PATIENCE", default_value_t = 600)]
    results_patience: u32,
    /// Batch jobs that this server works on at a time; 0 leaves them to the other servers of the database.
    #[arg(long, value_name = "N", env = "EOLITH_JOBS", default_value_t = 2)]
    jobs: usize,
    /// Batch jobs of one user that run at a time.
    #[arg(long, value_name = "N", env = "EOLITH_JOBS_OF_USER", default_value_t = 2)]
    jobs_of_user: u32,
    /// Seconds that a server may be silent before its jobs go on elsewhere. The clocks of all servers have to agree much
    /// better than that.
    #[arg(long, value_name = "SECONDS", env = "EOLITH_LEASE", default_value = "10")]
    lease: NonZeroU64,
    /// The address that clients use, if it is not the one in their requests: behind a proxy.
    #[arg(long, value_name = "URL", env = "EOLITH_PUBLIC_URL")]
    public_url: Option<String>,
    /// File (PEM) with the certificate of the server and those above it: with one, the server speaks `https` only. It is
    /// read again when it changes.
    #[arg(long, value_name = "FILE", env = "EOLITH_TLS_CERTIFICATE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// File (PEM) with the private key of the certificate.
    #[arg(long, value_name = "FILE", env = "EOLITH_TLS_KEY", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Let process graphs load from `http`, private addresses, buckets and files of this machine, not only from public
    /// `https` addresses and the data.
    #[arg(long, env = "EOLITH_ALLOW_PRIVATE")]
    allow_private: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Auth {
    None,
    Basic,
    Oidc,
}

/// What a server is made of.
pub(crate) struct Prepared {
    pub(crate) session: Arc<Session>,
    pub(crate) config: Config,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Prepared { session, config } = args.prepare()?;
    let (open, has_users) = (config.auth.is_none(), config.auth.has_users());
    private_folder(&config.state).map_err(|e| {
        Failure::text(format!("cannot make the state folder `{}`: {e}", config.state.display()))
    })?;
    // Every answer about what is offered depends on it, and Python takes a while to start.
    let _ = session.host().await;
    let server = Server::bind(session, config).await.map_err(|e| Failure::text(e.to_string()))?;
    say(&format!("openEO at {}", server.url()));
    if let Some(password) = server.first_password() {
        say(&format!(
            "user `{FIRST}`, password `{password}` (shown once; only a hash of it is kept)"
        ));
    }
    if has_users {
        say("users and passwords are managed by `eolith user`");
    }
    if open {
        say(
            "anyone on this machine may use it, and any web page open in a browser here (openEO demands open CORS)",
        );
        say("`--auth basic` asks for a user name and a password");
    }
    server.run(eolith_server::serve::terminated()).await;
    Ok(())
}

impl Args {
    /// Checks what can be checked without the outside, and puts everything in its place.
    ///
    /// # Errors
    /// Options that do not go together, or a configuration that cannot be used.
    pub(crate) fn prepare(self) -> Result<Prepared, Failure> {
        let state = match self.state {
            Some(folder) => folder,
            None => state_folder()?,
        };
        if self.database.is_some() && !self.shared_dir {
            return Err(Failure::text(format!(
                "results and files are in `{}`, and other servers of the database have to see them, too\n\
                 hint: `--shared-dir` says that they do, or that there is only this server",
                state.display()
            )));
        }
        let file = self.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let has = |way| self.auth.contains(&way);
        let auth = eolith_server::Auth {
            basic: has(Auth::Basic),
            issuer: has(Auth::Oidc).then_some(file.issuer),
            providers: file.providers,
        };
        if has(Auth::None) && auth.has_users() {
            return Err(Failure::text("`--auth none` stands alone"));
        }
        let workspace = self.data.workspace();
        if !auth.is_none() && workspace.is_some() {
            return Err(Failure::text(
                "`--workspace` is the folder of the only user of a server without authentication; \
                 with it, all users have folders of their own below `--state`",
            ));
        }
        // On one's own machine nobody is in the way of others.
        let usual = || if auth.is_none() { Rates::none() } else { Rates::default() };
        let rates = file.rates.unwrap_or_else(usual);
        let usual = || if auth.is_none() { Allowance::none() } else { Allowance::default() };
        let allowance = file.limits.unwrap_or_else(usual);
        let results = self.results.map(|address| bucket::configure(&address)).transpose();
        let results = results
            .map_err(|error| Failure::text(format!("`--results` cannot be used: {error}")))?;
        let session = self.data.served(&self.limits, state.clone(), self.allow_private)?;
        let files = self.tls_certificate.zip(self.tls_key);
        let config = Config {
            bind: (self.host, self.port).into(),
            auth,
            public_url: self.public_url,
            certificate: files.map(|(chain, key)| Certificate { chain, key }),
            state,
            workspace,
            database: self.database,
            jobs: Jobs {
                jobs: self.jobs,
                jobs_of_user: self.jobs_of_user.into(),
                lease: Duration::from_secs(self.lease.get()),
            },
            results: Keeping {
                bucket: results,
                patience: Duration::from_secs(self.results_patience.into()),
            },
            rates,
            allowance,
            prices: file.credits,
            retention: file.retention,
            about: file.about,
            ..Config::default()
        };
        Ok(Prepared { session: Arc::new(session), config })
    }
}

/// Where this user's programs keep what they know.
pub(crate) fn state_folder() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = data.filter(|path| path.is_absolute()).or_else(home);
    base.map(|base| base.join("eolith")).ok_or_else(|| {
        Failure::text("there is no home folder to keep state in\nhint: `--state DIR`")
    })
}
