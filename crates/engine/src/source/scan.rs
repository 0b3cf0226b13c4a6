//! Reading a box of a scan: which chunks of which arrays, and the [`Frame`] they make.
//!
//! Planning the reads is pure, fetching is async, decoding is CPU work; the scheduler runs each where it belongs.
//! Reads are rounded to whole chunks, since a chunk is what can be decoded.

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Block, DType, Region, Schema};
use eolith_plan::need::{ArrayDim, ArrayRef, Piece};
use eolith_plan::op::{Scan, ScanSource};
use futures::stream::{self, StreamExt, TryStreamExt};
use rayon::prelude::*;

use super::cache::{Cache, Key};
use super::chunk::{Chunk, Chunks};
use super::frame::{self, Frame, Indices, Layout, Part};
use super::open::Readers;
use super::{ArrayReader, Fetched, SourceError};
use crate::meter;

/// Arrays that are read at a time for one box.
const CONCURRENT: usize = 8;

/// The fetched bytes of a scan's box.
#[derive(Debug)]
pub struct Fetch {
    dtype: DType,
    region: Region,
    indices: Vec<Indices>,
    source: Arc<ScanSource>,
    pieces: Vec<Pending>,
    cache: Arc<Cache>,
    /// Bytes that come from storage: those that were fetched, and those of local files that decoding will read.
    pub bytes: u64,
    /// Bytes of chunks that were found decoded.
    pub cached: u64,
}

/// The chunks of one piece before they are decoded.
#[derive(Debug)]
struct Pending {
    read: Read,
    reader: Arc<dyn ArrayReader>,
    unit: Vec<usize>,
    wanted: Vec<Vec<usize>>,
    /// In C order over `wanted`.
    units: Vec<Unit>,
}

/// One chunk, decoded already or not.
#[derive(Debug)]
enum Unit {
    Decoded(Arc<Chunk>),
    Encoded(Box<Encoded>),
}

#[derive(Debug)]
struct Encoded {
    reader: Arc<dyn ArrayReader>,
    key: Key,
    position: Vec<usize>,
    fetched: Fetched,
}

/// What is wanted of one piece.
#[derive(Debug)]
struct Read {
    piece: usize,
    /// The array in the cube, or in itself for a piece on another grid.
    layout: Layout,
    warp: Option<Target>,
}

/// Where the pixels of a piece on another grid come from and go.
#[derive(Debug)]
struct Target {
    /// Box of the array.
    array: Region,
    /// Source indices of the cube behind the result.
    own: Region,
}

/// Fetches the bytes behind `region` of a scan with this schema.
pub async fn fetch(
    readers: &Readers,
    scan: &Scan,
    schema: &Arc<Schema>,
    region: &Region,
) -> Result<Fetch, SourceError> {
    let source = scan.source.as_ref().map(Arc::clone).ok_or_else(|| SourceError::Unsupported {
        href: scan.request.source.to_string(),
        what: "a scan without items".to_owned(),
    })?;
    let indices: Vec<Indices> = (region.0.iter().zip(&scan.window))
        .map(|(range, window)| Indices::new(range, window.as_deref()))
        .collect();
    let mut reads = Vec::new();
    if !region.is_empty() {
        for number in 0..source.pieces.len() {
            reads.extend(plan(&source, number, &indices)?);
        }
    }
    let pieces = stream::iter(reads)
        .map(|read| {
            let array = &source.pieces[read.piece].array;
            let indices = &indices;
            async move { fetch_piece(readers, array, read, indices).await }
        })
        // In order: where pieces overlap, the first one wins.
        .buffered(CONCURRENT)
        .try_collect()
        .await;
    let pieces: Vec<Pending> = pieces.inspect_err(|error| {
        if let SourceError::Changed { href } = error {
            readers.forget(href);
        }
    })?;
    let (mut bytes, mut cached) = (0, 0);
    for unit in pieces.iter().flat_map(|piece| &piece.units) {
        match unit {
            Unit::Decoded(chunk) => cached += chunk.bytes(),
            Unit::Encoded(encoded) => bytes += encoded.fetched.bytes,
        }
    }
    let (dtype, region, cache) = (schema.dtype(), region.clone(), Arc::clone(readers.cache()));
    Ok(Fetch { dtype, region, indices, source, pieces, cache, bytes, cached })
}

