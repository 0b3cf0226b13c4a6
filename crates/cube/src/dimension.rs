//! Dimensions of a cube.

use std::sync::Arc;

use crate::crs::Crs;
use crate::geometry::Features;
use crate::label::Labels;

/// One dimension: its name, what it means, and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    pub name: String,
    pub kind: Kind,
    pub axis: Axis,
}

/// What a dimension means.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Spatial {
        axis: SpatialAxis,
        crs: Option<Crs>,
    },
    Temporal,
    Bands,
    /// One feature a label, in order.
    Geometry(Arc<Features>),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpatialAxis {
    X,
    Y,
    Z,
}

/// The labels of a dimension, or what is known of them before the source was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    Known(Labels),
    /// A need is open: binding goes on with this, physical planning does not.
    Pending(Extent),
}

/// What is known of an axis without its labels.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Extent {
    /// First and last label as text, as published; may be unknown.
    pub range: Option<(String, String)>,
}

impl Dimension {
    pub fn new(name: impl Into<String>, kind: Kind, labels: Labels) -> Dimension {
        Dimension { name: name.into(), kind, axis: Axis::Known(labels) }
    }

    /// Labels, where they are known.
    pub fn labels(&self) -> Option<&Labels> {
        match &self.axis {
            Axis::Known(labels) => Some(labels),
            Axis::Pending(_) => None,
        }
    }

    /// Number of labels, where known.
    pub fn len(&self) -> Option<usize> {
        self.labels().map(Labels::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The features of a dimension of geometries.
    pub fn features(&self) -> Option<&Arc<Features>> {
        if let Kind::Geometry(features) = &self.kind { Some(features) } else { None }
    }

    pub fn is_spatial(&self, which: SpatialAxis) -> bool {
        matches!(&self.kind, Kind::Spatial { axis, .. } if *axis == which)
    }

    /// Whether it is x or y.
    pub fn is_horizontal(&self) -> bool {
        self.is_spatial(SpatialAxis::X) || self.is_spatial(SpatialAxis::Y)
    }

    pub fn crs(&self) -> Option<&Crs> {
        match &self.kind {
            Kind::Spatial { crs, .. } => crs.as_ref(),
            Kind::Geometry(features) => Some(&features.crs),
            Kind::Temporal | Kind::Bands | Kind::Other => None,
        }
    }
}

impl Kind {
    /// openEO's name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Spatial { .. } => "spatial",
            Kind::Temporal => "temporal",
            Kind::Bands => "bands",
            Kind::Geometry(_) => "geometry",
            Kind::Other => "other",
        }
    }
}

impl SpatialAxis {
    pub fn name(self) -> &'static str {
        match self {
            SpatialAxis::X => "x",
            SpatialAxis::Y => "y",
            SpatialAxis::Z => "z",
        }
    }
}
