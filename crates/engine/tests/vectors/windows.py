"""Windows of pixels: `aggregate_spatial_window`, `reduce_spatial`. Values by numpy over explicit slices."""

import numpy as np

from encoding import axis, bands, callback, cube, parameter, reducer, times, vector, write

WRONG = "ProcessParameterInvalid"


def call(data, process, size, **other):
    return {"data": data, "reducer": process, "size": size, **other}


def windows():
    rows, cols = 5, 7
    dims = {"y": axis(5000095.0, -10.0, rows, "y"), "x": axis(500005.0, 10.0, cols, "x")}
    values = np.arange(35.0).reshape(rows, cols) ** 2 / 7
    data = cube(values, dims)
    mean = reducer("mean")

    def expected(function, slices, first, source=values, dtype=None):
        """One value a window; `first` is the centre of the first window along x and y."""
        found = np.array([[function(source[ys, xs].ravel()) for xs in slices[1]] for ys in slices[0]])
        own = {"y": axis(first[1], -20.0, len(slices[0]), "y"), "x": axis(first[0], 30.0, len(slices[1]), "x")}
        return cube(found, own, dtype=dtype)

    # 2 rows by 3 columns: 5 = 2 + 2 + 1 and 7 = 3 + 3 + 1.
    ys = [slice(0, 2), slice(2, 4), slice(4, 6)]
    xs = [slice(0, 3), slice(3, 6), slice(6, 9)]
    whole = expected(np.mean, (ys, xs), (500015.0, 5000090.0))
    vector("aggregate_spatial_window", call(data, mean, [3, 2]), whole)
    trimmed = expected(np.median, (ys[:2], xs[:2]), (500015.0, 5000090.0))
    vector("aggregate_spatial_window", call(data, reducer("median"), [3, 2], boundary="trim"), trimmed)
    # From the lower right corner: the first row and the first column are over.
    ys = [slice(0, 1), slice(1, 3), slice(3, 5)]
    xs = [slice(0, 1), slice(1, 4), slice(4, 7)]
    padded = expected(np.max, (ys, xs), (499995.0, 5000100.0))
    vector("aggregate_spatial_window", call(data, reducer("max"), [3, 2], align="lower-right"), padded)
    trimmed = expected(np.sum, (ys[1:], xs[1:]), (500025.0, 5000080.0))
    arguments = call(data, reducer("sum"), [3, 2], align="lower-right", boundary="trim")
    vector("aggregate_spatial_window", arguments, trimmed)
    # The mixed corners.
    upper_right = expected(np.min, ([slice(0, 2), slice(2, 4), slice(4, 6)], xs), (499995.0, 5000090.0))
    vector("aggregate_spatial_window", call(data, reducer("min"), [3, 2], align="upper-right"), upper_right)
    lower_left = expected(np.mean, (ys, [slice(0, 3), slice(3, 6), slice(6, 9)]), (500015.0, 5000100.0))
    vector("aggregate_spatial_window", call(data, mean, [3, 2], align="lower-left"), lower_left)
    # What is added is no-data that the reducer sees: 6 elements everywhere.
    everything = callback("count", data=parameter("data"), condition=True)
    ys = [slice(0, 2), slice(2, 4), slice(4, 6)]
    xs = [slice(0, 3), slice(3, 6), slice(6, 9)]
    six = expected(lambda _: 6, (ys, xs), (500015.0, 5000090.0))
    vector("aggregate_spatial_window", call(data, everything, [3, 2]), six)
    there = expected(len, (ys, xs), (500015.0, 5000090.0))
    vector("aggregate_spatial_window", call(data, reducer("count"), [3, 2]), there)
    # Larger than the data, and pixel by pixel.
    one = {"y": axis(5000050.0, -100.0, 1, "y"), "x": axis(500040.0, 80.0, 1, "x")}
    vector("aggregate_spatial_window", call(data, mean, [8, 10]), cube([[values.mean()]], one))
    none = {"y": axis(0, 0, 0, "y"), "x": axis(0, 0, 0, "x")}
    vector("aggregate_spatial_window", call(data, mean, [8, 10], boundary="trim"), cube(np.zeros((0, 0)), none))
    vector("aggregate_spatial_window", call(data, mean, [1, 1]), data)
    # Other dimensions, x before y, y from south to north, no-data.
    dims = {
        "x": axis(500005.0, 10.0, 4, "x"),
        "t": times("2020-01-01", "2020-01-02"),
        "y": axis(5000005.0, 10.0, 3, "y"),
    }
    values = np.sin(np.arange(24.0)).reshape(4, 2, 3)
    missing = np.zeros((4, 2, 3), dtype=bool)
    missing[0:2, 1, 0:1] = True
    missing[3, 0, 2] = True
    masked = np.ma.masked_array(values, missing)
    # Upper is the last row: 3 = 1 + 2, the first window has one row.
    found = np.ma.masked_all((2, 2, 2))
    for i, xs in enumerate([slice(0, 2), slice(2, 4)]):
        for t in range(2):
            for j, ys in enumerate([slice(0, 1), slice(1, 3)]):
                found[i, t, j] = masked[xs, t, ys].mean()
    own = {"x": axis(500010.0, 20.0, 2, "x"), "t": dims["t"], "y": axis(5000000.0, 20.0, 2, "y")}
    expected = cube(found.filled(0), own, missing=np.ma.getmaskarray(found))
    data = cube(values, dims, missing=missing)
    vector("aggregate_spatial_window", call(data, mean, [2, 2]), expected)

    vector("aggregate_spatial_window", call(data, mean, [2, 0]), throws=WRONG)
    vector("aggregate_spatial_window", call(data, mean, [2]), throws=WRONG)
    vector("aggregate_spatial_window", call(data, mean, [2, 2], boundary="wrap"), throws=WRONG)
    vector("aggregate_spatial_window", call(data, mean, [2, 2], align="centre"), throws=WRONG)
    line = cube([1.0, 2], {"x": axis(500005.0, 10.0, 2, "x")})
    vector("aggregate_spatial_window", call(line, mean, [2, 2]), throws="DimensionMissing")


