//! One variable of an open file.

use std::fmt;
use std::sync::Arc;

use eolith_cube::{Block, DType, Number, Region, Values};
use futures::future::BoxFuture;
use netcdf_reader::{NcFile, NcReadable, NcSliceInfo, NcSliceInfoElem, NcType, NcVariable};

use super::storage::counted;
use super::{Open, attributes, blocking, error};
use crate::source::{ArrayMeta, ArrayReader, Fetched, SourceError};

/// What is read at a time from a variable that is not chunked.
const UNCHUNKED: usize = 4 << 20;

pub(super) struct Variable {
    open: Arc<Open>,
    meta: ArrayMeta,
    kind: Kind,
    /// No-data values beside `meta.nodata` (CF allows `_FillValue` and `missing_value` to differ).
    masked: Vec<Number>,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// The type in the file; `meta.dtype` may have the other sign.
    Number(DType),
}

impl Variable {
    /// `None` where the type cannot be a number or a text.
    pub(super) fn new(
        open: &Arc<Open>,
        path: String,
        variable: &NcVariable,
        chunks: Option<Vec<u32>>,
    ) -> Result<Option<Variable>, SourceError> {
        let Some(kind) = kind(&variable.dtype) else {
            let dtype = &variable.dtype;
            tracing::warn!("variable `{path}` of `{}` has the type {dtype:?}: left out", open.href);
            return Ok(None);
        };
        let mut dims = variable.dimensions();
        if variable.dtype == NcType::Char {
            // The last dimension counts the characters of a text.
            dims = &dims[..dims.len().saturating_sub(1)];
        }
        let shape: Result<Vec<usize>, _> = dims.iter().map(|d| usize::try_from(d.size)).collect();
        let shape = shape.map_err(|_| SourceError::Invalid {
            href: open.href.to_string(),
            format: "NetCDF",
            reason: format!("variable `{path}` is larger than memory can be"),
        })?;
        let dtype = match kind {
            Kind::Text => DType::U8,
            Kind::Number(stored) => attributes::logical(stored, variable),
        };
        let mut nodata = attributes::nodata(variable, dtype).into_iter();
        let meta = ArrayMeta {
            name: path,
            dims: dims.iter().map(|d| d.name.clone()).collect(),
            chunk: chunk(&shape, dtype, chunks),
            shape,
            dtype,
            nodata: nodata.next(),
            attributes: attributes::to_json(&variable.attributes),
        };
        let open = Arc::clone(open);
        Ok(Some(Variable { open, meta, kind, masked: nodata.collect() }))
    }

    fn invalid(&self, reason: String) -> SourceError {
        let reason = format!("variable `{}`: {reason}", self.meta.name);
        SourceError::Invalid { href: self.open.href.to_string(), format: "NetCDF", reason }
    }
}

impl ArrayReader for Variable {
    fn meta(&self) -> &ArrayMeta {
        &self.meta
    }

    fn fetch(&self, region: Region) -> BoxFuture<'_, Result<Fetched, SourceError>> {
        let Kind::Number(stored) = self.kind else {
            let what = format!("the text variable `{}` as numbers", self.meta.name);
            let error = SourceError::Unsupported { href: self.open.href.to_string(), what };
            return Box::pin(async { Err(error) });
        };
        let fits = region.0.len() == self.meta.shape.len()
            && region.0.iter().zip(&self.meta.shape).all(|(r, &n)| r.start <= r.end && r.end <= n);
        if !fits {
            let reason = format!("{:?} is not inside the shape {:?}", region.0, self.meta.shape);
            return Box::pin(async { Err(self.invalid(reason)) });
        }
        let open = Arc::clone(&self.open);
        let (name, logical) = (self.meta.name.clone(), self.meta.dtype);
        Box::pin(async move {
            blocking(&self.open.href, move || {
                let (values, bytes) = counted(|| read(&open.file, &name, stored, &region));
                let values = values.map_err(|e| error(&open.href, e))?;
                let block = Block::new(region.shape(), reinterpret(values, logical));
                Ok(Fetched { bytes, payload: Box::new(block) })
            })
            .await
        })
    }

    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError> {
        let mut block = match fetched.payload.downcast::<Block>() {
            Ok(block) if block.shape == region.shape() => *block,
            _ => return Err(self.invalid("was fetched for another region".to_owned())),
        };
        for &number in &self.masked {
            block.mask_value(number);
        }
        Ok(block)
    }

    fn version(&self) -> Option<&str> {
        Some(&self.open.version)
    }

    fn texts(&self) -> Option<BoxFuture<'_, Result<Vec<String>, SourceError>>> {
        let Kind::Text = self.kind else { return None };
        let open = Arc::clone(&self.open);
        let name = self.meta.name.clone();
        let count: usize = self.meta.shape.iter().product();
        Some(Box::pin(async move {
            let texts = blocking(&self.open.href, move || {
                open.file.read_variable_as_strings(&name).map_err(|e| error(&open.href, e))
            });
            let texts = texts.await?;
            if texts.len() != count {
                return Err(self.invalid(format!("has {} texts, not {count}", texts.len())));
            }
            Ok(texts)
        }))
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({} of {})", self.meta.name, self.open.href)
    }
}

