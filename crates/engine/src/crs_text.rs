//! What files say about a reference system: WKT, PROJJSON and CF grid-mapping attributes.
//!
//! Texts of EPSG systems were written by PROJ once and are carried compressed (`data/crs_texts.bin.zst`, made by
//! `xtask/epsg/epsg_table.py`: two zstd frames of sorted lines, unpacked on first use and then kept, about
//! 3 MB for WKT and 8 MB for PROJJSON). Systems that were read from WKT or PROJJSON give back that text.
//!
//! WKT is WKT1 in GDAL's dialect, with `AUTHORITY["EPSG",…]`: GDAL (its `spatial_ref` and `crs_wkt`
//! attributes), rasterio and rioxarray, pyproj and QGIS take the EPSG code from it, and so do older and Java
//! readers that know no WKT2. A fifth of the systems have WKT2:2019 instead, which everything on PROJ 6 or later
//! reads: mostly those with northing first, whose code PROJ does not recognise in WKT1, as GDAL leaves the axes
//! out there. PROJJSON is for STAC's `proj:projjson`; scopes and areas are left out of it.
//!
//! Coordinates are not computed here: see [`eolith_cube::crs`].

use std::borrow::Cow;
use std::io;
use std::sync::OnceLock;

use eolith_cube::Crs;

static PACKED: &[u8] = include_bytes!("../data/crs_texts.bin.zst");

/// A value of a CF attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum CfValue {
    /// Text, such as the name of the mapping.
    Text(String),
    /// One number.
    Number(f64),
    /// Several numbers: the two parallels of a conic projection.
    Numbers(Vec<f64>),
}

/// The WKT of `crs`, WKT1 where it suffices (see above), or `None` if neither EPSG nor its own text has any.
pub fn wkt(crs: &Crs) -> Option<Cow<'_, str>> {
    static TEXTS: OnceLock<String> = OnceLock::new();
    if let Some(text) =
        crs.text().filter(|text| text.contains('[')).filter(|text| !text.starts_with('{'))
    {
        return Some(Cow::Borrowed(text));
    }
    let texts = TEXTS.get_or_init(|| unpack(frames().0));
    find(texts, crs.code()?).map(Cow::Borrowed)
}

/// The PROJJSON of `crs`, or `None` if neither EPSG nor its own text has any.
pub fn projjson(crs: &Crs) -> Option<Cow<'_, str>> {
    static TEXTS: OnceLock<String> = OnceLock::new();
    if let Some(text) = crs.text().filter(|text| text.starts_with('{')) {
        return Some(Cow::Borrowed(text));
    }
    let texts = TEXTS.get_or_init(|| unpack(frames().1));
    find(texts, crs.code()?).map(Cow::Borrowed)
}

fn frames() -> (&'static [u8], &'static [u8]) {
    let (length, rest) = PACKED.split_at(4);
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at(length)
}

fn unpack(frame: &[u8]) -> String {
    let read = |frame| -> io::Result<String> {
        String::from_utf8(zstd::decode_all(frame)?).map_err(io::Error::other)
    };
    read(frame).expect("invariant: the packed texts are built in, and a test reads them")
}

