//! Data variables: pixels, what stands for no-data in them, and their attributes.

use eolith_cube::{Block, DType, Element, Number, Values};
use netcdf_writer::{DimensionId, NcAttrValue, NcFileBuilder, NcFillValueType, Result, VariableId};

use super::crs::Mapping;
use super::describe;
use super::layout::{Names, Output};
use crate::sink::nodata::{Scan, fill};

/// What all data variables of a file have in common.
pub(super) struct Storage<'a> {
    pub(super) dims: &'a [DimensionId],
    pub(super) chunk: &'a [usize],
    /// Deflate level, 0 = none.
    pub(super) level: u8,
    pub(super) mapping: Option<&'a Mapping>,
}

/// Adds a variable and, where no value can stand for no-data, its mask. Gives notes on that choice.
pub(super) fn write(
    file: &mut NcFileBuilder,
    output: &Output,
    block: Block,
    storage: &Storage<'_>,
    names: &mut Names,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    // NetCDF has no booleans: they are bytes.
    let dtype = if block.dtype() == DType::Bool { DType::U8 } else { block.dtype() };
    let mut scan = Scan::new(output.variable.nodata, dtype);
    scan.add(&block);
    let coding = scan.decide();
    let masked = coding.masked();
    notes.extend(coding.note.map(|note| format!("`{}`: {note}", output.name)));
    let mask = if masked { block.validity.clone() } else { None };
    let values = fill(block, dtype, coding.value);
    let id = add(file, &output.name, &values, coding.value, storage)?;
    let variable = &output.variable;
    describe(file, id, &[("long_name", variable.common_name.as_deref().unwrap_or(&output.label))])?;
    if variable.dtype == DType::Bool {
        let flags = NcAttrValue::UBytes(vec![0, 1]);
        file.add_variable_attribute(id, "flag_values", flags)?;
        describe(file, id, &[("flag_meanings", "false true")])?;
    }
    let packing = [("scale", variable.scale), ("offset", variable.offset)];
    for (name, value) in packing {
        if let Some(value) = value {
            file.add_variable_attribute(id, name, NcAttrValue::Doubles(vec![value]))?;
        }
    }
    if let (Some(unit), [(_, None), (_, None)]) = (variable.unit.as_deref(), packing) {
        describe(file, id, &[("units", unit)])?;
    }
    place(file, id, storage)?;
    if let Some(mask) = mask {
        let name = names.give(&format!("{}_valid", output.name), "mask", &mut notes);
        notes.push(format!("`{}`: no value is free for no-data, see `{name}`", output.name));
        describe(file, id, &[("ancillary_variables", &name)])?;
        let mask = Values::U8(mask.into_iter().map(u8::from).collect());
        let id = add(file, &name, &mask, None, storage)?;
        let flags = NcAttrValue::UBytes(vec![0, 1]);
        file.add_variable_attribute(id, "flag_values", flags)?;
        describe(file, id, &[("flag_meanings", "no_data valid")])?;
        place(file, id, storage)?;
    }
    Ok(notes)
}

/// Says which reference system a variable is in.
fn place(file: &mut NcFileBuilder, id: VariableId, storage: &Storage<'_>) -> Result<()> {
    let Some(mapping) = storage.mapping else { return Ok(()) };
    describe(file, id, &[("grid_mapping", &mapping.name)])?;
    if let Some(code) = &mapping.code {
        describe(file, id, &[("crs", code)])?;
    }
    Ok(())
}

fn add(
    file: &mut NcFileBuilder,
    name: &str,
    values: &Values,
    fill: Option<Number>,
    storage: &Storage<'_>,
) -> Result<VariableId> {
    fn typed<T: NcFillValueType>(
        file: &mut NcFileBuilder,
        name: &str,
        values: &[T],
        fill: Option<T>,
        dims: &[DimensionId],
    ) -> Result<VariableId> {
        let id = file.add_variable::<T>(name, dims)?;
        file.write_variable(id, values)?;
        if let Some(fill) = fill {
            file.set_variable_fill_value(id, fill)?;
        }
        Ok(id)
    }
    macro_rules! add {
        ($($variant:ident),*) => {
            match values {
                $(Values::$variant(v) => {
                    let fill = fill.map(Element::from_number);
                    typed(file, name, v, fill, storage.dims)?
                })*
                Values::Bool(v) => {
                    let bytes: Vec<u8> = v.iter().map(|&b| u8::from(b)).collect();
                    let fill = fill.map(Element::from_number);
                    typed(file, name, &bytes, fill, storage.dims)?
                }
            }
        };
    }
    let id = add!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64);
    if !storage.dims.is_empty() {
        let chunk: Vec<u64> = storage.chunk.iter().map(|&n| n as u64).collect();
        file.set_variable_chunking(id, chunk)?;
        if storage.level > 0 {
            file.set_variable_deflate(id, Some(storage.level), true)?;
        }
    }
    Ok(id)
}
