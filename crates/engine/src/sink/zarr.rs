//! Zarr version 3, as xarray and rioxarray read it lazily.
//!
//! The result is a group of plain files: one array a band, named by its label and stored in its own type (one array
//! `data` where there are no bands), one array a dimension with its labels, the scalar `spatial_ref` with the
//! reference system, and all metadata consolidated in the root's `zarr.json`. Dimensions keep their order. Chunks
//! are regular, about 4 MB before compression with zstd; the last one along a dimension is padded.
//!
//! Writing streams: the result is read once to decide what stands for no-data, and once to be written, a few chunks
//! at a time. Scale and offset of a band are written under the names `scale` and `offset`, not as CF's
//! `scale_factor` and `add_offset`: a process sees the stored numbers, and readers that unpack on their own would
//! see others.

mod coordinates;
mod fill;
mod layout;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use eolith_cube::{Block, ChunkGrid, DType, Number, Region, Values};
use serde_json::{Map, Value, json};
use zarrs::array::codec::ZstdCodec;
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, FillValueMetadata};
use zarrs::filesystem::FilesystemStore;

use self::coordinates::Coordinate;
use self::layout::{Layout, Output};
use crate::sink::format::FormatDescription;
use crate::sink::nodata::{self, NullCoding, Scan};
use crate::sink::{Options, OutputFile, ResultView, SinkError};

/// The entry of `GET /file_formats`.
pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: NAME,
    title: "Zarr 3",
    description: "A folder of chunks that xarray opens lazily: an array for each band (`data` where there are no \
                  bands), coordinates for all dimensions, and the reference system in `spatial_ref`.",
    media_type: "application/vnd.zarr; version=3",
    extension: "zarr",
    gis_data_types: &["raster"],
    parameters: &[],
};

const NAME: &str = "Zarr";

/// Zstandard level: the library's default.
const LEVEL: i32 = 3;

type Store = Arc<FilesystemStore>;

/// Writes `result` to the folder `path`, first beside it under another name. A folder that is there is replaced.
///
/// `budget` is in bytes. The notes name the value that stands for no-data in each band and every name that had
/// to be changed.
///
/// # Errors
/// [`SinkError::Memory`] before anything is read, [`SinkError::Unsuitable`] for results without pixels,
/// [`SinkError::Option`], and what reading and writing bring.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    if let Some(name) = options.keys().next() {
        let reason = "there is no such option".to_owned();
        return Err(SinkError::Option { format: NAME, name: name.clone(), reason });
    }
    let mut layout = Layout::of(result.schema())?;
    let room = budget / 4;
    let bands_at_once = layout.bands_within(room);
    if bands_at_once == 0 {
        let needed = layout.read_bytes(1).saturating_mul(4);
        return Err(SinkError::Memory { format: NAME, needed, allowed: budget });
    }
    let fail = |reason: &dyn std::fmt::Display| failed(path, reason);
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = tempfile::Builder::new()
        .prefix(".zarr-")
        .tempdir_in(parent)
        .map_err(|error| fail(&error))?;
    let mut writer = Writer::new(folder.path(), path)?;
    writer.coordinates(&layout)?;
    let nulls = scan(result, &layout, bands_at_once)?;
    let arrays = writer.data_arrays(&mut layout, &nulls)?;
    for (bands, position) in tasks(&layout, bands_at_once) {
        let region = layout.grid.region_at(&position);
        let block = result.read(&layout.source(&region, bands.clone()))?;
        for band in bands.clone() {
            let part = layout.band(&block, band - bands.start, bands.len(), &region);
            let part = part.cast(layout.outputs[band].variable.dtype);
            writer.chunk(&arrays[band], &layout.grid, &position, part, nulls[band].value)?;
        }
    }
    writer.finish(&layout)?;
    replace(folder.path(), path).map_err(|error| fail(&error))?;
    let notes = std::mem::take(&mut layout.notes);
    Ok(vec![OutputFile { path: path.to_owned(), media_type: DESCRIPTION.media_type, notes }])
}

/// All runs of bands for each chunk, in writing order.
fn tasks(
    layout: &Layout,
    bands_at_once: usize,
) -> impl Iterator<Item = (std::ops::Range<usize>, Vec<usize>)> + '_ {
    let whole = Region::whole(&layout.grid.shape);
    let count = layout.outputs.len();
    layout.grid.touching(&whole).into_iter().flat_map(move |position| {
        (0..count)
            .step_by(bands_at_once)
            .map(move |first| (first..(first + bands_at_once).min(count), position.clone()))
    })
}

