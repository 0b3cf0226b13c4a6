//! Keeps `docs/configuration.md` complete: its table of options is made of their definitions, and what else the file may
//! have stands in it.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, CommandFactory};

use super::File;
use super::layers::name;
use crate::Cli;

/// What the table stands between.
const MARKS: [&str; 2] = ["<!-- made by `cargo xtask page` -->\n", "<!-- end -->\n"];

#[test]
fn the_page_has_all_options() {
    let path = path();
    let page = std::fs::read_to_string(&path).unwrap();
    let [start, end] = MARKS.map(|mark| page.find(mark).unwrap());
    let start = start + MARKS[0].len();
    let made = table();
    if std::env::var_os("EOLITH_WRITE_PAGE").is_some() {
        std::fs::write(path, [&page[..start], &made, &page[end..]].concat()).unwrap();
    } else {
        assert_eq!(&page[start..end], made, "`cargo xtask page` writes it anew");
    }
}

#[test]
fn the_page_has_all_tables_of_the_file() {
    let page = std::fs::read_to_string(path()).unwrap();
    let mut tables = vec![
        String::new(),
        "[[providers]]".into(),
        "[[providers]]\n[[providers.default_clients]]".into(),
    ];
    tables.extend(
        keys("")
            .iter()
            .filter(|key| *key != "server" && *key != "providers")
            .map(|key| format!("[{key}]")),
    );
    for table in tables {
        for key in keys(&table) {
            let shown = if table.is_empty() { format!("[{key}]") } else { format!("`{key}`") };
            assert!(page.contains(&shown), "{shown} of `{table}` is not in docs/configuration.md");
        }
    }
    // The example is one.
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    toml::from_str::<File>(example).unwrap();
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

/// A row for each option.
fn table() -> String {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let mut rows =
        "| `[server]` | command line | environment | default | meaning |\n|---|---|---|---|---|\n"
            .to_owned();
    for arg in serve.get_arguments() {
        if let Some(key) = name(arg) {
            let line = match arg.get_long() {
                Some(long) if takes_value(arg) => format!("`--{long} {}`", value_name(arg)),
                Some(long) => format!("`--{long}`"),
                None => format!("`{}…`", value_name(arg)),
            };
            let environment = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
            let defaults: Vec<_> =
                arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            let default = if defaults.is_empty() || !takes_value(arg) {
                String::new()
            } else {
                format!("`{}`", defaults.join(","))
            };
            let help =
                arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
            rows += &format!(
                "| `{key}` | {line} | {} | {default} | {help} |\n",
                environment.unwrap_or_default()
            );
        }
    }
    rows
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.first().map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string)
}

/// What a table may have, from the complaint about a key that it has not.
fn keys(table: &str) -> Vec<String> {
    let text = format!("{table}\nno-such-key = 1\n");
    let error = toml::from_str::<File>(&text).unwrap_err().message().to_owned();
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{table}: {error}"));
    let keys: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "{error}");
    keys
}
