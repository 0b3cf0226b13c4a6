//! Pixels that go to their places in the file as they are computed.
//!
//! Chunks that are stored as they are have places that follow from their number. They are those of [`super::write`],
//! so that a file does not show on which way it was made; only what is beyond the edge of the array stays zero here.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use eolith_cube::{Block, Region, Schema};
use tempfile::NamedTempFile;

use super::file::NcFile;
use super::hdf5::{self, Chunk};
use super::{DESCRIPTION, Plan, Written, refused, values};
use crate::place;
use crate::sink::file::{self as disk, Staged};
use crate::sink::nodata::{self, Guess, Seen};
use crate::sink::{Boxes, Intake, Options, OutputFile, SinkError, codec};

/// A file at `path` that takes boxes in any order; `None` where places of chunks or what stands for no-data depend on
/// the pixels.
///
/// # Errors
/// What cannot be written, and a folder without room for it.
pub fn intake(
    schema: &Schema,
    options: &Options,
    path: &Path,
) -> Result<Option<Box<dyn Intake>>, SinkError> {
    let plan = Plan::new(schema, options)?;
    let guesses = plan.layout.guesses(values::stored);
    let Some(guesses) = guesses.filter(|_| plan.level == 0 && !plan.layout.dims.is_empty()) else {
        return Ok(None);
    };
    let pixels: u64 = plan.pieces.grid.chunk.iter().map(|&n| n as u64).product();
    let (mut starts, mut stride) = (Vec::new(), 0);
    for output in &plan.layout.outputs {
        starts.push(stride);
        stride += pixels * values::stored(output.variable.dtype).size() as u64;
    }
    let direct = Direct {
        seen: Mutex::new(vec![Seen::default(); guesses.len()]),
        guesses,
        starts,
        stride,
        file: disk::begin(path)?,
        target: path.to_owned(),
        plan,
    };
    let made = place::make_room(direct.file.as_file(), direct.end());
    made.map_err(|error| disk::error_at(path, &error))?;
    Ok(Some(Box::new(direct)))
}

struct Direct {
    plan: Plan,
    guesses: Vec<Guess>,
    seen: Mutex<Vec<Seen>>,
    /// Where each band starts in the bytes of a chunk number.
    starts: Vec<u64>,
    /// Bytes of a chunk of all bands.
    stride: u64,
    file: NamedTempFile,
    target: PathBuf,
}

impl Direct {
    /// The address of a chunk of a band.
    fn address(&self, chunk: usize, band: usize) -> u64 {
        hdf5::SUPERBLOCK as u64 + chunk as u64 * self.stride + self.starts[band]
    }

    fn end(&self) -> u64 {
        self.address(self.plan.pieces.grid.len(), 0)
    }

    /// Writes a box of a band, in the dimensions of the file, to the chunks it touches.
    fn write(&self, band: usize, region: &Region, part: Block) -> io::Result<()> {
        let grid = &self.plan.pieces.grid;
        let counts = grid.counts();
        for position in grid.touching(region) {
            let chunk = grid.region_at(&position);
            let Some(own) = chunk.intersect(region) else { continue };
            let cut;
            let block = if own == *region {
                &part
            } else {
                cut = part.slice(&own.relative_to(region));
                &cut
            };
            let number = position.iter().zip(&counts).fold(0, |n, (at, count)| n * count + at);
            let (address, size) = (self.address(number, band), block.dtype().size());
            let bytes = codec::borrowed_bytes(&block.values);
            for (offset, at, run) in place::runs(&grid.chunk, &own.relative_to(&chunk)) {
                let bytes = &bytes[at * size..(at + run) * size];
                place::write(self.file.as_file(), bytes, address + (offset * size) as u64)?;
            }
        }
        part.recycle();
        Ok(())
    }
}

impl Boxes for Direct {
    fn put(&self, region: &Region, block: Block) -> io::Result<()> {
        let (bands, region) = self.plan.layout.place(region);
        self.plan.layout.split(block, bands, |band, part| {
            let guess = &self.guesses[band];
            let looked = guess.look(&part);
            let seen = &mut self.seen.lock().unwrap_or_else(PoisonError::into_inner)[band];
            *seen = seen.and(looked);
            let (shape, dtype) = (part.shape.clone(), part.dtype());
            let filled = Block::new(shape, nodata::fill(part, dtype, Some(guess.value)));
            // Not a failure of the scratch folder.
            let failed = |error| io::Error::other(disk::error_at(&self.target, &error).to_string());
            self.write(band, &region, filled).map_err(failed)
        })
    }
}

impl Intake for Direct {
    fn finish(self: Box<Self>) -> Result<Option<Vec<OutputFile>>, SinkError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let decided =
            self.guesses.iter().zip(&seen).map(|(guess, seen)| guess.decide_written(*seen));
        let Some(codings) = decided.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let grid = &self.plan.pieces.grid;
        let chunk = |n: usize, band: usize| Chunk {
            start: grid.region(n).0.iter().map(|range| range.start).collect(),
            address: self.address(n, band),
            // A plan has no chunk of 4 GB.
            size: (self.starts.get(band + 1).unwrap_or(&self.stride) - self.starts[band]) as u32,
        };
        let of_band = |band| (0..grid.len()).map(|n| chunk(n, band)).collect();
        let values = (0..self.guesses.len()).map(of_band).collect();
        let masks = vec![Vec::new(); self.guesses.len()];
        let (written, end) = (Written { values, masks, seen }, self.end());
        let Direct { mut plan, mut file, target, .. } = *self;
        let complete = || {
            let mut out = BufWriter::new(file.as_file_mut());
            plan.finish(NcFile::resume(&mut out, end)?, &codings, written)?;
            out.flush()
        };
        complete().map_err(|error| refused(error, &target))?;
        Staged::new(file, &target).publish()?;
        let notes = plan.layout.notes;
        Ok(Some(vec![OutputFile {
            path: target,
            media_type: DESCRIPTION.media_type,
            notes,
            image: None,
        }]))
    }
}
