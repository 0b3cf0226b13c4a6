"""Cubes in many containers: one made here, and the real one of the reference data where it is."""

import json
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import rasterio
import rasterio.crs
import rioxarray  # noqa: F401  (the accessor `rio`)
import xarray as xr
import zarr
from rasterio.shutil import copy as translate

from binary import REAL

COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}
CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
CONTAINERS = ["cog-stac-1.0", "cog-stac-1.1", "zarr-2", "zarr-3", "zarr-3-sharded", "netcdf"]


@dataclass
class Cube:
    """A cube, where its containers are, and its pixels."""

    name: str
    epsg: int
    # Container to path.
    paths: dict
    # Band to pixels over t, y, x; masked where there is no data.
    bands: dict
    # Left, top, pixel width, pixel height (negative).
    origin: tuple
    dates: list = field(default_factory=list)

    def ndvi(self):
        red, nir = (self.bands[name].astype("f8") for name in ("B04", "B08"))
        return (nir - red) / (nir + red)


def names():
    return ["generated", *(["slovenia"] if REAL else [])]


@cache
def cube(name, folder):
    return generated(folder) if name == "generated" else slovenia()


def generated(folder):
    """Four dates of four bands with no-data, 61 x 53 pixels, in every container."""
    random = np.random.default_rng(7)
    dates = ["2021-03-01T10:10:10Z", "2021-05-05T10:10:10Z", "2021-08-08T10:10:10Z", "2021-11-11T10:10:10Z"]
    shape = (len(dates), 53, 61)
    left, top, step = 500_000.0, 5_000_000.0, 10.0
    times = np.array([date.rstrip("Z") for date in dates], dtype="datetime64[s]")
    coordinates = {
        "t": times.astype("datetime64[ns]"),
        "y": top - step * (np.arange(shape[1]) + 0.5),
        "x": left + step * (np.arange(shape[2]) + 0.5),
    }
    bands, arrays = {}, {}
    hidden = random.random(shape) < 0.1
    for label, common in COMMON.items():
        pixels = random.integers(1, 10_000, shape, dtype="u2")
        pixels[hidden] = 0
        bands[label] = np.ma.masked_equal(pixels, 0)
        attributes = {"common_name": common, "_FillValue": np.uint16(0)}
        arrays[label] = (("t", "y", "x"), pixels, attributes)
    data = xr.Dataset(arrays, coordinates, {"title": "generated"}).rio.write_crs(32633)
    data.t.encoding = {"units": "seconds since 1970-01-01", "dtype": "i8"}

    paths = {c: folder / c for c in CONTAINERS if c.startswith("zarr")}
    data.to_zarr(paths["zarr-2"], zarr_format=2, encoding={b: {"chunks": (2, 20, 30)} for b in bands})
    data.to_zarr(paths["zarr-3"], zarr_format=3, encoding={b: {"chunks": (1, 53, 40)} for b in bands})
    sharded = {b: {"chunks": (1, 16, 16), "shards": (2, 64, 64)} for b in bands}
    data.to_zarr(paths["zarr-3-sharded"], zarr_format=3, encoding=sharded)
    paths["netcdf"] = folder / "cube.nc"
    encoding = {b: {"zlib": True, "shuffle": True, "chunksizes": (1, 32, 32)} for b in bands}
    data.to_netcdf(paths["netcdf"], encoding=encoding, engine="netcdf4")
    for version in ("1.0.0", "1.1.0"):
        container = f"cog-stac-{version[:3]}"
        paths[container] = stac(folder / container, version, dates, bands, (left, top, step))
    return Cube("generated", 32633, paths, bands, (left, top, step, -step), dates)


