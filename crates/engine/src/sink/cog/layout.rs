//! The file around the tiles: header, structural metadata, directories, and where every tile goes.
//!
//! Order: header, GDAL's structural metadata, directories from the full image to the smallest, then tiles from
//! the smallest image to the full one. BigTIFF only where offsets need it.

use std::io::{self, Seek, SeekFrom, Write};

use eolith_cube::{DType, Number, Schema};

use super::Header;
use super::encode::TileEncoder;
use super::pyramid::Level;
use crate::sink::raster::Raster;

/// What readers may rely on (GDAL's COG driver documents it): order, and a size before and four repeated bytes
/// after each tile.
const STRUCTURE: &str = "LAYOUT=IFDS_BEFORE_DATA\n\
    BLOCK_ORDER=ROW_MAJOR\n\
    BLOCK_LEADER=SIZE_AS_UINT4\n\
    BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n\
    KNOWN_INCOMPATIBLE_EDITION=NO\n ";

/// A tag of a directory: type, number of values, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    id: u16,
    kind: u16,
    count: u64,
    bytes: Vec<u8>,
}

pub(super) struct Container {
    /// One a level, without the tags that say where tiles are.
    directories: Vec<Vec<Tag>>,
    levels: Vec<Level>,
    /// Larger files are BigTIFF.
    most: u64,
}

/// GDAL's XML: what is said of all pixels, labels of squeezed dimensions, and description, scale, offset and unit of every
/// band.
pub(super) fn metadata(schema: &Schema, remark: Option<&str>, raster: &Raster) -> String {
    let mut items = String::new();
    if let Some(remark) = remark {
        items += &format!("  <Item name=\"COMMENT\">{}</Item>\n", escape(&escape(remark)));
    }
    for (name, label) in &raster.labels {
        items += &format!("  <Item name=\"{}\">{}</Item>\n", escape(name), escape(&escape(label)));
    }
    let labels = schema.bands().and_then(|dim| schema.dims[dim].labels());
    for band in 0..raster.bands {
        let mut item = |name: &str, text: Option<String>| {
            let role = name.to_lowercase();
            // The text is escaped twice: GDAL takes it apart twice.
            let text = text.map(|text| escape(&escape(&text))).filter(|text| !text.is_empty());
            if let Some(text) = text {
                let attributes = format!("name=\"{name}\" sample=\"{band}\" role=\"{role}\"");
                items += &format!("  <Item {attributes}>{text}</Item>\n");
            }
        };
        item("DESCRIPTION", labels.map(|labels| labels.get(band).to_string()));
        if let Some(variable) = schema.variables.get(band) {
            item("OFFSET", variable.offset.map(|n| n.to_string()));
            item("SCALE", variable.scale.map(|n| n.to_string()));
            item("UNITTYPE", variable.unit.clone());
        }
    }
    if items.is_empty() { items } else { format!("<GDALMetadata>\n{items}</GDALMetadata>\n") }
}

impl Tag {
    pub(super) fn shorts(id: u16, values: &[u16]) -> Tag {
        let bytes = values.iter().flat_map(|n| n.to_le_bytes()).collect();
        Tag { id, kind: 3, count: values.len() as u64, bytes }
    }

    pub(super) fn doubles(id: u16, values: &[f64]) -> Tag {
        let bytes = values.iter().flat_map(|n| n.to_le_bytes()).collect();
        Tag { id, kind: 12, count: values.len() as u64, bytes }
    }

    pub(super) fn text(id: u16, text: &str) -> Tag {
        let mut bytes: Vec<u8> = text.bytes().filter(|&b| b != 0).collect();
        bytes.push(0);
        Tag { id, kind: 2, count: bytes.len() as u64, bytes }
    }

    fn longs(id: u16, values: &[u32]) -> Tag {
        let bytes = values.iter().flat_map(|n| n.to_le_bytes()).collect();
        Tag { id, kind: 4, count: values.len() as u64, bytes }
    }

    fn offsets(id: u16, values: &[u64], big: bool) -> Tag {
        if big {
            let bytes = values.iter().flat_map(|n| n.to_le_bytes()).collect();
            return Tag { id, kind: 16, count: values.len() as u64, bytes };
        }
        Tag::longs(id, &values.iter().map(|&n| n as u32).collect::<Vec<_>>())
    }
}

impl Container {
    pub(super) fn new(encoder: &TileEncoder, header: &Header<'_>, levels: Vec<Level>) -> Container {
        let directory = |(n, level): (usize, &Level)| {
            let mut tags = image_tags(encoder, header.dtype, level, n > 0);
            if n == 0 {
                tags.extend_from_slice(header.georeference);
                if !header.metadata.is_empty() {
                    tags.push(Tag::text(42112, &header.metadata));
                }
            }
            if let Some(null) = header.null {
                tags.push(Tag::text(42113, &nodata_text(null)));
            }
            tags
        };
        let directories = levels.iter().enumerate().map(directory).collect();
        Container { directories, levels, most: u32::MAX.into() }
    }

    #[cfg(test)]
    pub(super) fn always_big(self) -> Container {
        Container { most: 0, ..self }
    }

    /// Writes the file from its start.
    pub(super) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        let length = STRUCTURE.len();
        let structure = format!("GDAL_STRUCTURAL_METADATA_SIZE={length:06} bytes\n{STRUCTURE}");
        let start = |big: bool| {
            let header = if big { 16 } else { 8 };
            (header + structure.len() as u64).next_multiple_of(2)
        };
        let tiles: u64 = self.levels.iter().map(stored_bytes).sum();
        let directories: u64 = (0..self.levels.len()).map(|n| self.size(n, true)).sum();
        let big = start(true) + directories + tiles > self.most;

