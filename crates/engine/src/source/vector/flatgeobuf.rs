//! FlatGeobuf: a header, a spatial index that is passed over, and one buffer a feature, each verified before it is used.

use eolith_cube::geometry::{Position, Ring};
use eolith_cube::{Crs, Feature, Features, Geometry};
use flatgeobuf as fgb;
use flatgeobuf::{ColumnType, GeometryType};
use serde_json::{Map, Value as Json, json};

use super::{Count, VectorError, checked};

/// Names of columns with their types.
type Columns = Vec<(String, ColumnType)>;

const MAGIC: &[u8] = b"fgb";
/// Bytes of a node of the index.
const NODE: u64 = 40;

pub(super) fn read(bytes: &[u8]) -> Result<Features, VectorError> {
    let start = bytes.get(..8).filter(|start| start.starts_with(MAGIC) && start[3] == 3);
    start.ok_or_else(|| invalid("it does not begin with the mark of version 3"))?;
    let (buffer, rest) = sized(&bytes[8..])?;
    let header = fgb::size_prefixed_root_as_header(&buffer).map_err(|e| invalid(e.to_string()))?;
    let crs = match header.crs() {
        None => Crs::wgs84(),
        Some(own) => system(&own)?,
    };
    let columns: Columns = columns(header.columns());
    let mut rest = rest;
    if header.index_node_size() > 0 && header.features_count() > 0 {
        let index = index_size(header.features_count(), u64::from(header.index_node_size()));
        let index = index.and_then(|size| usize::try_from(size).ok());
        rest = index
            .and_then(|size| rest.get(size..))
            .ok_or_else(|| invalid("its index is longer than the file"))?;
    }
    let mut count = Count::default();
    let mut list = Vec::new();
    while !rest.is_empty() {
        count.feature()?;
        let (buffer, after) = sized(rest)?;
        rest = after;
        let feature =
            fgb::size_prefixed_root_as_feature(&buffer).map_err(|e| invalid(e.to_string()))?;
        let geometry = match feature.geometry() {
            None => None,
            Some(own) => {
                let kind = header.geometry_type();
                Some(geometry(&own, kind, true, &mut count).map_err(|e| at(list.len(), e))?)
            }
        };
        let own = feature.columns().map(|own| self::columns(Some(own)));
        let columns = own.as_ref().unwrap_or(&columns);
        let properties = match feature.properties() {
            None => Map::new(),
            Some(own) => properties(own.bytes(), columns)
                .map_err(|reason| at(list.len(), invalid(reason)))?,
        };
        list.push(Feature { id: None, geometry, properties });
    }
    let declared = header.features_count();
    if declared > 0 && declared != list.len() as u64 {
        return Err(invalid(format!("it has {} features, its header says {declared}", list.len())));
    }
    Ok(Features { crs, list })
}

fn invalid(reason: impl Into<String>) -> VectorError {
    VectorError::Invalid { format: "FlatGeobuf", reason: reason.into() }
}

fn at(feature: usize, error: VectorError) -> VectorError {
    match error {
        VectorError::Invalid { format, reason } => {
            VectorError::Invalid { format, reason: format!("feature {feature}: {reason}") }
        }
        other => other,
    }
}

/// A buffer with the size in front of it, in memory of its own so that it is aligned, and what follows.
fn sized(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), VectorError> {
    let short = || invalid("it ends too early");
    let (size, _) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let end = 4 + u32::from_le_bytes(*size) as usize;
    // Less than an offset and a table is no buffer.
    if end < 12 || bytes.len() < end {
        return Err(short());
    }
    Ok((bytes[..end].to_vec(), &bytes[end..]))
}

/// Bytes of the packed tree over so many features.
fn index_size(features: u64, node: u64) -> Option<u64> {
    let node = node.max(2);
    let (mut level, mut nodes) = (features, features);
    while level > 1 {
        level = level.div_ceil(node);
        nodes = nodes.checked_add(level)?;
    }
    // A single feature has a root above it too.
    nodes.checked_add(u64::from(features == 1))?.checked_mul(NODE)
}

fn system(own: &fgb::Crs<'_>) -> Result<Crs, VectorError> {
    let unknown = |text: String| VectorError::Unsupported(format!("its reference system: {text}"));
    let org = own.org().unwrap_or("EPSG");
    if own.code() > 0 && org.eq_ignore_ascii_case("EPSG") {
        return Crs::epsg(own.code() as u32).map_err(|e| unknown(e.to_string()));
    }
    let text = own.wkt().or(own.code_string()).or(own.name()).unwrap_or_default();
    if text.is_empty() {
        return Ok(Crs::wgs84());
    }
    Crs::parse(text).map_err(|e| unknown(e.to_string()))
}

fn columns<'a>(own: Option<impl IntoIterator<Item = fgb::Column<'a>>>) -> Columns {
    own.into_iter().flatten().map(|column| (column.name().to_owned(), column.type_())).collect()
}

