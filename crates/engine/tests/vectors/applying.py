"""Processes applied to pixels, to dimensions and to windows: numpy and scipy.ndimage."""

import numpy as np
from scipy import ndimage

from encoding import axis, bands, callback, cube, parameter, reducer, times, vector, write

INVALID, MISSING, UNDECLARED = "ProcessParameterInvalid", "ProcessParameterRequired", "ProcessParameterUnsupported"
DATES = [f"2020-01-0{day}T00:00:00Z" for day in (1, 2, 3, 4)]
DIMS = {"t": times(*DATES), "y": axis(5000095.0, -10.0, 3, "y"), "x": axis(500005.0, 10.0, 2, "x")}
VALUES = (np.arange(24).reshape(4, 3, 2) * 7) % 23
GONE = VALUES % 4 == 1
GONE[:, 2, 1] = True
X = parameter("x")
CUBE = cube(VALUES, DIMS, dtype="int16", nodata=-9, missing=GONE)


def apply():
    def applied(process, values, data=CUBE, missing=GONE, **more):
        vector("apply", {"data": data, "process": process, **more}, cube(values, DIMS, missing=missing))

    applied(callback("add", x=X, y=0.5), VALUES + 0.5)
    applied(callback("multiply", x=X, y=-3), VALUES * -3)
    applied(callback("add", x=X, y=parameter("context")), VALUES + 100, context=100)
    applied(callback("gt", x=X, y=10), VALUES > 10)
    applied(callback("clip", x=X, min=5, max=10), np.clip(VALUES, 5, 10))
    # No-data comes to the process as null.
    applied(callback("is_nodata", x=X), GONE, missing=None)
    applied(callback("pi"), np.full(VALUES.shape, np.pi), missing=None)
    # NaN is a value here: no-data is not declared to be it.
    fine = np.where(VALUES == 3, np.nan, VALUES / 3)
    applied(callback("sqrt", x=X), np.sqrt(fine), data=cube(fine, DIMS, dtype="float64"), missing=None)
    vector("apply", {"data": CUBE, "process": callback("text_concat", data=[X])}, throws=True)
    vector("apply", {"data": CUBE}, throws=MISSING)
    vector("apply", {"data": CUBE, "process": callback("no_such_process", x=X)}, throws="ProcessUnsupported")
    vector("apply", {"data": CUBE, "process": callback("add", x=X)}, throws=MISSING)
    vector("apply", {"data": CUBE, "process": callback("add", x=X, y=parameter("z"))}, throws=True)
    vector("apply", {"data": [1, 2], "process": callback("absolute", x=X)}, throws=INVALID)


def masked(values=VALUES, missing=GONE):
    return np.ma.masked_array(values, missing)


def reduce():
    def reduced(name, values, missing=False, dimension="t", **more):
        rest = {key: value for key, value in DIMS.items() if key != dimension}
        arguments = {"data": CUBE, "dimension": dimension, "reducer": name if isinstance(name, dict) else reducer(name)}
        vector("reduce_dimension", {**arguments, **more}, cube(values, rest, missing=np.broadcast_to(missing, values.shape)))

    for dimension, position in [("t", 0), ("y", 1), ("x", 2)]:
        data = masked()
        for name, values in [("mean", data.mean(axis=position)), ("max", data.max(axis=position)), ("sum", data.sum(axis=position))]:
            reduced(name, values.filled(0), values.mask, dimension)
    count = (~GONE).sum(axis=0)
    reduced("count", count)
    reduced(reducer("count", condition=True), np.full(count.shape, 4))
    reduced(reducer("array_element", index=2), VALUES[2], GONE[2])
    reduced(reducer("array_element", label=DATES[1]), VALUES[1], GONE[1])
    # A NaN that is no no-data stays one.
    fine = VALUES / 2
    fine[1, 0, 0] = np.nan
    rest = {"y": DIMS["y"], "x": DIMS["x"]}
    vector("reduce_dimension", {"data": cube(fine, DIMS, dtype="float64"), "dimension": "t", "reducer": reducer("max")}, cube(fine.max(axis=0), rest))
    declared = cube(fine, DIMS, dtype="float64", nodata=np.nan)
    vector("reduce_dimension", {"data": declared, "dimension": "t", "reducer": reducer("max")}, cube(np.nanmax(fine, axis=0), rest))
    vector("reduce_dimension", {"data": CUBE, "dimension": "bands", "reducer": reducer("mean")}, throws="DimensionNotAvailable")
    vector("reduce_dimension", {"data": CUBE, "dimension": "t"}, throws=MISSING)
    vector("reduce_dimension", {"data": CUBE, "dimension": "t", "reducer": reducer("array_element", index=9)}, throws="ArrayElementNotAvailable")
    vector("reduce_dimension", {"data": CUBE, "dimension": "t", "reducer": reducer("sort")}, throws=True)


