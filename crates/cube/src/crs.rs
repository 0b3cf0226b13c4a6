//! Coordinate reference systems: what the x and y of a cube mean, and how to get from one meaning to another.
//!
//! A [`Crs`] comes from an EPSG code, a PROJ string, WKT (1 or 2) or PROJJSON. Whatever it came from, its
//! coordinates are x = easting or longitude and y = northing or latitude, in the unit of the system (degrees
//! for geographic ones): the axis order that EPSG prescribes is a matter of file formats, not of this crate.
//!
//! What is known of EPSG is a generated table beside this file (`crs/epsg.tsv`, made by
//! `xtask/epsg/epsg_table.py`). Each code in it was measured against PROJ; codes that differ by more than 1 cm
//! are refused by name with [`CrsError::Inaccurate`] or [`CrsError::Unsupported`] rather than transformed
//! wrongly. The measure is a PROJ without shift grids, from and to WGS 84.
//!
//! This is not a place for grids (see [`crate::Grid`]), vertical or time-dependent systems, nor for the texts
//! that files carry: `eolith_engine::crs_text` has those. Transformations are in [`transformer`] and
//! [`densified_bounds`].

mod describe;
mod json;
mod methods;
mod proj_string;
mod table;
mod transform;
mod wkt;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use thiserror::Error;

use self::proj_string::ProjString;
use self::table::Entry;
pub use self::transform::{CrsTransform, densified_bounds, transformer};

/// Longest text that is read as a reference system, in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// A coordinate reference system. Cloning copies a pointer.
///
/// Two systems are equal if they have the same EPSG code, or no code and the same PROJ string.
#[derive(Clone)]
pub struct Crs(Arc<Inner>);

struct Inner {
    code: Option<u32>,
    name: String,
    proj: ProjString,
    proj_text: String,
    area: Option<[f64; 4]>,
    text: Option<String>,
}

/// Why a text is no usable reference system, or two systems have no transformation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CrsError {
    /// The code is not among the geographic and projected systems of EPSG, or is deprecated there.
    #[error("`EPSG:{code}` is not a known geographic or projected reference system")]
    UnknownCode {
        /// The EPSG code that was asked for.
        code: u32,
    },
    /// The code is known, but what this build computes differs too much from PROJ.
    #[error(
        "`EPSG:{code}` ({name}) is off by {metres} m against PROJ here, which is more than 1 cm: \
         a build with the `proj` feature is needed"
    )]
    Inaccurate {
        /// The EPSG code that was asked for.
        code: u32,
        /// Its name in EPSG.
        name: String,
        /// The largest difference measured in its area of use, in metres, as text.
        metres: String,
    },
    /// The system is understood, but this build cannot compute with it.
    #[error("`{crs}` is not supported: {reason}")]
    Unsupported {
        /// The system: code and name, or the part of the text that cannot be used.
        crs: String,
        /// What is missing.
        reason: String,
    },
    /// The text is in none of the forms that are read.
    #[error("`{text}` is not a reference system: {reason}")]
    Malformed {
        /// The start of the text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No point of a box has an image in the target system.
    #[error("no part of the box has coordinates in `{to}`")]
    Outside {
        /// The target system.
        to: String,
    },
}

impl CrsError {
    fn malformed(text: &str, reason: impl Into<String>) -> Self {
        let text = match text.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        CrsError::Malformed { text, reason: reason.into() }
    }

    fn unsupported(crs: impl Into<String>, reason: impl Into<String>) -> Self {
        CrsError::Unsupported { crs: crs.into(), reason: reason.into() }
    }
}

impl Crs {
    /// The system with this EPSG code.
    ///
    /// # Errors
    /// [`CrsError::UnknownCode`]; [`CrsError::Inaccurate`] and [`CrsError::Unsupported`] for codes whose
    /// coordinates this build cannot compute to 1 cm.
    pub fn epsg(code: u32) -> Result<Crs, CrsError> {
        let entry = table::find(code).ok_or(CrsError::UnknownCode { code })?;
        Self::from_entry(&entry, None)
    }

    /// WGS 84, longitude and latitude in degrees (`EPSG:4326`).
    pub fn wgs84() -> Crs {
        Self::epsg(4326).expect("invariant: the table has EPSG:4326 and a test reads it")
    }