fn geometry(
    own: &fgb::Geometry<'_>,
    kind: GeometryType,
    collections: bool,
    count: &mut Count,
) -> Result<Geometry, VectorError> {
    let kind = if kind == GeometryType::Unknown { own.type_() } else { kind };
    let members = || own.parts().into_iter().flatten();
    let made = match kind {
        GeometryType::Point => match positions(own, count)?.as_slice() {
            [] => Geometry::MultiPoint(Vec::new()),
            [only] => Geometry::Point(*only),
            _ => return Err(invalid("a point has one position")),
        },
        GeometryType::MultiPoint => Geometry::MultiPoint(positions(own, count)?),
        GeometryType::LineString => Geometry::LineString(positions(own, count)?),
        GeometryType::MultiLineString => Geometry::MultiLineString(lines(own, count)?),
        GeometryType::Polygon => Geometry::Polygon(lines(own, count)?),
        GeometryType::MultiPolygon => {
            let polygons = members().map(|part| lines(&part, count));
            Geometry::MultiPolygon(polygons.collect::<Result<_, _>>()?)
        }
        GeometryType::GeometryCollection if collections => {
            let unknown = GeometryType::Unknown;
            let all = members().map(|part| geometry(&part, unknown, false, count));
            Geometry::Collection(all.collect::<Result<_, _>>()?)
        }
        GeometryType::GeometryCollection => {
            return Err(invalid("a collection stands in a collection"));
        }
        other => {
            let name = other.variant_name().unwrap_or("unknown");
            return Err(VectorError::Unsupported(format!(
                "geometries of the kind {name} are not read"
            )));
        }
    };
    checked(made).map_err(invalid)
}

fn positions(own: &fgb::Geometry<'_>, count: &mut Count) -> Result<Vec<Position>, VectorError> {
    let Some(xy) = own.xy() else { return Ok(Vec::new()) };
    if xy.len() % 2 != 0 {
        return Err(invalid("a position has no y"));
    }
    count.positions(xy.len() / 2)?;
    let all: Vec<Position> =
        (0..xy.len() / 2).map(|i| [xy.get(2 * i), xy.get(2 * i + 1)]).collect();
    if all.iter().flatten().any(|v| !v.is_finite()) {
        return Err(invalid("a position is not finite"));
    }
    Ok(all)
}

/// The lines, or rings, whose ends are listed; without a list it is one.
fn lines(own: &fgb::Geometry<'_>, count: &mut Count) -> Result<Vec<Ring>, VectorError> {
    let all = positions(own, count)?;
    let ends: Vec<usize> = match own.ends().filter(|ends| !ends.is_empty()) {
        Some(ends) => ends.iter().map(|end| end as usize).collect(),
        None if all.is_empty() => return Ok(Vec::new()),
        None => vec![all.len()],
    };
    let mut start = 0;
    let cut = ends.iter().map(|&end| {
        let line =
            all.get(start..end).ok_or_else(|| invalid("the ends of lines are not in order"))?;
        start = end;
        Ok(line.to_vec())
    });
    cut.collect()
}

/// Pairs of a column's number and a value.
fn properties(bytes: &[u8], columns: &Columns) -> Result<Map<String, Json>, String> {
    let mut values = Values(bytes);
    let mut map = Map::new();
    while !values.0.is_empty() {
        let column = usize::from(u16::from_le_bytes(values.take()?));
        let (name, kind) =
            columns.get(column).ok_or_else(|| format!("there is no column {column}"))?;
        let value = match *kind {
            ColumnType::Bool => json!(values.take::<1>()? != [0]),
            ColumnType::Byte => json!(i8::from_le_bytes(values.take()?)),
            ColumnType::UByte => json!(u8::from_le_bytes(values.take()?)),
            ColumnType::Short => json!(i16::from_le_bytes(values.take()?)),
            ColumnType::UShort => json!(u16::from_le_bytes(values.take()?)),
            ColumnType::Int => json!(i32::from_le_bytes(values.take()?)),
            ColumnType::UInt => json!(u32::from_le_bytes(values.take()?)),
            ColumnType::Long => json!(i64::from_le_bytes(values.take()?)),
            ColumnType::ULong => json!(u64::from_le_bytes(values.take()?)),
            ColumnType::Float => json!(f32::from_le_bytes(values.take()?)),
            ColumnType::Double => json!(f64::from_le_bytes(values.take()?)),
            ColumnType::String | ColumnType::DateTime => json!(values.text()?),
            ColumnType::Json => {
                let text = values.text()?;
                serde_json::from_str(text).map_err(|e| format!("`{name}` is not JSON: {e}"))?
            }
            ColumnType::Binary => {
                values.blob()?;
                continue;
            }
            other => return Err(format!("column `{name}` is of the unknown type {}", other.0)),
        };
        map.insert(name.clone(), value);
    }
    Ok(map)
}

/// Bytes that are taken from the front.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or("its properties end too early")?;
        self.0 = rest;
        Ok(*head)
    }

    fn blob(&mut self) -> Result<&'a [u8], String> {
        let size = u32::from_le_bytes(self.take()?) as usize;
        let (head, rest) = self.0.split_at_checked(size).ok_or("its properties end too early")?;
        self.0 = rest;
        Ok(head)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.blob()?).map_err(|e| format!("a text is not UTF-8: {e}"))
    }
}
