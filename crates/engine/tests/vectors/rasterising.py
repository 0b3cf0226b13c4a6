"""From geometries to pixels and back: `vector_to_raster`, `raster_to_vector`.

Expected values are those of GDAL (rasterio.features), whose polygons are brought into one form: corners where they turn
only, outer rings against the clock, each ring from its upper left corner on.
"""

import numpy as np
import pyproj
import rasterio.features
import shapely
import shapely.geometry
from shapely.geometry import mapping, shape

from encoding import CRS, axis, bands, cube, times, vector, write

METRES = {"type": "name", "properties": {"name": CRS}}
INVALID = "ProcessParameterInvalid"
ROWS, COLUMNS = 6, 8
TRANSFORM = rasterio.Affine(10, 0, 500000, 0, -10, 5000060)
Y, X = axis(5000055.0, -10.0, ROWS, "y"), axis(500005.0, 10.0, COLUMNS, "x")
GRID = {"y": Y, "x": X}
TARGET = cube(np.zeros((ROWS, COLUMNS)), GRID)
T = times("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")


def lists(geometry):
    """GeoJSON of a shape, as lists."""

    def plain(value):
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else float(value)

    made = mapping(geometry)
    return {"type": made["type"], "coordinates": plain(made["coordinates"])}


def collection(geometries, properties=None, crs=METRES):
    made = []
    for i, geometry in enumerate(geometries):
        own = geometry if geometry is None or isinstance(geometry, dict) else lists(geometry)
        made.append({"type": "Feature", "geometry": own, "properties": properties[i] if properties else {}})
    return {"type": "FeatureCollection", "features": made, **({"crs": crs} if crs else {})}


def geometry(features):
    return {"type": "geometry", "labels": list(range(len(features["features"]))), "features": features}


def vectors(features, values, dims=None, dtype="float64"):
    """A vector cube; NaN is no-data."""
    values = np.array(values, "f8")
    dims = {"geometry": geometry(features)} if dims is None else dims
    return cube(np.nan_to_num(values), dims, dtype=dtype, missing=np.isnan(values))


def place(x, y):
    """Pixels from the upper left corner, in metres."""
    return 500000 + 10 * x, 5000060 - 10 * y


def polygon(*corners, holes=()):
    return shapely.Polygon([place(*c) for c in corners], [[place(*c) for c in hole] for hole in holes])


def burnt(geometries, values):
    """What GDAL draws, by pixel centres; NaN is no-data and drawn like any value. No centre lies on an outline, about
    which there are two opinions."""
    centres = shapely.MultiPoint([place(col + 0.5, row + 0.5) for row in range(ROWS) for col in range(COLUMNS)])
    assert all(g is None or g.boundary.distance(centres) > 1e-3 for g in geometries if g is None or g.area)
    pairs = [(g, v) for g, v in zip(geometries, values) if g is not None]
    return rasterio.features.rasterize(pairs, (ROWS, COLUMNS), fill=np.nan, transform=TRANSFORM, dtype="float64")


def raster(values, dims=GRID, dtype=None):
    values = np.asarray(values, "f8")
    return cube(np.nan_to_num(values), dims, dtype=dtype, missing=np.isnan(values))


