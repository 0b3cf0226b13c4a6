//! Processes on arrays, with and without labels.

mod build;
mod callback;
mod cumulative;
mod edit;
mod element;
mod fit_curve;
mod interpolate;
mod least_squares;
mod search;
mod sort;

use eolith_cube::Label;
use eolith_cube::time::TimeLabel;
use eolith_plan::process::Process;
use eolith_plan::value::Value;

pub(crate) use fit_curve::x_of;

pub(crate) static ALL: &[&Process] = &[
    &build::ARRAY_CONCAT,
    &build::ARRAY_CREATE,
    &callback::ARRAY_APPLY,
    &callback::ARRAY_FILTER,
    &cumulative::CUMMAX,
    &cumulative::CUMMIN,
    &cumulative::CUMPRODUCT,
    &cumulative::CUMSUM,
    &edit::ARRAY_APPEND,
    &edit::ARRAY_CREATE_LABELED,
    &edit::ARRAY_MODIFY,
    &element::ARRAY_ELEMENT,
    &fit_curve::FIT_CURVE,
    &interpolate::ARRAY_INTERPOLATE_LINEAR,
    &search::ARRAY_CONTAINS,
    &search::ARRAY_FIND,
    &search::ARRAY_FIND_LABEL,
    &search::ARRAY_LABELS,
    &sort::ORDER,
    &sort::REARRANGE,
    &sort::SORT,
];

/// Whether a label is the one that a value names: numbers by value, texts exactly, instants as such.
fn names(value: &Value, label: &Label) -> bool {
    match (value, label) {
        (Value::Text(text), Label::Text(own)) => text == own,
        (Value::Text(text), Label::Time(own)) => {
            *text == own.text
                || TimeLabel::parse(text).is_ok_and(|time| time.instant == own.instant)
        }
        (Value::Int(number), Label::Int(own)) => number == own,
        (number, label) => match (number.as_f64(), label.as_f64()) {
            (Some(number), Some(own)) => number == own,
            _ => false,
        },
    }
}
