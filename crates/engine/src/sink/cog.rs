//! Cloud-Optimised GeoTIFF.
//!
//! Tiles of all files are read, halved and compressed side by side, and spooled beside the target in their order,
//! one strip of tiles a level in memory; overviews come out of the same pass. A file is put together at the end,
//! header and directories first. Bands are interleaved. One value stands for no-data (see [`super::nodata`]); there
//! is no internal mask.

mod encode;
mod files;
mod geokeys;
mod layout;
mod pyramid;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eolith_cube::{DType, Number, Schema};

use self::encode::{Compression, TileEncoder};
use self::files::Files;
use self::pyramid::Resampling;
use super::format::{FormatDescription, ParameterDescription};
use super::nodata::{Guess, NullCoding};
use super::raster::{self, Raster};
use super::{Image, Options, OutputFile, ResultView, SinkError, file, pipeline};

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "GTiff",
    title: "Cloud-Optimised GeoTIFF",
    description: "GeoTIFF laid out for reading by ranges: tiles, overviews, directories first. Bands become \
                  samples of one common type. Every label of any other dimension gets its own file.",
    media_type: "image/tiff; application=geotiff; profile=cloud-optimized",
    extension: "tif",
    gis_data_types: &["raster"],
    parameters: &[
        ParameterDescription {
            name: "compression",
            description: "Lossless compression of the tiles.",
            schema_json: r#"{"type":"string","enum":["DEFLATE","ZSTD","LZW","NONE"]}"#,
            default_json: Some(r#""DEFLATE""#),
        },
        ParameterDescription {
            name: "tile_size",
            description: "Width and height of a tile in pixels.",
            schema_json: r#"{"type":"integer","minimum":64,"maximum":4096,"multipleOf":16}"#,
            default_json: Some("512"),
        },
        ParameterDescription {
            name: "predictor",
            description: "Whether differences of neighbours are compressed instead of the pixels.",
            schema_json: r#"{"type":"boolean"}"#,
            default_json: Some("true"),
        },
        ParameterDescription {
            name: "overviews",
            description: "Whether the file has smaller versions of the image, halved until a tile holds it.",
            schema_json: r#"{"type":"boolean"}"#,
            default_json: Some("true"),
        },
        ParameterDescription {
            name: "overview_resampling",
            description: "How overviews are made. By default the mean of four pixels for floats, and one of \
                          the four for integers, which may be classes.",
            schema_json: r#"{"type":"string","enum":["average","near","nearest"]}"#,
            default_json: None,
        },
    ],
};

const FORMAT: &str = DESCRIPTION.name;

/// What users of GDAL call some of the options.
const ALIASES: [(&str, &str); 2] = [("compress", "compression"), ("blocksize", "tile_size")];

/// Writes one file, or one per label of further dimensions beside `path`. `budget` bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let schema = result.schema();
    let plan = Plan::new(schema, options)?;
    let threads = rayon::current_num_threads();
    let files = Files {
        result,
        rasters: &plan.rasters,
        settings: plan.settings,
        georeference: &geokeys::tags(schema).map_err(unsuitable)?,
        dtype: plan.dtype,
        path,
        ahead: plan.ahead(budget, threads)?,
    };
    if let Some(guess) = Guess::new(schema.nodata(), plan.dtype) {
        let (staged, seen) = files.write(Some(guess.value), Some(&guess))?;
        if let Some(mut coding) = guess.decide(seen) {
            // The value is declared in any case: no pixel has it.
            coding.note = coding.note.filter(|_| coding.value.is_some());
            return publish(staged, &files, &coding);
        }
    }
    let coding = raster::scan(result, &plan.rasters, plan.settings.tile, plan.dtype)?;
    if coding.masked() {
        let note = coding.note.unwrap_or_default();
        return Err(unsuitable(format!("{note}; convert it to a wider type first")));
    }
    let (staged, _) = files.write(coding.value, None)?;
    publish(staged, &files, &coding)
}

/// Bytes that writing takes, of at most `limit`: with less there are fewer tiles under way.
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
    settings: Settings,
    rasters: Vec<Raster>,
    dtype: DType,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    compression: Compression,
    tile: usize,
    predictor: bool,
    overviews: bool,
    resampling: Resampling,
}

/// What a file says besides its pixels.
struct Header<'a> {
    georeference: &'a [layout::Tag],
    metadata: String,
    dtype: DType,
    null: Option<Number>,
}

impl Plan {
    fn new(schema: &Schema, options: &Options) -> Result<Plan, SinkError> {
        let dtype = if schema.dtype() == DType::Bool { DType::U8 } else { schema.dtype() };
        let settings = Settings::new(options, schema.dtype())?;
        let rasters = Raster::split(schema, FORMAT)?;
        let fits = |r: &&Raster| r.bands <= 0xffff && r.width.max(r.height) >> 31 == 0;
        if let Some(Raster { bands, height, width, .. }) = rasters.iter().find(|r| !fits(r)) {
            return Err(unsuitable(format!(
                "{bands} bands of {height} by {width} pixels are too many"
            )));
        }
        Ok(Plan { settings, rasters, dtype })
    }