impl Fetch {
    /// Decodes the chunks side by side on the pool this is called in.
    pub fn frame(self) -> Result<Frame, SourceError> {
        let Fetch { dtype, region, indices, source, mut pieces, cache, .. } = self;
        let units = pieces.iter_mut().flat_map(|piece| std::mem::take(&mut piece.units));
        let units: Vec<Unit> = units.collect();
        let meter = meter::current();
        let running = || meter::enter(meter.as_ref());
        // What another thread is about to decode comes last: it is likely to be ready then.
        let first: Vec<Result<Decoded, Box<Encoded>>> =
            (units.into_par_iter().map_init(running, |_, unit| try_decode(&cache, unit))).collect();
        let decoded: Vec<Decoded> = (first.into_par_iter())
            .map_init(running, |_, outcome| {
                outcome.unwrap_or_else(|encoded| decode(&cache, *encoded))
            })
            .collect();
        let mut decoded = decoded.into_iter();
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let count = piece.wanted.iter().map(Vec::len).product();
            let held: Vec<Arc<Chunk>> = decoded.by_ref().take(count).collect::<Result<_, _>>()?;
            parts.extend(piece.part(&source, &indices, held)?);
        }
        Ok(Frame::new(dtype, region, indices, parts))
    }
}

impl Pending {
    fn part(
        self,
        source: &ScanSource,
        indices: &[Indices],
        held: Vec<Arc<Chunk>>,
    ) -> Result<Option<Part>, SourceError> {
        let piece = &source.pieces[self.read.piece];
        let nodata = piece.nodata.into_iter().chain(self.reader.also_nodata()).collect();
        let chunks = Chunks { unit: self.unit, wanted: self.wanted, held };
        let Some(target) = self.read.warp else {
            return Ok(Part::new(indices, &self.read.layout, nodata, chunks));
        };
        let block = frame::block(self.reader.meta().dtype, &target.array, nodata, chunks);
        warped(source, piece, &target, indices, &block)
    }
}

/// The pixels of a piece on another grid, brought to the cube's.
fn warped(
    source: &ScanSource,
    piece: &Piece,
    target: &Target,
    indices: &[Indices],
    block: &Block,
) -> Result<Option<Part>, SourceError> {
    let n = piece.dims.len();
    let window = [target.array.0[n - 2].clone(), target.array.0[n - 1].clone()];
    let [rows, cols] = [n - 2, n - 1].map(|own| target_range(&piece.dims[own], &target.own));
    let block = piece_warp(source, piece)?.run(block, window, [rows, cols]);
    let dims = piece.dims.iter().map(|dim| match dim {
        ArrayDim::Along { dim, .. } => Ok((*dim, 0)),
        ArrayDim::Fixed(_) => Err(0),
    });
    let layout = Layout { own: target.own.clone(), dims: dims.collect() };
    let (unit, region) = (block.shape.clone(), Region::whole(&block.shape));
    let chunk = Chunk::from_block(region, block).expect("invariant: the region is the block's");
    let chunks = Chunks { wanted: vec![vec![0]; unit.len()], unit, held: vec![Arc::new(chunk)] };
    Ok(Part::new(indices, &layout, Vec::new(), chunks))
}

/// What is read of a piece, if anything.
fn plan(
    source: &ScanSource,
    number: usize,
    indices: &[Indices],
) -> Result<Option<Read>, SourceError> {
    let piece = &source.pieces[number];
    let touches = |(indices, own): (&Indices, &Range<usize>)| indices.positions(own).is_some();
    if !indices.iter().zip(&piece.region.0).all(touches) {
        return Ok(None);
    }
    if piece.grid.is_none() {
        let dims = piece.dims.iter().map(|dim| match dim {
            ArrayDim::Along { dim, offset } => Ok((*dim, *offset)),
            ArrayDim::Fixed(index) => Err(*index),
        });
        let layout = Layout { own: piece.region.clone(), dims: dims.collect() };
        return Ok(Some(Read { piece: number, layout, warp: None }));
    }
    let own = (indices.iter().zip(&piece.region.0)).map(|(indices, own)| indices.hull(own));
    let Some(own) = own.collect::<Option<Vec<_>>>().map(Region) else { return Ok(None) };
    let n = piece.dims.len();
    let [rows, cols] = [n - 2, n - 1].map(|dim| target_range(&piece.dims[dim], &own));
    let [y, x] = piece_warp(source, piece)?.source_region(rows, cols);
    if y.is_empty() || x.is_empty() {
        return Ok(None);
    }
    let mut array: Vec<Range<usize>> = (piece.dims.iter())
        .map(|dim| match dim {
            ArrayDim::Along { dim, offset } => {
                let start = piece.region.0[*dim].start;
                own.0[*dim].start - start + offset..own.0[*dim].end - start + offset
            }
            ArrayDim::Fixed(index) => *index..*index + 1,
        })
        .collect();
    (array[n - 2], array[n - 1]) = (y, x);
    let array = Region(array);
    let dims = array.0.iter().enumerate().map(|(dim, range)| Ok((dim, range.start))).collect();
    let layout = Layout { own: array.clone(), dims };
    Ok(Some(Read { piece: number, layout, warp: Some(Target { array, own }) }))
}

/// Source indices along an array's dimension of the cube.
fn target_range(dim: &ArrayDim, own: &Region) -> Range<usize> {
    match dim {
        ArrayDim::Along { dim, .. } => own.0[*dim].clone(),
        ArrayDim::Fixed(index) => *index..*index + 1,
    }
}