        let mut directory_at = vec![start(big)];
        for n in 0..self.levels.len() {
            directory_at.push(directory_at[n] + self.size(n, big));
        }
        if big {
            out.write_all(b"II\x2b\0\x08\0\0\0")?;
            out.write_all(&directory_at[0].to_le_bytes())?;
        } else {
            out.write_all(b"II\x2a\0")?;
            out.write_all(&(directory_at[0] as u32).to_le_bytes())?;
        }
        out.write_all(structure.as_bytes())?;
        let header = if big { 16 } else { 8 };
        out.write_all(&vec![0; directory_at[0] as usize - header - structure.len()])?;

        let mut tiles_at = directory_at[self.levels.len()];
        let mut offsets = vec![Vec::new(); self.levels.len()];
        for (level, offsets) in self.levels.iter().zip(&mut offsets).rev() {
            for &size in &level.sizes {
                offsets.push(tiles_at + 4);
                tiles_at += around(size);
            }
        }
        for n in 0..self.levels.len() {
            let next = if n + 1 < self.levels.len() { directory_at[n + 1] } else { 0 };
            let tags = self.tags(n, &offsets[n], big);
            write_directory(out, &tags, directory_at[n], next, big)?;
        }
        for level in self.levels.iter_mut().rev() {
            level.spool.seek(SeekFrom::Start(0))?;
            io::copy(&mut level.spool, out)?;
        }
        Ok(())
    }

    fn tags(&self, n: usize, offsets: &[u64], big: bool) -> Vec<Tag> {
        let mut tags = self.directories[n].clone();
        tags.push(Tag::offsets(324, offsets, big));
        tags.push(Tag::longs(325, &self.levels[n].sizes));
        tags.sort_by_key(|tag| tag.id);
        tags
    }

    /// Bytes of directory `n` and its values.
    fn size(&self, n: usize, big: bool) -> u64 {
        let tags = self.tags(n, &vec![0; self.levels[n].sizes.len()], big);
        let entry_sizes = entries_size(&tags, big);
        let values = tags.iter().map(|tag| tag.bytes.len() as u64).filter(|&n| n > inline(big));
        entry_sizes + values.map(|n| n.next_multiple_of(2)).sum::<u64>()
    }
}

fn image_tags(encoder: &TileEncoder, dtype: DType, level: &Level, reduced: bool) -> Vec<Tag> {
    let format = match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 2,
        DType::F32 | DType::F64 => 3,
        DType::Bool | DType::U8 | DType::U16 | DType::U32 | DType::U64 => 1,
    };
    let bands = encoder.bands;
    let tile = encoder.tile as u32;
    let mut tags = vec![
        Tag::longs(256, &[level.width as u32]),
        Tag::longs(257, &[level.height as u32]),
        Tag::shorts(258, &vec![dtype.size() as u16 * 8; bands]),
        Tag::shorts(259, &[encoder.compression.code()]),
        // Black is zero: no colours are claimed for any band.
        Tag::shorts(262, &[1]),
        Tag::shorts(277, &[bands as u16]),
        Tag::shorts(284, &[1]),
        Tag::longs(322, &[tile]),
        Tag::longs(323, &[tile]),
        Tag::shorts(339, &vec![format; bands]),
    ];
    if reduced {
        tags.push(Tag::longs(254, &[1]));
    }
    if encoder.predictor_code() > 1 {
        tags.push(Tag::shorts(317, &[encoder.predictor_code()]));
    }
    if bands > 1 {
        tags.push(Tag::shorts(338, &vec![0; bands - 1]));
    }
    tags
}

/// Largest value that stands in its entry.
fn inline(big: bool) -> u64 {
    if big { 8 } else { 4 }
}

fn entries_size(tags: &[Tag], big: bool) -> u64 {
    let n = tags.len() as u64;
    if big { 8 + n * 20 + 8 } else { 2 + n * 12 + 4 }
}

fn write_directory(
    out: &mut impl Write,
    tags: &[Tag],
    at: u64,
    next: u64,
    big: bool,
) -> io::Result<()> {
    let word =
        |n: u64| if big { n.to_le_bytes().to_vec() } else { (n as u32).to_le_bytes().to_vec() };
    if big {
        out.write_all(&(tags.len() as u64).to_le_bytes())?;
    } else {
        out.write_all(&(tags.len() as u16).to_le_bytes())?;
    }
    let mut value_at = at + entries_size(tags, big);
    let mut values = Vec::new();
    for tag in tags {
        out.write_all(&tag.id.to_le_bytes())?;
        out.write_all(&tag.kind.to_le_bytes())?;
        out.write_all(&word(tag.count))?;
        if tag.bytes.len() as u64 > inline(big) {
            out.write_all(&word(value_at))?;
            values.extend_from_slice(&tag.bytes);
            values.resize(values.len().next_multiple_of(2), 0);
            value_at = at + entries_size(tags, big) + values.len() as u64;
        } else {
            let mut field = tag.bytes.clone();
            field.resize(inline(big) as usize, 0);
            out.write_all(&field)?;
        }
    }
    out.write_all(&word(next))?;
    out.write_all(&values)
}

/// Bytes of a tile with what is around it.
fn around(size: u32) -> u64 {
    4 + u64::from(size) + u64::from(size.min(4))
}

fn stored_bytes(level: &Level) -> u64 {
    level.sizes.iter().map(|&size| around(size)).sum()
}

/// GDAL's spelling.
fn nodata_text(null: Number) -> String {
    match null {
        Number::Float(value) if value.is_nan() => "nan".to_owned(),
        other => other.to_string(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML 1.0 has no way to write these.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
