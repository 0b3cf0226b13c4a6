"""Vector cubes: loading GeoJSON, buffers, relations, reference systems, points; expected values by shapely and pyproj."""

import json
import math

import numpy as np
import pyproj
import shapely
from shapely.geometry import mapping, shape

from encoding import axis, callback, cube, parameter, reducer, vector, write

METRES = {"type": "name", "properties": {"name": "EPSG:32633"}}


def plain(geometry):
    """GeoJSON of a shape, as lists; `None` stays."""
    return None if geometry is None else json.loads(json.dumps(mapping(geometry)))


def box(left, bottom, right, top):
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    return {"type": "Polygon", "coordinates": [[[float(x), float(y)] for x, y in ring]]}


def point(*position):
    return {"type": "Point", "coordinates": [float(v) for v in position]}


def points(*positions):
    return {"type": "MultiPoint", "coordinates": [[float(v) for v in p] for p in positions]}


def line(*positions):
    return {"type": "LineString", "coordinates": [[float(v) for v in p] for p in positions]}


def features(geometries, crs=None, ids=None, properties=None):
    """A collection; geometry `i` has the id `ids[i]` and the properties `properties[i]`."""
    made = []
    for i, geometry in enumerate(geometries):
        own = {"type": "Feature"}
        if ids:
            own["id"] = ids[i]
        own["geometry"] = geometry
        own["properties"] = properties[i] if properties else {}
        made.append(own)
    collection = {"type": "FeatureCollection", "features": made}
    if crs:
        collection["crs"] = crs
    return collection


def dimension(collection):
    made = collection["features"]
    ids = [own["id"] for own in made if "id" in own]
    labels = ids if len(ids) == len(made) else list(range(len(made)))
    return {"type": "geometry", "labels": labels, "features": collection}


def vectors(collection, values=None, dtype="float64"):
    """A cube with one value a feature; `None` is no data."""
    dims = {"geometry": dimension(collection)}
    items = values or [None] * len(collection["features"])
    missing = np.array([item is None for item in items], dtype=bool)
    filled = np.array([0 if item is None else item for item in items])
    return cube(filled, dims, dtype=dtype, missing=missing)


def loading():
    two = features([point(7, 50), box(7, 50, 8, 51)], properties=[{"n": 3, "q": 1.5}, {"n": 4}])
    vector("load_geojson", {"data": two}, vectors(two))

    def with_properties(data, labels, values):
        dims = {"geometry": dimension(data), "properties": {"type": "other", "labels": labels}}
        missing = np.array([[v is None for v in row] for row in values])
        filled = np.array([[0 if v is None else v for v in row] for row in values])
        return cube(filled, dims, missing=missing)

    one = with_properties(two, ["n"], [[3], [4]])
    vector("load_geojson", {"data": two, "properties": ["n"]}, one)
    both = with_properties(two, ["q", "n"], [[1.5, 3], [None, 4]])
    vector("load_geojson", {"data": two, "properties": ["q", "n"]}, both)
    arrays = features([point(7, 50), None], properties=[{"a": [1, 2, 3]}, {"a": [4]}])
    elements = with_properties(arrays, [0, 1, 2], [[1, 2, 3], [4, None, None]])
    vector("load_geojson", {"data": arrays, "properties": ["a"]}, elements)
    named = features([point(7, 50), point(8, 50)], ids=["x", "y"])
    vector("load_geojson", {"data": named}, vectors(named))
    alone = point(7, 50)
    vector("load_geojson", {"data": alone, "properties": ["n"]}, vectors(features([alone])))
    several = {"type": "GeometryCollection", "geometries": [point(7, 50)]}
    vector("load_geojson", {"data": several}, throws="ProcessParameterInvalid")
    vector("load_geojson", {"data": features([several])}, throws="ProcessParameterInvalid")
    texts = features([point(7, 50)], properties=[{"crop": "rye"}])
    vector("load_geojson", {"data": texts, "properties": ["crop"]}, throws="ProcessParameterInvalid")
    elsewhere = features([point(5e5, 0)], METRES)
    vector("load_geojson", {"data": elsewhere}, throws="ProcessParameterInvalid")


