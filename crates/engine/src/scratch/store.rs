//! The bytes of a result that waits: memory or a file, with the same places in both.
//!
//! Values come first, in the byte order of this machine; after them one byte a pixel that is 1 for no-data. What is
//! never written takes no room. Memory is mapped, with large pages where the system has them: the first touch of
//! four kilobytes costs more than copying them. It is cut into parts with a lock each: whoever touches a page first
//! waits for the system, and others would wait with them.

use std::fs::File;
use std::io::Result;
use std::sync::{LockResult, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eolith_cube::{DType, Element, Values, columns};
use memmap2::MmapMut;

use super::space::Spilled;
use crate::budget::Reservation;
use crate::place;

/// Bytes of a part of the memory: one large page.
const PART: usize = 2 << 20;

#[derive(Debug)]
pub(super) enum Store {
    Memory {
        /// All but the last one of [`PART`] bytes.
        parts: Vec<RwLock<MmapMut>>,
        _reservation: Reservation,
    },
    /// Boxes are disjoint and every access names its place, so nothing is locked.
    File(Spilled),
}

/// Access for the time of a box.
pub(super) enum Reader<'a> {
    Memory(Held<'a, RwLockReadGuard<'a, MmapMut>>),
    File(&'a File),
}

pub(super) enum Writer<'a> {
    Memory(Held<'a, RwLockWriteGuard<'a, MmapMut>>),
    File(&'a File),
}

/// The part that was used last, locked, with its number.
pub(super) struct Held<'a, Guard> {
    parts: &'a [RwLock<MmapMut>],
    last: Option<(usize, Guard)>,
}

impl Store {
    /// So many bytes of zeros, of which the first `values` are values.
    pub(super) fn memory(len: usize, values: usize, reservation: Reservation) -> Result<Store> {
        let part = |start: usize| {
            let map = MmapMut::map_anon(PART.min(len - start))?;
            #[cfg(target_os = "linux")]
            if start < values {
                // A system without large pages goes on with small ones.
                let own = (values - start).min(map.len());
                let _ = map.advise_range(memmap2::Advice::HugePage, 0, own);
            }
            Ok(RwLock::new(map))
        };
        let parts: Result<Vec<_>> = (0..len).step_by(PART).map(part).collect();
        Ok(Store::Memory { parts: parts?, _reservation: reservation })
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        match self {
            Store::Memory { parts, .. } => Reader::Memory(Held { parts, last: None }),
            Store::File(Spilled { file, .. }) => Reader::File(file),
        }
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        match self {
            Store::Memory { parts, .. } => Writer::Memory(Held { parts, last: None }),
            Store::File(Spilled { file, .. }) => Writer::File(file),
        }
    }
}

impl Reader<'_> {
    pub(super) fn read(&mut self, mut bytes: &mut [u8], mut at: usize) -> Result<()> {
        match self {
            Reader::Memory(held) => {
                while !bytes.is_empty() {
                    let map = held.lock(at, RwLock::read);
                    let start = at % PART;
                    let (here, rest) = bytes.split_at_mut(bytes.len().min(map.len() - start));
                    here.copy_from_slice(&map[start..start + here.len()]);
                    at += here.len();
                    bytes = rest;
                }
                Ok(())
            }
            Reader::File(file) => place::read(file, bytes, at as u64),
        }
    }
}

impl Writer<'_> {
    pub(super) fn write(&mut self, mut bytes: &[u8], mut at: usize) -> Result<()> {
        match self {
            Writer::Memory(held) => {
                while !bytes.is_empty() {
                    let map = held.lock(at, RwLock::write);
                    let start = at % PART;
                    let (here, rest) = bytes.split_at(bytes.len().min(map.len() - start));
                    map[start..start + here.len()].copy_from_slice(here);
                    at += here.len();
                    bytes = rest;
                }
                Ok(())
            }
            Writer::File(file) => place::write(file, bytes, at as u64),
        }
    }
}

impl<'a, Guard> Held<'a, Guard> {
    /// The part with the byte at `at`. The one before is given up first, so that nobody waits for two.
    fn lock(
        &mut self,
        at: usize,
        lock: fn(&'a RwLock<MmapMut>) -> LockResult<Guard>,
    ) -> &mut Guard {
        let number = at / PART;
        if self.last.as_ref().is_none_or(|(last, _)| *last != number) {
            self.last = None;
            let guard = lock(&self.parts[number]).unwrap_or_else(PoisonError::into_inner);
            self.last = Some((number, guard));
        }
        let (_, guard) = self.last.as_mut().expect("invariant: it was locked above");
        guard
    }
}

/// The values as they lie in memory; booleans are 0 and 1.
pub(super) fn bytes_of(values: &Values) -> &[u8] {
    match values {
        Values::Bool(v) => bytemuck::cast_slice(v),
        Values::U8(v) => v,
        Values::I8(v) => bytemuck::cast_slice(v),
        Values::U16(v) => bytemuck::cast_slice(v),
        Values::I16(v) => bytemuck::cast_slice(v),
        Values::U32(v) => bytemuck::cast_slice(v),
        Values::I32(v) => bytemuck::cast_slice(v),
        Values::U64(v) => bytemuck::cast_slice(v),
        Values::I64(v) => bytemuck::cast_slice(v),
        Values::F32(v) => bytemuck::cast_slice(v),
        Values::F64(v) => bytemuck::cast_slice(v),
    }
}

/// Values whose bytes `fill` brings.
pub(super) fn values_of(
    dtype: DType,
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<Values> {
    macro_rules! typed {
        ($t:ty) => {{
            let mut values: Vec<$t> = columns::take(len);
            fill(bytemuck::cast_slice_mut(&mut values))?;
            <$t as Element>::wrap(values)
        }};
    }
    Ok(match dtype {
        DType::Bool => Values::Bool(flags_of(len, fill)?),
        DType::U8 => typed!(u8),
        DType::I8 => typed!(i8),
        DType::U16 => typed!(u16),
        DType::I16 => typed!(i16),
        DType::U32 => typed!(u32),
        DType::I32 => typed!(i32),
        DType::U64 => typed!(u64),
        DType::I64 => typed!(i64),
        DType::F32 => typed!(f32),
        DType::F64 => typed!(f64),
    })
}

/// Flags whose bytes `fill` brings.
pub(super) fn flags_of(
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<Vec<bool>> {
    let mut bytes: Vec<u8> = columns::take(len);
    fill(&mut bytes)?;
    let mut flags = columns::take(len);
    flags.iter_mut().zip(&bytes).for_each(|(flag, &byte)| *flag = byte != 0);
    columns::give(bytes);
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn memory_is_read_as_it_was_written_across_its_parts() {
        let reservation = Budget::new(1 << 20).try_reserve(1).unwrap();
        let len = 2 * PART + 100;
        let store = Store::memory(len, PART + 7, reservation).unwrap();
        let bytes: Vec<u8> = (0..PART + 90).map(|i| (i % 251 + 1) as u8).collect();
        let at = PART - 20;
        store.writer().write(&bytes, at).unwrap();
        let mut found = vec![9; len];
        store.reader().read(&mut found, 0).unwrap();
        assert!(found[..at].iter().all(|&byte| byte == 0));
        assert_eq!(found[at..at + bytes.len()], bytes);
        assert!(found[at + bytes.len()..].iter().all(|&byte| byte == 0));
        // The last part is short.
        store.writer().write(&[7; 30], len - 30).unwrap();
        store.reader().read(&mut found[..30], len - 30).unwrap();
        assert_eq!(found[..30], [7; 30]);
    }
}
