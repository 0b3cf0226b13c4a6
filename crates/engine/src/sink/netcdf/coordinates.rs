//! Coordinate variables: numbers, texts and CF times.

use eolith_cube::{Kind, Label, Labels, SpatialAxis};
use netcdf_writer::{DimensionId, NcFileBuilder, Result};

use super::describe;
use super::layout::Axis;

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
        let instants: Option<Vec<i64>> =
            labels.iter().map(|l| l.as_time().map(|t| t.instant.0)).collect();
        if let Some(instants) = instants {
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

/// Adds the coordinate variable of a dimension.
pub(super) fn write(file: &mut NcFileBuilder, axis: &Axis, dim: DimensionId) -> Result<()> {
    let id = match &axis.coordinate {
        Coordinate::Floats(values) => {
            let id = file.add_variable::<f64>(&axis.name, &[dim])?;
            file.write_variable(id, values)?;
            id
        }
        Coordinate::Ints(values) | Coordinate::Times { values, .. } => {
            let id = file.add_variable::<i64>(&axis.name, &[dim])?;
            file.write_variable(id, values)?;
            id
        }
        Coordinate::Texts(values) => {
            let id = file.add_string_variable(&axis.name, &[dim])?;
            file.write_string_variable(id, values)?;
            id
        }
    };
    match &axis.coordinate {
        Coordinate::Times { unit, .. } => {
            let units = format!("{unit} since 1970-01-01");
            describe(file, id, &[("units", &units), ("calendar", "proleptic_gregorian")])?;
            if axis.kind == Kind::Temporal {
                describe(file, id, &[("standard_name", "time"), ("axis", "T")])?;
            }
        }
        Coordinate::Texts(_) => {}
        Coordinate::Floats(_) | Coordinate::Ints(_) => {
            if let Kind::Spatial { axis: spatial, crs } = &axis.kind {
                let geographic = crs.as_ref().map(eolith_cube::Crs::is_geographic);
                let meaning: &[(&str, &str)] = match (spatial, geographic) {
                    (SpatialAxis::X, Some(true)) => {
                        &[("standard_name", "longitude"), ("units", "degrees_east")]
                    }
                    (SpatialAxis::Y, Some(true)) => {
                        &[("standard_name", "latitude"), ("units", "degrees_north")]
                    }
                    (SpatialAxis::X, Some(false)) => {
                        &[("standard_name", "projection_x_coordinate")]
                    }
                    (SpatialAxis::Y, Some(false)) => {
                        &[("standard_name", "projection_y_coordinate")]
                    }
                    (SpatialAxis::Z, _) | (_, None) => &[],
                };
                describe(file, id, meaning)?;
                if let (SpatialAxis::X | SpatialAxis::Y, Some(false), Some(crs)) =
                    (spatial, geographic, crs)
                {
                    describe(file, id, &[("units", unit(crs.unit_name()))])?;
                }
                let letter = match spatial {
                    SpatialAxis::X => "X",
                    SpatialAxis::Y => "Y",
                    SpatialAxis::Z => "Z",
                };
                describe(file, id, &[("axis", letter)])?;
            }
        }
    }
    Ok(())
}

/// UDUNITS' spelling of a length.
fn unit(name: &str) -> &str {
    match name {
        "metre" => "m",
        "kilometre" => "km",
        "foot" => "ft",
        "US survey foot" => "US_survey_foot",
        other => other,
    }
}

/// In the coarsest unit that keeps every instant whole.
fn times(microseconds: &[i64]) -> Coordinate {
    const UNITS: [(&str, i64); 3] =
        [("days", 86_400_000_000), ("seconds", 1_000_000), ("milliseconds", 1000)];
    let whole = |&&(_, size): &&(&str, i64)| microseconds.iter().all(|t| t % size == 0);
    let &(unit, size) = UNITS.iter().find(whole).unwrap_or(&("microseconds", 1));
    Coordinate::Times { values: microseconds.iter().map(|t| t / size).collect(), unit }
}
