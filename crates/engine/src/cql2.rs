//! Conditions on items in the Common Query Language of OGC (CQL2): read from its text or its JSON, and tested.
//!
//! ```text
//! text, json ─► Condition ─► holds(Item): true, false or unknown
//!                   └──────► to_json, for services that know the language
//! ```
//! What there is: logic, comparisons, `IS NULL`, `LIKE`, `BETWEEN`, `IN`, instants, and the spatial relations. Arithmetic,
//! functions, arrays and relations of time are refused by name. A property that an item lacks makes a comparison unknown, and
//! unknown is not met. Conditions nest at most [`DEEPEST`] levels, so that what recurses over them ends.

mod json;
mod test;
#[cfg(test)]
mod tests;
mod text;
mod wkt;

pub(crate) use self::test::date_time;

use eolith_cube::geometry::relation::{Base, Relation};
use eolith_cube::geometry::{Features, Geometry};
use eolith_cube::time::Instant;
use serde_json::{Map, Value};
use thiserror::Error;

/// Levels of logic in a condition.
const DEEPEST: usize = 32;
/// How the operators of relations begin; the rest is the name of the relation.
const SPATIAL: &str = "s_";

/// Something that is true of an item, or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Node);

/// What a condition can ask of an item.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub id: &'a str,
    pub collection: &'a str,
    /// GeoJSON in degrees.
    pub geometry: Option<&'a Value>,
    pub properties: &'a Map<String, Value>,
}

/// Why something is no condition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Cql2Error {
    #[error("the filter ends where {0} is expected")]
    Ends(&'static str),
    #[error("`{found}` stands in the filter where {expected} is expected")]
    Unexpected { found: String, expected: &'static str },
    #[error("`{0}` is not supported in filters here")]
    Unsupported(String),
    #[error("{0}")]
    Value(String),
    #[error("the filter nests more than {DEEPEST} levels deep")]
    Deep,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Always(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Comparison, Scalar, Scalar),
    IsNull(Scalar),
    /// The second one is a text with `%` and `_`.
    Like(Scalar, String),
    Between(Scalar, Scalar, Scalar),
    In(Scalar, Vec<Scalar>),
    Spatial(Relation, Place, Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Property(String),
    /// A text, a number or a boolean.
    Value(Value),
    /// With the text it was given as: a date or an instant.
    Time(Instant, String),
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Property(String),
    Geometry(Geometry),
}

impl Condition {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`Cql2Error`], with what stands in the wrong place.
    pub fn parse_text(text: &str) -> Result<Condition, Cql2Error> {
        text::parse(text).map(Condition)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Cql2Error`], with what stands in the wrong place.
    pub fn parse_json(value: &Value) -> Result<Condition, Cql2Error> {
        json::parse(value, 0).map(Condition)
    }

    /// Whether the item meets it.
    pub fn holds(&self, item: &Item<'_>) -> bool {
        test::holds(&self.0, item) == Some(true)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Value {
        json::write(&self.0)
    }

    /// Whether it asks for a property.
    pub fn names(&self, property: &str) -> bool {
        let mut open = vec![&self.0];
        while let Some(node) = open.pop() {
            let scalars: Vec<&Scalar> = match node {
                Node::And(parts) | Node::Or(parts) => {
                    open.extend(parts);
                    continue;
                }
                Node::Not(part) => {
                    open.push(part);
                    continue;
                }
                Node::Compare(_, a, b) => vec![a, b],
                Node::IsNull(a) | Node::Like(a, _) => vec![a],
                Node::Between(a, b, c) => vec![a, b, c],
                Node::In(a, list) => std::iter::once(a).chain(list).collect(),
                Node::Always(_) | Node::Spatial(..) => continue,
            };
            if scalars.iter().any(|s| matches!(s, Scalar::Property(name) if name == property)) {
                return true;
            }
        }
        false
    }
}

impl Comparison {
    const ALL: [(&'static str, Comparison); 6] = [
        ("=", Comparison::Equal),
        ("<>", Comparison::Unequal),
        ("<", Comparison::Less),
        ("<=", Comparison::AtMost),
        (">", Comparison::Greater),
        (">=", Comparison::AtLeast),
    ];

    fn of(name: &str) -> Option<Comparison> {
        Comparison::ALL.iter().find(|(own, _)| *own == name).map(|(_, comparison)| *comparison)
    }

    fn name(self) -> &'static str {
        Comparison::ALL.iter().find(|(_, own)| *own == self).map_or("=", |(name, _)| name)
    }
}

/// The relation that an operator like `s_intersects` (in any case) stands for.
fn relation(operator: &str) -> Option<Relation> {
    let operator = operator.to_ascii_lowercase();
    let name = operator.strip_prefix(SPATIAL)?;
    Relation::NAMES.iter().find(|(own, _)| *own == name).map(|(_, relation)| *relation)
}

fn instant(text: &str) -> Result<Scalar, Cql2Error> {
    let wrong = || Cql2Error::Value(format!("`{text}` is neither a date nor an instant"));
    Instant::parse(text).map(|time| Scalar::Time(time, text.to_owned())).map_err(|_| wrong())
}

/// Reads GeoJSON in degrees that has a position.
///
/// # Errors
/// [`Cql2Error::Value`], with what is wrong.
pub fn geometry(json: &Value) -> Result<Geometry, Cql2Error> {
    let features = Features::parse(json).map_err(|error| Cql2Error::Value(error.to_string()))?;
    let found = features.list.into_iter().next().and_then(|feature| feature.geometry);
    found
        .filter(|geometry| !geometry.is_empty())
        .ok_or_else(|| Cql2Error::Value("a geometry without positions".to_owned()))
}

/// A box in degrees, two where it crosses the antimeridian.
fn box_of(numbers: &[f64]) -> Result<Geometry, Cql2Error> {
    let ([west, south, east, north] | [west, south, _, east, north, _]) = *numbers else {
        return Err(Cql2Error::Value("a box has 4 or 6 numbers".to_owned()));
    };
    geometry(&crate::catalog::bounds::outline([west, south, east, north]))
}
