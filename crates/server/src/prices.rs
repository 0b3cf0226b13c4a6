//! Prices: what runs cost, in the credits of the operator.
//!
//! Costs follow from what is measured of a run by itself: the time that a server works on it, what it reads, what it gives.
//! Processor time has no price, since that of a run is not told apart from what runs beside it. Amounts are counted in
//! millionths of a credit, so that sums are exact.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::job::Usage;

/// The only plan there is.
pub(crate) const PLAN: &str = "usage";
/// The largest amount: a thousand million credits. Sums of many of these can still be counted.
const MOST: Micros = 1_000_000_000_000_000;
/// Parts of a credit.
const PARTS: f64 = 1e6;
const HOUR: f64 = 3_600_000.0;
const GIGABYTE: f64 = 1e9;

/// Millionths of a credit.
pub(crate) type Micros = i64;

/// What things cost. Where there are none nothing does.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// A code of ISO 4217, or a name.
    pub currency: String,
    /// For an hour that a server works on a job or a request.
    pub hour: f64,
    /// For 10^9 bytes that are read from the data, as they are stored.
    pub gigabyte_read: f64,
    /// For 10^9 bytes of results, as they are stored.
    pub gigabyte_result: f64,
    /// What a user may spend in all who was not given another limit; no limit if `None`.
    pub each: Option<f64>,
}

impl Default for Prices {
    fn default() -> Prices {
        Prices {
            currency: "credits".to_owned(),
            hour: 0.0,
            gigabyte_read: 0.0,
            gigabyte_result: 0.0,
            each: None,
        }
    }
}

impl Prices {
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        let prices = [self.hour, self.gigabyte_read, self.gigabyte_result];
        if prices.into_iter().chain(self.each).any(|price| !price.is_finite() || price < 0.0) {
            return Err("prices and credits are numbers of at least 0".to_owned());
        }
        if self.currency.trim().is_empty() {
            return Err("the currency has no name".to_owned());
        }
        Ok(())
    }

    /// What a run costs that has taken so much and gives so many bytes.
    pub(crate) fn of(&self, usage: &Usage, result_bytes: u64) -> Micros {
        let credits = self.hour * usage.duration as f64 / HOUR
            + self.gigabyte_read * usage.bytes_read as f64 / GIGABYTE
            + self.gigabyte_result * result_bytes as f64 / GIGABYTE;
        micros(credits)
    }

    /// What clients are told.
    pub(crate) fn shown(&self) -> Value {
        let parts = [
            (self.hour, "an hour that the server works"),
            (self.gigabyte_read, "a gigabyte that is read"),
            (self.gigabyte_result, "a gigabyte of results"),
        ];
        let parts = parts.into_iter().filter(|(price, _)| *price > 0.0);
        let parts: Vec<String> =
            parts.map(|(price, what)| format!("{price} {} for {what}", self.currency)).collect();
        json!({
            "currency": self.currency,
            "default_plan": PLAN,
            "plans": [{"name": PLAN, "description": parts.join(", "), "paid": true}],
        })
    }
}

/// An amount in parts of a credit, rounded up; what is more than can be counted is the most that can.
pub(crate) fn micros(credits: f64) -> Micros {
    ((credits * PARTS).ceil() as Micros).clamp(0, MOST)
}

/// The budget of a request.
pub(crate) fn budget(given: Option<&Value>) -> Option<Micros> {
    given
        .and_then(Value::as_f64)
        .map(|credits| ((credits * PARTS).floor() as Micros).clamp(0, MOST))
}

/// An amount as clients get it.
pub(crate) fn credits(micros: Micros) -> Value {
    if micros % PARTS as Micros == 0 {
        (micros / PARTS as Micros).into()
    } else {
        (micros as f64 / PARTS).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_follow_from_what_was_taken() {
        let prices =
            Prices { hour: 3.6, gigabyte_read: 2.0, gigabyte_result: 10.0, ..Prices::default() };
        let usage = Usage { duration: 1500, bytes_read: 500_000_000, ..Usage::default() };
        assert_eq!(prices.of(&usage, 0), 1_001_500);
        assert_eq!(prices.of(&usage, 1), 1_001_501);
        assert_eq!(Prices::default().of(&usage, 5), 0);
        assert_eq!(credits(1_001_500), json!(1.0015));
        assert_eq!(credits(2_000_000), json!(2));
        assert_eq!((micros(0.000_000_1), micros(1e300)), (1, MOST));
        assert_eq!(budget(Some(&json!(1.5))), Some(1_500_000));
        assert_eq!((budget(Some(&Value::Null)), budget(None)), (None, None));
        assert_eq!(prices.check(), Ok(()));
        for wrong in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(Prices { hour: wrong, ..Prices::default() }.check().is_err());
            assert!(Prices { each: Some(wrong), ..Prices::default() }.check().is_err());
        }
        let shown = prices.shown();
        assert_eq!(shown["plans"][0]["name"], PLAN);
        assert!(
            shown["plans"][0]["description"].as_str().unwrap().contains("3.6 credits for an hour")
        );
    }
}
