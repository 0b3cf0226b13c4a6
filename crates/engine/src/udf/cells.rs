//! Pixels on their way to a function and back.

use eolith_cube::time::TimeLabel;
use eolith_cube::{Block, DType, Label, Labels, Values};
use eolith_plan::udf::Outcome;
use serde_json::Value as Json;

use super::worker::Said;

/// What a cell has to give.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    pub(super) order: Vec<&'a str>,
}

/// Labels along a dimension of a result, and characters of its name.
const LABELS: usize = 1 << 20;
const NAME: usize = 100;

/// The type in which pixels go to a function: floating point, which has NaN for no-data.
pub(super) fn handed(dtype: DType) -> DType {
    match dtype {
        DType::F32 | DType::Bool | DType::U8 | DType::I8 | DType::U16 | DType::I16 => DType::F32,
        DType::F64 | DType::U32 | DType::I32 | DType::U64 | DType::I64 => DType::F64,
    }
}

/// The pixels of a block of this type as bytes.
pub(super) fn handed_over(block: Block, dtype: DType) -> Vec<u8> {
    let mut block = block.cast(handed(dtype));
    let n = block.len();
    if let Some(validity) = &block.validity {
        match &mut block.values {
            Values::F32(values) => holes(values, validity, f32::NAN),
            Values::F64(values) => holes(values, validity, f64::NAN),
            _ => {}
        }
    }
    block.values.le_bytes(0..n)
}

fn holes<T: Copy>(values: &mut [T], validity: &[bool], nan: T) {
    for (value, _) in values.iter_mut().zip(validity).filter(|(_, valid)| !**valid) {
        *value = nan;
    }
}

/// numpy's name of a type.
pub(super) fn name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "uint8",
        DType::I8 => "int8",
        DType::U16 => "uint16",
        DType::I16 => "int16",
        DType::U32 => "uint32",
        DType::I32 => "int32",
        DType::U64 => "uint64",
        DType::I64 => "int64",
        DType::F32 => "float32",
        DType::F64 => "float64",
    }
}

fn named(text: &str) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| name(*dtype) == text)
}

/// What a function gave for its first cell.
///
/// # Errors
/// Types, names and labels that a data cube cannot have.
pub(super) fn outcome(mut said: Said) -> Result<Outcome, String> {
    let dtype = named(&said.dtype)
        .ok_or_else(|| format!("the UDF returned values of type `{}`", said.dtype))?;
    if said.dims.len() != said.shape.len() {
        return Err("the UDF returned an array whose dimensions have not all names".to_owned());
    }
    said.labels.resize(said.dims.len(), None);
    let bands = said.bands.unwrap_or_default();
    let mut dims: Vec<(String, Labels)> = Vec::new();
    for ((name, n), own) in said.dims.into_iter().zip(said.shape).zip(said.labels) {
        if n > LABELS {
            return Err(format!(
                "the UDF returned {n} labels along a dimension, {LABELS} are possible"
            ));
        }
        if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
            return Err("the UDF returned a dimension with a name that is none".to_owned());
        }
        if dims.iter().any(|(known, _)| *known == name) {
            return Err(format!("the UDF returned two dimensions `{name}`"));
        }
        let labels = match bands.get(&name) {
            Some(said) if said.len() != n => {
                return Err(format!(
                    "apply_metadata names {} bands, the UDF returned {n} along `{name}`",
                    said.len()
                ));
            }
            Some(said) => Labels::texts(said),
            None => own
                .and_then(|own| labels(&own))
                .filter(|own| own.len() == n)
                .unwrap_or_else(|| Labels::enumerated(n)),
        };
        let unique =
            (0..labels.len().min(1000)).all(|i| labels.position(&labels.get(i)) == Some(i));
        if !unique {
            return Err(format!("the UDF returned the same label twice along `{name}`"));
        }
        dims.push((name, labels));
    }
    if dims.iter().any(|(_, labels)| labels.is_empty()) {
        return Err("the UDF returned nothing (a dimension of no labels)".to_owned());
    }
    Ok(Outcome { dtype, dims })
}

fn labels(own: &Json) -> Option<Labels> {
    let list = |name: &str| own.get(name)?.as_array();
    if let Some(times) = list("times") {
        let times: Option<Vec<Label>> = (times.iter())
            .map(|time| TimeLabel::parse(time.as_str()?).ok().map(Label::Time))
            .collect();
        return times.map(Labels::list);
    }
    if let Some(numbers) = list("numbers") {
        let label = |number: &Json| {
            number.as_i64().map(Label::Int).or_else(|| number.as_f64().map(Label::Float))
        };
        return numbers.iter().map(label).collect::<Option<Vec<_>>>().map(Labels::list);
    }
    let texts: Option<Vec<&str>> = list("texts")?.iter().map(Json::as_str).collect();
    texts.map(Labels::texts)
}

impl Expected<'_> {
    /// Bytes of the pixels.
    pub(super) fn bytes(&self) -> u64 {
        self.shape.iter().fold(self.dtype.size() as u64, |bytes, n| bytes.saturating_mul(*n as u64))
    }

    /// The block of an answer.
    ///
    /// # Errors
    /// Another type or shape than planned; the text names both.
    pub(super) fn block(self, (said, bytes): (Said, Vec<u8>)) -> Result<Block, String> {
        let text = |dtype: &str, names: &[&str], shape: &[usize]| {
            let dims: Vec<String> =
                names.iter().zip(shape).map(|(name, n)| format!("{name}: {n}")).collect();
            format!("{dtype} ({})", dims.join(", "))
        };
        let dtype = name(self.dtype);
        let names: Vec<&str> = said.dims.iter().map(String::as_str).collect();
        if said.dtype != dtype || names != self.order || said.shape != self.shape {
            return Err(format!(
                "the UDF returned {} for a cell where {} was planned from its first cell",
                text(&said.dtype, &names, &said.shape),
                text(dtype, &self.order, &self.shape)
            ));
        }
        if bytes.len() as u64 != self.bytes() {
            return Err(format!(
                "the UDF returned {} bytes where there should be {}",
                bytes.len(),
                self.bytes()
            ));
        }
        let values = Values::from_le_bytes(self.dtype, &bytes)
            .ok_or_else(|| "the UDF returned pixels that cannot be read".to_owned())?;
        let validity = match &values {
            Values::F32(values) => Some(values.iter().map(|value| !value.is_nan()).collect()),
            Values::F64(values) => Some(values.iter().map(|value| !value.is_nan()).collect()),
            _ => None,
        };
        Ok(Block { shape: self.shape, values, validity }.canonical())
    }
}
