//! Sizes of windows: labels, units of the reference system, metres, durations.

use eolith_cube::time::Instant;
use eolith_cube::{Dimension, Kind, Regular, Schema};
use eolith_plan::bind::{Call, Problem};
use eolith_plan::nested::Window;
use eolith_plan::value::Value;
use jiff::Span;
use serde_json::Value as Json;

/// A size along one dimension.
#[derive(Clone, Debug)]
pub(super) enum Size {
    Labels(usize),
    /// In units of the labels.
    Units(f64),
    Duration(Span),
}

/// The sizes of an argument for each dimension; `None` where none is given or it is null.
pub(super) fn sizes(
    call: &mut Call<'_, '_>,
    schema: &Schema,
    argument: &str,
) -> Result<Vec<Option<Size>>, Problem> {
    let mut sizes: Vec<Option<Size>> = vec![None; schema.dims.len()];
    let value = call.constant(argument)?;
    let wrong = || {
        Problem::argument(argument, "an array of objects with `dimension` and `value` is expected")
    };
    let entries = match &value {
        Value::Null => return Ok(sizes),
        Value::Array(array) => &array.values,
        _ => return Err(wrong()),
    };
    for entry in entries {
        let Value::Object(entry) = entry else { return Err(wrong()) };
        let name = entry.get("dimension").and_then(Json::as_str).ok_or_else(wrong)?;
        let dim = schema.position(name).ok_or_else(|| {
            let names: Vec<&str> = schema.dims.iter().map(|dim| dim.name.as_str()).collect();
            let message = format!("the data cube has no dimension `{name}`");
            Problem::new("DimensionNotAvailable", message)
                .at(argument)
                .hint(format!("dimensions: {}", names.join(", ")))
        })?;
        if sizes[dim].is_some() {
            return Err(Problem::argument(argument, format!("dimension `{name}` is given twice")));
        }
        let value = entry.get("value").ok_or_else(wrong)?;
        let unit = entry.get("unit").filter(|unit| !unit.is_null());
        sizes[dim] = size(&schema.dims[dim], value, unit)
            .map_err(|message| Problem::argument(argument, message))?;
    }
    Ok(sizes)
}

impl Size {
    /// How many labels it has, rounded where it is not in labels.
    pub(super) fn labels(&self, dim: &Dimension, argument: &str) -> Result<usize, Problem> {
        match self {
            Size::Labels(n) => Ok(*n),
            Size::Units(units) => Ok((units / regular(dim, argument)?.step.abs()).round() as usize),
            Size::Duration(_) => Err(Problem::argument(
                argument,
                format!(
                    "the size of windows along `{}` is not a duration, so the overlap cannot be one",
                    dim.name
                ),
            )),
        }
    }
}

/// Where windows of a size in units of the labels begin: a pixel belongs to the window that has its centre.
pub(super) fn starts(dim: &Dimension, units: f64) -> Result<Vec<usize>, Problem> {
    let step = regular(dim, "size")?.step.abs();
    // A thousandth of a pixel is not worth another window.
    let window = |i: usize| (((i as f64 + 0.5) * step + 1e-3 * step) / units).floor();
    let len = dim.len().unwrap_or_default();
    Ok((0..len).filter(|&i| i == 0 || window(i) > window(i - 1)).collect())
}

