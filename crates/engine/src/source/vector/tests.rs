//! Files that are whole, and files that are not: every damage is an error that says what it is.

use bytes::Bytes;
use eolith_cube::{Crs, Geometry};
use eolith_plan::request::InputFormat;

use super::wkb;
use super::{Count, read};

/// Files made by GDAL (through pyogrio) of three features in UTM 33N, see `tests/fixtures/vector.py`.
fn fixture(name: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}

const FILES: [(&str, InputFormat); 4] = [
    ("zones.geojson", InputFormat::GeoJson),
    ("zones.parquet", InputFormat::Parquet),
    ("zones.fgb", InputFormat::FlatGeobuf),
    ("zones.gpkg", InputFormat::GeoPackage),
];

#[test]
fn every_format_gives_the_same_features() {
    for (name, format) in FILES {
        let features = read(fixture(name), format).unwrap();
        assert_eq!(features.crs, Crs::epsg(32633).unwrap(), "{name}");
        assert_eq!(features.list.len(), 3, "{name}");
        // The order of FlatGeobuf is that of its index.
        let of = |crop: &str| features.list.iter().find(|f| f.properties["crop"] == crop).unwrap();
        let square = of("rye");
        let Some(Geometry::Polygon(rings)) = &square.geometry else { panic!("{name}: {square:?}") };
        assert_eq!((rings.len(), rings[0].len(), rings[0][0]), (2, 5, [500_000.0, 0.0]), "{name}");
        assert_eq!(
            (&square.properties["n"], &square.properties["area"]),
            (&3.into(), &9984.5.into())
        );
        let point = of("öl");
        assert_eq!(point.geometry, Some(Geometry::Point([500_050.0, 25.5])), "{name}");
        assert!(point.properties.get("area").is_none_or(|own| own.is_null()), "{name}");
        let lines = of("");
        let Some(Geometry::MultiLineString(parts)) = &lines.geometry else { panic!("{name}") };
        assert_eq!(parts.len(), 2, "{name}");
    }
}

#[test]
fn files_that_are_cut_off_or_something_else_are_refused() {
    for (name, format) in FILES {
        let whole = fixture(name);
        for end in [0, 1, 7, 12, whole.len() / 4, whole.len() / 2, whole.len() - 3] {
            let error = read(whole.slice(..end), format).unwrap_err().to_string();
            assert!(
                error.contains(match format {
                    InputFormat::Parquet => "GeoParquet",
                    InputFormat::GeoPackage => "GeoPackage",
                    other => other.name(),
                }),
                "{name} {end}: {error}"
            );
        }
        let (_, other) = FILES[(FILES.iter().position(|f| f.0 == name).unwrap() + 1) % FILES.len()];
        assert!(read(whole, other).is_err(), "{name} as {other:?}");
    }
    assert!(read(Bytes::new(), InputFormat::GTiff).is_err());
}

#[test]
fn damaged_files_end_in_errors_or_features() {
    // Bytes changed one at a time, all over the file: nothing may panic or hang.
    for (name, format) in FILES {
        let whole = fixture(name);
        for place in (0..whole.len()).step_by(whole.len() / 300 + 1) {
            let mut bytes = whole.to_vec();
            bytes[place] = bytes[place].wrapping_add(101);
            let _ = std::panic::catch_unwind(|| read(bytes.into(), format))
                .map_err(|_| assert!(format == InputFormat::Parquet, "{name} at {place}"));
        }
    }
}

#[test]
fn well_known_binary_of_every_dialect_is_read() {
    let parse = |bytes: &[u8]| wkb::read(bytes, &mut Count::default());
    let numbers =
        |numbers: &[f64]| numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let point = |code: u32, own: &[f64]| [&[1_u8][..], &code.to_le_bytes(), &numbers(own)].concat();
    let expected = Geometry::Point([1.0, 2.0]);
    assert_eq!(parse(&point(1, &[1.0, 2.0])).unwrap(), expected);
    // ISO with z, with m, with both; PostGIS with z; a system in front.
    assert_eq!(parse(&point(1001, &[1.0, 2.0, 9.0])).unwrap(), expected);
    assert_eq!(parse(&point(2001, &[1.0, 2.0, 9.0])).unwrap(), expected);
    assert_eq!(parse(&point(3001, &[1.0, 2.0, 9.0, 9.0])).unwrap(), expected);
    assert_eq!(parse(&point(0x8000_0001, &[1.0, 2.0, 9.0])).unwrap(), expected);
    let mut with_system = point(0x2000_0001, &[]);
    with_system.extend(4326_u32.to_le_bytes());
    with_system.extend(numbers(&[1.0, 2.0]));
    assert_eq!(parse(&with_system).unwrap(), expected);
    let big = [&[0_u8, 0, 0, 0, 1][..], &1.0_f64.to_be_bytes(), &2.0_f64.to_be_bytes()].concat();
    assert_eq!(parse(&big).unwrap(), expected);
    let empty = point(1, &[f64::NAN, f64::NAN]);
    assert_eq!(parse(&empty).unwrap(), Geometry::MultiPoint(Vec::new()));

    for (bytes, part) in [
        (vec![], "early"),
        (vec![2, 1, 0, 0, 0], "byte order"),
        (point(1, &[1.0]), "early"),
        (point(1, &[1.0, 2.0, 3.0]), "after"),
        (point(1, &[1.0, f64::INFINITY]), "finite"),
        (point(8, &[]), "not read"),
        (point(9001, &[]), "unknown"),
        ([&point(2, &[])[..], &u32::MAX.to_le_bytes()].concat(), "early"),
        (
            [&point(2, &[])[..], &1_u32.to_le_bytes(), &numbers(&[1.0, 2.0])].concat(),
            "two positions",
        ),
        ([&point(4, &[])[..], &1_u32.to_le_bytes(), &point(2, &[])].concat(), "another kind"),
    ] {
        let error = parse(&bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{bytes:?}: {error}");
    }
}