def reduced():
    dims = {
        "t": times("2020-01-01", "2020-01-02"),
        "x": axis(500005.0, 10.0, 3, "x"),
        "b": bands("one", "two"),
        "y": axis(5000095.0, -10.0, 4, "y"),
    }
    values = (np.arange(48) ** 2 % 31).reshape(2, 3, 2, 4)
    missing = values % 5 == 0
    missing[1, :, 1, :] = True
    masked = np.ma.masked_array(values, missing)
    own = {"t": dims["t"], "b": dims["b"]}
    data = cube(values, dims, dtype="int16", missing=missing)

    def result(found):
        return cube(np.ma.filled(found, 0), own, missing=np.ma.getmaskarray(found))

    for name, found in [
        ("mean", masked.mean(axis=(1, 3))),
        ("sum", masked.sum(axis=(1, 3))),
        ("max", masked.max(axis=(1, 3))),
        ("median", np.ma.median(masked, axis=(1, 3))),
    ]:
        vector("reduce_spatial", {"data": data, "reducer": reducer(name)}, result(found))
    counts = (~missing).sum(axis=(1, 3))
    vector("reduce_spatial", {"data": data, "reducer": reducer("count")}, cube(counts, own))
    sums = masked.sum(axis=(1, 3)).filled(0) + 0.5
    context = {
        "@": "process",
        "process_graph": {
            "sum": {"process_id": "sum", "arguments": {"data": parameter("data")}},
            "add": {
                "process_id": "add",
                "arguments": {"x": {"from_node": "sum"}, "y": parameter("context")},
                "result": True,
            },
        },
    }
    found = np.ma.masked_array(sums, masked.count(axis=(1, 3)) == 0)
    vector("reduce_spatial", {"data": data, "reducer": context, "context": 0.5}, result(found))
    plane = cube(np.array([[1.5, np.nan], [2, 3]]), {"y": axis(5000095.0, -10.0, 2, "y"), "x": axis(500005.0, 10.0, 2, "x")})
    vector("reduce_spatial", {"data": plane, "reducer": reducer("max")}, cube(np.array(np.nan), {}))
    empty = cube(np.zeros((0, 2)), {"y": axis(0.0, 1.0, 0, "y"), "x": axis(500005.0, 10.0, 2, "x")}, dtype="float64")
    vector("reduce_spatial", {"data": empty, "reducer": reducer("mean")}, cube(np.array(0.0), {}, missing=True))
    line = cube([1.0, 2], {"x": axis(500005.0, 10.0, 2, "x")})
    vector("reduce_spatial", {"data": line, "reducer": reducer("mean")}, throws="DimensionMissing")
    vector("reduce_spatial", {"data": 3, "reducer": reducer("mean")}, throws=WRONG)


windows()
reduced()
write(__file__)
