//! `/wmts/{service_id}`: the Web Map Tile Service of the OGC, version 1.0.0, by key-value pairs and by paths.
//!
//! One layer in one style and one set of matrices, `EPSG:3857`: the tiles that everybody uses. Errors are exception
//! reports of OWS 1.1, as clients of the protocol read them.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::tiles::{self, Parameters, answer, public};
use super::wmts_errors::Exception;
use crate::error::ApiError;
use crate::links::Links;
use crate::service::{Kind, Service};
use crate::state::AppState;

/// The name of the layer.
pub(crate) const LAYER: &str = "result";

/// The set of matrices and its deepest level.
const SET: &str = "EPSG:3857";
const DEEPEST: u32 = 22;
const STYLE: &str = "default";
/// Half of the circumference of the sphere, metres.
const HALF: &str = "20037508.342789244";
/// Scale of level 0 with 256 pixels, of 0.28 mm.
const SCALE: f64 = 559_082_264.028_717_8;

/// `?service=WMTS&request=…`.
pub(crate) async fn ask(
    State(state): State<AppState>,
    links: Links,
    Path(id): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let service = public(&state, &id, Kind::Wmts).await?;
    let request = parameters.get("request").unwrap_or("GetCapabilities");
    if request.eq_ignore_ascii_case("GetCapabilities") {
        return Ok(capabilities(&service, &links)?);
    }
    if !request.eq_ignore_ascii_case("GetTile") {
        return Err(Exception::operation(request));
    }
    let needed = |name: &'static str| parameters.get(name).ok_or(Exception::Missing(name));
    named(
        needed("layer")?,
        parameters.get("style").unwrap_or(STYLE),
        parameters.get("format").unwrap_or("image/png"),
        needed("tilematrixset")?,
    )?;
    let place = [needed("tilematrix")?, needed("tilecol")?, needed("tilerow")?];
    let drawn = answer(&state, service, place, parameters.instant("time"), &headers).await;
    drawn.map_err(Exception::of_tile)
}

/// `/1.0.0/WMTSCapabilities.xml`.
pub(crate) async fn show(
    State(state): State<AppState>,
    links: Links,
    Path(id): Path<String>,
) -> Result<Response, Exception> {
    Ok(capabilities(&public(&state, &id, Kind::Wmts).await?, &links)?)
}

/// `/1.0.0/{layer}/{style}/{set}/{matrix}/{row}/{column}`.
pub(crate) async fn tile(
    State(state): State<AppState>,
    Path([id, layer, style, set, matrix, row, column]): Path<[String; 7]>,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let service = public(&state, &id, Kind::Wmts).await?;
    named(&layer, &style, "image/png", &set)?;
    Ok(answer(&state, service, [&matrix, &column, &row], None, &headers).await?)
}

/// The same with an instant before the set.
pub(crate) async fn tile_at(
    State(state): State<AppState>,
    Path([id, layer, style, time, set, matrix, row, column]): Path<[String; 8]>,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let service = public(&state, &id, Kind::Wmts).await?;
    named(&layer, &style, "image/png", &set)?;
    let place = [matrix.as_str(), &column, &row];
    Ok(answer(&state, service, place, tiles::instant(&time), &headers).await?)
}

/// Whether a tile is asked for by the names that the capabilities say.
fn named(layer: &str, style: &str, format: &str, set: &str) -> Result<(), Exception> {
    for (name, given, known) in [
        ("layer", layer, LAYER),
        ("style", if style.is_empty() { STYLE } else { style }, STYLE),
        ("format", format, "image/png"),
        ("tilematrixset", set, SET),
    ] {
        if !given.eq_ignore_ascii_case(known) {
            return Err(Exception::invalid(name, given, known));
        }
    }
    Ok(())
}

fn capabilities(service: &Service, links: &Links) -> Result<Response, ApiError> {
    let xml = document(service, &Kind::Wmts.url(links, &service.id), service.style()?.side);
    Ok(([(CONTENT_TYPE, "application/xml")], xml).into_response())
}