def stac(folder, version, dates, bands, origin):
    """A collection with an item a date and a cloud-optimised GeoTIFF of all bands an item."""
    left, top, step = origin
    folder.mkdir()
    links = []
    extent = [14.99, 45.14, 15.01, 45.16]
    corners = [(0, 1), (2, 1), (2, 3), (0, 3), (0, 1)]
    ring = [[extent[x], extent[y]] for x, y in corners]
    listed = [band(version, label, common) for label, common in COMMON.items()]
    height, width = next(iter(bands.values())).shape[1:]
    for i, date in enumerate(dates):
        profile = {
            "driver": "GTiff", "dtype": "uint16", "nodata": 0, "count": len(bands), "crs": "EPSG:32633",
            "width": width, "height": height, "transform": rasterio.Affine(step, 0, left, 0, -step, top),
        }
        plain, cog = folder / "plain.tif", folder / f"scene_{i}.tif"
        with rasterio.open(plain, "w", **profile) as file:
            file.write(np.stack([pixels.data[i] for pixels in bands.values()]))
        translate(plain, cog, driver="COG", compress="DEFLATE", blocksize=128)
        plain.unlink()
        code = {"proj:epsg": 32633} if version == "1.0.0" else {"proj:code": "EPSG:32633"}
        key = "eo:bands" if version == "1.0.0" else "bands"
        item = {
            "type": "Feature", "stac_version": version, "id": f"scene_{i}", "collection": "scenes",
            "stac_extensions": [], "bbox": extent, "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": date, **code},
            "assets": {
                "data": {
                    "href": f"./scene_{i}.tif", "roles": ["data"], key: listed,
                    "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                }
            },
            "links": [{"rel": "collection", "href": "./collection.json", "type": "application/json"}],
        }
        (folder / f"scene_{i}.json").write_text(json.dumps(item))
        links.append({"rel": "item", "href": f"./scene_{i}.json", "type": "application/geo+json"})
    collection = {
        "type": "Collection", "stac_version": version, "id": "scenes", "description": "generated",
        "license": "CC0-1.0", "links": [*links, {"rel": "license", "href": CC0}],
        "providers": [{"name": "Generator", "roles": ["producer"]}],
        "extent": {"spatial": {"bbox": [extent]}, "temporal": {"interval": [[dates[0], dates[-1]]]}},
    }
    path = folder / "collection.json"
    path.write_text(json.dumps(collection))
    return path


def band(version, label, common):
    prefix = "" if version == "1.0.0" else "eo:"
    return {"name": label, f"{prefix}common_name": common}


def slovenia():
    """Five dates of thirteen bands of Sentinel-2 over Slovenia."""
    cubes = REAL / "cubes"
    paths = {
        "cog-stac-1.0": REAL / "stac-1.0/s2-l1c-slovenia/collection.json",
        "cog-stac-1.1": REAL / "stac-1.1/s2-l1c-slovenia/collection.json",
        "zarr-2": cubes / "s2_l1c_slovenia.v2.zarr",
        "zarr-3": cubes / "s2_l1c_slovenia.v3.zarr",
        "zarr-3-sharded": cubes / "s2_l1c_slovenia.v3-sharded.zarr",
        "netcdf": cubes / "s2_l1c_slovenia.nc",
    }
    with xr.open_dataset(paths["netcdf"], decode_cf=False, engine="netcdf4") as file:
        bands = {name: np.ma.masked_equal(file[name].values, 0) for name in file.data_vars if name[0] == "B"}
        x, y = file.x.values, file.y.values
    dx, dy = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    dates = json.loads((REAL / "expected.json").read_text())["s2_l1c_slovenia"]["dates"]
    return Cube("slovenia", 32633, paths, bands, (x[0] - dx / 2, y[0] - dy / 2, dx, dy), dates)


def chunked(path, dates, size, chunks, hidden=None):
    """A Zarr store with one band (`B04`) over t, y, x in EPSG:32632, in chunks of a choice; what is `hidden` has no data."""
    group = zarr.open_group(path, mode="w", zarr_format=3)

    def array(name, values, dims, chunks, **attributes):
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks, dimension_names=dims, attributes=attributes
        )
        made[...] = values

    array("t", np.arange(dates), ["t"], (dates,), units="days since 2021-01-01", standard_name="time", axis="T")
    places = np.arange(size) + 0.5
    array("y", 5_200_000 - 10 * places, ["y"], (size,), standard_name="projection_y_coordinate", units="m", axis="Y")
    array("x", 600_000 + 10 * places, ["x"], (size,), standard_name="projection_x_coordinate", units="m", axis="X")
    text = rasterio.crs.CRS.from_epsg(32632).to_wkt()
    group.create_array("spatial_ref", shape=(), dtype="i8", attributes={"crs_wkt": text})
    pixels = np.random.default_rng(3).integers(1, 9000, (dates, size, size), dtype="u2")
    if hidden:
        pixels[hidden] = 0
    array("B04", pixels, ["t", "y", "x"], chunks, grid_mapping="spatial_ref", _FillValue=0)
    return path
