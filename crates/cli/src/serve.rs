//! `eolith serve`: folders, files and catalogues as openEO.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use eolith_server::queue::Limits as Jobs;
use eolith_server::rates::Rates;
use eolith_server::{Config, FIRST, Server};

use crate::config::File;
use crate::data::{Data, Limits};
use crate::failure::{Failure, say};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on. Anything but loopback needs authentication.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Who may use it: anyone on this machine (`none`), users with a password (`basic`, see `eolith user`; the first one is
    /// made at the first start), the same by OpenID Connect from this server (`oidc`). Several with commas between.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none")]
    auth: Vec<Auth>,
    /// TOML file with identity providers (`[[providers]]`), the built-in issuer (`[issuer]`) and how often somebody may ask
    /// (`[rates]`).
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
    #[arg(long)]
    shared_dir: bool,
    /// Batch jobs that this server works on at a time; 0 leaves them to the other servers of the database.
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Batch jobs of one user that run at a time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs_of_user: u32,
    /// Seconds that a server may be silent before its jobs go on elsewhere. The clocks of all servers have to agree much
    /// better than that.
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    lease: NonZeroU64,
    /// The address that clients use, if it is not the one in their requests: behind a proxy.
    #[arg(long, value_name = "URL", env = "EOLITH_PUBLIC_URL")]
    public_url: Option<String>,
    /// Let process graphs load from `http`, private addresses, buckets and files of this machine, not only from public
    /// `https` addresses and the data.
    #[arg(long)]
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

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let state = match args.state {
        Some(folder) => folder,
        None => state_folder()?,
    };
    if args.database.is_some() && !args.shared_dir {
        return Err(Failure::text(format!(
            "results and files are in `{}`, and other servers of the database have to see them, too\n\
             hint: `--shared-dir` says that they do, or that there is only this server",
            state.display()
        )));
    }
    eolith_server::store::private_folder(&state).map_err(|e| {
        Failure::text(format!("cannot make the state folder `{}`: {e}", state.display()))
    })?;
    let file = args.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
    let has = |way| args.auth.contains(&way);
    let auth = eolith_server::Auth {
        basic: has(Auth::Basic),
        issuer: has(Auth::Oidc).then_some(file.issuer),
        providers: file.providers,
    };
    if has(Auth::None) && auth.has_users() {
        return Err(Failure::text("`--auth none` stands alone"));
    }
    if !auth.is_none() && args.data.workspace().is_some() {
        return Err(Failure::text(
            "`--workspace` is the folder of the only user of a server without authentication; \
             with it, all users have folders of their own below `--state`",
        ));
    }
    let (open, has_users) = (auth.is_none(), auth.has_users());
    // On one's own machine nobody is in the way of others.
    let rates = file.rates.unwrap_or_else(|| if open { Rates::none() } else { Rates::default() });
    let folder = state.clone();
    let session = Arc::new(args.data.served(&args.limits, state, args.allow_private)?);
    // Every answer about what is offered depends on it, and Python takes a while to start.
    let _ = session.host().await;
    let bind = (args.host, args.port).into();
    let jobs = Jobs {
        jobs: args.jobs,
        jobs_of_user: args.jobs_of_user.into(),
        lease: Duration::from_secs(args.lease.get()),
    };
    let (public_url, database) = (args.public_url, args.database);
    let config = Config {
        bind,
        auth,
        public_url,
        state: folder,
        workspace: args.data.workspace(),
        database,
        jobs,
        rates,
        ..Config::default()
    };
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
    server.run(eolith_server::serve::terminated()).await.map_err(|e| Failure::text(e.to_string()))
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