def along():
    def applied(process, values, missing, dims, **more):
        vector("apply_dimension", {"data": CUBE, "process": process, "dimension": "t", **more}, cube(values, dims, missing=missing))

    running = np.where(GONE, 0, VALUES).cumsum(axis=0)
    applied(reducer("cumsum"), running, GONE, DIMS)
    # Another number of values: labels are counted.
    least = np.stack([masked().min(axis=0).filled(0), masked().max(axis=0).filled(0)])
    none = np.broadcast_to(GONE.all(axis=0), least.shape)
    applied(reducer("extrema"), least, none, {**DIMS, "t": {"type": "temporal", "labels": [0, 1]}})
    mean = masked().mean(axis=0)[None]
    applied(reducer("mean"), mean.filled(0), mean.mask, {**DIMS, "t": {"type": "temporal", "labels": [0]}})
    applied(reducer("rearrange", order=[3, 2, 1, 0]), VALUES[::-1], GONE[::-1], DIMS)
    # Into a dimension that is made.
    into = {"which": {"type": "other", "labels": [0, 1]}, "y": DIMS["y"], "x": DIMS["x"]}
    applied(reducer("extrema"), least, none, into, target_dimension="which")
    # Into one that has a single label.
    flat = {"t": DIMS["t"], "bands": bands("B1"), "x": DIMS["x"]}
    one = cube(VALUES[:, :1], flat, missing=GONE[:, :1])
    filled = {"bands": {"type": "bands", "labels": [0, 1]}, "x": DIMS["x"]}
    vector("apply_dimension", {"data": one, "process": reducer("extrema"), "dimension": "t", "target_dimension": "bands"}, cube(least[:, 0], filled, missing=none[:, 0]))
    vector("apply_dimension", {"data": CUBE, "process": reducer("extrema"), "dimension": "t", "target_dimension": "x"}, throws=True)
    vector("apply_dimension", {"data": CUBE, "process": reducer("sort"), "dimension": "z"}, throws="DimensionNotAvailable")
    vector("apply_dimension", {"data": CUBE, "process": reducer("sort")}, throws=MISSING)
    vector("apply_dimension", {"data": CUBE, "process": callback("array_create"), "dimension": "t"}, throws=True)


def kernels():
    rows, columns = 5, 6
    dims = {"t": times(*DATES[:2]), "y": axis(5000095.0, -10.0, rows, "y"), "x": axis(500005.0, 10.0, columns, "x")}
    values = np.arange(2 * rows * columns).reshape(2, rows, columns) ** 2 % 17 / 4
    data = cube(values, dims)
    # Not symmetric: the text multiplies each weight with the pixel it lies on.
    weights = np.array([[1, 2, 0, -1, 3], [0, 5, 1, 2, 2], [4, 0, 0, 0.5, -2]])
    modes = {"replicate": "nearest", "reflect": "reflect", "reflect_pixel": "mirror", "wrap": "wrap"}

    def focal(values, weights, mode="constant", fill=0.0):
        return np.stack([ndimage.correlate(plane, weights, mode=mode, cval=fill) for plane in values])

    for border, mode in modes.items():
        returns = cube(focal(values, weights, mode), dims)
        vector("apply_kernel", {"data": data, "kernel": weights.tolist(), "border": border}, returns)
    vector("apply_kernel", {"data": data, "kernel": weights.tolist()}, cube(focal(values, weights), dims))
    vector("apply_kernel", {"data": data, "kernel": weights.tolist(), "border": -2.5}, cube(focal(values, weights, fill=-2.5), dims))
    vector("apply_kernel", {"data": data, "kernel": [[2]], "factor": 0.25}, cube(values / 2, dims))
    column = np.ones((3, 1))
    vector("apply_kernel", {"data": data, "kernel": column.tolist(), "factor": -1}, cube(-focal(values, column), dims))
    missing = (np.arange(values.size).reshape(values.shape) % 11) == 4
    infinite = np.where(missing, 0, values)
    infinite[0, 2, 2], infinite[1, 1, 1] = np.nan, np.inf
    broken = cube(infinite, dims, missing=missing)
    for replaced in (0, 7):
        whole = np.where(missing | ~np.isfinite(infinite), replaced, infinite)
        vector("apply_kernel", {"data": broken, "kernel": weights.tolist(), "replace_invalid": replaced}, cube(focal(whole, weights), dims))
    truth = cube(values > 2, dims)
    vector("apply_kernel", {"data": truth, "kernel": weights.tolist()}, cube(focal((values > 2).astype(float), weights), dims))
    for kernel, code in [([[1, 1], [1, 1]], "KernelDimensionsUneven"), ([[1, 1, 1]] * 2, "KernelDimensionsUneven"), ([[1, 2, 3], [1]], True), ([1, 2, 3], INVALID)]:
        vector("apply_kernel", {"data": data, "kernel": kernel}, throws=code)
    vector("apply_kernel", {"data": data, "kernel": [[1]], "border": "mirror"}, throws=INVALID)
    plain = cube([1, 2], {"n": {"type": "other", "labels": [0, 1]}})
    vector("apply_kernel", {"data": plain, "kernel": [[1]]}, throws=True)


apply()
reduce()
along()
kernels()
write(__file__)
