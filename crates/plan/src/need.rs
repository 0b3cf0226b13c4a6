//! Questions a plan asks of the world, and the answers it gets.
//!
//! Planning does no I/O. Where it has to know something (what a collection looks like, which scenes lie in an
//! area) it returns a [`Need`]; the driver in `eolith-engine` answers it, puts the [`Answer`] into the
//! [`Snapshot`] and plans again from the start. The types here are plain data; their stored form belongs to
//! `engine::catalog`.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::time::{Instant, Interval, TimeLabel};
use eolith_cube::{DType, Features, Grid, Number, Region, Schema, Variable};

use crate::bind::Argument;
use crate::model::Forest;
use crate::model::network::Network;
use crate::request::{PropertyFilter, Source};
use crate::subplan::Subplan;
use crate::udf::{Outcome, Udf};
use crate::value::Fault;

/// A question. Equal questions have equal answers within one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// What a source looks like.
    Collection { source: Source },
    /// The scenes of a source in an area and a time that all conditions accept. `bbox` is west, south, east, north in
    /// degrees; west is greater than east across the antimeridian.
    Scenes {
        source: Source,
        bbox: Option<[Degrees; 4]>,
        start: Option<Instant>,
        end: Option<Instant>,
        properties: Vec<PropertyFilter>,
    },
    /// A model that was saved, by the address or the path of its STAC item.
    Model { uri: String },
    /// A model in an ONNX file, by the address or the path of the file or of its STAC item, for samples of so many values.
    Network { uri: String, features: usize },
    /// What a part of the plan itself gives: a shape or a value that follows from pixels.
    Computed(Subplan),
    /// The features in a file of geometries.
    Features { source: Source },
    /// The text of a function that a process names by path or address.
    Code { address: String },
    /// What comes out of a function. The cell is the JSON of [`crate::udf::describe`], its pixels are of this type.
    Udf { udf: Arc<Udf>, cell: Arc<str>, dtype: DType },
    /// In which lower resolutions an array is stored too.
    Levels { array: ArrayRef },
}

/// An angle that can be compared and hashed: millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Degrees(pub i64);

/// What the world said.
#[derive(Clone, Debug)]
pub enum Answer {
    Collection(Arc<Collection>),
    Scenes(Arc<[Scene]>),
    Model(Arc<Forest>),
    Network(Arc<Network>),
    /// What was computed, in the order asked for.
    Computed(Arc<[Argument]>),
    Features(Arc<Features>),
    Code(Arc<str>),
    Udf(Arc<Outcome>),
    /// It was tried and ended with an error of its own.
    Fault(Fault),
    /// Finest first, without the array itself; empty where there are none.
    Levels(Arc<[Level]>),
    /// There is no such thing (an unknown collection).
    Missing,
    /// It is there but cannot be used; the text names file and reason.
    Failed(String),
    /// It is there, but not a file of the format it should have; the text names file and reason.
    Unsuitable(String),
    /// There are more scenes than a plan may have: this many.
    TooMany(usize),
}

/// All answers so far.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    answers: BTreeMap<Need, Answer>,
}

/// What a load starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    pub id: String,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One grid with all labels known: a Zarr store, a NetCDF file, a GeoTIFF.
    Cube { schema: Schema, pieces: Arc<[Piece]> },
    /// Scenes of any grid; the labels of time are known once the items are.
    Scenes(SceneCollection),
}

/// A collection of scenes. Its cubes have the dimensions `t`, `bands`, `y`, `x` under the names given here.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneCollection {
    pub names: SceneDimensions,
    pub bands: Vec<(String, Variable)>,
    pub time: Interval,
    /// West, south, east, north in degrees.
    pub bbox: [f64; 4],
    /// The one grid all scenes share, if it is known from the collection.
    pub grid: Option<Grid>,
}

/// Names of the four dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneDimensions {
    pub t: String,
    pub bands: String,
    pub y: String,
    pub x: String,
}

