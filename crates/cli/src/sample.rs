//! `eolith sample`: a generated cube to try things on.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use eolith_engine::sample::Sample;
use eolith_engine::sink::{Options, zarr};

use crate::failure::{Failure, say};

/// Bytes the writer may hold.
const MEMORY: u64 = 256 << 20;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Folder to write, a Zarr store; one that is there is replaced.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Number of dates, spread over a year.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=366))]
    dates: u16,
    /// Pixels along each side; a pixel is 10 m wide.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    size: u32,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let sample = Sample::new(args.dates.into(), args.size as usize)
        .map_err(|error| Failure::text(error.to_string()))?;
    let files = zarr::write(&sample, &Options::new(), MEMORY, &args.output)
        .map_err(|error| Failure::text(error.to_string()))?;
    for file in files {
        say(&format!("{} ({})", file.path.display(), file.media_type));
    }
    Ok(())
}