def buffers():
    # Positions are rounded to about 1e-8 of the extent.
    def buffered(geometries, distance):
        ids = [str(i) for i in range(len(geometries))]
        before = features(geometries, METRES, ids)
        grown = [g and plain(shape(g).buffer(distance, quad_segs=16)) for g in geometries]
        # Nothing that is left is a geometry of polygons, as everything else.
        none = {"type": "MultiPolygon", "coordinates": []}
        grown = [g and (g if shape(g).area else none) for g in grown]
        values = [float(i) for i in range(len(geometries))]
        returns = vectors(features(grown, METRES, ids), values)
        arguments = {"geometries": vectors(before, values), "distance": distance}
        vector("vector_buffer", arguments, returns, delta=1e-5)

    square = box(0, 0, 100, 100)
    buffered([point(0, 0)], 100)
    buffered([square, box(0, 0, 400, 400)], -10)
    buffered([square], -60)
    buffered([square], 10)
    apart = {"type": "MultiPolygon", "coordinates": [square["coordinates"], box(200, 0, 300, 100)["coordinates"]]}
    buffered([apart, None], -20)
    buffered([apart], 60)
    hole = {"type": "Polygon", "coordinates": square["coordinates"] + box(40, 40, 60, 60)["coordinates"]}
    buffered([hole], 5)
    degrees = vectors(features([point(7, 50)]))
    vector("vector_buffer", {"geometries": degrees, "distance": 5}, throws="UnitMismatch")
    metres = vectors(features([square], METRES))
    vector("vector_buffer", {"geometries": metres, "distance": 0}, throws="ProcessParameterInvalid")


def relations():
    base = features([box(0, 0, 4, 4), box(4, 0, 8, 4), None])
    union = shapely.union_all([shape(g["geometry"]) for g in base["features"] if g["geometry"]])
    candidates = [
        box(1, 1, 2, 2), box(3, 1, 5, 2), box(0, 0, 8, 4), box(7, 3, 12, 12), box(8, 0, 9, 4), box(20, 20, 21, 21),
        box(-1, -1, 9, 9), line((-1, 2), (9, 2)), line((1, 2), (3, 3)), line((0, 0), (0, 4)), point(2, 2), point(0, 2),
        point(30, 30), points((1, 1), (30, 30)), None, {"type": "Polygon", "coordinates": []},
    ]
    ids = [f"g{i}" for i in range(len(candidates))]
    values = [float(i) if i % 5 else None for i in range(len(candidates))]
    data = features(candidates, ids=ids)

    def filtered(relation, arguments):
        test = getattr(union, relation)
        kept = [i for i, g in enumerate(candidates) if g and not shape(g).is_empty and test(shape(g))]
        returns = vectors(features([candidates[i] for i in kept], ids=[ids[i] for i in kept]), [values[i] for i in kept])
        arguments = {"data": vectors(data, values), "geometries": vectors(base), **arguments}
        vector("filter_vector", arguments, returns)

    filtered("intersects", {})
    for relation in ["intersects", "disjoint", "equals", "touches", "crosses", "overlaps", "contains", "within"]:
        filtered(relation, {"relation": relation})
    arguments = {"data": vectors(data), "geometries": vectors(base), "relation": "near"}
    vector("filter_vector", arguments, throws="ProcessParameterInvalid")


def systems():
    def reprojected(geometries, source, target):
        way = pyproj.Transformer.from_crs(source, target, always_xy=True)
        moved = [g and plain(shapely.transform(shape(g), way.transform, interleaved=False)) for g in geometries]

        def crs(code):
            return None if code == 4326 else {"type": "name", "properties": {"name": f"EPSG:{code}"}}

        values = [float(i) for i in range(len(geometries))]
        data = vectors(features(geometries, crs(source)), values)
        returns = vectors(features(moved, crs(target)), values)
        vector("vector_reproject", {"data": data, "projection": target}, returns, delta=1e-9)

    reprojected([point(14.5, 45.5), box(14, 45, 15, 46)], 4326, 32633)
    reprojected([line((500000, 5000000), (510000, 5010000)), None], 32633, 4326)
    reprojected([points((7, 50), (8, 51))], 4326, 3857)
    reprojected([box(4321000, 3210000, 4322000, 3211000)], 3035, 32632)
    data = vectors(features([point(7, 50)]), [None])
    vector("vector_reproject", {"data": data, "projection": 4326, "dimension": "geometry"}, data)
    vector("vector_reproject", {"data": data, "projection": 4326, "dimension": "x"}, throws="DimensionNotAvailable")
    vector("vector_reproject", {"data": data, "projection": 999999}, throws="ProcessParameterInvalid")


