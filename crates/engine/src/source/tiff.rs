//! GeoTIFF and Cloud-Optimised GeoTIFF, classic and BigTIFF, tiled or in strips.
//!
//! The header is read by byte ranges (one request for most COGs); pixels by the ranges of the tiles a region
//! touches. Uncompressed, LZW, DEFLATE, ZSTD and PackBits with predictors 2 and 3, bands interleaved or in
//! planes, samples of 1 to 16 bits and 32 or 64 bits. JPEG, LERC and complex numbers are refused by name, as are
//! rotated grids. Palettes are not applied: the index is the value. Scenes and mosaics are `stac`'s business.
//!
//! [`open`] gives a [`TiffFile`]; its readers are [`ArrayReader`]s.

mod codec;
mod georef;
mod header;
mod layout;
mod metadata;
mod projection;
mod reader;
mod tag;

use std::sync::Arc;

use eolith_cube::{DType, Grid, Number};

use self::header::Directory;
use self::layout::{Fault, Image};
use self::reader::TiffReader;
use super::encoded::LocalFile;
use super::{ArrayReader, SourceError};
use crate::storage::Location;

/// An opened file: its header, no pixels.
#[derive(Clone, Debug)]
pub struct TiffFile {
    /// The full image: dimensions `band`, `y`, `x`, chunks as stored (all bands or one).
    pub reader: Arc<dyn ArrayReader>,
    /// Reduced images of the same extent, largest first.
    pub overviews: Vec<Arc<dyn ArrayReader>>,
    pub grid: Grid,
    /// One entry a band.
    pub bands: Vec<TiffBand>,
}

/// What the file says of one band. Scale and offset are not applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TiffBand {
    /// GDAL's description.
    pub name: Option<String>,
    pub nodata: Option<Number>,
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub unit: Option<String>,
}

/// Reads the header of the TIFF at `location`. A file without georeference is an error.
pub async fn open(location: &Location) -> Result<TiffFile, SourceError> {
    let file = LocalFile::open(location).transpose()?.map(|(file, _)| Arc::new(file));
    let (endian, directories) = header::read(location).await?;
    let image = |directory| Image::new(directory, endian);
    let fault = |fault| match fault {
        Fault::Invalid(reason) => header::invalid(location, &reason),
        Fault::Unsupported(what) => {
            SourceError::Unsupported { href: location.href().to_owned(), what }
        }
    };
    let (first, others) = directories.split_first().expect("invariant: a header has an image");
    let full = image(first).map_err(fault)?;
    let grid = georef::grid(first, (full.width, full.height)).map_err(fault)?;
    let masks = others.iter().filter(|directory| kind(directory) == Kind::Mask);
    let masks: Vec<Image> = masks.map(image).collect::<Result<_, _>>().map_err(fault)?;
    let mask_of = |image: &Image| masks.iter().find(|mask| reader::masks(mask, image)).cloned();

    let items = first.text(tag::GDAL_METADATA).map(metadata::items).unwrap_or_default();
    let nodata = nodata(location, first, full.dtype);
    let bands = (0..full.samples).map(|band| describe(&items, band, nodata)).collect();
    let attributes = (items.into_iter())
        .filter(|item| item.sample.is_none() && item.domain.is_none())
        .map(|item| (item.name, item.text.into()))
        .collect();

    let mut overviews: Vec<Arc<dyn ArrayReader>> = Vec::new();
    for directory in others.iter().filter(|directory| kind(directory) == Kind::Overview) {
        match image(directory) {
            Ok(image) if image.samples == full.samples && image.dtype == full.dtype => {
                let images = (image.clone(), mask_of(&image));
                let reader =
                    TiffReader::new(location, file.clone(), images, nodata, serde_json::Map::new());
                overviews.push(Arc::new(reader));
            }
            other => {
                let reason =
                    other.err().unwrap_or_else(|| Fault::Invalid("other bands".to_owned()));
                tracing::warn!(href = location.href(), ?reason, "an overview is left out");
            }
        }
    }
    overviews.sort_by_key(|reader| std::cmp::Reverse(reader.meta().shape[2]));
    let mask = mask_of(&full);
    let reader = Arc::new(TiffReader::new(location, file, (full, mask), nodata, attributes));
    Ok(TiffFile { reader, overviews, grid, bands })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Overview,
    Mask,
    /// A further page.
    Page,
}

fn kind(directory: &Directory) -> Kind {
    match directory.integer(tag::SUBFILE_TYPE).unwrap_or(0) {
        flags if flags & 4 != 0 => Kind::Mask,
        flags if flags & 1 != 0 => Kind::Overview,
        _ => Kind::Page,
    }
}

fn nodata(location: &Location, directory: &Directory, dtype: DType) -> Option<Number> {
    let text = directory.text(tag::GDAL_NODATA)?;
    let nodata = metadata::nodata(text, dtype);
    if nodata.is_none() {
        tracing::warn!(
            href = location.href(),
            "no-data `{text}` is not a value of {dtype}: ignored"
        );
    }
    nodata
}

fn describe(items: &[metadata::Item], band: usize, nodata: Option<Number>) -> TiffBand {
    let item = |role: &str| {
        let mut own = items.iter().filter(|item| item.sample == Some(band));
        own.find(|item| item.role.as_deref() == Some(role)).map(|item| item.text.clone())
    };
    let number = |role| item(role).and_then(|text| text.trim().parse().ok());
    TiffBand {
        name: item("description").filter(|name| !name.is_empty()),
        nodata,
        scale: number("scale"),
        offset: number("offset"),
        unit: item("unittype").filter(|unit| !unit.is_empty()),
    }
}

#[cfg(test)]
mod tests;
