//! Geometries in the text form: well-known text, as GeoJSON.

use serde_json::{Value, json};

use super::Cql2Error;
use super::text::{Reader, Token};

/// Name in GeoJSON, and how deep the positions of its coordinates lie in parentheses.
const KINDS: [(&str, usize); 6] = [
    ("Point", 1),
    ("LineString", 1),
    ("MultiPoint", 1),
    ("Polygon", 2),
    ("MultiLineString", 2),
    ("MultiPolygon", 3),
];
const COLLECTION: &str = "GeometryCollection";

/// The name in GeoJSON of a kind of geometry, in any case.
pub(super) fn kind(word: &str) -> Option<&'static str> {
    let names = KINDS.iter().map(|(name, _)| *name).chain([COLLECTION]);
    names.into_iter().find(|name| name.eq_ignore_ascii_case(word))
}

/// Reads what follows the name.
pub(super) fn read(reader: &mut Reader, kind: &'static str) -> Result<Value, Cql2Error> {
    if kind != COLLECTION {
        return simple(reader, kind);
    }
    let mut members = Vec::new();
    reader.expect("(")?;
    loop {
        const EXPECTED: &str = "a simple geometry";
        let token = reader.next(EXPECTED)?;
        let named = match &token {
            Token::Word(word) => self::kind(word).filter(|kind| *kind != COLLECTION),
            _ => None,
        };
        members.push(simple(reader, named.ok_or_else(|| token.unexpected(EXPECTED))?)?);
        if !reader.sign(",") {
            break;
        }
    }
    reader.expect(")")?;
    Ok(json!({"type": COLLECTION, "geometries": members}))
}

fn simple(reader: &mut Reader, kind: &'static str) -> Result<Value, Cql2Error> {
    reader.word("z");
    let depth = KINDS.iter().find(|(name, _)| *name == kind).map_or(1, |(_, depth)| *depth);
    let mut coordinates = nested(reader, depth)?;
    if kind == "Point" {
        coordinates = match coordinates.as_array_mut() {
            Some(list) if list.len() == 1 => list.remove(0),
            _ => return Err(Cql2Error::Value("a point has one position".to_owned())),
        };
    }
    Ok(json!({"type": kind, "coordinates": coordinates}))
}

/// Lists within lists; recurses as deep as the kind of geometry says.
fn nested(reader: &mut Reader, depth: usize) -> Result<Value, Cql2Error> {
    reader.expect("(")?;
    let mut list = Vec::new();
    loop {
        list.push(if depth > 1 { nested(reader, depth - 1)? } else { position(reader)? });
        if !reader.sign(",") {
            break;
        }
    }
    reader.expect(")")?;
    Ok(list.into())
}

/// Two numbers or more; in parentheses of their own, as points of several may be.
fn position(reader: &mut Reader) -> Result<Value, Cql2Error> {
    let own = reader.sign("(");
    let mut numbers = vec![reader.number()?, reader.number()?];
    while reader.is_number() {
        numbers.push(reader.number()?);
    }
    if own {
        reader.expect(")")?;
    }
    Ok(json!(numbers))
}
