"""Arrays to one value: numpy's statistics, Python's own sums, and the truth tables of the standard."""

import math

import numpy as np

from encoding import callback, encoded, fails, gives, labeled, parameter, vector, write

NAN, INF = math.nan, math.inf
MISSING, INVALID, UNDECLARED = "ProcessParameterRequired", "ProcessParameterInvalid", "ProcessParameterUnsupported"
ARRAYS = [[3, 1, 2], [0.1, 0.2, 0.3, 0.4], [-5, 2.5, 1e6, 0, 7], [4], [1, 1, 1], [2**40, 2**40 + 2]]


def refused(process_id, **more):
    fails(process_id, MISSING, **more)
    fails(process_id, INVALID, data=1, **more)
    fails(process_id, INVALID, data=["a", "b"], **more)
    fails(process_id, UNDECLARED, data=[1, 2], axis=0, **more)


def statistics():
    single = {"sd": NAN, "variance": NAN}
    functions = {
        "min": min,
        "max": max,
        "sum": lambda data: math.fsum(data) if any(isinstance(v, float) for v in data) else sum(data),
        "product": math.prod,
        "mean": lambda data: math.fsum(data) / len(data),
        "median": lambda data: float(np.median(data)),
        "sd": lambda data: float(np.std(data, ddof=1)),
        "variance": lambda data: float(np.var(data, ddof=1)),
    }
    for name, function in functions.items():
        for data in ARRAYS:
            returns = single[name] if len(data) == 1 and name in single else function(data)
            gives(name, returns, data=data)
            gives(name, returns, data=[None, *data, None])
            gives(name, None, data=[*data, None], ignore_nodata=False)
            gives(name, returns, data=data, ignore_nodata=False)
        gives(name, None, data=[])
        gives(name, None, data=[None, None])
        gives(name, NAN, data=[1, NAN, 3])
        gives(name, NAN, data=[1, NAN, None, 3])
        vector(name, {"data": labeled([3, None, 1, 2], ["a", "b", "c", "d"])}, encoded(function([3, 1, 2])))
        refused(name)
    for name, returns in [("min", -INF), ("max", INF), ("sum", NAN), ("mean", NAN), ("product", -INF), ("variance", NAN), ("sd", NAN)]:
        gives(name, returns, data=[2, -INF, INF])
    gives("median", 2, data=[2, -INF, INF])


def pairs():
    for data in ARRAYS:
        gives("extrema", [min(data), max(data)], data=data)
        gives("extrema", [min(data), max(data)], data=[None, *data])
        gives("extrema", [None, None], data=[None, *data], ignore_nodata=False)
    gives("extrema", [None, None], data=[])
    gives("extrema", [NAN, NAN], data=[1, NAN])
    refused("extrema")


def quantiles():
    for data in ARRAYS:
        for probabilities in ([0.25, 0.5, 0.75], [0, 1], [0.1], [0.333, 0.999]):
            returns = [float(v) for v in np.quantile(data, probabilities, method="linear")]
            gives("quantiles", returns, data=data, probabilities=probabilities, within=1e-9)
            gives("quantiles", returns, data=[*data, None], probabilities=probabilities, within=1e-9)
        for q in (2, 4, 10):
            returns = [float(v) for v in np.quantile(data, [i / q for i in range(1, q)], method="linear")]
            gives("quantiles", returns, data=data, probabilities=q, within=1e-9)
            gives("quantiles", returns, data=data, q=q, within=1e-9)
    gives("quantiles", [None, None], data=[1, None], probabilities=[0.1, 0.2], ignore_nodata=False)
    gives("quantiles", [None, None, None], data=[], probabilities=4)
    gives("quantiles", [None], data=[None], probabilities=[0.5])
    gives("quantiles", [NAN, NAN], data=[1, NAN, 2], probabilities=[0.1, 0.2])
    gives("quantiles", [-INF, INF], data=[-INF, 1, INF], probabilities=[0, 1])
    fails("quantiles", "QuantilesParameterMissing", data=[1, 2])
    fails("quantiles", "QuantilesParameterConflict", data=[1, 2], q=2, probabilities=[0.5])
    fails("quantiles", "AscendingProbabilitiesRequired", data=[1, 2], probabilities=[0.5, 0.1])
    fails("quantiles", INVALID, data=[1, 2], probabilities=[0.5, 1.1])
    fails("quantiles", INVALID, data=[1, 2], probabilities=1)
    fails("quantiles", INVALID, data=[1, 2], q=1)


def ends():
    for data in ([1, 2, 3], [None, "a", 2, None], [True, None], [NAN, 1, NAN], [[1], [2]], ["x"], [None, None], []):
        kept = [item for item in data if item is not None]
        gives("first", kept[0] if kept else None, data=data)
        gives("last", kept[-1] if kept else None, data=data)
        gives("first", data[0] if data else None, data=data, ignore_nodata=False)
        gives("last", data[-1] if data else None, data=data, ignore_nodata=False)
    for name in ("first", "last"):
        fails(name, MISSING)
        fails(name, INVALID, data="abc")
        fails(name, INVALID, data=[1], ignore_nodata="no")


def truths():
    for data in ([], [True], [False], [None], [True, False], [True, None], [False, None], [True, False, None], [None, None]):
        for ignore in (True, False):
            known = [item for item in data if item is not None]
            unknown = None if len(known) < len(data) and not ignore else ...
            every = False if False in known else True if unknown is ... else None
            some = True if True in known else False if unknown is ... else None
            gives("all", every, data=data, ignore_nodata=ignore)
            gives("any", some, data=data, ignore_nodata=ignore)
    for name in ("all", "any"):
        refused(name)
        fails(name, INVALID, data=[1, 0])


def counting():
    for data in ([], [1, 2, None], [None], [0, False, "", None], [NAN, INF, -INF, 1], [[1], [None], None]):
        valid = [v for v in data if v is not None and not (isinstance(v, float) and not math.isfinite(v))]
        gives("count", len(valid), data=data)
        gives("count", len(data), data=data, condition=True)
    above = callback("gt", x=parameter("x"), y=2)
    vector("count", {"data": encoded([1, 2, 3, 4, None, NAN]), "condition": above}, 2)
    within = callback("lt", x=parameter("x"), y=parameter("context"))
    vector("count", {"data": encoded([1, 2, 3, None]), "condition": within, "context": 3}, 2)
    lost = callback("is_nodata", x=parameter("x"))
    vector("count", {"data": labeled([1, None, None], ["a", "b", "c"]), "condition": lost}, 2)
    fails("count", MISSING)
    fails("count", INVALID, data=[1], condition=False)
    fails("count", INVALID, data=1)


statistics()
pairs()
quantiles()
ends()
truths()
counting()
write(__file__)
