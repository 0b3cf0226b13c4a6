"""Callbacks in callbacks: arrays, labels, contexts, filters, branches, as deep as they go.

Expected values come from the evaluator below, which walks through process graphs as the standard words them, one value
at a time. No-data is `None`; an array knows its labels.
"""

import itertools
import math

import numpy as np

from encoding import axis, bands, cube, labeled, times, vector, write


class Array:
    def __init__(self, values, labels=None):
        self.values, self.labels = list(values), None if labels is None else list(labels)

    def keep(self, indices):
        labels = None if self.labels is None else [self.labels[i] for i in indices]
        return Array([self.values[i] for i in indices], labels)


class Fault(Exception):
    """An error of a process, by its code."""


def p(name):
    return {"from_parameter": name}


def n(name):
    return {"from_node": name}


def graph(**nodes):
    """The last node is the result; `graph(a=("add", {...}))`."""
    out = {name: {"process_id": pid, "arguments": arguments} for name, (pid, arguments) in nodes.items()}
    out[list(nodes)[-1]]["result"] = True
    return {"process_graph": out}


def only(process_id, **arguments):
    return graph(only=(process_id, arguments))


def evaluate(callback, parameters):
    """The result of a graph; nodes are evaluated when they are needed."""
    nodes, done = callback["process_graph"], {}

    def node(name):
        if name not in done:
            done[name] = PROCESSES[nodes[name]["process_id"]](Arguments(nodes[name]["arguments"], resolve), parameters)
        return done[name]

    def resolve(value):
        if isinstance(value, dict) and "process_graph" in value:
            return value
        if isinstance(value, dict) and "from_parameter" in value:
            return parameters[value["from_parameter"]]
        if isinstance(value, dict) and "from_node" in value:
            return node(value["from_node"])
        if isinstance(value, list):
            return Array([resolve(item) for item in value])
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        return value

    return node(next(name for name, own in nodes.items() if own.get("result")))


class Arguments:
    """Arguments that are resolved when they are looked at."""

    def __init__(self, arguments, resolve):
        self.arguments, self.resolve = arguments, resolve

    def __call__(self, name, default=None):
        return self.resolve(self.arguments[name]) if name in self.arguments else default


def binary(f):
    def run(a, _):
        x, y = a("x"), a("y")
        return None if x is None or y is None else f(x, y)

    return run


def numeric(f):
    return binary(lambda x, y: f(x, y) if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (x, y)) else False)


def reduced(f):
    def run(a, _):
        data = [v for v in a("data").values]
        if not a("ignore_nodata", True) and None in data:
            return None
        data = [v for v in data if v is not None]
        return f(data) if data else None

    return run


def element(a, _):
    data, index, label = a("data"), a("index"), a("label")
    if label is not None:
        if data.labels is None:
            raise Fault("ArrayNotLabeled")
        index = data.labels.index(label) if label in data.labels else None
    elif index >= len(data.values):
        index = None
    if index is None:
        if a("return_nodata", False):
            return None
        raise Fault("ArrayElementNotAvailable")
    return data.values[index]


def each(a, name, parameters):
    """What a callback gives for every element; it sees the parameters of the graph that calls it."""
    data, callback = a("data"), a(name)
    labels = data.labels or [None] * len(data.values)
    for i, (x, label) in enumerate(zip(data.values, labels)):
        own = {**parameters, "x": x, "index": i, "label": label, "context": a("context")}
        yield evaluate(callback, own)


def applied(a, parameters):
    return Array(each(a, "process", parameters), a("data").labels)


def filtered(a, parameters):
    kept = [i for i, keep in enumerate(each(a, "condition", parameters)) if keep is True]
    return a("data").keep(kept)


def branch(a, _):
    return a("accept") if a("value") is True else a("reject")


def cumsum(a, _):
    out, total = [], 0
    for value in a("data").values:
        total += 0 if value is None else value
        out.append(None if value is None else total)
    return Array(out, a("data").labels)


def sort(a, _):
    values = sorted((v for v in a("data").values if v is not None), reverse=not a("asc", True))
    gone = [None] * (len(a("data").values) - len(values))
    return Array({None: values, True: values + gone, False: gone + values}[a("nodata")])


def count(a, parameters):
    condition = a("condition")
    if condition is True:
        return len(a("data").values)
    if condition is None:
        return sum(v is not None and math.isfinite(v) for v in a("data").values)
    truths = (evaluate(condition, {**parameters, "x": v, "context": a("context")}) for v in a("data").values)
    return sum(truth is True for truth in truths)


def conjunction(a, _):
    x, y = a("x"), a("y")
    return False if x is False or y is False else None if x is None or y is None else True


def median(data):
    data = sorted(data)
    k = len(data) // 2
    return data[k] if len(data) % 2 else (data[k - 1] + data[k]) / 2