fn kind(dtype: &NcType) -> Option<Kind> {
    Some(match dtype {
        NcType::Char | NcType::String => Kind::Text,
        NcType::Byte => Kind::Number(DType::I8),
        NcType::UByte => Kind::Number(DType::U8),
        NcType::Short => Kind::Number(DType::I16),
        NcType::UShort => Kind::Number(DType::U16),
        NcType::Int => Kind::Number(DType::I32),
        NcType::UInt => Kind::Number(DType::U32),
        NcType::Int64 => Kind::Number(DType::I64),
        NcType::UInt64 => Kind::Number(DType::U64),
        NcType::Float => Kind::Number(DType::F32),
        NcType::Double => Kind::Number(DType::F64),
        NcType::Enum { .. }
        | NcType::Compound { .. }
        | NcType::Opaque { .. }
        | NcType::Array { .. }
        | NcType::VLen { .. } => return None,
    })
}

/// The file's chunk, or the largest run of whole trailing dimensions below a fixed size.
fn chunk(shape: &[usize], dtype: DType, stored: Option<Vec<u32>>) -> Vec<usize> {
    if let Some(stored) = stored.filter(|stored| stored.len() == shape.len()) {
        let cut = |(&c, &n): (&u32, &usize)| (c as usize).clamp(1, n.max(1));
        return stored.iter().zip(shape).map(cut).collect();
    }
    let mut room = UNCHUNKED / dtype.size();
    let mut chunk = vec![1; shape.len()];
    for (size, &n) in chunk.iter_mut().zip(shape).rev() {
        *size = n.clamp(1, room.max(1));
        room /= *size;
    }
    chunk
}

fn read(
    file: &NcFile,
    name: &str,
    stored: DType,
    region: &Region,
) -> netcdf_reader::Result<Values> {
    fn typed<T: NcReadable>(
        file: &NcFile,
        name: &str,
        region: &Region,
    ) -> netcdf_reader::Result<Vec<T>> {
        let selections = (region.0.iter())
            .map(|r| NcSliceInfoElem::Slice { start: r.start as u64, end: r.end as u64, step: 1 })
            .collect::<Vec<_>>();
        let array = if selections.is_empty() {
            file.read_variable::<T>(name)?
        } else {
            file.read_variable_slice::<T>(name, &NcSliceInfo { selections })?
        };
        let array = if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        };
        let (values, _) = array.into_raw_vec_and_offset();
        if values.len() == region.len() {
            Ok(values)
        } else {
            let (got, wanted) = (values.len(), region.len());
            Err(netcdf_reader::Error::InvalidData(format!("got {got} values instead of {wanted}")))
        }
    }
    if region.is_empty() && !region.0.is_empty() {
        return Ok(Values::zeros(stored, 0));
    }
    Ok(match stored {
        DType::Bool | DType::U8 => Values::U8(typed(file, name, region)?),
        DType::I8 => Values::I8(typed(file, name, region)?),
        DType::U16 => Values::U16(typed(file, name, region)?),
        DType::I16 => Values::I16(typed(file, name, region)?),
        DType::U32 => Values::U32(typed(file, name, region)?),
        DType::I32 => Values::I32(typed(file, name, region)?),
        DType::U64 => Values::U64(typed(file, name, region)?),
        DType::I64 => Values::I64(typed(file, name, region)?),
        DType::F32 => Values::F32(typed(file, name, region)?),
        DType::F64 => Values::F64(typed(file, name, region)?),
    })
}

/// The same bits under the other sign.
fn reinterpret(values: Values, dtype: DType) -> Values {
    if values.dtype() == dtype {
        return values;
    }
    match values {
        Values::U8(v) => Values::I8(v.into_iter().map(u8::cast_signed).collect()),
        Values::I8(v) => Values::U8(v.into_iter().map(i8::cast_unsigned).collect()),
        Values::U16(v) => Values::I16(v.into_iter().map(u16::cast_signed).collect()),
        Values::I16(v) => Values::U16(v.into_iter().map(i16::cast_unsigned).collect()),
        Values::U32(v) => Values::I32(v.into_iter().map(u32::cast_signed).collect()),
        Values::I32(v) => Values::U32(v.into_iter().map(i32::cast_unsigned).collect()),
        Values::U64(v) => Values::I64(v.into_iter().map(u64::cast_signed).collect()),
        Values::I64(v) => Values::U64(v.into_iter().map(i64::cast_unsigned).collect()),
        other => other,
    }
}
