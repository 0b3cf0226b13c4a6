//! Reading a box of a scan: which parts of which arrays, and how they become one block.
//!
//! Planning the reads is pure, fetching is async, assembling is CPU work; the scheduler runs each where it belongs.

use std::ops::Range;
use std::sync::Arc;

use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Block, Region, Schema};
use eolith_plan::need::{ArrayDim, Piece};
use eolith_plan::op::{Scan, ScanSource};
use futures::stream::{self, StreamExt, TryStreamExt};
use rayon::prelude::*;

use super::open::Readers;
use super::{ArrayReader, Fetched, SourceError};

/// Reads of one task under way at a time.
const CONCURRENT: usize = 8;

/// The fetched bytes of a scan's box.
#[derive(Debug)]
pub struct Fetch {
    schema: Arc<Schema>,
    shape: Vec<usize>,
    source: Arc<ScanSource>,
    parts: Vec<Part>,
    /// Bytes that came from storage.
    pub bytes: u64,
}

/// One box of one array, and where it goes.
#[derive(Clone, Debug)]
struct Read {
    piece: usize,
    /// Box of the array.
    array: Region,
    /// Box of the block, in its own indices.
    place: Region,
    /// Source indices of the cube behind the place's y and x, for a piece on another grid.
    warped: Option<[Range<usize>; 2]>,
}

#[derive(Debug)]
struct Part {
    read: Read,
    reader: Arc<dyn ArrayReader>,
    fetched: Fetched,
}

/// Fetches the bytes behind `region` of a scan with this schema.
pub async fn fetch(
    readers: &Readers,
    scan: &Scan,
    schema: &Arc<Schema>,
    region: &Region,
) -> Result<Fetch, SourceError> {
    let source = scan.source.as_ref().map(Arc::clone).ok_or_else(|| SourceError::Unsupported {
        href: scan.request.collection.clone(),
        what: "a scan without items".to_owned(),
    })?;
    let reads = plan(&source, &scan.source_indices(region))?;
    let parts: Vec<Part> = stream::iter(reads)
        .map(|read| {
            let array = &source.pieces[read.piece].array;
            async move {
                let reader = readers.get(array).await?;
                let fetched = reader.fetch(read.array.clone()).await?;
                Ok::<Part, SourceError>(Part { read, reader, fetched })
            }
        })
        // In order: where pieces overlap, the first one wins.
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    let bytes = parts.iter().map(|part| part.fetched.bytes).sum();
    Ok(Fetch { schema: Arc::clone(schema), shape: region.shape(), source, parts, bytes })
}

impl Fetch {
    /// Decodes and assembles the block. Parts are decoded side by side as long as they have no more pixels than the
    /// block, which is what the task has reserved; they are put into place one after the other, so that the first of
    /// overlapping pieces wins.
    pub fn decode(self) -> Result<Block, SourceError> {
        let mut out = Block::nulls(self.schema.dtype(), self.shape);
        let (source, dtype) = (&self.source, out.dtype());
        let mut parts = self.parts.into_iter().peekable();
        while let Some(first) = parts.next() {
            let mut pixels = first.read.place.len();
            let mut batch = vec![first];
            while let Some(next) = parts.next_if(|part| pixels + part.read.place.len() <= out.len())
            {
                pixels += next.read.place.len();
                batch.push(next);
            }
            let blocks: Result<Vec<(Region, Block)>, SourceError> = (batch.into_par_iter())
                .map(|part| {
                    let place = part.read.place.clone();
                    Ok((place, part.decode(source)?.cast(dtype)))
                })
                .collect();
            for (place, block) in blocks? {
                let start: Vec<usize> = place.0.iter().map(|r| r.start).collect();
                out.fill_missing(&start, &block);
            }
        }
        Ok(out.canonical())
    }
}

impl Part {
    /// The pixels of this part, in the cube's dimensions.
    fn decode(self, source: &ScanSource) -> Result<Block, SourceError> {
        let Part { read, reader, fetched } = self;
        let piece = &source.pieces[read.piece];
        let mut block = reader.decode(&read.array, fetched)?;
        if let Some(nodata) = piece.nodata {
            block.mask_value(nodata);
        }
        if let Some(target) = &read.warped {
            let warp = piece_warp(source, piece)?;
            let n = read.array.0.len();
            let window = [read.array.0[n - 2].clone(), read.array.0[n - 1].clone()];
            block = warp.run(&block, window, target.clone());
        }
        Ok(in_cube_order(block, &piece.dims, &read.place))
    }
}

