//! What is searched for, and whether an item is that.

use eolith_cube::geometry::Geometry;
use eolith_cube::geometry::relation::{Base, Relation};
use eolith_cube::time::Instant;

use super::super::bounds;
use super::View;
use crate::cql2::{self, Condition};

/// Microseconds.
const DAY: i64 = 86_400_000_000;

/// A search. Everything that is said has to be met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemQuery {
    /// `None`: all.
    pub collections: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub bbox: Option<[f64; 4]>,
    /// In degrees.
    pub intersects: Option<Geometry>,
    pub within: Interval,
    pub filter: Option<Condition>,
    /// First the most important.
    pub sort: Vec<SortBy>,
    /// Items of a page.
    pub limit: usize,
    /// [`super::ItemPage::next`] of the page before.
    pub token: Option<String>,
}

/// First and last instant, both inside; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    pub(super) first: Option<Instant>,
    pub(super) last: Option<Instant>,
}

/// A property that items are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortBy {
    pub field: String,
    pub descending: bool,
}

impl Interval {
    /// Reads an instant, or two with a slash between; `..` and nothing are without bound. A date stands for its first instant
    /// where the interval begins, for its last one where it ends. `None` for what is no interval.
    pub fn parse(text: &str) -> Option<Interval> {
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        let bound = |text: &str, ends: bool| match text.trim() {
            "" | ".." => Some(None),
            text => {
                let is_date = text.len() == "2000-01-01".len();
                if !is_date && !is_date_time(text) {
                    return None;
                }
                let time = Instant::parse(text).ok()?;
                Some(Some(if is_date && ends { Instant(time.0 + DAY - 1) } else { time }))
            }
        };
        let (first, last) = (bound(first, false)?, bound(last, true)?);
        let in_order = match (first, last) {
            (None, None) => false,
            (Some(first), Some(last)) => first <= last,
            _ => true,
        };
        in_order.then_some(Interval { first, last })
    }
}

/// Whether a text has the parts of a date-time of RFC 3339: a time, and an offset with a colon. ISO 8601 has other forms.
fn is_date_time(text: &str) -> bool {
    let Some((time, offset)) = text.split_at_checked("2000-01-01T00:00:00".len()) else {
        return false;
    };
    let offset = match offset.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => offset,
    };
    let has_offset = match offset.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', _, _] => hours.len() == 2,
        _ => false,
    };
    has_offset && time.as_bytes()[10].eq_ignore_ascii_case(&b'T')
}

/// A query that is ready to be asked of many items.
pub(super) struct Test<'q> {
    query: &'q ItemQuery,
    area: Option<(Base, [f64; 4])>,
}

impl<'q> Test<'q> {
    pub(super) fn new(query: &'q ItemQuery) -> Test<'q> {
        let own = query.intersects.clone();
        let area = own.or_else(|| cql2::geometry(&bounds::outline(query.bbox?)).ok());
        let area = area.and_then(|area| {
            let around = query.bbox.or_else(|| area.bounds())?;
            Some((Base::new(&[area], Relation::Intersects), around))
        });
        Test { query, area }
    }

    pub(super) fn accepts(&self, item: &View<'_>) -> bool {
        let query = self.query;
        query.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id == item.id))
            && self.is_then(item)
            && self.is_there(item)
            && query.filter.as_ref().is_none_or(|filter| item.holds(filter))
    }

    fn is_then(&self, item: &View<'_>) -> bool {
        let Interval { first, last } = self.query.within;
        if first.is_none() && last.is_none() {
            return true;
        }
        let [start, end] = item.times();
        if start.is_none() && end.is_none() {
            return false;
        }
        last.is_none_or(|last| start.is_none_or(|start| start <= last))
            && first.is_none_or(|first| end.is_none_or(|end| first <= end))
    }

    fn is_there(&self, item: &View<'_>) -> bool {
        let Some((area, around)) = &self.area else { return true };
        if item.bbox.is_some_and(|own| !bounds::touch(own, *around)) {
            return false;
        }
        let own = item.geometry.cloned().or_else(|| item.bbox.map(bounds::outline));
        own.and_then(|own| cql2::geometry(&own).ok()).is_some_and(|own| area.accepts(&own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_rfc_3339_and_dates_are_whole_days() {
        let bounds = |text: &str| {
            let Interval { first, last } = Interval::parse(text).unwrap();
            [first, last].map(|at| at.map(|at| at.to_string()))
        };
        let of = |first: &str, last: &str| [Some(first.to_owned()), Some(last.to_owned())];
        let noon = "2022-06-01T12:00:00Z";
        assert_eq!(bounds(noon), of(noon, noon));
        assert_eq!(bounds("2022-06-01t14:00:00.0+02:00/.."), [Some(noon.to_owned()), None]);
        assert_eq!(bounds("/2022-06-01T12:00:00z"), [None, Some(noon.to_owned())]);
        let day = of("2022-06-01T00:00:00Z", "2022-06-01T23:59:59.999999Z");
        assert_eq!(bounds("2022-06-01"), day);
        assert_eq!(bounds("2022-06-01/2022-06-01"), day);
        for wrong in [
            "",
            "../..",
            "2022",
            "2022-06",
            "2022-06-01T12:00:00",
            "2022-06-01T12:00:00+0200",
            "2022-06-01T12:00:00,5Z",
            "2022-06-01 12:00:00Z",
            "2022-06-01T12:00Z",
            "2022-06-01T25:00:00Z",
            "2022-06-31",
            "2022-06-02/2022-06-01",
            "2022-06-01/2022-06-02/2022-06-03",
        ] {
            assert_eq!(Interval::parse(wrong), None, "{wrong}");
        }
    }
}
