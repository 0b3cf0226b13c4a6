//! From data to its description.

use eolith_cube::crs::Crs;
use eolith_cube::time::{Instant, Interval};
use eolith_cube::{Dimension, Grid, Kind, Label, Labels, Regular, Schema, SpatialAxis};
use eolith_plan::need::SceneCollection;
use serde_json::{Map, Value, json};

use super::bounds;
use super::headers::CubeFile;
use super::metadata::{CollectionRecord, NO_END, NO_START, band_summaries, license, without_nulls};
use super::scenes::{Items, SceneSource};
use crate::crs_text;
use crate::source::stac;

/// Labels are listed up to this number; beyond it only their extent is given.
const MAX_VALUES: usize = 200;
const EARTH: [f64; 4] = [-180.0, -90.0, 180.0, 90.0];
/// Links of a source that are worth passing on.
pub(super) const LINKS: [&str; 6] =
    ["license", "about", "cite-as", "via", "derived_from", "describedby"];
/// Summaries that are made here from the data.
const OWN: [&str; 8] =
    ["eo:bands", "raster:bands", "bands", "proj:epsg", "proj:code", "proj:wkt2", "gsd", "datetime"];

/// The description of a cube in files. `file` is the name of the file or folder, without where it is.
pub(super) fn cube(id: &str, file: &str, cube: &CubeFile) -> CollectionRecord {
    let schema = &cube.schema;
    let mut notes = cube.notes.clone();
    let bbox = cube_bbox(schema).unwrap_or_else(|| {
        notes.push("the data does not say where it is: the whole earth is given".to_owned());
        EARTH
    });
    let interval = cube_interval(schema).unwrap_or_else(|| {
        notes.push("the data states no time: the interval is without bounds".to_owned());
        [NO_START, NO_END].map(str::to_owned)
    });
    let mut bands = Vec::new();
    if let Some(labels) = schema.bands().and_then(|at| schema.dims[at].labels()) {
        bands.extend(labels.iter().map(|l| l.to_string()).zip(schema.variables.iter().cloned()));
    }
    let mut summaries = Map::new();
    band_summaries(&bands, &mut summaries);
    grid_summaries(schema.grid().ok().as_ref(), &mut summaries);
    time_summary(&interval, &mut summaries);
    let given = cube.attributes.get("license").and_then(Value::as_str);
    let license = license(given);
    if let Some(text) = given.filter(|text| *text != license) {
        notes.push(format!("licence as stated in the file: {text}"));
    }
    let text = cube.description.clone().or_else(|| cube.title.clone());
    CollectionRecord {
        id: id.to_owned(),
        title: cube.title.clone(),
        description: text
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| format!("Data of `{file}`.")),
        license,
        keywords: Vec::new(),
        providers: Vec::new(),
        bbox,
        interval,
        dimensions: named_dimensions(schema),
        summaries,
        has_items: false,
        bands,
        links: Vec::new(),
        notes,
    }
}

