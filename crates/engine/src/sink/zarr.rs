//! Zarr version 3, as xarray and rioxarray read it lazily.
//!
//! The result is a group of plain files: one array a band (one array `data` where there are no bands), one array a
//! dimension with its labels, the scalar `spatial_ref` with the reference system, and all metadata consolidated in
//! the root's `zarr.json`; what is said of them is in [`super::cf`]. Dimensions keep their order. Chunks are
//! regular, at most 4 MB before compression with zstd; the last one along a dimension is padded. Small chunks, where
//! they are asked for, lie together in shards.
//!
//! Writing streams: chunks are encoded and stored side by side, each a file of its own; metadata follow.

mod fill;
mod plan;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use eolith_cube::{Block, Number, Schema, Values};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use zarrs::array::codec::ZstdCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, CodecOptions, FillValueMetadata,
};
use zarrs::filesystem::FilesystemStore;

use self::plan::{Plan, stored};
use crate::crs_text::CfValue;
use crate::sink::cf::{self, Attributes, Coordinate, Description, Dialect, Layout};
use crate::sink::format::{FormatDescription, ParameterDescription};
use crate::sink::nodata::{self, Guess, NullCoding};
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
    parameters: &[
        ParameterDescription {
            name: CHUNKS,
            description: "Sizes of chunks by dimension, like {\"t\": 36, \"y\": 128, \"x\": 128}; dimensions that \
                          are not named share 4 MB. Small chunks are put together in shards.",
            schema_json: SIZES,
            default_json: None,
        },
        ParameterDescription {
            name: SHARDS,
            description: "Sizes of shards by dimension, multiples of the chunks; a shard is a file.",
            schema_json: SIZES,
            default_json: None,
        },
    ],
};

const NAME: &str = "Zarr";
const CHUNKS: &str = "chunks";
const SHARDS: &str = "shards";
const SIZES: &str = r#"{"type":"object","additionalProperties":{"type":"integer","minimum":1}}"#;
const DIALECT: Dialect =
    Dialect { format: NAME, unnamed: "data", mapping: "spatial_ref", sorted: false };

/// Zstandard level: the next ones take four times as long for a tenth of the size.
const LEVEL: i32 = 1;

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
    let mut plan = Plan::new(result.schema(), options)?;
    plan.layout.comment = result.remark().map(str::to_owned);
    let ahead = plan.ahead(budget, rayon::current_num_threads())?;
    let mut written = None;
    if let Some(guesses) = plan.layout.guesses(stored) {
        let mut writer = Writer::new(path)?;
        let arrays = writer.unnamed(&plan, &guesses)?;
        let seen = plan.pixels(result, &writer, &arrays, &guesses, ahead)?;
        let decided = guesses.iter().zip(&seen).map(|(guess, seen)| guess.decide(*seen));
        if let Some(codings) = decided.collect::<Option<Vec<_>>>() {
            writer.coordinates(&plan.layout)?;
            writer.data_arrays(&mut plan, &codings)?;
            written = Some(writer);
        }
    }
    let writer = if let Some(writer) = written {
        writer
    } else {
        let codings = plan.layout.scan(result, &plan.pieces, stored)?;
        let mut writer = Writer::new(path)?;
        writer.coordinates(&plan.layout)?;
        let arrays = writer.data_arrays(&mut plan, &codings)?;
        plan.pixels(result, &writer, &arrays, &[], ahead)?;
        writer
    };
    writer.finish(&plan.layout)?;
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

/// A group being written.
struct Writer<'a> {
    folder: TempDir,
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
    /// Written where a pixel is invalid.
    null: Option<Number>,
}

/// What an array is made of, beside its attributes.
struct Plain<'a> {
    name: &'a str,
    dims: &'a [String],
    shape: &'a [usize],
    /// What is a file.
    chunk: &'a [usize],
    inner: Option<&'a [usize]>,
    /// Zarr's name of the type.
    dtype: &'a str,
    fill: Value,
}

