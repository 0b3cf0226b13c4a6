//! The checksum of HDF5's metadata: Bob Jenkins' `lookup3` over bytes, starting from zero.
//!
//! Source: <https://burtleburtle.net/bob/c/lookup3.c> (public domain), `hashlittle`.

/// The checksum of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let mut state = [start; 3];
    // The last group is mixed another way, even if it is full.
    let full = bytes.len().saturating_sub(1) / 12 * 12;
    let (groups, last) = bytes.split_at(full);
    for group in groups.chunks_exact(12) {
        add(&mut state, group);
        mix(&mut state);
    }
    if !last.is_empty() {
        add(&mut state, last);
        finish(&mut state);
    }
    state[2]
}

/// Adds up to twelve bytes as three little-endian words.
fn add(state: &mut [u32; 3], bytes: &[u8]) {
    let mut words = [0; 12];
    words[..bytes.len()].copy_from_slice(bytes);
    for (word, bytes) in state.iter_mut().zip(words.as_chunks::<4>().0) {
        *word = word.wrapping_add(u32::from_le_bytes(*bytes));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    take(a, c, *b, 4);
    take(b, a, *c, 6);
    take(c, b, *a, 8);
    take(a, c, *b, 16);
    take(b, a, *c, 19);
    take(c, b, *a, 4);
}

/// One step: `x` loses `y` and its rotation, `y` gains `z`.
fn take(x: &mut u32, y: &mut u32, z: u32, bits: u32) {
    *x = x.wrapping_sub(*y) ^ y.rotate_left(bits);
    *y = y.wrapping_add(z);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let leave = |x: u32, y: u32, bits: u32| (x ^ y).wrapping_sub(y.rotate_left(bits));
    *c = leave(*c, *b, 14);
    *a = leave(*a, *c, 11);
    *b = leave(*b, *a, 25);
    *c = leave(*c, *b, 16);
    *a = leave(*a, *c, 4);
    *b = leave(*b, *a, 14);
    *c = leave(*c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_the_source() {
        // From the self-test of the source.
        assert_eq!(checksum(b""), 0xdead_beef);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }
}
