"""Optical imagery: `cloud_detection` by the decision tree of Hollstein et al. (2016), figure 8, over whole arrays."""

import numpy as np

from encoding import NODATA, axis, bands, cube, vector, write

NAMES = ["B01", "B02", "B03", "B05", "B06", "B07", "B8A", "B09", "B10", "B11"]
INVALID = "ProcessParameterInvalid"


def masks(image):
    """Cloud and shadow of bands in the order of `NAMES`."""
    b = dict(zip(NAMES, image))
    with np.errstate(divide="ignore", invalid="ignore"):
        bright = b["B03"] >= 0.319
        dark = ~bright & (b["B8A"] < 0.166)
        land = ~bright & ~dark
        low = b["B03"] - b["B07"] < 0.027
        moist = b["B09"] - b["B11"]
        shadow = dark & np.where(low, moist >= -0.097, moist >= 0.021)
        cirrus = land & (b["B02"] / b["B10"] < 14.689) & (b["B02"] / b["B09"] >= 0.788)
        frozen = b["B05"] / b["B11"] >= 4.33
        thin = b["B11"] - b["B10"] < 0.255
        cirrus |= bright & ~frozen & thin & (b["B06"] - b["B07"] >= -0.016)
        cloud = bright & ~frozen & np.where(thin, b["B06"] - b["B07"] < -0.016, b["B01"] >= 0.3)
        shadow |= bright & frozen & (b["B03"] < 0.525) & (b["B01"] / b["B05"] >= 1.184)
    return np.stack([cloud | cirrus, shadow]).astype(int)


def dims(first, n):
    return {"bands": first, "x": axis(500005.0, 10.0, n, "x")}


def case(image, names=NAMES, missing=None, order=None, **more):
    n = image.shape[1]
    order = list(range(len(NAMES))) if order is None else order
    gone = None if missing is None else missing[order]
    data = cube(image[order], dims(bands(*[names[i] for i in order]), n), missing=gone, **more)

    expected = masks(image)
    lost = None if missing is None else np.broadcast_to(missing.any(axis=0), expected.shape)
    returns = cube(expected, dims(bands("cloud", "shadow"), n), missing=lost)
    vector("cloud_detection", {"data": data, "method": NODATA}, returns)


rng = np.random.default_rng(2016)
# Every leaf of the tree is reached by some of them.
image = np.round(rng.uniform(0.0, 0.7, (10, 400)), 3)
image[9, ::3] = np.round(image[9, ::3] / 8, 3)
image[8] = np.round(image[8] / 30, 4)
some = image[:, :40]
leaves = masks(image)
assert leaves[0].any() and leaves[1].any() and not leaves.all(axis=0).any()
case(image)
case(some)
case(some, names=[name.replace("B0", "B") for name in NAMES])
case(some, order=list(reversed(range(10))))
case(some, missing=rng.uniform(size=some.shape) < 0.03)
# The thresholds themselves: not below.
edges = np.tile(np.array([[0.3, 0.2, 0.319, 0.4, 0.4, 0.4, 0.4, 0.3, 0.001, 0.5]]).T, 3)
edges[2, 1], edges[6, 1] = 0.3, 0.166
edges[0, 2], edges[2, 2] = 0.29, 0.4
case(edges)
# A band of zeros: ratios are infinite, which is not below anything.
case(np.vstack([some[:8], np.zeros((1, 40)), some[9:]]))

one = cube(some, dims(bands(*NAMES), 40))
fewer = cube(some[:4], dims(bands(*NAMES[:4]), 40))
integers = cube(np.arange(10).reshape(10, 1), dims(bands(*NAMES), 1), dtype="uint16")
call = {"data": one, "method": NODATA}
vector("cloud_detection", call | {"data": fewer}, throws=INVALID)
vector("cloud_detection", call | {"data": integers}, throws=INVALID)
vector("cloud_detection", call | {"method": "Fmask"}, throws=INVALID)
vector("cloud_detection", call | {"options": {"threshold": 1}}, throws=INVALID)
vector("cloud_detection", {"data": one}, throws="ProcessParameterRequired")
bandless = cube(some[0], {"x": axis(500005.0, 10.0, 40, "x")})
vector("cloud_detection", call | {"data": bandless}, throws=INVALID)

write(__file__)
