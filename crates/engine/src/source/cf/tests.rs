use eolith_cube::{DType, Label, Schema};
use eolith_plan::need::Piece;
use serde_json::json;

use super::*;

fn meta(name: &str, dims: &[(&str, usize)], dtype: DType, attributes: Value) -> ArrayMeta {
    ArrayMeta {
        name: name.to_owned(),
        dims: dims.iter().map(|(name, _)| (*name).to_owned()).collect(),
        shape: dims.iter().map(|(_, n)| *n).collect(),
        chunk: dims.iter().map(|(_, n)| *n).collect(),
        dtype,
        nodata: None,
        attributes: attributes.as_object().cloned().unwrap_or_default(),
    }
}

fn floats(numbers: &[f64]) -> Coordinate {
    Coordinate::Numbers(Values::F64(numbers.to_vec()))
}

/// Schema, pieces and notes.
type Built = (Schema, Arc<[Piece]>, Vec<String>);

struct File {
    metas: Vec<ArrayMeta>,
    texts: Vec<String>,
    values: BTreeMap<String, Coordinate>,
    attributes: Value,
    groups: BTreeMap<String, Map<String, Value>>,
}

impl File {
    fn new(attributes: Value) -> File {
        let (metas, texts, values, groups) = Default::default();
        File { metas, texts, values, attributes, groups }
    }

    fn variable(mut self, name: &str, dims: &[(&str, usize)], attributes: Value) -> File {
        self.metas.push(meta(name, dims, DType::F32, attributes));
        self
    }

    fn coordinate(mut self, name: &str, dim: &str, numbers: &[f64], attributes: Value) -> File {
        self.metas.push(meta(name, &[(dim, numbers.len())], DType::F64, attributes));
        self.values.insert(name.to_owned(), floats(numbers));
        self
    }

    fn labels(mut self, name: &str, texts: &[&str]) -> File {
        self.metas.push(meta(name, &[(name, texts.len())], DType::U8, json!({})));
        self.texts.push(name.to_owned());
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.values.insert(name.to_owned(), Coordinate::Texts(texts));
        self
    }

    fn build(&self) -> Result<Built, SourceError> {
        let Cube { content, notes, .. } = self.cubes()?.swap_remove(0);
        let Content::Cube { schema, pieces } = content else { panic!("not a cube") };
        Ok((schema, pieces, notes.notes))
    }

    fn cubes(&self) -> Result<Vec<Cube>, SourceError> {
        let entries: Vec<Entry<'_>> = (self.metas.iter())
            .map(|meta| Entry { meta, text: self.texts.contains(&meta.name), version: None })
            .collect();
        let root = self.attributes.as_object().unwrap();
        let attributes = Attributes { root, groups: &self.groups };
        build(&entries, &self.values, attributes, "file", Format::NetCdf)
    }
}

fn xy(file: File) -> File {
    file.coordinate("x", "x", &[10.0, 20.0, 30.0], json!({"axis": "X"})).coordinate(
        "y",
        "y",
        &[7.0, 5.0],
        json!({"standard_name": "projection_y_coordinate"}),
    )
}

fn dims(schema: &Schema) -> Vec<&str> {
    schema.dims.iter().map(|d| d.name.as_str()).collect()
}

