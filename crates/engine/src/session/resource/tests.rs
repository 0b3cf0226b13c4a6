use eolith_cube::time::TimeLabel;
use eolith_cube::{Crs, Dimension, Features, Labels, Regular, SpatialAxis};

use super::*;

/// Rows from south to north, one band without a name, names of months.
fn schema() -> Schema {
    let spatial = |name: &str, axis, start, step, len| {
        let kind = Kind::Spatial { axis, crs: Some(Crs::wgs84()) };
        Dimension::new(name, kind, Labels::Regular(Regular { start, step, len }))
    };
    let dims = vec![
        Dimension::new("t", Kind::Temporal, Labels::texts(["2020-01", "2020-02"])),
        spatial("y", SpatialAxis::Y, -9.5, 1.0, 4),
        spatial("x", SpatialAxis::X, 178.5, 1.0, 3),
    ];
    Schema::uniform(dims, Variable { scale: Some(0.5), ..Variable::new(DType::I16) })
}

fn file(name: &str, at: Option<usize>) -> OutputFile {
    let pixels = Some((DType::I16, Some(Number::Int(-1))));
    let image = at.map(|at| Image { fixed: vec![Some(at), None, None], pixels });
    let (path, notes) = (PathBuf::from(format!("out/{name}")), Vec::new());
    OutputFile { path, media_type: "image/tiff", notes, image }
}

fn made(schema: &Schema, files: &[OutputFile], source: Option<[Instant; 2]>) -> Resource {
    let statistics = &[vec![json!({ "count": 3 })]];
    Resource::new(&Saved {
        id: "s",
        schema,
        files,
        statistics,
        source,
        now: "2024-05-01T00:00:00Z",
    })
}

#[test]
fn images_are_north_up_and_names_of_periods_are_no_instants() {
    let source = Some(["2020-01-03", "2020-02-27"].map(|t| Instant::parse(t).unwrap()));
    let resource = made(&schema(), &[file("a.tif", Some(0)), file("b.tif", Some(1))], source);
    assert_eq!(resource.json["type"], "Collection");
    assert_eq!(resource.json["assets"]["b.tif"]["href"], "./b.tif");
    let item = &resource.items[1];
    assert_eq!((&item["id"], &item["collection"]), (&json!("b"), &json!("s")));
    let properties = &item["properties"];
    assert_eq!(properties["datetime"], Json::Null);
    assert_eq!(properties["start_datetime"], "2020-01-03T00:00:00Z");
    assert_eq!(properties["eolith:labels"], json!({ "t": "2020-02" }));
    // Edges: 178 to 181 east, 10 to 6 south; first row in the north.
    assert_eq!(properties["proj:transform"], json!([1.0, 0.0, 178.0, 0.0, -1.0, -6.0]));
    assert_eq!(properties["proj:bbox"], json!([178.0, -10.0, 181.0, -6.0]));
    assert_eq!(item["bbox"], json!([178.0, -10.0, -179.0, -6.0]));
    assert_eq!(item["geometry"]["type"], "MultiPolygon");
    let asset = &item["assets"]["data"];
    assert_eq!((&asset["nodata"], &asset["raster:scale"]), (&json!(-1), &json!(0.5)));
    assert_eq!(asset.get("bands"), None);
    assert_eq!(asset.get("statistics"), None);
    assert_eq!(resource.items[0]["assets"]["data"]["statistics"], json!({ "count": 3 }));
    assert_eq!(item["stac_extensions"], json!([PROJECTION, RASTER]));
}

#[test]
fn a_cube_in_a_file_keeps_its_order_and_says_its_dimensions() {
    let resource = made(&schema(), &[file("a.nc", None)], None);
    let properties = &resource.json["properties"];
    assert_eq!(properties["proj:transform"], json!([1.0, 0.0, 178.0, 0.0, 1.0, -10.0]));
    assert_eq!(properties["cube:dimensions"]["t"]["values"], json!(["2020-01", "2020-02"]));
    // Neither the labels nor the data say when: the time of the run.
    assert_eq!(properties["datetime"], "2024-05-01T00:00:00Z");
    let patched = resource.patched(&json!({ "properties": { "created": null, "gsd": 5 } }));
    assert_eq!(patched.json["properties"].get("created"), None);
    assert_eq!(patched.json["properties"]["gsd"], 5);
}

#[test]
fn vector_cubes_are_where_their_geometries_are() {
    let features = Features::parse(&json!({ "type": "FeatureCollection", "features": [
        { "type": "Feature", "properties": {}, "geometry": { "type": "Point", "coordinates": [7, 50] } },
        { "type": "Feature", "properties": {}, "geometry": { "type": "Point", "coordinates": [9, 51] } },
    ] }))
    .unwrap();
    let time = TimeLabel::parse("2021-06-01").unwrap();
    let dims = vec![
        Dimension::new("geometry", Kind::Geometry(features.clone().into()), features.labels()),
        Dimension::new("t", Kind::Temporal, Labels::list([eolith_cube::Label::Time(time)])),
    ];
    let schema = Schema::uniform(dims, Variable::new(DType::F64));
    let item = made(&schema, &[file("a.json", None)], None).json;
    assert_eq!(item["bbox"], json!([7.0, 50.0, 9.0, 51.0]));
    assert_eq!(item["properties"]["datetime"], "2021-06-01T00:00:00Z");
    assert_eq!(item["stac_extensions"], json!([]));
    assert_eq!(item["assets"]["data"].get("data_type"), None);
}
