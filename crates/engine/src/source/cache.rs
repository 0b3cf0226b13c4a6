//! Decoded chunks for whoever wants them next.
//!
//! Chunks that were used last are kept up to a number of bytes, as long as the ledger has room for them; chunks that
//! some frame still holds are found without being kept. A chunk that one thread decodes is not decoded by another one: it waits. What is waited for is plain
//! CPU work that needs no other thread, so that waiting on a thread of the pool cannot block it for good.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::SourceError;
use super::buffers::Buffers;
use super::chunk::Chunk;
use crate::budget::{Budget, Holding};

/// What an entry costs beside its pixels, roughly.
const OVERHEAD: u64 = 256;

/// An opened array and the number of a chunk in C order. A file that changed is opened anew and has another number.
pub(super) type Key = (u64, usize);

/// Chunks by array and position.
#[derive(Debug)]
pub struct Cache {
    state: Mutex<State>,
    decoded: Condvar,
    buffers: Arc<Buffers>,
    found: AtomicU64,
    made: AtomicU64,
}

#[derive(Debug)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Keys of the chunks that are kept, by their last use.
    order: BTreeMap<u64, Key>,
    clock: u64,
    /// Bytes of the chunks that are kept.
    held: Holding,
    capacity: u64,
    decoding: HashSet<Key>,
    /// Entries at which those of dropped chunks are looked for.
    sweep: usize,
}

#[derive(Debug)]
struct Entry {
    chunk: Weak<Chunk>,
    /// The chunk and its last use, while it is kept.
    kept: Option<(Arc<Chunk>, u64)>,
}

/// Bytes of decoded chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Found decoded.
    pub found: u64,
    /// Decoded.
    pub decoded: u64,
    /// Kept now.
    pub kept: u64,
}

/// Whether the calling thread has to decode a chunk.
enum Turn<'a> {
    Found(Arc<Chunk>),
    Mine(Decoding<'a>),
    Others,
}

/// The right to decode a chunk; others wait until it is dropped.
struct Decoding<'a> {
    cache: &'a Cache,
    key: Key,
}

impl Cache {
    /// Keeps chunks up to `capacity` bytes, and free buffers up to a quarter of `budget`, both only while that has room.
    /// Buffers may be many: those that the step before gave back are what the next one needs.
    pub fn new(capacity: u64, budget: &Budget) -> Cache {
        let state = State {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            held: budget.holding(),
            capacity,
            decoding: HashSet::new(),
            sweep: 0,
        };
        Cache {
            state: Mutex::new(state),
            decoded: Condvar::new(),
            buffers: Arc::new(Buffers::new(budget.total() / 4, budget)),
            found: AtomicU64::new(0),
            made: AtomicU64::new(0),
        }
    }

    /// Where chunks that are decoded for this cache take their memory from.
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    pub fn stats(&self) -> CacheStats {
        let kept = self.lock().held.bytes();
        CacheStats {
            found: self.found.load(Ordering::Relaxed),
            decoded: self.made.load(Ordering::Relaxed),
            kept,
        }
    }

    /// Gives back at least this many bytes, or all: free buffers first, then the chunks that were not used for longest.
    pub fn release(&self, bytes: u64) {
        let freed = self.buffers.clear();
        let mut state = self.lock();
        let keep = state.held.bytes().saturating_sub(bytes.saturating_sub(freed));
        let dropped = state.evict(keep);
        state.held.settle();
        drop(state);
        drop(dropped);
    }

    /// The chunk, if it is there.
    pub(super) fn get(&self, key: Key) -> Option<Arc<Chunk>> {
        let found = self.lock().find(key)?;
        self.found.fetch_add(found.bytes(), Ordering::Relaxed);
        Some(found)
    }

    /// The chunk if it is there, else what `decode` gives; `Err` hands `input` back where another thread decodes it.
    pub(super) fn get_or_decode<T>(
        &self,
        key: Key,
        input: T,
        decode: impl FnOnce(T) -> Result<Chunk, SourceError>,
    ) -> Result<Result<Arc<Chunk>, SourceError>, T> {
        match self.turn(key, false) {
            Turn::Found(chunk) => Ok(Ok(chunk)),
            Turn::Mine(turn) => Ok(self.decode(turn, || decode(input))),
            Turn::Others => Err(input),
        }
    }

