//! From positions in a fetched box to indices in a chunk, one dimension at a time.

use std::ops::Range;

/// The source's indices behind one dimension of a fetched box, by position in it.
#[derive(Clone, Debug)]
pub(in crate::source) enum Indices {
    /// Consecutive ones.
    Span(Range<usize>),
    /// Any, with gaps, repeats or backwards.
    List(Vec<usize>),
}

/// Positions of a box that take their pixels from one chunk in equal steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// Which of the wanted chunks along this dimension.
    pub(super) chunk: usize,
    /// First index inside the chunk, and from one position to the next.
    pub(super) from: usize,
    pub(super) step: isize,
    /// First position in the box, and how many.
    pub(super) to: usize,
    pub(super) len: usize,
}

/// How one dimension of the cube lies in an array.
#[derive(Clone, Debug)]
pub(super) struct Along {
    /// Source indices that the array has.
    pub(super) own: Range<usize>,
    /// Index in the array of the first of them, and the size of a chunk; `None` for a dimension it lacks.
    pub(super) array: Option<(usize, usize)>,
}

impl Indices {
    pub(in crate::source) fn new(range: &Range<usize>, window: Option<&[usize]>) -> Indices {
        let Some(window) = window else { return Indices::Span(range.clone()) };
        let list = &window[range.clone()];
        match list {
            [first, ..] if list.iter().zip(*first..).all(|(&index, wanted)| index == wanted) => {
                Indices::Span(*first..first + list.len())
            }
            _ => Indices::List(list.to_vec()),
        }
    }

    /// The smallest range around the positions whose index lies in `own`; `None` where there is none.
    pub(in crate::source) fn positions(&self, own: &Range<usize>) -> Option<Range<usize>> {
        match self {
            Indices::Span(span) => {
                let (start, end) = (span.start.max(own.start), span.end.min(own.end));
                (start < end).then(|| start - span.start..end - span.start)
            }
            Indices::List(list) => {
                let first = list.iter().position(|index| own.contains(index))?;
                let last = list.iter().rposition(|index| own.contains(index))?;
                Some(first..last + 1)
            }
        }
    }

    /// The smallest range around the indices that lie in `own`.
    pub(in crate::source) fn hull(&self, own: &Range<usize>) -> Option<Range<usize>> {
        match self {
            Indices::Span(span) => {
                let range = span.start.max(own.start)..span.end.min(own.end);
                (!range.is_empty()).then_some(range)
            }
            Indices::List(list) => {
                let inside = || list.iter().copied().filter(|index| own.contains(index));
                Some(inside().min()?..inside().max()? + 1)
            }
        }
    }

    /// Numbers of the chunks behind the indices in `own`, ascending; `start` is the array's index of the first.
    pub(in crate::source) fn chunks(
        &self,
        own: &Range<usize>,
        start: usize,
        unit: usize,
    ) -> Vec<usize> {
        match self {
            Indices::Span(_) => match self.hull(own) {
                Some(range) => {
                    let first = (range.start - own.start + start) / unit;
                    let last = (range.end - 1 - own.start + start) / unit;
                    (first..=last).collect()
                }
                None => Vec::new(),
            },
            Indices::List(list) => {
                let inside = list.iter().filter(|index| own.contains(index));
                let mut numbers: Vec<usize> =
                    inside.map(|index| (index - own.start + start) / unit).collect();
                numbers.sort_unstable();
                numbers.dedup();
                numbers
            }
        }
    }

    /// How the positions in `range` are filled, counted from its start; `wanted` are the chunks at hand.
    pub(super) fn spans(&self, range: &Range<usize>, along: &Along, wanted: &[usize]) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let chunk = |index: usize| match along.array {
            None => (0, 0),
            Some((start, unit)) => {
                let index = index - along.own.start + start;
                let number = wanted.binary_search(&(index / unit));
                (number.expect("invariant: a frame has the chunks of its box"), index % unit)
            }
        };
        match self {
            Indices::Span(span) => {
                let here = Indices::Span(span.start + range.start..span.start + range.end);
                let Some(mut positions) = here.positions(&along.own) else { return spans };
                while !positions.is_empty() {
                    let (number, from) = chunk(span.start + range.start + positions.start);
                    let (len, step) = match along.array {
                        None => (positions.len(), 0),
                        Some((_, unit)) => (positions.len().min(unit - from), 1),
                    };
                    spans.push(Span { chunk: number, from, step, to: positions.start, len });
                    positions.start += len;
                }
            }
            Indices::List(list) => {
                for (to, &index) in list[range.clone()].iter().enumerate() {
                    if !along.own.contains(&index) {
                        continue;
                    }
                    let (number, from) = chunk(index);
                    if let Some(last) = spans.last_mut()
                        && last.chunk == number
                        && last.to + last.len == to
                    {
                        let before = last.from as isize + last.step * (last.len as isize - 1);
                        let step = from as isize - before;
                        if last.len == 1 || step == last.step {
                            (last.step, last.len) = (step, last.len + 1);
                            continue;
                        }
                    }
                    spans.push(Span { chunk: number, from, step: 0, to, len: 1 });
                }
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_spans_of_equal_steps() {
        let window = [9, 7, 5, 3, 3, 3, 20, 0, 1, 2];
        let indices = Indices::new(&(0..10), Some(&window));
        // The array has the indices 1 to 10, the first of them at 2, in chunks of 4.
        let along = Along { own: 1..11, array: Some((2, 4)) };
        let wanted = indices.chunks(&along.own, 2, 4);
        assert_eq!(wanted, [0, 1, 2]);
        let spans = indices.spans(&(1..10), &along, &wanted);
        let span = |chunk, from, step, to, len| Span { chunk, from, step, to, len };
        // 7 and 5 are at 8 and 6; 3 is at 4; 1 and 2 are at 2 and 3.
        assert_eq!(
            spans,
            [span(2, 0, 0, 0, 1), span(1, 2, -2, 1, 2), span(1, 0, 0, 3, 2), span(0, 2, 1, 7, 2)]
        );
        assert_eq!(indices.positions(&along.own), Some(0..10));
        assert_eq!(indices.hull(&along.own), Some(1..10));
        assert_eq!(indices.positions(&(30..40)), None);
    }

    #[test]
    fn consecutive_windows_are_spans() {
        let indices = Indices::new(&(1..4), Some(&[0, 5, 6, 7]));
        assert!(matches!(&indices, Indices::Span(range) if *range == (5..8)));
        let along = Along { own: 6..20, array: Some((0, 10)) };
        let spans = indices.spans(&(0..3), &along, &[0]);
        assert_eq!(spans, [Span { chunk: 0, from: 0, step: 1, to: 1, len: 2 }]);
    }
}
