//! PNG: pictures of a cube, 8 bits a channel.
//!
//! One band is grey or coloured by a table, three bands are red, green and blue. Bytes are shown as they are;
//! everything else is stretched from a range to 0..=255. No-data and NaN are transparent. No georeference.

mod colormap;
mod stretch;

use std::io::Write;
use std::path::Path;

use eolith_cube::{Block, DType, Schema};

use self::stretch::{Scan, Stretch};
use super::format::{FormatDescription, ParameterDescription};
use super::raster::Raster;
use super::{Options, OutputFile, ResultView, SinkError, file};

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "PNG",
    title: "PNG picture",
    description: "8-bit pictures: one band in grey or colours, three bands as red, green and blue. Missing \
                  pixels are transparent. Every label of any other dimension gets its own file.",
    media_type: "image/png",
    extension: "png",
    gis_data_types: &["raster"],
    parameters: &[
        ParameterDescription {
            name: "min",
            description: "The value shown as black or as the first colour. By default 0 for bytes, else the \
                          2nd percentile.",
            schema_json: r#"{"type":"number"}"#,
            default_json: None,
        },
        ParameterDescription {
            name: "max",
            description: "The value shown as white or as the last colour. By default 255 for bytes, else the \
                          98th percentile.",
            schema_json: r#"{"type":"number"}"#,
            default_json: None,
        },
        ParameterDescription {
            name: "colormap",
            description: "Colours for one band.",
            schema_json: r#"{"type":"string","enum":["grey","viridis","magma","RdYlGn"]}"#,
            default_json: Some(r#""grey""#),
        },
    ],
};

const FORMAT: &str = DESCRIPTION.name;

/// Writes one picture, or one per label of further dimensions beside `path`; all are stretched alike. `budget`
/// bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let Prepared { rasters, rows, picture, notes } = Prepared::new(result, options, budget)?;
    Raster::write_all(&rasters, path, DESCRIPTION.media_type, &notes, |raster, target| {
        file::write(target, |out| picture.encode(result, raster, rows, out, target))
    })
}

/// The one picture of a result, in memory.
///
/// # Errors
/// The result is no picture, or several.
pub fn encode(result: &dyn ResultView, options: &Options) -> Result<Vec<u8>, SinkError> {
    let Prepared { rasters, rows, picture, .. } = Prepared::new(result, options, u64::MAX)?;
    let [raster] = rasters.as_slice() else {
        return Err(unsuitable(format!("it is {} pictures", rasters.len())));
    };
    let mut bytes = Vec::new();
    picture.encode(result, raster, rows, &mut bytes, Path::new("the picture"))?;
    Ok(bytes)
}

/// The values that [`write`] would show as black and white, or as first and last colour. The first is below the second.
///
/// # Errors
/// The result is no picture.
pub fn range(result: &dyn ResultView, options: &Options) -> Result<[f64; 2], SinkError> {
    Ok(Prepared::new(result, options, u64::MAX)?.picture.stretch.range())
}

/// Looks at options without any pixels: names, types, and whether `min` is below `max`.
///
/// # Errors
/// The first option that is wrong.
pub fn check(options: &Options) -> Result<(), SinkError> {
    file::check(options, &DESCRIPTION)?;
    file::choice(options, FORMAT, "colormap", &colormap::NAMES)?;
    let asked = (file::number(options, FORMAT, "min")?, file::number(options, FORMAT, "max")?);
    stretch::check(asked)
}

/// Bytes that writing takes, of at most `limit`: with less, fewer rows are read at a time.
///
/// # Errors
/// The result is no picture, or not one row of it fits.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    let plan = Plan::new(schema, options, limit)?;
    let row = plan.rasters.iter().map(|raster| row(raster, schema.dtype())).max().unwrap_or(0);
    Ok(FIXED + plan.rows as u64 * row)
}

/// Bytes of a histogram and of the buffers of the encoder.
const FIXED: u64 = 2 << 20;

/// Everything that is known before a pixel is.
struct Plan {
    rasters: Vec<Raster>,
    colors: Option<[[u8; 3]; 256]>,
    /// Rows that are read at once.
    rows: usize,
}