#[test]
fn variables_become_bands_after_time() {
    let shape = [("y", 2), ("x", 3), ("time", 2)];
    let file = xy(File::new(json!({"proj:code": "EPSG:32633"})))
        .variable(
            "b",
            &shape,
            json!({"units": "K", "scale_factor": [0.5], "eo:common_name": "red"}),
        )
        .variable("a", &shape, json!({}))
        .variable("elevation", &shape[..2], json!({}))
        .variable("time_bnds", &[("time", 2), ("nv", 2)], json!({}))
        .coordinate("time", "time", &[0.0, 1.0], json!({"units": "days since 2020-02-28"}));
    let (schema, pieces, notes) = file.build().unwrap();
    assert_eq!(dims(&schema), ["y", "x", "time", "bands"]);
    assert_eq!(schema.shape().unwrap(), [2, 3, 2, 2]);
    assert_eq!(schema.dims[3].labels(), Some(&Labels::texts(["b", "a"])));
    assert_eq!(pieces[1].region, Region(vec![0..2, 0..3, 0..2, 1..2]));
    assert_eq!(pieces[1].dims.len(), 3);
    let variable = &schema.variables[0];
    assert_eq!((variable.scale, variable.unit.as_deref()), (Some(0.5), Some("K")));
    assert_eq!(variable.common_name.as_deref(), Some("red"));
    assert_eq!(schema.grid().unwrap().crs.code(), Some(32633));
    assert!(!notes.iter().any(|note| note.contains("time_bnds")), "{notes:?}");
    let cubes = file.cubes().unwrap();
    let names: Vec<&str> = cubes.iter().map(|cube| cube.name.as_str()).collect();
    assert_eq!(names, ["", "elevation"]);
    let times = schema.dims[2].labels().unwrap();
    assert_eq!(times.get(1).to_string(), "2020-02-29T00:00:00Z");
}

#[test]
fn a_dimension_of_texts_is_bands() {
    let shape = [("t", 1), ("bands", 2), ("y", 2), ("x", 3)];
    let file = xy(File::new(json!({"title": "Sentinel-2 mosaic"})))
        .variable("data", &shape, json!({"units": "1"}))
        .labels("bands", &["B04", "other"])
        .labels("t", &["2020-01-01"]);
    let (schema, pieces, notes) = file.build().unwrap();
    assert_eq!(dims(&schema), ["t", "bands", "y", "x"]);
    assert_eq!(schema.dims[0].kind, Kind::Temporal);
    assert_eq!(schema.dims[0].labels().unwrap().get(0).to_string(), "2020-01-01");
    assert_eq!((pieces.len(), pieces[0].region.shape()), (1, vec![1, 2, 2, 3]));
    assert_eq!(schema.variables[0].common_name.as_deref(), Some("red"));
    assert_eq!(schema.variables[1].common_name, None);
    assert!(
        notes.iter().any(|n| n.contains("guessed"))
            && notes.iter().any(|n| n.contains("no reference"))
    );
    let file = File { attributes: json!({}), ..file };
    assert_eq!(file.build().unwrap().0.variables[0].common_name, None);
}

#[test]
fn longitudes_and_latitudes_have_a_system() {
    let shape = [("lat", 2), ("lon", 2)];
    let file = |east: Value, north: Value| {
        File::new(json!({}))
            .variable("v", &shape, json!({}))
            .coordinate("lat", "lat", &[1.0, 2.0], north)
            .coordinate("lon", "lon", &[359.0, 360.0], east)
    };
    let (schema, _, notes) =
        file(json!({"units": "degrees_east"}), json!({"units": "degreesN"})).build().unwrap();
    assert_eq!(schema.grid().unwrap().crs.code(), Some(4326));
    assert_eq!(schema.grid().unwrap().x.start, 359.0);
    assert!(notes.len() == 1 && notes[0].contains("360 degrees"), "{notes:?}");
    let (schema, _, notes) = file(json!({}), json!({})).build().unwrap();
    assert_eq!(schema.grid().unwrap().crs.code(), Some(4326));
    assert!(notes[0].contains("names"), "{notes:?}");
}

#[test]
fn attributes_go_before_names() {
    // A file that calls its rows `x`.
    let file = File::new(json!({}))
        .variable("v", &[("x", 2), ("y", 3)], json!({"grid_mapping": "crs"}))
        .variable("crs", &[], json!({"proj4": "EPSG:3035"}))
        .coordinate("x", "x", &[1.0, 2.0], json!({"axis": "Y"}))
        .coordinate("y", "y", &[1.0, 2.0, 3.0], json!({"axis": "X"}));
    let (schema, ..) = file.build().unwrap();
    assert_eq!(schema.spatial(SpatialAxis::Y), schema.position("x"));
    assert_eq!(schema.grid().unwrap().crs.code(), Some(3035));
}

