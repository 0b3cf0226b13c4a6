//! Interpolation between the numbers on both sides of a gap.

use eolith_cube::{DType, Values, columns, for_values};

use super::operand::{Primitive, refusal};
use super::{KernelCall, Lanes, Register};
use crate::value::Fault;

/// Fills no-data and NaN between two numbers of argument 0 by the line through them; `positions` are those of the
/// elements on the axis. Gaps at either end stay.
pub fn fill(call: &KernelCall<'_>, positions: &[f64]) -> Result<Register, Fault> {
    let (rows, lanes) = (call.rows(0)?, call.lanes);
    let single = match super::column_dtype(call.out) {
        Some(DType::F32) => true,
        Some(DType::F64) => false,
        _ => return Err(refusal()),
    };
    let mut out: Vec<f64> = columns::take(rows.n * lanes);
    for_values!(rows.values, v => {
        out.iter_mut().zip(v).for_each(|(out, x)| *out = x.f64());
    });
    let mut valid = rows.validity.map(columns::copy);
    // The row of the last number of each lane, counted from one.
    let mut last = vec![0_u32; lanes];
    for i in 0..rows.n {
        for (lane, last) in last.iter_mut().enumerate() {
            let at = i * lanes + lane;
            if out[at].is_nan() || rows.validity.is_some_and(|mask| !mask[at]) {
                continue;
            }
            let before = *last as usize;
            if before > 0 && before < i {
                let (start, first, number) =
                    (before - 1, out[(before - 1) * lanes + lane], out[at]);
                let length = positions[i] - positions[start];
                for k in before..i {
                    let fraction = (positions[k] - positions[start]) / length;
                    out[k * lanes + lane] = between(first, number, fraction);
                    if let Some(valid) = &mut valid {
                        valid[k * lanes + lane] = true;
                    }
                }
            }
            *last = i as u32 + 1;
        }
    }
    let values = Values::F64(out);
    let values = if single { values.cast(DType::F32) } else { values };
    let labels = rows.labels.cloned();
    Ok(Register::Array { n: rows.n, lanes: Lanes::plain(values, valid), labels })
}

/// In the form that stays infinite next to infinities.
pub fn between(a: f64, b: f64, fraction: f64) -> f64 {
    a * (1.0 - fraction) + b * fraction
}
