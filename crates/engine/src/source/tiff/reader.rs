//! Reads one image by chunk: where the bytes of a chunk are, its pixels, and what a mask hides of it.

use std::sync::Arc;

use eolith_cube::{Block, DType, Number, Region, Values};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::codec;
use super::header::invalid;
use super::layout::Image;
use crate::source::buffers::Buffers;
use crate::source::chunk::{self, Chunk, Mask};
use crate::source::encoded::{Encoded, LocalFile, read_ahead};
use crate::source::{ArrayMeta, ArrayReader, Fetched, SourceError};
use crate::storage::Location;

/// All bands of one image (the full one or an overview): dimensions `band`, `y`, `x`.
#[derive(Debug)]
pub(super) struct TiffReader {
    location: Location,
    /// The local file as its header was read.
    file: Option<Arc<LocalFile>>,
    meta: ArrayMeta,
    image: Arc<Image>,
    /// A 1-bit image of the same size; 0 hides a pixel of every band.
    mask: Option<Arc<Image>>,
}

/// The bytes of a chunk, and of the chunks of the mask over it in the order of [`chunks`].
struct Payload {
    image: Encoded,
    mask: Vec<Encoded>,
}

/// Position of a chunk: plane, row of chunks, column of chunks.
type Position = (usize, usize, usize);

impl TiffReader {
    pub(super) fn new(
        location: &Location,
        file: Option<Arc<LocalFile>>,
        (image, mask): (Image, Option<Image>),
        nodata: Option<Number>,
        attributes: serde_json::Map<String, serde_json::Value>,
    ) -> TiffReader {
        let meta = ArrayMeta {
            name: "pixels".to_owned(),
            dims: ["band", "y", "x"].map(str::to_owned).to_vec(),
            shape: vec![image.samples, image.height, image.width],
            chunk: vec![image.chunk_samples(), image.chunk_height, image.chunk_width],
            dtype: image.dtype,
            nodata,
            attributes,
        };
        let (image, mask) = (image.into(), mask.map(Arc::new));
        TiffReader { location: location.clone(), file, meta, image, mask }
    }

    /// The box of the image that a chunk holds.
    fn region(&self, position: &[usize]) -> Region {
        chunk::grid(&self.meta).region_at(position)
    }

    async fn encoded(&self, positions: Vec<Vec<usize>>) -> Result<Vec<Fetched>, SourceError> {
        // Ranges of one chunk after the other: that of the image, then those of the mask.
        let mut ranges = Vec::new();
        let mut counts = Vec::with_capacity(positions.len());
        for position in &positions {
            let &[plane, row, column] = position.as_slice() else {
                return Err(invalid(&self.location, "a chunk has a plane, a row and a column"));
            };
            ranges.push(self.image.range(plane, row, column));
            if let Some(mask) = &self.mask {
                let region = flat(&self.region(position));
                ranges.extend(chunks(mask, &region).map(|(p, row, col)| mask.range(p, row, col)));
            }
            counts.push(ranges.len());
        }
        let mut encoded = self.bytes(ranges).await?.into_iter();
        let (mut done, mut fetched) = (0, Vec::with_capacity(positions.len()));
        for end in counts {
            let mut own = encoded.by_ref().take(end - done);
            let image = own.next().unwrap_or(Encoded::Absent);
            let mask: Vec<Encoded> = own.collect();
            let bytes = image.len() + mask.iter().map(Encoded::len).sum::<u64>();
            fetched.push(Fetched { bytes, payload: Box::new(Payload { image, mask }) });
            done = end;
        }
        Ok(fetched)
    }

    async fn bytes(
        &self,
        ranges: Vec<Option<std::ops::Range<u64>>>,
    ) -> Result<Vec<Encoded>, SourceError> {
        if let Some(before) = &self.file
            && let Some(now) = LocalFile::open(&self.location)
        {
            let (now, file) = now?;
            now.same_as(before)?;
            let encode = |range: Option<std::ops::Range<u64>>| match range {
                Some(range) => {
                    read_ahead(&file, &range);
                    Encoded::File(Arc::clone(before), range)
                }
                None => Encoded::Absent,
            };
            return Ok(ranges.into_iter().map(encode).collect());
        }
        let asked: Vec<_> = ranges.iter().flatten().cloned().collect();
        let mut found = self.location.read_ranges(&asked).await?.into_iter();
        let encode = |range: Option<_>| {
            range.and_then(|_| found.next()).map_or(Encoded::Absent, Encoded::Bytes)
        };
        Ok(ranges.into_iter().map(encode).collect())
    }

    /// What the mask hides of a chunk.
    fn hidden(&self, region: &Region, stored: &[Encoded]) -> Result<Option<Mask>, SourceError> {
        let Some(image) = &self.mask else { return Ok(None) };
        let region = flat(region);
        let valid = shown(image, &region, stored, |reason| invalid(&self.location, reason))?;
        let width = region.0[2].len();
        Ok(valid.contains(&false).then(|| Mask { valid, strides: vec![0, width, 1] }))
    }
}

impl ArrayReader for TiffReader {
    fn meta(&self) -> &ArrayMeta {
        &self.meta
    }

