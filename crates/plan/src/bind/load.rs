//! Loads and the filters folded into them.
//!
//! The labels, the grid, the types and the origin of a loaded cube are decided here, from the whole request; what
//! the optimiser later pushes down narrows only what is read. Filters on anything that is not a load become a
//! plain [`Op::Select`].

mod boxes;
mod grids;
mod scenes;

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::time::Interval;
use eolith_cube::{Axis, Dimension, Extent, Features, Kind, Label, Labels, Schema, SpatialAxis};
use eolith_graph::Code;

use crate::bind::call::no_dimension;
use crate::bind::{Call, Problem, Term};
use crate::logical::NodeId;
use crate::need::{Answer, Collection, Content, Need, SceneCollection};
use crate::op::{Op, Scan, ScanSource};
use crate::request::{BoundingBox, LoadRequest, Source};

/// What a filter keeps.
#[derive(Clone, Debug)]
pub enum Filter {
    Box(BoundingBox),
    /// Labels of this temporal dimension, or of all of them.
    Time(Interval, Option<String>),
    /// Names or common names, in this order; unknown ones are dropped.
    Bands(Vec<String>),
}

impl Call<'_, '_> {
    /// A source, narrowed to a request.
    pub fn load(&mut self, request: LoadRequest) -> Result<Term, Problem> {
        let need = Need::Collection { source: request.source.clone() };
        let source = &request.source;
        let collection = match self.binder.snapshot.get(&need) {
            Some(Answer::Collection(collection)) => Arc::clone(collection),
            Some(Answer::Missing) => return Err(missing(source)),
            Some(Answer::Failed(reason)) => return Err(unusable(source, reason)),
            Some(Answer::Unsuitable(reason)) => return Err(unsuitable(reason)),
            Some(_) | None => {
                self.binder.needs.insert(need);
                return Err(Problem::Blocked);
            }
        };
        match &collection.content {
            Content::Cube { .. } if !request.properties.is_empty() => Err(Problem::new(
                "PropertiesUnsupported",
                format!("{source} has no items that could be filtered by their properties"),
            )
            .at("properties")),
            Content::Cube { schema, pieces } => {
                let source = ScanSource { schema: schema.clone(), pieces: Arc::clone(pieces) };
                let made = cube_scan(request.clone(), source)?;
                let scan = self.add_node(made, Vec::new());
                self.loaded(request, scan)
            }
            Content::Scenes(scenes) => {
                let (made, need) = self.scene_scan(request.clone(), &collection, scenes)?;
                let scan = self.add_node(made, Vec::new());
                let Some(need) = need else { return self.loaded(request, scan) };
                self.binder.open_scans.push((scan, need));
                self.binder.loads.insert(scan, request);
                Ok(Term::Cube(scan))
            }
        }
    }

    /// The features in a file of geometries.
    pub fn load_features(&mut self, source: Source) -> Result<Arc<Features>, Problem> {
        let need = Need::Features { source: source.clone() };
        let source = &source;
        match self.binder.snapshot.get(&need) {
            Some(Answer::Features(features)) => Ok(Arc::clone(features)),
            Some(Answer::Missing) => Err(missing(source)),
            Some(Answer::Failed(reason)) => Err(unusable(source, reason)),
            Some(Answer::Unsuitable(reason)) => Err(unsuitable(reason)),
            Some(_) | None => {
                self.binder.needs.insert(need);
                Err(Problem::Blocked)
            }
        }
    }

    /// What a scan gives of its request: geometries are cut out of it.
    fn loaded(&mut self, request: LoadRequest, scan: NodeId) -> Result<Term, Problem> {
        let mut node = scan;
        for features in &request.geometries {
            node = self.cut_out(node, features)?;
            let schema = self.schema(node);
            refuse_empty(&request, &schema, &schema)?;
        }
        self.binder.loads.insert(node, request);
        Ok(Term::Cube(node))
    }

    /// Keeps what `filter` says of a cube.
    pub fn filter(&mut self, data: NodeId, filter: &Filter) -> Result<Term, Problem> {
        if let Some(request) = self.binder.loads.get(&data)
            && let Some(request) = narrowed(request, &self.schema(data), filter)?
        {
            self.binder.uses.folded(data);
            return self.load(request);
        }
        let schema = self.schema(data);
        let selection = selection(&schema, filter)?;
        Ok(self.add(Op::select(&schema, selection), vec![data]))
    }