/// Windows of a duration from the first date on, those with dates. The overlap is a duration or a number of labels.
pub(super) fn periods(
    dim: &Dimension,
    period: &Span,
    overlap: Option<&Size>,
) -> Result<Vec<Window>, Problem> {
    let labels: Option<Vec<Instant>> = (dim.labels().into_iter().flat_map(|labels| labels.iter()))
        .map(|label| label.as_time().map(|time| time.instant))
        .collect();
    let wrong = |what: &str| {
        Problem::argument("size", format!("{what} of dimension `{}`", dim.name))
            .hint("give a number and the unit `px`")
    };
    let labels = labels.ok_or_else(|| wrong("a duration needs dates, which are not the labels"))?;
    if !labels.is_sorted() {
        return Err(wrong("a duration needs dates in order, unlike the labels"));
    }
    let Some(&first) = labels.first() else { return Ok(Vec::new()) };
    let at = |from: Instant, span: &Span, times: i64| -> Result<Instant, Problem> {
        let moved = span.checked_mul(times).and_then(|span| from.civil().checked_add(span));
        moved
            .map(Instant::of_civil)
            .map_err(|_| wrong("windows leave the calendar along the dates"))
    };
    let mut windows = Vec::new();
    let (mut k, mut start) = (0, 0);
    while start < labels.len() {
        // Empty windows are passed over; the next one with a date is at most as many windows away as fit.
        let (mut begin, mut end) = (at(first, period, k)?, at(first, period, k + 1)?);
        if end <= labels[start] {
            let (gap, length) = (labels[start].0 - end.0, end.0 - begin.0);
            k += (gap / (length * 2)).max(1);
            (begin, end) = (at(first, period, k)?, at(first, period, k + 1)?);
            if end <= labels[start] {
                continue;
            }
        }
        k += 1;
        let stop = labels.partition_point(|own| *own < end);
        if stop == start {
            continue;
        }
        let core = start..stop;
        let outer = match overlap {
            None => start as isize..stop as isize,
            Some(Size::Duration(span)) => {
                let (from, to) = (at(begin, span, -1)?, at(end, span, 1)?);
                let place = |limit: Instant| labels.partition_point(|own| *own < limit) as isize;
                place(from)..place(to)
            }
            Some(size) => {
                let margin = size.labels(dim, "overlap")?;
                let around = eolith_plan::nested::Partition::windows_at(dim, &[0], margin);
                let margin = margin as isize;
                let possible = &around[0].outer;
                (start as isize - margin).max(possible.start)
                    ..(stop as isize + margin).min(possible.end)
            }
        };
        windows.push(Window { core, outer });
        start = stop;
    }
    Ok(windows)
}

/// Reads one size.
fn size(dim: &Dimension, value: &Json, unit: Option<&Json>) -> Result<Option<Size>, String> {
    let name = &dim.name;
    if let Some(text) = value.as_str() {
        if dim.kind != Kind::Temporal {
            return Err(format!("dimension `{name}` is not temporal and has no durations"));
        }
        let span: Span =
            text.parse().map_err(|_| format!("`{text}` is not an ISO 8601 duration"))?;
        if span.is_zero() || span.is_negative() {
            return Err(format!("the duration `{text}` must be longer than nothing"));
        }
        return Ok(Some(Size::Duration(span)));
    }
    let number = match value {
        Json::Null => return Ok(None),
        Json::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        other => {
            return Err(format!(
                "the size along `{name}` must be a number or a duration, not {other}"
            ));
        }
    };
    if !number.is_finite() || number < 0.0 {
        return Err(format!("the size along `{name}` must not be negative"));
    }
    let crs = dim.crs();
    let spatial = matches!(dim.kind, Kind::Spatial { .. });
    match unit.map(Json::as_str) {
        Some(Some("px")) => whole(name, number).map(Some),
        Some(Some("m")) => {
            let metres = crs.and_then(eolith_cube::Crs::unit_metres);
            match metres.filter(|_| spatial) {
                Some(metres) => units(name, number / metres).map(Some),
                None => Err(format!("dimension `{name}` has no metres; give the size in `px`")),
            }
        }
        Some(_) => Err("the unit is `px`, `m` or null".to_owned()),
        None if spatial => units(name, number).map(Some),
        None if dim.kind == Kind::Temporal => {
            Err(format!("a size along `{name}` is a duration such as `P1M` or has the unit `px`"))
        }
        None => whole(name, number).map(Some),
    }
}

fn units(name: &str, number: f64) -> Result<Size, String> {
    if number > 0.0 {
        Ok(Size::Units(number))
    } else if number == 0.0 {
        Ok(Size::Labels(0))
    } else {
        Err(format!("the size along `{name}` must not be negative"))
    }
}

fn whole(name: &str, number: f64) -> Result<Size, String> {
    if number.fract() == 0.0 && number < 1e9 {
        Ok(Size::Labels(number as usize))
    } else {
        Err(format!("{number} is not a whole number of labels along `{name}`"))
    }
}

fn regular(dim: &Dimension, argument: &str) -> Result<Regular, Problem> {
    dim.labels().and_then(eolith_cube::Labels::regular).ok_or_else(|| {
        let message = format!("the labels of `{}` are not evenly spaced", dim.name);
        Problem::argument(argument, message).hint("give the size in `px`")
    })
}
