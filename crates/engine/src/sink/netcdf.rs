//! NetCDF-4 after the CF conventions, as xarray, rioxarray and GDAL read it.
//!
//! With a bands dimension every band is a variable of its own; without one there is a single variable `var`. The
//! order of dimensions is always time, others, y, x. The reference system is in a variable `crs` of its own. What is
//! said of all of them is in [`super::cf`].
//!
//! Chunks are stored as they are, unless deflating them is asked for. Then they are read, sorted by significance and
//! deflated side by side and written as they come; what says where they are follows at the end ([`file`]). As they
//! are, their places are known before, and a result that is not computed first goes there box by box ([`direct`]).
//! Memory is bounded by the chunks under way. Nothing here depends on the clock, so that equal results are equal
//! files.

mod checksum;
mod direct;
mod file;
mod hdf5;
mod values;

use std::io;
use std::path::Path;

use eolith_cube::{DType, Number, Schema};

use self::file::{NcFile, Storage, Variable};
use self::hdf5::Chunk;
use crate::sink::cf::{self, Attributes, Axis, Coordinate, Dialect, Layout, Mapping, Pieces};
use crate::sink::file::{self as disk, Staged};
use crate::sink::format::{FormatDescription, ParameterDescription};
use crate::sink::nodata::{Guess, NullCoding, Seen};
use crate::sink::{Options, OutputFile, ResultView, SinkError, pipeline};

pub use self::direct::intake;

/// The entry of `GET /file_formats`.
pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: NAME,
    title: "NetCDF-4",
    description: "One file after the CF conventions: a variable for each band (`var` where there are no bands), \
                  coordinates for all dimensions, and the reference system in the variable `crs`.",
    media_type: "application/x-netcdf",
    extension: "nc",
    gis_data_types: &["raster"],
    parameters: &[
        ParameterDescription {
            name: COMPRESSION,
            description: "Deflate level: 0 stores the values as they are, which every program reads fastest; 1 halves \
                          most files at little cost; 9 takes the least space.",
            schema_json: r#"{"type":"integer","minimum":0,"maximum":9}"#,
            default_json: Some("0"),
        },
        ParameterDescription {
            name: CHUNKS,
            description: "Sizes of chunks by dimension, like {\"t\": 36, \"y\": 128, \"x\": 128}; dimensions that \
                          are not named share about 1 MB.",
            schema_json: r#"{"type":"object","additionalProperties":{"type":"integer","minimum":1}}"#,
            default_json: None,
        },
    ],
};

const NAME: &str = "netCDF";
const COMPRESSION: &str = "compression";
const CHUNKS: &str = "chunks";
const DIALECT: Dialect = Dialect { format: NAME, unnamed: "var", mapping: "crs", sorted: true };

/// Bytes of a chunk before compression, about.
const CHUNK: usize = 1 << 20;

/// HDF5's limit for a chunk, in bytes.
const LARGEST: u64 = u32::MAX as u64;

/// Writes `result` to `path`, first beside it under another name.
///
/// `budget` is in bytes. The notes of the file name the value that stands for no-data in each band and every
/// name that had to be changed.
///
/// # Errors
/// [`SinkError::Memory`] before anything is read, [`SinkError::Unsuitable`] for results without pixels or with
/// labels that NetCDF cannot hold, [`SinkError::Option`], and what reading and writing bring.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let mut plan = Plan::new(result.schema(), options)?;
    plan.layout.comment = result.remark().map(str::to_owned);
    let ahead = plan.ahead(budget, rayon::current_num_threads())?;
    let mut staged = None;
    if let Some(guesses) = plan.layout.guesses(values::stored) {
        let fill =
            |guess: &Guess| Fill { null: Some(guess.value), masked: false, guess: Some(*guess) };
        let fills: Vec<Fill> = guesses.iter().map(fill).collect();
        staged = plan.attempt(result, (path, ahead), &fills, |seen| {
            guesses.iter().zip(seen).map(|(guess, seen)| guess.decide(*seen)).collect()
        })?;
    }
    if staged.is_none() {
        let codings = plan.layout.scan(result, &plan.pieces, values::stored)?;
        let fill = |c: &NullCoding| Fill { null: c.value, masked: c.masked(), guess: None };
        let fills: Vec<Fill> = codings.iter().map(fill).collect();
        staged = plan.attempt(result, (path, ahead), &fills, |_| Some(codings))?;
    }
    staged.map_or(Ok(()), Staged::publish)?;
    let notes = plan.layout.notes;
    Ok(vec![OutputFile {
        path: path.to_owned(),
        media_type: DESCRIPTION.media_type,
        notes,
        image: None,
    }])
}

