//! Element-wise kernels: arithmetic, comparison, logic, tests, clipping.
//!
//! A kernel here takes the function of one element as a closure and is instantiated with it, so that the loop is
//! over slices and the compiler vectorises it. Arrays are in [`super::folds`], [`super::order`] and
//! [`super::elements`].

use std::cmp::Ordering;
use std::ops::Range;

use eolith_cube::{Element, Number, Values, columns, for_values};
use multiversion::multiversion;

use super::operand::{
    BLOCK, Computed, Operand, Primitive, Source, both, null, ranges, refusal, scalar,
};
use super::{Column, KernelCall, Lanes, Register};
use crate::types::Type;
use crate::value::{Fault, Value};

/// A function of one number, computed in `f64` and rounded to the type of the result.
pub fn unary(call: &KernelCall<'_>, f: impl Fn(f64) -> f64) -> Result<Register, Fault> {
    if let Type::F32 = call.out
        && let Register::Scalar(Lanes { column: Column::Plain(Values::F32(x)), validity }) =
            &*call.args[0]
    {
        let values: Vec<f32> = x.iter().map(|&x| f(f64::from(x)) as f32).collect();
        return Ok(scalar(values, validity.clone()));
    }
    let Some(x) = call.operand::<f64>(0)? else { return Ok(null()) };
    let validity = x.validity.map(columns::copy);
    match call.out {
        Type::F32 => Ok(scalar(x.map(call.lanes, |x| f(x) as f32), validity)),
        Type::F64 | Type::Null => Ok(scalar(x.map(call.lanes, f), validity)),
        _ => Err(refusal()),
    }
}

/// The same with a form of its own for integers that stay integers.
pub fn unary_exact(
    call: &KernelCall<'_>,
    int: impl Fn(i64) -> i64,
    float: impl Fn(f64) -> f64,
) -> Result<Register, Fault> {
    let Type::Int(_) = call.out else { return unary(call, float) };
    let Some(x) = call.operand::<i64>(0)? else { return Ok(null()) };
    Ok(scalar(x.map(call.lanes, int), x.validity.map(columns::copy)))
}

/// A function of two numbers, computed in `f64` and rounded to the type of the result.
pub fn binary(call: &KernelCall<'_>, f: impl Fn(f64, f64) -> f64) -> Result<Register, Fault> {
    let (Some(x), Some(y)) = (call.operand::<f64>(0)?, call.operand::<f64>(1)?) else {
        return Ok(null());
    };
    let validity = both(x.validity, y.validity);
    match call.out {
        Type::F32 => Ok(scalar(x.zip(&y, call.lanes, |x, y| f(x, y) as f32), validity)),
        Type::F64 | Type::Null => Ok(scalar(x.zip(&y, call.lanes, f), validity)),
        _ => Err(refusal()),
    }
}

/// Arithmetic in the type of the result. `wide` is for integers whose result may need more than 64 bits and is
/// rounded to `f64`; `single` must equal `double` rounded once.
pub fn arithmetic(
    call: &KernelCall<'_>,
    int: impl Fn(i64, i64) -> i64,
    wide: impl Fn(i128, i128) -> i128,
    single: impl Fn(f32, f32) -> f32,
    double: impl Fn(f64, f64) -> f64,
) -> Result<Register, Fault> {
    match call.out {
        Type::Int(_) => zip_as(call, int),
        Type::F32 => zip_as(call, single),
        _ if is_int(call.types[0]) && is_int(call.types[1]) => {
            zip_as(call, |x: i64, y: i64| wide(x.into(), y.into()) as f64)
        }
        _ => binary(call, double),
    }
}

/// A quotient: floats only, in `f32` where that is the type of the result.
pub fn quotient(
    call: &KernelCall<'_>,
    single: impl Fn(f32, f32) -> f32,
    double: impl Fn(f64, f64) -> f64,
) -> Result<Register, Fault> {
    match call.out {
        Type::F32 => zip_as(call, single),
        _ => binary(call, double),
    }
}

/// Both arguments in the type `T`.
pub fn zip_as<T: Computed, R: Element>(
    call: &KernelCall<'_>,
    f: impl Fn(T, T) -> R,
) -> Result<Register, Fault> {
    let (Some(x), Some(y)) = (call.operand::<T>(0)?, call.operand::<T>(1)?) else {
        return Ok(null());
    };
    Ok(scalar(x.zip(&y, call.lanes, f), both(x.validity, y.validity)))
}

