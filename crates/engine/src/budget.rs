//! One ledger for memory.
//!
//! Everything large a run holds is reserved here first: the working set of its tasks and the result while it is
//! kept in memory. A reservation waits until there is room; one that can never fit is refused with both figures.

use std::sync::Arc;

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

impl Budget {
    pub fn new(total: u64) -> Budget {
        let units = (total / UNIT).clamp(1, Semaphore::MAX_PERMITS as u64 / 2);
        Budget { total, permits: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Bytes in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Waits for room; `None` if there never will be.
    pub async fn reserve(&self, bytes: u64) -> Option<Reservation> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|_| bytes <= self.total)?;
        let units = units.min(u32::try_from(self.total / UNIT).unwrap_or(u32::MAX)).max(1);
        let permit = Arc::clone(&self.permits).acquire_many_owned(units).await.ok()?;
        Some(Reservation { _permit: permit })
    }

    /// Room that is there now.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|_| bytes <= self.total)?;
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(units.max(1)).ok()?;
        Some(Reservation { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reservation_waits_for_room_and_never_for_the_impossible() {
        let budget = Budget::new(1 << 20);
        let first = budget.reserve(1 << 20).await.unwrap();
        assert!(budget.try_reserve(UNIT).is_none());
        drop(first);
        assert!(budget.try_reserve(UNIT).is_some());
        assert!(budget.reserve((1 << 20) + 1).await.is_none());
    }
}