    /// Keeps the pixels that geometries have, and the rows and columns of the box around them.
    pub fn limit(&mut self, data: NodeId, features: Arc<Features>) -> Result<Term, Problem> {
        if let Some(request) = self.binder.loads.get(&data) {
            let mut request = request.clone();
            request.geometries.push(features);
            self.binder.uses.folded(data);
            return self.load(request);
        }
        self.cut_out(data, &features).map(Term::Cube)
    }

    fn scene_scan(
        &mut self,
        request: LoadRequest,
        collection: &Collection,
        scenes: &SceneCollection,
    ) -> Result<((Op, Schema), Option<Need>), Problem> {
        let need = scenes::need(&request)?;
        let source = &request.source;
        match self.binder.snapshot.get(&need) {
            Some(Answer::Scenes(items)) => {
                let source = scenes::lay_out(&request, scenes, &Arc::clone(items))?;
                let schema = source.schema.clone();
                let window = vec![None; schema.dims.len()];
                let made = Op::scan(
                    Scan { request, source: Some(Arc::new(source)), window, level: None },
                    schema,
                );
                Ok((made, None))
            }
            Some(Answer::Missing) => {
                Err(Problem::new("NoDataAvailable", format!("{source} has no items")))
            }
            Some(Answer::Failed(reason) | Answer::Unsuitable(reason)) => Err(Problem::new(
                "NoDataAvailable",
                format!("the items of {source} cannot be read: {reason}"),
            )),
            Some(Answer::TooMany(most)) => Err(Problem::new(
                "ProcessGraphComplexity",
                format!("more than {most} items of {source} are in the requested extent"),
            )
            .hint("narrow `spatial_extent`, `temporal_extent` or `properties`")),
            Some(_) | None => {
                let schema = pending_schema(&request, collection, scenes)?;
                let window = vec![None; schema.dims.len()];
                Ok((
                    Op::scan(Scan { request, source: None, window, level: None }, schema),
                    Some(need),
                ))
            }
        }
    }
}

fn missing(source: &Source) -> Problem {
    match source {
        Source::Collection(id) => Problem::Issue {
            code: Code::COLLECTION_NOT_FOUND,
            argument: Some(source.argument().to_owned()),
            message: format!("there is no collection `{id}`"),
            hint: None,
        },
        Source::Stac(_) | Source::Url(..) => {
            Problem::argument(source.argument(), format!("there is nothing at {source}"))
        }
        Source::Result(id) => {
            Problem::new("JobNotFound", format!("there is no job `{id}` with results"))
                .at(source.argument())
        }
        Source::Files(..) => {
            Problem::new("FileNotFound", format!("not all of {source} are files of the workspace"))
                .at(source.argument())
        }
    }
}

fn unusable(source: &Source, reason: &str) -> Problem {
    match source {
        Source::Collection(_) => {
            Problem::new("CollectionNotFound", format!("{source} cannot be read: {reason}"))
        }
        Source::Result(_) => {
            Problem::new("NoDataAvailable", format!("{source} cannot be read: {reason}"))
        }
        // The reason names the address.
        Source::Stac(_) | Source::Url(..) | Source::Files(..) => {
            Problem::argument(source.argument(), reason)
        }
    }
}

fn unsuitable(reason: &str) -> Problem {
    Problem::new("FormatUnsuitable", reason).at("format")
}

/// The request with a filter folded in; `None` where the filter means something else than the request can say.
fn narrowed(
    request: &LoadRequest,
    schema: &Schema,
    filter: &Filter,
) -> Result<Option<LoadRequest>, Problem> {
    let mut request = request.clone();
    match filter {
        Filter::Box(bbox) => request.boxes.push(bbox.clone()),
        Filter::Time(interval, dimension) => {
            let temporal = schema.temporal();
            if dimension.is_some() || temporal.len() != 1 {
                return Ok(None);
            }
            request.time = match request.time {
                None => Some(*interval),
                Some(own) => match own.intersect(interval) {
                    Some(common) => Some(common),
                    // Nothing is left: an empty selection, which a request cannot say.
                    None => return Ok(None),
                },
            };
        }
        Filter::Bands(names) => {
            let kept = band_indices(schema, names)?;
            let Some(bands) = schema.bands().and_then(|b| schema.dims[b].labels()) else {
                return Ok(None);
            };
            if kept.is_empty() {
                return Ok(None);
            }
            request.bands = Some(kept.iter().map(|&i| bands.get(i).to_string()).collect());
        }
    }
    Ok(Some(request))
}