/// The description of a STAC collection. `read` is what its items say, if they could be read.
pub(super) fn scenes(
    id: &str,
    source: &SceneSource,
    read: Option<(&SceneCollection, &Items)>,
) -> CollectionRecord {
    let document = &source.document;
    let mut notes = Vec::new();
    let bands = match read {
        Some((described, _)) => described.bands.clone(),
        None => Vec::new(),
    };
    let given = document.extent.spatial.bbox.first().and_then(|bbox| bounds::flat(bbox));
    let bbox = read.map(|(described, _)| described.bbox).or(given).unwrap_or(EARTH);
    let interval = match read {
        Some((described, _)) => interval_texts(described.time),
        None => match document.extent.temporal.interval.first() {
            Some([start, end]) => [
                start.clone().unwrap_or_else(|| NO_START.to_owned()),
                end.clone().unwrap_or_else(|| NO_END.to_owned()),
            ],
            None => [NO_START, NO_END].map(str::to_owned),
        },
    };
    let names = source.names();
    let grid = read.and_then(|(described, _)| described.grid.as_ref());
    let spatial = |name: &str, axis: SpatialAxis, from: usize| {
        let Some(grid) = grid else {
            let own = document.fields.get("cube:dimensions").and_then(|dims| dims.get(name));
            let complete = own.filter(|dim| dim.get("extent").is_some_and(Value::is_array));
            let degrees = || {
                json!({"type": "spatial", "axis": axis.name(),
                    "extent": [bbox[from], bbox[from + 2]], "reference_system": 4326})
            };
            return complete.cloned().map_or_else(degrees, without_nulls);
        };
        let labels = Labels::Regular(if axis == SpatialAxis::X { grid.x } else { grid.y });
        let kind = Kind::Spatial { axis, crs: Some(grid.crs.clone()) };
        dimension(&Dimension::new(name, kind, labels))
    };
    let mut t = json!({"type": "temporal", "extent": interval});
    let mut gsd = Vec::new();
    if let Some((_, items)) = read {
        let mut times: Vec<&str> = items.scenes.iter().map(|scene| &*scene.time.text).collect();
        times.dedup();
        if items.complete && (1..=MAX_VALUES).contains(&times.len()) {
            t["values"] = json!(times);
        }
        gsd = items.scenes.iter().flat_map(|s| &s.bands).filter_map(|b| b.info.gsd).collect();
        gsd.sort_by(f64::total_cmp);
        gsd.dedup();
        if !items.problems.is_empty() {
            notes.push(format!("{} items cannot be read and are left out", items.problems.len()));
        }
    } else {
        notes.push("its items cannot be read".to_owned());
    }
    let band_names: Vec<String> = if read.is_some() {
        bands.iter().map(|(name, _)| name.clone()).collect()
    } else {
        stac::collection_bands(document).into_iter().map(|(name, _)| name).collect()
    };
    let dimensions = vec![
        (names.t.clone(), t),
        (names.bands.clone(), json!({"type": "bands", "values": band_names})),
        (names.y.clone(), spatial(&names.y, SpatialAxis::Y, 1)),
        (names.x.clone(), spatial(&names.x, SpatialAxis::X, 0)),
    ];
    let useful = |value: &Value| match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    let kept = document
        .summaries
        .iter()
        .filter(|(key, value)| !OWN.contains(&key.as_str()) && useful(value));
    let mut summaries: Map<String, Value> =
        kept.map(|(key, value)| (key.clone(), without_nulls(value.clone()))).collect();
    band_summaries(&bands, &mut summaries);
    grid_summaries(grid, &mut summaries);
    if !gsd.is_empty() {
        summaries.insert("gsd".to_owned(), json!(gsd));
    }
    time_summary(&interval, &mut summaries);
    let links = document
        .links
        .iter()
        .filter(|link| LINKS.contains(&link.rel.as_str()) && link.href.starts_with("http"));
    let links = links.map(|link| {
        without_nulls(json!({"rel": link.rel, "href": link.href, "type": link.media_type,
            "title": link.title}))
    });
    let text = document.description.clone().or_else(|| document.title.clone());
    CollectionRecord {
        id: id.to_owned(),
        title: document.title.clone(),
        description: text
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| format!("STAC collection `{}`.", document.id)),
        license: license(document.license.as_deref()),
        keywords: document.keywords.clone().unwrap_or_default(),
        providers: document.providers.clone().unwrap_or_default(),
        bbox,
        interval,
        dimensions,
        summaries,
        has_items: true,
        bands,
        links: links.collect(),
        notes,
    }
}

/// `cube:dimensions` of a cube.
pub(crate) fn dimensions(schema: &Schema) -> Value {
    named_dimensions(schema).into_iter().collect::<Map<_, _>>().into()
}

fn named_dimensions(schema: &Schema) -> Vec<(String, Value)> {
    schema.dims.iter().map(|dim| (dim.name.clone(), dimension(dim))).collect()
}

/// An object of `cube:dimensions`.
fn dimension(dim: &Dimension) -> Value {
    let mut out = match &dim.kind {
        Kind::Spatial { axis, crs } => {
            let system = crs.as_ref().map(reference_system);
            json!({"type": "spatial", "axis": axis.name(), "reference_system": system})
        }
        kind => json!({"type": kind.name()}),
    };
    let Some(labels) = dim.labels() else { return without_nulls(out) };
    let few = (1..=MAX_VALUES).contains(&labels.len());
    match (&dim.kind, labels.regular()) {
        (Kind::Spatial { axis: SpatialAxis::X | SpatialAxis::Y, .. }, Some(regular)) => {
            let (a, b) = regular.edges();
            out["extent"] = json!([a.min(b), a.max(b)]);
            out["step"] = json!(regular.step.abs());
        }
        (Kind::Bands, _) => out["values"] = labels.iter().map(|l| l.to_string()).collect(),
        (Kind::Temporal, _) => {
            out["extent"] = json!(time_extent(labels));
            if few {
                out["values"] = labels.iter().map(|l| l.to_string()).collect();
            }
        }
        (Kind::Spatial { .. } | Kind::Geometry(_) | Kind::Other, _) => {
            let numbers: Vec<f64> =
                labels.iter().filter_map(|l| l.as_f64()).filter(|n| n.is_finite()).collect();
            if numbers.len() == labels.len() {
                out["extent"] = json!(range(&numbers));
            }
            if few || numbers.len() < labels.len() {
                out["values"] = labels.iter().map(|l| self::label(&l)).collect();
            }
        }
    }
    without_nulls(out)
}

/// A label as JSON.
pub(crate) fn label(label: &Label) -> Value {
    match label {
        Label::Int(value) => (*value).into(),
        Label::Float(value) => (*value).into(),
        Label::Text(_) | Label::Time(_) => label.to_string().into(),
    }
}

fn range(numbers: &[f64]) -> Option<[f64; 2]> {
    let low = numbers.iter().copied().reduce(f64::min)?;
    Some([low, numbers.iter().copied().reduce(f64::max)?])
}