    /// Reads what people and files write: `EPSG:32633`, `32633`, `urn:ogc:def:crs:EPSG::32633`,
    /// `http://www.opengis.net/def/crs/EPSG/0/32633`, `OGC:CRS84`, a PROJ string, WKT or PROJJSON.
    ///
    /// `OGC:CRS84` is the same as `EPSG:4326`, as coordinates are always in longitude, latitude order here.
    /// WKT and PROJJSON are taken by their EPSG id if the outermost system has one, else by their projection
    /// method and parameters; the text is kept for [`Crs::text`].
    ///
    /// # Errors
    /// [`CrsError::Malformed`] for text in no known form, else as [`Crs::epsg`].
    pub fn parse(text: &str) -> Result<Crs, CrsError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(CrsError::malformed(text, "it is longer than 256 KiB"));
        }
        if let Some(code) = short_form(text) {
            return Self::epsg(code);
        }
        match text.bytes().next() {
            None => Err(CrsError::malformed(text, "it is empty")),
            Some(b'{') => Self::from_description(&json::describe(text)?, text),
            Some(b'+') => Self::from_proj(text),
            _ if text.starts_with("proj=") => Self::from_proj(text),
            _ if text.contains(['[', '(']) => Self::from_wkt(text),
            _ => Err(CrsError::malformed(
                text,
                "expected an EPSG code such as `EPSG:32633`, a PROJ string, WKT or PROJJSON",
            )),
        }
    }

    fn from_entry(entry: &Entry<'_>, text: Option<&str>) -> Result<Crs, CrsError> {
        let proj_text = entry.proj_string()?;
        let proj = ProjString::parse(&proj_text)?;
        Ok(Crs(Arc::new(Inner {
            code: Some(entry.code),
            name: entry.name.to_owned(),
            proj,
            proj_text,
            area: entry.area(),
            text: text.map(str::to_owned),
        })))
    }

    fn from_proj(text: &str) -> Result<Crs, CrsError> {
        let proj = ProjString::parse(text)?;
        proj.check()?;
        Ok(Self::without_code(proj, "unnamed", text))
    }

    fn without_code(proj: ProjString, name: &str, text: &str) -> Crs {
        let (proj_text, text) = (proj.canonical(), Some(text.to_owned()));
        Crs(Arc::new(Inner {
            code: None,
            name: name.to_owned(),
            proj,
            proj_text,
            area: None,
            text,
        }))
    }

    fn from_wkt(text: &str) -> Result<Crs, CrsError> {
        let found = wkt::describe(text)?;
        if found.epsg.and_then(table::find).is_none()
            && let Some(proj) = &found.proj4
        {
            let proj = ProjString::parse(proj)?;
            proj.check()?;
            return Ok(Self::without_code(proj, &found.name, text));
        }
        Self::from_description(&found, text)
    }

    fn from_description(found: &describe::Description, text: &str) -> Result<Crs, CrsError> {
        // An id that EPSG has withdrawn, or never had, says less than the parameters beside it.
        if let Some(entry) = found.epsg.and_then(table::find) {
            return Self::from_entry(&entry, Some(text));
        }
        let proj = ProjString::parse(&methods::proj_string(found)?)?;
        proj.check()?;
        Ok(Self::without_code(proj, &found.name, text))
    }

    /// The EPSG code, if the system has one.
    pub fn code(&self) -> Option<u32> {
        self.0.code
    }

    /// The name: EPSG's, or the one that stood in the text; `unnamed` for PROJ strings.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// True if x and y are longitude and latitude in degrees.
    pub fn is_geographic(&self) -> bool {
        self.0.proj.is_geographic()
    }

    /// Metres in one unit of x and y; `None` for geographic systems, whose unit is the degree.
    pub fn unit_metres(&self) -> Option<f64> {
        if self.is_geographic() { None } else { Some(self.0.proj.unit_metres()) }
    }

    /// The name of the unit of x and y: `degree`, `metre`, `foot`, `US survey foot`, …
    pub fn unit_name(&self) -> &'static str {
        if self.is_geographic() { "degree" } else { self.0.proj.unit_name() }
    }

    /// The PROJ string that coordinates are computed with, datum shift to WGS 84 included.
    pub fn proj_string(&self) -> &str {
        &self.0.proj_text
    }

    /// Where the system is meant to be used, as `[west, south, east, north]` in degrees; west is greater than
    /// east for areas that cross the antimeridian. Known for EPSG codes.
    pub fn area_of_use(&self) -> Option<[f64; 4]> {
        self.0.area
    }

    /// The text that the system was read from, verbatim, if it was a PROJ string, WKT or PROJJSON.
    pub fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    fn proj(&self) -> &ProjString {
        &self.0.proj
    }
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.code == other.0.code
                && (self.0.code.is_some() || self.0.proj_text == other.0.proj_text))
    }
}

impl Eq for Crs {}

impl Hash for Crs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.code.hash(state);
        if self.0.code.is_none() {
            self.0.proj_text.hash(state);
        }
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code {
            Some(code) => write!(f, "EPSG:{code}"),
            None => f.write_str(self.0.text.as_deref().unwrap_or(&self.0.proj_text)),
        }
    }
}

impl fmt::Debug for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code {
            Some(code) => write!(f, "Crs(EPSG:{code})"),
            None => write!(f, "Crs({})", self.0.proj_text),
        }
    }
}

/// The code in the forms that hold nothing else.
fn short_form(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("urn:ogc:def:crs:")
        .or_else(|| lower.strip_prefix("urn:x-ogc:def:crs:"))
        .or_else(|| lower.strip_prefix("http://www.opengis.net/def/crs/"))
        .or_else(|| lower.strip_prefix("https://www.opengis.net/def/crs/"));
    let (authority, code) = match rest {
        // Between authority and code stands a version, which may be empty.
        Some(rest) => {
            let mut parts = rest.split([':', '/']);
            let found = (parts.next()?, parts.next_back()?);
            if parts.count() > 1 {
                return None;
            }
            found
        }
        None => match lower.split_once(':') {
            Some(parts) => parts,
            None => ("epsg", lower.as_str()),
        },
    };
    match (authority.trim(), code.trim()) {
        ("ogc", "crs84") => Some(4326),
        ("ogc", "crs83") => Some(4269),
        ("epsg", code) if code.bytes().all(|b| b.is_ascii_digit()) => code.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
