"""Writes own.ndjson: vectors for processes that have no official one, with values computed by numpy.

    python own.py > own.ndjson

The encoding is that of `eolith eval`; cubes may also say `dtype` and, under `bands`, what each band is.
"""

import json

import numpy as np

NODATA = {"@": "nodata"}
CRS = "EPSG:32633"


def number(value):
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        text = "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"@": "number", "value": text}
    return value


def axis(first, step, n, name):
    labels = [float(first + step * i) for i in range(n)]
    return {"type": "spatial", "axis": name, "reference_system": CRS, "labels": labels}


def cube(values, dims, dtype=None, bands=None, nodata=None, missing=None):
    """A cube; `missing` marks the pixels without data."""
    values = np.asarray(values)
    flat = [number(v) for v in values.ravel()]
    if missing is not None:
        gone = np.broadcast_to(missing, values.shape).ravel()
        flat = [NODATA if gone[i] else v for i, v in enumerate(flat)]
    out = {
        "@": "datacube",
        "dims": list(dims),
        "dimensions": dims,
        "shape": list(values.shape),
        "values": flat,
    }
    if dtype:
        out["dtype"] = dtype
    if bands:
        out["bands"] = bands
    if nodata is not None:
        out["nodata"] = number(nodata)
    return out


def callback(process_id, **arguments):
    node = {"process_id": process_id, "arguments": arguments, "result": True}
    return {"@": "process", "process_graph": {"only": node}}


COUNT = {}


def vector(process_id, arguments, returns=None, throws=None, delta=None):
    index = COUNT[process_id] = COUNT.get(process_id, -1) + 1
    out = {"process_id": process_id, "index": index, "arguments": arguments}
    if throws:
        out["throws"] = throws
    else:
        out["returns"] = returns
    if delta:
        out["delta"] = delta
    print(json.dumps(out))


def ndvi():
    def dims(*names):
        return {
            "bands": {"type": "bands", "labels": list(names)},
            "y": axis(5000095.0, -10.0, 2, "y"),
            "x": axis(500005.0, 10.0, 3, "x"),
        }

    def without_bands(dims):
        return {k: v for k, v in dims.items() if k != "bands"}

    red = np.array([[100, 200, 0], [5, 65535, 7]])
    nir = np.array([[300, 200, 0], [0, 10, 65535]])
    green = np.array([[1, 2, 3], [4, 5, 6]])
    names = [{"common_name": "red"}, {"common_name": "green"}, {"common_name": "nir"}]
    own = dims("B04", "B03", "B08")
    data = cube([red, green, nir], own, dtype="uint16", bands=names, nodata=65535)
    with np.errstate(invalid="ignore"):
        index = (nir - red) / (nir + red)
    gone = (red == 65535) | (nir == 65535)
    plain = cube(index, without_bands(own), missing=gone)
    vector("ndvi", {"data": data}, plain, delta=1e-6)
    vector("ndvi", {"data": data, "nir": "B08", "red": "red"}, plain, delta=1e-6)
    all_bands = np.stack([red, green, nir, index])
    missing = np.stack([red == 65535, green == 65535, nir == 65535, gone])
    wide = cube(all_bands, dims("B04", "B03", "B08", "ndvi"), missing=missing)
    vector("ndvi", {"data": data, "target_band": "ndvi"}, wide, delta=1e-6)
    vector("ndvi", {"data": data, "target_band": "B03"}, throws="BandExists")
    vector("ndvi", {"data": data, "nir": "B8A"}, throws="NirBandAmbiguous")
    vector("ndvi", {"data": data, "red": "B99"}, throws="RedBandAmbiguous")
    twice = [{"common_name": "red"}, {"common_name": "nir"}, {"common_name": "nir"}]
    ambiguous = cube([red, green, nir], own, dtype="uint16", bands=twice)
    vector("ndvi", {"data": ambiguous}, throws="NirBandAmbiguous")
    vector("ndvi", {"data": plain}, throws="DimensionAmbiguous")
    # Doubles stay doubles.
    fine = cube([red / 7, green / 7, nir / 7], own, dtype="float64", bands=names)
    with np.errstate(invalid="ignore"):
        exact = (nir / 7 - red / 7) / (nir / 7 + red / 7)
    vector("ndvi", {"data": fine}, cube(exact, without_bands(own)))