/// A test of two numbers of one type.
pub trait Comparison {
    fn test<T: PartialOrd>(a: T, b: T) -> bool;
}

/// Compares arguments 0 and 1: integers exactly, other numbers as floats; `other` is the answer for a number next
/// to a boolean, `booleans` says whether two booleans are compared as such.
pub fn compare<C: Comparison>(
    call: &KernelCall<'_>,
    other: bool,
    booleans: bool,
) -> Result<Register, Fault> {
    let (a, b) = (call.types[0], call.types[1]);
    match (a, b) {
        (Type::Bool, Type::Bool) if booleans => zip_as(call, C::test::<bool>),
        (Type::Bool, _) | (_, Type::Bool) => {
            let (x, y) = (lane_mask(call, 0)?, lane_mask(call, 1)?);
            match (x, y) {
                (Some(x), Some(y)) => Ok(scalar(vec![other; call.lanes], both(x, y))),
                _ => Ok(null()),
            }
        }
        (Type::Int(_), Type::Int(_)) => integers::<C>(call),
        (Type::F32, Type::F32) => zip_as(call, C::test::<f32>),
        _ => zip_as(call, C::test::<f64>),
    }
}

/// Three-valued logic of two booleans: `f` gets whether each is true or false for sure and answers the same.
pub fn logic(
    call: &KernelCall<'_>,
    f: impl Fn([bool; 2], [bool; 2]) -> [bool; 2],
) -> Result<Register, Fault> {
    let (x, y) = (call.operand::<bool>(0)?, call.operand::<bool>(1)?);
    if let (Some(x @ Operand { validity: None, .. }), Some(y @ Operand { validity: None, .. })) =
        (&x, &y)
    {
        return Ok(scalar(x.zip(y, call.lanes, |x, y| f([x, !x], [y, !y])[0]), None));
    }
    let (mut values, mut valid) = (columns::take(call.lanes), columns::take(call.lanes));
    let (mut a, mut b) = ([false; BLOCK], [false; BLOCK]);
    for (range, values) in ranges(call.lanes, BLOCK).zip(values.chunks_mut(BLOCK)) {
        let a = known(x.as_ref(), range.clone(), &mut a);
        let b = known(y.as_ref(), range.clone(), &mut b);
        three_valued(values, &mut valid[range], a, b, &f);
    }
    Ok(scalar(values, Some(valid)))
}

pub fn not(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let Some(x) = call.operand::<bool>(0)? else { return Ok(null()) };
    Ok(scalar(x.map(call.lanes, |x| !x), x.validity.map(columns::copy)))
}

/// Whether an integer (argument 0) is in a constant array of integers; no-data is no-data.
pub fn among(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let (x, mask) = own(call, 0)?;
    let wanted = &call.constant(1)?.as_array().ok_or_else(refusal)?.values;
    let mut found = columns::take(call.lanes);
    for_values!(x, x => {
        let mut own = Vec::with_capacity(wanted.len());
        for value in wanted {
            let &Value::Int(value) = value else { return Err(refusal()) };
            let nearest = Element::from_number(Number::Int(value.into()));
            // No value of the storage type is a number beyond it.
            if Primitive::i64(nearest) == value {
                own.push(nearest);
            }
        }
        for (found, x) in found.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
            find(found, x, &own);
        }
    });
    Ok(scalar(found, mask.map(columns::copy)))
}

/// A property of a number that no-data does not have; booleans are asked as 0 and 1.
pub fn property(
    call: &KernelCall<'_>,
    f: impl Fn(f64) -> bool,
    integers: bool,
) -> Result<Register, Fault> {
    let (values, validity) = own(call, 0)?;
    let mut result: Vec<bool> = match values {
        Values::F32(x) => x.iter().map(|&x| f(x.into())).collect(),
        Values::F64(x) => x.iter().map(|&x| f(x)).collect(),
        _ => vec![integers; call.lanes],
    };
    if let Some(mask) = validity {
        result.iter_mut().zip(mask).for_each(|(value, &ok)| *value &= ok);
    }
    Ok(scalar(result, None))
}

