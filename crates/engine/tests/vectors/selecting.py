"""Parts of cubes by space and time: `filter_bbox`, `filter_temporal`. Pixels are numbered; what is kept is sliced by numpy."""

import numpy as np
from pyproj import Transformer

from encoding import axis, cube, instant, vector, write

INVALID, MISSING = "ProcessParameterInvalid", "ProcessParameterRequired"
X, Y = 500005.0 + 10 * np.arange(6), 5000095.0 - 10 * np.arange(5)
DATES = ["2019-12-31T23:30:00Z", "2020-01-01T00:00:00Z", "2020-01-01T12:00:00Z", "2020-02-01T00:00:00Z"]
VALUES = np.arange(4 * 5 * 6).reshape(4, 5, 6)
GONE = VALUES % 7 == 3


def part(dates=slice(None), rows=slice(None), columns=slice(None), name="t"):
    dates = np.arange(len(DATES))[dates]
    rows, columns = np.arange(5)[rows], np.arange(6)[columns]
    dims = {
        name: {"type": "temporal", "labels": [instant(DATES[i]) for i in dates]},
        "y": {**axis(0, 0, 0, "y"), "labels": [float(v) for v in Y[rows]]},
        "x": {**axis(0, 0, 0, "x"), "labels": [float(v) for v in X[columns]]},
    }
    kept = np.ix_(dates, rows, columns)
    return cube(VALUES[kept], dims, dtype="int16", nodata=-9, missing=GONE[kept])


DATA = part()


def boxes():
    def box(west, south, east, north, **more):
        inside = (Y >= south) & (Y <= north), (X >= west) & (X <= east)
        extent = {"west": west, "south": south, "east": east, "north": north, "crs": 32633, **more}
        vector("filter_bbox", {"data": DATA, "extent": extent}, part(rows=inside[0], columns=inside[1]))

    box(500000, 5000050, 500060, 5000100)
    # A centre on the edge belongs to the box.
    box(500005, 5000065, 500025, 5000095)
    box(500005.001, 5000065.001, 500024.999, 5000094.999)
    box(500012, 5000071, 500018, 5000079)
    box(400000, 4000000, 600000, 6000000)
    box(600000, 4000000, 700000, 6000000)
    box(500000, 5000050, 500060, 5000100, base=0, height=100)
    # In degrees: a box around the four centres in the middle, by pyproj.
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True).transform
    west, south = to_degrees(500022, 5000072)
    east, north = to_degrees(500038, 5000088)
    extent = {"west": west, "south": south, "east": east, "north": north}
    vector("filter_bbox", {"data": DATA, "extent": extent}, part(rows=slice(1, 3), columns=slice(2, 4)))
    swapped = {"west": 500000, "south": 5000100, "east": 500060, "north": 5000050, "crs": 32633}
    for extent in (swapped, {"west": 0, "south": 0, "east": 1}, [0, 0, 1, 1], {**swapped, "north": "far"}):
        vector("filter_bbox", {"data": DATA, "extent": extent}, throws=INVALID)
    extent = {"west": 0, "south": 0, "east": 1, "north": 1, "crs": 999999}
    vector("filter_bbox", {"data": DATA, "extent": extent}, throws=INVALID)
    vector("filter_bbox", {"data": DATA}, throws=MISSING)
    plain = cube([1, 2], {"n": {"type": "other", "labels": [0, 1]}})
    vector("filter_bbox", {"data": plain, "extent": {**extent, "crs": 4326}}, throws="DimensionNotAvailable")
    # A vertical axis is cut as well, where there is one.
    dims = {"z": {"type": "spatial", "axis": "z", "labels": [0, 10, 25.5, 100]}, "y": axis(5000095.0, -10.0, 2, "y"), "x": axis(500005.0, 10.0, 2, "x")}
    deep = np.arange(16).reshape(4, 2, 2)
    extent = {"west": 500000, "south": 5000000, "east": 500060, "north": 5000100, "crs": 32633}
    for limits, levels in [({"base": 10, "height": 50}, slice(1, 3)), ({"base": 26}, slice(3, 4)), ({"height": 0}, slice(0, 1)), ({"base": None, "height": None}, slice(0, 4))]:
        kept = {**dims, "z": {**dims["z"], "labels": dims["z"]["labels"][levels]}}
        vector("filter_bbox", {"data": cube(deep, dims), "extent": {**extent, **limits}}, cube(deep[levels], kept))
    vector("filter_bbox", {"data": cube(deep, dims), "extent": {**extent, "base": 5, "height": 1}}, throws=INVALID)


def intervals():
    kept = {
        ("2020-01-01", "2020-02-01"): slice(1, 3),
        ("2020-01-01T00:00:00Z", "2020-01-01T12:00:00Z"): slice(1, 2),
        ("2020-01-01T01:00:00+02:00", "2020-01-01T00:00:01Z"): slice(0, 2),
        ("2019-12-31", None): slice(0, 4),
        (None, "2020-01-01"): slice(0, 1),
        (None, "2019-01-01"): slice(0, 0),
        ("2020-02-01", "2020-02-02"): slice(3, 4),
    }
    for extent, dates in kept.items():
        vector("filter_temporal", {"data": DATA, "extent": list(extent)}, part(dates))
        vector("filter_temporal", {"data": part(name="when"), "extent": list(extent), "dimension": "when"}, part(dates, name="when"))
    two = np.arange(8).reshape(4, 2)
    time = {"type": "temporal", "labels": [instant(date) for date in DATES]}
    other = {"type": "temporal", "labels": [instant(date) for date in DATES[1:3]]}
    both = cube(two, {"t": time, "u": other})
    since = {"data": both, "extent": ["2020-01-01T06:00:00Z", None]}
    later = {**time, "labels": time["labels"][2:]}
    last = {**other, "labels": other["labels"][1:]}
    # Without a name all dimensions of time are filtered.
    vector("filter_temporal", since, cube(two[2:, 1:], {"t": later, "u": last}))
    vector("filter_temporal", {**since, "dimension": "t"}, cube(two[2:], {"t": later, "u": other}))
    for extent, code in [
        (["2020-01-01", "2020-01-01"], "TemporalExtentEmpty"),
        (["2020-01-02", "2020-01-01"], "TemporalExtentEmpty"),
        (["2020-01-01T00:00:00Z", "2020-01-01T01:00:00+02:00"], "TemporalExtentEmpty"),
        ([None, None], True),
        (["2020-01-01"], INVALID),
        (["new year", None], INVALID),
        ("2020-01-01", INVALID),
    ]:
        vector("filter_temporal", {"data": DATA, "extent": extent}, throws=code)
    extent = ["2020-01-01", None]
    vector("filter_temporal", {"data": DATA, "extent": extent, "dimension": "time"}, throws="DimensionNotAvailable")
    timeless = cube([1, 2], {"n": {"type": "other", "labels": [0, 1]}})
    vector("filter_temporal", {"data": timeless, "extent": extent}, throws="DimensionNotAvailable")


boxes()
intervals()
write(__file__)