#[test]
fn grids_without_coordinates() {
    let mapping = json!({"GeoTransform": "100 10 0 500 0 -20", "crs_wkt": "EPSG:32633"});
    let file = File::new(json!({}))
        .variable("v", &[("y", 2), ("x", 3)], json!({"grid_mapping": "crs"}))
        .variable("crs", &[], mapping);
    let grid = file.build().unwrap().0.grid().unwrap();
    assert_eq!((grid.x.start, grid.y.start, grid.y.step), (105.0, 490.0, -20.0));
    let file = File::new(json!({})).variable("v", &[("y", 2), ("x", 3)], json!({}));
    let (schema, _, notes) = file.build().unwrap();
    assert_eq!(schema.dims[2].labels(), Some(&Labels::enumerated(3)));
    assert_eq!(notes.iter().filter(|n| n.contains("numbered")).count(), 2);
}

#[test]
fn curvilinear_grids_are_refused_by_name() {
    let file = File::new(json!({}))
        .variable("v", &[("j", 2), ("i", 3)], json!({"coordinates": "nav_lat nav_lon"}))
        .variable("nav_lat", &[("j", 2), ("i", 3)], json!({"units": "degrees_north"}))
        .variable("nav_lon", &[("j", 2), ("i", 3)], json!({"units": "degrees_east"}));
    let error = file.build().unwrap_err().to_string();
    assert!(error.contains("curvilinear") && error.contains("`nav_lat`"), "{error}");
    let error = File::new(json!({})).build().unwrap_err().to_string();
    assert!(error.contains("no data variable"), "{error}");
}

#[test]
fn uneven_and_single_precision_coordinates() {
    let file = File::new(json!({}))
        .variable("v", &[("z", 2), ("lat", 3), ("lon", 4)], json!({}))
        .coordinate("z", "z", &[1000.0, 850.0], json!({"positive": "down"}))
        .coordinate("lat", "lat", &[0.0, 1.0, 3.0], json!({"units": "degrees_north"}));
    let mut file = file;
    file.metas.push(meta("lon", &[("lon", 4)], DType::F32, json!({"units": "degrees_east"})));
    let third = |i: i32| (f64::from(i) / 12.0 + 100.0) as f32;
    let values = Values::F32((0..4).map(third).collect());
    file.values.insert("lon".to_owned(), Coordinate::Numbers(values));
    let (schema, _, notes) = file.build().unwrap();
    assert_eq!(dims(&schema), ["bands", "z", "lat", "lon"]);
    let latitudes = schema.dims[2].labels().unwrap();
    assert_eq!(latitudes.get(2), Label::Float(3.0));
    assert!(schema.grid().is_err());
    let regular = schema.dims[3].labels().unwrap().regular().unwrap();
    assert!((regular.step - 1.0 / 12.0).abs() < 1e-5);
    assert!(
        notes.iter().any(|n| n.contains("`lat`")) && notes.iter().any(|n| n.contains("32-bit"))
    );
}

#[test]
fn times_that_cannot_be_decoded_stay_numbers() {
    let file = xy(File::new(json!({"proj:epsg": 32633})))
        .variable("v", &[("time", 2), ("y", 2), ("x", 3)], json!({}))
        .coordinate("time", "time", &[0.0, 1.0], json!({"units": "months since 2020-01-01"}));
    let (schema, _, notes) = file.build().unwrap();
    assert_eq!(
        schema.dims[dims(&schema).iter().position(|d| *d == "time").unwrap()].kind,
        Kind::Other
    );
    assert!(notes.iter().any(|note| note.contains("months")), "{notes:?}");
}

/// Arrays of a group on a grid of its own from the corner (600000, 5000000).
fn level(mut file: File, group: &str, step: f64, n: usize, names: &[&str]) -> File {
    for (axis, start, step) in [("x", 600_000.0, step), ("y", 5_000_000.0, -step)] {
        let name = format!("{group}/{axis}");
        let places: Vec<f64> = (0..n).map(|i| start + (i as f64 + 0.5) * step).collect();
        file.metas.push(meta(&name, &[(axis, n)], DType::F64, json!({})));
        file.values.insert(name, floats(&places));
    }
    for name in names {
        let name = format!("{group}/{name}");
        let attributes = json!({"proj:epsg": 32632, "scale_factor": 0.0001, "add_offset": -0.1});
        file.metas.push(meta(&name, &[("y", n), ("x", n)], DType::U16, attributes));
    }
    file
}

