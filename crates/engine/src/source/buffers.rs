//! Buffers of decoded chunks, used again.
//!
//! The first touch of fresh memory costs several times what a copy into used memory does. Chunks of one array have
//! one size, so a buffer that was given back fits the next chunk as it is, without being cleared. A thread gets the
//! buffers back that it gave: they are in the cache of its core.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use eolith_cube::{DType, Values, for_values};

use crate::budget::{Budget, Holding};

/// Buffers that nobody uses, up to a number of bytes and as long as the ledger has room for them.
#[derive(Debug)]
pub struct Buffers {
    free: Mutex<Free>,
    most: u64,
}

#[derive(Debug)]
struct Free {
    held: Holding,
    /// By type and length, with the thread that gave them.
    by_size: BTreeMap<(DType, usize), Vec<(ThreadId, Values)>>,
}

impl Buffers {
    /// Keeps at most this many bytes.
    pub fn new(most: u64, budget: &Budget) -> Buffers {
        let free = Free { held: budget.holding(), by_size: BTreeMap::new() };
        Buffers { free: Mutex::new(free), most }
    }

    /// Keeps nothing.
    pub fn none() -> Buffers {
        Buffers::new(0, &Budget::new(0))
    }

    /// A buffer of `len` elements with any content.
    pub fn take(&self, dtype: DType, len: usize) -> Values {
        let mut free = self.lock();
        let own = thread::current().id();
        let found = free.by_size.get_mut(&(dtype, len)).and_then(|buffers| {
            let last = buffers.len().checked_sub(1)?;
            let place = buffers.iter().rposition(|(thread, _)| *thread == own).unwrap_or(last);
            Some(buffers.remove(place).1)
        });
        if let Some(values) = found {
            free.held.shrink(bytes(&values));
            free.held.settle();
            return values;
        }
        drop(free);
        Values::zeros(dtype, len)
    }

    /// Gives a buffer back. Where there is no room, buffers of other sizes go first.
    pub fn put(&self, values: Values) {
        let own = bytes(&values);
        if own == 0 || own > self.most {
            return;
        }
        let key = (values.dtype(), values.len());
        let mut dropped = Vec::new();
        let mut free = self.lock();
        // Those that go leave their room to this one.
        let room = loop {
            if free.held.bytes() + own <= self.most && free.held.grow(own) {
                break true;
            }
            let other = free.by_size.keys().copied().find(|other| *other != key).unwrap_or(key);
            let Some(buffers) = free.by_size.get_mut(&other) else { break false };
            match buffers.pop() {
                Some((_, values)) => {
                    free.held.shrink(bytes(&values));
                    dropped.push(values);
                }
                None => drop(free.by_size.remove(&other)),
            }
        };
        free.held.settle();
        if room {
            free.by_size.entry(key).or_default().push((thread::current().id(), values));
        }
        drop(free);
    }

    /// Frees all of them; gives their bytes.
    pub fn clear(&self) -> u64 {
        let mut free = self.lock();
        let dropped = std::mem::take(&mut free.by_size);
        let bytes = free.held.bytes();
        free.held.shrink(bytes);
        free.held.settle();
        drop(free);
        drop(dropped);
        bytes
    }

    /// Bytes of buffers that nobody uses.
    pub fn bytes(&self) -> u64 {
        self.lock().held.bytes()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory of a buffer, to decode into; `None` for booleans, which not every byte is one of.
pub(crate) fn memory(values: &mut Values) -> Option<&mut [u8]> {
    Some(match values {
        Values::Bool(_) => return None,
        Values::U8(v) => v,
        Values::I8(v) => bytemuck::cast_slice_mut(v),
        Values::U16(v) => bytemuck::cast_slice_mut(v),
        Values::I16(v) => bytemuck::cast_slice_mut(v),
        Values::U32(v) => bytemuck::cast_slice_mut(v),
        Values::I32(v) => bytemuck::cast_slice_mut(v),
        Values::U64(v) => bytemuck::cast_slice_mut(v),
        Values::I64(v) => bytemuck::cast_slice_mut(v),
        Values::F32(v) => bytemuck::cast_slice_mut(v),
        Values::F64(v) => bytemuck::cast_slice_mut(v),
    })
}

fn bytes(values: &Values) -> u64 {
    for_values!(values, v => size_of_val(v.as_slice())) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_are_bounded() {
        let buffers = Buffers::new(100, &Budget::new(1 << 20));
        let mut first = buffers.take(DType::U16, 20);
        first.set(3, eolith_cube::Number::Int(7));
        buffers.put(first.clone());
        assert_eq!(buffers.bytes(), 40);
        assert_eq!(buffers.take(DType::U16, 20), first);
        assert_eq!(buffers.take(DType::U16, 20), Values::zeros(DType::U16, 20));
        for _ in 0..3 {
            buffers.put(Values::zeros(DType::U8, 30));
        }
        assert_eq!(buffers.bytes(), 90);
        // Those of another size give way.
        buffers.put(Values::zeros(DType::U16, 20));
        assert_eq!(buffers.bytes(), 100);
        buffers.put(Values::zeros(DType::U16, 20));
        buffers.put(Values::zeros(DType::U16, 20));
        assert_eq!(buffers.bytes(), 80);
        buffers.put(Values::zeros(DType::U8, 101));
        assert_eq!(buffers.bytes(), 80);
        buffers.clear();
        assert_eq!(buffers.bytes(), 0);
    }

    #[test]
    fn memory_is_that_of_the_values() {
        let mut values = Values::U16(vec![0; 2]);
        memory(&mut values).unwrap().copy_from_slice(&[1, 2, 3, 4].map(u8::from_le));
        let expected = [[1, 2], [3, 4]].map(u16::from_ne_bytes);
        assert_eq!(values, Values::U16(expected.to_vec()));
        assert!(memory(&mut Values::Bool(vec![true])).is_none());
    }
}