/// Whether a lane is no-data.
pub fn is_nodata(call: &KernelCall<'_>) -> Result<Register, Fault> {
    match lane_mask(call, 0)? {
        None => Ok(Register::Const(Value::Bool(true))),
        Some(None) => Ok(Register::Const(Value::Bool(false))),
        Some(Some(mask)) => Ok(scalar(mask.iter().map(|&ok| !ok).collect(), None)),
    }
}

/// A function of three numbers in the type `T`.
pub fn ternary<T: Computed, R: Element>(
    call: &KernelCall<'_>,
    f: impl Fn(T, T, T) -> R,
) -> Result<Register, Fault> {
    let (Some(x), Some(y), Some(z)) =
        (call.operand::<T>(0)?, call.operand::<T>(1)?, call.operand::<T>(2)?)
    else {
        return Ok(null());
    };
    let validity = both(both(x.validity, y.validity).as_deref(), z.validity);
    if let (Some(y), Some(z)) = (y.one(), z.one()) {
        return Ok(scalar(x.map(call.lanes, |x| f(x, y, z)), validity));
    }
    let lanes = call.lanes;
    let (mut a, mut b, mut c) =
        ([T::default(); BLOCK], [T::default(); BLOCK], [T::default(); BLOCK]);
    let mut values = Vec::with_capacity(lanes);
    for range in ranges(lanes, BLOCK) {
        let (x, y) = (x.block(range.clone(), &mut a), y.block(range.clone(), &mut b));
        let rows = x.iter().zip(y).zip(z.block(range, &mut c));
        values.extend(rows.map(|((&x, &y), &z)| f(x, y, z)));
    }
    Ok(scalar(values, validity))
}

/// Argument 0 between arguments 1 and 2, which may be swapped in no lane.
pub fn clip(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let between = |x: f64, lo: f64, hi: f64| {
        let low = if x < lo { lo } else { x };
        let clipped = if low > hi { hi } else { low };
        if x.is_nan() | lo.is_nan() | hi.is_nan() { f64::NAN } else { clipped }
    };
    match call.out {
        Type::Int(_) => ternary(ordered::<i64>(call)?, |x: i64, lo, hi| x.max(lo).min(hi)),
        Type::F32 => ternary(ordered::<f32>(call)?, move |x: f32, lo, hi| {
            between(x.into(), lo.into(), hi.into()) as f32
        }),
        _ => ternary(ordered::<f64>(call)?, between),
    }
}

/// Truncates; NaN becomes no-data.
pub fn truncate(call: &KernelCall<'_>) -> Result<Register, Fault> {
    match unary(call, |x| x.trunc() + 0.0)? {
        Register::Scalar(Lanes { column: Column::Plain(values), validity }) => {
            let mut valid: Vec<bool> =
                for_values!(&values, v => v.iter().map(|x| !Primitive::is_nan(*x)).collect());
            if let Some(mask) = validity {
                valid.iter_mut().zip(mask).for_each(|(valid, ok)| *valid &= ok);
            }
            Ok(Register::Scalar(Lanes::plain(values, Some(valid))))
        }
        other => Ok(other),
    }
}

/// Values of some lanes and whether they are known; nothing is known of constant no-data.
fn known<'a>(
    side: Option<&'a Operand<'_, bool>>,
    range: Range<usize>,
    buffer: &'a mut [bool; BLOCK],
) -> (&'a [bool], &'a [bool]) {
    static SURE: [[bool; BLOCK]; 2] = [[false; BLOCK], [true; BLOCK]];
    let width = range.len();
    let Some(side) = side else { return (&buffer[..width], &SURE[0][..width]) };
    let mask = side.validity.map_or(&SURE[1][..width], |mask| &mask[range.clone()]);
    (side.block(range, buffer), mask)
}

/// Truth and validity of what `f` makes of two sides, each with values and validity.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn three_valued<F: Fn([bool; 2], [bool; 2]) -> [bool; 2]>(
    values: &mut [bool],
    valid: &mut [bool],
    a: (&[bool], &[bool]),
    b: (&[bool], &[bool]),
    f: &F,
) {
    let sides = a.0.iter().zip(a.1).zip(b.0.iter().zip(b.1));
    for ((value, valid), ((&a, &a_known), (&b, &b_known))) in
        values.iter_mut().zip(valid).zip(sides)
    {
        let [yes, no] = f([a & a_known, !a & a_known], [b & b_known, !b & b_known]);
        *value = yes;
        *valid = yes | no;
    }
}

