//! Plans as text: `tests/plans/<case>/graph.json` against the two collections below gives `explain.txt`.
//!
//! `UPDATE_EXPECT=1` writes the texts anew; read the difference before it is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_cube::time::{Instant, Interval, TimeLabel};
use eolith_cube::{Crs, DType, Dimension, Kind, Label, Labels, Number, Region, Regular, Schema};
use eolith_cube::{SpatialAxis, Variable};
use eolith_plan::explain;
use eolith_plan::need::{
    Answer, ArrayDim, ArrayRef, Collection, Content, Format, Need, Piece, SceneCollection,
    SceneDimensions, Snapshot,
};
use eolith_plan::physical::Options;
use eolith_plan::planner::{Planned, plan};
use eolith_processes::registry;

#[test]
fn plans_are_what_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plans");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 5, "{}", folder.display());
    let mut wrong = Vec::new();
    for case in cases {
        let text = explained(&std::fs::read_to_string(case.join("graph.json")).unwrap());
        let expected = case.join("explain.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn explained(graph: &str) -> String {
    let (process, issues) = eolith_graph::parse(graph);
    assert!(issues.is_empty(), "{issues:?}");
    let process = process.unwrap();
    let issues = eolith_graph::check(&process, registry());
    assert!(issues.is_empty(), "{issues:?}");
    let options = Options { target_bytes: 64 << 10, ..Options::default() };
    match plan(&process, &BTreeMap::new(), registry(), &snapshot(), None, &options) {
        Planned::Ready(plan) => format!(
            "# bound\n{}\n# optimised\n{}\n# physical\n{}",
            explain::logical(&plan.bound),
            explain::logical(&plan.physical.logical),
            explain::physical(&plan.physical)
        ),
        Planned::Needs { needs, so_far } => {
            let needs: Vec<String> = (needs.iter())
                .map(|need| {
                    let plan = need.subplan().map(|s| explain::logical(s.plan()));
                    format!("{need:?}\n{}", plan.unwrap_or_default())
                })
                .collect();
            format!("# needs\n{}\n# bound so far\n{}", needs.concat(), explain::logical(&so_far))
        }
        Planned::Issues(issues) => panic!("{issues:?}"),
    }
}

/// `cube`: five dates of red, nir and SCL over 100 x 100 pixels. `scenes`: the same bands, items unknown.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for collection in [cube(), scenes()] {
        let need = Need::collection(collection.id.clone());
        snapshot.insert(need, Answer::Collection(Arc::new(collection)));
    }
    snapshot
}

fn bands() -> Vec<(String, Variable)> {
    let band = |name: &str, dtype, common: Option<&str>| {
        let mut variable = Variable::new(dtype);
        variable.nodata = Some(Number::Int(0));
        variable.common_name = common.map(str::to_owned);
        (name.to_owned(), variable)
    };
    vec![
        band("B04", DType::U16, Some("red")),
        band("B08", DType::U16, Some("nir")),
        band("SCL", DType::U8, None),
    ]
}

fn cube() -> Collection {
    let dates = ["2020-01-05", "2020-01-25", "2020-02-14", "2020-04-05", "2020-04-25"];
    let spatial = |axis, start, step| {
        let kind = Kind::Spatial { axis, crs: Some(Crs::epsg(32633).unwrap()) };
        let name = if axis == SpatialAxis::X { "x" } else { "y" };
        Dimension::new(name, kind, Labels::Regular(Regular { start, step, len: 100 }))
    };
    let times = dates.map(|date| Label::Time(TimeLabel::parse(date).unwrap()));
    let names: Vec<String> = bands().into_iter().map(|(name, _)| name).collect();
    let schema = Schema {
        dims: vec![
            Dimension::new("t", Kind::Temporal, Labels::list(times)),
            Dimension::new("bands", Kind::Bands, Labels::texts(&names)),
            spatial(SpatialAxis::Y, 5_000_995.0, -10.0),
            spatial(SpatialAxis::X, 500_005.0, 10.0),
        ],
        variables: bands().into_iter().map(|(_, variable)| variable).collect(),
    };
    let pieces = (0..3)
        .map(|band| Piece {
            array: ArrayRef {
                href: "/data/cube.zarr".to_owned(),
                format: Format::Zarr,
                array: names[band].clone(),
                version: None,
                chunk: Some(vec![1, 64, 64]),
                requested: false,
            },
            region: Region(vec![0..5, band..band + 1, 0..100, 0..100]),
            dims: [0, 2, 3].map(|dim| ArrayDim::Along { dim, offset: 0 }).to_vec(),
            nodata: Some(Number::Int(0)),
            grid: None,
        })
        .collect();
    Collection { id: "cube".to_owned(), content: Content::Cube { schema, pieces } }
}

fn scenes() -> Collection {
    let dimension = |name: &str| name.to_owned();
    let names = SceneDimensions {
        t: dimension("t"),
        bands: dimension("bands"),
        y: dimension("y"),
        x: dimension("x"),
    };
    let at = |text: &str| Some(Instant::parse(text).unwrap());
    let time = Interval::new(at("2015-06-27"), at("2026-01-01")).unwrap();
    let content = Content::Scenes(SceneCollection {
        names,
        bands: bands(),
        time,
        bbox: [14.0, 45.0, 16.0, 46.0],
        grid: None,
    });
    Collection { id: "scenes".to_owned(), content }
}
