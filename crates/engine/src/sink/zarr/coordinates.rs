//! Labels of dimensions as arrays: numbers, texts and CF times.

use eolith_cube::{Kind, Label, Labels, SpatialAxis};
use serde_json::{Map, Value};

/// A dimension of the group.
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) coordinate: Coordinate,
}

/// Labels as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Coordinate {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    /// Since 1970-01-01T00:00:00Z, in `unit`.
    Times {
        values: Vec<i64>,
        unit: &'static str,
    },
}

impl Coordinate {
    /// The narrowest kind that holds all labels; texts hold any mixture.
    pub(super) fn of(labels: &Labels) -> Coordinate {
        if let Labels::Regular(regular) = labels {
            return Coordinate::Floats((0..regular.len).map(|i| regular.at(i)).collect());
        }
        let labels: Vec<Label> = labels.iter().collect();
        let time = |label: &Label| label.as_time().map(|time| time.instant.0);
        if let Some(instants) = labels.iter().map(time).collect::<Option<Vec<i64>>>() {
            return times(&instants);
        }
        let int = |label: &Label| if let Label::Int(value) = label { Some(*value) } else { None };
        if let Some(values) = labels.iter().map(int).collect() {
            return Coordinate::Ints(values);
        }
        if let Some(values) = labels.iter().map(Label::as_f64).collect() {
            return Coordinate::Floats(values);
        }
        Coordinate::Texts(labels.iter().map(ToString::to_string).collect())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Coordinate::Floats(values) => values.len(),
            Coordinate::Ints(values) | Coordinate::Times { values, .. } => values.len(),
            Coordinate::Texts(values) => values.len(),
        }
    }
}

/// What CF says of a coordinate.
pub(super) fn attributes(axis: &Axis) -> Map<String, Value> {
    let mut attributes = Map::new();
    let mut put = |name: &str, value: &str| attributes.insert(name.to_owned(), value.into());
    if let Coordinate::Times { unit, .. } = &axis.coordinate {
        put("units", &format!("{unit} since 1970-01-01"));
        put("calendar", "proleptic_gregorian");
        if axis.kind == Kind::Temporal {
            put("standard_name", "time");
            put("axis", "T");
        }
        return attributes;
    }
    let Kind::Spatial { axis: spatial, crs } = &axis.kind else { return attributes };
    let geographic = crs.as_ref().map(eolith_cube::Crs::is_geographic);
    match (spatial, geographic) {
        (SpatialAxis::X, Some(true)) => {
            put("standard_name", "longitude");
            put("units", "degrees_east");
        }
        (SpatialAxis::Y, Some(true)) => {
            put("standard_name", "latitude");
            put("units", "degrees_north");
        }
        (SpatialAxis::X, Some(false)) => {
            put("standard_name", "projection_x_coordinate");
        }
        (SpatialAxis::Y, Some(false)) => {
            put("standard_name", "projection_y_coordinate");
        }
        (SpatialAxis::Z, _) | (_, None) => {}
    }
    if let (SpatialAxis::X | SpatialAxis::Y, Some(false), Some(crs)) = (spatial, geographic, crs) {
        let unit = match crs.unit_name() {
            "metre" => "m",
            "kilometre" => "km",
            "foot" => "ft",
            "US survey foot" => "US_survey_foot",
            other => other,
        };
        put("units", unit);
    }
    put("axis", spatial.name().to_ascii_uppercase().as_str());
    attributes
}

/// In days if all are midnights, else in the coarsest unit from seconds on that keeps every instant whole.
fn times(microseconds: &[i64]) -> Coordinate {
    const UNITS: [(&str, i64); 3] =
        [("days", 86_400_000_000), ("seconds", 1_000_000), ("milliseconds", 1000)];
    let whole = |&&(_, size): &&(&str, i64)| microseconds.iter().all(|t| t % size == 0);
    let &(unit, size) = UNITS.iter().find(whole).unwrap_or(&("microseconds", 1));
    Coordinate::Times { values: microseconds.iter().map(|t| t / size).collect(), unit }
}
