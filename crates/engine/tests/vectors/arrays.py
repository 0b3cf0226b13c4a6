"""Arrays to arrays: building, editing, searching, sorting, running values. Expected values by Python's lists and numpy."""

import itertools
import math

import numpy as np

from encoding import callback, encoded, fails, gives, instant, labeled, parameter, vector, write

NAN, INF = math.nan, math.inf
MISSING, INVALID, UNDECLARED = "ProcessParameterRequired", "ProcessParameterInvalid", "ProcessParameterUnsupported"
X = parameter("x")
MIXED = [1, "a", None, True, [2, None], NAN]


def with_labels(process_id, returns, data, **arguments):
    vector(process_id, {"data": data, **{name: encoded(value) for name, value in arguments.items()}}, returns)


def building():
    for data, repeat in [([1, None], 2), (["a"], 4), ([[1], [2]], 2), ([], 3)]:
        gives("array_create", data * repeat, data=data, repeat=repeat)
    gives("array_create", MIXED, data=MIXED)
    gives("array_create", [])
    fails("array_create", INVALID, data=[1], repeat=0)
    fails("array_create", INVALID, data=[1], repeat=1.5)
    fails("array_create", UNDECLARED, data=[1], length=3)
    for data, labels in [([1, None], ["a", "b"]), ([1, 2, 3], [1, "1", 2.5]), ([], []), ([[1], "x"], ["y", "z"])]:
        vector("array_create_labeled", {"data": encoded(data), "labels": labels}, labeled_any(data, labels))
    fails("array_create_labeled", "ArrayLengthMismatch", data=[1, 2], labels=["a"])
    fails("array_create_labeled", "ArrayLengthMismatch", data=[], labels=["a"])
    fails("array_create_labeled", INVALID, data=[1], labels=[None])
    for data in ([], [5], [None, None], ["a", "b", "c"]):
        gives("array_labels", list(range(len(data))), data=data)
    with_labels("array_labels", ["b", 7], labeled([1, None], ["b", 7]))
    fails("array_labels", MISSING)
    fails("array_labels", INVALID, data="abc")


def labeled_any(data, labels):
    return {"@": "labeled-array", "labels": labels, "values": encoded(data)}


def elements():
    data = [9, None, "b", [1]]
    for index, value in enumerate(data):
        gives("array_element", value, data=data, index=index)
    ab = labeled([10, None], ["a", 5])
    with_labels("array_element", 10, ab, label="a")
    with_labels("array_element", encoded(None), ab, label=5)
    with_labels("array_element", 10, ab, index=0)
    with_labels("array_element", encoded(None), ab, label="5", return_nodata=True)
    gives("array_element", None, data=[1], index=1, return_nodata=True)
    fails("array_element", "ArrayElementNotAvailable", data=[1], index=1)
    fails("array_element", "ArrayElementNotAvailable", data=[], index=0)
    vector("array_element", {"data": ab, "label": "5"}, throws="ArrayElementNotAvailable")
    vector("array_element", {"data": ab, "label": "a", "index": 0}, throws="ArrayElementParameterConflict")
    fails("array_element", "ArrayElementParameterMissing", data=[1])
    fails("array_element", "ArrayElementParameterMissing", data=[1], return_nodata=True)
    fails("array_element", "ArrayNotLabeled", data=[1], label="a")
    fails("array_element", "ArrayNotLabeled", data=[1], label="a", return_nodata=True)
    fails("array_element", INVALID, data=[1], index=0.5)


def joining():
    for one, other in [([1, None], ["a"]), ([], []), ([[1]], [None]), ([NAN], [1.5])]:
        gives("array_concat", one + other, array1=one, array2=other)
    ab, cd, a = labeled([1, 2], ["a", "b"]), labeled([None, 4], ["c", "d"]), labeled([9], ["a"])
    vector("array_concat", {"array1": ab, "array2": cd}, labeled([1, 2, None, 4], ["a", "b", "c", "d"]))
    vector("array_concat", {"array1": ab, "array2": [3]}, [1, 2, 3])
    vector("array_concat", {"array1": [3], "array2": cd}, encoded([3, None, 4]))
    vector("array_concat", {"array1": ab, "array2": a}, throws="ArrayLabelConflict")
    fails("array_concat", MISSING, array1=[1])
    fails("array_concat", INVALID, array1=[1], array2=2)
    for value in (3, None, "x", [1], NAN, True):
        gives("array_append", [1, 2, value], data=[1, 2], value=value)
    gives("array_append", [None], data=[], value=None)
    with_labels("array_append", labeled([1, 2, 3], ["a", "b", "c"]), ab, value=3, label="c")
    with_labels("array_append", labeled([1, 2, None], ["a", "b", 2]), ab, value=None)
    vector("array_append", {"data": ab, "value": 3, "label": "b"}, throws="LabelExists")
    vector("array_append", {"data": labeled([1, 2], [7, 2]), "value": 3}, throws="LabelExists")
    fails("array_append", "ArrayNotLabeled", data=[1], value=2, label="b")
    fails("array_append", MISSING, data=[1])
    for data, values, index, length in [(["a", "c"], ["b"], 1, 0), ([1, 2, 3], [9, None], 0, 2), ([1, 2], [3], 2, 0), ([1, 2, 3], [], 1, 9), ([], [1], 0, 0), ([1, None, 3], [], 1, 1)]:
        gives("array_modify", data[:index] + values + data[index + length:], data=data, values=values, index=index, length=length)
    gives("array_modify", [1, 5, 2], data=[1, 2], values=[5], index=1)
    vector("array_modify", {"data": ab, "values": cd, "index": 1, "length": 1}, labeled([1, None, 4], ["a", "c", "d"]))
    vector("array_modify", {"data": ab, "values": [7], "index": 1}, [1, 7, 2])
    vector("array_modify", {"data": ab, "values": [], "index": 0, "length": 1}, labeled([2], ["b"]))
    vector("array_modify", {"data": [], "values": cd, "index": 0}, cd)
    vector("array_modify", {"data": ab, "values": a, "index": 2}, throws="ArrayLabelConflict")
    fails("array_modify", "ArrayElementNotAvailable", data=[1], values=[2], index=2)
    fails("array_modify", INVALID, data=[1], values=[2], index=-1)
    fails("array_modify", MISSING, data=[1], values=[2])


