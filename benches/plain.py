"""The workloads in plain numpy: what their numbers must be, computed by nothing of ours and nothing clever.

    plain.py --work W1 --size tiny --data cube.zarr [--keep]

speaks like the peers of the yardstick (`bench.py`): it works in the folder of the bench, prints one JSON line and
keeps its array in `results/out`. It is far too slow to be compared with in time.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

from works import CLOUDS, EPSG, kernel

# Rows at a time, so that any cube fits into memory.
ROWS = 128


def slabs(cube, bands, compute):
    """`compute` of pixels by band (floats, NaN where there is no data) over slabs of rows, put together."""
    parts = []
    for row in range(0, cube.sizes["y"], ROWS):
        part = cube[bands].isel(y=slice(row, row + ROWS)).load()
        parts.append(compute({band: data(part[band].values) for band in bands}))
    return np.concatenate(parts, axis=-2)


def data(pixels):
    return np.where(pixels == 0, np.nan, pixels.astype("f8"))


def ndvi(pixels):
    with np.errstate(invalid="ignore"):
        return (pixels["B08"] - pixels["B04"]) / (pixels["B08"] + pixels["B04"])


def largest(cube):
    return slabs(cube, ["B04", "B08"], lambda pixels: quiet(np.nanmax, ndvi(pixels)))


def quiet(reduce, values):
    """A reduction over the first axis; NaN where all are, without the warning."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return reduce(values, axis=0)


def composite(cube):
    def one(pixels):
        cloudy = np.isin(pixels["SCL"], CLOUDS)
        return np.stack([quiet(np.nanmedian, np.where(cloudy, np.nan, pixels[band])) for band in ("B02", "B03", "B04")])

    return slabs(cube, ["B02", "B03", "B04", "SCL"], one)


def monthly(cube):
    months = cube.t.dt.month.values

    def one(pixels):
        values = ndvi(pixels)
        return np.stack([quiet(np.nanmean, values[months == month]) for month in range(1, 13)])

    return slabs(cube, ["B04", "B08"], one)


def zonal(cube, size):
    """Means per date and polygon over the pixels whose centres are inside."""
    from pyproj import Transformer
    from rasterio.features import geometry_mask
    from rasterio.transform import from_origin

    graph = json.loads(Path("graphs", f"W4.{size}.json").read_text())
    features = graph["process_graph"]["zonal"]["arguments"]["geometries"]["features"]
    to = Transformer.from_crs(4326, EPSG, always_xy=True)
    x, y = cube.x.values, cube.y.values
    step = float(x[1] - x[0])
    means = []
    for feature in features:
        ring = np.array([to.transform(*corner) for corner in feature["geometry"]["coordinates"][0]])
        west, north = x[0] - step / 2, y[0] + step / 2
        columns = slice(max(0, int((ring[:, 0].min() - west) // step)), int((ring[:, 0].max() - west) // step) + 1)
        rows = slice(max(0, int((north - ring[:, 1].max()) // step)), int((north - ring[:, 1].min()) // step) + 1)
        part = cube[["B04", "B08"]].isel(y=rows, x=columns).load()
        inside = ~geometry_mask(
            [{"type": "Polygon", "coordinates": [ring.tolist()]}], (part.sizes["y"], part.sizes["x"]),
            from_origin(west + columns.start * step, north - rows.start * step, step, step))
        values = ndvi({band: data(part[band].values) for band in ("B04", "B08")})
        means.append(quiet(np.nanmean, values[:, inside].T))
    return np.stack(means, 1)


def bright(cube):
    """Beyond the edges and where there is no data the yardstick counts zero."""
    weights = np.array(kernel())
    found = np.zeros((cube.sizes["y"], cube.sizes["x"]), bool)
    for date in range(cube.sizes["t"]):
        padded = np.pad(cube.B08[date].values.astype("f8"), 2)
        total = np.zeros(found.shape)
        for dy in range(5):
            for dx in range(5):
                total += weights[dy, dx] * padded[dy:dy + found.shape[0], dx:dx + found.shape[1]]
        found |= total > 3000
    return found.astype("u1")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer")
    parser.add_argument("--work", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--data", default="cube.zarr")
    parser.add_argument("--save")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    works = {"W1": largest, "W2": composite, "W3": monthly, "W4": lambda cube: zonal(cube, given.size), "W6": bright}
    if given.work not in works:
        sys.exit(f"error: {given.work} is not among {', '.join(works)}")
    wall, cpu = time.perf_counter(), time.process_time()
    with xr.open_zarr(f"bench-data/s2_{given.size}/{given.data}", consolidated=False, mask_and_scale=False) as cube:
        result = works[given.work](cube)
    figures = {
        "peer": "plain", "work": given.work, "size": given.size, "data": given.data,
        "compute_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "err": None,
    }
    if given.keep:
        np.save(f"results/out/{given.work}.{given.size}.plain.npy", result)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
