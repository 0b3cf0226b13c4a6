//! Non-linear least squares by the method of Levenberg and Marquardt.
//!
//! Plain loops over doubles in a fixed order: the same bytes on any machine. Derivatives are central differences, the
//! linear steps are solved by Householder reflections, which keeps digits where columns are nearly parallel (a trend
//! over seconds since 1970 beside a constant).

use eolith_plan::value::Fault;

/// Steps, accepted or not, after which a fit is given up.
const MOST_STEPS: usize = 500;

/// A step is the last one if it is so small beside the parameters.
const SMALL: f64 = 1e-13;

/// A last step without damping may be this long beside the parameters, and may raise the sum of squares by as much as
/// rounding does.
const NEAR: f64 = 1e-5;
const ROUNDING: f64 = 1e-9;

/// Damping that shortens no step: only then a small step says that the end is near.
const UNDAMPED: f64 = 1e-14;

/// There is always some damping, for columns that say the same.
const LEAST_DAMPING: f64 = 1e-18;

/// Beyond this damping a step moves nothing: there is no way down.
const MOST_DAMPING: f64 = 1e18;

/// What a model gives for some parameters: a value for each observation, written to its second argument.
pub(super) type Model<'a> = dyn FnMut(&[f64], &mut [f64]) -> Result<(), Fault> + 'a;

/// The parameters for which the squares of `model - y` have the least sum, looked for from `start` on. `None` where
/// there are fewer observations than parameters, where the model is not finite at the start, and where the steps do
/// not come to an end.
pub(super) fn fit(
    start: &[f64],
    y: &[f64],
    model: &mut Model<'_>,
) -> Result<Option<Vec<f64>>, Fault> {
    let (m, n) = (y.len(), start.len());
    if m < n || n == 0 {
        return Ok(None);
    }
    let mut values = vec![0.0; m];
    let mut residuals = |parameters: &[f64]| -> Result<Vec<f64>, Fault> {
        model(parameters, &mut values)?;
        Ok(values.iter().zip(y).map(|(value, y)| value - y).collect())
    };
    let mut at = start.to_vec();
    let mut here = residuals(&at)?;
    let mut sum = squares(&here);
    let mut sizes: Vec<f64> = at.iter().map(|p| p.abs()).collect();
    let mut scale = vec![0.0_f64; n];
    let mut damping = 1e-3;
    let mut slopes: Option<Vec<Vec<f64>>> = None;
    if !sum.is_finite() {
        return Ok(None);
    }
    for _ in 0..MOST_STEPS {
        if sum == 0.0 {
            return Ok(Some(at));
        }
        let own = if let Some(slopes) = slopes.take() {
            slopes
        } else {
            derivatives(&at, &sizes, &mut residuals)?
        };
        for (scale, column) in scale.iter_mut().zip(&own) {
            *scale = scale.max(squares(column).sqrt());
        }
        if !scale.iter().all(|scale| scale.is_finite()) {
            return Ok(None);
        }
        let step = damped_step(&own, &here, &scale, damping);
        let moved: Vec<f64> = at.iter().zip(&step).map(|(p, d)| p + d).collect();
        let there = residuals(&moved)?;
        let new = squares(&there);
        let length =
            |v: &[f64]| v.iter().zip(&scale).map(|(v, s)| v * s * v * s).sum::<f64>().sqrt();
        let relative = length(&step) / length(&moved).max(f64::MIN_POSITIVE);
        if new < sum {
            (at, here, sum) = (moved, there, new);
            sizes.iter_mut().zip(&at).for_each(|(size, p)| *size = size.max(p.abs()));
            if relative <= SMALL && damping <= UNDAMPED {
                return Ok(Some(at));
            }
            damping = (damping / 10.0).max(LEAST_DAMPING);
        } else if moved == at || damping >= MOST_DAMPING {
            // No way down that can be seen; what rounding hides is in the direction of the step without damping.
            let step = damped_step(&own, &here, &scale, LEAST_DAMPING);
            let moved: Vec<f64> = at.iter().zip(&step).map(|(p, d)| p + d).collect();
            let is_last = length(&step) <= NEAR * length(&moved)
                && squares(&residuals(&moved)?) <= sum * (1.0 + ROUNDING);
            return Ok(Some(if is_last { moved } else { at }));
        } else {
            damping *= 10.0;
            slopes = Some(own);
        }
    }
    Ok(None)
}

