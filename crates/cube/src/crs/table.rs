//! The EPSG table: one line a code, sorted, read in place.
//!
//! A lookup is a binary search over the bytes of the file; nothing is built at start. Columns, separated by
//! tabs: code; status; area of use in hundredths of a degree (west, south, east, north); name; PROJ string
//! without `+`. An empty status means accepted. A number is the largest difference to PROJ in metres; a word
//! is the reason why the code cannot be computed at all. Refused codes have no PROJ string.

use super::CrsError;

static TABLE: &str = include_str!("epsg.tsv");

/// One line of the table.
#[derive(Debug, PartialEq)]
pub(super) struct Entry<'a> {
    pub(super) code: u32,
    pub(super) name: &'a str,
    status: &'a str,
    area: &'a str,
    proj: &'a str,
}

/// The line of `code`, accepted or refused.
pub(super) fn find(code: u32) -> Option<Entry<'static>> {
    find_in(TABLE, code)
}

/// All lines, in the order of their codes.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = Entry<'static>> {
    TABLE.lines().filter_map(read)
}

fn find_in(table: &str, code: u32) -> Option<Entry<'_>> {
    let bytes = table.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start =
            bytes[low..middle].iter().rposition(|b| *b == b'\n').map_or(low, |i| low + i + 1);
        let end =
            bytes[middle..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| middle + i);
        let entry = read(table.get(start..end)?)?;
        match entry.code.cmp(&code) {
            std::cmp::Ordering::Equal => return Some(entry),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

fn read(line: &str) -> Option<Entry<'_>> {
    let mut columns = line.split('\t');
    let code = columns.next()?.parse().ok()?;
    let (status, area) = (columns.next()?, columns.next()?);
    Some(Entry { code, status, area, name: columns.next()?, proj: columns.next()? })
}

impl Entry<'_> {
    /// The PROJ string of an accepted code.
    ///
    /// # Errors
    /// The refusal, with its reason, of any other.
    pub(super) fn proj_string(&self) -> Result<String, CrsError> {
        let (code, name) = (self.code, self.name.to_owned());
        let reason = match self.status {
            "" => {
                let words: Vec<String> =
                    self.proj.split(' ').map(|word| format!("+{word}")).collect();
                return Ok(words.join(" "));
            }
            "axes" => "its axes do not point east and north",
            "method" => "its projection method is not implemented",
            "angle" => "its angles are not in degrees",
            "datum" => "no shift between its datum and WGS 84 is in EPSG, or only one with a grid",
            "versions" => "releases of PROJ disagree about it by kilometres",
            metres => return Err(CrsError::Inaccurate { code, name, metres: metres.to_owned() }),
        };
        let reason = format!("{reason}; a build with the `proj` feature is needed");
        Err(CrsError::unsupported(format!("EPSG:{code} ({name})"), reason))
    }

    /// `[west, south, east, north]` in degrees.
    pub(super) fn area(&self) -> Option<[f64; 4]> {
        let mut area = [0.0; 4];
        let mut numbers = self.area.split(',');
        for value in &mut area {
            *value = numbers.next()?.parse::<f64>().ok()? / 100.0;
        }
        Some(area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "10\t\t-100,0,250,300\tTen\tproj=longlat datum=WGS84\n\
                         200\t2.5\t\tTwo hundred\t\n3000\taxes\t\tThree thousand\t\n";

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for code in [10, 200, 3000] {
            assert_eq!(find_in(SMALL, code).unwrap().code, code);
        }
        for code in [0, 11, 199, 201, 2999, 3001, u32::MAX] {
            assert_eq!(find_in(SMALL, code), None);
        }
        assert_eq!(find_in("", 1), None);
        assert_eq!(find_in(SMALL, 10).unwrap().area(), Some([-1.0, 0.0, 2.5, 3.0]));
        assert_eq!(find_in(SMALL, 200).unwrap().area(), None);
        assert_eq!(
            find_in(SMALL, 10).unwrap().proj_string().unwrap(),
            "+proj=longlat +datum=WGS84"
        );
    }

    #[test]
    fn refusals_name_the_code() {
        let inaccurate = find_in(SMALL, 200).unwrap().proj_string().unwrap_err().to_string();
        assert_eq!(
            inaccurate,
            "`EPSG:200` (Two hundred) is off by 2.5 m against PROJ here, which is more than 1 cm: \
             a build with the `proj` feature is needed"
        );
        let axes = find_in(SMALL, 3000).unwrap().proj_string().unwrap_err();
        assert!(
            matches!(axes, CrsError::Unsupported { ref crs, .. } if crs == "EPSG:3000 (Three thousand)")
        );
    }

    #[test]
    fn the_whole_table_is_sorted_and_readable() {
        let mut last = 0;
        let mut count = 0;
        for entry in all() {
            assert!(entry.code > last, "{} after {last}", entry.code);
            last = entry.code;
            count += 1;
            assert_eq!(find(entry.code).as_ref(), Some(&entry));
            if entry.status.is_empty() {
                let crs = super::super::Crs::epsg(entry.code).unwrap();
                crs.proj().check().unwrap();
                assert!(!crs.name().is_empty());
            } else {
                assert!(super::super::Crs::epsg(entry.code).is_err());
                assert_eq!(entry.proj, "");
            }
        }
        assert_eq!(count, TABLE.lines().count());
        assert!(TABLE.len() < 900_000, "{}", TABLE.len());
    }
}
