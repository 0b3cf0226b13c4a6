"""Are the numbers the same? `check.py WORK SIZE PEER KEPT` compares our kept result with what a peer kept.

It runs in the folder of the bench and prints one JSON object: `agrees`, what was compared, and by how much it
differs. A process of its own, because it loads arrays (see `child.py`).
"""

import glob
import json
import sys

import numpy as np
import xarray as xr

from works import EPSG, day

# W1 to W4 and W6: most by which values may differ, of the larger of one and the value.
RELATIVE = 1e-6
# W5: the grid of the result, the widening of the kernel and the transformation are worked out here again, with pyproj.
# The widening is a median, here over all pixels, so that weights differ slightly: digital numbers, largest and mean.
WARP, WARP_MEAN = 0.1, 0.005


def main(work, size, peer, kept):
    if work.startswith("W9"):
        found = written(work, size, kept)
    elif work in ("W5", "W5w"):
        found = warped(work, size, kept)
    else:
        found = same(ours(kept), theirs(work, size, peer))
    print(json.dumps({"kind": "check", "work": work, "size": size, "peer": peer, **found}))


def ours(kept):
    """The kept result: floats, NaN where there is no data; and its bytes as the engine holds them."""
    if kept.endswith(".json"):
        with open(kept, encoding="utf8") as file:
            return table(json.load(file)), None
    with xr.open_zarr(kept, decode_coords="all") as cube:
        names = sorted(name for name in cube.data_vars if {"x", "y"} <= set(cube[name].dims))
        bytes_ = sum(cube[name].nbytes for name in names)
        return np.squeeze(np.stack([cube[name].values.astype("f8") for name in names])), bytes_


def table(value):
    """Numbers of JSON over dates and polygons: nested lists, or objects by date of lists by polygon, in order."""
    if isinstance(value, dict):
        # A table in a wrapper, or lists by date.
        for name in ("data", "values"):
            if name in value:
                return table(value[name])
        value = [value[key] for key in sorted(value)]
    return np.squeeze(np.array([[number(cell) for cell in row] for row in value], "f8"))


def number(cell):
    while isinstance(cell, list):
        cell = cell[0] if cell else None
    return np.nan if cell is None else float(cell)


def theirs(work, size, peer):
    # The same work from other files has the same result.
    work = work.removesuffix("cog")
    return np.squeeze(np.load(f"results/out/{work}.{size}.{peer}.npy").astype("f8"))


def same(mine, expected):
    values, bytes_ = mine
    found = {"result_bytes": bytes_ or values.size * 8, "values": int(values.size)}
    if values.shape != expected.shape and values.T.shape == expected.shape:
        values = values.T
    if values.shape != expected.shape:
        return {**found, "agrees": False, "why": f"shape {values.shape}, expected {expected.shape}"}
    missing = int((np.isnan(values) != np.isnan(expected)).sum())
    both = np.isfinite(values) & np.isfinite(expected)
    difference = np.abs(values - expected)[both]
    scaled = difference / np.maximum(1, np.abs(expected[both]))
    largest = float(scaled.max(initial=0))
    return {
        **found, "agrees": missing == 0 and largest <= RELATIVE and both.any().item(),
        "largest_difference": float(difference.max(initial=0)), "largest_relative": largest,
        "bound": RELATIVE, "no_data_mismatches": missing, "compared": int(both.sum()),
    }


def store(size):
    return xr.open_zarr(f"bench-data/s2_{size}/cube.zarr", consolidated=False, mask_and_scale=False)


def written(work, size, kept):
    """Files of W9: exactly the pixels of the cube."""
    bands = ["B02", "B03", "B04", "B08"]
    with store(size) as cube:
        expected = np.stack([cube[band].isel(y=slice(1024), x=slice(1024)).values for band in bands])
    if work == "W9tif":
        import rasterio

        values = []
        for path in sorted(glob.glob(kept + "*.tif")):
            with rasterio.open(path) as file:
                values.append(file.read())
        values = np.stack(values, 1)
    elif work == "W9nc":
        with xr.open_dataset(kept, mask_and_scale=False) as cube:
            values = np.stack([cube[band].values for band in bands])
    else:
        with xr.open_zarr(kept, mask_and_scale=False) as cube:
            values = np.stack([cube[band].values for band in bands])
    found = {"result_bytes": int(expected.nbytes), "values": int(values.size), "bound": 0}
    if values.shape != expected.shape:
        return {**found, "agrees": False, "why": f"shape {values.shape}, expected {expected.shape}"}
    wrong = int((values != expected).sum())
    return {**found, "agrees": wrong == 0, "differing": wrong, "compared": int(values.size)}