def resample_spatial():
    rows, columns = 4, 6
    dims = {"y": axis(5000095.0, -10.0, rows, "y"), "x": axis(500005.0, 10.0, columns, "x")}
    values = np.arange(rows * columns, dtype=float).reshape(rows, columns) ** 2 / 3
    data = cube(values, dims)
    blocks = values.reshape(rows // 2, 2, columns // 2, 2).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(rows // 2, columns // 2, 4)
    coarse = {"y": axis(5000090.0, -20.0, 2, "y"), "x": axis(500010.0, 20.0, 3, "x")}
    for method, found in [
        ("average", blocks.mean(axis=2)),
        ("sum", blocks.sum(axis=2)),
        ("min", blocks.min(axis=2)),
        ("max", blocks.max(axis=2)),
        ("rms", np.sqrt((blocks**2).mean(axis=2))),
    ]:
        arguments = {"data": data, "resolution": 20, "method": method}
        vector("resample_spatial", arguments, cube(found, coarse))
    # The nearest of pixels of half the size is the pixel around it.
    fine = {
        "y": axis(5000097.5, -5.0, 2 * rows, "y"),
        "x": axis(500002.5, 5.0, 2 * columns, "x"),
    }
    repeated = values.repeat(2, axis=0).repeat(2, axis=1)
    vector("resample_spatial", {"data": data, "resolution": 5}, cube(repeated, fine))
    # 40 by 60 m in pixels of 25 m from the lower right corner: the centres lie in rows and columns by numpy.
    x = 500060.0 - 25.0 * np.arange(3)[::-1] - 12.5
    y = 5000060.0 + 25.0 * np.arange(2)[::-1] + 12.5
    i = np.floor((5000100.0 - y) / 10.0).astype(int)
    j = np.floor((x - 500000.0) / 10.0).astype(int)
    outside = (i < 0)[:, None] | (j < 0)[None, :]
    found = values[np.clip(i, 0, None)][:, np.clip(j, 0, None)]
    shifted = {"y": axis(y[0], -25.0, 2, "y"), "x": axis(x[0], 25.0, 3, "x")}
    arguments = {"data": data, "resolution": [25, 25], "align": "lower-right"}
    vector("resample_spatial", arguments, cube(found, shifted, missing=outside))
    # Nothing asked for, or what is there already: unchanged.
    vector("resample_spatial", {"data": data}, data)
    vector("resample_spatial", {"data": data, "resolution": 10, "projection": 32633}, data)
    vector("resample_spatial", {"data": data, "resolution": 1e-7}, throws="ProcessGraphComplexity")
    vector("resample_spatial", {"data": data, "resolution": -1}, throws="ProcessParameterInvalid")
    vector("resample_spatial", {"data": data, "method": "best"}, throws="ProcessParameterInvalid")
    vector("resample_spatial", {"data": data, "projection": 999999}, throws="ProcessParameterInvalid")


def filters():
    dims = {"bands": {"type": "bands", "labels": ["B02", "B04", "B08"]}, "x": axis(500005.0, 10.0, 2, "x")}
    bands = [
        {"common_name": "blue", "center_wavelength": 0.49},
        {"common_name": "red", "center_wavelength": 0.665},
        {"common_name": "nir", "center_wavelength": 0.842},
    ]
    values = np.arange(6).reshape(3, 2)
    data = cube(values, dims, bands=bands)

    def kept(rows):
        own = dict(dims, bands={"type": "bands", "labels": [dims["bands"]["labels"][i] for i in rows]})
        return cube(values[rows], own)

    vector("filter_bands", {"data": data, "wavelengths": [[0.6, 0.9]]}, kept([1, 2]))
    vector("filter_bands", {"data": data, "wavelengths": [[0.8, 0.9], [0.4, 0.7]]}, kept([2, 0, 1]))
    vector("filter_bands", {"data": data, "bands": ["nir"], "wavelengths": [[0.4, 0.9]]}, kept([2, 0, 1]))
    for condition, rows in [
        (callback("eq", x={"from_parameter": "value"}, y="B04"), [1]),
        (callback("neq", x={"from_parameter": "value"}, y="B04"), [0, 2]),
        (callback("eq", x={"from_parameter": "value"}, y=1), []),
    ]:
        arguments = {"data": data, "dimension": "bands", "condition": condition}
        vector("filter_labels", arguments, kept(rows))
    condition = callback("gt", x={"from_parameter": "value"}, y=500010)
    east = dict(dims, x=axis(500015.0, 10.0, 1, "x"))
    arguments = {"data": data, "dimension": "x", "condition": condition}
    vector("filter_labels", arguments, cube(values[:, 1:], east))
    arguments = {"data": data, "dimension": "t", "condition": condition}
    vector("filter_labels", arguments, throws="DimensionNotAvailable")


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


def loading():
    def load(extent=None, time=None, **other):
        return {"id": "none", "spatial_extent": extent, "temporal_extent": time, **other}

    vector("load_collection", load(), throws="CollectionNotFound")
    vector("load_collection", load(time=["2020-01-02", "2020-01-01"]), throws="TemporalExtentEmpty")
    vector("load_collection", load(time=["soon", None]), throws="ProcessParameterInvalid")
    point = {"type": "Point", "coordinates": [10, 50]}
    vector("load_collection", load(point), throws="ProcessParameterInvalid")
    square = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]}
    vector("load_collection", load(square), throws="CollectionNotFound")
    open_ring = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2]]]}
    vector("load_collection", load(open_ring), throws="ProcessParameterInvalid")
    box = {"west": 1, "south": 3, "east": 2, "north": 2}
    vector("load_collection", load(box), throws="ProcessParameterInvalid")
    vector("load_collection", load(bands=[]), throws="ProcessParameterInvalid")
    dims = {"x": axis(500005.0, 10.0, 2, "x")}
    data = cube(np.array([1.5, np.nan]), dims)
    vector("save_result", {"data": data, "format": "gtiff"}, data)
    vector("save_result", {"data": data, "format": 7}, throws="ProcessParameterInvalid")


ndvi()
resample_spatial()
filters()
polygons()
loading()
