"""Angles and hyperbolas, by Python's `math`."""

import math

from encoding import fails, gives, write

NAN, INF = math.nan, math.inf


def one(process_id, function, numbers, special):
    for x in numbers:
        gives(process_id, function(x), x=x)
    for x, returns in special:
        gives(process_id, returns, x=x)
    gives(process_id, NAN, x=NAN)
    gives(process_id, None, x=None)
    fails(process_id, "ProcessParameterRequired")
    fails(process_id, "ProcessParameterInvalid", x="0.5")
    fails(process_id, "ProcessParameterInvalid", x=False)
    fails(process_id, "ProcessParameterUnsupported", x=0.5, y=1)


ANGLES = [0, 0.5, -1, math.pi / 3, 100]
one("cos", math.cos, ANGLES, [(INF, NAN), (-INF, NAN)])
one("sin", math.sin, ANGLES, [(INF, NAN), (-INF, NAN)])
one("tan", math.tan, ANGLES, [(INF, NAN), (-INF, NAN)])
one("cosh", math.cosh, ANGLES, [(INF, INF), (-INF, INF), (1000, INF)])
one("sinh", math.sinh, ANGLES, [(INF, INF), (-INF, -INF), (-1000, -INF)])
one("tanh", math.tanh, ANGLES, [(INF, 1), (-INF, -1), (1000, 1)])
one("arccos", math.acos, [0, 1, -1, 0.25], [(1.5, NAN), (-INF, NAN)])
one("arcsin", math.asin, [0, 1, -1, 0.25], [(-1.5, NAN), (INF, NAN)])
one("arctan", math.atan, ANGLES, [(INF, math.pi / 2), (-INF, -math.pi / 2)])
one("arcosh", math.acosh, [1, 1.5, 1e10], [(0.5, NAN), (-2, NAN), (INF, INF), (-INF, NAN)])
one("arsinh", math.asinh, ANGLES + [-1e10], [(INF, INF), (-INF, -INF)])
one("artanh", math.atanh, [0, 0.5, -0.999], [(1, INF), (-1, -INF), (1.5, NAN), (INF, NAN)])

for y in (0, 1, -1, 2.5, INF, -INF):
    for x in (1, -1, 0.5, INF, -INF):
        gives("arctan2", math.atan2(y, x), y=y, x=x)
gives("arctan2", NAN, y=NAN, x=1)
gives("arctan2", None, y=None, x=1)
gives("arctan2", None, y=1, x=None)
fails("arctan2", "ProcessParameterRequired", y=1)
fails("arctan2", "ProcessParameterInvalid", y="1", x=1)
fails("arctan2", "ProcessParameterUnsupported", y=1, x=1, z=1)
write(__file__)