/// The text behind `code` in sorted lines of `code<tab>text`.
fn find(texts: &str, code: u32) -> Option<&str> {
    let (mut low, mut high) = (0, texts.len());
    let bytes = texts.as_bytes();
    while low < high {
        let middle = low + (high - low) / 2;
        let start =
            bytes[low..middle].iter().rposition(|b| *b == b'\n').map_or(low, |i| low + i + 1);
        let end =
            bytes[middle..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| middle + i);
        let (found, text) = texts.get(start..end)?.split_once('\t')?;
        match found.parse::<u32>().ok()?.cmp(&code) {
            std::cmp::Ordering::Equal => return Some(text),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// The attributes of a CF grid-mapping variable for `crs`, without `crs_wkt`: name, figure of the Earth and
/// parameters of the projection. Angles are in degrees, lengths in metres, but false easting and northing are in
/// the unit of x and y, as CF wants.
///
/// Empty for projections that CF has no name for; `crs_wkt` then says it all.
pub fn cf_attributes(crs: &Crs) -> Vec<(String, CfValue)> {
    let proj = Parameters::of(crs);
    let mut attributes = Attributes(Vec::new());
    let method = proj.text("proj").unwrap_or_default();
    if !proj.mapping(method, &mut attributes) {
        return Vec::new();
    }
    let (semi_major, inverse_flattening) = proj.figure();
    if inverse_flattening == 0.0 {
        attributes.number("earth_radius", semi_major);
    } else {
        attributes.number("semi_major_axis", semi_major);
        attributes.number("inverse_flattening", inverse_flattening);
    }
    attributes.number("longitude_of_prime_meridian", proj.prime_meridian());
    if let Some(shift) = proj.text("towgs84") {
        let shift: Vec<f64> = shift.split(',').filter_map(|v| v.parse().ok()).collect();
        if shift.iter().any(|v| *v != 0.0) {
            attributes.push("towgs84", CfValue::Numbers(shift));
        }
    }
    if crs.is_geographic() {
        return attributes.0;
    }
    if method == "utm" {
        attributes.number("false_easting", 500_000.0);
        attributes.number("false_northing", if proj.has("south") { 10_000_000.0 } else { 0.0 });
    } else if method != "geos" {
        // PROJ gives metres whatever the unit.
        let unit = crs.unit_metres().unwrap_or(1.0);
        attributes.number("false_easting", proj.number("x_0", 0.0) / unit);
        attributes.number("false_northing", proj.number("y_0", 0.0) / unit);
    }
    attributes.0
}

#[derive(Debug)]
struct Attributes(Vec<(String, CfValue)>);

impl Attributes {
    fn push(&mut self, name: &str, value: CfValue) {
        self.0.push((name.to_owned(), value));
    }

    fn number(&mut self, name: &str, value: f64) {
        self.push(name, CfValue::Number(value));
    }

    fn name(&mut self, mapping: &str) {
        self.push("grid_mapping_name", CfValue::Text(mapping.to_owned()));
    }
}

/// The words of a PROJ string.
#[derive(Debug)]
struct Parameters<'a>(Vec<(&'a str, Option<&'a str>)>);

impl<'a> Parameters<'a> {
    fn of(crs: &'a Crs) -> Self {
        let words = crs.proj_string().split_whitespace().map(|word| word.trim_start_matches('+'));
        Parameters(
            words
                .map(|word| {
                    word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)))
                })
                .collect(),
        )
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| *k == key)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == key).and_then(|(_, value)| *value)
    }

    fn maybe(&self, key: &str) -> Option<f64> {
        self.text(key).and_then(|value| value.parse().ok())
    }

    fn number(&self, key: &str, default: f64) -> f64 {
        self.maybe(key).unwrap_or(default)
    }

    fn scale(&self) -> f64 {
        self.maybe("k_0").or_else(|| self.maybe("k")).unwrap_or(1.0)
    }

    /// Adds the name and parameters of the mapping; false if CF has none that fits.
    fn mapping(&self, method: &str, to: &mut Attributes) -> bool {
        let (lat_0, lon_0) = (self.number("lat_0", 0.0), self.number("lon_0", 0.0));
        match method {
            "longlat" => to.name("latitude_longitude"),
            "utm" => {
                to.name("transverse_mercator");
                to.number("latitude_of_projection_origin", 0.0);
                to.number("longitude_of_central_meridian", self.number("zone", 0.0) * 6.0 - 183.0);
                to.number("scale_factor_at_central_meridian", 0.9996);
            }
            "tmerc" | "etmerc" => {
                to.name("transverse_mercator");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_central_meridian", lon_0);
                to.number("scale_factor_at_central_meridian", self.scale());
            }
            "lcc" => {
                // CF has parallels only: a cone given by a scale at its one parallel has no exact form there.
                if self.scale() != 1.0 {
                    return false;
                }
                to.name("lambert_conformal_conic");
                to.push("standard_parallel", self.parallels(lat_0));
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_central_meridian", lon_0);
            }
            "aea" => {
                to.name("albers_conical_equal_area");
                to.push("standard_parallel", self.parallels(lat_0));
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_central_meridian", lon_0);
            }
            "laea" => {
                to.name("lambert_azimuthal_equal_area");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_projection_origin", lon_0);
            }
            "aeqd" => {
                to.name("azimuthal_equidistant");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_projection_origin", lon_0);
            }
            "stere" if lat_0.abs() == 90.0 => {
                to.name("polar_stereographic");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("straight_vertical_longitude_from_pole", lon_0);
                match self.maybe("lat_ts") {
                    Some(parallel) => to.number("standard_parallel", parallel),
                    None => to.number("scale_factor_at_projection_origin", self.scale()),
                }
            }
            "stere" | "sterea" => {
                to.name("stereographic");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_projection_origin", lon_0);
                to.number("scale_factor_at_projection_origin", self.scale());
            }
            "merc" => {
                to.name("mercator");
                to.number("longitude_of_projection_origin", lon_0);
                match self.maybe("lat_ts") {
                    Some(parallel) => to.number("standard_parallel", parallel),
                    None => to.number("scale_factor_at_projection_origin", self.scale()),
                }
            }
            "sinu" => {
                to.name("sinusoidal");
                to.number("longitude_of_projection_origin", lon_0);
            }
            "cea" => {
                to.name("lambert_cylindrical_equal_area");
                to.number("longitude_of_central_meridian", lon_0);
                to.number("standard_parallel", self.number("lat_ts", 0.0));
            }
            "geos" => {
                to.name("geostationary");
                to.number("latitude_of_projection_origin", lat_0);
                to.number("longitude_of_projection_origin", lon_0);
                to.number("perspective_point_height", self.number("h", 0.0));
                let axis = self.text("sweep").unwrap_or("y");
                to.push("sweep_angle_axis", CfValue::Text(axis.to_owned()));
            }
            _ => return false,
        }
        true
    }

    fn parallels(&self, default: f64) -> CfValue {
        let first = self.number("lat_1", default);
        match self.maybe("lat_2") {
            Some(second) if second != first => CfValue::Numbers(vec![first, second]),
            _ => CfValue::Number(first),
        }
    }

    fn prime_meridian(&self) -> f64 {
        let Some(meridian) = self.text("pm") else { return 0.0 };
        meridian.parse().unwrap_or_else(|_| {
            let named = MERIDIANS.iter().find(|(name, _)| *name == meridian);
            named.map_or(0.0, |(_, degrees)| *degrees)
        })
    }

    /// Semi-major axis in metres and inverse flattening, 0 for a sphere.
    fn figure(&self) -> (f64, f64) {
        if let Some(radius) = self.maybe("R") {
            return (radius, 0.0);
        }
        let named = match (self.text("ellps"), self.text("datum")) {
            (Some(name), _) => name,
            (None, Some("NAD83")) => "GRS80",
            _ => "WGS84",
        };
        let known = ELLIPSOIDS.iter().find(|(name, ..)| *name == named);
        let (mut major, mut inverse) =
            known.map_or((6_378_137.0, 298.257_223_563), |(_, a, rf)| (*a, *rf));
        if let Some(a) = self.maybe("a") {
            major = a;
        }
        if let Some(rf) = self.maybe("rf") {
            inverse = rf;
        } else if let Some(b) = self.maybe("b") {
            inverse = if b == major { 0.0 } else { major / (major - b) };
        }
        (major, inverse)
    }
}

