"""The process graphs of the workloads for one cube, and its polygons: `works.py CUBE.zarr SIZE OUT [POLYGONS]`.

Where no polygons are given, they are made: star shapes, the same on any machine.
"""

import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import xarray as xr

CLOUDS = (3, 8, 9, 10)
EPSG = 32632


def day(cube):
    """Index of the date of W5w: the one nearest to the seventh of May."""
    days = cube.t.values.astype("datetime64[D]")
    return int(np.abs(days - np.datetime64(f"{days[0].astype('datetime64[Y]')}-05-07")).argmin())


def node(process_id, result=False, **arguments):
    made = {"process_id": process_id, "arguments": arguments}
    return {**made, "result": True} if result else made


def of(name):
    return {"from_node": name}


def given(name):
    return {"from_parameter": name}


def reducer(process_id):
    return {"process_graph": {"r": node(process_id, True, data=given("data"))}}


def kernel():
    """5 x 5 Gaussian of one pixel, ten decimals."""
    line = [math.exp(-i * i / 2) for i in (-2, -1, 0, 1, 2)]
    total = sum(line)
    return [[round(a * b / total / total, 10) for b in line] for a in line]


def graphs(cube, polygons):
    """Name of a workload to the nodes of its graph."""
    x, y = cube.x.values, cube.y.values
    step = float(x[1] - x[0])
    west, north = float(x[0]) - step / 2, float(y[0]) + step / 2

    def extent(rows, columns):
        return {"west": west, "south": north - step * rows, "east": west + step * columns, "north": north, "crs": EPSG}

    whole, part = extent(len(y), len(x)), extent(min(1024, len(y)), min(1024, len(x)))
    days = cube.t.values.astype("datetime64[D]")
    first = days[0].astype("datetime64[Y]")
    every = [f"{first}-01-01T00:00:00Z", f"{first + 1}-01-01T00:00:00Z"]
    one = [f"{days[day(cube)]}T00:00:00Z", f"{days[day(cube)] + 1}T00:00:00Z"]

    def load(bands, extent=whole, time=every):
        return node("load_collection", id="S2", spatial_extent=extent, temporal_extent=time, bands=bands)

    def save(data, format):
        return node("save_result", True, data=of(data), format=format, options={})

    index = {"process_graph": {
        "nir": node("array_element", data=given("data"), label="B08"),
        "red": node("array_element", data=given("data"), label="B04"),
        "nd": node("normalized_difference", True, x=of("nir"), y=of("red")),
    }}
    ndvi = {
        "load": load(["B04", "B08"]),
        "ndvi": node("reduce_dimension", data=of("load"), dimension="bands", reducer=index),
    }
    cloudy = {"process_graph": {
        "s": node("array_element", data=given("data"), index=0),
        **{f"e{c}": node("eq", x=of("s"), y=c) for c in CLOUDS},
        "o1": node("or", x=of("e3"), y=of("e8")),
        "o2": node("or", x=of("e9"), y=of("e10")),
        "o3": node("or", True, x=of("o1"), y=of("o2")),
    }}
    composite = {
        "load": load(["B02", "B03", "B04"]),
        "scl": load(["SCL"]),
        "clouds": node("reduce_dimension", data=of("scl"), dimension="bands", reducer=cloudy),
        "masked": node("mask", data=of("load"), mask=of("clouds")),
        "median": node("reduce_dimension", data=of("masked"), dimension="t", reducer=reducer("median")),
    }

    def warp(data):
        return node("resample_spatial", data=of(data), projection=3857, resolution=20, method="bilinear")

    above = {"process_graph": {"gt": node("gt", True, x=given("x"), y=3000)}}
    subset = load(["B02", "B03", "B04", "B08"], part)
    return {
        "W1": {**ndvi, "max": node("reduce_dimension", data=of("ndvi"), dimension="t", reducer=reducer("max")),
               "save": save("max", "GTiff")},
        "W2": {**composite, "save": save("median", "GTiff")},
        "W3": {**ndvi, "monthly": node("aggregate_temporal_period", data=of("ndvi"), period="month",
                                       reducer=reducer("mean")),
               "save": save("monthly", "netCDF")},
        "W4": {**ndvi, "zonal": node("aggregate_spatial", data=of("ndvi"), geometries=polygons,
                                     reducer=reducer("mean")),
               "save": save("zonal", "JSON")},
        "W5": {**composite, "warp": warp("median"), "save": save("warp", "GTiff")},
        "W5w": {"load": load(["B02", "B03", "B04"], time=one), "warp": warp("load"), "save": save("warp", "GTiff")},
        "W6": {"load": load(["B08"]), "smooth": node("apply_kernel", data=of("load"), kernel=kernel()),
               "bright": node("apply", data=of("smooth"), process=above),
               "any": node("reduce_dimension", data=of("bright"), dimension="t", reducer=reducer("any")),
               "save": save("any", "GTiff")},
        "W9nc": {"load": subset, "save": save("load", "netCDF")},
        "W9tif": {"load": subset, "save": save("load", "GTiff")},
        "W9zarr": {"load": subset, "save": save("load", "Zarr")},
        "rechunk": {"load": load(["B02", "B03", "B04", "B08"]),
                    "save": node("save_result", True, data=of("load"), format="Zarr",
                                 options={"chunks": {"t": len(cube.t), "y": 128, "x": 128}})},
    }


def stars(cube, count):
    """Polygons of 6 to 12 corners, 100 to 600 m around centres inside the cube, in geographic coordinates."""
    from pyproj import Transformer

    to = Transformer.from_crs(EPSG, 4326, always_xy=True)
    x, y = cube.x.values, cube.y.values
    chance = random.Random(77)
    features = []
    for number in range(count):
        radius = chance.uniform(100, 600)
        centre = [chance.uniform(*sorted((axis[0] + side * 700, axis[-1] - side * 700)))
                  for axis, side in ((x, 1), (y, -1))]
        corners = []
        for angle in sorted(chance.uniform(0, 2 * math.pi) for _ in range(chance.randint(6, 12))):
            far = radius * chance.uniform(0.5, 1)
            corners.append((centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle)))
        ring = [[round(value, 9) for value in to.transform(*corner)] for corner in [*corners, corners[0]]]
        features.append({"type": "Feature", "id": str(number), "properties": {"id": number},
                         "geometry": {"type": "Polygon", "coordinates": [ring]}})
    return {"type": "FeatureCollection", "features": features}


def main(store, size, out, polygons=None):
    with xr.open_zarr(store, consolidated=False, mask_and_scale=False) as cube:
        shapes = json.loads(Path(polygons).read_text()) if polygons else stars(cube, 60)
        made = graphs(cube, shapes)
    for name, nodes in made.items():
        text = json.dumps({"id": name, "summary": f"workload {name}, size {size}", "process_graph": nodes})
        Path(out, f"{name}.{size}.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
