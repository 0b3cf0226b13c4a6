//! Where the pixels of a result wait until its file is written.
//!
//! Tasks finish in any order and bring boxes; sinks and the checksum read in logical order. Small results stay in
//! memory under the ledger, larger ones go to a temporary file of fixed layout, values first, one validity byte a
//! pixel after them. This is not the ledger of a job: it does not survive the process.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use eolith_cube::{Block, DType, Region, Schema, Values};
use xxhash_rust::xxh3::Xxh3;

use crate::budget::Reservation;
use crate::sink::{ResultView, SinkError};

/// Pixels of one result, written by box.
#[derive(Debug)]
pub struct Scratch {
    schema: Arc<Schema>,
    shape: Vec<usize>,
    dtype: DType,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    Memory { block: Block, _reservation: Reservation },
    File(File),
}

impl Scratch {
    /// In memory, under a reservation of [`Scratch::bytes`].
    pub fn in_memory(schema: Arc<Schema>, shape: Vec<usize>, reservation: Reservation) -> Scratch {
        let dtype = schema.dtype();
        let block = Block::nulls(dtype, shape.clone());
        Scratch {
            schema,
            shape,
            dtype,
            held: Mutex::new(Held::Memory { block, _reservation: reservation }),
        }
    }

    /// In a file of `folder` (or the system's temporary folder) that vanishes with this value.
    ///
    /// # Errors
    /// [`ErrorKind::StorageFull`] where the folder has less room than the result needs, before anything is written.
    pub fn on_disk(
        schema: Arc<Schema>,
        shape: Vec<usize>,
        folder: Option<&Path>,
    ) -> std::io::Result<Scratch> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        let needed = Self::bytes(&schema, &shape);
        let free = free(&file)?;
        if needed > free {
            let text = format!("it needs {needed} bytes of scratch space, {free} are free");
            return Err(std::io::Error::new(ErrorKind::StorageFull, text));
        }
        file.set_len(needed)?;
        let dtype = schema.dtype();
        Ok(Scratch { schema, shape, dtype, held: Mutex::new(Held::File(file)) })
    }

    /// Bytes of a result: values and validity.
    pub fn bytes(schema: &Schema, shape: &[usize]) -> u64 {
        let pixel = schema.dtype().size() as u64 + 1;
        shape.iter().fold(pixel, |bytes, &n| bytes.saturating_mul(n as u64))
    }

    /// Stores the pixels of a box.
    pub fn write(&self, region: &Region, block: &Block) -> std::io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Held::Memory { block: whole, .. } => {
                let start: Vec<usize> = region.0.iter().map(|r| r.start).collect();
                whole.paste(&start, block);
                Ok(())
            }
            Held::File(file) => {
                let size = self.dtype.size();
                let masks = self.len() * size;
                for (offset, from, run) in runs(&self.shape, region) {
                    file.seek(SeekFrom::Start((offset * size) as u64))?;
                    file.write_all(&block.values.le_bytes(from..from + run))?;
                    let mask: Vec<u8> =
                        (from..from + run).map(|i| u8::from(block.is_valid(i))).collect();
                    file.seek(SeekFrom::Start((masks + offset) as u64))?;
                    file.write_all(&mask)?;
                }
                Ok(())
            }
        }
    }

    /// The pixels of a box.
    pub fn read_block(&self, region: &Region) -> std::io::Result<Block> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Held::Memory { block, .. } => Ok(block.slice(region).canonical()),
            Held::File(file) => {
                let size = self.dtype.size();
                let masks = self.len() * size;
                let (mut values, mut mask) = (Vec::new(), Vec::new());
                for (offset, _, run) in runs(&self.shape, region) {
                    let mut buffer = vec![0; run * size];
                    file.seek(SeekFrom::Start((offset * size) as u64))?;
                    file.read_exact(&mut buffer)?;
                    values.extend_from_slice(&buffer);
                    let mut buffer = vec![0; run];
                    file.seek(SeekFrom::Start((masks + offset) as u64))?;
                    file.read_exact(&mut buffer)?;
                    mask.extend(buffer.iter().map(|&b| b != 0));
                }
                let values = Values::from_le_bytes(self.dtype, &values)
                    .ok_or_else(|| std::io::Error::other("the scratch file is damaged"))?;
                Ok(Block { shape: region.shape(), values, validity: Some(mask) }.canonical())
            }
        }
    }

    /// The xxh3-64 of the values in logical order: little-endian values with no-data as zero, then one validity byte
    /// a pixel, slab by slab along the first dimension. Independent of tasks, threads and formats.
    pub fn checksum(&self) -> std::io::Result<u64> {
        let mut hash = Xxh3::new();
        hash.update(self.dtype.name().as_bytes());
        for n in &self.shape {
            hash.update(&(*n as u64).to_le_bytes());
        }
        for slab in slabs(&self.shape) {
            let block = self.read_block(&slab)?;
            hash.update(&block.values.le_bytes(0..block.len()));
            let mask: Vec<u8> = (0..block.len()).map(|i| u8::from(block.is_valid(i))).collect();
            hash.update(&mask);
        }
        Ok(hash.digest())
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
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

/// Boxes of at most about four million pixels (never less than a row of the last dimension) that cover the shape in
/// C order.
fn slabs(shape: &[usize]) -> Vec<Region> {
    const PIXELS: usize = 4 << 20;
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

/// Contiguous runs of a box: offset in the whole, offset in the box, length.
fn runs(shape: &[usize], region: &Region) -> Vec<(usize, usize, usize)> {
    if region.is_empty() {
        return Vec::new();
    }
    let Some(last) = region.0.last() else { return vec![(0, 0, 1)] };
    let run = last.len();
    let mut offsets = vec![0];
    for (range, n) in region.0.iter().zip(shape).take(shape.len() - 1) {
        offsets = (offsets.into_iter())
            .flat_map(|base| range.clone().map(move |i| base * n + i))
            .collect();
    }
    let width = shape[shape.len() - 1];
    (offsets.iter().enumerate()).map(|(i, row)| (row * width + last.start, i * run, run)).collect()
}

/// Bytes that may still be written to the file system of `file`.
#[cfg(unix)]
fn free(file: &File) -> std::io::Result<u64> {
    let system = rustix::fs::fstatvfs(file)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Unknown here: writing tells.
#[cfg(not(unix))]
fn free(_: &File) -> std::io::Result<u64> {
    Ok(u64::MAX)
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
        let disk = Scratch::on_disk(schema(&shape), shape.clone(), None).unwrap();
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
        for shape in [vec![1 << 20, 1 << 20, 1 << 10], vec![usize::MAX, usize::MAX, 2]] {
            let error = Scratch::on_disk(schema(&[2, 2, 2]), shape, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    #[test]
    fn slabs_cover_everything_in_order() {
        let shape = [3, 3000, 1000];
        let slabs = slabs(&shape);
        assert_eq!(slabs.iter().map(Region::len).sum::<usize>(), 9_000_000);
        assert!(slabs.iter().all(|slab| slab.len() <= 4 << 20));
    }
}
