//! Labels of dimensions as arrays: numbers, texts and CF times.

use eolith_cube::{Crs, Kind, Label, Labels, SpatialAxis};

use super::{Attributes, text};

/// A dimension of the file.
pub(in crate::sink) struct Axis {
    pub(in crate::sink) name: String,
    pub(in crate::sink) kind: Kind,
    pub(in crate::sink) coordinate: Coordinate,
}

/// Labels as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sink) enum Coordinate {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    /// Since 1970-01-01T00:00:00Z, in `unit`.
    Times {
        values: Vec<i64>,
        unit: &'static str,
    },
}

impl Axis {
    /// What is said of the coordinate.
    pub(in crate::sink) fn attributes(&self) -> Attributes {
        match (&self.coordinate, &self.kind) {
            (Coordinate::Times { unit, .. }, kind) => {
                let mut attributes = vec![
                    text("units", &format!("{unit} since 1970-01-01")),
                    text("calendar", "proleptic_gregorian"),
                ];
                if *kind == Kind::Temporal {
                    attributes.extend([text("standard_name", "time"), text("axis", "T")]);
                }
                attributes
            }
            (Coordinate::Floats(_) | Coordinate::Ints(_), Kind::Spatial { axis, crs }) => {
                spatial(*axis, crs.as_ref())
            }
            _ => Vec::new(),
        }
    }
}

impl Coordinate {
    /// The narrowest kind that holds all labels; texts hold any mixture.
    pub(in crate::sink) fn of(labels: &Labels) -> Coordinate {
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

    pub(in crate::sink) fn len(&self) -> usize {
        match self {
            Coordinate::Floats(values) => values.len(),
            Coordinate::Ints(values) | Coordinate::Times { values, .. } => values.len(),
            Coordinate::Texts(values) => values.len(),
        }
    }
}

fn spatial(axis: SpatialAxis, crs: Option<&Crs>) -> Attributes {
    let meaning = match (axis, crs.map(Crs::is_geographic)) {
        (SpatialAxis::Z, _) | (_, None) => None,
        (SpatialAxis::X, Some(true)) => Some(("longitude", "degrees_east")),
        (SpatialAxis::Y, Some(true)) => Some(("latitude", "degrees_north")),
        (SpatialAxis::X, Some(false)) => Some(("projection_x_coordinate", length(crs))),
        (SpatialAxis::Y, Some(false)) => Some(("projection_y_coordinate", length(crs))),
    };
    let mut attributes = Vec::new();
    if let Some((name, unit)) = meaning {
        attributes.extend([text("standard_name", name), text("units", unit)]);
    }
    attributes.push(text("axis", &axis.name().to_ascii_uppercase()));
    attributes
}

/// UDUNITS' spelling of the unit of a projected reference system.
fn length(crs: Option<&Crs>) -> &str {
    match crs.map_or("metre", Crs::unit_name) {
        "metre" => "m",
        "kilometre" => "km",
        "foot" => "ft",
        "US survey foot" => "US_survey_foot",
        other => other,
    }
}

/// In days if all are midnights, else in the coarsest unit from seconds on that keeps every instant whole.
fn times(microseconds: &[i64]) -> Coordinate {
    const UNITS: [(&str, i64); 3] =
        [("days", 86_400_000_000), ("seconds", 1_000_000), ("milliseconds", 1000)];
    let whole = |&&(_, size): &&(&str, i64)| microseconds.iter().all(|t| t % size == 0);
    let &(unit, size) = UNITS.iter().find(whole).unwrap_or(&("microseconds", 1));
    Coordinate::Times { values: microseconds.iter().map(|t| t / size).collect(), unit }
}
