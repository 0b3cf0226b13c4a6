//! Where the pixels of a result wait until its file is written.
//!
//! Tasks finish in any order and bring boxes; sinks read side by side in the order of their format. Small results stay
//! in memory under the ledger, larger ones go to a temporary file; [`store`] says what lies where in both. Neither
//! survives the process; the file of a run that can be taken up again does, and [`crate::ledger`] says what is in it.

mod bricks;
pub mod space;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eolith_cube::{Block, ChunkGrid, DType, Region, Schema, Values, columns};
use rayon::prelude::*;

use crate::budget::Reservation;
use crate::checksum::Checksum;
use crate::ledger::{Ledger, Tasks};
use crate::meter;
use crate::sink::{Boxes, ResultView, SinkError};

use bricks::{Bricks, Piece};
use space::{Space, SpaceError};
use store::{Reader, Store, bytes_of, flags_of, values_of};

/// Pixels of one result, written by box.
#[derive(Debug)]
pub struct Scratch {
    schema: Arc<Schema>,
    dtype: DType,
    bricks: Bricks,
    /// Whether any pixel is no-data: else nobody looks.
    masked: AtomicBool,
    store: Store,
    /// Of what was written, where it is made on the way.
    checksum: Option<Checksum>,
    remark: Option<String>,
    /// Those whose pixels outlive the process.
    tasks: Option<Tasks>,
}

/// In which order pixels lie in a file.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The boxes that tasks make.
    pub tasks: &'a ChunkGrid,
    /// The box in which they will be read, if that is known: it decides.
    pub read: Option<Vec<usize>>,
    /// The box in which a task hands them over.
    pub brought: Vec<usize>,
}

impl Layout<'_> {
    fn bricks(self) -> Bricks {
        match self.read {
            Some(brick) => Bricks::new(&self.tasks.shape, brick),
            None => Bricks::brought(self.tasks, self.brought),
        }
    }
}

impl Scratch {
    /// In memory, under a reservation of [`Scratch::bytes`].
    ///
    /// # Errors
    /// The system does not give so much.
    pub fn in_memory(
        schema: Arc<Schema>,
        shape: &[usize],
        reservation: Reservation,
    ) -> std::io::Result<Scratch> {
        let dtype = schema.dtype();
        let len: usize = shape.iter().product();
        let store = Store::memory(len * (dtype.size() + 1), len * dtype.size(), reservation)?;
        Ok(Scratch::new(schema, Bricks::whole(shape), store))
    }

    /// In a file that vanishes with this value.
    ///
    /// # Errors
    /// There is not enough room for all of it, before anything is written.
    pub fn on_disk(
        schema: Arc<Schema>,
        layout: Layout<'_>,
        space: &Space,
    ) -> Result<Scratch, SpaceError> {
        let store = Store::File(space.file(Self::bytes(&schema, &layout.tasks.shape))?);
        Ok(Scratch::new(schema, layout.bricks(), store))
    }

    /// In the file of a part of a run that can be taken up again, with what earlier attempts wrote to it.
    ///
    /// # Errors
    /// There is not enough room for all of it, before anything is written.
    pub fn kept(
        schema: Arc<Schema>,
        layout: Layout<'_>,
        space: &Space,
        (ledger, part): (&Ledger, usize),
    ) -> Result<Scratch, SpaceError> {
        let bytes = Self::bytes(&schema, &layout.tasks.shape);
        let spilled = space.kept(&ledger.pixels(part), bytes)?;
        let tasks = ledger.tasks(part, &spilled.file)?;
        let made = Scratch::new(schema, layout.bricks(), Store::File(spilled));
        // Whether there is no-data is not known without looking.
        made.masked.store(tasks.resumed(), Ordering::Release);
        Ok(Scratch { tasks: Some(tasks), ..made })
    }

    fn new(schema: Arc<Schema>, bricks: Bricks, store: Store) -> Scratch {
        let dtype = schema.dtype();
        let masked = AtomicBool::new(false);
        Scratch { schema, dtype, bricks, masked, store, checksum: None, remark: None, tasks: None }
    }

