//! Calendar periods: which one an instant lies in, and what it is called.
//!
//! Periods of one kind are numbered without gaps, so that all between two of them can be listed. The year of a
//! season that spans the turn of the year is the one in which it starts.

use eolith_cube::time::Instant;
use jiff::Span;
use jiff::civil::{Date, Weekday};

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// A kind of period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Hour,
    Day,
    Week,
    Dekad,
    Month,
    Season,
    TropicalSeason,
    Year,
    Decade,
    DecadeAd,
}

impl Period {
    pub(super) const NAMES: [&'static str; 10] = [
        "hour",
        "day",
        "week",
        "dekad",
        "month",
        "season",
        "tropical-season",
        "year",
        "decade",
        "decade-ad",
    ];

    pub(super) fn from_name(name: &str) -> Option<Period> {
        const ALL: [Period; 10] = [
            Period::Hour,
            Period::Day,
            Period::Week,
            Period::Dekad,
            Period::Month,
            Period::Season,
            Period::TropicalSeason,
            Period::Year,
            Period::Decade,
            Period::DecadeAd,
        ];
        Self::NAMES.iter().position(|own| *own == name).map(|i| ALL[i])
    }

    /// The number of the period an instant lies in.
    pub(super) fn number(self, instant: Instant) -> i64 {
        let hours = instant.0.div_euclid(HOUR);
        let days = hours.div_euclid(24);
        let date = instant.civil().date();
        let year = i64::from(date.year());
        let months = year * 12 + i64::from(date.month()) - 1;
        match self {
            Period::Hour => hours,
            Period::Day => days,
            // 1970-01-01 was a Thursday: weeks start three days before.
            Period::Week => (days + 3).div_euclid(7),
            Period::Dekad => months * 3 + i64::from((date.day() - 1) / 10).min(2),
            Period::Month => months,
            Period::Season => (months + 1).div_euclid(3),
            Period::TropicalSeason => (months + 2).div_euclid(6),
            Period::Year => year,
            Period::Decade => year.div_euclid(10),
            Period::DecadeAd => (year - 1).div_euclid(10),
        }
    }

    /// The label of a period.
    pub(super) fn label(self, number: i64) -> String {
        match self {
            Period::Hour => {
                let date = date_of(number.div_euclid(24));
                let (month, day) = (date.month(), date.day());
                format!(
                    "{}-{month:02}-{day:02}-{:02}",
                    year_text(date.year().into()),
                    number.rem_euclid(24)
                )
            }
            Period::Day => {
                let date = date_of(number);
                format!("{}-{:03}", year_text(date.year().into()), date.day_of_year())
            }
            Period::Week => {
                let week = date_of(number * 7 - 3).iso_week_date();
                debug_assert_eq!(week.weekday(), Weekday::Monday);
                format!("{}-{:02}", year_text(week.year().into()), week.week())
            }
            Period::Dekad => {
                format!("{}-{:02}", year_text(number.div_euclid(36)), number.rem_euclid(36) + 1)
            }
            Period::Month => {
                format!("{}-{:02}", year_text(number.div_euclid(12)), number.rem_euclid(12) + 1)
            }
            Period::Season => {
                let first_month = number * 3 - 1;
                let name = ["djf", "mam", "jja", "son"][number.rem_euclid(4) as usize];
                format!("{}-{name}", year_text(first_month.div_euclid(12)))
            }
            Period::TropicalSeason => {
                let first_month = number * 6 - 2;
                let name = ["ndjfma", "mjjaso"][number.rem_euclid(2) as usize];
                format!("{}-{name}", year_text(first_month.div_euclid(12)))
            }
            Period::Year => year_text(number),
            Period::Decade => year_text(number * 10),
            Period::DecadeAd => year_text(number * 10 + 1),
        }
    }

