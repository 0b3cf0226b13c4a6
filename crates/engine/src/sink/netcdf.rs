//! NetCDF-4 after the CF conventions, as xarray, rioxarray and GDAL read it.
//!
//! With a bands dimension every band is a variable of its own, named by its label and stored in its own type;
//! without one there is a single variable `var`. The order of dimensions is always time, others, y, x. The
//! reference system is in a variable `crs` of its own. Time labels are CF times where they are instants and
//! texts where a process made texts of them.
//!
//! Scale and offset of a band are written under the names `scale` and `offset`, not as CF's `scale_factor` and
//! `add_offset`: a process sees the stored numbers, and a file that readers unpack on their own would give other
//! numbers than the GeoTIFF, the PNG and the JSON of the same result. For the same reason a band with a scale
//! has no `units`, which would be those of the unpacked values.
//!
//! The library builds the file in memory: a result that does not fit the budget four times is refused before it
//! is computed. Nothing here depends on the clock, so that equal results are equal files.

mod coordinates;
mod crs;
mod layout;
mod values;

use std::path::Path;

use eolith_cube::{Block, ChunkGrid, Region, Values};
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions, VariableId};

use self::layout::Layout;
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
    let mut layout = Layout::of(result.schema())?;
    let needed = layout.memory(WINDOW as u64);
    if needed > budget {
        return Err(SinkError::Memory { format: NAME, needed, allowed: budget });
    }
    let blocks = read(result, &layout)?;
    let mut contents = NcFileBuilder::new();
    let text = |text: &str| NcAttrValue::Chars(text.to_owned());
    contents.add_attribute("Conventions", text("CF-1.9")).map_err(|e| unsuitable(&e))?;
    let mut dims = Vec::with_capacity(layout.dims.len());
    for dim in &layout.dims {
        let id = contents.add_dimension(&dim.name, dim.coordinate.len() as u64);
        dims.push(id.map_err(|e| unsuitable(&e))?);
    }
    for (dim, &id) in layout.dims.iter().zip(&dims) {
        coordinates::write(&mut contents, dim, id).map_err(|e| unsuitable(&e))?;
    }
    if let Some(mapping) = &layout.mapping {
        crs::write(&mut contents, mapping).map_err(|e| unsuitable(&e))?;
    }
    let mapping = layout.mapping.as_ref();
    let storage = values::Storage { dims: &dims, chunk: &layout.chunk, level, mapping };
    let mut notes = layout.notes;
    for (output, block) in layout.outputs.iter().zip(blocks) {
        let more = values::write(&mut contents, output, block, &storage, &mut layout.names);
        notes.extend(more.map_err(|e| unsuitable(&e))?);
    }
    file::write(path, |writer| {
        let options = NcWriteOptions { format: NcWriteFormat::Nc4 };
        contents.write(writer, options).map_err(|e| file::error_at(path, &e))?;
        Ok(())
    })?;
    Ok(vec![OutputFile { path: path.to_owned(), media_type: DESCRIPTION.media_type, notes }])
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

/// All pixels, one block a variable, in the order and the type they are written in.
fn read(result: &dyn ResultView, layout: &Layout) -> Result<Vec<Block>, SinkError> {
    let shape = layout.shape();
    let mut blocks: Vec<Block> = (layout.outputs.iter())
        .map(|output| {
            let len = shape.iter().product();
            Block::new(shape.clone(), Values::zeros(output.variable.dtype, len))
        })
        .collect();
    let whole = layout.schema_shape.clone();
    let windows = ChunkGrid::new(whole.clone(), layout::trailing(&whole, WINDOW / 8));
    for index in 0..windows.len() {
        let region = windows.region(index);
        let block = result.read(&region)?;
        if block.shape != region.shape() {
            return Err(SinkError::Read(format!(
                "asked for the shape {:?}, got {:?}",
                region.shape(),
                block.shape
            )));
        }
        let start: Vec<usize> = layout.order.iter().map(|&d| region.0[d].start).collect();
        let bands = layout.bands.map_or(0..1, |d| region.0[d].clone());
        for (offset, band) in bands.enumerate() {
            let mut part = Region::whole(&block.shape);
            let mut order = layout.order.clone();
            if let Some(d) = layout.bands {
                part.0[d] = offset..offset + 1;
                order.insert(0, d);
            }
            let part = block.slice(&part).permute(&order);
            let shape = part.shape[order.len() - layout.order.len()..].to_vec();
            blocks[band].paste(&start, &part.reshape(shape));
        }
    }
    Ok(blocks)
}

fn unsuitable(error: &netcdf_writer::Error) -> SinkError {
    SinkError::Unsuitable { format: NAME, reason: error.to_string() }
}

/// Adds a text attribute.
fn describe(
    file: &mut NcFileBuilder,
    variable: VariableId,
    attributes: &[(&str, &str)],
) -> netcdf_writer::Result<()> {
    for &(name, value) in attributes {
        file.add_variable_attribute(variable, name, NcAttrValue::Chars(value.to_owned()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
