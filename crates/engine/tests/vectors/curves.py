"""Curves: `fit_curve`, `predict_curve`. Values by scipy.optimize.curve_fit and numpy."""

import numpy as np
from scipy.optimize import curve_fit

from encoding import NODATA, axis, cube, instant, labeled, number, parameter, times, vector, write

WRONG = "ProcessParameterInvalid"
YEAR = 31557600.0


def graph(**nodes):
    """A callback; the last node is its result."""
    nodes = {name: {"process_id": p, "arguments": a} for name, (p, a) in nodes.items()}
    nodes[list(nodes)[-1]]["result"] = True
    return {"@": "process", "process_graph": nodes}


def node(name):
    return {"from_node": name}


def element(index):
    return ("array_element", {"data": parameter("parameters"), "index": index})


LINE = graph(
    a=element(0),
    b=element(1),
    bx=("multiply", {"x": node("b"), "y": parameter("x")}),
    y=("add", {"x": node("a"), "y": node("bx")}),
)
DECAY = graph(
    a=element(0),
    b=element(1),
    c=element(2),
    bx=("multiply", {"x": node("b"), "y": parameter("x")}),
    e=("exp", {"p": node("bx")}),
    ae=("multiply", {"x": node("a"), "y": node("e")}),
    y=("add", {"x": node("ae"), "y": node("c")}),
)
SEASON = graph(
    a=element(0),
    b=element(1),
    c=element(2),
    phase=("multiply", {"x": 2 * np.pi / YEAR, "y": parameter("x")}),
    cos=("cos", {"x": node("phase")}),
    sin=("sin", {"x": node("phase")}),
    bc=("multiply", {"x": node("b"), "y": node("cos")}),
    cs=("multiply", {"x": node("c"), "y": node("sin")}),
    ab=("add", {"x": node("a"), "y": node("bc")}),
    y=("add", {"x": node("ab"), "y": node("cs")}),
)


def line(x, a, b):
    return a + b * x


def decay(x, a, b, c):
    return a * np.exp(b * x) + c


def season(x, a, b, c):
    return a + b * np.cos(2 * np.pi / YEAR * x) + c * np.sin(2 * np.pi / YEAR * x)


def best(function, x, y, start):
    tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "maxfev": 10000}
    return [float(p) for p in curve_fit(function, x, y, start, **tight)[0]]


def seconds(*texts):
    return np.array([np.datetime64(text[:19].rstrip("Z"), "s").astype(float) for text in texts])


DAYS = [f"2020-{m:02}-{d:02}T00:00:00Z" for m in range(1, 13) for d in (3, 17)]


