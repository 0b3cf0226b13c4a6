//! PNG: pictures of a cube, 8 bits a channel.
//!
//! One band is grey or coloured by a table, three bands are red, green and blue. Bytes are shown as they are;
//! everything else is stretched from a range to 0..=255. No-data and NaN are transparent. No georeference.

mod colormap;
mod stretch;

use std::io::Write;
use std::path::Path;

use eolith_cube::{Block, DType};

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
    let unsuitable = |reason: String| SinkError::Unsuitable { format: FORMAT, reason };
    file::check(options, &DESCRIPTION)?;
    let map = file::choice(options, FORMAT, "colormap", &colormap::NAMES)?;
    let rasters = Raster::split(result.schema(), FORMAT)?;
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
                "it has {bands} bands, and a picture has one or three (select bands first; transparency is \
                 made from no-data, not from a fourth band)"
            )));
        }
    };
    let mut rows = usize::MAX;
    for raster in &rasters {
        rows = rows.min(strip_rows(raster, result.schema().dtype(), budget)?);
    }
    let asked = (file::number(options, FORMAT, "min")?, file::number(options, FORMAT, "max")?);
    let scan = |pass: &mut dyn FnMut(&Block)| {
        for raster in &rasters {
            for (rows, columns) in raster.windows(rows, raster.width) {
                pass(&raster.read(result, &rows, &columns)?);
            }
        }
        Ok(())
    };
    let Scan { stretch, transparent, note } = stretch::find(asked, result.schema().dtype(), scan)?;
    let picture = Picture { stretch, colors, transparent };
    let notes: Vec<String> = note.into_iter().collect();
    Raster::write_all(&rasters, path, DESCRIPTION.media_type, &notes, |raster, target| {
        picture.write(result, raster, rows, target)
    })
}

/// Rows that are read at once.
fn strip_rows(raster: &Raster, dtype: DType, budget: u64) -> Result<usize, SinkError> {
    let tall = u32::try_from(raster.width.max(raster.height)).ok().filter(|&n| n <= 1 << 30);
    if tall.is_none() {
        let reason = format!("{} by {} pixels are too many", raster.width, raster.height);
        return Err(SinkError::Unsuitable { format: FORMAT, reason });
    }
    // A block as read, turned, and as channels; a histogram and the buffers of the encoder.
    let row = (raster.width * raster.bands * (3 * (dtype.size() + 1) + 4)) as u64;
    let fixed = 2 << 20;
    if fixed + row > budget {
        return Err(SinkError::Memory { format: FORMAT, needed: fixed + row, allowed: budget });
    }
    Ok(((budget - fixed) / row).clamp(1, 256) as usize)
}

struct Picture {
    stretch: Stretch,
    colors: Option<[[u8; 3]; 256]>,
    transparent: bool,
}

impl Picture {
    fn write(
        &self,
        result: &dyn ResultView,
        raster: &Raster,
        rows: usize,
        target: &Path,
    ) -> Result<(), SinkError> {
        let failed = |error: png::EncodingError| file::error_at(target, &error);
        file::write(target, |out| {
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
                stream.write_all(&bytes).map_err(|error| file::error_at(target, &error))?;
            }
            stream.finish().map_err(failed)
        })
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