/// Which values are one of those that are wanted.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn find<T: Copy + PartialEq>(found: &mut [bool], values: &[T], wanted: &[T]) {
    let values = &values[..found.len()];
    found.fill(false);
    for &wanted in wanted {
        for k in 0..found.len() {
            found[k] |= values[k] == wanted;
        }
    }
}

/// A column as it is stored.
pub(super) fn own<'a>(
    call: &'a KernelCall<'_>,
    k: usize,
) -> Result<(&'a Values, Option<&'a [bool]>), Fault> {
    match &*call.args[k] {
        Register::Scalar(Lanes { column: Column::Plain(values), validity }) => {
            Ok((values, validity.as_deref()))
        }
        Register::Scalar(_) | Register::Const(_) | Register::Array { .. } => Err(refusal()),
    }
}

/// Validity of any scalar argument; `None` for constant no-data.
#[expect(clippy::option_option, reason = "constant no-data is not the same as no mask")]
fn lane_mask<'a>(call: &'a KernelCall<'_>, k: usize) -> Result<Option<Option<&'a [bool]>>, Fault> {
    match &*call.args[k] {
        Register::Const(Value::Null) => Ok(None),
        Register::Const(Value::Bool(_) | Value::Int(_) | Value::Float(_)) => Ok(Some(None)),
        _ => Ok(Some(own(call, k)?.1)),
    }
}

/// Compares integers in the type they are stored in.
fn integers<C: Comparison>(call: &KernelCall<'_>) -> Result<Register, Fault> {
    match (own(call, 0), own(call, 1), &*call.args[0], &*call.args[1]) {
        (Ok((x, a)), Ok((y, b)), ..) if x.dtype() == y.dtype() => {
            let values = for_values!(x, x => {
                let (x, y) = (Source::Many(x), Source::of(y));
                let (x, y) = (Operand { source: x, validity: a }, Operand { source: y, validity: b });
                x.zip(&y, call.lanes, |x, y| C::test(x, y))
            });
            Ok(scalar::<bool>(values, both(a, b)))
        }
        (Ok((x, mask)), _, _, Register::Const(Value::Int(y))) => {
            Ok(scalar::<bool>(against::<C>(x, *y, false), mask.map(columns::copy)))
        }
        (_, Ok((y, mask)), Register::Const(Value::Int(x)), _) => {
            Ok(scalar::<bool>(against::<C>(y, *x, true), mask.map(columns::copy)))
        }
        _ => zip_as(call, C::test::<i64>),
    }
}

/// Compares a column of integers with a constant, which comes first where `turned`.
fn against<C: Comparison>(values: &Values, constant: i64, turned: bool) -> Vec<bool> {
    fn test<C: Comparison, T: PartialOrd>(x: T, y: T, turned: bool) -> bool {
        if turned { C::test(y, x) } else { C::test(x, y) }
    }
    for_values!(values, v => {
        let nearest = Element::from_number(Number::Int(constant.into()));
        match constant.cmp(&Primitive::i64(nearest)) {
            Ordering::Equal => {
                let column = Operand { source: Source::Many(v), validity: None };
                if turned {
                    column.map(v.len(), |x| C::test(nearest, x))
                } else {
                    column.map(v.len(), |x| C::test(x, nearest))
                }
            }
            // Beyond all values of the storage type.
            Ordering::Greater => vec![test::<C, _>(0, 1, turned); v.len()],
            Ordering::Less => vec![test::<C, _>(1, 0, turned); v.len()],
        }
    })
}

/// The call, if argument 1 is above argument 2 in no lane.
fn ordered<'c, 'a, T: Computed>(call: &'c KernelCall<'a>) -> Result<&'c KernelCall<'a>, Fault> {
    let (Some(lo), Some(hi)) = (call.operand::<T>(1)?, call.operand::<T>(2)?) else {
        return Ok(call);
    };
    let swapped = if let (Some(lo), Some(hi)) = (lo.one(), hi.one()) {
        lo > hi
    } else {
        lo.zip(&hi, call.lanes, |lo, hi| lo > hi).contains(&true)
    };
    if swapped { Err(refusal()) } else { Ok(call) }
}

fn is_int(ty: &Type) -> bool {
    matches!(ty, Type::Int(_))
}
