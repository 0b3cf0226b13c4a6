//! `eolith user`: who may log in to a server.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use eolith_server::{Listed, Store, Term, Terms, UserError, Users, size};

use crate::failure::{Failure, print, say};
use crate::serve::state_folder;

/// Bytes that are read of a password.
const LONGEST: u64 = 4096;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// Folder of the server's state; the user's data folder if not given.
    #[arg(long, value_name = "DIR", env = "EOLITH_STATE", global = true)]
    state: Option<PathBuf>,
    /// Database of the server, if it is not a file in that folder: `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(
        long,
        value_name = "URL",
        env = "EOLITH_DATABASE",
        hide_env_values = true,
        global = true
    )]
    database: Option<String>,
    /// Configuration file of the server; `state` and `database` of its table `[server]` count here as well.
    #[arg(long, value_name = "FILE", env = "EOLITH_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user. The password is made and shown, unless it is given.
    Add(Password),
    /// List the users: since when, what they have stored, and the limits that are their own.
    List,
    /// Give a user another password; whoever is logged in has to log in again.
    Password(Password),
    /// Give a user limits that are not those of everybody (`[limits]` of the server's configuration): a value, `none`, or
    /// `default`. What is not named stays.
    Limit(Limit),
    /// Programs that get tokens for a user with a secret, where the server issues tokens (`serve --auth oidc`).
    #[command(subcommand)]
    Client(Client),
    /// Remove a user with everything the user has: jobs, results, services, processes and files.
    Remove {
        /// Name of the user.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum Client {
    /// Add a client of a user; prints its id and its secret.
    Add {
        /// Name of the user.
        user: String,
    },
    /// List the clients with their users.
    List,
    /// Remove a client.
    Remove {
        /// Id of the client.
        id: String,
    },
}

#[derive(Debug, ClapArgs)]
struct Limit {
    /// Name of the user; that of a user of an identity provider begins with the id of the provider and `~`.
    name: String,
    /// Bytes of files and results, like 10G.
    #[arg(long, value_name = "SIZE", value_parser = storage)]
    storage: Option<Term<u64>>,
    /// Batch jobs that run at a time.
    #[arg(long, value_name = "N", value_parser = number)]
    jobs: Option<Term<u64>>,
    /// Synchronous requests that one server works on at a time.
    #[arg(long, value_name = "N", value_parser = number)]
    requests: Option<Term<u64>>,
    /// What the user may spend in all.
    #[arg(long, value_name = "CREDITS", value_parser = credits)]
    credits: Option<Term<f64>>,
}

#[derive(Debug, ClapArgs)]
struct Password {
    /// Name of the user: letters, digits, `_`, `-` and `.`.
    name: String,
    /// Take the first line of stdin as the password.
    #[arg(long)]
    stdin: bool,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let state = match args.state {
        Some(folder) => folder,
        None => state_folder()?,
    };
    let store = Store::open(&state, args.database.as_deref()).await;
    let users = Users::new(store.map_err(|e| Failure::text(e.to_string()))?, &state);
    match args.action {
        Action::Add(user) => {
            let made = users.add(&user.name, user.given()?.as_deref()).await?;
            say(&format!("user `{}` is added", user.name));
            show(made)
        }
        Action::Password(user) => {
            let made = users.set_password(&user.name, user.given()?.as_deref()).await?;
            say(&format!("user `{}` has another password", user.name));
            show(made)
        }
        Action::List => {
            let lines: Vec<String> = users.list().await?.iter().map(line).collect();
            print(&lines.concat())
        }
        Action::Limit(limit) => {
            let mut terms = users.terms(&limit.name).await?;
            terms.storage = limit.storage.unwrap_or(terms.storage);
            terms.jobs = limit.jobs.unwrap_or(terms.jobs);
            terms.requests = limit.requests.unwrap_or(terms.requests);
            terms.credits = limit.credits.unwrap_or(terms.credits);
            users.set_terms(&limit.name, &terms).await?;
            say(&format!("user `{}`{}", limit.name, told(&terms)));
            Ok(())
        }
        Action::Client(Client::Add { user }) => {
            let (id, secret) = users.add_client(&user).await?;
            say(&format!(
                "client of `{user}`: id and secret (shown once; only a hash of it is kept)"
            ));
            print(&format!("{id} {secret}\n"))
        }
        Action::Client(Client::List) => {
            let lines =
                users.clients().await?.into_iter().map(|(id, user)| format!("{id}  {user}\n"));
            print(&lines.collect::<String>())
        }
        Action::Client(Client::Remove { id }) => {
            users.remove_client(&id).await?;
            say(&format!("client `{id}` is removed"));
            Ok(())
        }
        Action::Remove { name } => {
            users.remove(&name).await?;
            say(&format!("user `{name}` is removed"));
            Ok(())
        }
    }
}

/// A user in one line.
fn line(user: &Listed) -> String {
    let stored = size::shown(user.stored);
    let spent = if user.spent > 0.0 { format!("  {} spent", user.spent) } else { String::new() };
    format!("{}  {}  {stored} stored{spent}{}\n", user.created, user.id, told(&user.terms))
}

/// Limits that are the user's own.
fn told(terms: &Terms) -> String {
    fn one<T>(name: &str, term: Term<T>, shown: impl Fn(T) -> String) -> String {
        match term {
            Term::Default => String::new(),
            Term::None => format!("  {name}: no limit"),
            Term::Most(most) => format!("  {name}: {}", shown(most)),
        }
    }
    let number = |n: u64| n.to_string();
    one("storage", terms.storage, size::shown)
        + &one("jobs", terms.jobs, number)
        + &one("requests", terms.requests, number)
        + &one("credits", terms.credits, |credits| credits.to_string())
}

fn storage(text: &str) -> Result<Term<u64>, String> {
    Term::parse(text, size::parse)
}

fn number(text: &str) -> Result<Term<u64>, String> {
    Term::parse(text, |text| {
        text.parse().map_err(|_| format!("`{text}` is no number, `none` or `default`"))
    })
}

fn credits(text: &str) -> Result<Term<f64>, String> {
    Term::parse(text, |text| {
        let credits = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        credits.ok_or_else(|| format!("`{text}` is no amount, `none` or `default`"))
    })
}

impl Password {
    /// The password, if it comes from outside.
    fn given(&self) -> Result<Option<String>, Failure> {
        if !self.stdin {
            return Ok(None);
        }
        let mut text = String::new();
        std::io::stdin().take(LONGEST).read_to_string(&mut text)?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }
}

/// A password that was made is the only line on stdout.
fn show(made: Option<String>) -> Result<(), Failure> {
    match made {
        Some(password) => {
            say("password (shown once; only a hash of it is kept):");
            print(&format!("{password}\n"))
        }
        None => Ok(()),
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Failure {
        Failure::text(error.to_string())
    }
}
