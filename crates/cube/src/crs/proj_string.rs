//! PROJ strings as far as they say what coordinates mean: `+proj=utm +zone=33 +datum=WGS84 +units=m`.
//!
//! A string is taken as a list of parameters, and only parameters that are understood are let through: one
//! that is silently ignored would give silently wrong coordinates. Pipelines, `+init`, shift grids and turned
//! axes are refused. The projection itself is computed by `proj4rs`, see `transform.rs`.

use proj4rs::Proj;

use super::CrsError;

/// Parameters that change coordinates and that `proj4rs` reads.
const NUMBERS: [&str; 28] = [
    "lat_0",
    "lon_0",
    "lat_1",
    "lat_2",
    "lat_ts",
    "lonc",
    "alpha",
    "gamma",
    "lon_1",
    "lon_2",
    "x_0",
    "y_0",
    "k",
    "k_0",
    "h",
    "a",
    "b",
    "rf",
    "f",
    "es",
    "R",
    "zone",
    "to_meter",
    "vto_meter",
    "pm",
    "azi",
    "tilt",
    "e",
];
/// Parameters with a word as value, or with none.
const WORDS: [&str; 14] = [
    "proj", "ellps", "datum", "units", "vunits", "towgs84", "south", "no_uoff", "no_off", "sweep",
    "no_defs", "wktext", "type", "axis",
];
/// Projections that were compared with PROJ; the spellings are PROJ's.
pub(super) const PROJECTIONS: [&str; 25] = [
    "longlat", "utm", "tmerc", "etmerc", "merc", "webmerc", "lcc", "laea", "aea", "stere",
    "sterea", "sinu", "eqc", "geos", "cea", "somerc", "omerc", "krovak", "cass", "poly", "moll",
    "robin", "eqdc", "aeqd", "eqearth",
];

/// A parsed PROJ string: names and values in the order of the text. Flags have an empty value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProjString(Vec<(String, String)>);

impl ProjString {
    /// Splits and normalises `text`.
    ///
    /// # Errors
    /// [`CrsError::Malformed`] and [`CrsError::Unsupported`] for parameters that are not understood.
    pub(super) fn parse(text: &str) -> Result<Self, CrsError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for word in text.split_whitespace() {
            let word = word.strip_prefix('+').unwrap_or(word);
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            // The first of several values wins in PROJ.
            if params.iter().any(|(k, _)| k == key) {
                continue;
            }
            if let Some(value) = Self::accept(text, key, value)? {
                params.push((key.to_owned(), value));
            }
        }
        let found = Self(params);
        let name =
            found.get("proj").ok_or_else(|| CrsError::malformed(text, "it has no `+proj`"))?;
        if !PROJECTIONS.contains(&name) {
            return Err(CrsError::unsupported(
                text,
                format!("projection `{name}` is not implemented"),
            ));
        }
        if name == "eqc"
            && found.get("R").is_none()
            && found.get("a") != found.get("b").or(Some(""))
        {
            return Err(CrsError::unsupported(
                text,
                "releases of PROJ disagree about `eqc` on an ellipsoid by kilometres (a sphere, `+R=`, works)",
            ));
        }
        Ok(found)
    }

    /// The value to keep, or `None` for parameters that say nothing here.
    fn accept(text: &str, key: &str, value: &str) -> Result<Option<String>, CrsError> {
        let known = NUMBERS.contains(&key) || WORDS.contains(&key) || key == "nadgrids";
        if !known {
            let reason = format!("parameter `{key}` is not understood");
            return Err(CrsError::unsupported(text, reason));
        }
        match (key, value) {
            ("no_defs" | "wktext" | "type" | "vunits" | "vto_meter", _) => return Ok(None),
            ("nadgrids", "@null") | ("axis", "enu") => return Ok(None),
            ("nadgrids", _) => return Err(CrsError::unsupported(text, "shift grids are not read")),
            ("axis", _) => {
                return Err(CrsError::unsupported(text, "its axes do not point east and north"));
            }
            ("datum", "WGS84" | "NAD83") => {}
            ("datum", other) => {
                let reason = format!("datum `{other}` needs its shift spelled out as `+towgs84=`");
                return Err(CrsError::unsupported(text, reason));
            }
            ("proj", "latlong" | "latlon" | "lonlat") => return Ok(Some("longlat".to_owned())),
            ("pm", name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()) => {}
            ("towgs84", list) => {
                let count = list.split(',').filter(|v| finite(v)).count();
                if count != list.split(',').count() || !matches!(count, 3 | 7) {
                    return Err(CrsError::malformed(text, "`+towgs84` needs 3 or 7 numbers"));
                }
            }
            (key, number) if NUMBERS.contains(&key) && !finite(number) => {
                return Err(CrsError::malformed(text, format!("`+{key}` needs a number")));
            }
            _ => {}
        }
        Ok(Some(value.to_owned()))
    }

    /// Tries the string out.
    ///
    /// # Errors
    /// [`CrsError::Malformed`] if a parameter is missing or out of range.
    pub(super) fn check(&self) -> Result<(), CrsError> {
        self.build().map(|_| ())
    }

    pub(super) fn build(&self) -> Result<Proj, CrsError> {
        let text = self.canonical();
        let proj = Proj::from_proj_string(&text)
            .map_err(|e| CrsError::malformed(&text, e.to_string().to_lowercase()))?;
        if !(proj.has_inverse() && proj.has_forward()) {
            return Err(CrsError::unsupported(text, "it cannot be computed in both directions"));
        }
        if !(proj.to_meter().is_finite() && proj.to_meter() > 0.0) {
            return Err(CrsError::malformed(&text, "the unit needs a positive size"));
        }
        Ok(proj)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// One spelling for equal strings that differ only in spaces, `+` and parameters without effect.
    pub(super) fn canonical(&self) -> String {
        let words: Vec<String> = self
            .0
            .iter()
            .map(
                |(key, value)| {
                    if value.is_empty() { format!("+{key}") } else { format!("+{key}={value}") }
                },
            )
            .collect();
        words.join(" ")
    }

    pub(super) fn is_geographic(&self) -> bool {
        self.get("proj") == Some("longlat")
    }

    /// True if the way to WGS 84 is known; if not, longitude and latitude are taken as they are.
    pub(super) fn has_datum(&self) -> bool {
        self.get("datum").is_some() || self.get("towgs84").is_some()
    }

    pub(super) fn unit_metres(&self) -> f64 {
        match self.get("units") {
            Some(unit) => unit_of(unit).1,
            None => self.get("to_meter").and_then(|v| v.parse().ok()).unwrap_or(1.0),
        }
    }

    pub(super) fn unit_name(&self) -> &'static str {
        match (self.get("units"), self.unit_metres()) {
            (Some(unit), _) => unit_of(unit).0,
            (None, 1.0) => "metre",
            (None, 1000.0) => "kilometre",
            (None, 0.3048) => "foot",
            (None, _) => "unknown",
        }
    }
}