/// Decides what stands for no-data in each band.
fn scan(
    result: &dyn ResultView,
    layout: &Layout,
    bands_at_once: usize,
) -> Result<Vec<NullCoding>, SinkError> {
    let scan = |output: &Output| Scan::new(output.variable.nodata, output.variable.dtype);
    let mut scans: Vec<Scan> = layout.outputs.iter().map(scan).collect();
    for (bands, position) in tasks(layout, bands_at_once) {
        let region = layout.grid.region_at(&position);
        let block = result.read(&layout.source(&region, bands.clone()))?;
        for band in bands.clone() {
            let part = layout.band(&block, band - bands.start, bands.len(), &region);
            scans[band].add(&part);
        }
    }
    Ok(scans.iter().map(Scan::decide).collect())
}

/// A group being written.
struct Writer<'a> {
    folder: &'a Path,
    /// Where it will be, for messages.
    target: &'a Path,
    store: Store,
    /// Metadata of the arrays so far, by name.
    metadata: Map<String, Value>,
}

/// The arrays of a band.
struct BandArrays {
    values: Array<FilesystemStore>,
    mask: Option<Array<FilesystemStore>>,
}

/// What an array is made of, beside its attributes.
struct Plain<'a> {
    name: &'a str,
    dims: &'a [String],
    shape: &'a [usize],
    chunk: &'a [usize],
    /// Zarr's name of the type.
    dtype: &'a str,
    fill: Value,
}

impl<'a> Writer<'a> {
    fn new(folder: &'a Path, target: &'a Path) -> Result<Writer<'a>, SinkError> {
        let store = FilesystemStore::new(folder).map_err(|error| failed(target, &error))?;
        Ok(Writer { folder, target, store: Arc::new(store), metadata: Map::new() })
    }

    fn coordinates(&mut self, layout: &Layout) -> Result<(), SinkError> {
        for dim in &layout.dims {
            let shape = [dim.coordinate.len()];
            let (dtype, fill) = match &dim.coordinate {
                Coordinate::Floats(_) => ("float64", json!("NaN")),
                Coordinate::Ints(_) | Coordinate::Times { .. } => ("int64", json!(0)),
                Coordinate::Texts(_) => ("string", json!("")),
            };
            let dims = [dim.name.clone()];
            let plain =
                Plain { name: &dim.name, dims: &dims, shape: &shape, chunk: &shape, dtype, fill };
            let array = self.array(&plain, coordinates::attributes(dim))?;
            let stored = match &dim.coordinate {
                Coordinate::Floats(values) => array.store_chunk(&[0], values),
                Coordinate::Ints(values) | Coordinate::Times { values, .. } => {
                    array.store_chunk(&[0], values)
                }
                Coordinate::Texts(values) => array.store_chunk(&[0], values),
            };
            stored.map_err(|error| failed(self.target, &error))?;
        }
        if let Some(mapping) = &layout.mapping {
            let plain = Plain {
                name: &mapping.name,
                dims: &[],
                shape: &[],
                chunk: &[],
                dtype: "int64",
                fill: json!(0),
            };
            self.array(&plain, mapping.attributes())?;
        }
        Ok(())
    }

    /// Makes the arrays of all bands, and their masks where no value can stand for no-data.
    fn data_arrays(
        &mut self,
        layout: &mut Layout,
        nulls: &[NullCoding],
    ) -> Result<Vec<BandArrays>, SinkError> {
        let dims: Vec<String> = layout.dims.iter().map(|dim| dim.name.clone()).collect();
        let (shape, chunk) = (layout.grid.shape.clone(), layout.grid.chunk.clone());
        let mut arrays = Vec::with_capacity(nulls.len());
        for (band, null) in nulls.iter().enumerate() {
            let output = &layout.outputs[band];
            let (name, dtype) = (output.name.clone(), output.variable.dtype);
            let mut attributes = output.attributes(layout.mapping.as_ref());
            let fill = fill::fill_value(dtype, null.value);
            if let Some(value) = null.value {
                attributes.insert("_FillValue".to_owned(), fill::fill_attribute(dtype, value));
                if null.missing {
                    layout.notes.push(format!("`{name}`: {value} stands for no-data"));
                }
            }
            let plain = Plain {
                name: &name,
                dims: &dims,
                shape: &shape,
                chunk: &chunk,
                dtype: dtype.name(),
                fill,
            };
            let mut mask = None;
            if null.masked() {
                let mask_name =
                    layout.names.give(&format!("{name}_valid"), "mask", &mut Vec::new());
                attributes.insert("ancillary_variables".to_owned(), mask_name.as_str().into());
                layout
                    .notes
                    .push(format!("`{name}`: no value is free for no-data, see `{mask_name}`"));
                let own = Plain { name: &mask_name, dtype: "bool", fill: json!(false), ..plain };
                let text = format!("whether a pixel of {name} has a value");
                let mut about = layout.mapping_attributes();
                about.insert("long_name".to_owned(), text.into());
                mask = Some(self.array(&own, about)?);
            }
            arrays.push(BandArrays { values: self.array(&plain, attributes)?, mask });
        }
        Ok(arrays)
    }

    fn chunk(
        &self,
        arrays: &BandArrays,
        grid: &ChunkGrid,
        position: &[usize],
        part: Block,
        null: Option<Number>,
    ) -> Result<(), SinkError> {
        let (dtype, shape) = (part.dtype(), part.shape.clone());
        let validity = arrays.mask.as_ref().and(part.validity.clone());
        let part = Block::new(shape, nodata::fill(part, dtype, null));
        let indices: Vec<u64> = position.iter().map(|&p| p as u64).collect();
        if let Some(array) = &arrays.mask {
            let len = part.len();
            let mask = validity.unwrap_or_else(|| vec![true; len]);
            let mask = Block::new(part.shape.clone(), Values::Bool(mask));
            self.store(array, &indices, padded(mask, grid, Values::zeros(DType::Bool, 1)))?;
        }
        let mut fill = Values::zeros(dtype, 1);
        if let Some(value) = null {
            fill.set(0, value);
        }
        self.store(&arrays.values, &indices, padded(part, grid, fill))
    }

    fn store(
        &self,
        array: &Array<FilesystemStore>,
        indices: &[u64],
        block: Block,
    ) -> Result<(), SinkError> {
        let mut bytes = block.values.le_bytes(0..block.len());
        if cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(block.dtype().size()).for_each(<[u8]>::reverse);
        }
        array
            .store_chunk(indices, ArrayBytes::new_flen(bytes))
            .map_err(|error| failed(self.target, &error))
    }

    /// Makes an array and writes its metadata.
    fn array(
        &mut self,
        plain: &Plain<'_>,
        attributes: Map<String, Value>,
    ) -> Result<Array<FilesystemStore>, SinkError> {
        let fail = |error: &dyn std::fmt::Display| failed(self.target, error);
        let sizes = |sizes: &[usize]| sizes.iter().map(|&n| n as u64).collect::<Vec<u64>>();
        let chunk: Vec<u64> = sizes(plain.chunk);
        let fill = serde_json::from_value::<FillValueMetadata>(plain.fill.clone())
            .map_err(|error| fail(&error))?;
        let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
        let array = ArrayBuilder::new(sizes(plain.shape), chunk, plain.dtype, fill)
            .bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(LEVEL, false))])
            .dimension_names(Some(plain.dims.iter().map(String::as_str)))
            .attributes(attributes)
            .build(Arc::clone(&self.store), &format!("/{}", plain.name))
            .map_err(|error| fail(&error))?
            .with_metadata_options(options);
        array.store_metadata().map_err(|error| fail(&error))?;
        let metadata = array.metadata_opt(&options);
        let metadata = serde_json::to_value(metadata).map_err(|error| fail(&error))?;
        self.metadata.insert(plain.name.to_owned(), metadata);
        Ok(array)
    }

    /// Writes the metadata of the group.
    fn finish(self, layout: &Layout) -> Result<(), SinkError> {
        let mut attributes = Map::new();
        attributes.insert("Conventions".to_owned(), "CF-1.9".into());
        if let Some(mapping) = &layout.mapping
            && let Some(code) = mapping.crs.code()
        {
            attributes.insert("proj:code".to_owned(), format!("EPSG:{code}").into());
        }
        let group = json!({
            "zarr_format": 3,
            "node_type": "group",
            "attributes": attributes,
            "consolidated_metadata": {
                "kind": "inline",
                "must_understand": false,
                "metadata": self.metadata,
            },
        });
        let text = serde_json::to_vec_pretty(&group).map_err(|e| failed(self.target, &e))?;
        fs::write(self.folder.join("zarr.json"), text).map_err(|e| failed(self.target, &e))
    }
}

