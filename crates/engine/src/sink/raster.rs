//! A cube as flat images: what GeoTIFF and PNG can hold.
//!
//! Every combination of labels outside y, x and bands is one image; a dimension with one label does not show.
//! Images are north-up, whatever the order of the cube's rows and columns.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use eolith_cube::{Block, DType, Kind, Region, Schema, SpatialAxis};
use rayon::prelude::*;

use super::nodata::{NullCoding, Scan};
use super::{Image, OutputFile, ResultView, SinkError, file};
use crate::meter;

/// One image of a cube.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raster {
    pub(super) bands: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Names and labels of what is not shown: dimensions other than y, x and bands.
    pub(super) labels: Vec<(String, String)>,
    /// Distinguishes the file from those of the other images.
    suffix: Option<String>,
    /// The index along each dimension; `None` for those of the image.
    pub(super) fixed: Vec<Option<usize>>,
    bands_dim: Option<usize>,
    y_dim: usize,
    x_dim: usize,
    flip_y: bool,
    flip_x: bool,
}

impl Raster {
    /// All images of a cube, in the order of its labels.
    pub(super) fn split(schema: &Schema, format: &'static str) -> Result<Vec<Raster>, SinkError> {
        let unsuitable = |reason: &str| SinkError::Unsuitable { format, reason: reason.to_owned() };
        let shape = schema.shape().ok_or_else(|| unsuitable("it has dimensions without labels"))?;
        let axis =
            |axis| schema.spatial(axis).ok_or_else(|| unsuitable("it has no dimensions x and y"));
        let (y_dim, x_dim) = (axis(SpatialAxis::Y)?, axis(SpatialAxis::X)?);
        if shape.contains(&0) {
            return Err(unsuitable("it has a dimension without any label"));
        }
        let bands_dim = schema.bands();
        let shown = |dim: usize| dim == y_dim || dim == x_dim || Some(dim) == bands_dim;
        let step = |dim: usize| {
            let labels = schema.dims[dim].labels();
            labels.and_then(|labels| labels.regular()).map_or(0.0, |regular| regular.step)
        };
        let first = Raster {
            bands: bands_dim.map_or(1, |dim| shape[dim]),
            height: shape[y_dim],
            width: shape[x_dim],
            labels: Vec::new(),
            suffix: None,
            fixed: (0..shape.len()).map(|dim| (!shown(dim)).then_some(0)).collect(),
            bands_dim,
            y_dim,
            x_dim,
            flip_y: step(y_dim) > 0.0,
            flip_x: step(x_dim) < 0.0,
        };
        let mut images = vec![first];
        for dim in (0..shape.len()).filter(|&dim| !shown(dim)) {
            let at = |image: &Raster, index| {
                let mut image = image.clone();
                image.fixed[dim] = Some(index);
                image
            };
            images = images.iter().flat_map(|i| (0..shape[dim]).map(|n| at(i, n))).collect();
        }
        let mut taken = BTreeSet::new();
        for image in &mut images {
            image.name(schema, &shape, &mut taken);
        }
        Ok(images)
    }

    /// The pixels of a window as a block of (band, y, x).
    pub(super) fn read(
        &self,
        view: &dyn ResultView,
        rows: &Range<usize>,
        columns: &Range<usize>,
    ) -> Result<Block, SinkError> {
        let turned = |range: &Range<usize>, length: usize, flip: bool| {
            if flip { length - range.end..length - range.start } else { range.clone() }
        };
        let ranges = self.fixed.iter().enumerate().map(|(dim, fixed)| match fixed {
            Some(index) => *index..index + 1,
            None if dim == self.y_dim => turned(rows, self.height, self.flip_y),
            None if dim == self.x_dim => turned(columns, self.width, self.flip_x),
            None => 0..self.bands,
        });
        let region = Region(ranges.collect());
        let block = view.read(&region)?;
        if block.shape != region.shape() {
            return Err(SinkError::Read(format!("a block of {:?} for {region:?}", block.shape)));
        }
        let hidden = (0..self.fixed.len()).filter(|&dim| self.fixed[dim].is_some());
        let order: Vec<usize> =
            hidden.chain(self.bands_dim).chain([self.y_dim, self.x_dim]).collect();
        let shape = vec![self.bands, rows.len(), columns.len()];
        let mut block = block.into_permuted(&order).reshape(shape);
        if self.flip_y {
            block = block.take(1, &(0..rows.len()).rev().collect::<Vec<_>>());
        }
        if self.flip_x {
            block = block.take(2, &(0..columns.len()).rev().collect::<Vec<_>>());
        }
        Ok(block)
    }

