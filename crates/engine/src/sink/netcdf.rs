//! NetCDF-4 after the CF conventions, as xarray, rioxarray and GDAL read it.
//!
//! With a bands dimension every band is a variable of its own; without one there is a single variable `var`. The
//! order of dimensions is always time, others, y, x. The reference system is in a variable `crs` of its own. What is
//! said of all of them is in [`super::cf`].
//!
//! The library builds the file in memory: a result that does not fit the budget four times is refused before it
//! is computed. Nothing here depends on the clock, so that equal results are equal files.

mod values;

use std::path::Path;

use eolith_cube::{Block, ChunkGrid, Schema, Values};
use netcdf_writer::{
    DimensionId, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions, VariableId,
};

use crate::crs_text::CfValue;
use crate::sink::cf::{self, Attributes, Axis, Coordinate, Dialect, Layout, Mapping};
use crate::sink::format::{FormatDescription, ParameterDescription};
use crate::sink::{Options, OutputFile, ResultView, SinkError, file};

/// The entry of `GET /file_formats`.
pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: NAME,
    title: "NetCDF-4",
    description: "One file after the CF conventions: a variable for each band (`var` where there are no bands), \
                  coordinates for all dimensions, and the reference system in the variable `crs`.",
    media_type: "application/x-netcdf",
    extension: "nc",
    gis_data_types: &["raster"],
    parameters: &[ParameterDescription {
        name: COMPRESSION,
        description: "Deflate level: 0 stores the values as they are, 9 takes the least space.",
        schema_json: r#"{"type":"integer","minimum":0,"maximum":9}"#,
        default_json: Some("4"),
    }],
};

const NAME: &str = "netCDF";
const COMPRESSION: &str = "compression";
const DIALECT: Dialect = Dialect { format: NAME, unnamed: "var", mapping: "crs", sorted: true };

/// Bytes of a chunk before compression, about.
const CHUNK: usize = 1 << 20;

/// Bytes that are asked of the result at a time.
const WINDOW: usize = 16 << 20;

/// Writes `result` to `path`, first beside it under another name.
///
/// `budget` is in bytes. The notes of the file name the value that stands for no-data in each band and every
/// name that had to be changed.
///
/// # Errors
/// [`SinkError::Memory`] before anything is read, [`SinkError::Unsuitable`] for results without pixels or with
/// labels that NetCDF cannot hold, [`SinkError::Option`], and what reading and writing bring.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let level = compression(options)?;
    working_memory(result.schema(), options, budget)?;
    let mut layout = Layout::of(result.schema(), &DIALECT)?;
    let chunk = cf::chunk(&layout.shape(), &layout.horizontal(), CHUNK / layout.widest());
    layout.notes.extend(layout.mapping.as_ref().and_then(unit_note));
    let blocks = read(result, &layout)?;
    let contents = build(&mut layout, blocks, chunk, level)
        .map_err(|error| SinkError::Unsuitable { format: NAME, reason: error.to_string() })?;
    let notes = layout.notes;
    file::write(path, |writer| {
        let options = NcWriteOptions { format: NcWriteFormat::Nc4 };
        contents.write(writer, options).map_err(|e| file::error_at(path, &e))?;
        Ok(())
    })?;
    Ok(vec![OutputFile { path: path.to_owned(), media_type: DESCRIPTION.media_type, notes }])
}

/// Bytes that writing takes.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    compression(options)?;
    let layout = Layout::of(schema, &DIALECT)?;
    let chunk = cf::chunk(&layout.shape(), &layout.horizontal(), CHUNK / layout.widest());
    let needed = memory(&layout, &chunk);
    if needed > limit {
        return Err(SinkError::Memory { format: NAME, needed, allowed: limit });
    }
    Ok(needed)
}

fn compression(options: &Options) -> Result<u8, SinkError> {
    file::check(options, &DESCRIPTION)?;
    let given = options.get(COMPRESSION).filter(|value| !value.is_null());
    let Some(value) = given else { return Ok(4) };
    let level = value.as_u64().and_then(|level| u8::try_from(level).ok());
    let reason =
        || file::refuse(NAME, COMPRESSION, format!("{value} is not a whole number from 0 to 9"));
    level.filter(|level| *level <= 9).ok_or_else(reason)
}

