//! GeoPackage: tables of SQLite, of which one holds features. Read in memory by `sqlx`, which the store of jobs has too.
//!
//! A database is a program as much as a file: views, generated columns and virtual tables compute what they like when
//! they are read. So only stored columns of real tables are, by statements of ours.

use eolith_cube::{Crs, Feature, Features, Geometry};
use futures::TryStreamExt;
use serde_json::{Map, Value as Json, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteOwnedBuf, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, TypeInfo, ValueRef};

use super::{Count, MOST_BYTES, VectorError, wkb};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a database says what it is for, and what GeoPackages of all versions say.
const APPLICATION: std::ops::Range<usize> = 68..72;
const APPLICATIONS: [&[u8]; 3] = [b"GPKG", b"GP10", b"GP11"];
/// Where a database says whether changes lie in a file beside it, to be read and to be written.
const JOURNAL: [usize; 2] = [18, 19];

/// Most bytes of the texts of all features: those that stand once, as a default, may come with every row.
const MOST_TEXT: usize = 4 * MOST_BYTES as usize;

pub(super) fn read(bytes: &[u8]) -> Result<Features, VectorError> {
    if !bytes.starts_with(MAGIC) {
        return Err(invalid("it is no database of SQLite"));
    }
    if bytes.get(APPLICATION).is_none_or(|own| !APPLICATIONS.contains(&own)) {
        return Err(invalid("it is a database of SQLite for something else"));
    }
    if bytes.len() < length(bytes) {
        return Err(invalid("it ends too early"));
    }
    futures::executor::block_on(features(bytes))
}

/// How long a database says that it is; 0 where it does not.
fn length(bytes: &[u8]) -> usize {
    let page = match u16::from_be_bytes([bytes[16], bytes[17]]) {
        1 => 65536,
        page => usize::from(page),
    };
    page * u32::from_be_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]) as usize
}

async fn features(bytes: &[u8]) -> Result<Features, VectorError> {
    let mut database = open(bytes).await.map_err(failed)?;
    let layer = layer(&mut database).await?;
    let crs = system(&mut database, layer.system).await?;
    let list = rows(&mut database, &layer).await?;
    database.close().await.map_err(failed)?;
    Ok(Features { crs, list })
}

/// The database in memory, read-only. Changes that lie in a file beside it are not known here.
async fn open(bytes: &[u8]) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("query_only", "ON");
    let mut database = SqliteConnection::connect_with(&options).await?;
    let mut bytes = bytes.to_vec();
    for at in JOURNAL {
        bytes[at] = 1;
    }
    database.deserialize(None, SqliteOwnedBuf::try_from(&bytes[..])?, true).await?;
    Ok(database)
}

/// The table of features.
struct Layer {
    table: String,
    geometry: String,
    system: i64,
    /// The columns beside the geometry that can be properties.
    columns: Vec<Column>,
}

struct Column {
    name: String,
    kind: String,
    is_key: bool,
}

impl Column {
    /// Properties cannot be bytes.
    fn is_bytes(&self) -> bool {
        self.kind.get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("BLOB"))
    }

    fn is_boolean(&self) -> bool {
        self.kind.eq_ignore_ascii_case("BOOLEAN")
    }
}

async fn layer(database: &mut SqliteConnection) -> Result<Layer, VectorError> {
    for table in ["gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"] {
        columns(database, table).await?;
    }
    let found: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT g.table_name, g.column_name, g.srs_id FROM gpkg_contents c \
         JOIN gpkg_geometry_columns g ON g.table_name = c.table_name \
         WHERE c.data_type = 'features' ORDER BY g.table_name LIMIT 20",
    )
    .fetch_all(&mut *database)
    .await
    .map_err(failed)?;
    let [(table, geometry, system)] = found.as_slice() else {
        let names: Vec<String> = found.iter().map(|(table, ..)| format!("`{table}`")).collect();
        return Err(VectorError::Unsupported(match names.len() {
            0 => "it has no table of features".to_owned(),
            _ => format!("it has several tables of features, one is read: {}", names.join(", ")),
        }));
    };
    let mut columns = columns(database, table).await?;
    let is_geometry = |column: &Column| column.name.eq_ignore_ascii_case(geometry);
    if !columns.iter().any(is_geometry) {
        return Err(invalid(format!("its table `{table}` has no column `{geometry}`")));
    }
    columns.retain(|column| !is_geometry(column) && !column.is_bytes());
    Ok(Layer { table: table.clone(), geometry: geometry.clone(), system: *system, columns })
}

/// The stored columns of a table that is one.
async fn columns(database: &mut SqliteConnection, table: &str) -> Result<Vec<Column>, VectorError> {
    // Virtual tables have no page of their own.
    let real: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema \
         WHERE type = 'table' AND rootpage > 0 AND lower(name) = lower($1)",
    )
    .bind(table)
    .fetch_one(&mut *database)
    .await
    .map_err(failed)?;
    if real != 1 {
        return Err(invalid(format!("it has no table `{table}`")));
    }
    let all: Vec<(String, String, i64, i64)> =
        sqlx::query_as("SELECT name, type, pk, hidden FROM pragma_table_xinfo($1)")
            .bind(table)
            .fetch_all(&mut *database)
            .await
            .map_err(failed)?;
    let stored = all.into_iter().filter(|(.., hidden)| *hidden == 0);
    Ok(stored.map(|(name, kind, key, _)| Column { name, kind, is_key: key > 0 }).collect())
}