    /// One whose checksum will be asked for: a file is not read once more for it, unless pixels are in it already.
    #[must_use]
    pub fn checked(mut self) -> Scratch {
        let resumed = self.tasks.as_ref().is_some_and(Tasks::resumed);
        if let (Store::File(_), false) = (&self.store, resumed) {
            self.checksum = Some(Checksum::new(self.dtype, self.bricks.shape().to_vec()));
        }
        self
    }

    /// With something to be said of the pixels where they are written.
    #[must_use]
    pub fn with_remark(self, remark: Option<String>) -> Scratch {
        Scratch { remark, ..self }
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
        let cast;
        let block = if block.dtype() == self.dtype {
            block
        } else {
            let values = block.values.cast(self.dtype);
            cast = Block { shape: block.shape.clone(), values, validity: block.validity.clone() };
            &cast
        };
        if let Some(checksum) = &self.checksum {
            checksum.add(region, block);
        }
        for Piece { region: own, runs } in self.bricks.pieces(region) {
            let part;
            let part = if own == *region {
                block
            } else {
                part = block.slice(&own.relative_to(region));
                &part
            };
            let (values, size, masks) = (bytes_of(&part.values), self.dtype.size(), self.masks());
            let mut missing: Option<Vec<u8>> = part.validity.as_ref().map(|mask| {
                let mut missing = columns::take(mask.len());
                missing.iter_mut().zip(mask).for_each(|(no, &valid)| *no = u8::from(!valid));
                missing
            });
            if missing.is_none() && self.tasks.as_ref().is_some_and(Tasks::again) {
                // After the machine stopped, what was being written may be anything.
                missing = Some(vec![0; part.len()]);
            }
            let mut writer = self.store.writer();
            for (offset, at, run) in runs {
                writer.write(&values[at * size..(at + run) * size], offset * size)?;
                if let Some(missing) = &missing {
                    writer.write(&missing[at..at + run], masks + offset)?;
                }
            }
            drop(writer);
            missing.into_iter().for_each(columns::give);
        }
        Ok(())
    }

    /// The pixels of a box.
    pub fn read_block(&self, region: &Region) -> std::io::Result<Block> {
        let mut pieces = self.bricks.pieces(region).peekable();
        let masked = self.masked.load(Ordering::Acquire);
        let Some(first) = pieces.next() else {
            return Ok(Block::nulls(self.dtype, region.shape()));
        };
        if first.region == *region {
            return Ok(self.piece(&first, masked)?.canonical());
        }
        let mut whole = Block::new(region.shape(), Values::zeros(self.dtype, region.len()));
        for piece in std::iter::once(first).chain(pieces) {
            let start: Vec<usize> =
                piece.region.relative_to(region).0.iter().map(|range| range.start).collect();
            let part = self.piece(&piece, masked)?;
            whole.paste(&start, &part);
            part.recycle();
        }
        Ok(whole.canonical())
    }

    /// Of all pixels; independent of tasks, threads and formats.
    pub fn checksum(&self) -> std::io::Result<u64> {
        if let Some(checksum) = &self.checksum {
            return Ok(checksum.digest());
        }
        let shape = self.bricks.shape();
        let checksum = Checksum::new(self.dtype, shape.to_vec());
        let meter = meter::current();
        slabs(shape).into_par_iter().try_for_each(|slab| {
            let _running = meter::enter(meter.as_ref());
            checksum.add(&slab, &self.read_block(&slab)?);
            std::io::Result::Ok(())
        })?;
        Ok(checksum.digest())
    }

    /// The pixels of a box inside one brick.
    fn piece(&self, piece: &Piece, masked: bool) -> std::io::Result<Block> {
        let (len, size, masks) = (piece.region.len(), self.dtype.size(), self.masks());
        let mut reader = self.store.reader();
        let values =
            values_of(self.dtype, len, |bytes| read(&mut reader, &piece.runs, size, 0, bytes))?;
        let validity = if masked {
            let mut flags = flags_of(len, |bytes| read(&mut reader, &piece.runs, 1, masks, bytes))?;
            for flag in &mut flags {
                *flag = !*flag;
            }
            Some(flags)
        } else {
            None
        };
        Ok(Block { shape: piece.region.shape(), values, validity })
    }

