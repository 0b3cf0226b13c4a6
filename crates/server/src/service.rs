//! Secondary web services: what is kept of one, which kinds there are, and how one can be configured.
//!
//! Nothing here knows of the database ([`crate::store`]) or of pixels ([`crate::maps`]).

use eolith_engine::sink::format::ParameterDescription;
use eolith_engine::sink::{Options, SinkError, SinkFormat, png};
use eolith_graph::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::job::Millis;
use crate::links::Links;

/// How ids of services begin.
pub(crate) const SERVICE: &str = "s-";

/// The setting that is none of a picture's.
const TILE_SIZE: &str = "tile_size";
const SIZES: [u64; 2] = [256, 512];

/// What a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Xyz,
    Wmts,
    OgcTiles,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) created: Millis,
    /// Grows with every change.
    pub(crate) revision: u64,
    pub(crate) kind: Kind,
    /// What the client sent: `process`, `configuration`, `title`, … with what it means nothing to us, without nulls.
    pub(crate) request: Map<String, Value>,
    pub(crate) about: About,
}

/// What is known of the map that a service shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// West, south, east and north in degrees.
    pub(crate) bounds: [f64; 4],
    /// The instants there are, if there is a choice.
    pub(crate) times: Vec<String>,
    pub(crate) latest: Option<String>,
}

/// How tiles look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Style {
    pub(crate) options: Options,
    /// Pixels a side.
    pub(crate) side: usize,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Xyz, Kind::Wmts, Kind::OgcTiles];

    /// The name in the API; see [`Kind::from_name`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Xyz => "XYZ",
            Kind::Wmts => "WMTS",
            Kind::OgcTiles => "OGCAPI-TILES",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::Xyz => "XYZ tiled web map",
            Kind::Wmts => "OGC Web Map Tile Service",
            Kind::OgcTiles => "OGC API - Tiles",
        }
    }

    /// Whatever the case; titles are names as well.
    pub(crate) fn from_name(name: &str) -> Option<Kind> {
        let is = |kind: &Kind| {
            kind.name().eq_ignore_ascii_case(name) || kind.title().eq_ignore_ascii_case(name)
        };
        Kind::ALL.into_iter().find(is)
    }

    /// Where a service of this kind is. What clients fill in stands in braces, unescaped.
    pub(crate) fn url(self, links: &Links, id: &str) -> String {
        match self {
            Kind::Xyz => links.to(&format!("/xyz/{id}/{{z}}/{{x}}/{{y}}")),
            Kind::Wmts => links.to(&format!("/wmts/{id}")),
            Kind::OgcTiles => links.to(&format!("/ogcapi-tiles/{id}")),
        }
    }
}

impl Service {
    pub(crate) fn is_enabled(&self) -> bool {
        self.given("enabled").and_then(Value::as_bool).unwrap_or(true)
    }

    pub(crate) fn process(&self) -> Value {
        self.given("process").cloned().unwrap_or_default()
    }

    pub(crate) fn title(&self) -> &str {
        self.given("title").and_then(Value::as_str).unwrap_or("Map")
    }

    pub(crate) fn log_level(&self) -> Option<&str> {
        self.given("log_level").and_then(Value::as_str)
    }

    /// What was configured, always an object.
    pub(crate) fn configuration(&self) -> Map<String, Value> {
        configuration(self.given("configuration"))
    }

    /// # Errors
    /// A setting that does not exist or has no meaning.
    pub(crate) fn style(&self) -> Result<Style, ApiError> {
        Style::new(self.configuration())
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.request.get(name).filter(|value| !value.is_null())
    }
}

/// What services of every kind can be told.
pub(crate) fn settings() -> Vec<ParameterDescription> {
    let mut settings = vec![ParameterDescription {
        name: TILE_SIZE,
        description: "Pixels along each side of a tile.",
        schema_json: r#"{"type":"integer","enum":[256,512]}"#,
        default_json: Some("256"),
    }];
    settings.extend(SinkFormat::Png.description().parameters.iter().copied());
    settings
}

impl Style {
    fn new(mut configuration: Map<String, Value>) -> Result<Style, ApiError> {
        configuration.retain(|_, value| !value.is_null());
        let known: Vec<&str> = settings().iter().map(|setting| setting.name).collect();
        if let Some(name) = configuration.keys().find(|name| !known.contains(&name.as_str())) {
            let message = format!("there is no setting `{name}` (known: {})", known.join(", "));
            return Err(ApiError::new(Code::SERVICE_CONFIG_UNSUPPORTED, message));
        }
        let side = configuration.shift_remove(TILE_SIZE).unwrap_or_else(|| SIZES[0].into());
        let size = side.as_f64().and_then(|side| SIZES.into_iter().find(|s| *s as f64 == side));
        let size = size.ok_or_else(|| {
            let message = format!("`{TILE_SIZE}` is {side}, it can be 256 or 512");
            ApiError::new(Code::SERVICE_CONFIG_INVALID, message)
        })?;
        let options: Options = configuration.into_iter().collect();
        png::check(&options).map_err(|error| {
            let message = match error {
                SinkError::Option { name, reason, .. } => format!("`{name}`: {reason}"),
                error => error.to_string(),
            };
            ApiError::new(Code::SERVICE_CONFIG_INVALID, message)
        })?;
        Ok(Style { options, side: size as usize })
    }
}

/// Some clients write an empty object as an empty array.
fn configuration(given: Option<&Value>) -> Map<String, Value> {
    match given {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn style(configuration: Value) -> Result<Style, String> {
        Style::new(super::configuration(Some(&configuration))).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn settings_are_checked_by_name_and_value() {
        let plain = Style { options: Options::new(), side: 256 };
        assert_eq!(style(json!({})), Ok(plain.clone()));
        assert_eq!(style(json!([])), Ok(plain.clone()));
        assert_eq!(style(json!({"min": null, "tile_size": null})), Ok(plain));
        let large = style(json!({"tile_size": 512.0, "colormap": "VIRIDIS", "min": -1})).unwrap();
        assert_eq!((large.side, large.options.len()), (512, 2));
        for (wrong, code) in [
            (json!({"version": "1.0.0"}), "ServiceConfigUnsupported"),
            (json!({"tile_size": 300}), "ServiceConfigInvalid"),
            (json!({"tile_size": "256"}), "ServiceConfigInvalid"),
            (json!({"colormap": "jet"}), "ServiceConfigInvalid"),
            (json!({"min": "low"}), "ServiceConfigInvalid"),
            (json!({"min": 2, "max": 1}), "ServiceConfigInvalid"),
        ] {
            let error = style(wrong.clone()).unwrap_err();
            assert!(error.contains(code), "{wrong}: {error}");
        }
    }

    #[test]
    fn kinds_have_names_in_any_case() {
        for name in ["xyz", "XYZ", "Xyz"] {
            assert_eq!(Kind::from_name(name), Some(Kind::Xyz));
        }
        assert_eq!(Kind::from_name("ogc api - tiles"), Some(Kind::OgcTiles));
        assert_eq!(Kind::from_name("wms"), None);
    }
}
