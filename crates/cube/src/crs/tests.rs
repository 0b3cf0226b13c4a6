//! Points, texts and refusals. The two data files are made by `xtask/epsg/known_points.py` and
//! `known_forms.py` with PROJ.

use std::collections::HashSet;

use super::*;

fn wgs84() -> Crs {
    Crs::parse("OGC:CRS84").unwrap()
}

/// Distance in metres between two points of `crs`.
fn apart(crs: &Crs, a: (f64, f64), b: (f64, f64)) -> f64 {
    let scale =
        crs.unit_metres().map_or((111_320.0 * a.1.to_radians().cos(), 111_000.0), |u| (u, u));
    ((a.0 - b.0) * scale.0).hypot((a.1 - b.1) * scale.1)
}

fn moved(from: &Crs, to: &Crs, point: (f64, f64)) -> (f64, f64) {
    let (mut xs, mut ys) = ([point.0], [point.1]);
    transformer(from, to).unwrap().transform(&mut xs, &mut ys);
    (xs[0], ys[0])
}

fn numbers<'a>(columns: &mut impl Iterator<Item = &'a str>) -> [f64; 4] {
    [(); 4].map(|()| columns.next().unwrap().parse().unwrap())
}

#[test]
fn points_are_where_proj_puts_them() {
    for line in include_str!("known_points.tsv").lines() {
        let mut columns = line.split('\t');
        let crs = Crs::parse(columns.next().unwrap()).unwrap();
        let [lon, lat, x, y] = numbers(&mut columns);
        let limit: f64 = columns.next().unwrap().parse().unwrap();
        let error = apart(&crs, moved(&wgs84(), &crs, (lon, lat)), (x, y));
        assert!(error <= limit, "{line}: off by {error} m");
        let back = apart(&wgs84(), moved(&crs, &wgs84(), (x, y)), (lon, lat));
        assert!(back <= 0.01, "{line}: {back} m off on the way back");
    }
}

#[test]
fn every_notation_of_a_system_gives_the_same_points() {
    for line in include_str!("known_forms.tsv").lines() {
        let mut columns = line.split('\t');
        let (system, notation) = (columns.next().unwrap(), columns.next().unwrap());
        let [lon, lat, x, y] = numbers(&mut columns);
        let text = columns.next().unwrap();
        let crs = Crs::parse(text).unwrap_or_else(|e| panic!("{system} {notation}: {e}"));
        assert_eq!(crs.text(), Some(text));
        assert_eq!(crs.code().is_some(), system.starts_with("EPSG"), "{system} {notation}");
        let error = apart(&crs, moved(&wgs84(), &crs, (lon, lat)), (x, y));
        assert!(error < 0.001, "{system} {notation}: off by {error} m with {}", crs.proj_string());
        // Without its id the same text has to say the same by its parameters.
        let nameless = Crs::parse(&text.replace("EPSG", "NONE"));
        if !text.contains("NAD83") && !text.contains("Pseudo-Mercator") {
            let crs = nameless.unwrap_or_else(|e| panic!("{system} {notation} without id: {e}"));
            assert_eq!(crs.code(), None);
            let error = apart(&crs, moved(&wgs84(), &crs, (lon, lat)), (x, y));
            assert!(
                error < 0.001,
                "{system} {notation} without id: {error} m, {}",
                crs.proj_string()
            );
        }
    }
}

#[test]
fn short_forms() {
    for text in [
        "EPSG:32633",
        "epsg:32633",
        " 32633 ",
        "urn:ogc:def:crs:EPSG::32633",
        "urn:ogc:def:crs:EPSG:9.8:32633",
        "http://www.opengis.net/def/crs/EPSG/0/32633",
        "https://www.opengis.net/def/crs/EPSG/0/32633",
    ] {
        let crs = Crs::parse(text).unwrap();
        assert_eq!(crs, Crs::epsg(32633).unwrap(), "{text}");
        assert_eq!(crs.to_string(), "EPSG:32633");
        assert_eq!(crs.name(), "WGS 84 / UTM zone 33N");
        assert_eq!(crs.area_of_use(), Some([12.0, 0.0, 18.0, 84.0]));
        assert_eq!((crs.unit_metres(), crs.unit_name()), (Some(1.0), "metre"));
        assert_eq!(crs.text(), None);
    }
    for text in [
        "OGC:CRS84",
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    ] {
        let crs = Crs::parse(text).unwrap();
        assert_eq!(crs, Crs::wgs84());
        assert!(crs.is_geographic());
        assert_eq!((crs.unit_metres(), crs.unit_name()), (None, "degree"));
    }
    assert_eq!(Crs::epsg(2263).unwrap().unit_name(), "US survey foot");
}

