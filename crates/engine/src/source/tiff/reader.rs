//! Reads regions of one image: which chunks, where their bytes are, and their pixels put together.

use std::sync::Arc;

use bytes::Bytes;
use eolith_cube::{Block, DType, Element, Number, Region, Values, for_dtype};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::codec;
use super::header::invalid;
use super::layout::Image;
use crate::source::{ArrayMeta, ArrayReader, Fetched, SourceError};
use crate::storage::Location;

/// All bands of one image (the full one or an overview): dimensions `band`, `y`, `x`.
#[derive(Debug)]
pub(super) struct TiffReader {
    location: Location,
    meta: ArrayMeta,
    image: Arc<Image>,
    /// A 1-bit image of the same size; 0 hides a pixel of every band.
    mask: Option<Arc<Image>>,
}

/// The bytes of the chunks that touch a region, in the order of [`chunks`].
struct Payload {
    image: Vec<Option<Bytes>>,
    mask: Vec<Option<Bytes>>,
}

/// Position of a chunk: plane, row of chunks, column of chunks.
type Position = (usize, usize, usize);

impl TiffReader {
    pub(super) fn new(
        location: &Location,
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
        TiffReader {
            location: location.clone(),
            meta,
            image: image.into(),
            mask: mask.map(Arc::new),
        }
    }

    fn check(&self, region: &Region) -> Result<(), SourceError> {
        if region.0.len() == 3 && Region::whole(&self.meta.shape).contains(region) {
            return Ok(());
        }
        Err(invalid(&self.location, &format!("{region:?} is not inside {:?}", self.meta.shape)))
    }

    async fn fetch_chunks(&self, region: &Region) -> Result<Fetched, SourceError> {
        self.check(region)?;
        let wanted = |image: &Image| -> Vec<_> {
            chunks(image, region).map(|(p, row, column)| image.range(p, row, column)).collect()
        };
        let image = wanted(&self.image);
        let mask = self.mask.as_deref().map(wanted).unwrap_or_default();
        let ranges: Vec<_> = image.iter().chain(&mask).flatten().cloned().collect();
        let mut found = self.location.read_ranges(&ranges).await?.into_iter();
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        let mut fill = |wanted: Vec<Option<_>>| {
            wanted.into_iter().map(|range| range.and_then(|_| found.next())).collect()
        };
        let payload = Payload { image: fill(image), mask: fill(mask) };
        Ok(Fetched { bytes, payload: Box::new(payload) })
    }

    fn assemble(&self, region: &Region, payload: &Payload) -> Result<Block, String> {
        let missing = self.meta.nodata;
        let mut block = for_dtype!(self.meta.dtype, T => {
            pixels::<T>(&self.image, region, &payload.image, missing)
        })?;
        if let Some(mask) = &self.mask {
            let plane = Region(vec![0..1, region.0[1].clone(), region.0[2].clone()]);
            let shown = pixels::<u8>(mask, &plane, &payload.mask, Some(Number::Int(0)))?;
            let Values::U8(shown) = shown.values else {
                return Err("its mask is no mask".to_owned());
            };
            let validity = block.validity.get_or_insert_with(|| vec![true; region.len()]);
            for (valid, shown) in validity.iter_mut().zip(shown.iter().cycle()) {
                *valid &= *shown != 0;
            }
        }
        Ok(block.canonical())
    }
}

impl ArrayReader for TiffReader {
    fn meta(&self) -> &ArrayMeta {
        &self.meta
    }

    fn fetch(&self, region: Region) -> BoxFuture<'_, Result<Fetched, SourceError>> {
        async move { self.fetch_chunks(&region).await }.boxed()
    }

    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError> {
        self.check(region)?;
        let payload = fetched.payload.downcast::<Payload>();
        let payload = payload.map_err(|_| invalid(&self.location, "bytes of another reader"))?;
        self.assemble(region, &payload).map_err(|reason| invalid(&self.location, &reason))
    }
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

/// The pixels of `region`. A chunk that was left out is filled with `missing`, or invalid without one.
fn pixels<T: Element>(
    image: &Image,
    region: &Region,
    stored: &[Option<Bytes>],
    missing: Option<Number>,
) -> Result<Block, String> {
    let shape = region.shape();
    let fill = missing.map_or_else(T::default, T::from_number);
    let mut out = vec![fill; region.len()];
    let mut validity: Option<Vec<bool>> = None;
    for ((plane, row, column), stored) in chunks(image, region).zip(stored) {
        let part = Part::new(image, region, (plane, row, column));
        if let Some(bytes) = stored {
            let values = codec::decode(image, bytes, image.stored_rows(row))?;
            let values = T::slice(&values).ok_or("a chunk of another type")?;
            part.copy(&shape, |from, to, n| {
                if part.step == 1 {
                    out[to..to + n].copy_from_slice(&values[from..from + n]);
                } else {
                    let source = values[from..].iter().step_by(part.step);
                    out[to..to + n].iter_mut().zip(source).for_each(|(to, from)| *to = *from);
                }
            });
        } else if missing.is_none() {
            let mask = validity.get_or_insert_with(|| vec![true; region.len()]);
            part.copy(&shape, |_, to, n| mask[to..to + n].fill(false));
        }
    }
    Ok(Block { shape, values: T::wrap(out), validity })
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