/// The box in which a result is read; `None` for results that cannot be written.
pub fn brick(schema: &Schema, options: &Options) -> Option<Vec<usize>> {
    let plan = Plan::new(schema, options).ok()?;
    Some(plan.layout.brick(&plan.pieces))
}

/// Bytes that writing takes, of at most `limit`: with less there are fewer chunks under way.
///
/// # Errors
/// The result cannot be written, or not in so little memory.
pub fn working_memory(
    schema: &Schema,
    options: &Options,
    threads: usize,
    limit: u64,
) -> Result<u64, SinkError> {
    let plan = Plan::new(schema, options)?;
    Ok(plan.memory(plan.ahead(limit, threads)?))
}

/// Everything that is known before a pixel is.
struct Plan {
    layout: Layout,
    pieces: Pieces,
    /// Deflate level, 0 = none.
    level: u32,
    /// Bytes of a pixel of the result.
    pixel: u64,
}

/// What is written where a pixel of a band is invalid.
struct Fill {
    null: Option<Number>,
    /// No value is free: a mask is written too.
    masked: bool,
    /// Whether the value occurs is looked at on the way.
    guess: Option<Guess>,
}

/// What the pixels of a file left behind.
struct Written {
    /// Of every band.
    values: Vec<Vec<Chunk>>,
    masks: Vec<Vec<Chunk>>,
    seen: Vec<Seen>,
}

/// The encoded chunks of a piece.
struct Encoded {
    chunk: usize,
    band: usize,
    values: Vec<u8>,
    mask: Option<Vec<u8>>,
    seen: Seen,
}

impl Plan {
    fn new(schema: &Schema, options: &Options) -> Result<Plan, SinkError> {
        let level = compression(options)?;
        let mut layout = Layout::of(schema, &DIALECT)?;
        layout.notes.extend(layout.mapping.as_ref().and_then(unit_note));
        let room = CHUNK / layout.widest();
        let (shape, edges) = (layout.shape(), layout.horizontal());
        let chunk = match cf::sizes(options, NAME, CHUNKS, &layout)? {
            Some(given) => cf::with_sizes(&given, &shape, &edges, room),
            None => cf::chunk(&shape, &edges, room),
        };
        let pieces = Pieces::new(&layout, chunk);
        let pixels = pieces.grid.chunk.iter().fold(1, |n: u64, &c| n.saturating_mul(c as u64));
        if pixels.saturating_mul(layout.widest() as u64) > LARGEST {
            let reason = "a chunk has at most 4 GB".to_owned();
            return Err(disk::refuse(NAME, CHUNKS, reason));
        }
        Ok(Plan { layout, pieces, level, pixel: schema.dtype().size() as u64 + 1 })
    }

    /// Pieces that may be under way: as many as keep all threads busy and fit.
    fn ahead(&self, budget: u64, threads: usize) -> Result<usize, SinkError> {
        let needed = self.memory(1);
        if needed > budget {
            return Err(SinkError::Memory { format: NAME, needed, allowed: budget });
        }
        let most = pipeline::ahead(threads);
        Ok((1..=most).rev().find(|&ahead| self.memory(ahead) <= budget).unwrap_or(1))
    }

    /// Bytes with so many pieces under way: each as read, turned, as the type of its band, by significance and
    /// deflated; and the labels and addresses that wait for the end, twice.
    fn memory(&self, ahead: usize) -> u64 {
        let widest = self.layout.widest() as u64 + 1;
        let piece = self.pieces.pixels().saturating_mul(2 * self.pixel + 3 * widest);
        let labels: u64 = self.layout.shape().iter().map(|&n| n as u64 * 64).sum();
        let dims = self.layout.dims.len() as u64;
        let chunks = (self.pieces.grid.len() * self.layout.outputs.len()) as u64;
        let index = chunks.saturating_mul(2 * (48 + 16 * dims));
        piece.saturating_mul(ahead as u64).saturating_add(labels + index + (1 << 20))
    }