#[test]
fn malformed_text_is_an_error_and_nothing_worse() {
    let good = include_str!("known_forms.tsv").lines().map(|l| l.rsplit('\t').next().unwrap());
    for text in good {
        for (cut, _) in text.char_indices().step_by(7) {
            let _ = Crs::parse(&text[..cut]);
            let _ = Crs::parse(&text[cut..]);
            let _ = Crs::parse(&format!("{}0{}", &text[..cut], &text[cut..]));
            let _ = Crs::parse(&format!("{}]{}", &text[..cut], &text[cut..]));
        }
    }
    for text in [
        "",
        "   ",
        "EPSG:",
        "EPSG:abc",
        "EPSG:-1",
        "EPSG:99999999999",
        "ESRI:102008",
        "WGS84",
        "urn:ogc:def:crs:",
        "urn:ogc:def:crs:EPSG",
        "[",
        "]",
        "PROJCS[",
        "PROJCS[]",
        "PROJCS[\"a",
        "GEOGCS[\"a\"]]",
        "GEOGCS[\"a\"] b",
        "\"a\"[",
        "PROJCS[\"x\",GEOGCS[\"y\",DATUM[\"z\",SPHEROID[\"s\",nan,inf]]],PROJECTION[\"Sinusoidal\"]]",
        "{",
        "{}",
        "{\"type\":\"ProjectedCRS\"}",
        "{\"type\":\"CompoundCRS\",\"components\":[]}",
        "+proj=",
        "+",
        "é[ü]",
    ] {
        let error = Crs::parse(text).unwrap_err();
        assert!(!error.to_string().ends_with('.'), "{error}");
    }
    assert!(Crs::parse(&"A[".repeat(100_000)).is_err());
    assert!(Crs::parse(&"{\"a\":".repeat(50_000)).is_err());
    assert!(Crs::parse(&"x".repeat(1 << 20)).is_err());
}