def searching():
    for data, value in [([1, 2, 1], 1), ([1, 2, 1], 3), ([1, 2], 1.0), (["a", "A"], "A"), ([1, "1"], "1"), ([True, 1], 1), ([1, True], True), ([None, 2], 2), ([], 1), ([[1], 1], 1)]:
        hits = [i for i, item in enumerate(data) if type_of(item) == type_of(value) and item == value]
        gives("array_find", hits[0] if hits else None, data=data, value=value)
        gives("array_find", hits[-1] if hits else None, data=data, value=value, reverse=True)
        gives("array_contains", bool(hits), data=data, value=value)
    for value in (None, NAN):
        gives("array_find", None, data=[1, None, NAN], value=value)
        gives("array_contains", False, data=[1, None, NAN], value=value)
    gives("array_find", None, data=[[1], [2]], value=[1])
    gives("array_find", None, data=["2020-01-01T00:00:00Z"], value="2020-01-01T00:00:00+00:00")
    with_labels("array_find", 1, labeled([5, 6, 6], ["a", "b", "c"]), value=6)
    with_labels("array_contains", True, labeled([5, None], ["a", "b"]), value=5)
    with_labels("array_contains", False, labeled([5, None], ["a", "b"]), value="a")
    for name in ("array_find", "array_contains"):
        fails(name, MISSING, data=[1])
        fails(name, INVALID, data=1, value=1)
    gives("array_contains", False, data=[[1]], value=[1])
    fails("array_find", INVALID, data=[1], value=1, reverse="yes")
    labels = labeled([None, 2, 3], ["a", 1, "1"])
    for label, returns in [("a", 0), (1, 1), ("1", 2), ("b", None), (2, None), (1.0, 1)]:
        with_labels("array_find_label", encoded(returns), labels, label=label)
    gives("array_find_label", None, data=[1, 2], label=0)
    gives("array_find_label", None, data=[None], label="a")
    fails("array_find_label", MISSING, data=[1])
    gives("array_find_label", None, data=[1], label=None)
    fails("array_find_label", UNDECLARED, data=[1], label=1, reverse=True)


def type_of(item):
    return "number" if isinstance(item, (int, float)) and not isinstance(item, bool) else type(item)


def callbacks():
    double, above = callback("multiply", x=X, y=2), callback("gt", x=X, y=1)
    for data in ([1, 2, 3], [], [None, 1], [NAN, INF, -1.5]):
        vector("array_apply", {"data": encoded(data), "process": double}, encoded([None if v is None else 2 * v for v in data]))
        kept = [v for v in data if v is not None and v > 1]
        vector("array_filter", {"data": encoded(data), "condition": above}, encoded(kept))
    three = labeled([5, None, 7], ["a", "b", "c"])
    vector("array_apply", {"data": three, "process": double}, labeled([10, None, 14], ["a", "b", "c"]))
    vector("array_apply", {"data": [5, 6], "process": callback("add", x=X, y=parameter("index"))}, [5, 7])
    vector("array_apply", {"data": three, "process": callback("text_concat", data=[parameter("label"), parameter("index")])}, labeled(["a0", "b1", "c2"], ["a", "b", "c"]))
    vector("array_apply", {"data": [5, 6], "process": callback("add", x=X, y=parameter("context")), "context": 100}, [105, 106])
    vector("array_apply", {"data": encoded([1, None]), "process": callback("is_nodata", x=X)}, [False, True])
    vector("array_filter", {"data": three, "condition": callback("neq", x=parameter("label"), y="a")}, labeled([None, 7], ["b", "c"]))
    vector("array_filter", {"data": [5, 6, 7], "condition": callback("lt", x=parameter("index"), y=2)}, [5, 6])
    vector("array_filter", {"data": encoded(["a", None, 3]), "condition": callback("is_valid", x=X)}, ["a", 3])
    vector("array_filter", {"data": [1, 2], "condition": callback("gt", x=X, y=parameter("context")), "context": 1}, [2])
    for name, argument in [("array_apply", "process"), ("array_filter", "condition")]:
        fails(name, MISSING, data=[1])
        vector(name, {"data": 1, argument: double}, throws=INVALID)
        vector(name, {"data": [1], argument: double, "labels": []}, throws=UNDECLARED)
        vector(name, {"data": [1], argument: callback("no_such_process", x=X)}, throws="ProcessUnsupported")


