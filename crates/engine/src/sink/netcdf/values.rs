//! Data variables: pixels, and what stands for no-data in them.

use eolith_cube::{Block, DType, Element, Number, Values};
use netcdf_writer::{DimensionId, NcAttrValue, NcFileBuilder, NcFillValueType, Result, VariableId};

use super::describe;
use crate::crs_text::CfValue;
use crate::sink::cf::{Description, Layout};
use crate::sink::nodata::{Scan, fill};

/// What all data variables of a file have in common.
pub(super) struct Storage {
    pub(super) dims: Vec<DimensionId>,
    pub(super) chunk: Vec<usize>,
    /// Deflate level, 0 = none.
    pub(super) level: u8,
    /// The reference system's `EPSG:…`.
    pub(super) code: Option<String>,
}

/// Adds the variable of a band and, where no value can stand for no-data, its mask.
pub(super) fn write(
    file: &mut NcFileBuilder,
    layout: &mut Layout,
    band: usize,
    block: Block,
    storage: &Storage,
) -> Result<()> {
    let (truth, dtype) = match block.dtype() {
        // NetCDF has no booleans: they are bytes.
        DType::Bool => (true, DType::U8),
        dtype => (false, dtype),
    };
    let output = &layout.outputs[band];
    let mut scan = Scan::new(output.variable.nodata, dtype);
    scan.add(&block);
    let coding = scan.decide();
    let Description { attributes, mask } = layout.describe(band, &coding);
    let validity = block.validity.clone().filter(|_| mask.is_some());
    let values = fill(block, dtype, coding.value);
    let id = add(file, &layout.outputs[band].name, &values, coding.value, storage)?;
    describe(file, id, attributes)?;
    if truth {
        flags(file, id, "false true")?;
    }
    if let (Some(mask), Some(validity)) = (mask, validity) {
        let values = Values::U8(validity.into_iter().map(u8::from).collect());
        let id = add(file, &mask.name, &values, None, storage)?;
        describe(file, id, mask.attributes)?;
        flags(file, id, "no_data valid")?;
    }
    Ok(())
}

/// Says what 0 and 1 mean.
fn flags(file: &mut NcFileBuilder, id: VariableId, meanings: &str) -> Result<()> {
    file.add_variable_attribute(id, "flag_values", NcAttrValue::UBytes(vec![0, 1]))?;
    file.add_variable_attribute(id, "flag_meanings", NcAttrValue::Chars(meanings.to_owned()))?;
    Ok(())
}

/// Adds a variable without a description.
fn add(
    file: &mut NcFileBuilder,
    name: &str,
    values: &Values,
    fill: Option<Number>,
    storage: &Storage,
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
                    typed(file, name, v, fill, &storage.dims)?
                })*
                Values::Bool(v) => {
                    let bytes: Vec<u8> = v.iter().map(|&b| u8::from(b)).collect();
                    let fill = fill.map(Element::from_number);
                    typed(file, name, &bytes, fill, &storage.dims)?
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
    if let Some(code) = &storage.code {
        describe(file, id, vec![("crs".to_owned(), CfValue::Text(code.clone()))])?;
    }
    Ok(id)
}