    /// Writes all images of a result as pictures with `write`, each to its own path. If one fails, none is left.
    pub(super) fn write_all(
        images: &[Raster],
        path: &Path,
        media_type: &'static str,
        notes: &[String],
        write: impl Fn(&Raster, &Path) -> Result<(), SinkError>,
    ) -> Result<Vec<OutputFile>, SinkError> {
        let mut written: Vec<OutputFile> = Vec::new();
        for image in images {
            let target = image.path(path);
            if let Err(error) = write(image, &target) {
                file::remove_all(written.iter().map(|file| file.path.as_path()));
                return Err(error);
            }
            let shown = Image { fixed: image.fixed.clone(), pixels: None };
            let (notes, shown) = (notes.to_vec(), Some(shown));
            written.push(OutputFile { path: target, media_type, notes, image: shown });
        }
        Ok(written)
    }

    /// Windows of at most `height` rows and `width` columns that cover the image, row by row.
    pub(super) fn windows(
        &self,
        height: usize,
        width: usize,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let cut = |length: usize, size: usize| {
            (0..length).step_by(size.max(1)).map(move |start| start..(start + size).min(length))
        };
        let columns: Vec<_> = cut(self.width, width).collect();
        cut(self.height, height)
            .flat_map(move |rows| columns.clone().into_iter().map(move |c| (rows.clone(), c)))
    }

    /// `path`, or `<stem>_<labels>.<extension>` beside it where there are several images.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        let Some(suffix) = &self.suffix else { return path.to_owned() };
        let part = |text: Option<&std::ffi::OsStr>| {
            text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let (stem, extension) = (part(path.file_stem()), part(path.extension()));
        let dot = if extension.is_empty() { "" } else { "." };
        path.with_file_name(format!("{stem}_{suffix}{dot}{extension}"))
    }

    fn name(&mut self, schema: &Schema, shape: &[usize], taken: &mut BTreeSet<String>) {
        let mut several = Vec::new();
        for (dim, index) in self.fixed.iter().enumerate() {
            let (Some(index), dimension) = (index, &schema.dims[dim]) else { continue };
            let Some(labels) = dimension.labels() else { continue };
            let label = labels.get(*index).to_string();
            if shape[dim] > 1 {
                let time = dimension.kind == Kind::Temporal;
                several.push(file_name_part(if time { short_time(&label) } else { &label }));
            }
            self.labels.push((dimension.name.clone(), label));
        }
        if several.is_empty() {
            return;
        }
        let name = several.join("_");
        // File systems that ignore case exist.
        let mut unique = name.clone();
        for n in 2.. {
            if taken.insert(unique.to_lowercase()) {
                break;
            }
            unique = format!("{name}-{n}");
        }
        self.suffix = Some(unique);
    }
}

/// Looks at all pixels for a value that can stand for no-data in all images, `dtype` being the type in the files.
pub(super) fn scan(
    view: &dyn ResultView,
    images: &[Raster],
    window: usize,
    dtype: DType,
) -> Result<NullCoding, SinkError> {
    let empty = || Scan::new(view.schema().nodata(), dtype);
    let windows: Vec<_> = (images.iter())
        .flat_map(|image| image.windows(window, window).map(move |(r, c)| (image, r, c)))
        .collect();
    let meter = meter::current();
    let scan = windows
        .into_par_iter()
        .try_fold(empty, |mut scan, (image, rows, columns)| {
            let _running = meter::enter(meter.as_ref());
            scan.add(&image.read(view, &rows, &columns)?);
            Ok::<Scan, SinkError>(scan)
        })
        .try_reduce(empty, |a, b| Ok(a.and(&b)))?;
    Ok(scan.decide())
}

/// Midnight in UTC says nothing in a file name.
fn short_time(label: &str) -> &str {
    label.strip_suffix("T00:00:00Z").unwrap_or(label)
}

/// Letters, digits, `-`, `.`; everything else becomes `-`.
fn file_name_part(label: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' };
    let text: String = label.chars().take(80).map(safe).collect();
    let text = text.trim_start_matches('.');
    if text.is_empty() { "label".to_owned() } else { text.to_owned() }
}
