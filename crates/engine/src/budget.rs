//! One ledger for memory.
//!
//! Everything large a run holds is reserved here first: the working set of its tasks and the result while it is
//! kept in memory. A reservation waits until there is room; one that can never fit is refused with both figures.
//! Caches hold what is free ([`Holding`]) and give it back before a reservation waits for anything else.

use std::pin::pin;
use std::sync::Arc;

use futures::future::poll_immediate;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes a permit stands for; semaphores count in 32 bits.
const UNIT: u64 = 64 << 10;

/// Memory that may be held at a time.
#[derive(Clone, Debug)]
pub struct Budget {
    total: u64,
    permits: Arc<Semaphore>,
}

/// Memory that is held until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    _permit: OwnedSemaphorePermit,
}

/// Memory that a cache holds: as much as is free, for as long as nobody needs it.
#[derive(Debug)]
pub struct Holding {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: u64,
}

impl Budget {
    pub fn new(total: u64) -> Budget {
        let units = (total / UNIT).clamp(1, Semaphore::MAX_PERMITS as u64 / 2);
        Budget { total, permits: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Bytes in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that nobody holds now, in whole units.
    pub fn free(&self) -> u64 {
        self.permits.available_permits() as u64 * UNIT
    }

    /// Waits for room; `None` if there never will be. Where there is not enough at once, `release` is called with what
    /// caches should give back.
    pub async fn reserve(&self, bytes: u64, release: impl FnOnce(u64)) -> Option<Reservation> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|_| bytes <= self.total)?;
        let units = units.min(u32::try_from(self.total / UNIT).unwrap_or(u32::MAX)).max(1);
        let mut permit = pin!(Arc::clone(&self.permits).acquire_many_owned(units));
        // Who waits stands in the queue before the caches give back, so that they cannot take it again.
        let permit = if let Some(permit) = poll_immediate(&mut permit).await {
            permit
        } else {
            release(u64::from(units) * UNIT);
            permit.await
        };
        Some(Reservation { _permit: permit.ok()? })
    }

    /// Room that is there now.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|_| bytes <= self.total)?;
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(units.max(1)).ok()?;
        Some(Reservation { _permit: permit })
    }

    /// What a cache holds of this; nothing yet.
    pub fn holding(&self) -> Holding {
        Holding { budget: self.clone(), permit: None, bytes: 0 }
    }
}

impl Holding {
    /// Bytes that are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds more, if that much is free.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let wanted = (self.bytes + bytes).div_ceil(UNIT);
        let own = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        if wanted > own {
            let more = u32::try_from(wanted - own).ok();
            let more =
                more.and_then(|n| Arc::clone(&self.budget.permits).try_acquire_many_owned(n).ok());
            let Some(more) = more else { return false };
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        self.bytes += bytes;
        true
    }

    /// Holds less. The room stays with this cache until [`Holding::settle`], so that what comes next finds it.
    pub fn shrink(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives back what is not held any more.
    pub fn settle(&mut self) {
        let Some(permit) = &mut self.permit else { return };
        let used = self.bytes.div_ceil(UNIT) as usize;
        drop(permit.split(permit.num_permits().saturating_sub(used)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: u64) {}

    #[tokio::test]
    async fn a_reservation_waits_for_room_and_never_for_the_impossible() {
        let budget = Budget::new(1 << 20);
        let first = budget.reserve(1 << 20, nothing).await.unwrap();
        assert!(budget.try_reserve(UNIT).is_none());
        drop(first);
        assert!(budget.try_reserve(UNIT).is_some());
        assert!(budget.reserve((1 << 20) + 1, nothing).await.is_none());
    }
    #[tokio::test]
    async fn what_caches_hold_is_free_for_who_needs_it() {
        let budget = Budget::new(10 * UNIT);
        let mut cache = budget.holding();
        assert!(cache.grow(7 * UNIT + 1));
        assert!(!cache.grow(3 * UNIT), "that would be eleven");
        assert_eq!(cache.bytes(), 7 * UNIT + 1);
        // What fits beside the cache leaves it alone.
        drop(budget.reserve(2 * UNIT, |_| panic!("there is room")).await.unwrap());
        let room = budget.reserve(9 * UNIT, |bytes| {
            assert_eq!(bytes, 9 * UNIT);
            cache.shrink(7 * UNIT);
            assert!(!cache.grow(8 * UNIT), "another one waits for it");
            cache.settle();
        });
        let _room = room.await.unwrap();
        assert!(cache.grow(UNIT - 1) && !cache.grow(1));
    }
}
