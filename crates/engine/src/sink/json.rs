//! A cube as one JSON object, for small results and for reading by eye.
//!
//! ```json
//! {"dims": ["t", "bands"], "shape": [1, 3],
//!  "dimensions": {"t": ["2020-06-01"], "bands": ["B04", "B08", "ndvi"]},
//!  "crs": null, "dtype": "float32", "values": [[0.5, null, "NaN"]]}
//! ```
//! `values` is nested in the order of `dims`; a cube without dimensions has a bare value. No-data is `null`. JSON
//! has no NaN and no infinities: they are the texts `"NaN"`, `"Infinity"` and `"-Infinity"`, as in Zarr metadata.
//! `crs` is `EPSG:…`, else a PROJ string, WKT or PROJJSON as text; `null` without spatial dimensions.

use std::io::{self, Write};
use std::path::Path;

use eolith_cube::{Block, Label, Region, Schema, Values};
use serde_json::json;

use super::format::FormatDescription;
use super::{Options, OutputFile, ResultView, SinkError, file};

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "JSON",
    title: "JSON",
    description: "A small cube as nested arrays with its dimensions and labels: `dims`, `shape`, `dimensions`, \
                  `crs`, `dtype`, `values`. Missing pixels are null, NaN is the text \"NaN\".",
    media_type: "application/json",
    extension: "json",
    gis_data_types: &["raster", "other"],
    parameters: &[],
};

const FORMAT: &str = DESCRIPTION.name;
/// Text at most, in bytes: more is not read by anyone, and slow in every client.
const MOST: u64 = 50_000_000;

/// Writes the cube to `path`. `budget` bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let schema = result.schema();
    working_memory(schema, options, budget)?;
    let shape = known_shape(schema)?;
    file::write(path, |out| {
        let mut text = Limited { out, left: MOST };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::FileTooLarge => {
                unsuitable(format!("it needs more than {MOST} bytes of text"))
            }
            _ => file::error_at(path, &error),
        };
        text.write_all(head(schema, &shape).as_bytes()).map_err(failed)?;
        write_values(result, &shape, &mut text, &failed)?;
        text.write_all(b"}\n").map_err(failed)
    })?;
    let media_type = DESCRIPTION.media_type;
    Ok(vec![OutputFile { path: path.to_owned(), media_type, notes: Vec::new(), image: None }])
}

/// Bytes that writing takes: one index of the first dimension at a time.
///
/// # Errors
/// The result is too large to be text, or needs more than `limit`.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    file::check(options, &DESCRIPTION)?;
    let shape = known_shape(schema)?;
    let pixels = shape.iter().fold(1_u64, |n, &len| n.saturating_mul(len as u64));
    // One digit and a comma is the least a value takes.
    if pixels.saturating_mul(2) > MOST {
        return Err(unsuitable(format!("{pixels} values are more than {MOST} bytes of text")));
    }
    let slab = pixels / shape.first().map_or(1, |&n| n.max(1) as u64);
    let needed = slab * (schema.dtype().size() as u64 + 1) * 2 + (1 << 16);
    if needed > limit {
        return Err(SinkError::Memory { format: FORMAT, needed, allowed: limit });
    }
    Ok(needed)
}

fn known_shape(schema: &Schema) -> Result<Vec<usize>, SinkError> {
    schema.shape().ok_or_else(|| unsuitable("it has dimensions without labels".to_owned()))
}

fn unsuitable(reason: String) -> SinkError {
    SinkError::Unsuitable { format: FORMAT, reason }
}