fn finite(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// Name and size in metres of the units that PROJ abbreviates.
fn unit_of(abbreviation: &str) -> (&'static str, f64) {
    match abbreviation {
        "m" => ("metre", 1.0),
        "km" => ("kilometre", 1000.0),
        "cm" => ("centimetre", 0.01),
        "ft" => ("foot", 0.3048),
        "us-ft" => ("US survey foot", 1200.0 / 3937.0),
        "yd" => ("yard", 0.9144),
        "ind-yd" => ("Indian yard", 0.914_395_23),
        "ind-ft" => ("Indian foot", 0.304_798_41),
        "link" => ("link", 0.201_168),
        "ch" => ("chain", 20.1168),
        "mi" => ("statute mile", 1609.344),
        "us-mi" => ("US survey mile", 6_336_000.0 / 3937.0),
        "kmi" => ("nautical mile", 1852.0),
        _ => ("unknown", 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        ProjString::parse(text).and_then(|p| p.check()).unwrap_err().to_string()
    }

    #[test]
    fn spelling_does_not_matter() {
        let a = ProjString::parse("+proj=utm  +zone=33 +datum=WGS84 +no_defs +type=crs").unwrap();
        let b = ProjString::parse("proj=utm zone=33 datum=WGS84").unwrap();
        assert_eq!(a.canonical(), b.canonical());
        assert_eq!(a.canonical(), "+proj=utm +zone=33 +datum=WGS84");
    }

    #[test]
    fn units_have_sizes() {
        let feet = ProjString::parse("+proj=utm +zone=33 +units=us-ft").unwrap();
        assert_eq!((feet.unit_name(), feet.unit_metres()), ("US survey foot", 1200.0 / 3937.0));
        let km = ProjString::parse("+proj=utm +zone=33 +to_meter=1000").unwrap();
        assert_eq!((km.unit_name(), km.unit_metres()), ("kilometre", 1000.0));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, part) in [
            ("+zone=33", "no `+proj`"),
            ("+proj=pipeline +step", "`step` is not understood"),
            ("+init=epsg:4326", "`init` is not understood"),
            ("+proj=utm +zone=33 +nadgrids=conus", "shift grids"),
            ("+proj=longlat +datum=NAD27", "datum `NAD27`"),
            ("+proj=tmerc +axis=wsu", "east and north"),
            ("+proj=tmerc +lon_0=x", "`+lon_0` needs a number"),
            ("+proj=tmerc +lon_0", "`+lon_0` needs a number"),
            ("+proj=tmerc +lon_0=inf", "`+lon_0` needs a number"),
            ("+proj=longlat +towgs84=1,2", "3 or 7 numbers"),
            ("+proj=longlat +over", "`over` is not understood"),
            ("+proj=eqc +ellps=GRS80", "disagree"),
            ("+proj=nsper +h=3000000", "`nsper` is not implemented"),
            ("+proj=utm +zone=99", "zone"),
            ("+proj=longlat +ellps=flat", "ellipsoid"),
            ("+proj=utm +zone=33 +to_meter=0", "positive size"),
        ] {
            let message = refused(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
