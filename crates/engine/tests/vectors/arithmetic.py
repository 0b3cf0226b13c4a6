"""Mathematics of single numbers: arithmetic, rounding, scaling, powers and constants, by Python's own floats."""

import math
from decimal import ROUND_HALF_EVEN, Decimal

from encoding import fails, gives, write

NAN, INF = math.nan, math.inf
UNDECLARED, MISSING, INVALID = "ProcessParameterUnsupported", "ProcessParameterRequired", "ProcessParameterInvalid"


def two_numbers(process_id, cases, names=("x", "y")):
    x, y = names
    for a, b, returns in cases:
        gives(process_id, returns, **{x: a, y: b})
    gives(process_id, None, **{x: None, y: 2})
    gives(process_id, None, **{x: 2, y: None})
    gives(process_id, None, **{x: None, y: None})
    fails(process_id, MISSING, **{x: 1})
    fails(process_id, INVALID, **{x: "1", y: 2})
    fails(process_id, UNDECLARED, **{x: 1, y: 2, "z": 3})


def arithmetic():
    large = 2**40 + 1
    two_numbers("add", [(1.1, 2.2, 1.1 + 2.2), (large, large, 2 * large), (INF, -INF, NAN), (NAN, None, None)])
    two_numbers("subtract", [(0.3, 0.1, 0.3 - 0.1), (-large, large, -2 * large), (INF, INF, NAN), (NAN, 1, NAN)])
    two_numbers("multiply", [(0.1, 3, 0.1 * 3), (2**30 + 1, 2**10, (2**30 + 1) * 2**10), (0, INF, NAN), (-2, INF, -INF)])
    two_numbers("divide", [(1, 3, 1 / 3), (-7, 2, -7 / 2), (5, 0, INF), (-5, 0, -INF), (0, 0, NAN), (1, INF, 0)])
    floored = [(a, b, math.fmod(a, b) + (b if math.fmod(a, b) and (a < 0) != (b < 0) else 0)) for a, b in
               [(7, 3), (-7, 3), (7, -3), (-7, -3), (5.5, 2), (-5.5, 2), (6, 3)]]
    two_numbers("mod", [*floored, (INF, 3, NAN), (2, INF, 2), (NAN, 3, NAN)])
    powers = [(a, b, a**b) for a, b in [(2, 10), (-2, 3), (2, 0.5), (9, -0.5), (0, 0), (1.5, 2.5)]]
    two_numbers("power", [*powers, (2, -2, 0.25), (NAN, 2, NAN), (0.5, INF, 0)], names=("base", "p"))
    pairs = [(3, 1), (0.25, 0.75), (-5, 2), (1, -3), (-0.5, -1.5)]
    differences = [(x, y, (x - y) / (x + y)) for x, y in pairs]
    for x, y, returns in [*differences, (0, 0, NAN), (2, -2, INF), (-3, 3, -INF)]:
        gives("normalized_difference", returns, x=x, y=y)
    gives("normalized_difference", None, x=None, y=2)
    fails("normalized_difference", INVALID, x=[1], y=2)
    fails("normalized_difference", MISSING, y=2)


def one_number(process_id, cases, name="x"):
    for x, returns in cases:
        gives(process_id, returns, **{name: x})
    gives(process_id, None, **{name: None})
    fails(process_id, MISSING)
    fails(process_id, INVALID, **{name: "text"})
    fails(process_id, INVALID, **{name: [1, 2]})
    fails(process_id, UNDECLARED, **{name: 1, "unit": 3})


