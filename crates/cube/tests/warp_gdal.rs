//! Resampling next to GDAL: small grids whose results come from `tests/data/warp/make.py`.

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

#[test]
fn gdal() {
    for case in cases() {
        let source = source(&case);
        for method in Method::ALL {
            let warp = Warp::new(case.from.clone(), case.to.clone(), method).unwrap();
            let out = warp.run(
                &source,
                [0..case.from.y.len, 0..case.from.x.len],
                [0..case.to.y.len, 0..case.to.x.len],
            );
            let expected = &case.results[method.name()];
            let worst = (0..expected.len()).filter_map(|i| Some((out.get(i)?.to_f64() - expected[i]?).abs() / expected[i]?.abs().max(1.0))).fold(0.0, f64::max); if worst > 1e-6 { println!("W {} {} {worst:.2e}", case.name, method.name()); }
            let mut bad = Vec::new();
            for (i, want) in expected.iter().enumerate() {
                let got = out.get(i).map(Number::to_f64);
                let same = match (got, want) {
                    (Some(a), Some(b)) => (a - b).abs() <= 2e-5 * b.abs().max(1.0),
                    (None, None) => true,
                    _ => false,
                };
                if !same { bad.push((i, got, *want)); }
            }
            if !bad.is_empty() { println!("{} {}: {}/{} {:?}", case.name, method.name(), bad.len(), expected.len(), &bad[..bad.len().min(4)]); }
        }
    }
}
