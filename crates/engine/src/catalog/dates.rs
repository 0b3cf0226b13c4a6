//! Dates in file names.

use eolith_cube::time::Instant;
use jiff::civil::{DateTime, date, time};

/// A name with its dates taken out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dated {
    /// The first date in the name.
    pub(super) instant: Instant,
    /// The name without its dates, separators around them included; what equal series have in common.
    pub(super) stem: String,
}

/// Finds `YYYYMMDD`, `YYYY-MM-DD` and `YYYY_MM_DD`, each with an optional time `HHMMSS` or `HH:MM:SS` after a `T`
/// (also `YYYYMMDDHHMMSS`). Years are 1900 to 2099; digits on either side mean that it is no date.
pub(super) fn find(name: &str) -> Option<Dated> {
    let bytes = name.as_bytes();
    let (mut first, mut stem, mut at, mut kept) = (None, String::new(), 0, 0);
    while at < bytes.len() {
        let free = at == 0 || !bytes[at - 1].is_ascii_digit();
        match date_at(&bytes[at..]).filter(|_| free) {
            Some((instant, length)) => {
                first = first.or(Some(instant));
                stem.push_str(&name[kept..at]);
                stem.push('*');
                at += length;
                kept = at;
            }
            None => at += 1,
        }
    }
    stem.push_str(&name[kept..]);
    first.map(|instant| Dated { instant, stem })
}

/// The stem as a name: without the gaps the dates left.
pub(super) fn title(stem: &str) -> String {
    let parts = stem.split('*').map(|part| part.trim_matches(['_', '-', '.', ' ']));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

fn date_at(bytes: &[u8]) -> Option<(Instant, usize)> {
    let number = |at: usize, len: usize| -> Option<i16> {
        let digits = bytes.get(at..at + len)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
    };
    let separated = |at: usize, separator: u8| bytes.get(at) == Some(&separator);
    let year = number(0, 4).filter(|year| (1900..2100).contains(year))?;
    let compact = bytes.get(4)?.is_ascii_digit();
    let (month, day, mut end) = if compact {
        (number(4, 2)?, number(6, 2)?, 8)
    } else {
        let separator = bytes[4];
        let both = (separator == b'-' || separator == b'_') && separated(7, separator);
        if !both {
            return None;
        }
        (number(5, 2)?, number(8, 2)?, 10)
    };
    let day = jiff::civil::Date::new(year, month as i8, day as i8).ok()?;
    let clock = |at: usize, step: usize| {
        let (hour, minute, second) =
            (number(at, 2)?, number(at + step, 2)?, number(at + 2 * step, 2)?);
        jiff::civil::Time::new(hour as i8, minute as i8, second as i8, 0).ok()
    };
    let mut moment = DateTime::from_parts(day, time(0, 0, 0, 0));
    let colons = |at: usize| separated(at + 2, b':') && separated(at + 5, b':');
    let found = if separated(end, b'T') && colons(end + 1) {
        clock(end + 1, 3).map(|time| (time, 9))
    } else if separated(end, b'T') {
        clock(end + 1, 2).map(|time| (time, 7))
    } else if compact {
        clock(end, 2).map(|time| (time, 6))
    } else {
        None
    };
    if let Some((time, length)) = found {
        moment = DateTime::from_parts(day, time);
        end += length;
    }
    if bytes.get(end).is_some_and(u8::is_ascii_digit) || moment.date() < date(1900, 1, 1) {
        return None;
    }
    Some((Instant::of_civil(moment), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_and_taken_out() {
        let found = |name: &str| find(name).map(|d| (d.instant.to_string(), d.stem));
        let is = |name: &str, instant: &str, stem: &str| {
            assert_eq!(found(name), Some((instant.to_owned(), stem.to_owned())), "{name}");
        };
        is("NDVI_20150711T100008_CLM", "2015-07-11T10:00:08Z", "NDVI_*_CLM");
        is("2014-01-01", "2014-01-01T00:00:00Z", "*");
        is("a_2014_12_31", "2014-12-31T00:00:00Z", "a_*");
        is("a_20141231235959.b", "2014-12-31T23:59:59Z", "a_*.b");
        is("LC08_013032_20180131_20180207_01", "2018-01-31T00:00:00Z", "LC08_013032_*_*_01");
        is("é2014-01-01T10:00:01Z", "2014-01-01T10:00:01Z", "é*Z");
        for name in ["DEM", "20141301", "120140101", "201401012", "2014-01_01", "20140230", "1800"]
        {
            assert_eq!(found(name), None, "{name}");
        }
        assert_eq!(title("NDVI_*_CLM"), "NDVI_CLM");
        assert_eq!(title("*"), "");
    }
}
