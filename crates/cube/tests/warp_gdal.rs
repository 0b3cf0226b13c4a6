//! Resampling next to GDAL: small grids whose results come from `tests/data/warp/make.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::Path;

use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Block, Crs, Grid, Number, Values};

struct Case {
    name: String,
    from: Grid,
    to: Grid,
    gap: bool,
    results: BTreeMap<&'static str, Vec<Option<f64>>>,
}

fn grid(text: &str) -> Grid {
    let v: Vec<f64> = text.split(' ').map(|v| v.parse().unwrap()).collect();
    let crs = Crs::epsg(v[0] as u32).unwrap();
    Grid::from_corner(crs, (v[1], v[2]), (v[3], v[4]), (v[5] as usize, v[6] as usize))
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/warp/cases.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |part: &str| {
        let fields: BTreeMap<&str, &str> =
            part.lines().skip(1).map(|line| line.split_once(' ').unwrap()).collect();
        let results = Method::ALL.map(|method| {
            let values = fields[method.name()].split(' ');
            (method.name(), values.map(|v| (v != "-").then(|| v.parse().unwrap())).collect())
        });
        Case {
            name: part.lines().next().unwrap().to_owned(),
            from: grid(fields["from"]),
            to: grid(fields["to"]),
            gap: fields["gap"] == "true",
            results: results.into_iter().collect(),
        }
    };
    text.split("case ").filter(|part| !part.is_empty()).map(read).collect()
}

fn source(case: &Case) -> Block {
    let (width, height) = (case.from.x.len, case.from.y.len);
    let value = |i: usize| {
        let (r, c) = (i / width, i % width);
        let gap = case.gap && (r * 13 + c * 7) % 19 == 0;
        if gap { -1.0 } else { ((r * r * 7 + c * 31 + r * c * 5) % 97) as f64 }
    };
    let mut block =
        Block::new(vec![height, width], Values::F64((0..width * height).map(value).collect()));
    block.mask_value(Number::Float(-1.0));
    block
}

/// How far a result may be from GDAL's, relative to the value (at least 1); `None`: not comparable.
///
/// Results are stored with seven digits, so 1e-6 is equality.
fn tolerance(case: &Case, method: Method) -> Option<f64> {
    let rotated = case.from.crs != case.to.crs;
    let cut = case.name.contains("beyond the edges");
    match method {
        // GDAL counts pixels from 3.11 on by their touched part, as here; the results are from 3.10, which
        // counts touched pixels. That is the same where all are touched wholly, or there is only one.
        Method::Mode
            if !["up 2", "down 2", "up 2, gaps", "down 2, gaps"].contains(&case.name.as_str()) =>
        {
            None
        }
        // GDAL gives too much weight to pixels at the upper edge of the source that a footprint beyond it
        // touches: the part of the footprint that lies outside.
        Method::Average | Method::Rms if cut => None,
        // Box around two corners in GDAL, around all four here. `sum` meets polygons exactly in GDAL.
        Method::Average | Method::Rms | Method::Sum if rotated => Some(0.04),
        _ => Some(1e-6),
    }
}

#[test]
fn results_are_those_of_gdal() {
    let mut compared = 0;
    for case in cases() {
        let source = source(&case);
        for method in Method::ALL {
            let Some(tolerance) = tolerance(&case, method) else { continue };
            let warp = Warp::new(case.from.clone(), case.to.clone(), method).unwrap();
            let windows =
                [case.from.y.len, case.from.x.len, case.to.y.len, case.to.x.len].map(|n| 0..n);
            let [rows, cols, target_rows, target_cols] = windows;
            let out = warp.run(&source, [rows, cols], [target_rows, target_cols]);
            for (i, expected) in case.results[method.name()].iter().enumerate() {
                let result = out.get(i).map(Number::to_f64);
                let same = match (result, expected) {
                    (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs().max(1.0),
                    (a, b) => a.is_none() && b.is_none(),
                };
                let (name, method) = (&case.name, method.name());
                assert!(same, "{name}, {method}, pixel {i}: {result:?} for {expected:?}");
                compared += usize::from(result.is_some());
            }
        }
    }
    assert!(compared > 4000, "only {compared} pixels");
}