/// The block at the start of a whole chunk of `fill`.
fn padded(block: Block, grid: &ChunkGrid, fill: Values) -> Block {
    if block.shape == grid.chunk {
        return block;
    }
    let from = vec![None; grid.chunk.len()];
    let mut chunk = Block::new(vec![], fill).broadcast(&grid.chunk, &from);
    chunk.paste(&vec![0; grid.chunk.len()], &block);
    chunk
}

/// Puts `folder` where `target` is. What was there stays until the new one can take its place.
fn replace(folder: &Path, target: &Path) -> std::io::Result<()> {
    // The temporary folder is private; what is published is as readable as any new folder.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let usual = fs::create_dir(folder.join(".mode"))
            .and_then(|()| fs::metadata(folder.join(".mode")))?
            .permissions();
        fs::remove_dir(folder.join(".mode"))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(usual.mode()))?;
    }
    if fs::symlink_metadata(target).is_err() {
        return fs::rename(folder, target);
    }
    let mut old = folder.as_os_str().to_owned();
    old.push("-old");
    let old = Path::new(&old);
    fs::rename(target, old)?;
    fs::rename(folder, target)?;
    if old.is_dir() { fs::remove_dir_all(old) } else { fs::remove_file(old) }
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> SinkError {
    SinkError::Write { path: path.display().to_string(), reason: reason.to_string() }
}
