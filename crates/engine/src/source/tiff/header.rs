//! The bytes of a TIFF header: byte order, directories, tag values.
//!
//! Everything comes from a file that may be damaged or hostile, so every count is bounded before anything is
//! allocated, and directories are visited once. Tags that nobody asks for are never fetched.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::tag;
use crate::source::SourceError;
use crate::storage::Location;

/// Directories that are read at most (a COG has one per overview and mask).
const MAX_DIRECTORIES: usize = 128;
/// Bytes of one tag value at most: the tile offsets of an image of 8 million tiles.
const MAX_VALUE_BYTES: u64 = 64 << 20;
/// First request: holds the whole header of most COGs.
const FIRST_READ: u64 = 32 << 10;
/// Least size of any further request.
const NEXT_READ: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

/// One directory: the tags of interest, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    values: BTreeMap<u16, Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Integers(Vec<u64>),
    Floats(Vec<f64>),
}

/// Reads all directories of the file at `location`, first image first.
pub(super) async fn read(location: &Location) -> Result<(Endian, Vec<Directory>), SourceError> {
    let first = location.read_range(0..FIRST_READ).await?;
    let mut source = Source { location, windows: vec![(0, first)] };
    let magic = source.bytes(0..8).await?;
    let endian = match &magic[..2] {
        b"II" => Endian::Little,
        b"MM" => Endian::Big,
        _ => return Err(invalid(location, "it starts with neither `II` nor `MM`")),
    };
    let (big, mut offset) = match endian.u16(&magic[2..4]) {
        42 => (false, u64::from(endian.u32(&magic[4..8]))),
        43 if endian.u16(&magic[4..6]) == 8 => {
            (true, endian.u64(source.bytes(8..16).await?.as_ref()))
        }
        other => return Err(invalid(location, &format!("its version number is `{other}`"))),
    };
    let (mut directories, mut seen) = (Vec::new(), Vec::new());
    while offset != 0 {
        if seen.contains(&offset) {
            return Err(invalid(location, "its directories form a circle"));
        }
        if directories.len() == MAX_DIRECTORIES {
            tracing::warn!(href = location.href(), "only {MAX_DIRECTORIES} directories are read");
            break;
        }
        seen.push(offset);
        let (directory, next) = source.directory(endian, big, offset).await?;
        directories.push(directory);
        offset = next;
    }
    if directories.is_empty() {
        return Err(invalid(location, "it has no image"));
    }
    Ok((endian, directories))
}

pub(super) fn invalid(location: &Location, reason: &str) -> SourceError {
    SourceError::Invalid {
        href: location.href().to_owned(),
        format: "TIFF",
        reason: reason.to_owned(),
    }
}

impl Directory {
    pub(super) fn integers(&self, tag: u16) -> Option<&[u64]> {
        match self.values.get(&tag)? {
            Value::Integers(values) => Some(values),
            Value::Text(_) | Value::Floats(_) => None,
        }
    }

    /// The first number of an integer tag.
    pub(super) fn integer(&self, tag: u16) -> Option<u64> {
        self.integers(tag)?.first().copied()
    }

    pub(super) fn floats(&self, tag: u16) -> Option<&[f64]> {
        match self.values.get(&tag)? {
            Value::Floats(values) => Some(values),
            Value::Text(_) | Value::Integers(_) => None,
        }
    }

