//! Kernels that move elements without computing: pick, first, last, joining, lists, branches.

use eolith_cube::{Element, Values, for_values};

use super::operand::{Computed, Operand, Rows, Source, column, null, refusal};
use super::{Column, KernelCall, Lanes, Register, column_dtype};
use crate::types::Type;
use crate::value::{Fault, Value};

/// Values and validity of one column.
type Part<'a> = (&'a Values, Option<&'a [bool]>);

/// Element `index` of argument 0; the caller knows that it is there.
pub fn element(call: &KernelCall<'_>, index: usize) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    if index >= rows.n {
        return Err(refusal());
    }
    Ok(Register::Scalar(row(&rows, index, call.lanes)))
}

/// The array `times` times in a row, without labels.
pub fn repeat(call: &KernelCall<'_>, times: usize) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let values = for_values!(rows.values, v => Element::wrap(v.repeat(times)));
    let validity = rows.validity.map(|mask| mask.repeat(times));
    Ok(Register::Array { n: rows.n * times, lanes: Lanes::plain(values, validity), labels: None })
}

/// The elements of both arrays. Only for arrays without labels.
pub fn concat(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (a, b) = (call.rows(0)?, call.rows(1)?);
    if a.labels.is_some() && b.labels.is_some() {
        return Err(refusal());
    }
    let parts = [(a.values, a.validity), (b.values, b.validity)];
    let lanes = join(&parts, call.out).ok_or_else(refusal)?;
    Ok(Register::Array { n: a.n + b.n, lanes, labels: None })
}

/// An array made of one number a lane and element; `None` where one is not a plain column.
pub(super) fn list(items: &[&Register], ty: &Type, lanes: usize) -> Option<Register> {
    let constants: Vec<Option<Lanes>> = (items.iter())
        .map(|item| match item {
            Register::Const(value) if !matches!(value, Value::Array(_) | Value::Lambda(_)) => {
                Some(Lanes::from_values(vec![value.clone(); lanes], column_dtype(ty)))
            }
            _ => None,
        })
        .collect();
    let columns = items.iter().zip(&constants).map(|(item, constant)| match (item, constant) {
        (_, Some(lanes)) | (Register::Scalar(lanes), None) => match &lanes.column {
            Column::Plain(values) => Some((values, lanes.validity.as_deref())),
            Column::Any(_) => None,
        },
        _ => None,
    });
    let columns: Option<Vec<Part<'_>>> = columns.collect();
    let joined = join(&columns?, ty)?;
    Some(Register::Array { n: items.len(), lanes: joined, labels: None })
}

/// The values of one of two branches; `None` where they are not plain numbers.
pub(super) fn select(
    taken: &[bool],
    [accept, reject]: [&Register; 2],
    ty: &Type,
) -> Option<Register> {
    match ty {
        Type::Bool => choose::<bool>(taken, accept, reject),
        Type::Int(_) => choose::<i64>(taken, accept, reject),
        Type::F32 => choose::<f32>(taken, accept, reject),
        Type::F64 => choose::<f64>(taken, accept, reject),
        Type::Null | Type::Text | Type::Array(..) | Type::Any => None,
    }
}

/// Whether the condition of a branch is true in each lane; `None` where it is not a plain column.
pub(super) fn truths(condition: &Register, lanes: usize) -> Option<Vec<bool>> {
    match condition {
        Register::Const(value) => Some(vec![*value == Value::Bool(true); lanes]),
        Register::Scalar(Lanes { column: Column::Plain(Values::Bool(values)), validity }) => {
            Some(match validity {
                None => values.clone(),
                Some(mask) => values.iter().zip(mask).map(|(&x, &ok)| x & ok).collect(),
            })
        }
        Register::Scalar(_) | Register::Array { .. } => None,
    }
}

fn choose<T: Computed>(taken: &[bool], accept: &Register, reject: &Register) -> Option<Register> {
    let (a, b) = (operand_of::<T>(accept)?, operand_of::<T>(reject)?);
    if a.is_none() && b.is_none() {
        return Some(null());
    }
    let lanes = taken.len();
    let values = |side: &Option<Operand<'_, T>>| match side {
        Some(operand) => operand.broadcast(lanes).into_owned(),
        None => vec![T::default(); lanes],
    };
    let (x, y) = (values(&a), values(&b));
    let chosen: Vec<T> = (taken.iter().zip(x.iter().zip(&y)))
        .map(|(&yes, (&x, &y))| if yes { x } else { y })
        .collect();
    let ok = |side: &Option<Operand<'_, T>>, lane: usize| match side {
        Some(operand) => operand.validity.is_none_or(|mask| mask[lane]),
        None => false,
    };
    let all = |side: &Option<Operand<'_, T>>| side.as_ref().is_some_and(|o| o.validity.is_none());
    let validity = (!(all(&a) && all(&b))).then(|| {
        taken.iter().enumerate().map(|(i, &yes)| if yes { ok(&a, i) } else { ok(&b, i) }).collect()
    });
    Some(Register::Scalar(Lanes::plain(T::wrap(chosen), validity)))
}

/// A scalar register as an operand; the inner `None` is constant no-data.
#[expect(clippy::option_option, reason = "not plain is not the same as no-data")]
fn operand_of<T: Computed>(register: &Register) -> Option<Option<Operand<'_, T>>> {
    match register {
        Register::Const(Value::Null) => Some(None),
        Register::Const(value) => {
            let one = T::of_value(value)?;
            Some(Some(Operand { source: Source::One(one), validity: None }))
        }
        Register::Scalar(Lanes { column: Column::Plain(values), validity }) => {
            Some(Some(Operand {
                source: Source::Many(column(values)),
                validity: validity.as_deref(),
            }))
        }
        Register::Scalar(_) | Register::Array { .. } => None,
    }
}

fn row(rows: &Rows<'_>, index: usize, lanes: usize) -> Lanes {
    let range = index * lanes..(index + 1) * lanes;
    let values = for_values!(rows.values, v => Element::wrap(v[range.clone()].to_vec()));
    Lanes::plain(values, rows.validity.map(|mask| mask[range].to_vec()))
}

/// Columns one after the other, in their own type if it is the same, else in the one of `ty`.
fn join(parts: &[Part<'_>], ty: &Type) -> Option<Lanes> {
    let wanted = column_dtype(ty)?;
    let first = parts.first().map_or(wanted, |(values, _)| values.dtype());
    let integers = matches!(ty.element(), Type::Int(_));
    let same = integers && parts.iter().all(|(values, _)| values.dtype() == first);
    let dtype = if same { first } else { wanted };
    let mut values = Values::zeros(dtype, 0);
    for (part, _) in parts {
        let part = part.cast(dtype);
        for_values!(&mut values, v => v.extend_from_slice(Element::slice(&part)?));
    }
    let validity = parts.iter().any(|(_, mask)| mask.is_some()).then(|| {
        let mut all = Vec::with_capacity(values.len());
        for (part, mask) in parts {
            match mask {
                Some(mask) => all.extend_from_slice(mask),
                None => all.resize(all.len() + part.len(), true),
            }
        }
        all
    });
    Some(Lanes::plain(values, validity))
}
