"""Onto another cube: `resample_cube_spatial`, `resample_cube_temporal`. Values by numpy's indexing and xarray."""

import numpy as np
import xarray as xr

from encoding import axis, bands, cube, instant, times, vector, write

WRONG = "ProcessParameterInvalid"


def spatial():
    dims = {"b": bands("one"), "y": axis(5000095.0, -10.0, 4, "y"), "x": axis(500005.0, 10.0, 6, "x")}
    values = np.arange(24.0).reshape(1, 4, 6) ** 2 / 3
    missing = values == values[0, 1, 2]
    data = cube(values, dims, missing=missing)

    def target(x, y, **other):
        return cube(np.zeros((len(y["labels"]), len(x["labels"]))), {"y": y, "x": x, **other})

    def call(data, target, **other):
        return {"data": data, "target": target, **other}

    def own(y, x):
        return {"b": dims["b"], "y": y, "x": x}

    # The same pixels, and a part of them: no value changes.
    vector("resample_cube_spatial", call(data, target(dims["x"], dims["y"])), data)
    x, y = axis(500025.0, 10.0, 3, "x"), axis(5000085.0, -10.0, 2, "y")
    part = cube(values[:, 1:3, 2:5], own(y, x), missing=missing[:, 1:3, 2:5])
    vector("resample_cube_spatial", call(data, target(x, y)), part)
    # Half as large, with the upper left quarter beyond the data: the pixel around each centre.
    x, y = axis(499992.5, 5.0, 6, "x"), axis(5000107.5, -5.0, 4, "y")
    i = np.floor((5000100 - np.array(y["labels"])) / 10).astype(int)
    j = np.floor((np.array(x["labels"]) - 500000) / 10).astype(int)
    outside = (i < 0)[:, None] | (j < 0)[None, :]
    found = values[:, np.clip(i, 0, None)][:, :, np.clip(j, 0, None)]
    lost = missing[:, np.clip(i, 0, None)][:, :, np.clip(j, 0, None)] | outside
    vector("resample_cube_spatial", call(data, target(x, y)), cube(found, own(y, x), missing=lost))
    # Twice as large, from south to north: blocks of four, of those that are there.
    x, y = axis(500010.0, 20.0, 3, "x"), axis(5000070.0, 20.0, 2, "y")
    blocks = np.ma.masked_array(values, missing).reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4)[::-1]
    for method in ("mean", "max", "min"):
        found = getattr(blocks, method)(axis=2)[None]
        name = {"mean": "average"}.get(method, method)
        vector("resample_cube_spatial", call(data, target(x, y), method=name), cube(found.data, own(y, x)))
    # Far away: nothing there.
    x = axis(600005.0, 10.0, 2, "x")
    nothing = cube(np.zeros((1, 2, 2)), own(y, x), missing=True)
    vector("resample_cube_spatial", call(data, target(x, y)), nothing)

    vector("resample_cube_spatial", call(data, target(x, y), method="nearest"), throws=WRONG)
    line = cube(np.zeros(2), {"x": x})
    vector("resample_cube_spatial", call(data, line), throws=WRONG)
    vector("resample_cube_spatial", call(line, data), throws=WRONG)
    uneven = {"type": "spatial", "axis": "y", "reference_system": "EPSG:32633", "labels": [0.0, 1.0, 5.0]}
    vector("resample_cube_spatial", call(data, target(x, uneven)), throws=WRONG)