/// A scan of a cube whose labels are all known.
fn cube_scan(request: LoadRequest, mut source: ScanSource) -> Result<(Op, Schema), Problem> {
    if let Some(bands) = &request.bands {
        check_bands(&source.schema, bands)?;
        let asked = band_indices(&source.schema, bands)?;
        source = grids::of_bands(source, &asked);
    }
    if let Some(bbox) = request.extents().first() {
        source = boxes::unroll(source, bbox)?;
    }
    let mut window: Vec<Option<Arc<[usize]>>> = vec![None; source.schema.dims.len()];
    let mut filters: Vec<Filter> = request.boxes.iter().cloned().map(Filter::Box).collect();
    filters.extend(request.time.map(|interval| Filter::Time(interval, None)));
    if let Some(bands) = &request.bands {
        filters.push(Filter::Bands(bands.clone()));
    }
    let mut schema = source.schema.clone();
    for filter in &filters {
        let indices = selection(&schema, filter)?;
        for (own, new) in window.iter_mut().zip(&indices) {
            *own = match (own.take(), new) {
                (None, new) => new.clone(),
                (own, None) => own,
                (Some(own), Some(new)) => Some(new.iter().map(|&i| own[i]).collect()),
            };
        }
        schema = Op::select(&schema, indices).1;
    }
    refuse_empty(&request, &source.schema, &schema)?;
    Ok(Op::scan(Scan { request, source: Some(Arc::new(source)), window, level: None }, schema))
}

/// `whole` is what there was before anything was selected.
fn refuse_empty(request: &LoadRequest, whole: &Schema, schema: &Schema) -> Result<(), Problem> {
    let Some(at) = schema.dims.iter().position(|dim| dim.is_empty()) else { return Ok(()) };
    let empty = &schema.dims[at];
    let problem = Problem::new(
        "NoDataAvailable",
        format!(
            "{} has no data in the requested extent (nothing is left of dimension `{}`)",
            request.source, empty.name
        ),
    );
    let spatial = matches!(empty.kind, Kind::Spatial { .. });
    if spatial && request.boxes.iter().any(|bbox| bbox.west > bbox.east) {
        return Err(
            problem.hint("the box has its west beyond its east: it crosses the antimeridian")
        );
    }
    Err(match whole.dims[at].labels().filter(|labels| !labels.is_empty()) {
        Some(labels) => {
            let (first, last) = (labels.get(0), labels.get(labels.len() - 1));
            let crs = whole.dims[at].crs().and_then(|crs| crs.code());
            let crs = crs.map_or_else(String::new, |code| format!(" (EPSG:{code})"));
            problem.hint(format!("`{}` is from {first} to {last}{crs}", empty.name))
        }
        None => problem,
    })
}

/// Indices kept along each dimension.
pub(super) fn selection(
    schema: &Schema,
    filter: &Filter,
) -> Result<Vec<Option<Arc<[usize]>>>, Problem> {
    let mut kept: Vec<Option<Arc<[usize]>>> = vec![None; schema.dims.len()];
    match filter {
        Filter::Box(bbox) => boxes::select(schema, bbox, &mut kept)?,
        Filter::Time(interval, dimension) => {
            let dims = match dimension {
                Some(name) => {
                    let dim = schema
                        .position(name)
                        .ok_or_else(|| no_dimension(schema, name).at("dimension"))?;
                    if schema.dims[dim].kind != Kind::Temporal {
                        return Err(Problem::argument(
                            "dimension",
                            format!("dimension `{name}` is not temporal"),
                        ));
                    }
                    vec![dim]
                }
                None => schema.temporal(),
            };
            if dims.is_empty() {
                return Err(Problem::new(
                    "DimensionNotAvailable",
                    "the data cube has no temporal dimension",
                ));
            }
            for dim in dims {
                kept[dim] = time_indices(&schema.dims[dim], interval);
            }
        }
        Filter::Bands(names) => {
            let indices = band_indices(schema, names)?;
            let bands = schema.bands().expect("invariant: band_indices checks the dimension");
            kept[bands] = Some(indices.into());
        }
    }
    Ok(kept)
}

