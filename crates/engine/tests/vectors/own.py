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


def loading():
    def load(extent=None, time=None, **other):
        return {"id": "none", "spatial_extent": extent, "temporal_extent": time, **other}

    vector("load_collection", load(), throws="CollectionNotFound")
    vector("load_collection", load(time=["2020-01-02", "2020-01-01"]), throws="TemporalExtentEmpty")
    vector("load_collection", load(time=["soon", None]), throws="ProcessParameterInvalid")
    point = {"type": "Point", "coordinates": [10, 50]}
    vector("load_collection", load(point), throws="FeatureUnsupported")
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
loading()