def concat(a, _):
    return Array(a("array1").values + a("array2").values)


def find(a, _):
    value = a("value")
    return next((i for i, v in enumerate(a("data").values) if v is not None and v == value), None)


PROCESSES = {
    "add": binary(lambda x, y: x + y),
    "subtract": binary(lambda x, y: x - y),
    "multiply": binary(lambda x, y: x * y),
    "divide": binary(lambda x, y: x / y),
    "mod": binary(lambda x, y: x % y),
    "gt": numeric(lambda x, y: x > y),
    "lt": numeric(lambda x, y: x < y),
    "gte": numeric(lambda x, y: x >= y),
    "eq": binary(lambda x, y: type(x) in (int, float) and type(y) in (int, float) and x == y or type(x) is type(y) and x == y),
    "neq": binary(lambda x, y: not (x == y)),
    "not": lambda a, _: None if a("x") is None else not a("x"),
    "and": conjunction,
    "is_nodata": lambda a, _: a("x") is None,
    "is_valid": lambda a, _: a("x") is not None,
    "absolute": lambda a, _: None if a("x") is None else abs(a("x")),
    "if": branch,
    "mean": reduced(lambda d: sum(d) / len(d)),
    "sum": reduced(sum),
    "min": reduced(min),
    "max": reduced(max),
    "median": reduced(median),
    "first": lambda a, _: next((v for v in a("data").values if v is not None), None),
    "last": lambda a, _: next((v for v in reversed(a("data").values) if v is not None), None),
    "count": count,
    "array_element": element,
    "array_apply": applied,
    "array_filter": filtered,
    "array_create": lambda a, _: Array(a("data").values * a("repeat", 1)),
    "array_concat": concat,
    "array_labels": lambda a, _: Array(a("data").labels or range(len(a("data").values))),
    "array_find": find,
    "cumsum": cumsum,
    "sort": sort,
    "constant": lambda a, _: a("x"),
    "text_concat": lambda a, _: str(a("separator", "")).join(str(v) for v in a("data").values),
}

# The cube of all cases: four dates, three bands, three pixels; integers and halves with no-data.
DATES = ["2020-01-01T00:00:00Z", "2020-01-05T00:00:00Z", "2020-02-01T00:00:00Z", "2020-02-03T00:00:00Z"]
DIMS = {"t": times(*DATES), "bands": bands("red", "nir", "scl"), "x": axis(500005.0, 10.0, 3, "x")}
LABELS = {"t": DATES, "bands": ["red", "nir", "scl"], "x": [500005.0, 500015.0, 500025.0]}
rng = np.random.default_rng(11)
VALUES = (rng.integers(-8, 20, (4, 3, 3)) / 2).astype(object)
VALUES[1, 0, 1] = VALUES[0, 1, 1] = VALUES[2, 2, 0] = None
VALUES[:, 0, 2] = None


def encoded(values, dims):
    missing = np.array([v is None for v in values.ravel()], bool).reshape(values.shape)
    flat = np.array([0.0 if v is None else float(v) for v in values.ravel()]).reshape(values.shape)
    return cube(flat, dims, missing=missing, dtype="float64")


DATA = encoded(VALUES, DIMS)


def lanes(dimension):
    """The position of every lane and its array."""
    d = list(DIMS).index(dimension)
    shape = [m for i, m in enumerate(VALUES.shape) if i != d]
    for at in np.ndindex(*shape):
        where = list(at)
        where.insert(d, slice(None))
        yield at, where, Array(VALUES[tuple(where)], LABELS[dimension])


def encoded_callback(callback):
    return {"@": "process", **callback}


def attempt(process_id, arguments, f):
    try:
        vector(process_id, arguments, f())
    except Fault as fault:
        vector(process_id, arguments, throws=str(fault))


def reduce(dimension, callback, context=None):
    arguments = {"data": DATA, "dimension": dimension, "reducer": encoded_callback(callback)}
    if context is not None:
        arguments["context"] = context

    def f():
        dims = {k: v for k, v in DIMS.items() if k != dimension}
        out = np.full([len(LABELS[k]) for k in dims], None, object)
        for at, _, data in lanes(dimension):
            out[at] = evaluate(callback, {"data": data, "context": plain(context)})
        return encoded(out, dims)

    attempt("reduce_dimension", arguments, f)