    /// Tiles that may be under way: as many as keep all threads busy and fit.
    fn ahead(&self, budget: u64, threads: usize) -> Result<usize, SinkError> {
        let needed = self.memory(1);
        if needed > budget {
            return Err(SinkError::Memory { format: FORMAT, needed, allowed: budget });
        }
        let most = pipeline::ahead(threads);
        Ok((1..=most).rev().find(|&ahead| self.memory(ahead) <= budget).unwrap_or(1))
    }

    /// Bytes with so many tiles under way. Each is there as read, turned, in file order and compressed. Every file
    /// that is begun has a strip of tiles for each overview, and a copy of it while its tiles wait: together at most
    /// twice as wide as the image.
    fn memory(&self, ahead: usize) -> u64 {
        // All images of a cube are of one size.
        let Some(raster) = self.rasters.first() else { return 0 };
        let pixel = raster.bands as u64 * (self.dtype.size() as u64 + 1);
        let tile = self.settings.tile as u64;
        let overviews = self.settings.overviews && raster.width.max(raster.height) as u64 > tile;
        let tiles =
            raster.width.div_ceil(self.settings.tile) * raster.height.div_ceil(self.settings.tile);
        let begun = self.rasters.len().min(1 + ahead.div_ceil(tiles)) as u64;
        let strips =
            if overviews { tile * (2 * raster.width as u64 + 2 * tile) * pixel } else { 0 };
        (4 * ahead as u64 + 2) * tile * tile * pixel + begun * strips
    }
}

impl Settings {
    fn new(options: &Options, dtype: DType) -> Result<Settings, SinkError> {
        let options = &file::unaliased(options, FORMAT, &ALIASES)?;
        file::check(options, &DESCRIPTION)?;
        let codecs = ["DEFLATE", "ZSTD", "LZW", "NONE"];
        let compression = match file::choice(options, FORMAT, "compression", &codecs)? {
            None | Some("DEFLATE") => Compression::Deflate,
            Some("ZSTD") => Compression::Zstd,
            Some("LZW") => Compression::Lzw,
            Some(_) => Compression::None,
        };
        let tile = file::number(options, FORMAT, "tile_size")?.unwrap_or(512.0);
        if !(64.0..=4096.0).contains(&tile) || tile % 16.0 != 0.0 {
            let reason = format!("{tile} is not a multiple of 16 from 64 to 4096");
            return Err(file::refuse(FORMAT, "tile_size", reason));
        }
        let methods = ["average", "near", "nearest"];
        let resampling = match file::choice(options, FORMAT, "overview_resampling", &methods)? {
            Some("average") => Resampling::Average,
            Some(_) => Resampling::Near,
            None if dtype.is_float() => Resampling::Average,
            None => Resampling::Near,
        };
        // A mean of yes and no is neither; their differences do not compress better.
        let predictor = file::truth(options, FORMAT, "predictor")?.unwrap_or(true);
        let overviews = file::truth(options, FORMAT, "overviews")?.unwrap_or(true);
        let predictor = predictor && dtype != DType::Bool;
        Ok(Settings { compression, tile: tile as usize, predictor, overviews, resampling })
    }

    fn encoder(&self, bands: usize, dtype: DType, null: Option<Number>) -> TileEncoder {
        let Settings { compression, tile, predictor, .. } = *self;
        TileEncoder { compression, tile, bands, dtype, predictor, null }
    }
}

fn publish(
    staged: Vec<file::Staged>,
    files: &Files<'_>,
    coding: &NullCoding,
) -> Result<Vec<OutputFile>, SinkError> {
    let (notes, media_type) = (notes(files.result.schema(), coding), DESCRIPTION.media_type);
    let rasters = files.rasters.iter().map(|raster| (raster.path(files.path), raster));
    let rasters: BTreeMap<PathBuf, &Raster> = rasters.collect();
    let paths = file::publish_all(staged)?;
    let output = |path: PathBuf| {
        let pixels = Some((files.dtype, coding.value));
        let image = rasters.get(&path).map(|of| Image { fixed: of.fixed.clone(), pixels });
        OutputFile { path, media_type, notes: notes.clone(), image }
    };
    Ok(paths.into_iter().map(output).collect())
}

fn unsuitable(reason: String) -> SinkError {
    SinkError::Unsuitable { format: FORMAT, reason }
}

fn notes(schema: &Schema, coding: &NullCoding) -> Vec<String> {
    let mut notes: Vec<String> = coding.note.iter().cloned().collect();
    let mixed = schema.variables.iter().any(|variable| variable.dtype != schema.dtype());
    if mixed {
        notes.push(format!("the bands differ in type and are written as {}", schema.dtype()));
    }
    notes
}

#[cfg(test)]
mod tests;