def to_raster():
    triangle = polygon((0.23, 0.3), (5.1, 0.9), (1.3, 4.77))
    ring = polygon((2.3, 1.2), (7.8, 1.2), (7.8, 5.7), (2.3, 5.7), holes=[[(4.2, 2.2), (6.8, 2.2), (6.8, 4.3), (4.2, 4.3)]])
    two = shapely.MultiPolygon([polygon((0.1, 3.1), (1.9, 3.1), (1.9, 5.9), (0.1, 5.9)), polygon((6.1, 0.1), (7.9, 0.1), (7.9, 0.9), (6.1, 0.9))])
    outside = polygon((-9, -9), (-5, -9), (-5, -5), (-9, -5))
    across = polygon((6.6, 4.6), (20, 4.6), (20, 20), (6.6, 20))
    shapes = [triangle, ring, two, outside, across]
    some = collection(shapes)
    values = [1.5, -2, 7, 9, 4]
    vector("vector_to_raster", {"data": vectors(some, values), "target": TARGET}, raster(burnt(shapes, values)))
    # The last geometry of a pixel counts, also where it has no data.
    values = [1.5, np.nan, 7, 9, 4]
    vector("vector_to_raster", {"data": vectors(some, values), "target": TARGET}, raster(burnt(shapes, values)))
    back = collection(shapes[::-1])
    vector("vector_to_raster", {"data": vectors(back, values[::-1]), "target": TARGET}, raster(burnt(shapes[::-1], values[::-1])))
    # Features without geometry have no pixels.
    gone = collection([triangle, None, two])
    expected = raster(burnt([triangle, None, two], [1, 2, 3]))
    vector("vector_to_raster", {"data": vectors(gone, [1, 2, 3]), "target": TARGET}, expected)
    # Other dimensions stay, in front of y and x.
    table = np.array([[1, 2, 3, 4, 5], [np.nan, 20, 30, np.nan, 50]])
    stack = np.stack([burnt(shapes, row) for row in table])
    data = vectors(some, table.T, {"geometry": geometry(some), "t": T})
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(stack, {"t": T, **GRID}))
    data = vectors(some, table, {"t": T, "geometry": geometry(some)}, dtype="int16")
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(stack, {"t": T, **GRID}))
    # Named properties are bands.
    data = vectors(some, table.T, {"geometry": geometry(some), "properties": {"type": "other", "labels": ["n", "q"]}})
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(stack, {"bands": bands("n", "q"), **GRID}))
    # Without values: all properties that are numbers or booleans, by name.
    properties = [{"q": 2.5, "n": 3, "crop": "rye"}, {"n": 5, "q": None, "mixed": 1}, {"q": 7, "n": 6, "mixed": "a"}]
    shapes = shapes[:3]
    data = vectors(collection(shapes, properties), [np.nan] * 3)
    stack = np.stack([burnt(shapes, [3, 5, 6]), burnt(shapes, [2.5, np.nan, 7])])
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(stack, {"bands": bands("n", "q"), **GRID}))
    # Points have the pixel they lie in, lines those they pass through.
    thin = [shapely.Point(place(3.7, 2.2)), shapely.MultiPoint([place(0.5, 0.5), place(7.9, 5.1)])]
    values = [1, 2, 3]
    line = shapely.LineString([place(1.5, 4.4), place(4.2, 4.6)])
    expected = burnt(thin, values)
    expected[4, 1:5] = 3
    data = vectors(collection([*thin, line]), values)
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(expected))
    # Positions in degrees.
    degrees = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True).transform
    moved = [shapely.transform(own, lambda p: np.stack(degrees(p[:, 0], p[:, 1]), 1)) for own in shapes]
    data = vectors(collection(moved, crs=None), [1, 2, 3])
    vector("vector_to_raster", {"data": data, "target": TARGET}, raster(burnt(shapes, [1, 2, 3])))
    # The other dimensions of the target do not matter, nor the order of x and y.
    dims = {"x": X, "t": T, "y": Y}
    wide = cube(np.zeros((COLUMNS, 2, ROWS)), dims)
    data = vectors(collection(shapes), [1, 2, 3])
    vector("vector_to_raster", {"data": data, "target": wide}, raster(burnt(shapes, [1, 2, 3])))
    vector("vector_to_raster", {"data": vectors(collection(shapes), [np.nan] * 3), "target": TARGET}, throws=INVALID)
    vector("vector_to_raster", {"data": TARGET, "target": TARGET}, throws=INVALID)
    vector("vector_to_raster", {"data": data, "target": cube(np.zeros(2), {"t": T})}, throws=True)
    vector("vector_to_raster", {"data": data, "target": 3}, throws=INVALID)
    vector("vector_to_raster", {"data": data}, throws="ProcessParameterRequired")


def rotated(ring):
    """From the upper left corner on, closed."""
    ring = list(ring.coords)[:-1]
    first = min(range(len(ring)), key=lambda i: (-ring[i][1], ring[i][0]))
    ring = ring[first:] + ring[:first]
    return [*ring, ring[0]]


def outlines(values, transform=TRANSFORM):
    """GDAL's polygons of equal pixels with their values, by their upper left pixel; NaN is no-data."""
    values = np.asarray(values, "f8")
    kinds, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(values.shape).astype("int32")
    found = []
    for own, code in rasterio.features.shapes(codes, ~np.isnan(values), 4, transform):
        valid = shapely.make_valid(shape(own), method="structure").simplify(0)
        assert valid.geom_type == "Polygon" and valid.area == shape(own).area
        valid = shapely.geometry.polygon.orient(valid)
        holes = sorted((rotated(ring) for ring in valid.interiors), key=lambda ring: (-ring[0][1], ring[0][0]))
        found.append((shapely.Polygon(rotated(valid.exterior), holes), float(kinds[int(code)])))
    return sorted(found, key=lambda own: (-own[0].exterior.coords[0][1], own[0].exterior.coords[0][0]))