    fn fetch(&self, region: Region) -> BoxFuture<'_, Result<Fetched, SourceError>> {
        async move { chunk::fetch_region(self, &region).await }.boxed()
    }

    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError> {
        chunk::decode_region(self, region, fetched)
    }

    fn fetch_chunks(
        &self,
        positions: Vec<Vec<usize>>,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, SourceError>> {
        self.encoded(positions).boxed()
    }

    fn decode_chunk(
        &self,
        position: &[usize],
        fetched: Fetched,
        buffers: &Arc<Buffers>,
    ) -> Result<Chunk, SourceError> {
        let payload = fetched.payload.downcast::<Payload>();
        let payload = payload.map_err(|_| invalid(&self.location, "bytes of another reader"))?;
        let (image, region) = (&self.image, self.region(position));
        let rows = image.stored_rows(position[1]);
        let values = payload.image.with(|bytes| {
            codec::decode(image, bytes, rows, buffers)
                .map_err(|reason| invalid(&self.location, &reason))
        })?;
        let mask = self.hidden(&region, &payload.mask)?;
        let Some(values) = values else {
            let missing = self.meta.nodata;
            let mut value = Values::zeros(self.meta.dtype, 1);
            value.set(0, missing.unwrap_or(Number::Int(0)));
            let mut chunk = Chunk::constant(region, value, missing.is_some());
            chunk.mask = chunk.mask.take().or(mask);
            return Ok(chunk);
        };
        let samples = image.chunk_samples();
        let strides = vec![1, image.chunk_width * samples, samples];
        Ok(Chunk { region, values, strides, mask, home: Some(Arc::clone(buffers)) })
    }
}

/// The first band of a box.
fn flat(region: &Region) -> Region {
    Region(vec![0..1, region.0[1].clone(), region.0[2].clone()])
}

/// Chunks that touch `region`, in the order in which they lie in most files.
fn chunks(image: &Image, region: &Region) -> impl Iterator<Item = Position> {
    let along = |dim: usize, chunk: usize| {
        let range = &region.0[dim];
        if region.is_empty() { 0..0 } else { range.start / chunk..range.end.div_ceil(chunk) }
    };
    let planes = along(0, image.chunk_samples());
    let (rows, columns) = (along(1, image.chunk_height), along(2, image.chunk_width));
    planes.flat_map(move |plane| {
        let columns = columns.clone();
        rows.clone().flat_map(move |row| columns.clone().map(move |column| (plane, row, column)))
    })
}

/// Which pixels of `region` a mask shows. A chunk that was left out shows none.
fn shown(
    image: &Image,
    region: &Region,
    stored: &[Encoded],
    invalid: impl Fn(&str) -> SourceError,
) -> Result<Vec<bool>, SourceError> {
    let shape = region.shape();
    let mut out = vec![false; region.len()];
    let pool = Buffers::none();
    for ((plane, row, column), stored) in chunks(image, region).zip(stored) {
        let part = Part::new(image, region, (plane, row, column));
        let values = stored.with(|bytes| {
            codec::decode(image, bytes, image.stored_rows(row), &pool).map_err(|e| invalid(&e))
        })?;
        match values {
            Some(Values::U8(values)) => part.copy(&shape, |from, to, n| {
                let source = values[from..].iter().step_by(part.step);
                out[to..to + n].iter_mut().zip(source).for_each(|(to, &from)| *to = from != 0);
            }),
            Some(_) => return Err(invalid("its mask is no mask")),
            None => {}
        }
    }
    Ok(out)
}

/// What one chunk gives to a region.
struct Part {
    /// The common part, in indices relative to the region.
    to: Region,
    /// Offset of its first pixel in the chunk, between its bands, and between its rows.
    first: usize,
    band: usize,
    row: usize,
    /// Between neighbouring pixels of a band in the chunk.
    step: usize,
}

impl Part {
    fn new(image: &Image, region: &Region, (plane, row, column): Position) -> Part {
        let step = image.chunk_samples();
        let (y, x) = (row * image.chunk_height, column * image.chunk_width);
        let whole = Region(vec![
            plane * step..(plane + 1) * step,
            y..y + image.chunk_height,
            x..x + image.chunk_width,
        ]);
        let common = whole.intersect(region).unwrap_or_else(|| Region(vec![0..0; 3]));
        let inside = |dim: usize, start: usize| common.0[dim].start.saturating_sub(start);
        let width = image.chunk_width;
        let pixel = inside(1, y) * width + inside(2, x);
        Part {
            first: pixel * step + inside(0, plane * step),
            band: 1,
            row: width * step,
            step,
            to: common.relative_to(region),
        }
    }

    /// Calls `f(offset in the chunk, offset in the region, pixels)` for every row.
    fn copy(&self, shape: &[usize], mut f: impl FnMut(usize, usize, usize)) {
        let [bands, rows, columns] = [0, 1, 2].map(|dim| self.to.0[dim].clone());
        for (b, band) in bands.enumerate() {
            for (r, row) in rows.clone().enumerate() {
                let to = (band * shape[1] + row) * shape[2] + columns.start;
                f(self.first + b * self.band + r * self.row, to, columns.len());
            }
        }
    }
}

/// Whether `mask` can hide pixels of `image`.
pub(super) fn masks(mask: &Image, image: &Image) -> bool {
    mask.samples == 1
        && mask.dtype == DType::U8
        && (mask.width, mask.height) == (image.width, image.height)
}
