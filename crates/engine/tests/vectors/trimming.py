"""`trim_cube`: which labels have data is computed by numpy from the mask."""

import numpy as np

from encoding import axis, bands, cube, number, times, vector, write

CATEGORICAL = ("bands", "land_use")


def trimmed(values, missing, dims, **more):
    """The cube without labels of only no-data: everywhere in dimensions of names, at the ends in the others."""
    returned = {}
    for position, (name, dim) in enumerate(dims.items()):
        others = tuple(i for i in range(values.ndim) if i != position)
        present = ~missing.all(axis=others)
        if name not in CATEGORICAL and present.any():
            found = np.flatnonzero(present)
            present[found[0] : found[-1] + 1] = True
        returned[name] = {**dim, "labels": [l for l, keep in zip(dim["labels"], present) if keep]}
    for position, name in enumerate(dims):
        keep = [dims[name]["labels"].index(label) for label in returned[name]["labels"]]
        values, missing = values.take(keep, axis=position), missing.take(keep, axis=position)
    return cube(values, returned, missing=missing, **more)


def case(values, missing, dims, **more):
    data = cube(values, dims, missing=missing, **more)
    vector("trim_cube", {"data": data}, trimmed(values, missing, dims, **more))


grid = {"y": axis(5000095.0, -10.0, 4, "y"), "x": axis(500005.0, 10.0, 5, "x")}

# Rows and columns without data at the edges go, a column without data between others stays.
values = np.arange(20, dtype=np.int16).reshape(4, 5)
missing = np.ones((4, 5), bool)
missing[1, 1] = missing[2, 3] = False
case(values, missing, grid, dtype="int16")

# Nothing is missing: nothing changes.
case(values, np.zeros((4, 5), bool), grid, dtype="int16")

# NaN and infinities are values.
floats = np.full((4, 5), np.nan)
floats[0, 0] = np.inf
case(floats, missing, grid, dtype="float64")

# A date between others stays, a band between others goes.
dims = {
    "t": times("2020-01-01", "2020-01-05", "2020-02-01", "2020-03-01", "2020-04-01"),
    "bands": bands("B1", "B2", "B3"),
    **grid,
}
deep = np.arange(5 * 3 * 20, dtype=np.float32).reshape(5, 3, 4, 5)
gone = np.ones(deep.shape, bool)
gone[1, 0, :, 2] = gone[3, 2, 3, 3] = False
case(deep, gone, dims, dtype="float32")

# Texts of a dimension of another type are names; numbers are not.
named = {"land_use": {"type": "other", "labels": ["wood", "field", "lake", "town"]}}
numbered = {"level": {"type": "other", "labels": [1, 2, 4, 8]}}
line = np.array([1, 2, 3, 4])
holes = np.array([False, True, False, True])
case(line, holes, named)
case(line, holes, numbered)

# Only no-data: no labels are left.
empty = {name: {**dim, "labels": []} for name, dim in grid.items()}
everything = cube(values, grid, missing=np.ones((4, 5), bool), dtype="int16")
vector("trim_cube", {"data": everything}, cube(np.zeros((0, 0), np.int16), empty, dtype="int16"))

# What is no cube cannot be trimmed.
vector("trim_cube", {"data": number(3)}, throws="ProcessParameterInvalid")

write(__file__)
