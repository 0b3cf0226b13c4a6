//! `eolith run`: a process graph to files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use eolith_engine::events::{Cancel, Entry, Event, Level, Listener};
use eolith_engine::ledger;
use eolith_engine::session::{Report, Settings, Target as Destination, json_text};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::data::{Data, Graph, Limits};
use crate::failure::{Failure, print, say};
use crate::target::Target;
use crate::usage::{self, Usage};

/// What `--json` prints.
const FIGURES: &str = "\
Figures of `--json`; times are wall seconds unless said otherwise:
  wall_s         from the start of the process
  start_s        of that, before the command line was read (to a hundredth)
  request_s      the rest without the checksum: reading the graph until results are complete and written
  open_s         waiting for the catalogue: finding and opening the data, reading metadata
  plan_s         checking and planning
  compute_s      plan_s, then reading, decoding and computing until the results are complete
  write_s        encoding and writing files
  checksum_s     the checksum of the results
  cpu_s          user and system time of all threads
  bytes_read     bytes fetched for pixels, as stored
  bytes_decoded  bytes of pixels decoded from them
  tasks          tasks of the plan
  resumed        with --keep: tasks that earlier attempts had finished
  recomputed     with --keep: tasks begun again that an attempt had not finished, in all attempts
  attempts       with --keep: attempts at the run, this one counted
  peak_rss_mb    largest resident size, in 10^6 bytes
  memory_mb      the memory limit, in 10^6 bytes
  threads        threads that compute
  checksum       of the values of all results, the same for any format, limit and number of threads
  outputs        files written
cpu_s and peak_rss_mb are given where the operating system tells them.";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = FIGURES)]
pub(crate) struct Args {
    #[command(flatten)]
    graph: Graph,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    target: Target,
    /// File to write; without it results go into the working directory, named after their nodes.
    #[arg(short, long, value_name = "OUT", conflicts_with = "discard")]
    output: Option<PathBuf>,
    /// Compute everything and write nothing.
    #[arg(long)]
    discard: bool,
    /// Keep what is done in this folder until the run has succeeded, so that the same command takes a killed run up again.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print figures of the run as one JSON object in the last line of stdout (see below).
    #[arg(long)]
    json: bool,
    /// Least severe entries of the log that are written to stderr: error, warning, info or debug.
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    log_level: Level,
    #[command(flatten)]
    limits: Limits,
}

pub(crate) async fn run(args: Args, started: Instant) -> Result<(), Failure> {
    let parsed = Instant::now();
    let mut session = args.data.session(&args.limits, None)?.logging(args.log_level);
    if let Some(folder) = &args.keep {
        session = session.kept_in(folder.clone());
    }
    let session = args.target.on(session);
    let process = args.graph.process()?;
    let destination = match (&args.output, args.discard) {
        (Some(path), _) => Destination::File(path.clone()),
        (None, true) => Destination::Discard,
        (None, false) => Destination::CubeFolder(PathBuf::from(".")),
    };
    let bar = ProgressBar::hidden();
    let listener = progress(&bar);
    let cancel = Cancel::default();
    let stop = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let outcome = session.run(&process, &destination, &listener, &cancel).await;
    bar.finish_and_clear();
    let report = outcome?;
    if let Some(folder) = &args.keep
        && let Err(error) = ledger::discard(folder)
    {
        say(&format!("warning: {error}"));
    }
    let usage = usage::now(started);
    let spent = parsed.elapsed();
    let spans = Spans {
        start: usage.wall.saturating_sub(spent),
        request: spent.saturating_sub(report.times.checksum),
    };
    if let Some(value) = &report.value
        && args.output.is_none()
    {
        print(&format!("{}\n", json_text(value)))?;
    }
    summary(&report, &usage);
    if !args.json {
        return Ok(());
    }
    print(&format!("{}\n", figures(&report, &usage, &spans, session.settings())))
}

