"""Dimensions and their labels. Pixels are numbered, so that what moved is seen."""

import numpy as np

from encoding import axis, bands, cube, fails, instant, times, vector, write

INVALID, UNDECLARED, MISSING = "ProcessParameterInvalid", "ProcessParameterUnsupported", "ProcessParameterRequired"
DIMS = {"t": times("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"), "bands": bands("red", "nir", "blue"), "x": axis(500005.0, 10.0, 2, "x")}
VALUES = np.arange(12).reshape(2, 3, 2)
GONE = VALUES % 5 == 3
DATA = cube(VALUES, DIMS, dtype="int16", nodata=-1, missing=GONE)


def again(dims, values=VALUES, missing=GONE):
    return cube(values, dims, dtype="int16", nodata=-1, missing=missing)


def adding():
    def added(name, label, dimension, **more):
        returns = again({name: dimension, **DIMS}, VALUES[None], GONE[None])
        vector("add_dimension", {"data": DATA, "name": name, "label": label, **more}, returns)

    added("run", "first", {"type": "other", "labels": ["first"]})
    added("run", 7, {"type": "other", "labels": [7]})
    added("more", "B4", bands("B4"), type="bands")
    added("when", "2021-05-01T00:00:00Z", {"type": "temporal", "labels": [instant("2021-05-01T00:00:00Z")]}, type="temporal")
    # The axis x is taken, so the next one is y, whatever the name.
    added("height", 3.5, {"type": "spatial", "axis": "y", "labels": [3.5]}, type="spatial")
    single = {"@": "datacube", "dims": [], "dimensions": {}, "shape": [], "values": []}
    one = cube([0], {"x": {"type": "spatial", "axis": "x", "labels": [1]}}, missing=[True])
    vector("add_dimension", {"data": single, "name": "x", "label": 1, "type": "spatial"}, one)
    full = cube(np.zeros((1, 1, 1)), {name: {"type": "spatial", "axis": name, "labels": [1.0]} for name in "xyz"})
    vector("add_dimension", {"data": full, "name": "w", "label": 1, "type": "spatial"}, throws="DimensionExists")
    vector("add_dimension", {"data": DATA, "name": "t", "label": "a"}, throws="DimensionExists")
    vector("add_dimension", {"data": DATA, "name": "u", "label": "a", "type": "band"}, throws=INVALID)
    vector("add_dimension", {"data": DATA, "name": "u"}, throws=MISSING)
    vector("create_data_cube", {}, single)
    # It takes nothing, so that everything it is given is wrong, no-data as well.
    for name, given in [("data", None), ("x", 1), ("name", "t"), ("values", [1, None])]:
        fails("create_data_cube", UNDECLARED, **{name: given})


def labels():
    for name, returns in [("t", [instant("2020-01-01T00:00:00Z"), instant("2020-01-02T00:00:00Z")]), ("bands", ["red", "nir", "blue"]), ("x", [500005.0, 500015.0])]:
        vector("dimension_labels", {"data": DATA, "dimension": name}, returns)
    empty = cube(np.zeros((0,)), {"n": {"type": "other", "labels": []}})
    vector("dimension_labels", {"data": empty, "dimension": "n"}, [])
    mixed = cube([1, 2], {"n": {"type": "other", "labels": ["a", 1]}})
    vector("dimension_labels", {"data": mixed, "dimension": "n"}, ["a", 1])
    vector("dimension_labels", {"data": DATA, "dimension": "y"}, throws="DimensionNotAvailable")
    vector("dimension_labels", {"data": DATA}, throws=MISSING)
    fails("dimension_labels", INVALID, data=[1, 2], dimension="x")


def dropping():
    for name, position in [("t", 0), ("bands", 1), ("x", 2)]:
        one = {**DIMS, name: {**DIMS[name], "labels": DIMS[name]["labels"][1:2]}}
        values, missing = np.take(VALUES, [1], position), np.take(GONE, [1], position)
        rest = {key: value for key, value in DIMS.items() if key != name}
        returns = again(rest, values.squeeze(position), missing.squeeze(position))
        vector("drop_dimension", {"data": again(one, values, missing), "name": name}, returns)
    vector("drop_dimension", {"data": DATA, "name": "t"}, throws="DimensionLabelCountMismatch")
    none = cube(np.zeros((0, 2)), {"n": {"type": "other", "labels": []}, "x": DIMS["x"]})
    vector("drop_dimension", {"data": none, "name": "n"}, throws="DimensionLabelCountMismatch")
    vector("drop_dimension", {"data": DATA, "name": "b"}, throws="DimensionNotAvailable")


def renaming():
    for source, target in [("t", "time"), ("bands", "channel"), ("x", "easting")]:
        dims = {target if name == source else name: value for name, value in DIMS.items()}
        vector("rename_dimension", {"data": DATA, "source": source, "target": target}, again(dims))
    vector("rename_dimension", {"data": DATA, "source": "y", "target": "z"}, throws="DimensionNotAvailable")
    vector("rename_dimension", {"data": DATA, "source": "t", "target": "x"}, throws="DimensionExists")
    vector("rename_dimension", {"data": DATA, "source": "y", "target": "x"}, throws=True)
    vector("rename_dimension", {"data": DATA, "source": "t"}, throws=MISSING)


def renaming_labels():
    def renamed(arguments, new, name="bands", data=DATA, dims=None):
        dims = dims or DIMS
        returns = again({**dims, name: {**dims[name], "labels": new}})
        vector("rename_labels", {"data": data, "dimension": name, **arguments}, returns)

    renamed({"source": ["red", "nir", "blue"], "target": ["a", "b", "c"]}, ["a", "b", "c"])
    renamed({"source": ["blue", "red"], "target": [3, "R"]}, ["R", "nir", 3])
    counted = {**DIMS, "bands": {"type": "bands", "labels": [0, 1, 2]}}
    renamed({"target": ["a", "b", "c"]}, ["a", "b", "c"], data=again(counted), dims=counted)
    renamed({"target": ["a"], "source": []}, ["a", 1, 2], data=again(counted), dims=counted)
    renamed({"source": [1], "target": ["one"]}, [0, "one", 2], data=again(counted), dims=counted)
    for arguments, code in [
        ({"target": ["a", "b", "c"]}, "LabelsNotEnumerated"),
        ({"source": ["red"], "target": ["a", "b"]}, "LabelMismatch"),
        ({"source": ["green"], "target": ["a"]}, "LabelNotAvailable"),
        ({"source": ["red"], "target": ["blue"]}, "LabelExists"),
        # The text asks for what the data cube has, not for what it will have.
        ({"source": ["red", "nir"], "target": ["nir", "red"]}, "LabelExists"),
        ({"source": ["red"], "target": ["a"], "dimension": "y"}, "DimensionNotAvailable"),
        ({"source": ["red"]}, MISSING),
    ]:
        vector("rename_labels", {"data": DATA, "dimension": "bands", **arguments}, throws=code)
    vector("rename_labels", {"data": again(counted), "dimension": "bands", "target": ["a", "b", "c", "d"]}, throws="LabelMismatch")


adding()
labels()
dropping()
renaming()
renaming_labels()
write(__file__)