/// EPSG code, else PROJJSON, WKT or a PROJ string, whichever there is.
fn reference_system(crs: &Crs) -> Value {
    if let Some(code) = crs.code() {
        return code.into();
    }
    let json = crs_text::projjson(crs).and_then(|text| serde_json::from_str(&text).ok());
    json.unwrap_or_else(|| match crs_text::wkt(crs) {
        Some(text) => text.into_owned().into(),
        None => crs.to_string().into(),
    })
}

/// The box in degrees around what a cube covers.
pub(crate) fn cube_bbox(schema: &Schema) -> Option<[f64; 4]> {
    let features = schema.dims.iter().find_map(|dim| match &dim.kind {
        Kind::Geometry(features) => Some(features),
        _ => None,
    });
    if let Some(features) = features {
        let (bounds, degrees) = (features.bounds()?, Crs::wgs84());
        return if features.crs == degrees {
            Some(bounds)
        } else {
            bounds::of_box(bounds, &features.crs)
        };
    }
    if let Ok(grid) = schema.grid() {
        return bounds::of_grid(&grid);
    }
    let axis = |axis| {
        let dim = &schema.dims[schema.spatial(axis)?];
        let labels = dim.labels()?;
        let regular = labels.regular().map(|regular| {
            let (a, b) = regular.edges();
            [a.min(b), a.max(b)]
        });
        let numbers: Vec<f64> = labels.iter().filter_map(|l| l.as_f64()).collect();
        regular.or_else(|| range(&numbers)).map(|range| (range, dim.crs().cloned()))
    };
    let ([west, east], crs) = axis(SpatialAxis::X)?;
    let ([south, north], other) = axis(SpatialAxis::Y)?;
    bounds::of_box([west, south, east, north], &crs.or(other)?)
}

/// On which grid the pixels of a cube lie (`proj:` fields), or those of its images, which are north-up whatever the cube
/// is; `None` without a grid.
pub(crate) fn projection(schema: &Schema, image: bool) -> Option<Map<String, Value>> {
    let Grid { crs, x, y } = schema.grid().ok()?;
    let mut said = Map::new();
    let mut say = |key: &str, value: Value| said.insert(format!("proj:{key}"), value);
    let code = crs.code().map(|code| format!("EPSG:{code}"));
    let known = code.is_some();
    say("code", code.into());
    let text = if known { None } else { crs_text::projjson(&crs) };
    if let Some(json) = text.and_then(|text| serde_json::from_str(&text).ok()) {
        say("projjson", json);
    } else if let Some(text) = crs_text::wkt(&crs).filter(|_| !known) {
        say("wkt2", text.into_owned().into());
    }
    let turn = |axis: Regular, sign: f64| {
        let (first, last) = axis.edges();
        let keep = !image || axis.step * sign > 0.0;
        if keep { (first, axis.step) } else { (last, -axis.step) }
    };
    let ((left, dx), (top, dy)) = (turn(x, 1.0), turn(y, -1.0));
    say("shape", json!([y.len, x.len]));
    say("transform", json!([dx, 0.0, left, 0.0, dy, top]));
    let (a, b) = ((x.edges().0, y.edges().0), (x.edges().1, y.edges().1));
    say("bbox", json!([a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)]));
    Some(said)
}

pub(super) fn cube_interval(schema: &Schema) -> Option<[String; 2]> {
    let mut axes = schema.temporal().into_iter().filter_map(|at| schema.dims[at].labels());
    axes.find_map(time_extent)
}

/// First and last instant of time labels.
fn time_extent(labels: &Labels) -> Option<[String; 2]> {
    let instants = || labels.iter().filter_map(|l| l.as_time().map(|time| time.instant));
    Some([instant_text(instants().min()?), instant_text(instants().max()?)])
}

fn interval_texts(interval: Interval) -> [String; 2] {
    let end = interval.end.map(|end| Instant(end.0.saturating_sub(1)));
    [
        interval.start.map_or_else(|| NO_START.to_owned(), instant_text),
        end.map_or_else(|| NO_END.to_owned(), instant_text),
    ]
}

/// RFC 3339; instants outside of its years are its bounds.
pub(crate) fn instant_text(instant: Instant) -> String {
    match instant.civil().year() {
        1..=9999 => instant.to_string(),
        year if year < 1 => NO_START.to_owned(),
        _ => NO_END.to_owned(),
    }
}

fn grid_summaries(grid: Option<&Grid>, summaries: &mut Map<String, Value>) {
    let Some(grid) = grid else { return };
    if let Some(code) = grid.crs.code() {
        summaries.insert("proj:epsg".to_owned(), json!([code]));
        summaries.insert("proj:code".to_owned(), json!([format!("EPSG:{code}")]));
    }
    if let Some(metres) = grid.crs.unit_metres() {
        summaries.insert("gsd".to_owned(), json!([grid.x.step.abs() * metres]));
    }
}

fn time_summary([start, end]: &[String; 2], summaries: &mut Map<String, Value>) {
    if start != NO_START && end != NO_END {
        summaries.insert("datetime".to_owned(), json!({"minimum": start, "maximum": end}));
    }
}
