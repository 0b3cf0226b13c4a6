"""Pixels of geometries to one value each: `aggregate_spatial`. Which pixels a geometry has is worked out by hand."""

import numpy as np

from encoding import axis, callback, cube, parameter, reducer, times, vector, write

INVALID, MISSING = "ProcessParameterInvalid", "ProcessParameterRequired"
DATES = [f"2020-01-0{day}T00:00:00Z" for day in (1, 2)]
DIMS = {"t": times(*DATES), "y": axis(5000095.0, -10.0, 4, "y"), "x": axis(500005.0, 10.0, 5, "x")}
VALUES = (np.arange(40).reshape(2, 4, 5) * 3) % 31
GONE = VALUES % 6 == 1
DATA = cube(VALUES, DIMS, dtype="int16", nodata=-9, missing=GONE)
METRES = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
MEAN = reducer("mean")


def ring(west, north, east, south):
    """A box by its distances to the east and the south of the corner, in metres."""
    corners = [(west, north), (east, north), (east, south), (west, south), (west, north)]
    return [[500000.0 + x, 5000100.0 - y] for x, y in corners]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [ring(*own) for own in rings]}


def feature(geometry, id=None, **properties):
    own = {"type": "Feature", "geometry": geometry, "properties": properties}
    return own if id is None else {**own, "id": id}


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features), "crs": METRES}


def box(rows, columns):
    inside = np.zeros(VALUES.shape[1:], bool)
    inside[rows, columns] = True
    return inside


# Centres lie at 5, 15, 25, ... metres; those on an edge belong to the polygon.
LEFT = polygon((0, 0, 20, 20)), box(slice(0, 2), slice(0, 2))
EDGE = polygon((15, 15, 35, 25)), box(slice(1, 3), slice(1, 4))
HOLED = polygon((0, 0, 50, 40), (12, 8, 28, 32)), ~box(slice(1, 3), slice(1, 3))
POINT = {"type": "Point", "coordinates": [500043.0, 5000068.0]}, box(3, 4)
BOTH = {"type": "MultiPolygon", "coordinates": [LEFT[0]["coordinates"], polygon((30, 20, 50, 40))["coordinates"]]}, LEFT[1] | box(slice(2, 4), slice(3, 5))
NONE = None, np.zeros(VALUES.shape[1:], bool)
FAR = polygon((9000, 9000, 9100, 9100)), NONE[1]


def zones(insides, function):
    """The values of each date and zone, and whether there are none."""
    found = [[function(np.ma.masked_array(VALUES[t], GONE[t])[inside]) for inside in insides] for t in range(2)]
    missing = [[value is np.ma.masked for value in row] for row in found]
    return np.array([[0 if value is np.ma.masked else value for value in row] for row in found], dtype=float), np.array(missing)


def aggregated(name, function, geometries, insides, labels, **more):
    found, missing = zones(insides, function)
    dims = {"t": DIMS["t"], "geometry": {"type": "geometry", "labels": labels}}
    arguments = {"data": DATA, "geometries": geometries, "reducer": reducer(name), **more}
    vector("aggregate_spatial", arguments, cube(found, dims, missing=missing))


every = [LEFT, EDGE, HOLED, POINT, BOTH]
named = collection(*[feature(geometry, f"z{i}", n=i) for i, (geometry, _) in enumerate(every)])
for name, function in [("mean", np.ma.mean), ("max", np.ma.max), ("sum", np.ma.sum), ("median", np.ma.median)]:
    aggregated(name, function, named, [inside for _, inside in every], [f"z{i}" for i in range(5)])
# Empty geometries, and those away from all pixels, stay, with no value.
some = collection(feature(*NONE[:1]), feature(LEFT[0]), feature(FAR[0]))
aggregated("mean", np.ma.mean, some, [NONE[1], LEFT[1], FAR[1]], [0, 1, 2])
aggregated("min", np.ma.min, {**EDGE[0], "crs": METRES}, [EDGE[1]], [0])

found, missing = zones([LEFT[1], HOLED[1], NONE[1]], np.ma.mean)
total = [[inside.sum() for inside in (LEFT[1], HOLED[1], NONE[1])]] * 2
valid = [[(inside & ~GONE[t]).sum() for inside in (LEFT[1], HOLED[1], NONE[1])] for t in range(2)]
dims = {
    "t": DIMS["t"],
    "geometry": {"type": "geometry", "labels": [0, 1, 2]},
    "counts": {"type": "other", "labels": ["value", "total_count", "valid_count"]},
}
three = collection(feature(LEFT[0]), feature(HOLED[0]), feature(None))
lost = np.stack([missing, missing & False, missing & False], axis=-1)
returns = cube(np.stack([found, total, valid], axis=-1), dims, missing=lost)
vector("aggregate_spatial", {"data": DATA, "geometries": three, "reducer": MEAN, "target_dimension": "counts"}, returns)

plain = cube([1, 2], {"n": {"type": "other", "labels": [0, 1]}})
for arguments, code in [
    ({"target_dimension": "t"}, "TargetDimensionExists"),
    ({"geometries": {"type": "Circle"}}, INVALID),
    ({"geometries": None}, INVALID),
    ({"data": plain}, True),
    ({"reducer": callback("no_such_process", data=parameter("data"))}, "ProcessUnsupported"),
]:
    vector("aggregate_spatial", {"data": DATA, "geometries": named, "reducer": MEAN, **arguments}, throws=code)
vector("aggregate_spatial", {"data": DATA, "geometries": named}, throws=MISSING)
write(__file__)