def fit():
    def call(y, labels, start, function, **other):
        return {"data": labeled(y, labels), "parameters": start, "function": function, **other}

    x = [0.0, 1.0, 2.5, 4.0, 7.0, 9.0]
    y = [1.0, 3.2, 5.9, 9.1, 14.8, 19.3]
    vector("fit_curve", call(y, x, [1, 1], LINE), best(line, np.array(x), y, [1, 1]), delta=1e-7)
    y = [5.1, 3.9, 2.9, 2.15, 1.4, 1.22]
    found = best(decay, np.array(x), y, [4, -0.3, 1])
    vector("fit_curve", call(y, x, [4, -0.3, 1], DECAY), found, delta=1e-6)
    # Instants are seconds since 1970.
    noise = np.sin(np.arange(24) * 2.3) / 10
    y = [float(v) for v in season(seconds(*DAYS), 0.4, -0.2, 0.1) + noise]
    found = best(season, seconds(*DAYS), y, [1, 1, 1])
    labels = [instant(day) for day in DAYS]
    vector("fit_curve", call(y, labels, [1, 1, 1], SEASON), found, delta=1e-6)
    # No-data is passed over, or makes all of it no-data.
    gaps = [None if k % 5 == 0 else v for k, v in enumerate(y)]
    there = [k for k, v in enumerate(gaps) if v is not None]
    found = best(season, seconds(*DAYS)[there], [y[k] for k in there], [1, 1, 1])
    vector("fit_curve", call(gaps, labels, [1, 1, 1], SEASON), found, delta=1e-6)
    vector("fit_curve", call(gaps, labels, [1, 1, 1], SEASON, ignore_nodata=False), [NODATA] * 3)
    # Too few values; as many as parameters; NaN is a value.
    vector("fit_curve", call([1.0, None], [0, 1], [1, 1], LINE), [NODATA] * 2)
    vector("fit_curve", call([1.0, 3.0], [0, 2], [7, 7], LINE), [1.0, 1.0], delta=1e-9)
    nan = number(float("nan"))
    vector("fit_curve", call([1.0, float("nan"), 3.0], [0, 1, 2], [1, 1], LINE), [nan, nan])
    # Labels and values that are whole numbers.
    vector("fit_curve", call([1, 3, 5, 7], [0, 1, 2, 3], [0, 0], LINE), [1.0, 2.0], delta=1e-9)

    arguments = {"data": [1.0, 2, 3], "parameters": [1, 1], "function": LINE}
    vector("fit_curve", arguments, throws=WRONG)
    vector("fit_curve", call([1.0, 2, 3], ["a", "b", "c"], [1, 1], LINE), throws=WRONG)
    vector("fit_curve", call([1.0, 2, 3], [0, 1, 2], [], LINE), throws=WRONG)
    vector("fit_curve", call([1.0, 2, 3], [0, 1, 2], ["a"], LINE), throws=WRONG)

    # Along a dimension: every pixel by itself.
    rows = np.array([season(seconds(*DAYS), 0.4 + k, -0.2 * k, 0.1) + np.cos(np.arange(24) * k) / 8 for k in range(3)])
    missing = np.zeros((3, 24), dtype=bool)
    missing[1, 3:9] = True
    missing[2, 2:] = True
    cells = axis(500005.0, 10.0, 3, "x")
    data = cube(rows, {"x": cells, "t": times(*DAYS)}, missing=missing)
    found = np.zeros((3, 3))
    for k in range(2):
        own = ~missing[k]
        found[k] = best(season, seconds(*DAYS)[own], rows[k][own], [1, 1, 1])
    lost = np.array([[False] * 3, [False] * 3, [True] * 3])
    fitted = cube(found, {"x": cells, "t": {"type": "temporal", "labels": [0, 1, 2]}}, missing=lost)
    process = graph(
        fit=("fit_curve", {"data": parameter("data"), "parameters": [1, 1, 1], "function": {"process_graph": SEASON["process_graph"]}})
    )
    vector("apply_dimension", {"data": data, "dimension": "t", "process": process}, fitted, delta=1e-6)


def predict():
    def call(data, function, dimension, labels):
        return {"parameters": data, "function": function, "dimension": dimension, "labels": labels}

    cells = axis(500005.0, 10.0, 2, "x")
    parameters = np.array([[0.4, 0.5], [-0.2, 0.3], [0.1, -0.7]])
    data = cube(parameters, {"t": {"type": "temporal", "labels": [0, 1, 2]}, "x": cells})
    wanted = ["2020-06-01", "2019-01-15T12:00:00Z", "2021-12-31"]
    found = np.array([season(s, *parameters) for s in seconds(*wanted)])
    vector("predict_curve", call(data, SEASON, "t", wanted), cube(found, {"t": times(*wanted), "x": cells}), delta=1e-9)
    numbers = cube(parameters[:2].T, {"x": cells, "p": {"type": "other", "labels": [0, 1]}})
    expected = np.array([[line(x, *parameters[:2, k]) for x in (1, 2.5, -3, 0)] for k in range(2)])
    own = {"x": cells, "p": {"type": "other", "labels": [1, 2.5, -3, 0]}}
    vector("predict_curve", call(numbers, LINE, "p", [1, 2.5, -3, 0]), cube(expected, own))
    one = cube(expected[:, :1], {"x": cells, "p": {"type": "other", "labels": [1]}})
    vector("predict_curve", call(numbers, LINE, "p", [1]), one)
    # Parameters that are no-data have no predictions.
    missing = np.array([[False, True], [False, False]])
    holed = cube(parameters[:2].T, numbers["dimensions"], missing=missing)
    lost = np.array([[True] * 4, [False] * 4])
    vector("predict_curve", call(holed, LINE, "p", [1, 2.5, -3, 0]), cube(expected, own, missing=lost))

    vector("predict_curve", call(numbers, LINE, "q", [1]), throws="DimensionNotAvailable")
    vector("predict_curve", call(numbers, LINE, "p", ["a"]), throws=WRONG)
    vector("predict_curve", call(numbers, LINE, "p", [1, 1]), throws=WRONG)
    vector("predict_curve", call(numbers, LINE, "p", None), throws="FeatureUnsupported")
    vector("predict_curve", call(numbers, SEASON, "p", [1]), throws="ArrayElementNotAvailable")


fit()
predict()
write(__file__)
