"""Sources and sinks: `load_collection`, `load_stac`, `load_url`, `load_result`, `save_result`.

What is loaded lies below `data`: two scenes of two bands, which this script writes with rasterio, and a STAC collection
of them; and below `workspace`, where the first scene is what an earlier job gave. `--check` leaves these files alone.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp

from encoding import axis, callback, cube, parameter, times, vector, write

INVALID, MISSING = "ProcessParameterInvalid", "ProcessParameterRequired"
DATA = Path(__file__).parent / "data/scenes"
RESULT = Path(__file__).parent / "workspace/results/earlier"
DATES = ["2021-03-01T10:00:00Z", "2021-05-05T10:00:00Z"]
CLOUDS = [10, 80]
BANDS = ["B04", "B08"]
# Over dates, bands, rows and columns; 0 is no-data.
PIXELS = (np.arange(2 * 2 * 4 * 5).reshape(2, 2, 4, 5) * 7) % 40
X, Y = 500005.0 + 10 * np.arange(5), 5000095.0 - 10 * np.arange(4)


def files():
    DATA.mkdir(parents=True, exist_ok=True)
    RESULT.mkdir(parents=True, exist_ok=True)
    west, south, east, north = rasterio.warp.transform_bounds("EPSG:32633", "EPSG:4326", 500000, 5000060, 500050, 5000100)
    extent = [west - 1e-4, south - 1e-4, east + 1e-4, north + 1e-4]
    corners = [[extent[i], extent[j]] for i, j in [(0, 1), (2, 1), (2, 3), (0, 3), (0, 1)]]
    names = [{"name": "B04", "eo:common_name": "red"}, {"name": "B08", "eo:common_name": "nir"}]
    links = []
    for i, date in enumerate(DATES):
        profile = {"driver": "GTiff", "dtype": "uint16", "nodata": 0, "count": 2, "crs": "EPSG:32633", "width": 5, "height": 4}
        transform = rasterio.Affine(10, 0, 500000, 0, -10, 5000100)
        with rasterio.open(DATA / f"scene-{i}.tif", "w", transform=transform, **profile) as file:
            file.write(PIXELS[i].astype("uint16"))
        asset = {"href": f"./scene-{i}.tif", "roles": ["data"], "type": "image/tiff; application=geotiff", "bands": names}
        item = {
            "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": f"scene-{i}", "collection": "scenes",
            "bbox": extent, "geometry": {"type": "Polygon", "coordinates": [corners]},
            "properties": {"datetime": date, "proj:code": "EPSG:32633", "eo:cloud_cover": CLOUDS[i]},
            "assets": {"data": asset}, "links": [{"rel": "collection", "href": "./collection.json"}],
        }
        (DATA / f"scene-{i}.json").write_text(json.dumps(item, indent=1) + "\n")
        links.append({"rel": "item", "href": f"./scene-{i}.json", "type": "application/geo+json"})
    collection = {
        "type": "Collection", "stac_version": "1.1.0", "id": "scenes", "description": "Two numbered scenes", "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [extent]}, "temporal": {"interval": [DATES]}}, "links": links,
    }
    shutil.copy(DATA / "scene-0.tif", RESULT / "scene.tif")
    (DATA / "collection.json").write_text(json.dumps(collection, indent=1) + "\n")


def scenes(dates=(0, 1), bands=(0, 1), rows=range(4), columns=range(5), outside=None):
    dims = {
        "t": times(*[DATES[i] for i in dates]),
        "bands": {"type": "bands", "labels": [BANDS[i] for i in bands]},
        "y": {**axis(0, 0, 0, "y"), "labels": [float(Y[i]) for i in rows]},
        "x": {**axis(0, 0, 0, "x"), "labels": [float(X[i]) for i in columns]},
    }
    kept = PIXELS[np.ix_(dates, bands, rows, columns)]
    missing = kept == 0
    if outside is not None:
        missing = missing | outside[np.ix_(rows, columns)]
    return cube(kept, dims, missing=missing)


def path(name):
    """Where a file of `data` is; the runner makes it absolute."""
    return {"@": "file", "path": f"scenes/{name}"}


def loads():
    metres = {"west": 500011, "south": 5000071, "east": 500049, "north": 5000099, "crs": 32633}
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    ring = [[500002, 5000098], [500040, 5000098], [500002, 5000060], [500002, 5000098]]
    triangle = {"type": "Polygon", "coordinates": [ring], "crs": crs}
    # South-east of the third side is outside.
    outside = (X[None, :] - 500002) + (5000098 - Y[:, None]) > 38
    cloudy = {"eo:cloud_cover": callback("gt", x=parameter("value"), y=50)}
    sunny = {"eo:cloud_cover": callback("lt", x=parameter("value"), y=0)}
    cases = [
        ({}, scenes()),
        ({"bands": ["B08"]}, scenes(bands=[1])),
        ({"bands": ["nir", "B04"]}, scenes(bands=[1, 0])),
        ({"temporal_extent": ["2021-03-01T10:00:00Z", "2021-05-05T10:00:00Z"]}, scenes(dates=[0])),
        ({"temporal_extent": ["2021-04-01", None]}, scenes(dates=[1])),
        ({"spatial_extent": metres}, scenes(rows=range(3), columns=range(1, 5))),
        ({"spatial_extent": triangle}, scenes(rows=range(4), columns=range(4), outside=outside)),
        ({"properties": cloudy}, scenes(dates=[1])),
    ]
    faults = [
        ({"temporal_extent": ["2021-05-05", "2021-03-01"]}, "TemporalExtentEmpty"),
        ({"temporal_extent": ["soon", None]}, INVALID),
        ({"temporal_extent": ["2031-05-05", "2031-06-01"]}, True),
        ({"properties": sunny}, True),
        ({"bands": []}, INVALID),
        ({"bands": "B04"}, INVALID),
        ({"spatial_extent": {**metres, "south": 6000000}}, INVALID),
        ({"spatial_extent": {"type": "Point", "coordinates": [10, 50]}}, INVALID),
    ]
    whole = {"spatial_extent": None, "temporal_extent": None}
    for arguments, returns in cases:
        vector("load_collection", {"id": "scenes", **whole, **arguments}, returns)
        vector("load_stac", {"url": path("collection.json"), **arguments}, returns)
    vector("load_stac", {"url": path("scene-1.json")}, scenes(dates=[1]))
    for arguments, code in faults:
        vector("load_collection", {"id": "scenes", **whole, **arguments}, throws=code)
        vector("load_stac", {"url": path("collection.json"), **arguments}, throws=code)
    square = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]}
    vector("load_collection", {"id": "none", "spatial_extent": square, "temporal_extent": None}, throws="CollectionNotFound")
    open_ring = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2]]]}
    vector("load_collection", {"id": "none", "spatial_extent": open_ring, "temporal_extent": None}, throws=INVALID)
    vector("load_collection", {"id": "scenes"}, throws=MISSING)
    vector("load_stac", {"url": path("nothing.json")}, throws=True)
    vector("load_stac", {}, throws=MISSING)


def saves():
    dims = {"x": axis(500005.0, 10.0, 3, "x")}
    data = cube(np.array([1.5, np.nan, 0]), dims, missing=np.array([False, False, True]))
    # The values stay what they are; files and their STAC resources are compared by other tests.
    for name in ("gtiff", "NetCDF", "ZARR"):
        vector("save_result", {"data": data, "format": name}, data)
    vector("save_result", {"data": data, "format": "netcdf", "options": {"compression": "zlib"}}, data)
    vector("save_result", {"data": data, "format": 7}, throws=INVALID)
    vector("save_result", {"data": data}, throws=MISSING)


def one(scene, bands=(0, 1), rows=range(4), columns=range(5)):
    """A file of one scene: bands without names."""
    dims = {
        "bands": {"type": "bands", "labels": [f"band_{i + 1}" for i in bands]},
        "y": {**axis(0, 0, 0, "y"), "labels": [float(Y[i]) for i in rows]},
        "x": {**axis(0, 0, 0, "x"), "labels": [float(X[i]) for i in columns]},
    }
    kept = PIXELS[scene][np.ix_(bands, rows, columns)]
    return cube(kept, dims, missing=kept == 0)


def urls():
    def load(name, format):
        return {"url": path(name), "format": format}

    vector("load_url", load("scene-0.tif", "GTiff"), one(0))
    vector("load_url", load("scene-1.tif", "gtiff"), one(1))
    vector("load_url", load("nothing.tif", "GTiff"), throws=INVALID)
    vector("load_url", load("scene-0.tif", "GeoJSON"), throws="FormatUnsuitable")
    vector("load_url", load("scene-0.tif", "netCDF"), throws="FormatUnsuitable")
    vector("load_url", load("scene-0.tif", "PNG"), throws="FormatUnsuitable")
    vector("load_url", {"url": path("scene-0.tif")}, throws=MISSING)


def results():
    vector("load_result", {"id": "earlier"}, one(0))
    box = {"west": 500011, "south": 5000071, "east": 500049, "north": 5000099, "crs": 32633}
    vector("load_result", {"id": "earlier", "spatial_extent": box}, one(0, rows=range(3), columns=range(1, 5)))
    vector("load_result", {"id": "earlier", "bands": ["band_2"]}, one(0, bands=[1]))
    vector("load_result", {"id": "later"}, throws="JobNotFound")
    vector("load_result", {"id": 7}, throws=INVALID)
    vector("load_result", {"id": None}, throws=INVALID)
    vector("load_result", {}, throws=MISSING)
    later = {"id": "earlier", "temporal_extent": ["2020-01-02", "2020-01-01"]}
    vector("load_result", later, throws="TemporalExtentEmpty")
    vector("load_result", {"id": "earlier", "bands": []}, throws=INVALID)
    vector("load_result", {"id": "earlier", "properties": {}}, throws="ProcessParameterUnsupported")


if "--check" not in sys.argv:
    files()
loads()
urls()
saves()
results()
write(__file__)
