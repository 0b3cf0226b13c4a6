"""Several dimensions as one and back: `flatten_dimensions`, `unflatten_dimension`. Values by numpy's reshape."""

import numpy as np

from encoding import axis, bands, cube, times, vector, write

WRONG = "ProcessParameterInvalid"


def other(*labels):
    return {"type": "other", "labels": list(labels)}


def joined(*lists, by="~"):
    """All combinations of texts, the first varies slowest."""
    out = [""]
    for k, own in enumerate(lists):
        out = [start + (by if k else "") + label for start in out for label in own]
    return out


def flatten():
    def call(data, dimensions, target="X", **more):
        return {"data": data, "dimensions": dimensions, "target_dimension": target, **more}

    # The example of the standard.
    data = cube(np.array([[1, 2], [3, 4]]), {"A": other("2020", "2021"), "B": other("B1", "B2")})
    expected = cube(np.array([1, 2, 3, 4]), {"X": other("2020~B1", "2020~B2", "2021~B1", "2021~B2")})
    vector("flatten_dimensions", call(data, ["A", "B"]), expected)
    turned = cube(np.array([1, 3, 2, 4]), {"X": other("B1~2020", "B1~2021", "B2~2020", "B2~2021")})
    vector("flatten_dimensions", call(data, ["B", "A"]), turned)
    by = cube(np.array([1, 2, 3, 4]), {"X": other("2020 and B1", "2020 and B2", "2021 and B1", "2021 and B2")})
    vector("flatten_dimensions", call(data, ["A", "B"], label_separator=" and "), by)
    # The new dimension stands where the first of them stood; labels become texts; bands of several types, no-data.
    stamps, names = ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], ["one", "two", "three"]
    dims = {"x": axis(500005.0, 10.0, 4, "x"), "t": times(*stamps), "n": other(1, 2), "b": bands(*names)}
    values = (np.arange(48) ** 2 % 41 / 2).reshape(4, 2, 2, 3)
    missing = values % 3 == 0
    types = [{"dtype": "float64"}, {"dtype": "float32"}, {"dtype": "float32"}]
    data = cube(values, dims, missing=missing, bands=types)
    found = values.transpose(0, 3, 1, 2).reshape(4, 6, 2)
    lost = missing.transpose(0, 3, 1, 2).reshape(4, 6, 2)
    own = {"x": dims["x"], "X": other(*joined(names, stamps)), "n": dims["n"]}
    vector("flatten_dimensions", call(data, ["b", "t"]), cube(found, own, missing=lost))
    one = {"x": dims["x"], "t": dims["t"], "X": other("1", "2"), "b": dims["b"]}
    vector("flatten_dimensions", call(data, ["n"]), cube(values, one, missing=missing))
    everything = joined([str(int(v)) for v in dims["x"]["labels"]], stamps, ["1", "2"], names)
    flat = cube(values.ravel(), {"X": other(*everything)}, missing=missing.ravel())
    vector("flatten_dimensions", call(data, ["x", "t", "n", "b"]), flat)
    empty = cube(np.zeros((0, 2)), {"t": times(), "b": bands("one", "two")}, dtype="float64")
    vector("flatten_dimensions", call(empty, ["t", "b"]), cube(np.zeros(0), {"X": other()}))

    vector("flatten_dimensions", call(data, ["t", "q"]), throws="DimensionNotAvailable")
    vector("flatten_dimensions", call(data, ["t", "b"], "x"), throws="TargetDimensionExists")
    vector("flatten_dimensions", call(data, ["t", "b"], "t"), throws="TargetDimensionExists")
    vector("flatten_dimensions", call(data, []), throws=WRONG)
    vector("flatten_dimensions", call(data, ["t", "t"]), throws=WRONG)
    vector("flatten_dimensions", call(data, ["t", "b"], label_separator=""), throws=WRONG)


def unflatten():
    def call(data, targets, dimension="X", **more):
        return {"data": data, "dimension": dimension, "target_dimensions": targets, **more}

    data = cube(np.array([1, 2, 3, 4]), {"X": other("2020~B1", "2020~B2", "2021~B1", "2021~B2")})
    expected = cube(np.array([[1, 2], [3, 4]]), {"A": other("2020", "2021"), "B": other("B1", "B2")})
    vector("unflatten_dimension", call(data, ["A", "B"]), expected)
    # Labels in another order: parts in the order in which they come first.
    mixed = cube(np.array([1, 2, 3, 4]), {"X": other("b~2", "a~1", "b~1", "a~2")})
    expected = cube(np.array([[1, 3], [4, 2]]), {"A": other("b", "a"), "B": other("2", "1")})
    vector("unflatten_dimension", call(mixed, ["A", "B"]), expected)
    # Three parts between other dimensions, no-data, several bands.
    first, second, third = ["p", "q"], ["1", "2", "3"], ["x", "y"]
    dims = {"b": bands("one", "two"), "X": other(*joined(first, second, third, by=" ")), "x": axis(500005.0, 10.0, 2, "x")}
    values = (np.arange(48.0) ** 2 % 37).reshape(2, 12, 2)
    missing = values % 4 == 0
    data = cube(values, dims, missing=missing, bands=[{"dtype": "float32"}, {"dtype": "float64"}])
    own = {"b": dims["b"], "A": other(*first), "B": other(*second), "C": other(*third), "x": dims["x"]}
    shape = (2, 2, 3, 2, 2)
    expected = cube(values.reshape(shape), own, missing=missing.reshape(shape))
    vector("unflatten_dimension", call(data, ["A", "B", "C"], label_separator=" "), expected)
    named = cube(np.array([1.5, 2, 3, 4]), {"bands": bands("a_1", "a_2", "b_1", "b_2")})
    expected = cube(np.array([[1.5, 2], [3, 4]]), {"A": other("a", "b"), "B": other("1", "2")})
    vector("unflatten_dimension", call(named, ["A", "B"], "bands", label_separator="_"), expected)
    empty = cube(np.zeros(0), {"X": other()}, dtype="float64")
    vector("unflatten_dimension", call(empty, ["A", "B"]), cube(np.zeros((0, 0)), {"A": other(), "B": other()}))

    vector("unflatten_dimension", call(data, ["A", "B"]), throws=WRONG)
    vector("unflatten_dimension", call(data, ["A"]), throws=WRONG)
    vector("unflatten_dimension", call(data, ["A", "A", "C"], label_separator=" "), throws=WRONG)
    vector("unflatten_dimension", call(data, ["A", "b", "C"], label_separator=" "), throws="TargetDimensionExists")
    vector("unflatten_dimension", call(data, ["A", "X", "C"], label_separator=" "), throws="TargetDimensionExists")
    vector("unflatten_dimension", call(data, ["A", "B"], "Y"), throws="DimensionNotAvailable")
    gap = cube(np.array([1, 2, 3]), {"X": other("a~1", "a~2", "b~1")})
    vector("unflatten_dimension", call(gap, ["A", "B"]), throws=WRONG)
    twice = cube(np.array([1, 2, 3, 4]), {"X": other("a~1", "a~2", "b~1", "b~1")})
    vector("unflatten_dimension", call(twice, ["A", "B"]), throws=WRONG)


flatten()
unflatten()
write(__file__)