async fn fetch_piece(
    readers: &Readers,
    array: &ArrayRef,
    read: Read,
    indices: &[Indices],
) -> Result<Pending, SourceError> {
    let (number, reader) = readers.numbered(array).await?;
    let grid = super::chunk::grid(reader.meta());
    let wanted = wanted(&reader, &read, indices, &grid.chunk)?;
    let counts = grid.counts();
    let mut units: Vec<Option<Unit>> = Vec::new();
    let (mut keys, mut missing) = (Vec::new(), Vec::new());
    for position in Chunks::positions(&wanted) {
        let flat = position.iter().zip(&counts).fold(0, |flat, (&i, &n)| flat * n + i);
        let key = (number, flat);
        let found = readers.cache().get(key);
        if found.is_none() {
            keys.push(key);
            missing.push(position);
        }
        units.push(found.map(Unit::Decoded));
    }
    let fetched = reader.fetch_chunks(missing.clone()).await?;
    let mut fetched = keys.into_iter().zip(missing).zip(fetched);
    for unit in units.iter_mut().filter(|unit| unit.is_none()) {
        let next = fetched.next();
        *unit = next.map(|((key, position), fetched)| {
            let reader = Arc::clone(&reader);
            Unit::Encoded(Box::new(Encoded { reader, key, position, fetched }))
        });
    }
    let units: Option<Vec<Unit>> = units.into_iter().collect();
    let units = units.ok_or_else(|| SourceError::Invalid {
        href: array.href.clone(),
        format: array.format.name(),
        reason: "not all chunks were fetched".to_owned(),
    })?;
    Ok(Pending { read, reader, unit: grid.chunk, wanted, units })
}

type Decoded = Result<Arc<Chunk>, SourceError>;

/// The chunk, unless another thread is decoding it.
fn try_decode(cache: &Cache, unit: Unit) -> Result<Decoded, Box<Encoded>> {
    match unit {
        Unit::Decoded(chunk) => Ok(Ok(chunk)),
        Unit::Encoded(encoded) => {
            cache.get_or_decode(encoded.key, encoded, |encoded| encoded.decode(cache))
        }
    }
}

fn decode(cache: &Cache, encoded: Encoded) -> Decoded {
    cache.wait_or_decode(encoded.key, || encoded.decode(cache))
}

impl Encoded {
    fn decode(self, cache: &Cache) -> Result<Chunk, SourceError> {
        let decoded = self.reader.decode_chunk(&self.position, self.fetched, cache.buffers());
        decoded.map_err(|error| match error {
            // That the data is another one is nothing of this chunk.
            SourceError::Changed { .. } => error,
            error => SourceError::Chunk {
                source: Box::new(error),
                array: self.reader.meta().name.clone(),
                position: self.position,
            },
        })
    }
}

/// Numbers of the wanted chunks along each dimension of the array.
fn wanted(
    reader: &Arc<dyn ArrayReader>,
    read: &Read,
    indices: &[Indices],
    unit: &[usize],
) -> Result<Vec<Vec<usize>>, SourceError> {
    let shape = &reader.meta().shape;
    let outside = || SourceError::Invalid {
        href: reader.meta().name.clone(),
        format: "array",
        reason: format!("its shape is {shape:?}, which is not that of the plan"),
    };
    if read.layout.dims.len() != shape.len() {
        return Err(outside());
    }
    let of = |(dim, &n): (usize, &usize)| {
        let along = |indices: &Indices, own: &Range<usize>, start: usize| {
            let last = indices.hull(own).map_or(0, |hull| hull.end - own.start + start);
            (last <= n).then(|| indices.chunks(own, start, unit[dim]))
        };
        let found = match (read.layout.dims[dim], &read.warp) {
            (Err(index), _) => (index < n).then(|| vec![index / unit[dim]]),
            (Ok((_, start)), Some(warp)) => {
                along(&Indices::Span(warp.array.0[dim].clone()), &warp.array.0[dim], start)
            }
            (Ok((cube, start)), None) => along(&indices[cube], &read.layout.own.0[cube], start),
        };
        found.ok_or_else(outside)
    };
    shape.iter().enumerate().map(of).collect()
}

/// From the piece's own grid to the cube's, nearest neighbour.
fn piece_warp(source: &ScanSource, piece: &Piece) -> Result<Warp, SourceError> {
    let invalid = |reason: String| SourceError::Invalid {
        href: piece.array.href.clone(),
        format: piece.array.format.name(),
        reason,
    };
    let own = piece.grid.clone().ok_or_else(|| invalid("it has no grid".to_owned()))?;
    let cube = source.schema.grid().map_err(|e| invalid(e.to_string()))?;
    Warp::new(own, cube, Method::Near).map_err(|e| invalid(e.to_string()))
}
