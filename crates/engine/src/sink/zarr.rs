//! Zarr version 3, as xarray and rioxarray read it lazily.
//!
//! The result is a group of plain files: one array a band (one array `data` where there are no bands), one array a
//! dimension with its labels, the scalar `spatial_ref` with the reference system, and all metadata consolidated in
//! the root's `zarr.json`; what is said of them is in [`super::cf`]. Dimensions keep their order. Chunks are
//! regular, about 4 MB before compression with zstd; the last one along a dimension is padded.
//!
//! Writing streams: the result is read once to decide what stands for no-data, and once to be written, a few chunks
//! at a time.

mod fill;
#[cfg(test)]
mod tests;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use eolith_cube::{Block, ChunkGrid, DType, Number, Region, Schema, Values};
use serde_json::{Map, Value, json};
use zarrs::array::codec::ZstdCodec;
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, FillValueMetadata};
use zarrs::filesystem::FilesystemStore;

use crate::crs_text::CfValue;
use crate::sink::cf::{self, Attributes, Coordinate, Description, Dialect, Layout};
use crate::sink::format::FormatDescription;
use crate::sink::nodata::{self, NullCoding, Scan};
use crate::sink::{Options, OutputFile, ResultView, SinkError, codec, file};

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
const DIALECT: Dialect =
    Dialect { format: NAME, unnamed: "data", mapping: "spatial_ref", sorted: false };

/// Bytes of a chunk before compression, about.
const CHUNK: usize = 4 << 20;

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
    file::check(options, &DESCRIPTION)?;
    let mut layout = Layout::of(result.schema(), &DIALECT)?;
    let chunks = Chunks::new(&layout, result.schema().dtype(), budget)?;
    let fail = |error: std::io::Error| file::error_at(path, &error);
    let folder =
        tempfile::Builder::new().prefix(".zarr-").tempdir_in(file::folder(path)).map_err(fail)?;
    let mut writer = Writer::new(folder.path(), path)?;
    writer.coordinates(&layout)?;
    let nulls = scan(result, &layout, &chunks)?;
    let arrays = writer.data_arrays(&mut layout, &chunks.grid, &nulls)?;
    for (bands, position) in chunks.tasks() {
        layout.read(result, &chunks.grid.region_at(&position), bands, |band, part| {
            writer.chunk(&arrays[band], &chunks.grid, &position, part, nulls[band].value)
        })?;
    }
    writer.finish(&layout)?;
    replace(folder.path(), path).map_err(fail)?;
    let notes = layout.notes;
    Ok(vec![OutputFile { path: path.to_owned(), media_type: DESCRIPTION.media_type, notes }])
}

/// Bytes that writing takes, of at most `limit`.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    file::check(options, &DESCRIPTION)?;
    Chunks::new(&Layout::of(schema, &DIALECT)?, schema.dtype(), limit).map(|chunks| chunks.bytes)
}

/// Decides what stands for no-data in each band.
fn scan(
    result: &dyn ResultView,
    layout: &Layout,
    chunks: &Chunks,
) -> Result<Vec<NullCoding>, SinkError> {
    let scan = |output: &cf::Output| Scan::new(output.variable.nodata, output.variable.dtype);
    let mut scans: Vec<Scan> = layout.outputs.iter().map(scan).collect();
    for (bands, position) in chunks.tasks() {
        layout.read(result, &chunks.grid.region_at(&position), bands, |band, part| {
            scans[band].add(&part);
            Ok(())
        })?;
    }
    Ok(scans.iter().map(Scan::decide).collect())
}

/// The chunks of all bands, and how many bands of one are read together.
struct Chunks {
    grid: ChunkGrid,
    bands: usize,
    bands_at_once: usize,
    bytes: u64,
}

impl Chunks {
    /// `common` is the type blocks of the result have.
    fn new(layout: &Layout, common: DType, budget: u64) -> Result<Chunks, SinkError> {
        let shape = layout.shape();
        let chunk = cf::chunk(&shape, &layout.horizontal(), CHUNK / layout.widest());
        let pixels: u64 = chunk.iter().map(|&n| n as u64).product();
        // A block with its validity, four times: as read, turned, filled, and as bytes.
        let needed = pixels.saturating_mul(common.size() as u64 + 1).saturating_mul(4);
        if needed > budget {
            return Err(SinkError::Memory { format: NAME, needed, allowed: budget });
        }
        let bands = layout.outputs.len();
        let fitting = usize::try_from(budget / needed.max(1)).unwrap_or(usize::MAX);
        let grid = ChunkGrid::new(shape, chunk);
        let bands_at_once = fitting.clamp(1, bands.max(1));
        Ok(Chunks { grid, bands, bands_at_once, bytes: needed * bands_at_once as u64 })
    }

