//! How large the chunks of an array are.

/// A chunk of at most `room` pixels: square over the `edges` (x and y), and what is left of the room for the other
/// dimensions, the last one first.
pub(in crate::sink) fn chunk(shape: &[usize], edges: &[bool], room: usize) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut left = room.max(1);
    let flat: Vec<usize> = (0..shape.len()).filter(|&i| edges[i]).collect();
    // The short side first: what it leaves, the long one may have.
    let mut by_length = flat.clone();
    by_length.sort_by_key(|&i| shape[i]);
    for (done, &i) in by_length.iter().enumerate() {
        let sides = by_length.len() - done;
        let side = if sides == 2 { left.isqrt() } else { left };
        chunk[i] = shape[i].clamp(1, side.max(1));
        left = (left / chunk[i]).max(1);
    }
    for i in (0..shape.len()).rev().filter(|i| !edges[*i]) {
        chunk[i] = shape[i].clamp(1, left);
        left = (left / chunk[i]).max(1);
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_square_and_full() {
        let edges = [false, true, true];
        assert_eq!(chunk(&[10, 5000, 5000], &edges, 1 << 20), [1, 1024, 1024]);
        assert_eq!(chunk(&[68, 101, 100], &edges, 1 << 20), [68, 101, 100]);
        assert_eq!(chunk(&[1000, 101, 100], &edges, 1 << 20), [103, 101, 100]);
        assert_eq!(chunk(&[3, 10, 1 << 20], &edges, 1 << 20), [1, 10, 104_857]);
        assert_eq!(chunk(&[7], &[false], 4), [4]);
        assert_eq!(chunk(&[], &[], 4), [0_usize; 0]);
    }
}
