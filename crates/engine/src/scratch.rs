//! Where the pixels of a result wait until its file is written.
//!
//! Tasks finish in any order and bring boxes; sinks read side by side in the order of their format. Small results stay in memory under the ledger, larger ones go to a temporary file of fixed layout,
//! values first, one validity byte a pixel after them. This is not the ledger of a job: it does not survive the
//! process.

pub mod space;

use std::sync::{Arc, PoisonError, RwLock};

use eolith_cube::{Block, DType, Region, Schema, Values};
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
    held: Held,
}

#[derive(Debug)]
enum Held {
    Memory {
        block: RwLock<Block>,
        _reservation: Reservation,
    },
    /// Boxes are disjoint and every access names its place, so nothing is locked.
    File(Spilled),
}

impl Scratch {
    /// In memory, under a reservation of [`Scratch::bytes`].
    pub fn in_memory(schema: Arc<Schema>, shape: Vec<usize>, reservation: Reservation) -> Scratch {
        let dtype = schema.dtype();
        let block = RwLock::new(Block::nulls(dtype, shape.clone()));
        Scratch { schema, shape, dtype, held: Held::Memory { block, _reservation: reservation } }
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
        Ok(Scratch { schema, shape, dtype, held: Held::File(file) })
    }

    /// Bytes of a result: values and validity.
    pub fn bytes(schema: &Schema, shape: &[usize]) -> u64 {
        let pixel = schema.dtype().size() as u64 + 1;
        shape.iter().fold(pixel, |bytes, &n| bytes.saturating_mul(n as u64))
    }

    /// Stores the pixels of a box.
    pub fn write(&self, region: &Region, block: &Block) -> std::io::Result<()> {
        match &self.held {
            Held::Memory { block: whole, .. } => {
                let start: Vec<usize> = region.0.iter().map(|r| r.start).collect();
                whole.write().unwrap_or_else(PoisonError::into_inner).paste(&start, block);
                Ok(())
            }
            Held::File(Spilled { file, .. }) => {
                let size = self.dtype.size();
                let masks = self.len() * size;
                for (offset, from, run) in runs(&self.shape, region) {
                    let values = block.values.le_bytes(from..from + run);
                    place::write(file, &values, (offset * size) as u64)?;
                    let mask = match &block.validity {
                        Some(mask) => mask[from..from + run].iter().map(|&ok| ok.into()).collect(),
                        None => vec![1_u8; run],
                    };
                    place::write(file, &mask, (masks + offset) as u64)?;
                }
                Ok(())
            }
        }
    }

    /// The pixels of a box.
    pub fn read_block(&self, region: &Region) -> std::io::Result<Block> {
        match &self.held {
            Held::Memory { block, .. } => {
                let whole = block.read().unwrap_or_else(PoisonError::into_inner);
                Ok(whole.slice(region).canonical())
            }
            Held::File(Spilled { file, .. }) => {
                let (size, len) = (self.dtype.size(), region.len());
                let masks = self.len() * size;
                let (mut values, mut mask) = (vec![0; len * size], vec![0; len]);
                for (offset, at, run) in runs(&self.shape, region) {
                    let place = (offset * size) as u64;
                    place::read(file, &mut values[at * size..(at + run) * size], place)?;
                    place::read(file, &mut mask[at..at + run], (masks + offset) as u64)?;
                }
                let values = Values::from_le_bytes(self.dtype, &values)
                    .ok_or_else(|| std::io::Error::other("the scratch file is damaged"))?;
                let mask = mask.contains(&0).then(|| mask.iter().map(|&b| b != 0).collect());
                Ok(Block { shape: region.shape(), values, validity: mask }.canonical())
            }
        }
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
            assert!(!scratch.read_block(&Region::whole(&shape)).unwrap().is_valid(0));
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
