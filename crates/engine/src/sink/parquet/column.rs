//! One column: what its cells are, and how they are written.

use ::parquet::basic::{LogicalType, Repetition, Type as Physical};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::SerializedColumnWriter;
use ::parquet::schema::types::Type;
use eolith_cube::{Block, DType, Number};
use serde_json::Value as Json;

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// An integer of so many bits, with a sign or without.
    Int(i8, bool),
    Float,
    Double,
    Text,
    Binary,
}

/// The cells that are there, and for each row whether there is one.
pub(super) struct Cells {
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
}

impl Kind {
    pub(super) fn of_dtype(dtype: DType) -> Kind {
        match dtype {
            DType::Bool => Kind::Bool,
            DType::U8 => Kind::Int(8, false),
            DType::I8 => Kind::Int(8, true),
            DType::U16 => Kind::Int(16, false),
            DType::I16 => Kind::Int(16, true),
            DType::U32 => Kind::Int(32, false),
            DType::I32 => Kind::Int(32, true),
            DType::U64 => Kind::Int(64, false),
            DType::I64 => Kind::Int(64, true),
            DType::F32 => Kind::Float,
            DType::F64 => Kind::Double,
        }
    }

    /// The narrowest kind that holds all of these without a change; texts of JSON where they are of several kinds.
    pub(super) fn of_json(values: &[&Json]) -> Kind {
        let all = |is: fn(&Json) -> bool| values.iter().all(|value| value.is_null() || is(value));
        if values.iter().all(|value| value.is_null()) || all(Json::is_string) {
            Kind::Text
        } else if all(Json::is_boolean) {
            Kind::Bool
        } else if all(Json::is_i64) {
            Kind::Int(64, true)
        } else if all(|value| value.is_f64() || value.as_i64().is_some_and(|v| v.abs() < 1 << 53)) {
            Kind::Double
        } else {
            Kind::Text
        }
    }

    pub(super) fn field(self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical) = match self {
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Int(bits @ 64, signed) => {
                (Physical::INT64, Some(LogicalType::integer(bits, signed)))
            }
            Kind::Int(bits, signed) => (Physical::INT32, Some(LogicalType::integer(bits, signed))),
            Kind::Float => (Physical::FLOAT, None),
            Kind::Double => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Binary => (Physical::BYTE_ARRAY, None),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
    }
}

impl Cells {
    /// Texts, or other bytes.
    pub(super) fn texts(cells: impl Iterator<Item = Option<Vec<u8>>>) -> Cells {
        let (values, levels) = split(cells, ByteArray::from);
        Cells { values: Values::Bytes(values), levels }
    }

    pub(super) fn json(kind: Kind, cells: &[&Json]) -> Cells {
        let cells = cells.iter().copied();
        let text = |value: &Json| match value {
            Json::Null => None,
            Json::String(text) => Some(text.clone().into_bytes()),
            other => Some(other.to_string().into_bytes()),
        };
        let (values, levels) = match kind {
            Kind::Bool => Values::of(cells.map(Json::as_bool), Values::Bool),
            Kind::Int(..) => Values::of(cells.map(Json::as_i64), Values::Int64),
            Kind::Float | Kind::Double => Values::of(cells.map(Json::as_f64), Values::Double),
            Kind::Text | Kind::Binary => return Cells::texts(cells.map(text)),
        };
        Cells { values, levels }
    }

    /// The pixels of a block, in order.
    pub(super) fn block(block: &Block) -> Cells {
        let pixels = || (0..block.len()).map(|i| block.get(i));
        let int = |number: Number| match number {
            Number::Int(value) => value,
            Number::Float(value) => value as i128,
        };
        let (values, levels) = match Kind::of_dtype(block.dtype()) {
            Kind::Bool => Values::of(pixels().map(|p| p.map(|n| int(n) != 0)), Values::Bool),
            // Without a sign the bits are the same.
            Kind::Int(64, _) => {
                Values::of(pixels().map(|p| p.map(|n| int(n) as i64)), Values::Int64)
            }
            Kind::Int(..) => Values::of(pixels().map(|p| p.map(|n| int(n) as i32)), Values::Int32),
            Kind::Float => {
                Values::of(pixels().map(|p| p.map(|n| n.to_f64() as f32)), Values::Float)
            }
            Kind::Double | Kind::Text | Kind::Binary => {
                Values::of(pixels().map(|p| p.map(Number::to_f64)), Values::Double)
            }
        };
        Cells { values, levels }
    }

    pub(super) fn write(
        &self,
        column: &mut SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        match &self.values {
            Values::Bool(values) => put::<BoolType>(column, values, &self.levels),
            Values::Int32(values) => put::<Int32Type>(column, values, &self.levels),
            Values::Int64(values) => put::<Int64Type>(column, values, &self.levels),
            Values::Float(values) => put::<FloatType>(column, values, &self.levels),
            Values::Double(values) => put::<DoubleType>(column, values, &self.levels),
            Values::Bytes(values) => put::<ByteArrayType>(column, values, &self.levels),
        }
    }
}

impl Values {
    fn of<T>(
        cells: impl Iterator<Item = Option<T>>,
        wrap: fn(Vec<T>) -> Values,
    ) -> (Values, Vec<i16>) {
        let (values, levels) = split(cells, |value| value);
        (wrap(values), levels)
    }
}

/// The cells that are there, and 1 for each of them and 0 for the others.
fn split<T, U>(
    cells: impl Iterator<Item = Option<T>>,
    convert: impl Fn(T) -> U,
) -> (Vec<U>, Vec<i16>) {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell.map(&convert));
    }
    (values, levels)
}

fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: &[i16],
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, Some(levels), None).map(|_| ())
}