    /// The year of a label and what names its part of the year: of `2020-06` 2020 and `06`, of an hour the hour of the
    /// day, of years and decades the year itself. `None` for what is no label of such a period.
    pub(super) fn parse(self, label: &str) -> Option<(i64, &str)> {
        let digits = |text: &str, n: usize| {
            (text.len() == n && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse::<i64>().ok())
                .flatten()
        };
        let year = |text: &str| {
            let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
            let plain = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<i64>().ok()).flatten().map(|year| sign * year)
        };
        let number = |text: &str, n: usize, most: i64| digits(text, n).is_some_and(|v| v <= most);
        if matches!(self, Period::Year | Period::Decade | Period::DecadeAd) {
            return year(label).map(|year| (year, label));
        }
        let (before, part) = label.rsplit_once('-')?;
        let (before, fits) = match self {
            Period::Hour => {
                let (before, day) = before.rsplit_once('-')?;
                let (before, month) = before.rsplit_once('-')?;
                let fits = number(month, 2, 12) && number(day, 2, 31) && number(part, 2, 23);
                (before, fits)
            }
            Period::Day => (before, number(part, 3, 366)),
            Period::Week => (before, number(part, 2, 53)),
            Period::Dekad => (before, number(part, 2, 36)),
            Period::Month => (before, number(part, 2, 12)),
            Period::Season => (before, ["djf", "mam", "jja", "son"].contains(&part)),
            Period::TropicalSeason => (before, ["ndjfma", "mjjaso"].contains(&part)),
            Period::Year | Period::Decade | Period::DecadeAd => return None,
        };
        year(before).filter(|_| fits).map(|year| (year, part))
    }
}

/// The date so many days after 1970-01-01; the last one there is for days beyond the calendar.
fn date_of(days: i64) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    Span::new().try_days(days).and_then(|span| epoch.checked_add(span)).unwrap_or(Date::MAX)
}

fn year_text(year: i64) -> String {
    if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(period: &str, text: &str) -> String {
        let period = Period::from_name(period).unwrap();
        period.label(period.number(Instant::parse(text).unwrap()))
    }

    #[test]
    fn labels_name_the_period_of_an_instant() {
        assert_eq!(label("hour", "2020-06-01T13:59:59Z"), "2020-06-01-13");
        assert_eq!(label("day", "2020-12-31"), "2020-366");
        assert_eq!(label("week", "2021-01-03"), "2020-53");
        assert_eq!(label("week", "2021-01-04"), "2021-01");
        assert_eq!(label("week", "1969-12-29"), "1970-01");
        assert_eq!(label("dekad", "2020-02-29"), "2020-06");
        assert_eq!(label("dekad", "2020-01-31"), "2020-03");
        assert_eq!(label("dekad", "2020-12-10"), "2020-34");
        assert_eq!(label("month", "2020-07-31T23:59:59Z"), "2020-07");
        assert_eq!(label("season", "2023-12-01"), "2023-djf");
        assert_eq!(label("season", "2024-02-29"), "2023-djf");
        assert_eq!(label("season", "2024-03-01"), "2024-mam");
        assert_eq!(label("season", "2024-11-30"), "2024-son");
        assert_eq!(label("tropical-season", "2024-04-30"), "2023-ndjfma");
        assert_eq!(label("tropical-season", "2024-05-01"), "2024-mjjaso");
        assert_eq!(label("year", "0001-01-01"), "0001");
        assert_eq!(label("decade", "2020-01-01"), "2020");
        assert_eq!(label("decade-ad", "2020-12-31"), "2011");
        assert_eq!(label("decade-ad", "2021-01-01"), "2021");
    }

    #[test]
    fn labels_are_read_back() {
        let instant = Instant::parse("2021-12-31T23:00:00Z").unwrap();
        for (name, year, part) in [
            ("hour", 2021, "23"),
            ("day", 2021, "365"),
            ("week", 2021, "52"),
            ("dekad", 2021, "36"),
            ("month", 2021, "12"),
            ("season", 2021, "djf"),
            ("tropical-season", 2021, "ndjfma"),
            ("year", 2021, "2021"),
            ("decade", 2020, "2020"),
            ("decade-ad", 2021, "2021"),
        ] {
            let period = Period::from_name(name).unwrap();
            let label = period.label(period.number(instant));
            assert_eq!(period.parse(&label), Some((year, part)), "{name}");
            for other in ["", "06", "june", "2021-", "x-06", "2021-77"] {
                assert_eq!(period.parse(other), None, "{name}");
            }
        }
        assert_eq!(Period::Month.parse("-0044-03"), Some((-44, "03")));
    }

    #[test]
    fn numbers_grow_by_one_from_label_to_label() {
        let start = Instant::parse("1999-12-25").unwrap();
        for name in Period::NAMES {
            let period = Period::from_name(name).unwrap();
            let mut last = period.number(start);
            for hour in 0..24 * 800 {
                let number = period.number(Instant(start.0 + hour * HOUR));
                assert!(number == last || number == last + 1, "{name}");
                assert!(number == last || period.label(number) != period.label(last), "{name}");
                last = number;
            }
        }
    }
}
