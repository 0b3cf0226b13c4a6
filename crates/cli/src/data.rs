//! What several commands are given: data, a process graph, limits.

use std::io::Read;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use eolith_engine::catalog::{Catalog, Entry};
use eolith_engine::session::{Session, Settings, processes};
use eolith_engine::workspace::Folder;
use eolith_graph::{Process, substitute};
use eolith_server::size::parse as size;

use crate::failure::Failure;

/// `[ID=]PATH…`
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Folders, files, catalogues or URLs; `ID=` names the collection of a single data set; `PATH@NAME` is a branch, tag
    /// or snapshot of an Icechunk repository.
    #[arg(value_name = "[ID=]PATH")]
    paths: Vec<String>,
    /// Folder that process graphs name parts of: files (`files/`), results of earlier jobs (`results/ID/`), workspaces to
    /// export to (`workspaces/NAME/`, to be made before) and collections of exported results (`collections/ID/`).
    #[arg(long, value_name = "DIR", env = "EOLITH_WORKSPACE")]
    workspace: Option<PathBuf>,
}

/// A process graph and its parameters.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// File with a process graph (JSON); `-` is stdin.
    #[arg(value_name = "GRAPH.json")]
    graph: PathBuf,
    /// Value of a parameter of the process; JSON, or a text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
}

/// Limits of a run.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Memory for tasks and results, like 512M or 4G.
    #[arg(long, value_name = "SIZE", env = "EOLITH_MEMORY", default_value = "1G", value_parser = size)]
    memory: u64,
    /// Threads that compute; all cores if not given.
    #[arg(long, value_name = "N", env = "EOLITH_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Folder for values that do not fit into memory.
    #[arg(long, value_name = "DIR", env = "EOLITH_SCRATCH")]
    scratch: Option<PathBuf>,
    /// Most bytes of values in that folder at a time, like 20G; what its file system has left if not given.
    #[arg(long, value_name = "SIZE", env = "EOLITH_SCRATCH_LIMIT", value_parser = size)]
    scratch_limit: Option<u64>,
    /// Python that runs UDFs, with numpy and xarray; `python3` if not given.
    #[arg(long, value_name = "PATH", env = "EOLITH_UDF_PYTHON")]
    udf_python: Option<PathBuf>,
    /// Memory that a UDF may take besides its interpreter, like 512M; an eighth of `--memory` if not given.
    #[arg(long, value_name = "SIZE", env = "EOLITH_UDF_MEMORY", value_parser = size)]
    udf_memory: Option<u64>,
    /// Most seconds that a UDF may take for one cell.
    #[arg(long, value_name = "SECONDS", env = "EOLITH_UDF_TIME", default_value = "60")]
    udf_time: NonZeroU64,
}

impl Data {
    /// A catalogue that scans in the background.
    pub(crate) fn catalog(&self, state: Option<PathBuf>) -> Arc<Catalog> {
        let entries = self.paths.iter().map(|text| Entry::parse(text)).collect();
        Arc::new(Catalog::open(entries, state))
    }

    /// Takes out the arguments that can be no data: not there, no address, no `ID=PATH`. They are ids.
    pub(crate) fn take_ids(&mut self) -> Vec<String> {
        let exists = |path: &str| std::path::Path::new(path).exists();
        let is_data = |text: &String| {
            // `REPOSITORY@VERSION` is no path.
            let mut repositories = text.match_indices('@').map(|(at, _)| &text[..at]);
            text.contains('=')
                || text.contains("://")
                || exists(text)
                || repositories.any(|path| !path.is_empty() && exists(path))
        };
        let (data, ids) = std::mem::take(&mut self.paths).into_iter().partition(is_data);
        self.paths = data;
        ids
    }

    /// A session over the data.
    pub(crate) fn session(
        &self,
        limits: &Limits,
        state: Option<PathBuf>,
    ) -> Result<Session, Failure> {
        Ok(self.with_workspace(Session::new(self.catalog(state), limits.settings())?))
    }
}

impl Data {
    /// A session that answers requests of others: addresses in their process graphs lead to public places and to the
    /// data only, unless `private`.
    pub(crate) fn served(
        &self,
        limits: &Limits,
        state: PathBuf,
        private: bool,
    ) -> Result<Session, Failure> {
        let entries = self.paths.iter().map(|text| Entry::parse(text)).collect();
        let catalog = Catalog::open(entries, Some(state)).for_requests(private);
        Ok(self.with_workspace(Session::new(Arc::new(catalog), limits.settings())?))
    }

    pub(crate) fn workspace(&self) -> Option<PathBuf> {
        self.workspace.clone()
    }

    fn with_workspace(&self, session: Session) -> Session {
        match &self.workspace {
            Some(folder) => session.with_workspace(Arc::new(Folder::new(folder))),
            None => session,
        }
    }
}

impl Limits {
    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            memory: self.memory,
            threads: self.threads.unwrap_or(defaults.threads),
            scratch: self.scratch.clone(),
            scratch_limit: self.scratch_limit,
            udf: eolith_engine::udf::Settings {
                python: self.udf_python.clone(),
                memory: self.udf_memory,
                time: Duration::from_secs(self.udf_time.get()),
            },
        }
    }
}

impl Graph {
    /// The process with its parameters filled in.
    pub(crate) fn process(&self) -> Result<Process, Failure> {
        let text = if self.graph.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        } else {
            std::fs::read_to_string(&self.graph).map_err(|e| {
                Failure::text(format!("cannot read `{}`: {e}", self.graph.display()))
            })?
        };
        let (process, issues) = eolith_graph::parse(&text);
        let Some(process) = process else { return Err(issues.into()) };
        let mut values = std::collections::BTreeMap::new();
        for param in &self.params {
            let (name, value) = param.split_once('=').ok_or_else(|| {
                Failure::text(format!("`--param {param}` is not of the form `name=value`"))
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            values.insert(name.to_owned(), value);
        }
        let (process, more) = substitute(process, &values, processes());
        let mut all = issues;
        all.extend(more);
        if all.is_empty() {
            return Ok(process);
        }
        all.extend(eolith_graph::check(&process, processes()));
        Err(all.into())
    }
}