def samples():
    corners = [[0, 0], [2, 2], [5, 1]]
    three = points(*corners)
    data = features([three, None, point(9, 9)], ids=["a", "b", "c"], properties=[{"n": 1}, {"n": 2}, {"n": 3}])
    values = [1.0, 2.0, None]
    cubes = vectors(data, values)
    multi = features([three, None, points([9, 9])], ids=["a", "b", "c"], properties=[{"n": 1}, {"n": 2}, {"n": 3}])
    # As many as there are: nothing is left to chance.
    vector("vector_to_random_points", {"data": cubes, "geometry_count": 3}, vectors(multi, values))
    vector("vector_to_random_points", {"data": cubes, "geometry_count": 9, "seed": 5}, vectors(multi, values))
    vector("vector_to_random_points", {"data": cubes, "total_count": 6, "seed": -1}, vectors(multi, values))
    alone = [point(*c) for c in corners] + [None, point(9, 9)]
    apart = features(alone, properties=[{"n": n} for n in (1, 1, 1, 2, 3)])
    single = vectors(apart, [1.0, 1.0, 1.0, 2.0, None])
    vector("vector_to_random_points", {"data": cubes, "geometry_count": 3, "group": False}, single)
    vector("vector_to_random_points", {"data": cubes, "total_count": 2}, throws="CountMismatch")
    vector("vector_to_random_points", {"data": cubes, "geometry_count": 0}, throws="ProcessParameterInvalid")

    def regular(geometry, distance):
        """The sampling in words of shapely."""
        own = shape(geometry)
        if own.geom_type == "Polygon":
            left, bottom, right, top = own.bounds
            cells = [
                (left + distance * (i + 0.5), top - distance * (j + 0.5))
                for j in range(math.ceil((top - bottom) / distance))
                for i in range(math.ceil((right - left) / distance))
            ]
            inside = [c for c in cells if own.intersects(shapely.Point(c))]
            return inside or [own.exterior.coords[0]]
        if own.geom_type == "LineString":
            steps = int(own.length // distance)
            return [tuple(own.interpolate(k * distance).coords[0]) for k in range(steps + 1)]
        return [tuple(p.coords[0]) for p in getattr(own, "geoms", [own])]

    def sampled(geometries, distance, group=True):
        values = [float(i) if i else None for i in range(len(geometries))]
        found = [g and regular(g, distance) for g in geometries]
        if group:
            made, kept = [g and points(*g) for g in found], values
        else:
            made = [own and point(*own) for g in found for own in (g or [None])]
            kept = [values[i] for i, g in enumerate(found) for _ in (g or [None])]
        arguments = {"data": vectors(features(geometries, METRES), values), "distance": distance, "group": group}
        vector("vector_to_regular_points", arguments, vectors(features(made, METRES), kept), delta=1e-9)

    triangle = {"type": "Polygon", "coordinates": [[[500000.0, 0.0], [500050.0, 10.0], [500010.0, 70.0], [500000.0, 0.0]]]}
    bent = line((500000, 0), (500030, 0), (500030, 40))
    sampled([triangle, bent, None, three], 7.3)
    sampled([triangle, bent, None, three], 7.3, group=False)
    sampled([triangle], 1000)
    sampled([box(500000, 0, 500100, 100)], 25)
    sampled([bent], 10)
    degrees = vectors(features([point(7, 50)]))
    vector("vector_to_regular_points", {"data": degrees, "distance": 5}, throws="UnitMismatch")
    metres = vectors(features([bent], METRES))
    vector("vector_to_regular_points", {"data": metres, "distance": 0}, throws="ProcessParameterInvalid")


def everywhere():
    """Processes that take cubes of any kind, over geometries."""
    geometries = [point(1, 1), box(0, 0, 2, 2), None, line((0, 0), (0, 2)), point(9, 9)]
    ids = ["p", "q", "r", "s", "t"]
    made = features(geometries, ids=ids)
    labels = ["2020-01-01", "2020-01-02"]
    time = {"type": "temporal", "labels": [{"@": "datetime", "value": text} for text in labels]}
    values = np.array([[1.0, 2.0], [3.0, 0.0], [5.0, 6.0], [0.0, 8.0], [9.0, 10.0]])
    missing = values == 0

    def of(keep, rows=values, gone=missing):
        own = features([geometries[i] for i in keep], ids=[ids[i] for i in keep])
        return cube(rows[keep], {"geometry": dimension(own), "t": time}, missing=gone[keep])

    data = of(range(5))
    extent = {"west": 0, "south": 0, "east": 2, "north": 2}
    vector("filter_bbox", {"data": data, "extent": extent}, of([0, 1]))
    extent = {"west": 20, "south": 0, "east": 30, "north": 2}
    vector("filter_bbox", {"data": data, "extent": extent}, of([]))
    utm = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    west, south, east, north = utm.transform_bounds(0.5, 0.5, 1.5, 1.5)
    extent = {"west": west, "south": south, "east": east, "north": north, "crs": 32631}
    inside = features(geometries[:2], ids=ids[:2])
    near = cube(values[:2], {"geometry": dimension(inside), "t": time}, missing=missing[:2])
    vector("filter_bbox", {"data": near, "extent": extent}, of([0]))

    tenfold = callback("multiply", x=parameter("x"), y=10)
    vector("apply", {"data": data, "process": tenfold}, of(range(5), values * 10))
    mean = np.ma.masked_array(values, missing)
    arguments = {"data": data, "dimension": "t", "reducer": reducer("mean")}
    vector("reduce_dimension", arguments, cube(mean.mean(axis=1).filled(0), {"geometry": dimension(made)}))
    arguments = {**arguments, "dimension": "geometry"}
    vector("reduce_dimension", arguments, cube(mean.mean(axis=0).filled(0), {"t": time}))
    after = callback("gt", x=parameter("value"), y="q")
    is_q = callback("eq", x=parameter("value"), y="q")
    vector("filter_labels", {"data": data, "condition": is_q, "dimension": "geometry"}, of([1]))
    vector("filter_labels", {"data": data, "condition": after, "dimension": "geometry"}, of([]))
    zones = cube(values, {"zones": dimension(made), "t": time}, missing=missing)
    vector("rename_dimension", {"data": data, "source": "geometry", "target": "zones"}, zones)
    renamed = features(geometries, ids=["p", "B", "r", "s", "t"])
    arguments = {"data": data, "dimension": "geometry", "target": ["B"], "source": ["q"]}
    vector("rename_labels", arguments, cube(values, {"geometry": dimension(renamed), "t": time}, missing=missing))
    more = cube(values[None], {"b": {"type": "bands", "labels": ["x"]}, "geometry": dimension(made), "t": time},
                missing=missing[None])
    vector("add_dimension", {"data": data, "name": "b", "label": "x", "type": "bands"}, more)
    numbered = cube(values, {"geometry": dimension(features(geometries)), "t": time}, missing=missing)
    labels = {"data": numbered, "dimension": "geometry", "target": ids}
    vector("rename_labels", labels, data)

    largest = callback("max", data=[parameter("x"), parameter("y")])
    vector("merge_cubes", {"cube1": of([0, 1]), "cube2": of([2, 3])}, of(range(4)))
    rows = np.maximum(np.where(missing, -1, values), np.where(missing, -1, values + 1))
    both = of([1, 2], values + 1)
    arguments = {"cube1": of([0, 1]), "cube2": both, "overlap_resolver": largest}
    expected = values.copy()
    expected[1:3] = rows[1:3]
    vector("merge_cubes", arguments, of(range(3), expected))
    vector("merge_cubes", {"cube1": of([0, 1]), "cube2": both}, throws="OverlapResolverMissing")
    # Numbers are no identity: other geometries under the same labels are other labels.
    first = cube(values[:1], {"geometry": dimension(features(geometries[:1])), "t": time}, missing=missing[:1])
    second = cube(values[1:2], {"geometry": dimension(features(geometries[1:2])), "t": time}, missing=missing[1:2])
    two = cube(values[:2], {"geometry": dimension(features(geometries[:2])), "t": time}, missing=missing[:2])
    vector("merge_cubes", {"cube1": first, "cube2": second}, two)
    metres = cube(values[:1], {"geometry": dimension(features(geometries[:1], METRES)), "t": time}, missing=missing[:1])
    vector("merge_cubes", {"cube1": first, "cube2": metres}, throws="IncompatibleDataCubes")
    pixels = cube(np.ones((1, 1)), {"y": axis(0.0, 1.0, 1, "y"), "x": axis(0.0, 1.0, 1, "x")})
    vector("merge_cubes", {"cube1": first, "cube2": pixels}, throws="IncompatibleDataCubes")


loading()
buffers()
relations()
systems()
samples()
everywhere()
write(__file__)
