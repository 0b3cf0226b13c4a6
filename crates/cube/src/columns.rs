//! Memory of columns, used again by the thread that gave it back.
//!
//! Every tile makes and drops columns of a few thousand pixels, one for each step of an expression. Fresh memory
//! costs an allocation and a pass that clears it; what was dropped a moment ago is still in the cache next to the
//! core. Giving back is a courtesy: a column that is dropped instead is freed as usual. Not for decoded chunks, which
//! wander between threads: the engine has buffers of their own.

use std::cell::RefCell;

use crate::for_values;
use crate::values::{Element, Values};

/// Bytes that a thread keeps at most: what the tiles under way need, or a chunk that is written with its flags.
const MOST: usize = 8 << 20;

/// How many times as long as wanted a column may be.
const WASTE: usize = 8;

/// A column of `len` elements with *any* content; all of it is to be written.
#[must_use]
pub fn take<T: Element>(len: usize) -> Vec<T> {
    let free = FREE.try_with(|free| free.borrow_mut().take::<T>(len)).ok().flatten();
    let column = free.and_then(|mut free| T::slice_mut(&mut free).map(std::mem::take));
    if let Some(mut found) = column {
        found.resize(len, T::default());
        return found;
    }
    vec![T::default(); len]
}

/// A copy of a column.
#[must_use]
pub fn copy<T: Element>(values: &[T]) -> Vec<T> {
    let mut column = take(values.len());
    column.copy_from_slice(values);
    column
}

/// Gives the memory of a column back.
pub fn give<T: Element>(column: Vec<T>) {
    give_values(T::wrap(column));
}

/// [`give`] for a column of any type.
pub fn give_values(values: Values) {
    // A thread that ends has no place for it any more.
    let _ = FREE.try_with(|free| free.borrow_mut().give(values));
}

thread_local! {
    static FREE: RefCell<Free> = RefCell::default();
}

#[derive(Default)]
struct Free {
    /// By storage type, the one given back last at the end.
    columns: [Vec<Values>; 11],
    bytes: usize,
}

impl Free {
    /// The shortest of the columns that hold `len` elements without being many times as long, and of those the one that
    /// was given back last: what is cut for a short column is cleared when it is made long again.
    fn take<T: Element>(&mut self, len: usize) -> Option<Values> {
        let columns = &mut self.columns[T::DTYPE as usize];
        let room = |own: &Values| for_values!(own, v => v.capacity());
        let fits = |room: usize| room >= len && room / WASTE <= len;
        let rooms = columns.iter().map(room).enumerate().rev();
        let (found, _) = rooms.filter(|(_, room)| fits(*room)).min_by_key(|(_, room)| *room)?;
        let found = columns.remove(found);
        self.bytes -= bytes(&found);
        Some(found)
    }

    fn give(&mut self, values: Values) {
        let own = bytes(&values);
        let columns = &mut self.columns[values.dtype() as usize];
        // The oldest make room: lengths that nobody takes any more.
        while self.bytes + own > MOST && own <= MOST && !columns.is_empty() {
            self.bytes -= bytes(&columns.remove(0));
        }
        if own > 0 && self.bytes + own <= MOST {
            self.bytes += own;
            columns.push(values);
        }
    }
}

fn bytes(values: &Values) -> usize {
    for_values!(values, v => v.capacity() * values.dtype().size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn columns_come_back_in_any_length_that_fits() {
        give(vec![1_u16, 2, 3]);
        give(vec![7_u16; 100]);
        assert_eq!(take::<u16>(100), [7; 100]);
        let column = take::<u16>(2);
        assert_eq!(column, [1, 2]);
        assert!(take::<u16>(5).iter().all(|&x| x == 0));
        assert_eq!(copy(&[1.5_f32, 2.0]), [1.5, 2.0]);
        // What is much too long stays for others.
        give(vec![7_i16; 100]);
        assert_eq!(take::<i16>(2), [0, 0]);
        assert_eq!(take::<i16>(100), [7; 100]);
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_bytes() {
        give(vec![0_u8; MOST + 1]);
        (0..10).for_each(|_| give(vec![0_f64; MOST / 32]));
        assert_eq!(FREE.with_borrow(|free| free.columns[DType::F64 as usize].len()), 4);
        assert_eq!(FREE.with_borrow(|free| free.bytes), MOST);
        assert!(FREE.with_borrow(|free| free.columns[0].is_empty()));
    }
}