impl<'a> Writer<'a> {
    /// Writes beside `target`.
    fn new(target: &'a Path) -> Result<Writer<'a>, SinkError> {
        let folder = tempfile::Builder::new().prefix(".zarr-").tempdir_in(file::folder(target));
        let folder = folder.map_err(|error| file::error_at(target, &error))?;
        let store = FilesystemStore::new(folder.path());
        let store = store.map_err(|error| file::error_at(target, &error))?;
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
            let (name, chunk, inner) = (&dim.name, &shape, None);
            let plain = Plain { name, dims: &dims, shape: &shape, chunk, inner, dtype, fill };
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
                inner: None,
                dtype: "int64",
                fill: json!(0),
            };
            self.array(&plain, json_attributes(mapping.attributes()))?;
        }
        Ok(())
    }

    /// The arrays of all bands with their guesses, of which nothing is said yet.
    fn unnamed(&self, plan: &Plan, guesses: &[Guess]) -> Result<Vec<BandArrays>, SinkError> {
        let (layout, dims) = (&plan.layout, Vec::new());
        let array = |(output, guess): (&cf::Output, &Guess)| {
            let (dtype, null) = (output.variable.dtype, Some(guess.value));
            let plain =
                plan.plain(&output.name, &dims, dtype.name(), fill::fill_value(dtype, null));
            Ok(BandArrays { values: self.build(&plain, Map::new())?, mask: None, null })
        };
        layout.outputs.iter().zip(guesses).map(array).collect()
    }

    /// Makes the arrays of all bands, and their masks where no value can stand for no-data.
    fn data_arrays(
        &mut self,
        plan: &mut Plan,
        nulls: &[NullCoding],
    ) -> Result<Vec<BandArrays>, SinkError> {
        let layout = &mut plan.layout;
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
            let Description { attributes, mask } = plan.layout.describe(band, null);
            let cf::Output { name, variable, .. } = &plan.layout.outputs[band];
            let dtype = variable.dtype;
            let mut attributes = with_mapping(attributes);
            if let Some(value) = null.value {
                attributes.insert("_FillValue".to_owned(), fill::fill_attribute(dtype, value));
            }
            let fill = fill::fill_value(dtype, null.value);
            let values = self.array(&plan.plain(name, &dims, dtype.name(), fill), attributes)?;
            let mask = match mask {
                Some(mask) => {
                    let plain = plan.plain(&mask.name, &dims, "bool", json!(false));
                    Some(self.array(&plain, with_mapping(mask.attributes))?)
                }
                None => None,
            };
            arrays.push(BandArrays { values, mask, null: null.value });
        }
        Ok(arrays)
    }

    /// Stores the chunk at `position`, of which `part` is inside the array.
    fn chunk(
        &self,
        arrays: &BandArrays,
        chunk: &[usize],
        position: &[u64],
        part: Block,
    ) -> Result<(), SinkError> {
        let (dtype, shape, null) = (part.dtype(), part.shape.clone(), arrays.null);
        if let Some(array) = &arrays.mask {
            let mask = part.validity.clone().unwrap_or_else(|| vec![true; part.len()]);
            let mask = Block::new(shape.clone(), Values::Bool(mask));
            self.store(array, position, cf::whole(mask, chunk, None))?;
        }
        let part = Block::new(shape, nodata::fill(part, dtype, null));
        self.store(&arrays.values, position, cf::whole(part, chunk, null))
    }

    fn store(
        &self,
        array: &Array<FilesystemStore>,
        indices: &[u64],
        block: Block,
    ) -> Result<(), SinkError> {
        let mut bytes = codec::borrowed_bytes(&block.values);
        if cfg!(target_endian = "big") {
            let size = block.dtype().size();
            bytes.to_mut().chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        let stored = array.store_chunk_opt(indices, ArrayBytes::new_flen(bytes), &one_by_one());
        block.recycle();
        stored.map_err(|error| file::error_at(self.target, &error))
    }

    /// Makes an array and writes its metadata.
    fn array(
        &mut self,
        plain: &Plain<'_>,
        attributes: Map<String, Value>,
    ) -> Result<Array<FilesystemStore>, SinkError> {
        let fail = |error: &dyn std::fmt::Display| file::error_at(self.target, error);
        let array = self.build(plain, attributes)?;
        array.store_metadata().map_err(|error| fail(&error))?;
        let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
        let metadata = serde_json::to_value(array.metadata_opt(&options));
        let metadata = metadata.map_err(|error| fail(&error))?;
        self.metadata.insert(plain.name.to_owned(), metadata);
        Ok(array)
    }

    fn build(
        &self,
        plain: &Plain<'_>,
        attributes: Map<String, Value>,
    ) -> Result<Array<FilesystemStore>, SinkError> {
        let fail = |error: &dyn std::fmt::Display| file::error_at(self.target, error);
        let sizes = |sizes: &[usize]| sizes.iter().map(|&n| n as u64).collect::<Vec<u64>>();
        let chunk: Vec<u64> = sizes(plain.chunk);
        let fill = serde_json::from_value::<FillValueMetadata>(plain.fill.clone())
            .map_err(|error| fail(&error))?;
        let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
        let named = plain.dims.len() == plain.shape.len();
        let array = ArrayBuilder::new(sizes(plain.shape), chunk, plain.dtype, fill)
            .bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(LEVEL, false))])
            .dimension_names(named.then(|| plain.dims.iter().map(String::as_str)))
            .subchunk_shape(plain.inner.map(sizes))
            .attributes(attributes)
            .build(Arc::clone(&self.store), &format!("/{}", plain.name))
            .map_err(|error| fail(&error))?
            .with_metadata_options(options);
        Ok(array)
    }

    /// Writes the metadata of the group and puts all in its place.
    fn finish(self, layout: &Layout) -> Result<(), SinkError> {
        let mut attributes = Map::new();
        attributes.insert("Conventions".to_owned(), cf::CONVENTIONS.into());
        if let Some(comment) = &layout.comment {
            attributes.insert("comment".to_owned(), comment.as_str().into());
        }
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
        fs::write(self.folder.path().join("zarr.json"), text)
            .and_then(|()| replace(self.folder.path(), self.target))
            .map_err(|e| file::error_at(self.target, &e))
    }
}

/// Parts of a shard one after the other: in parallel they would lie in any order.
fn one_by_one() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
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