async fn system(database: &mut SqliteConnection, id: i64) -> Result<Crs, VectorError> {
    let unknown = |text: String| VectorError::Unsupported(format!("its reference system: {text}"));
    if id <= 0 {
        return Err(unknown("it is said to be undefined".to_owned()));
    }
    let found: Option<(String, i64, String)> = sqlx::query_as(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys \
         WHERE srs_id = $1",
    )
    .bind(id)
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    let Some((organization, code, definition)) = found else {
        return Err(invalid(format!("it has no reference system {id}")));
    };
    match u32::try_from(code) {
        Ok(code) if organization.eq_ignore_ascii_case("EPSG") => Crs::epsg(code),
        _ => Crs::parse(&definition),
    }
    .map_err(|e| unknown(e.to_string()))
}

async fn rows(database: &mut SqliteConnection, layer: &Layer) -> Result<Vec<Feature>, VectorError> {
    let names = layer.columns.iter().map(|column| &column.name);
    let names: Vec<String> =
        [&layer.geometry].into_iter().chain(names).map(|n| quoted(n)).collect();
    let key = layer.columns.iter().find(|column| column.is_key);
    let order = key.map(|key| format!(" ORDER BY {}", quoted(&key.name))).unwrap_or_default();
    let statement = format!("SELECT {} FROM {}{order}", names.join(", "), quoted(&layer.table));
    let mut count = Count::default();
    let mut text = 0;
    let mut list = Vec::new();
    let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(database);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        count.feature()?;
        let made = feature(&row, layer, &mut count, &mut text);
        list.push(made.map_err(|e| at(list.len(), e))?);
    }
    Ok(list)
}

fn feature(
    row: &SqliteRow,
    layer: &Layer,
    count: &mut Count,
    text: &mut usize,
) -> Result<Feature, VectorError> {
    let geometry = match row.try_get_unchecked::<Option<&[u8]>, _>(0).map_err(failed)? {
        None => None,
        Some(bytes) => geometry(bytes, layer.system, count)?,
    };
    let (mut id, mut properties) = (None, Map::new());
    for (i, column) in layer.columns.iter().enumerate() {
        let Some(value) = value(row, i + 1, column)? else { continue };
        if let Json::String(own) = &value {
            *text += own.len();
            if *text > MOST_TEXT {
                return Err(VectorError::TooMany { most: MOST_TEXT, what: "bytes of texts" });
            }
        }
        if column.is_key {
            id = Some(value);
        } else {
            properties.insert(column.name.clone(), value);
        }
    }
    Ok(Feature { id, geometry, properties })
}

/// What a column holds in a row; `None` for bytes, which a column of any type may hold.
fn value(row: &SqliteRow, i: usize, column: &Column) -> Result<Option<Json>, VectorError> {
    let stored = row.try_get_raw(i).map_err(failed)?;
    if stored.is_null() {
        return Ok(Some(Json::Null));
    }
    Ok(match stored.type_info().name() {
        "INTEGER" | "BOOLEAN" => {
            let number: i64 = row.try_get_unchecked(i).map_err(failed)?;
            Some(if column.is_boolean() { json!(number != 0) } else { json!(number) })
        }
        "REAL" => Some(json!(row.try_get_unchecked::<f64, _>(i).map_err(failed)?)),
        "BLOB" => None,
        _ => Some(json!(row.try_get_unchecked::<&str, _>(i).map_err(failed)?)),
    })
}

/// Well-known binary behind a header: two letters, a version, flags, the reference system, and maybe a box.
fn geometry(bytes: &[u8], system: i64, count: &mut Count) -> Result<Option<Geometry>, VectorError> {
    let [b'G', b'P', 0, flags, id @ ..] = bytes else {
        return Err(invalid("a geometry has no header of version 1"));
    };
    let (id, rest) =
        id.split_first_chunk().ok_or_else(|| invalid("a geometry ends in its header"))?;
    let id = if flags & 1 == 1 { i32::from_le_bytes(*id) } else { i32::from_be_bytes(*id) };
    if i64::from(id) != system {
        return Err(invalid(format!("a geometry has the reference system {id}, not {system}")));
    }
    if flags & 0x20 != 0 {
        return Err(VectorError::Unsupported("geometries of extensions are not read".to_owned()));
    }
    let numbers = match flags >> 1 & 7 {
        0 => 0,
        1 => 4,
        2 | 3 => 6,
        4 => 8,
        other => return Err(invalid(format!("a geometry has a box of the kind {other}"))),
    };
    let rest = rest.get(numbers * 8..).ok_or_else(|| invalid("a geometry ends in its header"))?;
    wkb::read(rest, count).map(Some)
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn invalid(reason: impl Into<String>) -> VectorError {
    VectorError::Invalid { format: "GeoPackage", reason: reason.into() }
}

fn failed(error: sqlx::Error) -> VectorError {
    match error {
        sqlx::Error::Database(error) => invalid(error.message()),
        other => invalid(other.to_string()),
    }
}

fn at(feature: usize, error: VectorError) -> VectorError {
    match error {
        VectorError::Invalid { format, reason } => {
            VectorError::Invalid { format, reason: format!("feature {feature}: {reason}") }
        }
        other => other,
    }
}
