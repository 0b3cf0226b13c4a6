//! Sorting short arrays of many lanes at once with a sorting network.
//!
//! The comparators are those of Batcher's odd-even merge sort (1968), as Knuth gives them for any length (The Art of
//! Computer Programming 3, algorithm 5.2.2M). They do not depend on the data, so a comparator is a minimum and a
//! maximum of two rows, and what no wanted rank depends on is left out.

use std::sync::OnceLock;

use multiversion::multiversion;

use crate::lanes::operand::Primitive;

/// Longest array that is sorted here; longer ones are cheaper to select from one by one.
pub(super) const MOST: usize = 128;

/// Values that can be sorted through keys with a total order: integers as they are, floats by their bits.
pub(in crate::lanes) trait Sortable: Primitive {
    type Key: Copy + Ord + Default;
    /// No key is above it.
    const LAST: Self::Key;
    fn key(self) -> Self::Key;
    fn of_key(key: Self::Key) -> Self;
}

/// Which ranks of the sorted array are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranks {
    /// Those in the middle.
    Middle,
    /// Those up to the middle: the middle ones of any part of the array that sorts first.
    Lower,
    All,
}

/// Rows `low` and `high` are put in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparator {
    low: u8,
    high: u8,
    keep: Keep,
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    Both,
    Least,
    Greatest,
}

/// The comparators for arrays of `n` elements, at most [`MOST`]; made once.
pub(super) fn comparators(n: usize, ranks: Ranks) -> &'static [Comparator] {
    static NETWORKS: [[OnceLock<Vec<Comparator>>; MOST + 1]; 3] =
        [const { [const { OnceLock::new() }; MOST + 1] }; 3];
    NETWORKS[ranks as usize][n].get_or_init(|| {
        let mut wanted = vec![false; n];
        let middle = match ranks {
            Ranks::Middle => n.saturating_sub(1) / 2..n / 2 + 1,
            Ranks::Lower => 0..n / 2 + 1,
            Ranks::All => 0..n,
        };
        wanted[middle.start.min(n)..middle.end.min(n)].fill(true);
        prune(&batcher(n), wanted)
    })
}

/// Sorts every lane of the rows as far as the comparators go.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn sort<K: Copy + Ord, const L: usize>(rows: &mut [[K; L]], network: &[Comparator]) {
    for comparator in network {
        let (head, tail) = rows.split_at_mut(usize::from(comparator.high));
        let (x, y) = (&mut head[usize::from(comparator.low)], &mut tail[0]);
        match comparator.keep {
            Keep::Both => {
                for (x, y) in x.iter_mut().zip(y) {
                    (*x, *y) = ((*x).min(*y), (*x).max(*y));
                }
            }
            Keep::Least => x.iter_mut().zip(y).for_each(|(x, y)| *x = (*x).min(*y)),
            Keep::Greatest => x.iter().zip(y).for_each(|(x, y)| *y = (*x).max(*y)),
        }
    }
}

fn batcher(n: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut p = 1;
    while p < n {
        let mut k = p;
        while k >= 1 {
            for j in (k % p..n.saturating_sub(k)).step_by(2 * k) {
                for i in j..j + k.min(n - j - k) {
                    if i / (2 * p) == (i + k) / (2 * p) {
                        pairs.push((i, i + k));
                    }
                }
            }
            k /= 2;
        }
        p *= 2;
    }
    pairs
}

/// Drops what does not reach a wanted rank, from the last comparator to the first.
fn prune(pairs: &[(usize, usize)], mut wanted: Vec<bool>) -> Vec<Comparator> {
    let mut kept = Vec::with_capacity(pairs.len());
    for &(low, high) in pairs.iter().rev() {
        let keep = match (wanted[low], wanted[high]) {
            (true, true) => Keep::Both,
            (true, false) => Keep::Least,
            (false, true) => Keep::Greatest,
            (false, false) => continue,
        };
        (wanted[low], wanted[high]) = (true, true);
        kept.push(Comparator { low: low as u8, high: high as u8, keep });
    }
    kept.reverse();
    kept
}

macro_rules! sortable_integer {
    ($($t:ty)*) => { $(
        impl Sortable for $t {
            type Key = $t;
            const LAST: $t = <$t as Primitive>::GREATEST;
            #[inline]
            fn key(self) -> $t { self }
            #[inline]
            fn of_key(key: $t) -> $t { key }
        }
    )* };
}

sortable_integer! { bool u8 i8 u16 i16 u32 i32 u64 i64 }

// The bits of a float, read as an integer, are in the order of IEEE 754 once those of negative numbers are turned.
macro_rules! sortable_float {
    ($t:ty, $signed:ty, $unsigned:ty) => {
        impl Sortable for $t {
            type Key = $signed;
            const LAST: $signed = <$signed>::MAX;
            #[inline]
            fn key(self) -> $signed {
                let bits = self.to_bits() as $signed;
                bits ^ (((bits >> (<$signed>::BITS - 1)) as $unsigned) >> 1) as $signed
            }
            #[inline]
            fn of_key(key: $signed) -> $t {
                let bits = key ^ (((key >> (<$signed>::BITS - 1)) as $unsigned) >> 1) as $signed;
                <$t>::from_bits(bits as $unsigned)
            }
        }
    };
}

sortable_float! { f32, i32, u32 }
sortable_float! { f64, i64, u64 }

#[cfg(test)]
mod tests {
    use super::*;

    /// The zero-one principle: a network that sorts all arrays of zeros and ones sorts everything. All arrays of
    /// that kind with up to 14 elements, those with one run of ones for longer ones.
    #[test]
    fn networks_sort() {
        for n in 1..=MOST {
            let arrays: Vec<Vec<u8>> = if n <= 14 {
                (0..1u32 << n).map(|bits| (0..n).map(|i| (bits >> i & 1) as u8).collect()).collect()
            } else {
                (0..n).map(|i| (0..n).map(|k| u8::from(k * 7 % n < i)).collect()).collect()
            };
            for ranks in [Ranks::Middle, Ranks::Lower, Ranks::All] {
                let network = comparators(n, ranks);
                for array in &arrays {
                    let mut rows: Vec<[u8; 1]> = array.iter().map(|&x| [x]).collect();
                    sort(&mut rows, network);
                    let mut sorted = array.clone();
                    sorted.sort_unstable();
                    let wanted = match ranks {
                        Ranks::Middle => (n - 1) / 2..n / 2 + 1,
                        Ranks::Lower => 0..n / 2 + 1,
                        Ranks::All => 0..n,
                    };
                    let rows: Vec<u8> = rows.iter().map(|row| row[0]).collect();
                    assert_eq!(rows[wanted.clone()], sorted[wanted], "{n} {ranks:?}");
                }
            }
        }
    }

    #[test]
    fn keys_are_in_the_total_order_of_floats() {
        let floats = [f32::NEG_INFINITY, -1.5, -0.0, 0.0, f32::MIN_POSITIVE, 2.0, f32::INFINITY];
        assert!(floats.is_sorted_by(|a, b| a.key() < b.key()));
        assert!(floats.iter().all(|x| f32::of_key(x.key()).to_bits() == x.to_bits()));
        let floats = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 5e-324, 2.0, f64::INFINITY, f64::NAN];
        assert!(floats.is_sorted_by(|a, b| a.key() < b.key()));
        assert!(floats.iter().all(|x| f64::of_key(x.key()).to_bits() == x.to_bits()));
    }
}