/// Everything up to the values.
fn head(schema: &Schema, shape: &[usize]) -> String {
    let names: Vec<&str> = schema.dims.iter().map(|dim| dim.name.as_str()).collect();
    let labels = |dim: &eolith_cube::Dimension| -> Vec<serde_json::Value> {
        dim.labels()
            .map(|labels| labels.iter().map(|label| label_json(&label)).collect())
            .unwrap_or_default()
    };
    let dimensions: serde_json::Map<_, _> =
        schema.dims.iter().map(|dim| (dim.name.clone(), labels(dim).into())).collect();
    let crs = schema.dims.iter().find_map(|dim| dim.crs());
    let crs = crs.map(|crs| match (crs.code(), crs.text()) {
        (Some(code), _) => format!("EPSG:{code}"),
        (None, text) => text.unwrap_or(crs.proj_string()).to_owned(),
    });
    let dtype = schema.dtype().name();
    let head = json!({
        "dims": names, "shape": shape, "dimensions": dimensions, "crs": crs, "dtype": dtype
    });
    let text = head.to_string();
    format!("{},\"values\":", text.strip_suffix('}').unwrap_or(&text))
}

fn label_json(label: &Label) -> serde_json::Value {
    match label {
        Label::Text(text) => json!(&**text),
        Label::Int(value) => json!(value),
        Label::Float(value) => json!(value),
        Label::Time(time) => json!(&*time.text),
    }
}

/// Nested arrays, one index of the first dimension at a time.
fn write_values(
    result: &dyn ResultView,
    shape: &[usize],
    out: &mut impl Write,
    failed: &impl Fn(io::Error) -> SinkError,
) -> Result<(), SinkError> {
    let Some((&first, rest)) = shape.split_first() else {
        let block = result.read(&Region(Vec::new()))?;
        return write_nested(&block, &[], &mut 0, out).map_err(failed);
    };
    out.write_all(b"[").map_err(failed)?;
    for index in 0..first {
        let region =
            Region(std::iter::once(index..index + 1).chain(rest.iter().map(|&n| 0..n)).collect());
        let block = if region.is_empty() {
            Block::new(region.shape(), Values::zeros(result.schema().dtype(), 0))
        } else {
            result.read(&region)?
        };
        if block.shape != region.shape() {
            return Err(SinkError::Read(format!("a block of {:?} for {region:?}", block.shape)));
        }
        if index > 0 {
            out.write_all(b",").map_err(failed)?;
        }
        write_nested(&block, rest, &mut 0, out).map_err(failed)?;
    }
    out.write_all(b"]").map_err(failed)
}

/// The values from `at` on as an array of `shape`; as deep as the cube has dimensions.
fn write_nested(
    block: &Block,
    shape: &[usize],
    at: &mut usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some((&len, rest)) = shape.split_first() else {
        *at += 1;
        return write_value(block, *at - 1, out);
    };
    out.write_all(b"[")?;
    for i in 0..len {
        if i > 0 {
            out.write_all(b",")?;
        }
        write_nested(block, rest, at, out)?;
    }
    out.write_all(b"]")
}

fn write_value(block: &Block, index: usize, out: &mut impl Write) -> io::Result<()> {
    if !block.is_valid(index) {
        return out.write_all(b"null");
    }
    match &block.values {
        Values::Bool(v) => write!(out, "{}", v[index]),
        Values::U8(v) => write!(out, "{}", v[index]),
        Values::I8(v) => write!(out, "{}", v[index]),
        Values::U16(v) => write!(out, "{}", v[index]),
        Values::I16(v) => write!(out, "{}", v[index]),
        Values::U32(v) => write!(out, "{}", v[index]),
        Values::I32(v) => write!(out, "{}", v[index]),
        Values::U64(v) => write!(out, "{}", v[index]),
        Values::I64(v) => write!(out, "{}", v[index]),
        // The debug form is the shortest that reads back as the same number, and valid JSON.
        Values::F32(v) if v[index].is_finite() => write!(out, "{:?}", v[index]),
        Values::F64(v) if v[index].is_finite() => write!(out, "{:?}", v[index]),
        Values::F32(v) => out.write_all(not_finite(v[index].into()).as_bytes()),
        Values::F64(v) => out.write_all(not_finite(v[index]).as_bytes()),
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "\"NaN\""
    } else if value > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    }
}

/// Fails when more than `left` bytes are written.
struct Limited<W> {
    out: W,
    left: u64,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