    pub(super) fn text(&self, tag: u16) -> Option<&str> {
        match self.values.get(&tag)? {
            Value::Text(text) => Some(text),
            Value::Integers(_) | Value::Floats(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn of(tags: impl IntoIterator<Item = (u16, TestValue)>) -> Directory {
        let values = tags.into_iter().map(|(tag, value)| match value {
            TestValue::Integers(v) => (tag, Value::Integers(v)),
            TestValue::Floats(v) => (tag, Value::Floats(v)),
        });
        Directory { values: values.collect() }
    }
}

/// Values of a directory made up by a test.
#[cfg(test)]
pub(super) enum TestValue {
    Integers(Vec<u64>),
    Floats(Vec<f64>),
}

impl Endian {
    pub(super) fn u16(self, bytes: &[u8]) -> u16 {
        self.number(bytes, 2) as u16
    }

    pub(super) fn u32(self, bytes: &[u8]) -> u32 {
        self.number(bytes, 4) as u32
    }

    pub(super) fn u64(self, bytes: &[u8]) -> u64 {
        self.number(bytes, 8)
    }

    /// An unsigned number of the first `size` bytes; missing bytes count as zero.
    fn number(self, bytes: &[u8], size: usize) -> u64 {
        let bytes = bytes.iter().take(size);
        match self {
            Endian::Little => bytes.rev().fold(0, |n, &b| n << 8 | u64::from(b)),
            Endian::Big => bytes.fold(0, |n, &b| n << 8 | u64::from(b)),
        }
    }
}

/// Byte ranges of the file with what was read ahead.
struct Source<'a> {
    location: &'a Location,
    windows: Vec<(u64, Bytes)>,
}

impl Source<'_> {
    /// Exactly the bytes of `range`.
    async fn bytes(&mut self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let inside = |(start, bytes): &(u64, Bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end - start).ok()?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        if let Some(bytes) = self.windows.iter().rev().find_map(inside) {
            return Ok(bytes);
        }
        let wanted = range.start..range.end.max(range.start.saturating_add(NEXT_READ));
        let bytes = self.location.read_range(wanted).await?;
        let length = (range.end - range.start) as usize;
        if bytes.len() < length {
            return Err(invalid(self.location, "it is cut short"));
        }
        self.windows.push((range.start, bytes.clone()));
        Ok(bytes.slice(..length))
    }

    /// The directory at `offset` and the offset of the next one (0: none).
    async fn directory(
        &mut self,
        endian: Endian,
        big: bool,
        offset: u64,
    ) -> Result<(Directory, u64), SourceError> {
        let (count_size, entry_size, pointer) = if big { (8, 20, 8) } else { (2, 12, 4) };
        let far = || invalid(self.location, "a directory lies outside the file");
        let start = offset.checked_add(count_size).ok_or_else(far)?;
        start.checked_add(u64::from(u16::MAX) * entry_size + pointer).ok_or_else(far)?;
        let count = endian.number(&self.bytes(offset..start).await?, count_size as usize);
        if count > u64::from(u16::MAX) {
            return Err(invalid(self.location, &format!("a directory claims `{count}` tags")));
        }
        let end = start + count * entry_size;
        let entries = self.bytes(start..end + pointer).await?;
        let mut directory = Directory::default();
        for entry in entries[..(count * entry_size) as usize].chunks_exact(entry_size as usize) {
            let id = endian.u16(entry);
            if tag::WANTED.contains(&id)
                && let Some(value) = self.value(endian, big, entry).await?
            {
                directory.values.insert(id, value);
            }
        }
        let next = endian.number(&entries[(count * entry_size) as usize..], pointer as usize);
        Ok((directory, next))
    }

    /// The value of a directory entry; `None` for types no tag of interest has.
    async fn value(
        &mut self,
        endian: Endian,
        big: bool,
        entry: &[u8],
    ) -> Result<Option<Value>, SourceError> {
        let kind = endian.u16(&entry[2..]);
        let (count, field) = if big {
            (endian.u64(&entry[4..]), &entry[12..])
        } else {
            (u64::from(endian.u32(&entry[4..])), &entry[8..])
        };
        let size: usize = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            12 | 16 | 17 | 18 => 8,
            _ => return Ok(None),
        };
        let length = count.saturating_mul(size as u64);
        if length > MAX_VALUE_BYTES {
            return Err(invalid(self.location, &format!("a tag claims `{length}` bytes")));
        }
        let bytes = if length as usize <= field.len() {
            Bytes::copy_from_slice(&field[..length as usize])
        } else {
            let offset = endian.number(field, field.len());
            let end = offset.checked_add(length.max(NEXT_READ));
            end.ok_or_else(|| invalid(self.location, "a tag lies outside the file"))?;
            self.bytes(offset..offset + length).await?
        };
        let words = bytes.chunks_exact(size);
        Ok(match kind {
            2 => {
                let text = bytes.split(|&b| b == 0).next().unwrap_or_default();
                Some(Value::Text(String::from_utf8_lossy(text).into_owned()))
            }
            11 => {
                Some(Value::Floats(words.map(|w| f32::from_bits(endian.u32(w)).into()).collect()))
            }
            12 => Some(Value::Floats(words.map(|w| f64::from_bits(endian.u64(w))).collect())),
            1 | 3 | 4 | 13 | 16 | 18 => {
                Some(Value::Integers(words.map(|w| endian.number(w, size)).collect()))
            }
            _ => None,
        })
    }
}