def rounding():
    numbers = [-2.5, -1.5, -0.2, 0, 0.7, 3, 2.0001, 1e15 + 0.5]
    one_number("floor", [(x, math.floor(x)) for x in numbers] + [(NAN, NAN), (-INF, -INF)])
    one_number("ceil", [(x, math.ceil(x)) for x in numbers] + [(NAN, NAN), (INF, INF)])
    one_number("int", [(x, math.trunc(x)) for x in numbers] + [(2**53 + 1, 2**53 + 1)])
    one_number("absolute", [(x, abs(x)) for x in numbers] + [(NAN, NAN), (-INF, INF), (-(2**40), 2**40)])
    one_number("sgn", [(x, (x > 0) - (x < 0)) for x in numbers] + [(NAN, NAN), (-INF, -1)])
    for x, p in [(1.25, 1), (1.35, 1), (2.5, 0), (3.5, 0), (-0.5, 0), (1250, -2), (1350, -2), (123.456, 2), (15, -1), (-25, -1)]:
        returns = Decimal(str(x)).quantize(Decimal(1).scaleb(-p), ROUND_HALF_EVEN)
        gives("round", float(returns), x=x, p=p)
    gives("round", 4, x=3.7)
    gives("round", NAN, x=NAN, p=1)
    gives("round", INF, x=INF, p=-1)
    gives("round", None, x=None, p=2)
    fails("round", INVALID, x=1.5, p=0.5)
    fails("round", INVALID, x="1.5")
    fails("round", MISSING, p=1)


def scaling():
    for x, low, high in [(5, 0, 3), (-1, 0, 3), (2, 0, 3), (2.5, 2.5, 2.5), (1, -INF, 0.5), (INF, 0, 1)]:
        gives("clip", min(max(x, low), high), x=x, min=low, max=high)
    gives("clip", NAN, x=NAN, min=0, max=1)
    gives("clip", None, x=None, min=0, max=1)
    fails("clip", "MinMaxSwapped", x=1, min=2, max=1)
    fails("clip", MISSING, x=1, min=2)
    fails("clip", INVALID, x=True, min=0, max=1)

    def scaled(x, a, b, c, d):
        inside = min(max(x, min(a, b)), max(a, b))
        return (inside - a) / (b - a) * (d - c) + c

    for given in [(5, 0, 10, 0, 255), (-3, 0, 10, 0, 255), (99, 0, 10, 1, 2), (2, 0, 4, 10, -10), (3, 4, 0, 0, 1), (0.1, -1, 1, -5, 5)]:
        names = ("x", "inputMin", "inputMax", "outputMin", "outputMax")
        gives("linear_scale_range", scaled(*given), **dict(zip(names, given)))
    gives("linear_scale_range", 0.25, x=1, inputMin=0, inputMax=4)
    gives("linear_scale_range", None, x=None, inputMin=0, inputMax=4)
    gives("linear_scale_range", NAN, x=NAN, inputMin=0, inputMax=4)
    fails("linear_scale_range", MISSING, x=1, inputMin=0)
    fails("linear_scale_range", INVALID, x=1, inputMin=0, inputMax="4")


def exponentials():
    one_number("exp", [(p, math.exp(p)) for p in (0, 1, -1, 0.5, 20, -700)] + [(1000, INF), (-INF, 0), (NAN, NAN)], name="p")
    one_number("ln", [(x, math.log(x)) for x in (1, math.e, 0.5, 1e300)] + [(0, -INF), (-1, NAN), (INF, INF), (NAN, NAN)])
    one_number("sqrt", [(x, math.sqrt(x)) for x in (0, 2, 0.25, 1e308)] + [(-1, NAN), (INF, INF), (NAN, NAN)])
    for x, base, returns in [(1000, 10, 3), (1024, 2, 10), (9, 3, 2), (0.001, 10, -3), (0.125, 2, -3), (7, 5, math.log(7) / math.log(5))]:
        gives("log", returns, x=x, base=base)
    gives("log", -INF, x=0, base=10)
    gives("log", NAN, x=-1, base=10)
    gives("log", None, x=None, base=10)
    gives("log", None, x=10, base=None)
    fails("log", MISSING, x=10)
    fails("log", INVALID, x=10, base="e")


def constants():
    for process_id, value in [("pi", math.pi), ("e", math.e), ("nan", NAN)]:
        gives(process_id, value)
        # There are no parameters: whatever is given is wrong, no-data as well.
        for name, given in [("x", 1), ("data", [1, None]), ("context", None), ("", 0)]:
            fails(process_id, UNDECLARED, **{name: given})
    for value in [0, -1.5, True, "text", "", [1, "a", None], [], None, NAN, -INF]:
        gives("constant", value, x=value)
    fails("constant", MISSING)
    fails("constant", UNDECLARED, x=1, y=2)


arithmetic()
rounding()
scaling()
exponentials()
constants()
write(__file__)