def sorting():
    for data in ([3, 1, 2], [], [None, 5, None, -1], [0.5, INF, -INF, 2], [1, 1, None, 1]):
        for ascending in (True, False):
            for nodata in (None, True, False):
                known = [i for i, v in enumerate(data) if v is not None]
                lost = [i for i, v in enumerate(data) if v is None]
                known.sort(key=lambda i: data[i], reverse=not ascending)
                order = known if nodata is None else known + lost if nodata else lost + known
                gives("order", order, data=data, asc=ascending, nodata=nodata)
                gives("sort", [data[i] for i in order], data=data, asc=ascending, nodata=nodata)
    # As instants 00:30 in Paris is before midnight in Greenwich, as text it is not.
    dates = ["2020-01-02T00:00:00Z", "2020-01-02T00:30:00+01:00", "2020-01-01"]
    gives("order", [2, 1, 0], data=dates)
    gives("order", [0, 1, 2], data=dates, asc=False)
    vector("sort", {"data": dates}, [{"@": "datetime", "value": d} if "T" in d else d for d in dates[::-1]])
    for data, order in [([5, None, "c"], [2, 0, 1]), ([1, 2, 3], [1]), ([1, 2], []), ([], []), ([[1], [2]], [1, 0])]:
        gives("rearrange", [data[i] for i in order], data=data, order=order)
    fails("rearrange", MISSING, data=[1])
    fails("rearrange", INVALID, data=[1], order=[-1])
    fails("rearrange", INVALID, data=[1], order=[0.5])
    for name in ("order", "sort"):
        fails(name, MISSING)
        fails(name, INVALID, data="ba")
        fails(name, INVALID, data=[1], nodata="end")
        fails(name, UNDECLARED, data=[1], descending=True)


def running():
    functions = {"cumsum": lambda a, b: a + b, "cumproduct": lambda a, b: a * b, "cummin": min, "cummax": max}
    for name, function in functions.items():
        for data in ([1, 3, 2, 5], [2.5, -1, 4], [None, 2, None, 3], [7], []):
            known = list(itertools.accumulate((v for v in data if v is not None), function))
            running = iter(known)
            gives(name, [None if v is None else next(running) for v in data], data=data)
            first = data.index(None) if None in data else len(data)
            gives(name, known[:first] + [None] * (len(data) - first), data=data, ignore_nodata=False)
        gives(name, [1, NAN, NAN], data=[1, NAN, 2])
        gives(name, [None, None], data=[None, None])
        fails(name, MISSING)
        fails(name, INVALID, data=["a"])
        fails(name, INVALID, data=[1], ignore_nodata=0)


def interpolation():
    def filled(data, x=None):
        x = np.arange(len(data)) if x is None else np.asarray(x, dtype=float)
        y = np.array([np.nan if v is None else v for v in data], dtype=float)
        known = ~np.isnan(y)
        if known.sum() < 2:
            return data
        inner = np.interp(x, x[known], y[known])
        first, last = np.flatnonzero(known)[[0, -1]]
        return [float(inner[i]) if first <= i <= last else data[i] for i in range(len(data))]

    for data in ([1, None, 3], [None, 1, None, None, 10, None], [4, NAN, 8], [1, 2, 3], [None, 5, None], [], [None, None]):
        gives("array_interpolate_linear", filled(data), data=data)
    data, x = [1, None, None, 8], [0, 1, 5, 7]
    with_labels("array_interpolate_linear", labeled(filled(data, x), x), labeled(data, x))
    days = [instant(f"2020-01-0{day}T00:00:00Z") for day in (1, 2, 5)]
    with_labels("array_interpolate_linear", labeled(filled([0, None, 8], [0, 1, 4]), days), labeled([0, None, 8], days))
    fails("array_interpolate_linear", MISSING)
    fails("array_interpolate_linear", INVALID, data=["a", None, "b"])
    fails("array_interpolate_linear", INVALID, data=5)


building()
elements()
joining()
searching()
callbacks()
sorting()
running()
interpolation()
write(__file__)