fn product() -> File {
    let properties = json!({"datetime": "2025-06-10T10:36:41.024Z", "platform": "sentinel-2c"});
    let file = File::new(json!({"stac_discovery": {"properties": properties}}));
    let file = level(file, "conditions/mask/footprint/r10m", 10.0, 12, &["b02", "b03", "b8a"]);
    let file = level(file, "measurements/reflectance/r10m", 10.0, 12, &["b02", "b03"]);
    let file = level(file, "measurements/reflectance/r20m", 20.0, 6, &["b02", "b8a"]);
    level(file, "measurements/reflectance/r60m", 60.0, 2, &["b01", "b02"])
}

#[test]
fn sibling_groups_of_one_area_are_bands_of_one_cube() {
    let cubes = product().cubes().unwrap();
    let names: Vec<&str> = cubes.iter().map(|cube| cube.name.as_str()).collect();
    assert_eq!(names, ["", "conditions/mask/footprint/r10m"]);
    let Content::Cube { schema, pieces } = &cubes[0].content else { panic!("not a cube") };
    assert_eq!(dims(schema), ["t", "bands", "y", "x"]);
    assert_eq!(schema.shape().unwrap(), [1, 6, 12, 12]);
    let bands = Labels::texts(["b01", "b02", "b03", "b8a", "r20m/b02", "r60m/b02"]);
    assert_eq!(schema.dims[1].labels(), Some(&bands));
    assert_eq!(schema.dims[0].labels().unwrap().get(0).to_string(), "2025-06-10T10:36:41.024Z");
    let steps: Vec<Option<f64>> =
        pieces.iter().map(|piece| piece.grid.as_ref().map(|grid| grid.x.step)).collect();
    assert_eq!(steps, [Some(60.0), None, None, Some(20.0), Some(20.0), Some(60.0)]);
    assert_eq!(pieces[3].array.array, "measurements/reflectance/r20m/b8a");
    assert_eq!(pieces[3].dims, pieces[1].dims);
    assert_eq!(pieces[3].region, Region(vec![0..1, 3..4, 0..12, 0..12]));
    let common: Vec<Option<&str>> =
        schema.variables.iter().map(|v| v.common_name.as_deref()).collect();
    let expected = [Some("coastal"), Some("blue"), Some("green"), Some("nir08"), None, None];
    assert_eq!(common, expected);
    assert_eq!((schema.variables[2].scale, schema.variables[2].offset), (Some(0.0001), Some(-0.1)));
    // Masks are named like bands and are none.
    let Content::Cube { schema, .. } = &cubes[1].content else { panic!("not a cube") };
    assert_eq!(schema.variables[0].common_name, None);
}

#[test]
fn overviews_are_no_bands() {
    let mut file = product();
    let layout = json!({"layout": [{"asset": "r10m"}, {"asset": "r20m", "derived_from": "r10m"},
        {"asset": "r60m", "derived_from": "r10m"}]});
    let own = json!({"multiscales": layout}).as_object().cloned().unwrap();
    file.groups.insert("measurements/reflectance".to_owned(), own);
    let cubes = file.cubes().unwrap();
    let Content::Cube { schema, .. } = &cubes[0].content else { panic!("not a cube") };
    assert_eq!(schema.dims[1].labels(), Some(&Labels::texts(["b01", "b02", "b03", "b8a"])));
    let notes = &cubes[0].notes.notes;
    assert!(notes.iter().any(|n| n.contains("overviews") && n.contains("r60m/b02`")), "{notes:?}");
    let group = "measurements/reflectance";
    let own = |level: &Level| (level.array.array.clone(), level.grid.x.step, level.grid.y.len);
    let levels: Vec<_> = (cubes[0].levels.iter())
        .flat_map(|(name, levels)| levels.iter().map(move |level| (name.clone(), own(level))))
        .collect();
    let native = format!("{group}/r10m/b02");
    let expected = [("r20m", 20.0, 6), ("r60m", 60.0, 2)]
        .map(|(size, step, n)| (native.clone(), (format!("{group}/{size}/b02"), step, n)));
    assert_eq!(levels, expected);
    // An overview that shows another place is none.
    file.values.insert(format!("{group}/r60m/x"), floats(&[700_030.0, 700_090.0]));
    let cubes = file.cubes().unwrap();
    assert_eq!(cubes[0].levels[&format!("{group}/r10m/b02")].len(), 1);
}

