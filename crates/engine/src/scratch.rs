//! Where the pixels of a result wait until its file is written.
//!
//! Tasks finish in any order and bring boxes; sinks read side by side in the order of their format. Small results stay
//! in memory under the ledger, larger ones go to a temporary file of fixed layout: values first, after them one byte a
//! pixel that is 1 for no-data, a hole where nothing is missing. This is not the ledger of a job: it does not survive
//! the process.

pub mod space;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use eolith_cube::{Block, DType, Element, Region, Schema, Values, columns, for_values};
use rayon::prelude::*;

use crate::budget::Reservation;
use crate::checksum::Checksum;
use crate::place::{self, runs};
use crate::sink::{Boxes, ResultView, SinkError};

use space::{Space, SpaceError, Spilled};

/// Pixels of one result, written by box.
#[derive(Debug)]
pub struct Scratch {
    schema: Arc<Schema>,
    shape: Vec<usize>,
    dtype: DType,
    /// Whether any pixel is no-data: else nobody looks.
    masked: AtomicBool,
    held: Held,
}

/// Values and which of them are no-data. What is never missing is never touched, so that it takes no memory.
#[derive(Debug)]
struct Pixels {
    values: Values,
    missing: Vec<bool>,
}

#[derive(Debug)]
enum Held {
    Memory {
        pixels: RwLock<Pixels>,
        _reservation: Reservation,
    },
    /// Boxes are disjoint and every access names its place, so nothing is locked.
    File(Spilled),
}

impl Scratch {
    /// In memory, under a reservation of [`Scratch::bytes`].
    pub fn in_memory(schema: Arc<Schema>, shape: Vec<usize>, reservation: Reservation) -> Scratch {
        let dtype = schema.dtype();
        let len = shape.iter().product();
        let pixels = Pixels { values: Values::zeros(dtype, len), missing: vec![false; len] };
        let held = Held::Memory { pixels: RwLock::new(pixels), _reservation: reservation };
        Scratch { schema, shape, dtype, masked: AtomicBool::new(false), held }
    }

    /// In a file that vanishes with this value.
    ///
    /// # Errors
    /// There is not enough room for all of it, before anything is written.
    pub fn on_disk(
        schema: Arc<Schema>,
        shape: Vec<usize>,
        space: &Space,
    ) -> Result<Scratch, SpaceError> {
        let file = space.file(Self::bytes(&schema, &shape))?;
        let dtype = schema.dtype();
        let masked = AtomicBool::new(false);
        Ok(Scratch { schema, shape, dtype, masked, held: Held::File(file) })
    }

    /// Bytes of a result: values and validity.
    pub fn bytes(schema: &Schema, shape: &[usize]) -> u64 {
        let pixel = schema.dtype().size() as u64 + 1;
        shape.iter().fold(pixel, |bytes, &n| bytes.saturating_mul(n as u64))
    }