def temporal():
    stamps = ["2020-01-01T00:00:00Z", "2020-01-03T00:00:00Z", "2020-01-10T00:00:00Z", "2020-01-12T12:00:00Z"]
    wanted = ["2019-12-01T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-06T13:00:00Z", "2020-01-10T00:00:00+00:00", "2020-02-01"]
    values = np.array([[1.5, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
    missing = np.array([[0, 0, 0], [1, 0, 1], [1, 0, 0], [0, 1, 1]], dtype=bool)
    x = axis(500005.0, 10.0, 3, "x")
    data = cube(values, {"t": times(*stamps), "x": x}, missing=missing)
    target = cube(np.zeros(5), {"t": times(*wanted)})

    def call(data, target, **other):
        return {"data": data, "target": target, **other}

    def at(texts):
        return np.array([text[:19].removesuffix("Z") for text in texts], dtype="datetime64[s]")

    # By xarray; of two equally near ones (the second instant) it is the earlier one.
    index = xr.DataArray(np.arange(4), coords={"t": at(stamps)}, dims="t")
    nearest = index.sel(t=at(wanted), method="nearest").values
    assert abs(at(wanted)[1] - at(stamps)[0]) == abs(at(wanted)[1] - at(stamps)[1])
    nearest[1] = 0
    expected = cube(values[nearest], {"t": times(*wanted), "x": x}, missing=missing[nearest])
    vector("resample_cube_temporal", call(data, target), expected)
    vector("resample_cube_temporal", call(data, target, dimension="t"), expected)

    def within(days, values, missing):
        """The nearest valid one less than so many days away (or at the same instant), pixel by pixel."""
        found, lost = np.zeros((5, 3)), np.ones((5, 3), dtype=bool)
        for k, moment in enumerate(at(wanted)):
            apart = np.abs((at(stamps) - moment).astype(float)) / 86400
            near = [i for i in np.argsort(apart, kind="stable") if apart[i] < days or apart[i] == 0]
            for pixel in range(3):
                valid = [i for i in near if not missing[i, pixel] and np.isfinite(values[i, pixel])]
                if valid:
                    found[k, pixel], lost[k, pixel] = values[valid[0], pixel], False
        return cube(found, {"t": times(*wanted), "x": x}, missing=lost)

    for days in (0, 1, 1.5, 6, 100):
        vector("resample_cube_temporal", call(data, target, valid_within=days), within(days, values, missing))
    # NaN and infinities are not valid, but the nearest where that does not matter.
    odd = values.copy()
    odd[0, 0], odd[2, 1], odd[1, 2] = np.nan, np.inf, -np.inf
    none = np.zeros((4, 3), dtype=bool)
    holed = cube(odd, {"t": times(*stamps), "x": x})
    plain = cube(odd[nearest], {"t": times(*wanted), "x": x})
    vector("resample_cube_temporal", call(holed, target), plain)
    vector("resample_cube_temporal", call(holed, target, valid_within=5), within(5, odd, none))
    # Whole numbers; two dimensions of time, only one of them in the target; labels in no order.
    dims = {"u": times("2020-01-01"), "x": x, "t": times(stamps[2], stamps[0])}
    data = cube(np.array([[[1, 2], [3, 4], [5, 6]]]), dims, dtype="uint8")
    other = cube(np.zeros((2, 1)), {"t": times("2020-01-09", "2020-01-02"), "v": times("2021-01-01")})
    expected = cube(np.array([[[1, 2], [3, 4], [5, 6]]]), {**dims, "t": times("2020-01-09", "2020-01-02")})
    vector("resample_cube_temporal", call(data, other), expected)
    # Nothing to take from, nothing to take.
    empty = cube(np.zeros((0, 3)), {"t": times(), "x": x}, dtype="float64")
    vector("resample_cube_temporal", call(empty, target), cube(np.zeros((5, 3)), {"t": times(*wanted), "x": x}, missing=True))
    vector("resample_cube_temporal", call(empty, target, valid_within=3), cube(np.zeros((5, 3)), {"t": times(*wanted), "x": x}, missing=True))

    vector("resample_cube_temporal", call(data, target, dimension="w"), throws="DimensionNotAvailable")
    vector("resample_cube_temporal", call(data, target, dimension="x"), throws="DimensionNotAvailable")
    named = cube(np.zeros((1, 3)), {"t": bands("a"), "x": x})
    vector("resample_cube_temporal", call(data, named, dimension="t"), throws="DimensionMismatch")
    vector("resample_cube_temporal", call(data, named), throws="DimensionMismatch")
    vector("resample_cube_temporal", call(data, target, valid_within=-1), throws=WRONG)
    months = cube(np.zeros(1), {"t": {"type": "temporal", "labels": [instant("2020-06")]}})
    vector("resample_cube_temporal", call(data, months), throws=WRONG)


spatial()
temporal()
write(__file__)
