"""Files of the user's workspace: `load_uploaded_files`.

They lie below `workspace/files`; this script writes them with rasterio, xarray and GDAL. `--check` leaves them alone.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from encoding import axis, bands, cube, times, vector, write

HERE = Path(__file__).parent
FILES = HERE / "workspace/files"
ZONES = HERE.parent / "fixtures"
DATES = ["2021-03-01", "2021-05-05"]
# Over dates, bands, rows and columns; 0 is no-data.
PIXELS = ((np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4) * 5) % 23).astype("uint16")
X, Y = axis(500005.0, 10.0, 4, "x"), axis(5000095.0, -10.0, 3, "y")
CRS = {"type": "name", "properties": {"name": "EPSG:32633"}}


def tiff(name, pixels, left):
    import rasterio

    profile = {"driver": "GTiff", "dtype": "uint16", "nodata": 0, "count": 2, "crs": "EPSG:32633"}
    transform = rasterio.Affine(10, 0, left, 0, -10, 5000100)
    rows, columns = pixels.shape[1:]
    with rasterio.open(FILES / name, "w", transform=transform, width=columns, height=rows, **profile) as file:
        file.write(pixels)


def files():
    import rioxarray  # noqa: F401
    import xarray as xr

    shutil.rmtree(FILES, ignore_errors=True)
    (FILES / "deep").mkdir(parents=True)
    for date, pixels in zip(DATES, PIXELS):
        tiff(f"scene_{date}.tif", pixels, 500000)
    # The same series, on another grid.
    tiff("scene_2021-06-06.tif", PIXELS[0], 500003)
    tiff("other.tif", PIXELS[1], 500000)
    for suffix in ("geojson", "parquet", "fgb"):
        shutil.copy(ZONES / f"zones.{suffix}", FILES / f"zones.{suffix}")
    point = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [500001.0, 7.0]}}
    more = {"type": "FeatureCollection", "features": [point], "crs": CRS}
    (FILES / "deep/more.geojson").write_text(json.dumps(more))
    (FILES / "degrees.geojson").write_text(json.dumps({"type": "Point", "coordinates": [15.0, 45.0]}))
    places = {"y": Y["labels"], "x": X["labels"], "t": np.array(DATES, "datetime64[ns]")}
    attributes = {"_FillValue": np.uint16(0)}
    arrays = {name: (("t", "y", "x"), PIXELS[:, i], attributes) for i, name in enumerate(["red", "nir"])}
    data = xr.Dataset(arrays, places).rio.write_crs(32633)
    data.t.encoding = {"units": "seconds since 1970-01-01", "dtype": "i8"}
    data.to_netcdf(FILES / "scenes.nc", engine="h5netcdf")
    data.to_zarr(FILES / "scenes.zarr", zarr_format=2, consolidated=True)


def scenes(names, pixels=PIXELS):
    dims = {"t": times(*[f"{date}T00:00:00Z" for date in DATES]), "bands": bands(*names), "y": Y, "x": X}
    return cube(pixels, dims, missing=pixels == 0)


def features(*collections):
    """A vector cube without values: no-data for every feature."""
    made = [feature for collection in collections for feature in collection["features"]]
    geometry = {"type": "geometry", "labels": list(range(len(made)))}
    geometry["features"] = {"type": "FeatureCollection", "features": made, "crs": CRS}
    return cube(np.zeros(len(made)), {"geometry": geometry}, missing=np.ones(len(made), bool))


def load(paths, format, returns=None, throws=None, **options):
    vector("load_uploaded_files", {"paths": paths, "format": format, **options}, returns, throws=throws)


if "--check" not in sys.argv:
    files()
series = [f"scene_{date}.tif" for date in DATES]
numbered = ["band_1", "band_2"]
one = cube(PIXELS[1], {"bands": bands(*numbered), "y": Y, "x": X}, missing=PIXELS[1] == 0)
load(["other.tif"], "GTiff", one)
load(["/other.tif"], "gtiff", one, options={})
load(["./deep/../other.tif"], "GTiff", throws="FileNotFound")
# In the order of their dates, whatever the order of the paths.
load(series, "GTiff", scenes(numbered))
load(series[::-1], "GTiff", scenes(numbered))
load([*series, "other.tif"], "GTiff", throws="FormatUnsuitable")
load([*series, "scene_2021-06-06.tif"], "GTiff", throws="FormatUnsuitable")
load(["scenes.nc"], "netCDF", scenes(["red", "nir"]))
load(["scenes.nc", "scenes.nc"], "netCDF", throws="FormatUnsuitable")
# A group of Zarr has no order; arrays are sorted by name.
by_name = scenes(["nir", "red"], PIXELS[:, ::-1])
load(["scenes.zarr/.zmetadata"], "Zarr", by_name)
load(["scenes.zarr/red/.zarray", "scenes.zarr/.zgroup"], "Zarr", by_name)
load(["scenes.zarr/.zattrs"], "Zarr", throws="FormatUnsuitable")
load(["scenes.zarr"], "Zarr", throws="FileNotFound")
zones = json.loads((ZONES / "zones.geojson").read_text())
more = json.loads((FILES / "deep/more.geojson").read_text())
load(["zones.geojson"], "GeoJSON", features(zones))
load(["zones.parquet"], "Parquet", features(zones))
# FlatGeobuf leaves out what is null.
full = [{**own, "properties": {k: v for k, v in own["properties"].items() if v is not None}} for own in zones["features"]]
load(["zones.fgb"], "FlatGeobuf", features({"features": full}))
load(["deep/more.geojson", "zones.geojson"], "GeoJSON", features(more, zones))
load(["zones.geojson", "degrees.geojson"], "GeoJSON", throws="FormatUnsuitable")
load(["zones.geojson"], "Parquet", throws="FormatUnsuitable")
load(["zones.geojson"], "GTiff", throws="FormatUnsuitable")
load(["zones.geojson"], "Papyrus", throws="FormatUnsuitable")
load(["zones.geojson", "none.geojson"], "GeoJSON", throws="FileNotFound")
load(["../results/earlier/scene.tif"], "GTiff", throws="FileNotFound")
load([], "GeoJSON", throws="ProcessParameterInvalid")
load("zones.geojson", "GeoJSON", throws="ProcessParameterInvalid")
load(["zones.geojson"], "GeoJSON", throws="ProcessParameterInvalid", options={"layer": 1})
write(__file__)