def warped(work, size, kept):
    """Bilinear resampling on the grid of our result: against an exact transformation by pyproj, asserted, and
    against GDAL's approximate one, reported. Peers choose another grid, so their pixels cannot be compared."""
    with xr.open_zarr(kept, decode_coords="all") as cube:
        x, y = cube.x.values, cube.y.values
        names = sorted(name for name in cube.data_vars if {"x", "y"} <= set(cube[name].dims))
        values = np.stack([np.squeeze(cube[name].values.astype("f8")) for name in names])
        bytes_ = sum(cube[name].nbytes for name in names)
    with store(size) as cube:
        source, grid = before(work, size, cube), (cube.x.values, cube.y.values)
    expected = bilinear(source, grid, x, y)
    missing = int((np.isnan(values) != np.isnan(expected)).sum())
    difference = np.abs(values - expected)
    difference = difference[np.isfinite(difference)]
    largest, mean = float(difference.max(initial=0)), float(difference.mean())
    # The edge of the grid and of no-data is a matter of a last digit.
    few = missing <= values.size // 100_000
    return {
        "result_bytes": int(bytes_), "values": int(values.size), "bound": WARP,
        "agrees": few and largest <= WARP and mean <= WARP_MEAN and difference.size > values.size / 2,
        "largest_difference": largest, "mean_difference": mean, "no_data_mismatches": missing,
        "compared": int(difference.size), **gdal(source, grid, values, x, y),
    }


def bilinear(source, grid, x, y):
    """`source` (bands, rows, columns) at the pixels of another grid. The kernel, a triangle, is as wide as a new
    pixel where that is wider than an old one; weights are divided by their sum over pixels with data; a pixel whose
    centre lies in one without data has none."""
    from pyproj import Transformer

    step = grid[0][1] - grid[0][0]
    new = x[1] - x[0]
    # One more row and column, for the sizes of the new pixels.
    wide, tall = np.append(x, x[-1] + new), np.append(y, y[-1] - new)
    east, north = Transformer.from_crs(3857, EPSG, always_xy=True).transform(*np.meshgrid(wide, tall))
    # Centres of pixels have whole numbers here.
    places = {"columns": (east - grid[0][0]) / step, "rows": (grid[1][0] - north) / step}
    count = {"columns": len(grid[0]), "rows": len(grid[1])}
    inside = np.ones((len(y), len(x)), bool)
    for axis, place in places.items():
        own = place[:-1, :-1]
        inside &= (own >= -0.5) & (own < count[axis] - 0.5)
    taps = {}
    for axis, place in places.items():
        own = place[:-1, :-1]
        lengths = np.hypot(place[:-1, 1:] - own, place[1:, :-1] - own)[inside]
        ratio = max(1.0, float(np.median(lengths)))
        ratio = float(round(ratio)) if abs(ratio - round(ratio)) < 0.05 else ratio
        start = np.floor(own - ratio).astype(int) + 1
        taps[axis] = []
        for i in range(int(np.ceil(2 * ratio)) + 1):
            weight = np.maximum(0, 1 - np.abs(start + i - own) / ratio)
            weight[(start + i < 0) | (start + i >= count[axis])] = 0
            taps[axis].append((np.clip(start + i, 0, count[axis] - 1), weight))
    total, weights = np.zeros((len(source), len(y), len(x))), np.zeros((len(source), len(y), len(x)))
    for row, high in taps["rows"]:
        for column, wide in taps["columns"]:
            pixels = source[:, row, column]
            known = np.where(np.isnan(pixels), 0, high * wide)
            weights += known
            total += known * np.nan_to_num(pixels)
    nearest = [np.clip(np.floor(places[axis][:-1, :-1] + 0.5).astype(int), 0, count[axis] - 1)
               for axis in ("rows", "columns")]
    inside = inside & ~np.isnan(source[:, nearest[0], nearest[1]]) & (weights > 1e-6)
    return np.divide(total, weights, out=np.full(total.shape, np.nan), where=inside)


def before(work, size, cube):
    """The pixels before they are warped."""
    bands = ["B02", "B03", "B04"]
    if work == "W5w":
        one = cube.isel(t=day(cube))
        return np.stack([np.where(one[band].values == 0, np.nan, one[band].values) for band in bands])
    for peer in ("expert", "plain"):
        try:
            return theirs("W2", size, peer)
        except FileNotFoundError:
            pass
    import plain

    source = plain.composite(cube)
    np.save(f"results/out/W2.{size}.plain.npy", source)
    return source


def gdal(source, grid, values, x, y):
    """How far GDAL's warp to the same grid is from ours."""
    from rasterio.transform import from_origin
    from rasterio.warp import Resampling, reproject

    def corner(x, y):
        step = x[1] - x[0]
        return from_origin(x[0] - step / 2, y[0] + step / 2, step, step)

    other = np.empty(values.shape, "f4")
    reproject(
        source.astype("f4"), other, src_transform=corner(*grid), src_crs=f"EPSG:{EPSG}", src_nodata=np.nan,
        dst_transform=corner(x, y), dst_crs="EPSG:3857", dst_nodata=np.nan, resampling=Resampling.bilinear)
    difference = np.abs(values - other)
    difference = difference[np.isfinite(difference)]
    return {"gdal_within_half": float((difference <= 0.5).mean()), "gdal_largest": float(difference.max(initial=0))}


if __name__ == "__main__":
    main(*sys.argv[1:])
