"""Two cubes to one: `mask`, `merge_cubes`. By numpy."""

import numpy as np

from encoding import axis, bands, callback, cube, parameter, times, vector, write

INVALID, MISSING = "ProcessParameterInvalid", "ProcessParameterRequired"
DATES = [f"2020-01-0{day}T00:00:00Z" for day in (1, 2)]
PLANE = {"y": axis(5000095.0, -10.0, 3, "y"), "x": axis(500005.0, 10.0, 2, "x")}
DIMS = {"t": times(*DATES), **PLANE}
VALUES = np.arange(12).reshape(2, 3, 2) + 1
GONE = VALUES % 5 == 0
DATA = cube(VALUES, DIMS, dtype="int16", nodata=-9, missing=GONE)
X, Y = parameter("x"), parameter("y")


def mask():
    hit = np.array([[0, 1], [-2, 0], [0, 0.5]])
    lost = np.array([[True, False], [False, False], [False, False]])

    def masked(mask, where, replacement=None, missing=GONE):
        where = np.broadcast_to(where, VALUES.shape)
        arguments = {"data": DATA, "mask": mask}
        if replacement is None:
            vector("mask", arguments, cube(VALUES, DIMS, missing=missing | where))
        else:
            # What is no-data stays no-data.
            vector("mask", {**arguments, "replacement": replacement}, cube(np.where(where, replacement, VALUES), DIMS, missing=missing))

    for replacement in (None, 0, -1.5, 7):
        masked(cube(hit, PLANE), hit != 0, replacement)
        masked(cube(hit != 0, PLANE), hit != 0, replacement)
    masked(cube(np.stack([hit, hit * 0]), DIMS), np.stack([hit != 0, hit != hit]))
    # No-data in the mask masks nothing.
    masked(cube(hit + 1, PLANE, missing=lost), (hit + 1 != 0) & ~lost)
    # A mask of coarser pixels is brought to the grid of the data: the nearest.
    coarse = {"y": axis(5000090.0, -20.0, 2, "y"), "x": axis(500010.0, 20.0, 2, "x")}
    masked(cube(np.array([[1, 0], [0, 1]]), coarse), np.array([[True, True], [True, True], [False, False]]))
    other = {"bands": bands("a"), **PLANE}
    vector("mask", {"data": DATA, "mask": cube(hit[None], other)}, throws="IncompatibleDataCubes")
    later = {"t": times("2021-01-01T00:00:00Z", DATES[1]), **PLANE}
    vector("mask", {"data": DATA, "mask": cube(np.stack([hit, hit]), later)}, throws="IncompatibleDataCubes")
    vector("mask", {"data": DATA}, throws=MISSING)
    vector("mask", {"data": DATA, "mask": [0, 1]}, throws=INVALID)


def merge():
    def b(*names, values, missing=None):
        return cube(np.stack(values), {"bands": bands(*names), **PLANE}, missing=missing)

    one, two, three = (np.arange(6).reshape(3, 2) * factor for factor in (1, 10, 100))
    lost = np.array([[[True, False]] * 3, [[False] * 2] * 3])
    add, first = callback("add", x=X, y=Y), callback("subtract", x=X, y=Y)
    # Bands of the second come after those of the first.
    left, right = b("B2", "B1", values=[one, two], missing=lost), b("A1", values=[three])
    merged = np.stack([one, two, three])
    gone = np.concatenate([lost, np.zeros((1, 3, 2), bool)])
    vector("merge_cubes", {"cube1": left, "cube2": right}, b("B2", "B1", "A1", values=merged, missing=gone))
    vector("merge_cubes", {"cube1": right, "cube2": left}, b("A1", "B2", "B1", values=[three, one, two], missing=gone[[2, 0, 1]]))
    # An overlap goes through the resolver: x of the first, y of the second.
    again = b("B1", "C1", values=[three, one])
    resolved = b("B2", "B1", "C1", values=[one, two - three, one], missing=gone)
    vector("merge_cubes", {"cube1": left, "cube2": again, "overlap_resolver": first}, resolved)
    # No-data meets the resolver as null.
    none = b("B2", values=[three], missing=np.array([[[True, False]] * 3]) & (three[None] > 0))
    meets = (lost[0] | ((np.array([[True, False]] * 3)) & (three > 0)))
    summed = b("B2", "B1", values=[one + three, two], missing=np.stack([meets, lost[1]]))
    vector("merge_cubes", {"cube1": left, "cube2": none, "overlap_resolver": add}, summed)
    # Dates are sorted, and what neither has is no-data.
    early = cube(VALUES[:1], {"t": times("2020-01-05T00:00:00Z"), **PLANE})
    late = cube(VALUES[1:], {"t": times("2020-01-03T00:00:00Z"), **PLANE})
    both = {"t": times("2020-01-03T00:00:00Z", "2020-01-05T00:00:00Z"), **PLANE}
    vector("merge_cubes", {"cube1": early, "cube2": late}, cube(VALUES[::-1], both))
    # A plane meets every date.
    plane = cube(one, PLANE)
    vector("merge_cubes", {"cube1": DATA, "cube2": plane, "overlap_resolver": first}, cube(VALUES - one, DIMS, missing=GONE))
    vector("merge_cubes", {"cube1": plane, "cube2": DATA, "overlap_resolver": first}, cube(one - VALUES, DIMS, missing=GONE))
    scaled = callback("multiply", x=X, y=parameter("context"))
    vector("merge_cubes", {"cube1": DATA, "cube2": DATA, "overlap_resolver": scaled, "context": 3}, cube(VALUES * 3, DIMS, missing=GONE))
    vector("merge_cubes", {"cube1": left, "cube2": again}, throws="OverlapResolverMissing")
    vector("merge_cubes", {"cube1": DATA, "cube2": plane}, throws="OverlapResolverMissing")
    vector("merge_cubes", {"cube1": DATA}, throws=MISSING)
    vector("merge_cubes", {"cube1": DATA, "cube2": 1}, throws=INVALID)


mask()
merge()
write(__file__)
