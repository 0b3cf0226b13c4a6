//! Kernels that move elements without computing: pick, first, last, joining, lists, branches.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use eolith_cube::{DType, Element, Number, Values, columns, for_dtype, for_values};
use multiversion::multiversion;

use super::operand::{BLOCK, Computed, Operand, Rows, Source, null, ranges, refusal};
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

/// The elements of argument 0 for which argument 1, an array as long, is true. Only where that is the same in all
/// lanes: arrays of many lengths are no columns.
pub fn keep(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (rows, flags) = (call.rows(0)?, call.rows(1)?);
    let Values::Bool(kept) = flags.values else { return Err(refusal()) };
    let lanes = call.lanes;
    if lanes == 0 {
        return Err(refusal());
    }
    let mut indices = Vec::with_capacity(rows.n);
    for i in 0..rows.n {
        let range = i * lanes..(i + 1) * lanes;
        let mask = flags.validity.map(|mask| &mask[range.clone()]);
        let mut truths = (kept[range].iter().enumerate())
            .map(|(k, &kept)| kept && mask.is_none_or(|mask| mask[k]));
        let first = truths.next().unwrap_or_default();
        if truths.any(|other| other != first) {
            return Err(refusal());
        }
        if first {
            indices.push(i);
        }
    }
    let values = for_values!(rows.values, v => {
        let rows = indices.iter().flat_map(|&i| &v[i * lanes..(i + 1) * lanes]);
        Element::wrap(rows.copied().collect())
    });
    let validity = rows.validity.map(|mask| {
        indices.iter().flat_map(|&i| &mask[i * lanes..(i + 1) * lanes]).copied().collect()
    });
    let labels = rows.labels.map(|labels| indices.iter().map(|&i| labels[i].clone()).collect());
    Ok(Register::Array { n: indices.len(), lanes: Lanes::plain(values, validity), labels })
}

/// Argument 0 with no-data where argument 1, an array as long, is not true.
pub fn blank(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (rows, flags) = (call.rows(0)?, call.rows(1)?);
    let Values::Bool(kept) = flags.values else { return Err(refusal()) };
    let mut valid = columns::copy(kept);
    for mask in [rows.validity, flags.validity].into_iter().flatten() {
        narrow(&mut valid, mask, true);
    }
    let values = for_values!(rows.values, v => Element::wrap(columns::copy(v)));
    let lanes = Lanes::plain(values, Some(valid));
    Ok(Register::Array { n: rows.n, lanes, labels: rows.labels.cloned() })
}

/// The array `times` times in a row, without labels.
pub fn repeat(call: &KernelCall<'_>, times: usize) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let values = for_values!(rows.values, v => Element::wrap(v.repeat(times)));
    let validity = rows.validity.map(|mask| mask.repeat(times));
    Ok(Register::Array { n: rows.n * times, lanes: Lanes::plain(values, validity), labels: None })
}

/// The elements of both arrays, of which one may be the same in all lanes. Only for arrays without labels.
pub fn concat(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let constant = |k: usize| {
        let Register::Const(Value::Array(array)) = &*call.args[k] else { return Ok(None) };
        let items: Vec<Register> = array.values.iter().cloned().map(Register::Const).collect();
        let items: Vec<&Register> = items.iter().collect();
        list(&items, call.out, call.lanes).ok_or_else(refusal).map(Some)
    };
    let labels = |k: usize| match &*call.args[k] {
        Register::Const(Value::Array(array)) => array.labels.is_some(),
        Register::Array { labels, .. } => labels.is_some(),
        Register::Const(_) | Register::Scalar(_) => false,
    };
    if labels(0) && labels(1) {
        return Err(refusal());
    }
    let constants = [constant(0)?, constant(1)?];
    let rows = |k: usize| constants[k].as_ref().map_or_else(|| call.rows(k), Rows::of);
    let (a, b) = (rows(0)?, rows(1)?);
    let parts = [(a.values, a.validity), (b.values, b.validity)];
    let lanes = join(&parts, call.out).ok_or_else(refusal)?;
    Ok(Register::Array { n: a.n + b.n, lanes, labels: None })
}