    /// Stores the pixels of a box; every pixel once.
    pub fn write(&self, region: &Region, block: &Block) -> std::io::Result<()> {
        if block.validity.is_some() {
            self.masked.store(true, Ordering::Release);
        }
        match &self.held {
            Held::Memory { pixels, .. } => {
                let mut pixels = pixels.write().unwrap_or_else(PoisonError::into_inner);
                let Pixels { values, missing } = &mut *pixels;
                let cast = (block.dtype() != self.dtype).then(|| block.values.cast(self.dtype));
                let from = cast.as_ref().unwrap_or(&block.values);
                for_values!(values, values => {
                    let from = Element::slice(from).expect("invariant: cast to the same type");
                    for (offset, at, run) in runs(&self.shape, region) {
                        values[offset..offset + run].copy_from_slice(&from[at..at + run]);
                    }
                });
                let Some(mask) = &block.validity else { return Ok(()) };
                for (offset, at, run) in runs(&self.shape, region) {
                    let flags = missing[offset..offset + run].iter_mut().zip(&mask[at..at + run]);
                    flags.for_each(|(missing, &ok)| *missing = !ok);
                }
                Ok(())
            }
            Held::File(Spilled { file, .. }) => {
                let size = self.dtype.size();
                let masks = self.len() * size;
                for (offset, at, run) in runs(&self.shape, region) {
                    let values = block.values.le_bytes(at..at + run);
                    place::write(file, &values, (offset * size) as u64)?;
                    if let Some(mask) = &block.validity {
                        let missing: Vec<u8> =
                            mask[at..at + run].iter().map(|&ok| u8::from(!ok)).collect();
                        place::write(file, &missing, (masks + offset) as u64)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The pixels of a box.
    pub fn read_block(&self, region: &Region) -> std::io::Result<Block> {
        let len = region.len();
        let masked = self.masked.load(Ordering::Acquire);
        let mut valid: Option<Vec<bool>> = masked.then(|| columns::take(len));
        let values = match &self.held {
            Held::Memory { pixels, .. } => {
                let pixels = pixels.read().unwrap_or_else(PoisonError::into_inner);
                let Pixels { values, missing } = &*pixels;
                if let Some(valid) = &mut valid {
                    for (offset, at, run) in runs(&self.shape, region) {
                        let flags =
                            valid[at..at + run].iter_mut().zip(&missing[offset..offset + run]);
                        flags.for_each(|(valid, &missing)| *valid = !missing);
                    }
                }
                for_values!(values, values => {
                    let mut out = columns::take(len);
                    for (offset, at, run) in runs(&self.shape, region) {
                        out[at..at + run].copy_from_slice(&values[offset..offset + run]);
                    }
                    Element::wrap(out)
                })
            }
            Held::File(Spilled { file, .. }) => {
                let size = self.dtype.size();
                let masks = self.len() * size;
                let mut bytes = vec![0; len * size];
                let mut missing = Vec::new();
                for (offset, at, run) in runs(&self.shape, region) {
                    let place = (offset * size) as u64;
                    place::read(file, &mut bytes[at * size..(at + run) * size], place)?;
                    if let Some(valid) = &mut valid {
                        missing.resize(run, 0);
                        place::read(file, &mut missing, (masks + offset) as u64)?;
                        let flags = valid[at..at + run].iter_mut().zip(&missing);
                        flags.for_each(|(valid, &missing)| *valid = missing == 0);
                    }
                }
                Values::from_le_bytes(self.dtype, &bytes)
                    .ok_or_else(|| std::io::Error::other("the scratch file is damaged"))?
            }
        };
        Ok(Block { shape: region.shape(), values, validity: valid }.canonical())
    }

    /// Of all pixels; independent of tasks, threads and formats.
    pub fn checksum(&self) -> std::io::Result<u64> {
        let checksum = Checksum::new(self.dtype, self.shape.clone());
        slabs(&self.shape).into_par_iter().try_for_each(|slab| {
            checksum.add(&slab, &self.read_block(&slab)?);
            std::io::Result::Ok(())
        })?;
        Ok(checksum.digest())
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Boxes for Scratch {
    fn put(&self, region: &Region, block: Block) -> std::io::Result<()> {
        let written = self.write(region, &block);
        block.recycle();
        written
    }
}

impl ResultView for Scratch {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, region: &Region) -> Result<Block, SinkError> {
        self.read_block(region).map_err(|e| SinkError::Read(e.to_string()))
    }
}

/// Boxes of at most about a million pixels (never less than a row of the last dimension) that cover the shape in
/// C order.
fn slabs(shape: &[usize]) -> Vec<Region> {
    const PIXELS: usize = 1 << 20;
    let mut slabs = vec![Region::whole(shape)];
    for dim in 0..shape.len() {
        if slabs[0].len() <= PIXELS {
            break;
        }
        let inner: usize = shape[dim + 1..].iter().product();
        let step = (PIXELS / inner.max(1)).max(1);
        slabs = (slabs.into_iter())
            .flat_map(|slab| {
                (0..shape[dim]).step_by(step).map(move |start| {
                    let mut part = slab.clone();
                    part.0[dim] = start..(start + step).min(shape[dim]);
                    part
                })
            })
            .collect();
    }
    slabs.retain(|slab| !slab.is_empty());
    slabs
}

#[cfg(test)]
mod tests {
    use super::*;
    use eolith_cube::{Dimension, Kind, Labels, Variable};

    use crate::budget::Budget;

    fn schema(shape: &[usize]) -> Arc<Schema> {
        let dims = (shape.iter().enumerate())
            .map(|(i, &n)| Dimension::new(format!("d{i}"), Kind::Other, Labels::enumerated(n)))
            .collect();
        Arc::new(Schema::uniform(dims, Variable::new(DType::I16)))
    }

    #[test]
    fn memory_and_disk_give_the_same_pixels_and_checksum() {
        let shape = vec![3, 4, 5];
        let budget = Budget::new(1 << 20);
        let memory =
            Scratch::in_memory(schema(&shape), shape.clone(), budget.try_reserve(1000).unwrap());
        let disk =
            Scratch::on_disk(schema(&shape), shape.clone(), &Space::new(None, None)).unwrap();
        let mut block = Block::new(vec![2, 2, 3], Values::I16((0..12).collect()));
        block.mask_value(eolith_cube::Number::Int(7));
        let region = Region(vec![1..3, 2..4, 0..3]);
        for scratch in [&memory, &disk] {
            scratch.write(&region, &block).unwrap();
            assert_eq!(scratch.read_block(&region).unwrap(), block);
            let whole = scratch.read_block(&Region::whole(&shape)).unwrap();
            assert_eq!(whole.validity.unwrap().iter().filter(|ok| !**ok).count(), 1);
        }
        assert_eq!(memory.checksum().unwrap(), disk.checksum().unwrap());
    }

    #[test]
    fn what_no_disk_holds_is_refused() {
        let space = Space::new(None, None);
        for shape in [vec![1 << 20, 1 << 20, 1 << 10], vec![usize::MAX, usize::MAX, 2]] {
            let error = Scratch::on_disk(schema(&[2, 2, 2]), shape, &space).unwrap_err();
            assert!(matches!(error, SpaceError::Full { .. }), "{error}");
        }
    }

    #[test]
    fn slabs_cover_everything_in_order() {
        let shape = [3, 3000, 1000];
        let slabs = slabs(&shape);
        assert_eq!(slabs.iter().map(Region::len).sum::<usize>(), 9_000_000);
        assert!(slabs.iter().all(|slab| slab.len() <= 1 << 20));
    }
}