fn document(service: &Service, url: &str, side: usize) -> String {
    let title = escaped(service.title());
    let url = escaped(url);
    let [west, south, east, north] = service.about.bounds;
    // Beyond the antimeridian lies the other side of the map.
    let (west, east) = if east > 180.0 { (-180.0, 180.0) } else { (west.max(-180.0), east) };
    let operation = |name: &str| {
        format!(
            r#"<ows:Operation name="{name}"><ows:DCP><ows:HTTP><ows:Get xlink:href="{url}?"><ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>KVP</ows:Value></ows:AllowedValues></ows:Constraint></ows:Get></ows:HTTP></ows:DCP></ows:Operation>"#
        )
    };
    let (time, in_path) = match &service.about.latest {
        Some(latest) => {
            let value = |time: &String| format!("<Value>{}</Value>", escaped(time));
            let values: String = service.about.times.iter().map(value).collect();
            let time = format!(
                "<Dimension><ows:Identifier>TIME</ows:Identifier><ows:UOM>ISO8601</ows:UOM>\
                 <Default>{}</Default><Current>false</Current>{values}</Dimension>",
                escaped(latest)
            );
            (time, "{TIME}/")
        }
        None => (String::new(), ""),
    };
    let scale = SCALE * 256.0 / side as f64;
    let matrix = |z: u32| {
        let (denominator, count) = (scale / f64::from(1_u32 << z), 1_u32 << z);
        format!(
            "<TileMatrix><ows:Identifier>{z}</ows:Identifier><ScaleDenominator>{denominator}</ScaleDenominator>\
             <TopLeftCorner>-{HALF} {HALF}</TopLeftCorner><TileWidth>{side}</TileWidth><TileHeight>{side}</TileHeight>\
             <MatrixWidth>{count}</MatrixWidth><MatrixHeight>{count}</MatrixHeight></TileMatrix>"
        )
    };
    let matrices: String = (0..=DEEPEST).map(matrix).collect();
    // Registered for 256 pixels only.
    let registered = match side {
        256 => {
            "<WellKnownScaleSet>urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible</WellKnownScaleSet>"
        }
        _ => "",
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">
<ows:ServiceIdentification><ows:Title>{title}</ows:Title><ows:ServiceType>OGC WMTS</ows:ServiceType><ows:ServiceTypeVersion>1.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>
<ows:OperationsMetadata>{}{}</ows:OperationsMetadata>
<Contents>
<Layer><ows:Title>{title}</ows:Title><ows:WGS84BoundingBox><ows:LowerCorner>{west} {}</ows:LowerCorner><ows:UpperCorner>{east} {}</ows:UpperCorner></ows:WGS84BoundingBox><ows:Identifier>{LAYER}</ows:Identifier><Style isDefault="true"><ows:Identifier>{STYLE}</ows:Identifier></Style><Format>image/png</Format>{time}<TileMatrixSetLink><TileMatrixSet>{SET}</TileMatrixSet></TileMatrixSetLink><ResourceURL format="image/png" resourceType="tile" template="{url}/1.0.0/{LAYER}/{{Style}}/{in_path}{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}.png"/></Layer>
<TileMatrixSet><ows:Identifier>{SET}</ows:Identifier><ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS>{registered}{matrices}</TileMatrixSet>
</Contents>
<ServiceMetadataURL xlink:href="{url}/1.0.0/WMTSCapabilities.xml"/>
</Capabilities>
"#,
        operation("GetCapabilities"),
        operation("GetTile"),
        south.max(-90.0),
        north.min(90.0),
    )
}

/// A text in XML. What XML cannot hold at all is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_texts_in_xml() {
        assert_eq!(escaped("a<b> & \"c\"\u{1}\u{ffff}\nä"), "a&lt;b&gt; &amp; &quot;c&quot; ä");
    }
}