/// An array made of one number a lane and element; `None` where one is not a plain column.
pub(super) fn list(items: &[&Register], ty: &Type, lanes: usize) -> Option<Register> {
    let constants: Vec<Option<Lanes>> = (items.iter())
        .map(|item| match item {
            Register::Const(value) if !matches!(value, Value::Array(_) | Value::Lambda(_)) => {
                constant(value, ty, lanes)
            }
            _ => None,
        })
        .collect();
    let columns = items.iter().zip(&constants).map(|(item, constant)| match (item, constant) {
        (_, Some(lanes)) | (Register::Scalar(lanes), None) => part(lanes),
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
        Type::Int(_) => {
            for_dtype!(integers(accept, reject), T => choose::<T>(taken, accept, reject))
        }
        Type::F32 => choose::<f32>(taken, accept, reject),
        Type::F64 => choose::<f64>(taken, accept, reject),
        Type::Null | Type::Text | Type::Array(..) | Type::Any => None,
    }
}

/// Whether the condition of a branch is true in each lane; `None` where it is not a plain column.
pub(super) fn truths(condition: &Register, lanes: usize) -> Option<Cow<'_, [bool]>> {
    match condition {
        Register::Const(value) => Some(vec![*value == Value::Bool(true); lanes].into()),
        Register::Scalar(Lanes { column: Column::Plain(Values::Bool(values)), validity }) => {
            Some(match validity {
                None => values.into(),
                Some(mask) => {
                    let mut truths = columns::copy(values);
                    narrow(&mut truths, mask, true);
                    truths.into()
                }
            })
        }
        Register::Scalar(_) | Register::Array { .. } => None,
    }
}

/// The type in which integers are chosen: the one of the columns if it is the same and holds the constants.
fn integers(accept: &Register, reject: &Register) -> DType {
    let column = |side: &Register| match side {
        Register::Scalar(Lanes { column: Column::Plain(values), .. }) => Some(values.dtype()),
        _ => None,
    };
    let dtype = column(accept).or_else(|| column(reject)).unwrap_or(DType::I64);
    let fits = |side: &Register| match side {
        Register::Const(Value::Int(value)) => dtype.holds(Number::Int((*value).into())),
        side => column(side).is_none_or(|own| own == dtype),
    };
    if dtype.is_integer() && fits(accept) && fits(reject) { dtype } else { DType::I64 }
}

fn choose<T: Computed>(taken: &[bool], accept: &Register, reject: &Register) -> Option<Register> {
    let (a, b) = (operand_of::<T>(accept)?, operand_of::<T>(reject)?);
    if a.is_none() && b.is_none() {
        return Some(null());
    }
    let lanes = taken.len();
    let none = || Operand { source: Source::One(T::default()), validity: None };
    let present = [a.is_some(), b.is_some()];
    let (a, b) = (a.unwrap_or_else(none), b.unwrap_or_else(none));
    let mut chosen = columns::take(lanes);
    let (mut x, mut y) = ([T::default(); BLOCK], [T::default(); BLOCK]);
    for (range, out) in ranges(lanes, BLOCK).zip(chosen.chunks_mut(BLOCK)) {
        let (x, y) = (a.block(range.clone(), &mut x), b.block(range.clone(), &mut y));
        pick(out, &taken[range], x, y);
    }
    let all = present == [true, true] && a.validity.is_none() && b.validity.is_none();
    let validity = (!all).then(|| {
        let mut valid = columns::take(lanes);
        for (range, out) in ranges(lanes, BLOCK).zip(valid.chunks_mut(BLOCK)) {
            let x = mask(&a, present[0], range.clone());
            let y = mask(&b, present[1], range.clone());
            pick(out, &taken[range], x, y);
        }
        valid
    });
    Some(Register::Scalar(Lanes::plain(T::wrap(chosen), validity)))
}

/// The branch `side` in the lanes where `taken` is `wanted`, no-data elsewhere: only the mask changes. An `Err` gives
/// the branch back where it is not stored in the type of the result.
pub(super) fn masked(
    side: Rc<Register>,
    taken: &[bool],
    wanted: bool,
    ty: &Type,
) -> Result<Register, Rc<Register>> {
    let stored = match &*side {
        Register::Scalar(Lanes { column: Column::Plain(values), .. }) => values.dtype(),
        _ => return Err(side),
    };
    let whole = matches!(ty, Type::Int(_)) && stored.is_integer();
    if !whole && column_dtype(ty) != Some(stored) {
        return Err(side);
    }
    // A branch that nobody else uses is not copied.
    let mut side = Rc::unwrap_or_clone(side);
    if let Register::Scalar(Lanes { validity, .. }) = &mut side {
        if let Some(valid) = validity {
            narrow(valid, taken, wanted);
        } else {
            let mut valid = columns::take(taken.len());
            valid.iter_mut().zip(taken).for_each(|(valid, &taken)| *valid = taken == wanted);
            *validity = Some(valid);
        }
    }
    Ok(side)
}