    /// Where the bytes of validity begin.
    fn masks(&self) -> usize {
        self.bricks.shape().iter().product::<usize>() * self.dtype.size()
    }
}

/// Reads runs of pixels of `size` bytes each.
fn read(
    reader: &mut Reader<'_>,
    runs: &[(usize, usize, usize)],
    size: usize,
    base: usize,
    bytes: &mut [u8],
) -> std::io::Result<()> {
    runs.iter().try_for_each(|&(offset, at, run)| {
        reader.read(&mut bytes[at * size..(at + run) * size], base + offset * size)
    })
}

impl Boxes for Scratch {
    fn put(&self, region: &Region, block: Block) -> std::io::Result<()> {
        let written = self.write(region, &block);
        block.recycle();
        written
    }

    fn has(&self, task: usize) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| tasks.is_done(task))
    }

    fn begin(&self, task: usize) -> std::io::Result<()> {
        self.tasks.as_ref().map_or(Ok(()), |tasks| tasks.begin(task))
    }

    fn end(&self, task: usize) -> std::io::Result<()> {
        self.tasks.as_ref().map_or(Ok(()), |tasks| tasks.end(task))
    }
}

impl ResultView for Scratch {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
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
            Scratch::in_memory(schema(&shape), &shape, budget.try_reserve(1000).unwrap()).unwrap();
        let space = Space::new(None, None);
        let tasks = ChunkGrid::new(shape.clone(), vec![2, 4, 3]);
        let disk = |read, brought| {
            let layout = Layout { tasks: &tasks, read, brought };
            Scratch::on_disk(schema(&shape), layout, &space).unwrap().checked()
        };
        let (bricks, brought) =
            (disk(Some(vec![1, 3, 2]), shape.clone()), disk(None, vec![2, 2, 3]));
        let disk = disk(None, shape.clone());
        let mut block = Block::new(vec![2, 2, 3], Values::I16((0..12).collect()));
        block.mask_value(eolith_cube::Number::Int(7));
        let region = Region(vec![1..3, 2..4, 0..3]);
        for scratch in [&memory, &disk, &bricks, &brought] {
            scratch.write(&region, &block).unwrap();
            assert_eq!(scratch.read_block(&region).unwrap(), block);
            let whole = scratch.read_block(&Region::whole(&shape)).unwrap();
            assert_eq!(whole.validity.unwrap().iter().filter(|ok| !**ok).count(), 1);
        }
        // Every pixel once: what is left of the cube.
        let rest = Block::new(vec![1, 4, 5], Values::I16((0..20).collect()));
        let sum = |scratch: &Scratch| {
            scratch.write(&Region(vec![0..1, 0..4, 0..5]), &rest).unwrap();
            for y in 0..2 {
                for z in 1..3 {
                    let zeros = Block::new(vec![1, 1, 5], Values::zeros(DType::I16, 5));
                    scratch.write(&Region(vec![z..z + 1, y..y + 1, 0..5]), &zeros).unwrap();
                    let ends = Block::new(vec![1, 1, 2], Values::I16(vec![5, 6]));
                    scratch.write(&Region(vec![z..z + 1, y + 2..y + 3, 3..5]), &ends).unwrap();
                }
            }
            scratch.checksum().unwrap()
        };
        assert_eq!(sum(&memory), sum(&disk));
        assert_eq!(memory.checksum().unwrap(), sum(&bricks));
        assert_eq!(memory.checksum().unwrap(), sum(&brought));
    }

    #[test]
    fn what_no_disk_holds_is_refused() {
        let space = Space::new(None, None);
        for shape in [vec![1 << 20, 1 << 20, 1 << 10], vec![usize::MAX, usize::MAX, 2]] {
            let tasks = ChunkGrid::new(shape.clone(), shape.clone());
            let layout = Layout { tasks: &tasks, read: None, brought: shape.clone() };
            let error = Scratch::on_disk(schema(&[2, 2, 2]), layout, &space).unwrap_err();
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
