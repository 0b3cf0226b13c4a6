//! Whether an item meets a condition, in three-valued logic: `None` is unknown.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Base, Comparison, Geometry, Instant, Item, Node, Place, Scalar, Value};

/// Recurses as deep as the condition nests, which is limited where it is read.
pub(super) fn holds(node: &Node, item: &Item<'_>) -> Option<bool> {
    match node {
        Node::Always(value) => Some(*value),
        Node::And(parts) => all(parts.iter().map(|part| holds(part, item))),
        Node::Or(parts) => {
            all(parts.iter().map(|part| holds(part, item).map(|value| !value))).map(|none| !none)
        }
        Node::Not(part) => holds(part, item).map(|value| !value),
        Node::Compare(comparison, a, b) => compare(*comparison, a, b, item),
        Node::IsNull(scalar) => Some(operand(scalar, item).is_none()),
        Node::Like(scalar, pattern) => {
            let value = operand(scalar, item)?;
            Some(is_like(value.text()?, pattern))
        }
        Node::Between(value, low, high) => all([
            compare(Comparison::AtLeast, value, low, item),
            compare(Comparison::AtMost, value, high, item),
        ]
        .into_iter()),
        Node::In(value, list) => {
            let found = list.iter().map(|own| compare(Comparison::Unequal, value, own, item));
            all(found).map(|none| !none)
        }
        Node::Spatial(relation, a, b) => {
            let (a, b) = (place(a, item)?, place(b, item)?);
            Some(Base::new(std::slice::from_ref(&*a), *relation).accepts(&b))
        }
    }
}

/// False wins over unknown, unknown over true.
fn all(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for value in values {
        match value {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

enum Operand<'a> {
    Value(Cow<'a, Value>),
    Time(Instant),
}

impl Operand<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Operand::Value(value) => value.as_str(),
            Operand::Time(_) => None,
        }
    }

    /// The instant, where it is one or the text of one.
    fn time(&self) -> Option<Instant> {
        match self {
            Operand::Time(time) => Some(*time),
            Operand::Value(value) => Instant::parse(value.as_str()?).ok(),
        }
    }
}

/// What a scalar is for the item; `None` for what the item lacks.
fn operand<'a>(scalar: &'a Scalar, item: &Item<'a>) -> Option<Operand<'a>> {
    let name = match scalar {
        Scalar::Value(value) => return Some(Operand::Value(Cow::Borrowed(value))),
        Scalar::Time(time, _) => return Some(Operand::Time(*time)),
        Scalar::Property(name) => name.strip_prefix("properties.").unwrap_or(name),
    };
    let text = |text: &str| Some(Operand::Value(Cow::Owned(text.into())));
    match (item.properties.get(name), name) {
        (Some(Value::Null), _) => None,
        (Some(value), _) => Some(Operand::Value(Cow::Borrowed(value))),
        (None, "id") => text(item.id),
        (None, "collection") => text(item.collection),
        (None, "geometry") => item.geometry.map(|own| Operand::Value(Cow::Borrowed(own))),
        (None, _) => None,
    }
}

fn compare(comparison: Comparison, a: &Scalar, b: &Scalar, item: &Item<'_>) -> Option<bool> {
    let order = order(&operand(a, item)?, &operand(b, item)?)?;
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::Unequal => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    })
}

/// `None` for values of different kinds.
fn order(a: &Operand<'_>, b: &Operand<'_>) -> Option<Ordering> {
    match (a, b) {
        (Operand::Value(a), Operand::Value(b)) => order_of(a, b),
        _ => Some(a.time()?.cmp(&b.time()?)),
    }
}

/// The order of two values of the same kind: texts by their characters, unless both are instants.
fn order_of(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(match (date_time(a), date_time(b)) {
            // One instant has many texts.
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        }),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => Some(x.cmp(&y)),
            _ => x.as_f64()?.partial_cmp(&y.as_f64()?),
        },
        _ => None,
    }
}

/// The instant that a text is, if it looks like one.
pub(crate) fn date_time(text: &str) -> Option<Instant> {
    let looks = text.len() >= 19 && text.as_bytes()[10].eq_ignore_ascii_case(&b'T');
    if looks { Instant::parse(text).ok() } else { None }
}

fn place<'a>(place: &'a Place, item: &Item<'_>) -> Option<Cow<'a, Geometry>> {
    match place {
        Place::Geometry(geometry) => Some(Cow::Borrowed(geometry)),
        Place::Property(name) => {
            let name = name.strip_prefix("properties.").unwrap_or(name);
            let own = item.properties.get(name);
            let own = own.or(if name == "geometry" { item.geometry } else { None })?;
            super::geometry(own).ok().map(Cow::Owned)
        }
    }
}

/// Whether a text is what a pattern says: `%` is any text, `_` any character, `\` takes their meaning away.
fn is_like(text: &str, pattern: &str) -> bool {
    enum Part {
        Any,
        One,
        Same(char),
    }
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Same(rest.next().unwrap_or('\\')),
            c => Part::Same(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where to go on if what follows the last `%` does not fit.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        let fits = match parts.get(part) {
            Some(Part::Any) => {
                back = Some((at, part));
                part += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Same(c)) => *c == text[at],
            None => false,
        };
        if fits {
            (at, part) = (at + 1, part + 1);
        } else if let Some((from, any)) = back {
            back = Some((from + 1, any));
            (at, part) = (from + 1, any + 1);
        } else {
            return false;
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}
