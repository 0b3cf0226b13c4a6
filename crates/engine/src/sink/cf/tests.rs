use std::path::Path;

use eolith_cube::{DType, Number, Schema, Variable};
use eolith_plan::need::{Content, Format};
use serde_json::Map;

use crate::sink::sample::{Sample, bands, times, x, y};
use crate::sink::{Options, netcdf as netcdf_sink, zarr as zarr_sink};
use crate::source::{cf, netcdf, zarr};
use crate::storage::Location;

async fn read_back(path: &Path, format: Format) -> Schema {
    let location = Location::local(path).unwrap();
    let (arrays, attributes) = match format {
        Format::Zarr => {
            let group = zarr::open_group(&location).await.unwrap();
            (group.arrays, group.attributes)
        }
        _ => (netcdf::open(&location).await.unwrap().0, Map::new()),
    };
    let (content, _) = cf::describe(&arrays, &attributes, "a cube", format).await.unwrap();
    let Content::Cube { schema, .. } = content else { panic!("not a cube") };
    schema
}

#[tokio::test]
async fn what_is_known_of_bands_survives_both_formats() {
    let dims = vec![times(&["2020-06-01"]), bands(&["B08", "LST", "x"]), y(4), x(5)];
    let mut result = Sample::new(dims, DType::I16, |index| Some((index[1] + index[3]) as f64));
    let nir = Variable {
        nodata: Some(Number::Int(-1)),
        scale: Some(0.0001),
        offset: Some(-0.1),
        unit: Some("1".to_owned()),
        common_name: Some("nir".to_owned()),
        center_wavelength: Some(0.842),
        ..Variable::new(DType::I16)
    };
    let temperature = Variable { unit: Some("K".to_owned()), ..Variable::new(DType::I16) };
    result.schema.variables = vec![nir, temperature, Variable::new(DType::I16)];
    let folder = tempfile::tempdir().unwrap();
    let (zarr, netcdf) = (folder.path().join("cube.zarr"), folder.path().join("cube.nc"));
    let renamed = "the band `x` is called `x_` in the file";
    let files = zarr_sink::write(&result, &Options::new(), 1 << 30, &zarr).unwrap();
    assert_eq!(files[0].notes, [renamed]);
    let files = netcdf_sink::write(&result, &Options::new(), 1 << 30, &netcdf).unwrap();
    assert_eq!(files[0].notes, [renamed]);
    for (path, format) in [(zarr, Format::Zarr), (netcdf, Format::NetCdf)] {
        let schema = read_back(&path, format).await;
        assert_eq!(schema.variables, result.schema.variables, "{format:?}");
        assert_eq!(schema.grid(), result.schema.grid());
        assert_eq!(schema.dims[2].crs(), result.schema.dims[2].crs());
    }
}