def along(dimension, callback, context=None):
    """The callback gives as many values as it gets, or another number in every lane."""
    arguments = {"data": DATA, "dimension": dimension, "process": encoded_callback(callback)}
    if context is not None:
        arguments["context"] = context

    def f():
        made = [(where, evaluate(callback, {"data": data, "context": plain(context)})) for _, where, data in lanes(dimension)]
        made = [(where, v.values if isinstance(v, Array) else [v]) for where, v in made]
        length = len(made[0][1])
        assert all(len(v) == length for _, v in made)
        dims = dict(DIMS)
        if length != len(LABELS[dimension]):
            kept = {k: v for k, v in DIMS[dimension].items() if k not in ("labels", "reference_system")}
            dims[dimension] = {**kept, "labels": list(range(length))}
        out = np.full([len(d["labels"]) for d in dims.values()], None, object)
        for where, values in made:
            out[tuple(where)] = values
        return encoded(out, dims)

    attempt("apply_dimension", arguments, f)


def element_wise(callback, context=None):
    arguments = {"data": DATA, "process": encoded_callback(callback)}
    if context is not None:
        arguments["context"] = context
    out = [evaluate(callback, {"x": v, "context": plain(context)}) for v in VALUES.ravel()]
    vector("apply", arguments, encoded(np.array(out, object).reshape(VALUES.shape), DIMS))


def plain(value):
    return Array([plain(v) for v in value]) if isinstance(value, list) else value


data, x, index, label, context = p("data"), p("x"), p("index"), p("label"), p("context")

# Elements by index and by label, and what is missing.
reduce("bands", graph(r=("array_element", {"data": data, "label": "red"}), i=("array_element", {"data": data, "index": 1}), s=("subtract", {"x": n("i"), "y": n("r")})))
reduce("bands", only("array_element", data=data, label="swir"))
reduce("bands", only("array_element", data=data, label="swir", return_nodata=True))
reduce("bands", only("array_element", data=data, label=context), context="nir")
# A callback for each element, with its index and its label.
scaled = only("multiply", x=x, y=index)
reduce("t", graph(a=("array_apply", {"data": data, "process": scaled}), s=("sum", {"data": n("a")})))
by_label = graph(e=("eq", {"x": label, "y": "nir"}), i=("if", {"value": n("e"), "accept": x, "reject": 0}))
reduce("bands", graph(a=("array_apply", {"data": data, "process": by_label}), s=("sum", {"data": n("a")})))
along("t", only("array_apply", data=data, process=scaled))
along("bands", only("array_apply", data=data, process=by_label))
# Parameters of the callback around it.
centred = graph(m=("mean", {"data": data}), s=("subtract", {"x": x, "y": n("m")}))
along("t", only("array_apply", data=data, process=centred))
spread = graph(a=("array_apply", {"data": data, "process": centred}), b=("array_apply", {"data": n("a"), "process": only("absolute", x=x)}), s=("max", {"data": n("b")}))
reduce("t", spread)
reduce("bands", spread)
# Three deep: for each element the sum of what lies within one of it.
near = graph(d=("subtract", {"x": x, "y": p("context")}), a=("absolute", {"x": n("d")}), l=("lt", {"x": n("a"), "y": 1.5}))
inside = graph(f=("array_filter", {"data": data, "condition": near, "context": x}), s=("sum", {"data": n("f")}))
along("t", only("array_apply", data=data, process=inside))
reduce("t", graph(a=("array_apply", {"data": data, "process": inside}), m=("median", {"data": n("a")})))
# Filters of any length, then a reducer.
positive = only("gt", x=x, y=2)
for last in ("mean", "sum", "max", "count", "first", "last", "median"):
    reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), r=(last, {"data": n("f")})))
