"""Comparisons and tests of values. Expected values by Python's comparisons, or by the truth that the standard writes."""

import math
import operator

from encoding import fails, gives, labeled, vector, write

NAN, INF = math.nan, math.inf
MISSING, INVALID, UNDECLARED = "ProcessParameterRequired", "ProcessParameterInvalid", "ProcessParameterUnsupported"
NUMBERS = [(1, 2), (2, 1), (1, 1), (1, 1.0), (-0.5, -0.6), (0, -0.0), (INF, INF), (-INF, INF), (2**53 + 1, 2**53)]


def ordered():
    for name in ("gt", "gte", "lt", "lte"):
        of = getattr(operator, {"gt": "gt", "gte": "ge", "lt": "lt", "lte": "le"}[name])
        for x, y in NUMBERS:
            gives(name, of(x, y), x=x, y=y)
        for x, y in [(NAN, 1), (1, NAN), (NAN, NAN)]:
            gives(name, False, x=x, y=y)
        # Only numbers have an order: everything else is no number and compares false.
        for x, y in [("a", "b"), ("2020-01-01", "2019-01-01"), (1, "0"), (True, False), (True, 0), ([1], [0])]:
            gives(name, False, x=x, y=y)
        for x, y in [(None, 1), (1, None), (None, None)]:
            gives(name, None, x=x, y=y)
        fails(name, MISSING, x=1)
        fails(name, UNDECLARED, x=1, y=2, delta=1)


def equal():
    strict = [("1", 1, False), (True, 1, False), (False, 0, False), ("a", "a", True), ("a", "A", False), (True, True, True)]
    strict += [("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+00:00", False), ("", "", True), (NAN, NAN, False), (NAN, 1, False)]
    strict += [([1], [1], False), ([], [], False)]
    strict += [(x, y, x == y) for x, y in NUMBERS]
    near = [(1, 1.25, 0.25, True), (1, 1.25, 0.2, False), (-3, 3, 6, True), (-3, 3, 5.9, False), (1, 1, 0, True), ("a", "b", 9, False)]
    letters = [("Ä", "ä", True), ("straße", "STRASSE", True), ("a", "b", False), ("Σ", "ς", True)]
    for name, turned in (("eq", False), ("neq", True)):
        for x, y, same in strict:
            gives(name, same != turned, x=x, y=y)
        for x, y, delta, same in near:
            gives(name, same != turned, x=x, y=y, delta=delta)
        for x, y, same in letters:
            gives(name, same != turned, x=x, y=y, case_sensitive=False)
        for x, y in [(None, 1), ("a", None), (None, None)]:
            gives(name, None, x=x, y=y)
        fails(name, MISSING, y=1)
        fails(name, INVALID, x=1, y=1, delta="0.1")
        fails(name, INVALID, x="a", y="A", case_sensitive=1)


def between():
    for x in (-1, 0, 0.5, 1, 2, INF, -INF):
        gives("between", 0 <= x <= 1, x=x, min=0, max=1)
        gives("between", 0 <= x < 1, x=x, min=0, max=1, exclude_max=True)
    gives("between", False, x=0.5, min=1, max=0)
    gives("between", False, x=NAN, min=0, max=1)
    gives("between", True, x=1, min=1, max=1)
    gives("between", False, x=1, min=1, max=1, exclude_max=True)
    gives("between", None, x=None, min=0, max=1)
    gives("between", False, x="0.5", min=0, max=1)
    gives("between", False, x=[0.5], min=0, max=1)
    fails("between", MISSING, x=1, min=0)
    fails("between", INVALID, x=1, min=0, max=1, exclude_max="no")


def tests():
    table = [
        # value, nodata, valid, nan, infinite
        (1, False, True, False, False),
        (0.5, False, True, False, False),
        (True, False, True, False, False),
        ("NaN", False, True, False, False),
        ("", False, True, False, False),
        ([], False, True, False, False),
        ([1, None], False, True, False, False),
        (INF, False, False, False, True),
        (-INF, False, False, False, True),
        (NAN, False, False, True, False),
        (None, True, False, False, False),
    ]
    for i, name in enumerate(("is_nodata", "is_valid", "is_nan", "is_infinite")):
        for value, *told in table:
            gives(name, told[i], x=value)
        fails(name, MISSING)
        fails(name, UNDECLARED, x=1, y=1)
        vector(name, {"x": labeled([1, None], ["a", "b"])}, name == "is_valid")


def branches():
    for value, returns in [(True, "A"), (False, "B"), (None, "B")]:
        gives("if", returns, value=value, accept="A", reject="B")
    gives("if", None, value=False, accept="A")
    gives("if", None, value=True, accept=None, reject="B")
    gives("if", [1, None], value=True, accept=[1, None], reject=0)
    fails("if", MISSING, value=True, reject=1)
    # Nothing but `true` is true.
    gives("if", 0, value=1, accept=1, reject=0)
    gives("if", 0, value="true", accept=1, reject=0)
    fails("if", UNDECLARED, value=True, accept=1, otherwise=1)


# Three-valued logic: None is unknown.
def logic():
    truth = [True, False, None]

    def both(x, y):
        return False if x is False or y is False else None if x is None or y is None else True

    def either(x, y):
        return True if x is True or y is True else None if x is None or y is None else False

    def one(x, y):
        return None if x is None or y is None else x != y

    for name, of in [("and", both), ("or", either), ("xor", one)]:
        for x in truth:
            for y in truth:
                gives(name, of(x, y), x=x, y=y)
        fails(name, MISSING, x=True)
        fails(name, INVALID, x=1, y=True)
        fails(name, INVALID, x=True, y="false")
    for x, returns in [(True, False), (False, True), (None, None)]:
        gives("not", returns, x=x)
    fails("not", MISSING)
    fails("not", INVALID, x=0)
    fails("not", INVALID, x="true")
    fails("not", UNDECLARED, x=True, y=True)


ordered()
equal()
between()
tests()
branches()
logic()
write(__file__)
