//! Areas of equal pixels, with their outlines: the other way round than from geometries to pixels.

/// Pixels that are equal and touch along their sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// The first of them in row-major order.
    pub first: usize,
    /// The outer ring, then those of holes, as corners: `[column, row]` counts from the upper left one of the first
    /// pixel. Rings are closed, have corners where they turn only, and start at the first of them in row-major order.
    /// The area is at the right hand when rows go downwards. Where an area touches itself at a corner, there are two rings.
    pub rings: Vec<Vec<[usize; 2]>>,
}

/// The areas of `rows` × `cols` pixels, in the order of their first pixels. Pixels are equal if their keys are; those
/// without a key belong to none. `None` if there would be more than `most`, or if `stop` says so.
pub fn areas(
    keys: &[Option<u64>],
    [rows, cols]: [usize; 2],
    most: usize,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<Area>> {
    let labels = labelled(keys, cols);
    let trace = Trace { labels: &labels, rows, cols };
    let mut seen = vec![false; keys.len()];
    // By label, which is the first pixel.
    let mut found: Vec<Area> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for first in 0..keys.len() {
        if first % cols == 0 && stop() {
            return None;
        }
        let is_edge = first < cols || labels[first - cols] != labels[first];
        if keys[first].is_none() || seen[first] || !is_edge {
            continue;
        }
        let ring = trace.ring(first, &mut seen);
        let label = labels[first];
        let place = *places.entry(label).or_insert_with(|| {
            found.push(Area { first: label, rings: Vec::new() });
            found.len() - 1
        });
        if found.len() > most {
            return None;
        }
        found[place].rings.push(ring);
    }
    for area in &mut found {
        area.rings[1..].sort_unstable_by_key(|ring| [ring[0][1], ring[0][0]]);
    }
    Some(found)
}

/// For each pixel the first one of its area.
fn labelled(keys: &[Option<u64>], cols: usize) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..keys.len()).collect();
    for i in 0..keys.len() {
        if keys[i].is_none() {
            continue;
        }
        for other in [i.checked_sub(cols), (i % cols > 0).then(|| i - 1)].into_iter().flatten() {
            if keys[other] == keys[i] {
                let (a, b) = (root(&mut parents, other), root(&mut parents, i));
                parents[a.max(b)] = a.min(b);
            }
        }
    }
    (0..keys.len()).map(|i| root(&mut parents, i)).collect()
}

fn root(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}

struct Trace<'a> {
    labels: &'a [usize],
    rows: usize,
    cols: usize,
}

/// Where a ring goes: along x or y, forwards or backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heading {
    East,
    South,
    West,
    North,
}

impl Heading {
    fn right(self) -> Heading {
        match self {
            Heading::East => Heading::South,
            Heading::South => Heading::West,
            Heading::West => Heading::North,
            Heading::North => Heading::East,
        }
    }

    fn left(self) -> Heading {
        self.right().right().right()
    }
}

impl Trace<'_> {
    /// The ring along the upper side of a pixel, with its area at the right hand. Marks the pixels along whose upper
    /// sides it goes.
    fn ring(&self, pixel: usize, seen: &mut [bool]) -> Vec<[usize; 2]> {
        let (label, start) = (self.labels[pixel], [pixel % self.cols, pixel / self.cols]);
        let (mut at, mut heading) = (start, Heading::East);
        let mut ring = Vec::new();
        loop {
            if heading == Heading::East {
                seen[at[1] * self.cols + at[0]] = true;
            }
            let [x, y] = at;
            at = match heading {
                Heading::East => [x + 1, y],
                Heading::South => [x, y + 1],
                Heading::West => [x - 1, y],
                Heading::North => [x, y - 1],
            };
            // The pixels in front, beyond the corner.
            let [left, right] = self.ahead(at, heading).map(|own| own == Some(label));
            let next = match (left, right) {
                (true, _) => heading.left(),
                (false, true) => heading,
                (false, false) => heading.right(),
            };
            if next != heading {
                ring.push(at);
            }
            heading = next;
            if at == start && heading == Heading::East {
                break;
            }
        }
        let first = (0..ring.len()).min_by_key(|&i| [ring[i][1], ring[i][0]]).unwrap_or_default();
        ring.rotate_left(first);
        ring.extend(ring.first().copied());
        ring
    }

    /// The labels of the pixels in front of a corner, at the left and at the right hand.
    fn ahead(&self, [x, y]: [usize; 2], heading: Heading) -> [Option<usize>; 2] {
        let pixel = |dx: usize, dy: usize| {
            let (col, row) = ((x + dx).checked_sub(1)?, (y + dy).checked_sub(1)?);
            (col < self.cols && row < self.rows).then(|| self.labels[row * self.cols + col])
        };
        match heading {
            Heading::East => [pixel(1, 0), pixel(1, 1)],
            Heading::South => [pixel(1, 1), pixel(0, 1)],
            Heading::West => [pixel(0, 1), pixel(0, 0)],
            Heading::North => [pixel(0, 0), pixel(1, 0)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&str]) -> Vec<Area> {
        let key = |c: char| (c != '.').then_some(u64::from(c));
        let keys: Vec<Option<u64>> = rows.iter().flat_map(|row| row.chars().map(key)).collect();
        areas(&keys, [rows.len(), rows[0].len()], 1000, &|| false).unwrap()
    }

    #[test]
    fn areas_touch_along_sides() {
        let found = of(&["aab", "ab.", "..a"]);
        let firsts: Vec<usize> = found.iter().map(|area| area.first).collect();
        assert_eq!(firsts, [0, 2, 4, 8]);
        let l = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2], [0, 0]];
        assert_eq!(found[0].rings, [l.to_vec()]);
        let square = [[2, 2], [3, 2], [3, 3], [2, 3], [2, 2]];
        assert_eq!(found[3].rings, [square.to_vec()]);
    }

    #[test]
    fn holes_are_rings_of_their_own() {
        let found = of(&["aaaa", "abca", "aaaa"]);
        let outer = [[0, 0], [4, 0], [4, 3], [0, 3], [0, 0]];
        let hole = [[1, 1], [1, 2], [3, 2], [3, 1], [1, 1]];
        assert_eq!(found[0].rings, [outer.to_vec(), hole.to_vec()]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn an_area_that_touches_itself_at_a_corner_is_valid() {
        // The hole and the outside meet at the corner (2, 2).
        let found = of(&["aaa", "a.a", "aa."]);
        assert_eq!(found.len(), 1);
        let outer = [[0, 0], [3, 0], [3, 2], [2, 2], [2, 3], [0, 3], [0, 0]];
        let hole = [[1, 1], [1, 2], [2, 2], [2, 1], [1, 1]];
        assert_eq!(found[0].rings, [outer.to_vec(), hole.to_vec()]);
        // Two holes meet.
        let found = of(&["aaaa", "a.aa", "aa.a", "aaaa"]);
        assert_eq!(found[0].rings.len(), 3);
    }

    #[test]
    fn limits_and_ends() {
        assert_eq!(areas(&[Some(1), Some(2)], [1, 2], 1, &|| false), None);
        assert_eq!(areas(&[Some(1), Some(2)], [1, 2], 2, &|| true), None);
        assert_eq!(areas(&[], [0, 0], 1, &|| false), Some(Vec::new()));
        assert_eq!(areas(&[None], [1, 1], 1, &|| false), Some(Vec::new()));
    }
}