/// Name, semi-major axis in metres, inverse flattening of the ellipsoids that PROJ abbreviates in the table.
const ELLIPSOIDS: [(&str, f64, f64); 30] = [
    ("WGS84", 6_378_137.0, 298.257_223_563),
    ("GRS80", 6_378_137.0, 298.257_222_101),
    ("WGS72", 6_378_135.0, 298.26),
    ("WGS66", 6_378_145.0, 298.25),
    ("GRS67", 6_378_160.0, 298.247_167_427),
    ("aust_SA", 6_378_160.0, 298.25),
    ("intl", 6_378_388.0, 297.0),
    ("krass", 6_378_245.0, 298.3),
    ("bessel", 6_377_397.155, 299.152_812_8),
    ("bess_nam", 6_377_483.865, 299.152_812_8),
    ("clrk66", 6_378_206.4, 294.978_698_213_898),
    ("clrk80", 6_378_249.145, 293.4663),
    ("clrk80ign", 6_378_249.2, 293.466_021_293_627),
    ("airy", 6_377_563.396, 299.324_964_6),
    ("mod_airy", 6_377_340.189, 299.324_964_6),
    ("evrst30", 6_377_276.345, 300.8017),
    ("evrst48", 6_377_304.063, 300.8017),
    ("evrst56", 6_377_301.243, 300.8017),
    ("evrst69", 6_377_295.664, 300.8017),
    ("evrstSS", 6_377_298.556, 300.8017),
    ("helmert", 6_378_200.0, 298.3),
    ("hough", 6_378_270.0, 297.0),
    ("danish", 6_377_019.256_3, 300.0),
    ("andrae", 6_377_104.43, 300.0),
    ("GSK2011", 6_378_136.5, 298.256_415_1),
    ("PZ90", 6_378_136.0, 298.257_84),
    ("NWL9D", 6_378_145.0, 298.25),
    ("plessis", 6_376_523.0, 308.64),
    ("IAU76", 6_378_140.0, 298.257),
    ("sphere", 6_370_997.0, 0.0),
];

