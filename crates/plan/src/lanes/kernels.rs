//! Element-wise kernels: arithmetic, comparison, logic, tests, clipping.
//!
//! A kernel here takes the function of one element as a closure and is instantiated with it, so that the loop is
//! over slices and the compiler vectorises it. Arrays are in [`super::folds`], [`super::order`] and
//! [`super::elements`].

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

use eolith_cube::{Element, Values, for_values};

use super::operand::{Computed, Operand, Primitive, both, null, refusal, scalar};
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
    let validity = x.validity.map(<[bool]>::to_vec);
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
    Ok(scalar(x.map(call.lanes, int), x.validity.map(<[bool]>::to_vec)))
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
        (Type::Int(_), Type::Int(_)) => match (plain(call, 0), plain(call, 1)) {
            (Some(Values::U8(_)), Some(Values::U8(_))) => same::<C, u8>(call),
            (Some(Values::U16(_)), Some(Values::U16(_))) => same::<C, u16>(call),
            (Some(Values::I16(_)), Some(Values::I16(_))) => same::<C, i16>(call),
            _ => zip_as(call, C::test::<i64>),
        },
        (Type::F32, Type::F32) => zip_as(call, C::test::<f32>),
        _ => zip_as(call, C::test::<f64>),
    }
}

/// Three-valued logic of two booleans: `f` gets whether each is true or false for sure and answers the same.
pub fn logic(
    call: &KernelCall<'_>,
    f: impl Fn([bool; 2], [bool; 2]) -> [bool; 2],
) -> Result<Register, Fault> {
    let unknown = || Operand { source: super::operand::Source::One(false), validity: None };
    let (x, y) = (call.operand::<bool>(0)?, call.operand::<bool>(1)?);
    let known = [x.is_some(), y.is_some()];
    let (x, y) = (x.unwrap_or_else(unknown), y.unwrap_or_else(unknown));
    if known == [true, true] && x.validity.is_none() && y.validity.is_none() {
        return Ok(scalar(x.zip(&y, call.lanes, |x, y| f([x, !x], [y, !y])[0]), None));
    }
    let (a, b) = (x.broadcast(call.lanes), y.broadcast(call.lanes));
    let (mut values, mut valid) = (vec![false; call.lanes], vec![false; call.lanes]);
    for lane in 0..call.lanes {
        let ok = known[0] & x.validity.is_none_or(|mask| mask[lane]);
        let ok2 = known[1] & y.validity.is_none_or(|mask| mask[lane]);
        let [yes, no] = f([ok & a[lane], ok & !a[lane]], [ok2 & b[lane], ok2 & !b[lane]]);
        values[lane] = yes;
        valid[lane] = yes | no;
    }
    Ok(scalar(values, Some(valid)))
}

pub fn not(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let Some(x) = call.operand::<bool>(0)? else { return Ok(null()) };
    Ok(scalar(x.map(call.lanes, |x| !x), x.validity.map(<[bool]>::to_vec)))
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
    let (x, y, z) = (x.broadcast(lanes), y.broadcast(lanes), z.broadcast(lanes));
    let values = x.iter().zip(y.iter()).zip(z.iter()).map(|((&x, &y), &z)| f(x, y, z));
    Ok(scalar(values.collect(), validity))
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

fn plain<'a>(call: &'a KernelCall<'_>, k: usize) -> Option<&'a Values> {
    own(call, k).ok().map(|(values, _)| values)
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

fn same<C: Comparison, T: Element>(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let ((x, a), (y, b)) = (own(call, 0)?, own(call, 1)?);
    let (Some(x), Some(y)) = (T::slice(x), T::slice(y)) else { return Err(refusal()) };
    let values = x.iter().zip(y).map(|(&x, &y)| C::test(x, y)).collect();
    Ok(scalar::<bool>(values, both(a, b)))
}

/// The call, if argument 1 is above argument 2 in no lane.
fn ordered<'c, 'a, T: Computed>(call: &'c KernelCall<'a>) -> Result<&'c KernelCall<'a>, Fault> {
    let (Some(lo), Some(hi)) = (call.operand::<T>(1)?, call.operand::<T>(2)?) else {
        return Ok(call);
    };
    let swapped = if let (Some(lo), Some(hi)) = (lo.one(), hi.one()) {
        lo > hi
    } else {
        let (lo, hi) = (lo.broadcast(call.lanes), hi.broadcast(call.lanes));
        lo.iter().zip(hi.iter()).any(|(lo, hi)| lo > hi)
    };
    if swapped { Err(refusal()) } else { Ok(call) }
}

fn is_int(ty: &Type) -> bool {
    matches!(ty, Type::Int(_))
}