    /// Writes a file beside `path`; `None` where `decide` does not agree with what it was written with.
    fn attempt(
        &mut self,
        result: &dyn ResultView,
        place: (&Path, usize),
        fills: &[Fill],
        decide: impl FnOnce(&[Seen]) -> Option<Vec<NullCoding>>,
    ) -> Result<Option<Staged>, SinkError> {
        let (path, ahead) = place;
        let mut agreed = false;
        let staged = disk::stage(path, |out| {
            let mut file = NcFile::new(out).map_err(|e| disk::error_at(path, &e))?;
            let written = self.pixels(result, &mut file, fills, ahead, path)?;
            let codings = decide(&written.seen);
            agreed = codings.is_some();
            let finish = |codings: Vec<_>| self.finish(file, &codings, written);
            codings.map_or(Ok(()), finish).map_err(|e| refused(e, path))
        })?;
        Ok(agreed.then_some(staged))
    }

    /// Writes the chunks of all bands.
    fn pixels<W: io::Write + io::Seek + Send>(
        &self,
        result: &dyn ResultView,
        file: &mut NcFile<W>,
        fills: &[Fill],
        ahead: usize,
        path: &Path,
    ) -> Result<Written, SinkError> {
        let failed = |error: io::Error| disk::error_at(path, &error);
        let (bands, grid) = (self.layout.outputs.len(), &self.pieces.grid);
        let mut written = Written {
            values: vec![Vec::new(); bands],
            masks: vec![Vec::new(); bands],
            seen: vec![Seen::default(); bands],
        };
        let work = |n: usize| {
            let (chunk, bands) = self.pieces.piece(n);
            let mut pieces = Vec::with_capacity(bands.len());
            self.layout.read(result, &grid.region(chunk), bands, |band, part| {
                let Fill { null, masked, guess } = &fills[band];
                let seen = guess.map(|guess| guess.look(&part)).unwrap_or_default();
                let encode = |part, null| {
                    values::encode(part, &grid.chunk, null, self.level).map_err(failed)
                };
                let mask = masked.then(|| encode(values::validity(&part), None)).transpose()?;
                let values = encode(part, *null)?;
                pieces.push(Encoded { chunk, band, values, mask, seen });
                Ok(())
            })?;
            Ok(pieces)
        };
        pipeline::run(0..self.pieces.len(), ahead, work, |pieces, _| {
            for Encoded { chunk, band, values, mask, seen } in pieces {
                written.seen[band] = written.seen[band].and(seen);
                let start: Vec<usize> = grid.region(chunk).0.iter().map(|r| r.start).collect();
                let size = values.len() as u32;
                let address = file.append(&values).map_err(failed)?;
                written.values[band].push(Chunk { start: start.clone(), address, size });
                if let Some(mask) = mask {
                    let (size, address) = (mask.len() as u32, file.append(&mask).map_err(failed)?);
                    written.masks[band].push(Chunk { start, address, size });
                }
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// Writes everything but the pixels. Adds notes on no-data to those of the layout.
    fn finish<W: io::Write + io::Seek>(
        &mut self,
        mut file: NcFile<W>,
        codings: &[NullCoding],
        written: Written,
    ) -> io::Result<()> {
        let layout = &mut self.layout;
        let mut variables = Vec::new();
        for (n, axis) in layout.dims.iter().enumerate() {
            variables.push(coordinate(&mut file, axis, n)?);
        }
        // rioxarray looks for a code at the data variables, unless it is told to decode grid mappings.
        let mut code = None;
        if let Some(mapping) = &layout.mapping {
            let address = file.append(&[0; 4])?;
            code = mapping.code().map(|code| file::text_attribute("crs", &code));
            variables.push(Variable {
                name: mapping.name.clone(),
                kind: hdf5::number(DType::I32),
                dims: Vec::new(),
                shape: Vec::new(),
                storage: Storage::Contiguous { address, size: 4 },
                fill: None,
                attributes: file::attributes(mapping.attributes()),
                scale: None,
            });
        }
        let dims: Vec<usize> = (0..layout.dims.len()).collect();
        let shape: Vec<u64> = layout.shape().iter().map(|&n| n as u64).collect();
        let (chunk, level) = (&self.pieces.grid.chunk, self.level);
        let pixels = |name: String, dtype: DType, chunks: Vec<Chunk>, attributes: Attributes| {
            let size = dtype.size();
            let mut about: Vec<_> = code.clone().into_iter().collect();
            about.extend(file::attributes(attributes));
            let storage = match chunks.first() {
                // A scalar has no chunks.
                Some(only) if shape.is_empty() => {
                    Storage::Contiguous { address: only.address, size: size as u64 }
                }
                _ => Storage::Chunked { chunks, chunk: chunk.clone(), size, level },
            };
            let kind = hdf5::number(dtype);
            let (dims, shape) = (dims.clone(), shape.clone());
            Variable {
                name,
                kind,
                dims,
                shape,
                storage,
                fill: None,
                attributes: about,
                scale: None,
            }
        };
        let chunks = written.values.into_iter().zip(written.masks);
        for (band, ((values, masks), coding)) in chunks.zip(codings).enumerate() {
            let described = layout.describe(band, coding);
            let cf::Output { name, variable: about, .. } = &layout.outputs[band];
            let dtype = values::stored(about.dtype);
            let mut variable = pixels(name.clone(), dtype, values, described.attributes);
            if let Some(value) = coding.value {
                let bytes = values::number_bytes(dtype, value);
                variable.attributes.push(file::attribute("_FillValue", dtype, &bytes));
                variable.fill = Some(bytes);
            }
            if about.dtype == DType::Bool {
                variable.attributes.extend(flags("false true"));
            }
            variables.push(variable);
            if let Some(mask) = described.mask {
                let mut variable = pixels(mask.name, DType::U8, masks, mask.attributes);
                variable.attributes.extend(flags("no_data valid"));
                variables.push(variable);
            }
        }
        let mut attributes = vec![file::text_attribute("Conventions", cf::CONVENTIONS)];
        let comment = layout.comment.as_deref();
        attributes.extend(comment.map(|text| file::text_attribute("comment", text)));
        file.finish(&variables, attributes)
    }
}

/// The coordinate variable of a dimension.
fn coordinate<W: io::Write + io::Seek>(
    file: &mut NcFile<W>,
    axis: &Axis,
    n: usize,
) -> io::Result<Variable> {
    let mut numbers = |bytes: Vec<u8>| -> io::Result<Storage> {
        Ok(Storage::Contiguous { address: file.append(&bytes)?, size: bytes.len() as u64 })
    };
    let (kind, storage) = match &axis.coordinate {
        Coordinate::Floats(values) => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (hdf5::number(DType::F64), numbers(bytes)?)
        }
        Coordinate::Ints(values) | Coordinate::Times { values, .. } => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (hdf5::number(DType::I64), numbers(bytes)?)
        }
        Coordinate::Texts(texts) => (hdf5::texts(), file.texts(texts)?),
    };
    Ok(Variable {
        name: axis.name.clone(),
        kind,
        dims: vec![n],
        shape: vec![axis.coordinate.len() as u64],
        storage,
        fill: None,
        attributes: file::attributes(axis.attributes()),
        scale: Some(n as i32),
    })
}

/// Says what 0 and 1 mean.
fn flags(meanings: &str) -> [(u8, Vec<u8>); 2] {
    let values = file::attribute("flag_values", DType::U8, &[0, 1]);
    [values, file::text_attribute("flag_meanings", meanings)]
}

fn compression(options: &Options) -> Result<u32, SinkError> {
    disk::check(options, &DESCRIPTION)?;
    let given = options.get(COMPRESSION).filter(|value| !value.is_null());
    let Some(value) = given else { return Ok(0) };
    let level = value.as_u64().and_then(|level| u32::try_from(level).ok());
    let reason =
        || disk::refuse(NAME, COMPRESSION, format!("{value} is not a whole number from 0 to 9"));
    level.filter(|level| *level <= 9).ok_or_else(reason)
}

/// What the format cannot hold is no failure of the disk.
fn refused(error: io::Error, path: &Path) -> SinkError {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            SinkError::Unsuitable { format: NAME, reason: error.to_string() }
        }
        _ => disk::error_at(path, &error),
    }
}

fn unit_note(mapping: &Mapping) -> Option<String> {
    mapping.crs.unit_metres().filter(|metres| *metres != 1.0)?;
    let unit = mapping.crs.unit_name();
    Some(format!(
        "coordinates are in the unit {unit}: GDAL 3.10 places such NetCDF files wrongly, xarray does not"
    ))
}

#[cfg(test)]
mod tests;