/// Longitudes of the prime meridians that PROJ names, in degrees east of Greenwich.
const MERIDIANS: [(&str, f64); 14] = [
    ("greenwich", 0.0),
    ("lisbon", -9.131_906_111_111),
    ("paris", 2.337_229_166_667),
    ("bogota", -74.080_916_666_667),
    ("madrid", -3.687_938_888_889),
    ("rome", 12.452_333_333_333),
    ("bern", 7.439_583_333_333),
    ("jakarta", 106.807_719_444_444),
    ("ferro", -17.666_666_666_667),
    ("brussels", 4.367_975),
    ("stockholm", 18.058_277_777_778),
    ("athens", 23.716_337_5),
    ("oslo", 10.722_916_666_667),
    ("copenhagen", 12.577_88),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(attributes: &'a [(String, CfValue)], name: &str) -> Option<&'a CfValue> {
        attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    #[test]
    fn every_accepted_code_has_both_texts() {
        let mut count = 0;
        for code in 1000..40_000 {
            let Ok(crs) = Crs::epsg(code) else { continue };
            let id = format!("\"EPSG\",\"{code}\"]]");
            let id2 = format!("ID[\"EPSG\",{code}]]");
            let text = wkt(&crs).unwrap();
            assert!(text.ends_with(&id) || text.ends_with(&id2), "{text}");
            let json = projjson(&crs).unwrap();
            assert!(
                json.ends_with(&format!("\"id\":{{\"authority\":\"EPSG\",\"code\":{code}}}}}")),
                "{json}"
            );
            assert_eq!(Crs::parse(&text).unwrap(), crs);
            assert_eq!(Crs::parse(&json).unwrap(), crs);
            count += 1;
        }
        assert!(count > 3000, "{count}");
    }

    #[test]
    fn texts_that_were_read_come_back() {
        let text = "GEOGCS[\"sphere\",DATUM[\"unknown\",SPHEROID[\"s\",6371000,0]]]";
        assert_eq!(wkt(&Crs::parse(text).unwrap()).unwrap(), text);
        assert_eq!(projjson(&Crs::parse(text).unwrap()), None);
        assert_eq!(wkt(&Crs::parse("+proj=sinu +R=6371007.181").unwrap()), None);
    }

    #[test]
    fn cf_names_methods_and_figures() {
        use CfValue::{Number, Numbers, Text};
        for (system, mapping, name, expected) in [
            ("EPSG:4326", "latitude_longitude", "inverse_flattening", Number(298.257_223_563)),
            ("EPSG:32733", "transverse_mercator", "false_northing", Number(10_000_000.0)),
            ("EPSG:32733", "transverse_mercator", "longitude_of_central_meridian", Number(15.0)),
            ("EPSG:3035", "lambert_azimuthal_equal_area", "false_easting", Number(4_321_000.0)),
            ("EPSG:3035", "lambert_azimuthal_equal_area", "semi_major_axis", Number(6_378_137.0)),
            (
                "EPSG:5070",
                "albers_conical_equal_area",
                "standard_parallel",
                Numbers(vec![29.5, 45.5]),
            ),
            (
                "EPSG:2154",
                "lambert_conformal_conic",
                "standard_parallel",
                Numbers(vec![49.0, 44.0]),
            ),
            (
                "EPSG:3413",
                "polar_stereographic",
                "straight_vertical_longitude_from_pole",
                Number(-45.0),
            ),
            ("EPSG:3413", "polar_stereographic", "standard_parallel", Number(70.0)),
            ("EPSG:3857", "mercator", "earth_radius", Number(6_378_137.0)),
            ("EPSG:6933", "lambert_cylindrical_equal_area", "standard_parallel", Number(30.0)),
            ("+proj=sinu +R=6371007.181", "sinusoidal", "earth_radius", Number(6_371_007.181)),
            (
                "+proj=geos +h=35785831 +sweep=y +ellps=WGS84",
                "geostationary",
                "sweep_angle_axis",
                Text("y".into()),
            ),
        ] {
            let attributes = cf_attributes(&Crs::parse(system).unwrap());
            assert_eq!(
                value(&attributes, "grid_mapping_name"),
                Some(&Text(mapping.into())),
                "{system}"
            );
            assert_eq!(value(&attributes, name), Some(&expected), "{system}");
        }
        assert!(cf_attributes(&Crs::parse("+proj=robin +ellps=WGS84").unwrap()).is_empty());
    }

    #[test]
    fn every_ellipsoid_and_meridian_of_the_table_is_known() {
        for code in 1000..40_000 {
            let Ok(crs) = Crs::epsg(code) else { continue };
            let proj = Parameters::of(&crs);
            if let Some(name) = proj.text("ellps") {
                assert!(ELLIPSOIDS.iter().any(|(n, ..)| *n == name), "{name}");
            }
            if let Some(name) = proj.text("pm").filter(|pm| pm.parse::<f64>().is_err()) {
                assert!(MERIDIANS.iter().any(|(n, _)| *n == name), "{name}");
            }
        }
    }
}
