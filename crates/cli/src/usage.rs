//! What the process used of the machine, as the operating system counts it.
//!
//! Read from `/proc`; elsewhere the figures are not given rather than guessed.

use std::time::{Duration, Instant};

/// Figures of this process so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Since the start of the process where `/proc` tells it, else since the start of `main`.
    pub(crate) wall: Duration,
    /// User and system time of all threads.
    pub(crate) cpu: Option<Duration>,
    /// Largest resident size, bytes.
    pub(crate) peak_rss: Option<u64>,
}

/// Clock ticks a second in `/proc`: a constant of the Linux ABI.
const TICKS: f64 = 100.0;

pub(crate) fn now(main_started: Instant) -> Usage {
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    // The command in parentheses may contain spaces; fields are counted after it, from the third.
    let fields: Option<Vec<f64>> =
        stat.as_deref().and_then(|text| text.rsplit_once(") ")).map(|(_, rest)| {
            rest.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect()
        });
    let field = |number: usize| fields.as_ref().and_then(|f| f.get(number - 3)).copied();
    let seconds = |ticks: f64| Duration::try_from_secs_f64(ticks / TICKS).ok();
    let cpu = field(14).zip(field(15)).and_then(|(user, system)| seconds(user + system));
    let in_main = main_started.elapsed();
    // Start time in ticks since boot is exact to a hundredth of a second; `main` cannot have started earlier.
    let uptime = std::fs::read_to_string("/proc/uptime").ok();
    let up: Option<f64> = uptime.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let since_start = up
        .zip(field(22))
        .and_then(|(up, start)| Duration::try_from_secs_f64(up - start / TICKS).ok());
    Usage { wall: since_start.map_or(in_main, |wall| wall.max(in_main)), cpu, peak_rss: peak_rss() }
}

fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
