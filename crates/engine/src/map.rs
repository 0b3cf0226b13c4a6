//! A result as a web map: pictures of 256 or 512 pixels a side, cut from EPSG:3857 as everybody does.
//!
//! A map is a [`View`] with a style. All its tiles are stretched alike: where neither the style nor the type of the
//! pixels says which values are black and white, one small picture of the whole result decides, once. Of several
//! instants one is shown, the last if nothing is said. It keeps no pixels; who serves it, and to whom, is not decided here.

use std::sync::Arc;

use eolith_cube::crs::densified_bounds;
use eolith_cube::time::TimeLabel;
use eolith_cube::{Block, Crs, DType, Dimension, Grid, Kind, Label, Region, Schema, SpatialAxis};
use eolith_graph::{Code, Issue, NodePath};
use eolith_plan::target::{TargetGrid, tile_of};
use tokio::sync::OnceCell;

use crate::events::Cancel;
use crate::session::{View, sink_issue};
use crate::sink::{Options, ResultView, SinkError, png};

/// Pixels a side of the picture that decides how pixels are stretched.
const PREVIEW: usize = 256;
/// Points an edge of the bounds.
const POINTS: usize = 21;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub z: u8,
    /// Column, from the west.
    pub x: u32,
    /// Row, from the north.
    pub y: u32,
}

/// A result that is shown as tiles.
#[derive(Debug)]
pub struct Map {
    view: View,
    style: Options,
    side: usize,
    schema: Arc<Schema>,
    /// The pixels of the result itself.
    native: Grid,
    bounds: [f64; 4],
    /// The dimension of which one instant is shown.
    time: Option<usize>,
    silent: Vec<NodePath>,
    /// The style with the values that were found for `min` and `max`.
    stretched: OnceCell<Options>,
}

impl Map {
    /// A map of a view in the style of a PNG, with tiles of `side` pixels.
    ///
    /// # Errors
    /// What a view refuses, a result that is no picture, and options that do not fit it.
    pub async fn open(
        view: View,
        style: Options,
        side: usize,
        cancel: &Cancel,
    ) -> Result<Map, Vec<Issue>> {
        let subject = view.subject(cancel).await?;
        let schema = subject.schema;
        let native = schema.grid().map_err(|error| unsuitable(&error.to_string()))?;
        let native_bounds = native.bounds();
        let bounds = densified_bounds(native_bounds, &native.crs, &Crs::wgs84(), POINTS)
            .map_err(|error| unsuitable(&error.to_string()))?;
        let time = instants(&schema)?;
        png::working_memory(&schema, &style, u64::MAX).map_err(|error| vec![issue(&error)])?;
        png::check(&style).map_err(|error| vec![issue(&error)])?;
        let (silent, stretched) = (subject.silent, OnceCell::new());
        Ok(Map { view, style, side, schema, native, bounds, time, silent, stretched })
    }

    /// West, south, east and north in degrees; an east above 180 lies beyond the antimeridian.
    pub fn bounds(&self) -> [f64; 4] {
        self.bounds
    }

    /// The instants that can be shown, as the result names them, in its order; none where there is no choice.
    pub fn times(&self) -> Vec<String> {
        self.labels().iter().map(Label::to_string).collect()
    }

    /// The instant that is shown if nothing is said: the last.
    pub fn latest(&self) -> Option<String> {
        let labels = self.labels();
        latest(&labels, |_| true).map(|index| labels[index].to_string())
    }

    /// Nodes of the process whose values a run would log; a map does not.
    pub fn silent(&self) -> &[NodePath] {
        &self.silent
    }

    /// The values shown as the darkest and the brightest, where they were found in the result.
    pub fn guessed(&self) -> Option<[f64; 2]> {
        let stretched = self.stretched.get().filter(|_| self.is_guessed())?;
        Some([stretched.get("min")?.as_f64()?, stretched.get("max")?.as_f64()?])
    }