    /// As [`Cache::get_or_decode`], but waits for the other thread.
    pub(super) fn wait_or_decode(
        &self,
        key: Key,
        decode: impl FnOnce() -> Result<Chunk, SourceError>,
    ) -> Result<Arc<Chunk>, SourceError> {
        match self.turn(key, true) {
            Turn::Found(chunk) => Ok(chunk),
            Turn::Mine(turn) => self.decode(turn, decode),
            Turn::Others => unreachable!("invariant: who waits has its turn in the end"),
        }
    }

    fn turn(&self, key: Key, wait: bool) -> Turn<'_> {
        let mut state = self.lock();
        loop {
            if let Some(found) = state.find(key) {
                self.found.fetch_add(found.bytes(), Ordering::Relaxed);
                return Turn::Found(found);
            }
            if state.decoding.insert(key) {
                return Turn::Mine(Decoding { cache: self, key });
            }
            if !wait {
                return Turn::Others;
            }
            state = self.decoded.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn decode(
        &self,
        turn: Decoding<'_>,
        decode: impl FnOnce() -> Result<Chunk, SourceError>,
    ) -> Result<Arc<Chunk>, SourceError> {
        let chunk = Arc::new(decode()?);
        self.made.fetch_add(chunk.bytes(), Ordering::Relaxed);
        let dropped = self.lock().insert(turn.key, &chunk);
        drop(turn);
        drop(dropped);
        Ok(chunk)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Decoding<'_> {
    fn drop(&mut self) {
        self.cache.lock().decoding.remove(&self.key);
        self.cache.decoded.notify_all();
    }
}

impl State {
    fn find(&mut self, key: Key) -> Option<Arc<Chunk>> {
        let entry = self.entries.get_mut(&key)?;
        let Some((chunk, used)) = &mut entry.kept else { return entry.chunk.upgrade() };
        self.order.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.order.insert(self.clock, key);
        Some(Arc::clone(chunk))
    }

    /// Gives what had to go, to be dropped without the lock.
    fn insert(&mut self, key: Key, chunk: &Arc<Chunk>) -> Vec<Arc<Chunk>> {
        let bytes = chunk.bytes() + OVERHEAD;
        let mut dropped = Vec::new();
        let mut kept = None;
        if bytes <= self.capacity {
            dropped = self.evict(self.capacity - bytes);
            let mut room = self.held.grow(bytes);
            while !room && !self.order.is_empty() {
                dropped.extend(self.evict(self.held.bytes() - 1));
                room = self.held.grow(bytes);
            }
            if room {
                self.clock += 1;
                self.order.insert(self.clock, key);
                kept = Some((Arc::clone(chunk), self.clock));
            }
        }
        let before = self.entries.insert(key, Entry { chunk: Arc::downgrade(chunk), kept });
        if let Some((chunk, used)) = before.and_then(|entry| entry.kept) {
            self.order.remove(&used);
            self.held.shrink(chunk.bytes() + OVERHEAD);
            dropped.push(chunk);
        }
        self.held.settle();
        if self.entries.len() > self.sweep {
            self.entries.retain(|_, entry| entry.kept.is_some() || entry.chunk.strong_count() > 0);
            self.sweep = 2 * self.entries.len() + 1024;
        }
        dropped
    }

    /// Drops what was not used for longest until at most `bytes` are kept.
    fn evict(&mut self, bytes: u64) -> Vec<Arc<Chunk>> {
        let mut dropped = Vec::new();
        while self.held.bytes() > bytes {
            let Some((_, key)) = self.order.pop_first() else { break };
            let entry = self.entries.get_mut(&key).and_then(|entry| entry.kept.take());
            if let Some((chunk, _)) = entry {
                self.held.shrink(chunk.bytes() + OVERHEAD);
                dropped.push(chunk);
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use eolith_cube::{Block, Region, Values};

    use super::*;

    fn chunk(value: u8) -> Chunk {
        let block = Block::new(vec![1000], Values::U8(vec![value; 1000]));
        Chunk::from_block(Region::whole(&[1000]), block).unwrap()
    }

    fn cache(capacity: u64) -> Cache {
        Cache::new(capacity, &Budget::new(1 << 30))
    }

    fn value(chunk: &Chunk) -> u8 {
        let Values::U8(values) = &chunk.values else { panic!("another type") };
        values[0]
    }

    #[test]
    fn the_chunks_used_last_are_kept() {
        let cache = cache(2 * (1000 + OVERHEAD));
        let get = |n: u8| value(&cache.wait_or_decode((0, n.into()), || Ok(chunk(n))).unwrap());
        assert_eq!((get(1), get(2), get(1), get(3)), (1, 2, 1, 3));
        assert!(cache.get((0, 2)).is_none());
        assert!(cache.get((0, 1)).is_some() && cache.get((0, 3)).is_some());
        let stats = CacheStats { found: 3000, decoded: 3000, kept: 2 * (1000 + OVERHEAD) };
        assert_eq!(cache.stats(), stats);
        cache.release(1);
        assert_eq!(cache.stats().kept, 1000 + OVERHEAD);
        assert!(cache.get((0, 1)).is_none() && cache.get((0, 3)).is_some());
        cache.release(u64::MAX);
        assert_eq!(cache.stats().kept, 0);
        assert_eq!(get(1), 1);
    }

    #[tokio::test]
    async fn the_ledger_bounds_what_is_kept_and_tasks_come_first() {
        let budget = Budget::new(1 << 20);
        let cache = Cache::new(1 << 20, &budget);
        let large = || {
            let block = Block::new(vec![300 << 10], Values::U8(vec![1; 300 << 10]));
            Ok(Chunk::from_block(Region::whole(&[300 << 10]), block).unwrap())
        };
        for n in 0..5 {
            cache.wait_or_decode((0, n), large).unwrap();
        }
        assert_eq!(cache.stats().kept, 3 * ((300 << 10) + OVERHEAD));
        let _task = budget.reserve(900 << 10, |bytes| cache.release(bytes)).await.unwrap();
        assert_eq!(cache.stats().kept, 0);
        // What the task leaves is not enough for another one.
        let held = cache.wait_or_decode((0, 9), large).unwrap();
        assert_eq!(cache.stats().kept, 0);
        assert!(cache.get((0, 9)).is_some());
        drop(held);
        assert!(cache.get((0, 9)).is_none());
    }

    #[test]
    fn chunks_in_use_are_found_without_being_kept() {
        let cache = cache(0);
        let held = cache.wait_or_decode((0, 0), || Ok(chunk(5))).unwrap();
        assert_eq!(cache.get((0, 0)).as_deref().map(value), Some(5));
        drop(held);
        assert!(cache.get((0, 0)).is_none());
        assert!(cache.get((1, 0)).is_none());
        for n in 0..5000 {
            cache.wait_or_decode((2, n), || Ok(chunk(0))).unwrap();
        }
        assert!(cache.lock().entries.len() < 3000, "entries of dropped chunks stay");
    }

    #[test]
    fn one_thread_decodes_and_the_others_wait() {
        let cache = cache(1 << 20);
        let decoded = AtomicUsize::new(0);
        let results: Vec<u8> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let decode = || {
                            decoded.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(std::time::Duration::from_millis(30));
                            Ok(chunk(9))
                        };
                        value(&cache.wait_or_decode((0, 7), decode).unwrap())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((results, decoded.into_inner()), (vec![9; 8], 1));
    }

    #[test]
    fn a_failure_leaves_the_turn_to_the_next() {
        let cache = cache(1 << 20);
        let fails = cache.wait_or_decode((0, 0), || {
            let other = cache.get_or_decode((0, 0), 3, |_| Ok(chunk(0)));
            assert!(matches!(other, Err(3)), "another thread would have to wait");
            Err(SourceError::Changed { href: "x".to_owned() })
        });
        assert!(fails.is_err());
        let panics = std::panic::catch_unwind(|| cache.wait_or_decode((0, 0), || panic!("broken")));
        assert!(panics.is_err());
        assert_eq!(value(&cache.wait_or_decode((0, 0), || Ok(chunk(4))).unwrap()), 4);
    }
}
