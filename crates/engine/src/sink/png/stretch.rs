//! From values to the 256 levels of a picture.

use eolith_cube::{Block, DType, Number};

use crate::sink::SinkError;

/// A linear map of a range to 0..=255; what lies outside is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    min: f64,
    max: f64,
}

/// What one look at the pixels gave.
pub(super) struct Scan {
    pub(super) stretch: Stretch,
    /// Some pixel cannot be shown.
    pub(super) transparent: bool,
    pub(super) note: Option<String>,
}

/// Bins between the smallest and the largest value: percentiles are exact to 1/65536 of that range.
const BINS: usize = 1 << 16;

/// The range asked for, filled up with 0 and 255 for bytes, 0 and 1 for booleans, and percentiles for the rest.
pub(super) fn find(
    asked: (Option<f64>, Option<f64>),
    dtype: DType,
    mut scan: impl FnMut(&mut dyn FnMut(&Block)) -> Result<(), SinkError>,
) -> Result<Scan, SinkError> {
    let (mut lo, mut hi, mut transparent) = (f64::INFINITY, f64::NEG_INFINITY, false);
    scan(&mut |block| {
        for i in 0..block.len() {
            match shown(block.get(i)) {
                Some(value) if value.is_finite() => (lo, hi) = (lo.min(value), hi.max(value)),
                Some(_) => {}
                None => transparent = true,
            }
        }
    })?;
    let customary = match dtype {
        DType::Bool => Some((0.0, 1.0)),
        DType::U8 => Some((0.0, 255.0)),
        _ => None,
    };
    let (mut range, mut note) = (customary, None);
    if customary.is_none() && (asked.0.is_none() || asked.1.is_none()) {
        let mut counts = vec![0_u64; BINS];
        let bin = (hi - lo) / (BINS - 1) as f64;
        if lo < hi && bin.is_finite() {
            scan(&mut |block| {
                let values = (0..block.len()).filter_map(|i| shown(block.get(i)));
                for value in values.filter(|value| value.is_finite()) {
                    counts[(((value - lo) / bin).round() as usize).min(BINS - 1)] += 1;
                }
            })?;
            let percentile = |share: f64| {
                let rank = share * counts.iter().sum::<u64>().saturating_sub(1) as f64;
                let mut below = 0;
                let at = counts.iter().position(|&count| {
                    below += count;
                    below as f64 > rank
                });
                lo + at.unwrap_or(0) as f64 * bin
            };
            let (low, high) = (percentile(0.02), percentile(0.98));
            range = Some(if low < high { (low, high) } else { (lo, hi) });
        } else {
            range = Some(if lo.is_finite() { (lo, hi) } else { (0.0, 1.0) });
        }
    }
    let (low, high) = range.unwrap_or((0.0, 255.0));
    let stretch = Stretch { min: asked.0.unwrap_or(low), max: asked.1.unwrap_or(high) };
    if customary.is_none() && (asked.0.is_none() || asked.1.is_none()) {
        note = Some(format!(
            "values from {} to {} are shown, guessed from the 2nd and 98th percentile; set `min` and `max` to choose",
            stretch.min, stretch.max
        ));
    }
    check(asked)?;
    Ok(Scan { stretch, transparent, note })
}

/// Refuses a range that was asked for and has no extent.
pub(super) fn check(asked: (Option<f64>, Option<f64>)) -> Result<(), SinkError> {
    match asked {
        (Some(min), Some(max)) if min >= max => {
            let reason = format!("{max} is not above `min`, which is {min}");
            Err(crate::sink::file::refuse("PNG", "max", reason))
        }
        _ => Ok(()),
    }
}

impl Stretch {
    /// From and to, with some extent: what has one value only is its middle.
    pub(super) fn range(&self) -> [f64; 2] {
        if self.min < self.max {
            return [self.min, self.max];
        }
        // More than the distance to the next number, however large they are.
        let half = 0.5_f64.max(self.min.abs() * 1e-6);
        [self.min - half, self.min + half]
    }

    /// The level of a pixel; `None` for no-data and NaN. A range without extent shows everything as its middle.
    pub(super) fn level(&self, pixel: Option<Number>) -> Option<u8> {
        let value = shown(pixel)?;
        if self.min >= self.max {
            return Some(127);
        }
        let share = ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0);
        Some((share * 255.0).round() as u8)
    }
}

fn shown(pixel: Option<Number>) -> Option<f64> {
    pixel.map(Number::to_f64).filter(|value| !value.is_nan())
}