#[test]
fn other_places_and_other_systems_are_other_cubes() {
    let file = level(File::new(json!({})), "a/one", 10.0, 12, &["v"]);
    let mut file = level(file, "a/two", 20.0, 6, &["w"]);
    file.values.insert("a/two/x".to_owned(), floats(&[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]));
    let names: Vec<String> = file.cubes().unwrap().into_iter().map(|cube| cube.name).collect();
    assert_eq!(names, ["", "a/two"]);
}

#[test]
fn transformations_of_groups_place_arrays_without_coordinates() {
    let mut file = File::new(json!({}));
    file.metas.push(meta("g/v", &[("row", 2), ("col", 3)], DType::U8, json!({})));
    let own = json!({"proj:code": "EPSG:32633", "spatial:dimensions": ["row", "col"],
        "spatial:transform": [10.0, 0.0, 100.0, 0.0, -20.0, 500.0]});
    file.groups.insert("g".to_owned(), own.as_object().cloned().unwrap());
    let grid = file.build().unwrap().0.grid().unwrap();
    assert_eq!((grid.x.start, grid.y.start, grid.y.step), (105.0, 490.0, -20.0));
    assert_eq!(grid.crs.code(), Some(32633));
    file.groups.get_mut("g").unwrap().insert("spatial:registration".to_owned(), json!("node"));
    let grid = file.build().unwrap().0.grid().unwrap();
    assert_eq!((grid.x.start, grid.y.start), (100.0, 500.0));
}

#[tokio::test]
async fn netcdf_files_have_the_same_meaning() {
    let Some(data) = crate::reference::reference() else { return };
    let folder = data.join("cubes");
    if !folder.is_dir() {
        return;
    }
    let files: [(&str, &[&str], &[usize], u32); 4] = [
        ("s2_l1c_slovenia.nc", &["t", "bands", "y", "x"], &[5, 13, 101, 100], 32633),
        ("s2_ndvi_slovenia.nc", &["t", "bands", "y", "x"], &[68, 3, 101, 100], 32633),
        ("bcsd_obs_1999.nc", &["time", "bands", "latitude", "longitude"], &[12, 2, 33, 81], 4326),
        ("oisst_19811231.nc", &["time", "bands", "zlev", "lat", "lon"], &[1, 4, 1, 90, 180], 4326),
    ];
    for (name, names, shape, code) in files {
        let location = crate::storage::Location::local(&folder.join(name)).unwrap();
        let (arrays, attributes) = crate::source::netcdf::open(&location).await.unwrap();
        let (content, notes) =
            describe(&arrays, &attributes, location.href(), Format::NetCdf).await.unwrap();
        let Content::Cube { schema, pieces } = content else { panic!("not a cube") };
        assert_eq!(dims(&schema), names, "{name}: {notes:?}");
        assert_eq!(schema.shape().unwrap(), shape, "{name}");
        assert_eq!(schema.dims[0].kind, Kind::Temporal, "{name}");
        assert_eq!(schema.grid().unwrap().crs.code(), Some(code), "{name}");
        assert_eq!(schema.variables.len(), shape[1], "{name}");
        assert!(
            pieces
                .iter()
                .all(|piece| piece.dims.len() == piece.array.chunk.as_ref().unwrap().len())
        );
    }
}