/// Keeps the flags of lanes in which `other` is `wanted`.
fn narrow(flags: &mut [bool], other: &[bool], wanted: bool) {
    for (flag, &other) in flags.iter_mut().zip(other) {
        *flag &= other == wanted;
    }
}

/// Of every lane the value of the branch that is taken.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn pick<T: Copy>(out: &mut [T], taken: &[bool], accept: &[T], reject: &[T]) {
    let n = out.len();
    let (taken, accept, reject) = (&taken[..n], &accept[..n], &reject[..n]);
    for k in 0..n {
        out[k] = if taken[k] { accept[k] } else { reject[k] };
    }
}

/// Validity of some lanes of a branch.
fn mask<'a, T: Computed>(side: &Operand<'a, T>, present: bool, range: Range<usize>) -> &'a [bool] {
    match side.validity {
        Some(mask) => &mask[range],
        None => &CONSTANT[usize::from(present)][..range.len()],
    }
}

/// Validity of lanes that are all no-data, or none.
static CONSTANT: [[bool; BLOCK]; 2] = [[false; BLOCK], [true; BLOCK]];

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
            Some(Some(Operand { source: Source::of(values), validity: validity.as_deref() }))
        }
        Register::Scalar(_) | Register::Array { .. } => None,
    }
}

fn row(rows: &Rows<'_>, index: usize, lanes: usize) -> Lanes {
    let range = index * lanes..(index + 1) * lanes;
    let values = for_values!(rows.values, v => Element::wrap(columns::copy(&v[range.clone()])));
    Lanes::plain(values, rows.validity.map(|mask| columns::copy(&mask[range])))
}

/// A column of one value; `None` where it is no number that the type holds.
fn constant(value: &Value, ty: &Type, lanes: usize) -> Option<Lanes> {
    let dtype = column_dtype(ty)?;
    let Some(number) = value.to_pixel().ok()? else {
        return Some(Lanes::plain(Values::zeros(dtype, lanes), Some(vec![false; lanes])));
    };
    let one = {
        let mut one = Values::zeros(dtype, 1);
        one.set(0, number);
        one
    };
    let column = for_values!(&one, one => {
        let mut column = columns::take(lanes);
        column.fill(one[0]);
        Element::wrap(column)
    });
    Some(Lanes::plain(column, None))
}

fn part(lanes: &Lanes) -> Option<Part<'_>> {
    match &lanes.column {
        Column::Plain(values) => Some((values, lanes.validity.as_deref())),
        Column::Any(_) => None,
    }
}

/// Columns one after the other, in their own type if it is the same, else in the one of `ty`.
fn join(parts: &[Part<'_>], ty: &Type) -> Option<Lanes> {
    let wanted = column_dtype(ty)?;
    let first = parts.first().map_or(wanted, |(values, _)| values.dtype());
    let integers = matches!(ty.element(), Type::Int(_));
    let same = integers && parts.iter().all(|(values, _)| values.dtype() == first);
    let dtype = if same { first } else { wanted };
    let len = parts.iter().map(|(values, _)| values.len()).sum();
    let values = for_dtype!(dtype, T => {
        let mut all: Vec<T> = columns::take(len);
        let mut rest = all.as_mut_slice();
        for (values, _) in parts {
            let (own, after) = rest.split_at_mut(values.len());
            if let Some(values) = T::slice(values) {
                own.copy_from_slice(values);
            } else {
                let cast = values.cast(dtype);
                own.copy_from_slice(T::slice(&cast)?);
                columns::give_values(cast);
            }
            rest = after;
        }
        T::wrap(all)
    });
    let validity = parts.iter().any(|(_, mask)| mask.is_some()).then(|| {
        let mut all = columns::take(len);
        let mut rest = all.as_mut_slice();
        for (values, mask) in parts {
            let (own, after) = rest.split_at_mut(values.len());
            match mask {
                Some(mask) => own.copy_from_slice(mask),
                None => own.fill(true),
            }
            rest = after;
        }
        all
    });
    Some(Lanes::plain(values, validity))
}