even = graph(m=("mod", {"x": index, "y": 2}), e=("eq", {"x": n("m"), "y": 0}))
reduce("t", graph(f=("array_filter", {"data": data, "condition": even}), r=("mean", {"data": n("f")})))
named = only("neq", x=label, y="scl")
reduce("bands", graph(f=("array_filter", {"data": data, "condition": named}), r=("sum", {"data": n("f")})))
reduce("bands", graph(f=("array_filter", {"data": data, "condition": named}), r=("array_element", {"data": n("f"), "label": "nir"})))
reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), r=("array_element", {"data": n("f"), "index": 0, "return_nodata": True})))
reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), r=("array_element", {"data": n("f"), "index": 3})))
reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), a=("array_apply", {"data": n("f"), "process": scaled}), r=("sum", {"data": n("a")})))
reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), s=("sort", {"data": n("f"), "asc": False}), r=("array_element", {"data": n("s"), "index": 1, "return_nodata": True})))
reduce("t", graph(f=("array_filter", {"data": data, "condition": positive}), c=("array_concat", {"array1": n("f"), "array2": [1, 2]}), r=("mean", {"data": n("c")})))
# A filter that knows the mean of all.
above = graph(m=("mean", {"data": data}), g=("gt", {"x": x, "y": n("m")}))
reduce("t", graph(f=("array_filter", {"data": data, "condition": above}), r=("count", {"data": n("f"), "condition": True})))
# Filters by index or label have a known length.
along("t", only("array_filter", data=data, condition=even))
along("bands", only("array_filter", data=data, condition=named))
# Every lane keeps the same number of values, though they are different ones.
along("bands", graph(s=("sort", {"data": data, "nodata": True}), f=("array_filter", {"data": n("s"), "condition": only("lt", x=index, y=2)})))
# Counting with a condition.
reduce("t", only("count", data=data, condition=positive))
reduce("t", only("count", data=data, condition=only("gt", x=x, y=context), context=4))
reduce("t", only("count", data=data, condition=only("is_nodata", x=x)))
# Contexts: of the process, of the callback, handed down.
element_wise(only("add", x=x, y=context), 2.5)
factor = graph(f=("array_element", {"data": context, "index": 1}), m=("multiply", {"x": x, "y": n("f")}))
element_wise(factor, [1, 3, 5])
along("t", only("array_apply", data=data, process=only("add", x=x, y=context), context=context), 10)
along("t", only("array_apply", data=data, process=factor, context=[0, 2]))
# Arrays of arrays of nodes and constants.
ends = graph(a=("min", {"data": data}), b=("max", {"data": data}), c=("array_create", {"data": [n("a"), 7, n("b")]}))
along("t", ends)
reduce("t", graph(**{k: (v["process_id"], v["arguments"]) for k, v in ends["process_graph"].items()}, m=("mean", {"data": n("c")})))
along("bands", graph(r=("array_element", {"data": data, "label": "red"}), a=("array_create", {"data": [n("r")], "repeat": 3})))
# Branches: the one that is not taken may fail.
safe = graph(
    c=("count", {"data": data, "condition": positive}),
    g=("gt", {"x": n("c"), "y": 0}),
    f=("array_filter", {"data": data, "condition": positive}),
    e=("array_element", {"data": n("f"), "index": 0}),
    i=("if", {"value": n("g"), "accept": n("e"), "reject": -1}),
)
reduce("t", safe)
element_wise(graph(v=("is_nodata", {"x": x}), g=("gt", {"x": x, "y": 3}), i=("if", {"value": n("g"), "accept": 1, "reject": n("x0")}), x0=("constant", {"x": 0}), r=("if", {"value": n("v"), "accept": -9, "reject": n("i")})))
reduce("t", graph(f=("first", {"data": data}), n=("is_nodata", {"x": n("f")}), i=("if", {"value": n("n"), "accept": -1, "reject": n("f")})))
# An array made in a branch.
choice = graph(c=("count", {"data": data}), g=("gt", {"x": n("c"), "y": 2}), i=("if", {"value": n("g"), "accept": data, "reject": [1, 2, 3, 4]}), s=("cumsum", {"data": n("i")}))
along("t", choice)
reduce("t", graph(**{k: (v["process_id"], v["arguments"]) for k, v in choice["process_graph"].items()}, l=("last", {"data": n("s")})))
# Labels as values.
reduce("bands", graph(l=("array_labels", {"data": data}), f=("array_find", {"data": n("l"), "value": "nir"}), e=("array_element", {"data": data, "index": n("f")})))
reduce("x", graph(l=("array_labels", {"data": data}), m=("max", {"data": n("l")})))
# The place of the largest value.
reduce("t", graph(m=("max", {"data": data}), f=("array_find", {"data": data, "value": n("m")})))

# Plain arrays.
ARRAY = [1, None, 3, 4.5]


def listed(value):
    return labeled(value.values, value.labels) if value.labels else [{"@": "nodata"} if v is None else v for v in value.values]


def array(process_id, name, callback, values, labels=None, context=None):
    given = Array(values, labels)
    arguments = {"data": listed(given), name: encoded_callback(callback)}
    if context is not None:
        arguments["context"] = context
    call = {"process_graph": {"only": {"process_id": process_id, "result": True, "arguments": {"data": data, name: callback, "context": p("context")}}}}
    attempt(process_id, arguments, lambda: listed(evaluate(call, {"data": given, "context": plain(context)})))


array("array_apply", "process", only("add", x=x, y=index), ARRAY)
array("array_apply", "process", only("text_concat", data=[label, x], separator="="), [1, 2], ["a", "b"])
array("array_apply", "process", graph(a=("array_apply", {"data": context, "process": only("multiply", x=x, y=context), "context": x}), s=("sum", {"data": n("a")})), ARRAY, context=[1, 2])
array("array_filter", "condition", graph(a=("gt", {"x": x, "y": 0}), b=("gt", {"x": index, "y": 1}), c=("and", {"x": n("a"), "y": n("b")})), ARRAY, ["a", "b", "c", "d"])
array("array_filter", "condition", only("is_nodata", x=x), ARRAY)

write(__file__)