def polygons(planes, labels=None, dtype="float64"):
    """The vector cube of some planes; `labels` are the properties of each."""
    found = [(own, labels[i] if labels else {}) for i, plane in enumerate(planes) for own in outlines(plane)]
    features = collection([own for (own, _), _ in found], [properties for _, properties in found])
    return vectors(features, [value for (_, value), _ in found], dtype=dtype)


def to_vector():
    nan = np.nan
    plain = np.array([
        [1, 1, 1, 2, 2, 2, 2, 3],
        [1, nan, 1, 2, 5, 6, 2, 3],
        [1, 1, 1, 2, 6, 5, 2, 1],
        [4, 4, nan, 2, 2, 2, 2, 1],
        [nan, 4, 4, nan, 1, nan, 1, 1],
        [4, nan, 4, 4, nan, 1, nan, 3],
    ])
    vector("raster_to_vector", {"data": raster(plain, dtype="uint8")}, polygons([plain]))
    vector("raster_to_vector", {"data": raster(plain / 3)}, polygons([plain / 3]))
    # Areas that touch themselves at corners.
    corners = np.array([
        [1, 1, 1, 1, nan, 2, 2, 2],
        [1, nan, 1, 1, nan, 2, 3, 2],
        [1, 1, nan, 1, nan, 2, 2, 3],
        [1, 1, 1, 1, nan, 3, 2, 2],
        [nan, nan, nan, nan, nan, 2, 3, 2],
        [7, 7, 7, 7, 7, 2, 2, 2],
    ])
    vector("raster_to_vector", {"data": raster(corners)}, polygons([corners]))
    random = np.random.default_rng(5)
    noise = random.integers(0, 2, (ROWS, COLUMNS)).astype("f8")
    vector("raster_to_vector", {"data": raster(noise, dtype="int32")}, polygons([noise]))
    # Other dimensions are gone over, and named in the properties.
    planes = random.integers(0, 3, (2, 2, ROWS, COLUMNS)).astype("f8")
    planes[planes == 0] = nan
    dims = {"t": T, "bands": bands("a", "b"), **GRID}
    labels = [{"t": t["value"], "bands": band} for t in T["labels"] for band in "ab"]
    flat = planes.reshape(4, ROWS, COLUMNS)
    vector("raster_to_vector", {"data": raster(planes, dims)}, polygons(flat, labels))
    turned = {"x": X, "bands": bands("a", "b"), "y": Y}
    swapped = np.moveaxis(planes[0], 2, 0)
    vector("raster_to_vector", {"data": raster(swapped, turned)}, polygons(planes[0], [{"bands": "a"}, {"bands": "b"}]))
    # Reprojected corner by corner.
    degrees = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True).transform
    moved = [(shapely.transform(own, lambda p: np.stack(degrees(p[:, 0], p[:, 1]), 1)), value) for own, value in outlines(plain)]
    features = collection([own for own, _ in moved], crs=None)
    returns = vectors(features, [value for _, value in moved])
    vector("raster_to_vector", {"data": raster(plain), "projection": 4326}, returns, delta=1e-9)
    # NaN is a value like others.
    one = {"y": axis(5.0, -10.0, 2, "y"), "x": axis(5.0, 10.0, 3, "x")}
    corners = [[0, 10], [0, -10], [10, -10], [10, 0], [20, 0], [20, 10], [0, 10]]
    single = collection([{"type": "Polygon", "coordinates": [corners]}])
    gone = np.array([[False, False, True], [False, True, True]])
    data = cube(np.full((2, 3), nan), one, missing=gone)
    vector("raster_to_vector", {"data": data}, cube(np.array([nan]), {"geometry": geometry(single)}))
    # Nothing but no-data.
    vector("raster_to_vector", {"data": raster(np.full((2, 3), nan), one)}, vectors(collection([]), []))
    vector("raster_to_vector", {"data": cube(np.zeros(2), {"t": T})}, throws=INVALID)
    vector("raster_to_vector", {"data": raster(plain), "projection": 999999}, throws=INVALID)
    vector("raster_to_vector", {"data": 3}, throws=INVALID)
    vector("raster_to_vector", {}, throws="ProcessParameterRequired")


to_raster()
to_vector()
write(__file__)