    /// A tile as PNG, transparent where the result has no pixels; `None` where there is no such tile.
    ///
    /// # Errors
    /// An instant that the result does not have, what fails while it is computed, and that it was cancelled.
    pub async fn tile(
        &self,
        Place { z, x, y }: Place,
        time: Option<&str>,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, Vec<Issue>> {
        let at = self.at(time)?;
        let grid = tile_of(z, x, y, self.side).map_err(|error| unsuitable(&error.to_string()))?;
        let Some(grid) = grid else { return Ok(None) };
        let style = self.stretched.get_or_try_init(|| self.stretch(cancel)).await?.clone();
        let pixels = self.pixels(grid, &at, cancel).await?;
        encoded(pixels, style).await.map(Some)
    }

    /// The style with `min` and `max`, where they have to be found.
    async fn stretch(&self, cancel: &Cancel) -> Result<Options, Vec<Issue>> {
        if !self.is_guessed() {
            return Ok(self.style.clone());
        }
        let [west, south, east, north] = self.native.bounds();
        let (width, height) = (self.native.x.len.min(PREVIEW), self.native.y.len.min(PREVIEW));
        let step = ((east - west) / width as f64, (south - north) / height as f64);
        let crs = self.native.crs.clone();
        let grid = Grid::from_corner(crs, (west, north), step, (width, height));
        let hint = "set `min` and `max`, so that the whole result has not to be looked at first";
        let pixels = self.pixels(grid, &self.at(None)?, cancel).await.map_err(|issues| {
            issues.into_iter().map(|issue| issue.hint(hint)).collect::<Vec<_>>()
        })?;
        let mut style = self.style.clone();
        let [min, max] = png::range(&pixels, &style).map_err(|error| vec![issue(&error)])?;
        style.insert("min".to_owned(), min.into());
        style.insert("max".to_owned(), max.into());
        Ok(style)
    }

    /// Whether the values shown as the darkest and the brightest have to be found.
    fn is_guessed(&self) -> bool {
        let given = |name| self.style.get(name).is_some_and(|value| !value.is_null());
        let is_known = matches!(self.schema.dtype(), DType::Bool | DType::U8);
        !is_known && (!given("min") || !given("max"))
    }

    async fn pixels(
        &self,
        grid: Grid,
        at: &[(String, usize)],
        cancel: &Cancel,
    ) -> Result<Pixels, Vec<Issue>> {
        let image = self.view.image_at(TargetGrid::approximate(grid), at, cancel).await?;
        Ok(Pixels { schema: image.schema, block: image.block })
    }

    /// The index of the instant that is shown.
    fn at(&self, wanted: Option<&str>) -> Result<Vec<(String, usize)>, Vec<Issue>> {
        let Some(dim) = self.time else { return Ok(Vec::new()) };
        let labels = self.labels();
        let index = match wanted {
            None => latest(&labels, |_| true),
            Some(wanted) => {
                let instant = TimeLabel::parse(wanted).ok().map(|time| time.instant);
                let is = |label: &Label| {
                    let text = label.to_string();
                    text == wanted
                        || label.as_time().is_some_and(|time| Some(time.instant) == instant)
                };
                let within = |label: &Label| {
                    label.to_string().strip_prefix(wanted).is_some_and(|rest| rest.starts_with('T'))
                };
                labels.iter().position(is).or_else(|| latest(&labels, within))
            }
        };
        let index = index.ok_or_else(|| {
            let message = format!("the result has nothing at {:?}", wanted.unwrap_or_default());
            let [first, last] = [labels.first(), labels.last()]
                .map(|l| l.map_or_else(String::new, Label::to_string));
            let hint = format!("it has {} instants from {first} to {last}", labels.len());
            vec![
                Issue::new(Code::PROCESS_PARAMETER_INVALID, NodePath::default(), message)
                    .hint(hint),
            ]
        })?;
        Ok(vec![(self.schema.dims[dim].name.clone(), index)])
    }

    fn labels(&self) -> Vec<Label> {
        let labels = self.time.and_then(|dim| self.schema.dims[dim].labels());
        labels.map(|labels| labels.iter().collect()).unwrap_or_default()
    }
}

/// Pixels in memory.
struct Pixels {
    schema: Arc<Schema>,
    block: Block,
}

impl ResultView for Pixels {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, region: &Region) -> Result<Block, SinkError> {
        Ok(self.block.slice(region))
    }
}

async fn encoded(pixels: Pixels, style: Options) -> Result<Vec<u8>, Vec<Issue>> {
    let encoded = tokio::task::spawn_blocking(move || png::encode(&pixels, &style)).await;
    let lost = |_| {
        let message = "a picture was not encoded";
        vec![Issue::new(Code::INTERNAL, NodePath::default(), message)]
    };
    encoded.map_err(lost)?.map_err(|error| vec![issue(&error)])
}

/// The dimension of time, where it has more than one label. Every other dimension besides x, y and bands has one.
fn instants(schema: &Schema) -> Result<Option<usize>, Vec<Issue>> {
    let shown = |dim: &Dimension| {
        dim.is_spatial(SpatialAxis::X)
            || dim.is_spatial(SpatialAxis::Y)
            || dim.kind == Kind::Bands
            || dim.len() == Some(1)
    };
    let mut time = None;
    for (index, dim) in schema.dims.iter().enumerate().filter(|(_, dim)| !shown(dim)) {
        if dim.kind == Kind::Temporal && dim.len().is_some_and(|len| len > 1) && time.is_none() {
            time = Some(index);
        } else {
            return Err(unsuitable(&format!(
                "of dimension `{}` one label must be left (reduce it, or choose one)",
                dim.name
            )));
        }
    }
    Ok(time)
}

/// The last of the labels that are wanted: by time, else by order.
fn latest(labels: &[Label], wanted: impl Fn(&Label) -> bool) -> Option<usize> {
    let indices = (0..labels.len()).filter(|&index| wanted(&labels[index]));
    indices.max_by_key(|&index| (labels[index].as_time().map(|time| time.instant), index))
}

fn issue(error: &SinkError) -> Issue {
    sink_issue(error, NodePath::default())
}

fn unsuitable(reason: &str) -> Vec<Issue> {
    let message = format!("the result cannot be shown on a map: {reason}");
    vec![Issue::new(Code::FORMAT_UNSUITABLE, NodePath::default(), message)]
}