/// One item: some bands of one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub id: String,
    pub time: TimeLabel,
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub bbox: Option<[f64; 4]>,
    /// Where others can read its item, if that is known.
    pub address: Option<String>,
    pub assets: Vec<SceneAsset>,
}

/// One band of one scene.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneAsset {
    pub band: String,
    pub variable: Variable,
    pub grid: Grid,
    pub array: ArrayRef,
    /// Index of the band along the array's first dimension; the other two are y and x.
    pub plane: usize,
}

/// An overview: an array that shows what another one does in larger pixels. It has the same dimensions in the same order,
/// and differs in the lengths of y and x alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    pub array: ArrayRef,
    /// Of all its pixels.
    pub grid: Grid,
}

/// Which array of which file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayRef {
    /// Absolute path or URL.
    pub href: String,
    pub format: Format,
    /// Path inside the file; of a TIFF empty for the image, else the number of an overview (the largest is 1).
    pub array: String,
    /// Changes with the content; checked when the file is read.
    pub version: Option<String>,
    /// The unit of decoding, where the file was opened already.
    pub chunk: Option<Vec<usize>>,
    /// Whether a process graph and not the operator brought the address, so that it may not lead everywhere.
    pub requested: bool,
}

/// Formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    Zarr,
    NetCdf,
    Tiff,
}

/// A part of a cube that one array holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub array: ArrayRef,
    /// The box of the cube that this array fills.
    pub region: Region,
    /// What each dimension of the *array* is in the cube.
    pub dims: Vec<ArrayDim>,
    /// No-data value to apply while reading.
    pub nodata: Option<Number>,
    /// The array's own grid where it is not the cube's: its pixels are brought in with nearest neighbour. Such a
    /// piece has a last-but-one array dimension y and a last one x, both at offset 0.
    pub grid: Option<Grid>,
}

/// Where a dimension of an array goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayDim {
    /// Index `i` of cube dimension `dim` is at `i - region.start + offset`.
    Along { dim: usize, offset: usize },
    /// Only this index is used.
    Fixed(usize),
}

impl Need {
    /// What a collection of this back-end looks like.
    pub fn collection(id: impl Into<String>) -> Need {
        Need::Collection { source: Source::Collection(id.into()) }
    }

    /// Whether code of a user has to be run for the answer.
    pub fn runs_code(&self) -> bool {
        matches!(self, Need::Udf { .. })
    }

    /// The part of the plan that has to be computed, where the catalogue cannot answer.
    pub fn subplan(&self) -> Option<&Subplan> {
        if let Need::Computed(subplan) = self { Some(subplan) } else { None }
    }
}

impl ArrayRef {
    /// Whether bytes are held between fetching and decoding. Zarr and TIFF files of this machine are read when they are
    /// decoded; what comes from elsewhere waits, and so does netCDF, which is decoded while it is fetched.
    pub fn waits(&self) -> bool {
        // The chunks behind a reference file may be anywhere.
        let extension = self.href.rsplit('.').next().unwrap_or_default();
        let referred = self.format == Format::Zarr && extension.eq_ignore_ascii_case("json");
        referred || self.href.contains("://") || self.format == Format::NetCdf
    }
}

impl Snapshot {
    pub fn get(&self, need: &Need) -> Option<&Answer> {
        self.answers.get(need)
    }

    /// All of them, in the order of the questions.
    pub fn iter(&self) -> impl Iterator<Item = (&Need, &Answer)> {
        self.answers.iter()
    }

    pub fn insert(&mut self, need: Need, answer: Answer) {
        self.answers.insert(need, answer);
    }
}

impl Degrees {
    pub fn new(degrees: f64) -> Degrees {
        Degrees((degrees * 1e6).round() as i64)
    }

    pub fn value(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Zarr => "zarr",
            Format::NetCdf => "netcdf",
            Format::Tiff => "geotiff",
        }
    }
}