/// Peak bytes of writing: the builder's copy of all values, the encoder's copy in file order, the chunks (padded to
/// their full size, with room for what deflate and a growing buffer add) and the file made of them. Reading before
/// that takes less: the values, one byte a pixel for validity, and windows.
fn memory(layout: &Layout, chunk: &[usize]) -> u64 {
    let shape = layout.shape();
    let pixels = shape.iter().map(|&n| n as u64).fold(1, u64::saturating_mul);
    let padded = (shape.iter().zip(chunk))
        .map(|(&n, &c)| (n.div_ceil(c) * c) as u64)
        .fold(1, u64::saturating_mul);
    let bytes: u64 = layout.outputs.iter().map(|o| o.variable.dtype.size() as u64).sum();
    let masks = pixels.saturating_mul(layout.outputs.len() as u64);
    let values = pixels.saturating_mul(bytes);
    let chunks = padded.saturating_mul(bytes);
    let encoding = values.saturating_add(chunks).saturating_mul(2).saturating_add(chunks / 8);
    let reading = values.saturating_add(masks).saturating_add(3 * WINDOW as u64);
    let labels: u64 = shape.iter().map(|&n| n as u64 * 64).sum();
    encoding.max(reading).saturating_add(labels).saturating_add(1 << 20)
}

fn unit_note(mapping: &Mapping) -> Option<String> {
    mapping.crs.unit_metres().filter(|metres| *metres != 1.0)?;
    let unit = mapping.crs.unit_name();
    Some(format!(
        "coordinates are in the unit {unit}: GDAL 3.10 places such NetCDF files wrongly, xarray does not"
    ))
}

/// All pixels, one block a variable, in the order and the type they are written in.
fn read(result: &dyn ResultView, layout: &Layout) -> Result<Vec<Block>, SinkError> {
    let (shape, bands) = (layout.shape(), layout.outputs.len());
    let mut blocks: Vec<Block> = (layout.outputs.iter())
        .map(|output| {
            let len = shape.iter().product();
            Block::new(shape.clone(), Values::zeros(output.variable.dtype, len))
        })
        .collect();
    let window = cf::chunk(&shape, &vec![false; shape.len()], WINDOW / 8 / bands.max(1));
    let windows = ChunkGrid::new(shape, window);
    for index in 0..windows.len() {
        let region = windows.region(index);
        let start: Vec<usize> = region.0.iter().map(|range| range.start).collect();
        layout.read(result, &region, 0..bands, |band, part| {
            blocks[band].paste(&start, &part);
            Ok(())
        })?;
    }
    Ok(blocks)
}

/// The whole file. Adds notes on no-data to those of the layout.
fn build(
    layout: &mut Layout,
    blocks: Vec<Block>,
    chunk: Vec<usize>,
    level: u8,
) -> netcdf_writer::Result<NcFileBuilder> {
    let mut contents = NcFileBuilder::new();
    contents.add_attribute("Conventions", NcAttrValue::Chars(cf::CONVENTIONS.to_owned()))?;
    let mut dims = Vec::with_capacity(layout.dims.len());
    for dim in &layout.dims {
        dims.push(contents.add_dimension(&dim.name, dim.coordinate.len() as u64)?);
    }
    for (dim, &id) in layout.dims.iter().zip(&dims) {
        coordinate(&mut contents, dim, id)?;
    }
    // rioxarray looks for a code at the data variables, unless it is told to decode grid mappings.
    let mut code = None;
    if let Some(mapping) = &layout.mapping {
        let id = contents.add_variable::<i32>(&mapping.name, &[])?;
        contents.write_variable(id, &[0])?;
        describe(&mut contents, id, mapping.attributes())?;
        code = mapping.code();
    }
    let storage = values::Storage { dims, chunk, level, code };
    for (band, block) in blocks.into_iter().enumerate() {
        values::write(&mut contents, layout, band, block, &storage)?;
    }
    Ok(contents)
}

/// Adds the coordinate variable of a dimension.
fn coordinate(
    file: &mut NcFileBuilder,
    axis: &Axis,
    dim: DimensionId,
) -> netcdf_writer::Result<()> {
    let id = match &axis.coordinate {
        Coordinate::Floats(values) => {
            let id = file.add_variable::<f64>(&axis.name, &[dim])?;
            file.write_variable(id, values)?;
            id
        }
        Coordinate::Ints(values) | Coordinate::Times { values, .. } => {
            let id = file.add_variable::<i64>(&axis.name, &[dim])?;
            file.write_variable(id, values)?;
            id
        }
        Coordinate::Texts(values) => {
            let id = file.add_string_variable(&axis.name, &[dim])?;
            file.write_string_variable(id, values)?;
            id
        }
    };
    describe(file, id, axis.attributes())
}

/// Adds attributes to a variable.
fn describe(
    file: &mut NcFileBuilder,
    variable: VariableId,
    attributes: Attributes,
) -> netcdf_writer::Result<()> {
    for (name, value) in attributes {
        let value = match value {
            CfValue::Text(text) => NcAttrValue::Chars(text),
            CfValue::Number(number) => NcAttrValue::Doubles(vec![number]),
            CfValue::Numbers(numbers) => NcAttrValue::Doubles(numbers),
        };
        file.add_variable_attribute(variable, name, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