/// Times that only the command knows.
struct Spans {
    start: Duration,
    request: Duration,
}

/// A bar on stderr once there are tasks; nothing where stderr is no terminal.
fn progress(bar: &ProgressBar) -> Listener {
    let bar = bar.clone();
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} tasks {msg} {eta}");
    Arc::new(move |event| match event {
        Event::Planned { tasks } => {
            bar.set_length(tasks as u64);
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            if let Ok(style) = &style {
                bar.set_style(style.clone());
            }
        }
        Event::Task { done, bytes_read, .. } => {
            bar.set_position(done as u64);
            bar.set_message(format!("{} read", indicatif::BinaryBytes(bytes_read)));
        }
        Event::Writing { path } => bar.set_message(format!("writing {path}")),
        Event::Reads(_) | Event::Completed(_) | Event::Spent(_) => {}
        Event::Note(note) => bar.suspend(|| say(&format!("note: {note}"))),
        Event::Log(entry) => bar.suspend(|| say(&line(&entry))),
    })
}

/// An entry of the log: level, label, message, node and value.
fn line(entry: &Entry) -> String {
    let Entry { level, code, message, data, path } = entry;
    let separator = if message.is_empty() { "" } else { " " };
    format!("{} [{code}] {message}{separator}({path}): {data}", level.name())
}

fn summary(report: &Report, usage: &Usage) {
    for file in &report.outputs {
        say(&format!("{} ({})", file.path.display(), file.media_type));
    }
    let memory = usage
        .peak_rss
        .map_or_else(String::new, |bytes| format!(", peak {}", indicatif::BinaryBytes(bytes)));
    say(&format!(
        "{} tasks, {} read, {:.2} s{memory}",
        report.tasks,
        indicatif::BinaryBytes(report.bytes_read),
        usage.wall.as_secs_f64()
    ));
    if report.attempts > 1 {
        let Report { resumed, recomputed, attempts, .. } = report;
        say(&format!("attempt {attempts}: {resumed} tasks taken over, {recomputed} begun again"));
    }
}

fn figures(
    report: &Report,
    usage: &Usage,
    spans: &Spans,
    settings: &Settings,
) -> serde_json::Value {
    let outputs: Vec<String> =
        report.outputs.iter().map(|file| file.path.display().to_string()).collect();
    let times = &report.times;
    let mut figures = json!({
        "wall_s": usage.wall.as_secs_f64(),
        "start_s": spans.start.as_secs_f64(),
        "request_s": spans.request.as_secs_f64(),
        "open_s": times.open.as_secs_f64(),
        "plan_s": times.plan.as_secs_f64(),
        "compute_s": (times.plan + times.run).as_secs_f64(),
        "write_s": times.write.as_secs_f64(),
        "checksum_s": times.checksum.as_secs_f64(),
        "memory_mb": settings.memory as f64 / 1e6,
        "threads": settings.threads.get(),
    });
    let map = figures.as_object_mut().expect("invariant: made as an object");
    if let Some(cpu) = usage.cpu {
        map.insert("cpu_s".to_owned(), cpu.as_secs_f64().into());
    }
    map.insert("bytes_read".to_owned(), report.bytes_read.into());
    map.insert("bytes_decoded".to_owned(), report.bytes_decoded.into());
    map.insert("tasks".to_owned(), report.tasks.into());
    if report.attempts > 0 {
        map.insert("resumed".to_owned(), report.resumed.into());
        map.insert("recomputed".to_owned(), report.recomputed.into());
        map.insert("attempts".to_owned(), report.attempts.into());
    }
    if let Some(bytes) = usage.peak_rss {
        map.insert("peak_rss_mb".to_owned(), (bytes as f64 / 1e6).into());
    }
    map.insert("checksum".to_owned(), format!("{:016x}", report.checksum).into());
    map.insert("outputs".to_owned(), outputs.into());
    figures
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| "levels are error, warning, info and debug".to_owned())
}
