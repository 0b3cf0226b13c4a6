//! Cloud-Optimised GeoTIFF.
//!
//! Pixels are read tile by tile, compressed and spooled beside the target; overviews come out of the same pass, one
//! strip of tiles a level in memory; the file is put together at the end, header and directories first. Bands are
//! interleaved. One value stands for no-data (see [`super::nodata`]); there is no internal mask.

mod encode;
mod geokeys;
mod layout;
mod pyramid;

use std::path::Path;

use eolith_cube::{DType, Number, Schema};

use self::encode::{Compression, TileEncoder};
use self::layout::Container;
use self::pyramid::{Pyramid, Resampling};
use super::format::{FormatDescription, ParameterDescription};
use super::nodata::{self, NullCoding};
use super::raster::Raster;
use super::{Options, OutputFile, ResultView, SinkError, file};

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
            name: "overview_resampling",
            description: "How overviews are made. By default the mean of four pixels for floats, and one of \
                          the four for integers, which may be classes.",
            schema_json: r#"{"type":"string","enum":["average","near"]}"#,
            default_json: None,
        },
    ],
};

const FORMAT: &str = DESCRIPTION.name;

/// Writes one file, or one per label of further dimensions beside `path`. `budget` bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let schema = result.schema();
    let unsuitable = |reason: String| SinkError::Unsuitable { format: FORMAT, reason };
    let dtype = if schema.dtype() == DType::Bool { DType::U8 } else { schema.dtype() };
    let settings = Settings::new(options, schema.dtype())?;
    let rasters = Raster::split(schema, FORMAT)?;
    let georeference = geokeys::tags(schema).map_err(unsuitable)?;
    for raster in &rasters {
        settings.check_memory(raster, dtype, budget)?;
    }
    if let Some(raster) =
        rasters.iter().find(|r| r.bands > 0xffff || r.width.max(r.height) >> 31 > 0)
    {
        let Raster { bands, height, width, .. } = raster;
        return Err(unsuitable(format!(
            "{bands} bands of {height} by {width} pixels are too many"
        )));
    }
    let tile = settings.tile;
    let mut scan = nodata::Scan::new(schema.nodata(), dtype);
    for raster in &rasters {
        for (rows, columns) in raster.windows(tile, tile) {
            scan.add(&raster.read(result, &rows, &columns)?);
        }
    }
    let coding = scan.decide();
    if coding.masked() {
        let note = coding.note.unwrap_or_default();
        return Err(unsuitable(format!("{note}; convert it to a wider type first")));
    }
    let notes = notes(schema, &coding);
    Raster::write_all(&rasters, path, DESCRIPTION.media_type, &notes, |raster, target| {
        let metadata = layout::metadata(schema, raster);
        let header = Header { georeference: &georeference, metadata, dtype, null: coding.value };
        write_one(result, raster, &settings, &header, target)
    })
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    compression: Compression,
    tile: usize,
    resampling: Resampling,
}

/// What a file says besides its pixels.
struct Header<'a> {
    georeference: &'a [layout::Tag],
    metadata: String,
    dtype: DType,
    null: Option<Number>,
}

impl Settings {
    fn new(options: &Options, dtype: DType) -> Result<Settings, SinkError> {
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
        let methods = ["average", "near"];
        let resampling = match file::choice(options, FORMAT, "overview_resampling", &methods)? {
            Some("average") => Resampling::Average,
            Some(_) => Resampling::Near,
            None if dtype.is_float() => Resampling::Average,
            None => Resampling::Near,
        };
        Ok(Settings { compression, tile: tile as usize, resampling })
    }

    /// A few copies of one tile, and a strip of tiles for every overview with a copy while it is stored: together
    /// twice as wide as the image.
    fn check_memory(&self, raster: &Raster, dtype: DType, budget: u64) -> Result<(), SinkError> {
        let pixel = raster.bands as u64 * (dtype.size() as u64 + 1);
        let tile = self.tile as u64;
        let overviews = raster.width.max(raster.height) > self.tile;
        let strips =
            if overviews { tile * (2 * raster.width as u64 + 2 * tile) * pixel } else { 0 };
        let needed = 6 * tile * tile * pixel + strips;
        if needed > budget {
            return Err(SinkError::Memory { format: FORMAT, needed, allowed: budget });
        }
        Ok(())
    }
}

fn write_one(
    result: &dyn ResultView,
    raster: &Raster,
    settings: &Settings,
    header: &Header<'_>,
    target: &Path,
) -> Result<(), SinkError> {
    let encoder = TileEncoder {
        compression: settings.compression,
        tile: settings.tile,
        bands: raster.bands,
        dtype: header.dtype,
        // A mean of yes and no is neither; their differences do not compress better.
        predictor: result.schema().dtype() != DType::Bool,
        null: header.null,
    };
    let failed = |error: std::io::Error| file::error_at(target, &error);
    let (height, width) = (raster.height, raster.width);
    let folder = file::folder(target);
    let mut pyramid =
        Pyramid::new(encoder, settings.resampling, (height, width), folder).map_err(failed)?;
    for (rows, columns) in raster.windows(settings.tile, settings.tile) {
        let block = raster.read(result, &rows, &columns)?.cast(header.dtype);
        pyramid.push(block, (rows.start, columns.start)).map_err(failed)?;
    }
    let mut container = Container::new(&encoder, header, pyramid.finish());
    file::write(target, |out| container.write(out).map_err(failed))
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