/// The slope of every residual with each parameter, a column a parameter. `sizes` are the largest magnitudes that the
/// parameters had.
fn derivatives(
    at: &[f64],
    sizes: &[f64],
    residuals: &mut impl FnMut(&[f64]) -> Result<Vec<f64>, Fault>,
) -> Result<Vec<Vec<f64>>, Fault> {
    let mut columns = Vec::with_capacity(at.len());
    for (j, size) in sizes.iter().enumerate() {
        let step = f64::EPSILON.cbrt() * if *size > 0.0 { *size } else { 1.0 };
        let mut moved = at.to_vec();
        moved[j] = at[j] + step;
        let (above, right) = (residuals(&moved)?, moved[j]);
        moved[j] = at[j] - step;
        let (below, left) = (residuals(&moved)?, moved[j]);
        columns.push(above.iter().zip(&below).map(|(a, b)| (a - b) / (right - left)).collect());
    }
    Ok(columns)
}

/// The step that makes `slopes · step + residuals` small without being long: least squares of the slopes above a
/// diagonal of the scales.
fn damped_step(slopes: &[Vec<f64>], residuals: &[f64], scale: &[f64], damping: f64) -> Vec<f64> {
    let (m, n) = (residuals.len(), slopes.len());
    let mut columns: Vec<Vec<f64>> = (slopes.iter().enumerate())
        .map(|(j, column)| {
            let mut column = column.clone();
            column.resize(m + n, 0.0);
            column[m + j] = damping.sqrt() * if scale[j] > 0.0 { scale[j] } else { 1.0 };
            column
        })
        .collect();
    let mut right: Vec<f64> = residuals.iter().map(|r| -r).collect();
    right.resize(m + n, 0.0);
    for j in 0..n {
        let (done, open) = columns.split_at_mut(j + 1);
        let own = &mut done[j];
        let norm = squares(&own[j..]).sqrt();
        if norm == 0.0 {
            continue;
        }
        let diagonal = if own[j] > 0.0 { -norm } else { norm };
        // The reflection that takes the column to the diagonal, kept in its place.
        own[j] -= diagonal;
        let mirror = own[j..].to_vec();
        let weight = squares(&mirror);
        for other in open.iter_mut().chain(std::iter::once(&mut right)) {
            let along: f64 = mirror.iter().zip(&other[j..]).map(|(a, b)| a * b).sum();
            let factor = 2.0 * along / weight;
            other[j..].iter_mut().zip(&mirror).for_each(|(v, a)| *v -= factor * a);
        }
        own[j] = diagonal;
    }
    let mut step = vec![0.0; n];
    for j in (0..n).rev() {
        let known: f64 = (j + 1..n).map(|k| columns[k][j] * step[k]).sum();
        step[j] = if columns[j][j] == 0.0 { 0.0 } else { (right[j] - known) / columns[j][j] };
    }
    step
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(start: &[f64], x: &[f64], y: &[f64], f: fn(f64, &[f64]) -> f64) -> Option<Vec<f64>> {
        fit(start, y, &mut |parameters, out| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x, parameters));
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_found_in_one_place() {
        // Seconds since 1970 of four days: y = 2 + 3e-9 x, with a disturbance that no line has.
        let x: Vec<f64> = (0..4).map(|day| 1.6e9 + 86_400.0 * f64::from(day)).collect();
        let bump = [1.0, -3.0, 3.0, -1.0];
        let y: Vec<f64> = x.iter().zip(bump).map(|(x, b)| 2.0 + 3e-9 * x + 1e-5 * b).collect();
        let found = fitted(&[1.0, 1e-9], &x, &y, |x, p| p[0] + p[1] * x).unwrap();
        // The bump is orthogonal to constants and to the trend.
        assert!((found[1] - 3e-9).abs() < 1e-15, "{found:?}");
        assert!((found[0] - 2.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_nothing() {
        assert_eq!(fitted(&[1.0, 1.0], &[1.0], &[2.0], |x, p| p[0] * x + p[1]), None);
        assert_eq!(fitted(&[-1.0], &[1.0, 2.0], &[2.0, 1.0], |x, p| (p[0] * x).sqrt()), None);
        assert_eq!(fitted(&[5.0], &[1.0], &[2.0], |_, p| p[0]), Some(vec![2.0]));
    }
}