impl Plan {
    fn new(schema: &Schema, options: &Options, budget: u64) -> Result<Plan, SinkError> {
        file::check(options, &DESCRIPTION)?;
        let map = file::choice(options, FORMAT, "colormap", &colormap::NAMES)?;
        let rasters = Raster::split(schema, FORMAT)?;
        let colors = match (rasters.first().map_or(0, |raster| raster.bands), map) {
            (1, Some(name)) => colormap::table(name),
            (1, None) => None,
            (3, None | Some("grey")) => None,
            (3, Some(name)) => {
                let reason = format!("`{name}` colours one band, and the result has three");
                return Err(file::refuse(FORMAT, "colormap", reason));
            }
            (bands, _) => {
                return Err(unsuitable(format!(
                    "it has {bands} bands, and a picture has one or three (select bands first; transparency \
                     is made from no-data, not from a fourth band)"
                )));
            }
        };
        let mut rows = 256;
        for raster in &rasters {
            let sides = (raster.width, raster.height);
            if sides.0.max(sides.1) > 1 << 30 {
                return Err(unsuitable(format!("{} by {} pixels are too many", sides.0, sides.1)));
            }
            let row = row(raster, schema.dtype());
            if FIXED + row > budget {
                let needed = FIXED + row;
                return Err(SinkError::Memory { format: FORMAT, needed, allowed: budget });
            }
            rows = rows.min(((budget - FIXED) / row).max(1));
        }
        Ok(Plan { rasters, colors, rows: rows as usize })
    }
}

/// Bytes of a row: as read, turned, and as channels.
fn row(raster: &Raster, dtype: DType) -> u64 {
    (raster.width * raster.bands * (3 * (dtype.size() + 1) + 4)) as u64
}

fn unsuitable(reason: String) -> SinkError {
    SinkError::Unsuitable { format: FORMAT, reason }
}

/// Everything that is known before the first pixel is written.
struct Prepared {
    rasters: Vec<Raster>,
    rows: usize,
    picture: Picture,
    notes: Vec<String>,
}

impl Prepared {
    fn new(result: &dyn ResultView, options: &Options, budget: u64) -> Result<Prepared, SinkError> {
        let schema = result.schema();
        let Plan { rasters, colors, rows } = Plan::new(schema, options, budget)?;
        let asked = (file::number(options, FORMAT, "min")?, file::number(options, FORMAT, "max")?);
        let scan = |pass: &mut dyn FnMut(&Block)| {
            for raster in &rasters {
                for (rows, columns) in raster.windows(rows, raster.width) {
                    pass(&raster.read(result, &rows, &columns)?);
                }
            }
            Ok(())
        };
        let Scan { stretch, transparent, note } = stretch::find(asked, schema.dtype(), scan)?;
        let picture = Picture { stretch, colors, transparent };
        Ok(Prepared { rasters, rows, picture, notes: note.into_iter().collect() })
    }
}

struct Picture {
    stretch: Stretch,
    colors: Option<[[u8; 3]; 256]>,
    transparent: bool,
}

impl Picture {
    /// Encodes an image; `name` is what errors call it.
    fn encode(
        &self,
        result: &dyn ResultView,
        raster: &Raster,
        rows: usize,
        out: &mut dyn Write,
        name: &Path,
    ) -> Result<(), SinkError> {
        let failed = |error: png::EncodingError| file::error_at(name, &error);
        let mut encoder = png::Encoder::new(out, raster.width as u32, raster.height as u32);
        let color = raster.bands == 3 || self.colors.is_some();
        encoder.set_color(match (color, self.transparent) {
            (false, false) => png::ColorType::Grayscale,
            (false, true) => png::ColorType::GrayscaleAlpha,
            (true, false) => png::ColorType::Rgb,
            (true, true) => png::ColorType::Rgba,
        });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        let mut stream = writer.stream_writer().map_err(failed)?;
        for (rows, columns) in raster.windows(rows, raster.width) {
            let block = raster.read(result, &rows, &columns)?;
            let bytes = self.channels(&block);
            stream.write_all(&bytes).map_err(|error| file::error_at(name, &error))?;
        }
        stream.finish().map_err(failed)
    }

    fn channels(&self, block: &Block) -> Vec<u8> {
        let bands = block.shape[0];
        let pixels = block.len() / bands.max(1);
        let mut bytes = Vec::with_capacity(pixels * 4);
        for pixel in 0..pixels {
            let levels = |band: usize| self.stretch.level(block.get(band * pixels + pixel));
            let first = levels(0);
            let shown = (0..bands).all(|band| levels(band).is_some());
            match &self.colors {
                Some(colors) => {
                    bytes.extend(first.map_or([0; 3], |level| colors[usize::from(level)]));
                }
                None => {
                    bytes
                        .extend((0..bands).map(|band| levels(band).filter(|_| shown).unwrap_or(0)));
                }
            }
            if self.transparent {
                bytes.push(if shown { 255 } else { 0 });
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
