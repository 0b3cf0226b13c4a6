//! Where the value of an option comes from: the command line, else the environment, else the configuration file, else
//! its default.
//!
//! `port = 8081` in the table `[server]` is taken as if `--port 8081` stood on the command line, so that there is one
//! definition of each option, and one place where its value is checked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::Value;

use super::File;
use crate::failure::Failure;

/// The command whose options the file may have.
const SERVE: &str = "serve";
/// The key of what is served; it has no name on the command line.
const DATA: &str = "data";
/// The option that names the file.
const CONFIG: &str = "config";

/// The command line, with the options of the file that it names.
///
/// # Errors
/// The file cannot be used. A wrong command line ends the program as usual.
pub(crate) fn parse<C: CommandFactory + FromArgMatches>(
    arguments: &[OsString],
) -> Result<C, Failure> {
    let mut command = C::command();
    // What is inherited from commands above is known to each.
    command.build();
    let matches =
        command.clone().try_get_matches_from(arguments).unwrap_or_else(|error| error.exit());
    let more = of_file(&command, &matches)?;
    let matches = if let Some((file, more)) = more {
        let all = arguments.iter().cloned().chain(more);
        command.try_get_matches_from(all).map_err(|error| wrong(&file, &error.to_string()))?
    } else {
        matches
    };
    Ok(C::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// The file that a command line names, and its options as arguments.
fn of_file(
    command: &Command,
    matches: &ArgMatches,
) -> Result<Option<(PathBuf, Vec<OsString>)>, Failure> {
    let (mut asked, mut given) = (command, matches);
    while let Some((name, below)) = given.subcommand() {
        let Some(next) = asked.find_subcommand(name) else { break };
        (asked, given) = (next, below);
    }
    let Ok(Some(file)) = given.try_get_one::<PathBuf>(CONFIG) else { return Ok(None) };
    let options = File::read(file)?.server;
    let serve = command.find_subcommand(SERVE).unwrap_or(command);
    let mut more = Vec::new();
    for (key, value) in &options {
        if option(serve, key).is_none() {
            let known: Vec<&str> = serve.get_arguments().filter_map(name).collect();
            let reason =
                format!("`[server]` has no option `{key}`\nhint: it has {}", known.join(", "));
            return Err(wrong(file, &reason));
        }
        // Other commands need some of them only.
        let Some(arg) = option(asked, key) else { continue };
        let stronger = [Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)];
        if !stronger.contains(&given.value_source(arg.get_id().as_str())) {
            arguments(arg, key, value, &mut more).map_err(|reason| wrong(file, &reason))?;
        }
    }
    Ok(Some((file.clone(), more)))
}

fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| name(arg) == Some(key))
}

/// The key of an option in the file.
pub(super) fn name(arg: &Arg) -> Option<&str> {
    match arg.get_long() {
        Some(CONFIG | "help" | "version" | "verbose" | "log-format") => None,
        None if arg.is_positional() => Some(DATA),
        long => long,
    }
}

fn arguments(arg: &Arg, key: &str, value: &Value, more: &mut Vec<OsString>) -> Result<(), String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!("`{key}` of `[server]` has to be a text, a number or a list of them")),
    };
    let texts = match value {
        Value::Array(values) => values.iter().map(text).collect::<Result<Vec<_>, _>>()?,
        Value::Boolean(_) => Vec::new(),
        value => vec![text(value)?],
    };
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => more.push(format!("--{key}").into()),
        (ArgAction::SetTrue, Value::Boolean(false)) => {}
        (ArgAction::SetTrue, _) | (_, Value::Boolean(_)) => {
            return Err(format!("`{key}` of `[server]` has a value of another type"));
        }
        _ if arg.is_positional() => more.extend(texts.into_iter().map(OsString::from)),
        _ => more.push(format!("--{key}={}", texts.join(",")).into()),
    }
    Ok(())
}

fn wrong(file: &Path, reason: &str) -> Failure {
    let reason = reason.trim_start_matches("error: ").trim_end();
    Failure::text(format!("cannot use the configuration `{}`: {reason}", file.display()))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Parser, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Commands,
    }

    #[derive(Debug, Subcommand)]
    enum Commands {
        Serve(Serve),
    }

    #[derive(Debug, Args)]
    struct Serve {
        paths: Vec<String>,
        #[arg(long, default_value_t = 1)]
        port: u16,
        #[arg(long, env = "EOLITH_TEST_OF_LAYERS")]
        memory: Option<String>,
        #[arg(long)]
        shared_dir: bool,
        #[arg(long, value_delimiter = ',')]
        auth: Vec<String>,
        #[arg(long)]
        config: Option<PathBuf>,
    }

    fn parsed(text: &str, arguments: &[&str]) -> Result<Serve, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut all: Vec<OsString> =
            ["eolith", "serve", "--config"].into_iter().map(OsString::from).collect();
        all.push(file.path().into());
        all.extend(arguments.iter().map(OsString::from));
        let Commands::Serve(serve) =
            parse::<Cli>(&all).map_err(|failure| format!("{failure:?}"))?.command;
        assert_eq!(serve.config.as_deref(), Some(file.path()));
        Ok(serve)
    }

    const FILE: &str = "[server]\nport = 8\nshared-dir = true\nauth = [\"a\", \"b\"]\ndata = [\"x\", \"y=z\"]\n\
        memory = \"2G\"\n";

    #[test]
    fn options_come_from_the_file() {
        let serve = parsed(FILE, &[]).unwrap();
        assert_eq!((serve.port, serve.shared_dir), (8, true));
        assert_eq!(
            (serve.auth, serve.paths),
            (vec!["a".into(), "b".into()], vec!["x".into(), "y=z".into()])
        );
        assert_eq!(serve.memory.as_deref(), Some("2G"));
    }

    #[test]
    fn the_command_line_is_stronger() {
        let serve = parsed(FILE, &["--port", "9", "--auth", "c", "other"]).unwrap();
        assert_eq!((serve.port, serve.auth), (9, vec!["c".to_owned()]));
        assert_eq!(serve.paths, ["other"]);
        assert!(serve.shared_dir);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("[server]\nprot = 8", "no option `prot`"),
            ("[server]\nport = \"many\"", "invalid value 'many'"),
            ("[server]\nport = true", "another type"),
            ("[server]\nshared-dir = \"yes\"", "another type"),
            ("[server]\nauth = [[1]]", "a list of them"),
            ("[server]\nconfig = \"a\"", "no option `config`"),
            ("[sever]\nport = 8", "unknown field `sever`"),
            ("port 8", "TOML parse error"),
        ] {
            let failure = parsed(text, &[]).unwrap_err();
            assert!(failure.contains(said) && failure.contains("cannot use"), "{text}: {failure}");
        }
    }
}