#[test]
fn refused_by_name() {
    assert_eq!(Crs::epsg(1).unwrap_err(), CrsError::UnknownCode { code: 1 });
    for code in [27700, 4267] {
        let error = Crs::epsg(code).unwrap_err();
        assert!(matches!(error, CrsError::Inaccurate { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`EPSG:{code}`")), "{error}");
    }
    for (code, part) in [(2053, "axes"), (4807, "degrees"), (4087, "releases of PROJ")] {
        let error = Crs::epsg(code).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("`proj` feature"), "{error}");
    }
    // A text with the id of a refused code is refused too.
    let wkt = "GEOGCS[\"NAD27\",DATUM[\"North_American_Datum_1927\",\
               SPHEROID[\"Clarke 1866\",6378206.4,294.978698213898]],AUTHORITY[\"EPSG\",\"4267\"]]";
    assert!(matches!(Crs::parse(wkt).unwrap_err(), CrsError::Inaccurate { code: 4267, .. }));
    let error = Crs::parse(&wkt.replace("EPSG", "ESRI")).unwrap_err().to_string();
    assert!(error.contains("North_American_Datum_1927"), "{error}");
    let vertical = "VERT_CS[\"EGM96\",VERT_DATUM[\"EGM96\",2005]]";
    assert!(matches!(Crs::parse(vertical).unwrap_err(), CrsError::Unsupported { .. }));
    // Compound systems are used by their horizontal part.
    let compound = format!(
        "COMPD_CS[\"both\",GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",\
                            6378137,298.257223563]],AUTHORITY[\"EPSG\",\"4326\"]],{vertical}]"
    );
    assert_eq!(Crs::parse(&compound).unwrap().code(), Some(4326));
}

#[test]
fn unknown_parameters_and_methods_are_not_ignored() {
    let wkt = |method: &str, parameter: &str| {
        format!(
            "PROJCS[\"x\",GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],\
             UNIT[\"degree\",0.0174532925199433]],PROJECTION[\"{method}\"],\
             PARAMETER[\"{parameter}\",1],UNIT[\"metre\",1]]"
        )
    };
    assert!(Crs::parse(&wkt("Sinusoidal", "longitude_of_center")).is_ok());
    for (method, parameter) in [
        ("Sinusoidal", "standard_parallel_1"),
        ("Sinusoidal", "scale_factor_2"),
        ("Wagner_IV", "longitude_of_center"),
        ("Transverse_Mercator", "azimuth"),
    ] {
        let error = Crs::parse(&wkt(method, parameter)).unwrap_err();
        assert!(matches!(error, CrsError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn equality_is_by_code_then_by_string() {
    let utm = Crs::epsg(32633).unwrap();
    let text = Crs::parse("+proj=utm +zone=33 +datum=WGS84").unwrap();
    assert_ne!(utm, text);
    assert_eq!(text, Crs::parse("+proj=utm +zone=33  +datum=WGS84 +no_defs").unwrap());
    assert_eq!(text.to_string(), "+proj=utm +zone=33 +datum=WGS84");
    let set: HashSet<Crs> = [utm.clone(), text, utm, Crs::epsg(32634).unwrap()].into();
    assert_eq!(set.len(), 3);
}

#[test]
fn points_without_image_are_nan() {
    let there = transformer(&wgs84(), &Crs::epsg(32633).unwrap()).unwrap();
    let (mut xs, mut ys) =
        ([15.0, 15.0, f64::NAN, 15.0, f64::INFINITY], [52.0, 95.0, 0.0, f64::NAN, 0.0]);
    there.transform(&mut xs, &mut ys);
    assert!((xs[0] - 500_000.0).abs() < 1e-3 && ys[0].is_finite());
    assert!(xs[1..].iter().chain(&ys[1..]).all(|v| v.is_nan()));
    let disk = Crs::parse("+proj=geos +h=35785831 +ellps=WGS84").unwrap();
    assert!(moved(&wgs84(), &disk, (120.0, 0.0)).0.is_nan());
    assert!(moved(&disk, &wgs84(), (9e6, 0.0)).0.is_nan());
    let (mut xs, mut ys) = ([15.0, 16.0], [52.0]);
    there.transform(&mut xs, &mut ys);
    assert!(xs[0].is_finite() && xs[1].is_nan());
}

#[test]
fn every_accepted_code_returns_from_the_middle_of_its_area() {
    for entry in table::all() {
        let Ok(crs) = Crs::epsg(entry.code) else { continue };
        let Some([west, south, east, north]) = crs.area_of_use() else { continue };
        let east = if east < west { east + 360.0 } else { east };
        let (lon, lat) = (f64::midpoint(west, east), f64::midpoint(south, north));
        let lon = if lon > 180.0 { lon - 360.0 } else { lon };
        let there = moved(&wgs84(), &crs, (lon, lat));
        let back = moved(&crs, &wgs84(), there);
        let error = apart(&wgs84(), back, (lon, lat));
        // The inverse of a shift with big rotations is not exact: decimetres at worst, in PROJ as well.
        assert!(error < 0.5, "{crs:?} ({lon}, {lat}) → {there:?} → {back:?}");
    }
}

#[test]
fn a_side_without_datum_keeps_the_shift_of_the_other() {
    let sphere = Crs::parse("+proj=longlat +R=6371000").unwrap();
    let shifted = Crs::parse("+proj=longlat +ellps=bessel +towgs84=598.1,73.7,418.2").unwrap();
    let direct = moved(&wgs84(), &shifted, (10.0, 50.0));
    assert_eq!(moved(&sphere, &shifted, (10.0, 50.0)), direct);
    assert!((direct.0 - 10.0).abs() > 1e-4);
    let back = moved(&shifted, &sphere, direct);
    assert!(apart(&wgs84(), back, (10.0, 50.0)) < 1e-3);
}

#[test]
fn bounds_follow_curved_edges() {
    let (geo, utm, polar) = (wgs84(), Crs::epsg(32633).unwrap(), Crs::epsg(3413).unwrap());
    let [w, s, e, n] = densified_bounds([12.0, 50.0, 18.0, 52.0], &geo, &utm, 21).unwrap();
    // The northern edge bends down between the corners, the southern one has its lowest point in the middle.
    let low = moved(&geo, &utm, (15.0, 50.0)).1;
    assert!((s - low).abs() < 1e-6 && n > moved(&geo, &utm, (15.0, 52.0)).1);
    assert!((w + e - 1_000_000.0).abs() < 1e-3);
    assert_eq!(
        densified_bounds([1.0, 2.0, 3.0, 4.0], &geo, &geo, 5).unwrap(),
        [1.0, 2.0, 3.0, 4.0]
    );
    // Around the pole.
    let around = densified_bounds([-1e6, -1e6, 1e6, 1e6], &polar, &geo, 21).unwrap();
    assert_eq!([around[0], around[2], around[3]], [-180.0, 180.0, 90.0]);
    assert!((76.0..79.0).contains(&around[1]), "{around:?}");
    // Across the antimeridian: east goes on beyond 180.
    let last = Crs::epsg(32660).unwrap();
    let across = densified_bounds([600_000.0, 0.0, 900_000.0, 100_000.0], &last, &geo, 21).unwrap();
    assert!(across[0] > 177.0 && (180.0..182.0).contains(&across[2]), "{across:?}");
    let there = densified_bounds([179.0, 1.0, -179.0, 2.0], &geo, &last, 21).unwrap();
    assert!(there[2] - there[0] > 200_000.0 && there[2] - there[0] < 230_000.0, "{there:?}");
    // A full disk: the corners are not on Earth.
    let disk = Crs::parse("+proj=geos +h=35785831 +ellps=WGS84").unwrap();
    let seen = densified_bounds([-5.5e6, -5.5e6, 5.5e6, 5.5e6], &disk, &geo, 41).unwrap();
    assert!(seen[0] < -70.0 && seen[2] > 70.0 && seen[1] < -70.0 && seen[3] > 70.0, "{seen:?}");
    let error = densified_bounds([170.0, 0.0, 175.0, 1.0], &geo, &disk, 11).unwrap_err();
    assert!(matches!(error, CrsError::Outside { .. }));
    for bad in [[3.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [f64::NAN, 0.0, 1.0, 1.0]] {
        assert!(densified_bounds(bad, &utm, &geo, 5).is_err());
    }
}

#[test]
fn odd_parameters_do_no_harm() {
    let values = ["0", "90", "-90", "45", "1e300", "-1", "1e-300", "361"];
    let keys = [
        "lat_0", "lat_1", "lat_ts", "lon_0", "k", "alpha", "lonc", "h", "a", "rf", "zone", "es",
        "b", "R",
    ];
    let mut tried = 0;
    for name in proj_string::PROJECTIONS {
        for key in keys {
            for value in values {
                for more in [
                    "",
                    " +lat_1=10 +lat_2=-10",
                    " +lat_1=10 +lat_2=50 +h=1e7 +zone=1",
                    " +south +ellps=intl",
                ] {
                    let Ok(crs) = Crs::parse(&format!("+proj={name} +{key}={value}{more}")) else {
                        continue;
                    };
                    tried += 1;
                    for (from, to) in [(&wgs84(), &crs), (&crs, &wgs84())] {
                        let Ok(there) = transformer(from, to) else { continue };
                        let (mut xs, mut ys) =
                            ([0.0, 90.0, -180.0, 1e7, -1e5], [0.0, 90.0, -45.0, -1e7, 1e300]);
                        there.transform(&mut xs, &mut ys);
                        assert!(xs.iter().zip(&ys).all(|(x, y)| x.is_nan() == y.is_nan()));
                    }
                }
            }
        }
    }
    assert!(tried > 3000, "{tried}");
}
