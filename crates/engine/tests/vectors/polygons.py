"""Pixels inside of geometries: `filter_spatial`, `mask_polygon`."""

import json

import numpy as np

from encoding import axis, cube, vector, write


def polygons():
    dims = {
        "t": {"type": "temporal", "labels": [{"@": "datetime", "value": f"2020-01-0{i}"} for i in (1, 2)]},
        "y": axis(5000095.0, -10.0, 5, "y"),
        "x": axis(500005.0, 10.0, 6, "x"),
    }
    values = np.arange(1, 61).reshape(2, 5, 6)
    gone = values % 7 == 0
    data = cube(values, dims, dtype="uint8", nodata=255, missing=gone)
    x = np.array(dims["x"]["labels"])[None, :] - 500000
    y = 5000100 - np.array(dims["y"]["labels"])[:, None]

    def of(kind, *coordinates):
        """Positions to the east and to the south of the corner, in metres."""
        nested = json.loads(json.dumps(coordinates), parse_float=float)

        def placed(item):
            if isinstance(item[0], list):
                return [placed(own) for own in item]
            return [500000 + item[0], 5000100 - item[1]]

        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
        return {"type": kind, "coordinates": placed(nested), "crs": crs}

    def cut(inside, rows, columns):
        own = dict(dims, y=axis(5000095.0 - 10 * rows.start, -10.0, rows.stop - rows.start, "y"))
        own["x"] = axis(500005.0 + 10 * columns.start, 10.0, columns.stop - columns.start, "x")
        missing = (gone | ~inside)[:, rows, columns]
        return cube(values[:, rows, columns], own, dtype="uint8", nodata=255, missing=missing)

    # A triangle by its three sides: x > 12, y > 3, x + y <= 50; the third goes through centres, which belong to it.
    triangle = [[12, 3], [47, 3], [12, 38], [12, 3]]
    inside = (x > 12) & (y > 3) & (x + y <= 50)
    hole = [[18, 8], [26, 8], [26, 19], [18, 19], [18, 8]]
    around = inside & ~((x > 18) & (x < 26) & (y > 8) & (y < 19))
    square = [[41, 31], [59, 31], [59, 49], [41, 49], [41, 31]]
    either = inside | ((x > 41) & (x < 59) & (y > 31) & (y < 49))
    everywhere = [[-1, -1], [99, -1], [99, 99], [-1, 99], [-1, -1]]
    point = [[23, 41], [59, 1]]
    near = ((y == 45) & (x == 25)) | ((y == 5) & (x == 55))

    rows, columns = slice(0, 4), slice(1, 5)
    filtered = [
        (of("Polygon", triangle), cut(inside, rows, columns)),
        (of("Polygon", triangle, hole), cut(around, rows, columns)),
        (of("MultiPolygon", [triangle], [square]), cut(either, slice(0, 5), slice(1, 6))),
        (of("Polygon", everywhere), data),
        (of("MultiPoint", *point), cut(near, slice(0, 5), slice(2, 6))),
    ]
    for geometries, returns in filtered:
        vector("filter_spatial", {"data": data, "geometries": geometries}, returns)
    far = {"type": "Point", "coordinates": [-120.0, 10.0]}
    nowhere = dict(dims, y=axis(0, 0, 0, "y"), x=axis(0, 0, 0, "x"))
    nothing = cube(values[:, :0, :0], nowhere, dtype="uint8", nodata=255)
    vector("filter_spatial", {"data": data, "geometries": far}, nothing)
    empty = {"type": "Feature", "properties": {}, "geometry": None}
    for geometries in [empty, {"type": "Circle"}, None]:
        vector("filter_spatial", {"data": data, "geometries": geometries}, throws="ProcessParameterInvalid")

    def masked(polygon, replacement=None, inverted=False, **more):
        replaced = np.broadcast_to(inside if inverted else ~inside, values.shape)
        if replacement is None:
            returns = cube(values, dims, dtype="uint8", nodata=255, missing=gone | replaced)
        else:
            returns = cube(np.where(replaced, replacement, values), dims, missing=gone)
        arguments = {"data": data, "mask": polygon, "replacement": replacement, "inside": inverted}
        vector("mask_polygon", {**arguments, **more}, returns)

    masked(of("Polygon", triangle))
    masked(of("Polygon", triangle), inverted=True)
    masked(of("Polygon", triangle), replacement=0)
    masked(of("Polygon", triangle), replacement=-1.5, inverted=True)
    vector("mask_polygon", {"data": data, "mask": of("Polygon", everywhere), "inside": False}, data)
    for mask in [far, empty, {"type": "FeatureCollection", "features": []}]:
        vector("mask_polygon", {"data": data, "mask": mask}, throws="ProcessParameterInvalid")
    plain = cube(values[0], {"a": {"type": "other", "labels": list(range(5))}, "b": {"type": "other", "labels": list(range(6))}})
    for process_id, name in [("mask_polygon", "mask"), ("filter_spatial", "geometries")]:
        arguments = {"data": plain, name: of("Polygon", triangle)}
        vector(process_id, arguments, throws="ProcessParameterInvalid")


polygons()
write(__file__)