fn time_indices(dim: &Dimension, interval: &Interval) -> Option<Arc<[usize]>> {
    let labels = dim.labels()?;
    let inside = |i: &usize| labels.get(*i).as_time().is_some_and(|t| interval.contains(t.instant));
    Some((0..labels.len()).filter(inside).collect())
}

/// Positions of bands by name or common name, in the order of `names`; names win over common names.
pub(crate) fn band_indices(schema: &Schema, names: &[String]) -> Result<Vec<usize>, Problem> {
    let bands = schema.bands().ok_or_else(|| {
        Problem::new("DimensionMissing", "the data cube has no dimension of type `bands`")
    })?;
    let labels: Vec<Label> = schema.dims[bands].labels().ok_or(Problem::Blocked)?.iter().collect();
    let mut found = Vec::new();
    for name in names {
        let by_name = labels.iter().position(|label| label.to_string() == *name);
        let matches: Vec<usize> = match by_name {
            Some(i) => vec![i],
            None => (0..labels.len())
                .filter(|&i| schema.variables[i].common_name.as_deref() == Some(name))
                .collect(),
        };
        found.extend(matches.into_iter().filter(|i| !found.contains(i)).collect::<Vec<_>>());
    }
    Ok(found)
}

/// Loads refuse bands that do not exist, filters drop them.
fn check_bands(schema: &Schema, names: &[String]) -> Result<(), Problem> {
    for name in names {
        if band_indices(schema, std::slice::from_ref(name)).map_err(|p| p.at("bands"))?.is_empty() {
            let bands = schema.bands().and_then(|b| schema.dims[b].labels());
            let known: Vec<String> =
                bands.map_or_else(Vec::new, |l| l.iter().map(|b| b.to_string()).collect());
            return Err(Problem::argument("bands", format!("there is no band `{name}`"))
                .hint(format!("bands: {}", known.join(", "))));
        }
    }
    Ok(())
}

/// What is known of a cube of scenes before its items are.
fn pending_schema(
    request: &LoadRequest,
    collection: &Collection,
    scenes: &SceneCollection,
) -> Result<Schema, Problem> {
    let names = &scenes.names;
    let spatial = |axis: SpatialAxis| {
        let crs = scenes.grid.as_ref().map(|grid| grid.crs.clone());
        Dimension {
            name: if axis == SpatialAxis::X { names.x.clone() } else { names.y.clone() },
            kind: Kind::Spatial { axis, crs },
            axis: Axis::Pending(Extent::default()),
        }
    };
    let bands = Labels::texts(scenes.bands.iter().map(|(name, _)| name));
    let full = Schema {
        dims: vec![
            Dimension {
                name: names.t.clone(),
                kind: Kind::Temporal,
                axis: Axis::Pending(crate::logical::pending_extent(collection, request)),
            },
            Dimension::new(names.bands.clone(), Kind::Bands, bands),
            spatial(SpatialAxis::Y),
            spatial(SpatialAxis::X),
        ],
        variables: scenes.bands.iter().map(|(_, variable)| variable.clone()).collect(),
    };
    match &request.bands {
        None => Ok(full),
        Some(names) => {
            check_bands(&full, names)?;
            let kept = selection(&full, &Filter::Bands(names.clone()))?;
            Ok(Op::select(&full, kept).1)
        }
    }
}

/// Requested bands of a scene collection with their position, in the order wanted.
fn requested_bands(
    request: &LoadRequest,
    scenes: &SceneCollection,
) -> Result<BTreeMap<String, usize>, Problem> {
    let labels = Labels::texts(scenes.bands.iter().map(|(name, _)| name));
    let schema = Schema {
        dims: vec![Dimension::new(scenes.names.bands.clone(), Kind::Bands, labels)],
        variables: scenes.bands.iter().map(|(_, variable)| variable.clone()).collect(),
    };
    let kept = match &request.bands {
        None => (0..scenes.bands.len()).collect(),
        Some(names) => {
            check_bands(&schema, names)?;
            band_indices(&schema, names)?
        }
    };
    Ok(kept.iter().enumerate().map(|(i, &band)| (scenes.bands[band].0.clone(), i)).collect())
}