/// The reads behind source indices, piece by piece.
fn plan(source: &ScanSource, indices: &[Vec<usize>]) -> Result<Vec<Read>, SourceError> {
    let mut reads = Vec::new();
    for (number, piece) in source.pieces.iter().enumerate() {
        // Runs of the wanted indices inside the piece, along each cube dimension: (position in block, first index).
        let runs: Vec<Vec<(Range<usize>, usize)>> =
            indices.iter().zip(&piece.region.0).map(|(wanted, own)| runs(wanted, own)).collect();
        if runs.iter().any(Vec::is_empty) {
            continue;
        }
        for choice in combinations(&runs) {
            let place = Region(choice.iter().map(|(range, _)| range.clone()).collect());
            if let Some(read) = read(source, piece, number, place, &choice)? {
                reads.push(read);
            }
        }
    }
    Ok(reads)
}

fn read(
    source: &ScanSource,
    piece: &Piece,
    number: usize,
    place: Region,
    choice: &[(Range<usize>, usize)],
) -> Result<Option<Read>, SourceError> {
    let mut array: Vec<Range<usize>> = (piece.dims.iter())
        .map(|dim| match dim {
            ArrayDim::Fixed(i) => *i..*i + 1,
            ArrayDim::Along { dim, offset } => {
                let (range, first) = &choice[*dim];
                let start = first - piece.region.0[*dim].start + offset;
                start..start + range.len()
            }
        })
        .collect();
    let mut warped = None;
    if piece.grid.is_some() {
        let n = array.len();
        let target = |dim: &ArrayDim| match dim {
            ArrayDim::Along { dim, .. } => {
                let (range, first) = &choice[*dim];
                *first..first + range.len()
            }
            ArrayDim::Fixed(i) => *i..*i + 1,
        };
        let (rows, cols) = (target(&piece.dims[n - 2]), target(&piece.dims[n - 1]));
        let [y, x] = piece_warp(source, piece)?.source_region(rows.clone(), cols.clone());
        if y.is_empty() || x.is_empty() {
            return Ok(None);
        }
        array[n - 2] = y;
        array[n - 1] = x;
        warped = Some([rows, cols]);
    }
    Ok(Some(Read { piece: number, array: Region(array), place, warped }))
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

/// Dimensions in the cube's order; dimensions the array lacks have length one.
fn in_cube_order(block: Block, dims: &[ArrayDim], place: &Region) -> Block {
    let mut along: Vec<(usize, usize)> = (dims.iter().enumerate())
        .filter_map(|(own, dim)| match dim {
            ArrayDim::Along { dim, .. } => Some((*dim, own)),
            ArrayDim::Fixed(_) => None,
        })
        .collect();
    along.sort_unstable();
    let fixed = (0..dims.len()).filter(|i| matches!(dims[*i], ArrayDim::Fixed(_)));
    let order: Vec<usize> = fixed.chain(along.iter().map(|(_, own)| *own)).collect();
    block.into_permuted(&order).reshape(place.shape())
}

/// Ascending neighbours of `wanted` that lie in `own`: where they stand, and the first of them.
fn runs(wanted: &[usize], own: &Range<usize>) -> Vec<(Range<usize>, usize)> {
    let mut runs: Vec<(Range<usize>, usize)> = Vec::new();
    for (position, &index) in wanted.iter().enumerate() {
        if !own.contains(&index) {
            continue;
        }
        match runs.last_mut() {
            Some((range, first)) if range.end == position && index == *first + range.len() => {
                range.end += 1;
            }
            _ => runs.push((position..position + 1, index)),
        }
    }
    runs
}

/// Every way to take one run along each dimension.
fn combinations(runs: &[Vec<(Range<usize>, usize)>]) -> Vec<Vec<(Range<usize>, usize)>> {
    let mut all = vec![Vec::with_capacity(runs.len())];
    for options in runs {
        all = (all.into_iter())
            .flat_map(|prefix: Vec<(Range<usize>, usize)>| {
                options.iter().map(move |run| {
                    let mut next = prefix.clone();
                    next.push(run.clone());
                    next
                })
            })
            .collect();
    }
    all
}