    /// All runs of bands for each chunk, in writing order.
    fn tasks(&self) -> impl Iterator<Item = (Range<usize>, Vec<usize>)> + '_ {
        let whole = Region::whole(&self.grid.shape);
        self.grid.touching(&whole).into_iter().flat_map(move |position| {
            (0..self.bands).step_by(self.bands_at_once).map(move |first| {
                (first..(first + self.bands_at_once).min(self.bands), position.clone())
            })
        })
    }
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
        let store = FilesystemStore::new(folder).map_err(|error| file::error_at(target, &error))?;
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
            let array = self.array(&plain, json_attributes(dim.attributes()))?;
            let stored = match &dim.coordinate {
                Coordinate::Floats(values) => array.store_chunk(&[0], values),
                Coordinate::Ints(values) | Coordinate::Times { values, .. } => {
                    array.store_chunk(&[0], values)
                }
                Coordinate::Texts(values) => array.store_chunk(&[0], values),
            };
            stored.map_err(|error| file::error_at(self.target, &error))?;
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
            self.array(&plain, json_attributes(mapping.attributes()))?;
        }
        Ok(())
    }

    /// Makes the arrays of all bands, and their masks where no value can stand for no-data.
    fn data_arrays(
        &mut self,
        layout: &mut Layout,
        grid: &ChunkGrid,
        nulls: &[NullCoding],
    ) -> Result<Vec<BandArrays>, SinkError> {
        let dims: Vec<String> = layout.dims.iter().map(|dim| dim.name.clone()).collect();
        // xarray takes what is named here for a coordinate, where rioxarray looks for it.
        let mapping = layout.mapping.as_ref().map(|mapping| mapping.name.clone());
        let with_mapping = |attributes| {
            let mut attributes = json_attributes(attributes);
            let mapping = mapping.as_deref().map(Value::from);
            attributes.extend(mapping.map(|name| ("coordinates".to_owned(), name)));
            attributes
        };
        let mut arrays = Vec::with_capacity(nulls.len());
        for (band, null) in nulls.iter().enumerate() {
            let Description { attributes, mask } = layout.describe(band, null);
            let cf::Output { name, variable, .. } = &layout.outputs[band];
            let dtype = variable.dtype;
            let mut attributes = with_mapping(attributes);
            if let Some(value) = null.value {
                attributes.insert("_FillValue".to_owned(), fill::fill_attribute(dtype, value));
            }
            let plain = Plain {
                name,
                dims: &dims,
                shape: &grid.shape,
                chunk: &grid.chunk,
                dtype: dtype.name(),
                fill: fill::fill_value(dtype, null.value),
            };
            let values = self.array(&plain, attributes)?;
            let mask = match mask {
                Some(mask) => {
                    let plain =
                        Plain { name: &mask.name, dtype: "bool", fill: json!(false), ..plain };
                    Some(self.array(&plain, with_mapping(mask.attributes))?)
                }
                None => None,
            };
            arrays.push(BandArrays { values, mask });
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
        let mut bytes = codec::le_bytes(&block.values);
        if cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(block.dtype().size()).for_each(<[u8]>::reverse);
        }
        array
            .store_chunk(indices, ArrayBytes::new_flen(bytes))
            .map_err(|error| file::error_at(self.target, &error))
    }

    /// Makes an array and writes its metadata.
    fn array(
        &mut self,
        plain: &Plain<'_>,
        attributes: Map<String, Value>,
    ) -> Result<Array<FilesystemStore>, SinkError> {
        let fail = |error: &dyn std::fmt::Display| file::error_at(self.target, error);
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
        attributes.insert("Conventions".to_owned(), cf::CONVENTIONS.into());
        if let Some(code) = layout.mapping.as_ref().and_then(cf::Mapping::code) {
            attributes.insert("proj:code".to_owned(), code.into());
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
        let text =
            serde_json::to_vec_pretty(&group).map_err(|e| file::error_at(self.target, &e))?;
        fs::write(self.folder.join("zarr.json"), text).map_err(|e| file::error_at(self.target, &e))
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

fn json_attributes(attributes: Attributes) -> Map<String, Value> {
    let json = |value| match value {
        CfValue::Text(text) => text.into(),
        CfValue::Number(number) => number.into(),
        CfValue::Numbers(numbers) => numbers.into(),
    };
    attributes.into_iter().map(|(name, value)| (name, json(value))).collect()
}
