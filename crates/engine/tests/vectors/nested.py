"""`apply_neighborhood`, `apply_polygon` and `merge_cubes`: loops over windows, polygons and labels in numpy.

Without data is `None` in cubes of objects here, so that a loop says plainly what becomes of it.
"""

import itertools

import numpy as np

from encoding import CRS, axis, bands, callback, cube, parameter, reducer, times, vector, write


def encoded(values, dims, **more):
    missing = np.array([v is None for v in values.ravel()], bool).reshape(values.shape)
    plain = np.where(missing, 0, values).astype(float)
    return cube(plain, dims, missing=missing, dtype="float64", **more)


def taken(values, ranges):
    """A box of a cube, which may reach beyond it."""
    out = np.full([len(r) for r in ranges], None, object)
    for at in itertools.product(*[range(len(r)) for r in ranges]):
        source = [r[i] for r, i in zip(ranges, at)]
        if all(0 <= s < n for s, n in zip(source, values.shape)):
            out[at] = values[tuple(source)]
    return out


def neighborhood(values, size, overlap, f):
    """Windows of `size` labels (`None`: all), seen with `overlap` labels more on either side."""
    out = np.full(values.shape, None, object)
    size = [n if s is None else s for s, n in zip(size, values.shape)]
    for first in itertools.product(*[range(0, n, s) for s, n in zip(size, values.shape)]):
        core = [range(a, min(a + s, n)) for a, s, n in zip(first, size, values.shape)]
        seen = [range(r.start - o, r.stop + o) for r, o in zip(core, overlap)]
        made = f(taken(values, seen))
        inner = tuple(slice(o, o + len(r)) for r, o in zip(core, overlap))
        out[tuple(slice(r.start, r.stop) for r in core)] = made[inner]
    return out


def ring_sum(window):
    """The sum of the three pixels around each one along x, what is missing counts as 0."""
    out = np.full(window.shape, None, object)
    for at in np.ndindex(window.shape):
        total = 0.0
        for step in (-1, 0, 1):
            x = at[-1] + step
            value = window[(*at[:-1], x)] if 0 <= x < window.shape[-1] else 0.0
            total += 0.0 if value is None else value
        out[at] = total
    return out


def minus_mean(axes):
    def f(window):
        out = np.full(window.shape, None, object)
        kept = [d for d in range(window.ndim) if d not in axes]
        for at in np.ndindex(*[window.shape[d] for d in kept]):
            where = [slice(None)] * window.ndim
            for d, i in zip(kept, at):
                where[d] = i
            some = [v for v in window[tuple(where)].ravel() if v is not None]
            for rest in np.ndindex(*[window.shape[d] for d in axes]):
                full = list(where)
                for d, i in zip(axes, rest):
                    full[d] = i
                value = window[tuple(full)]
                out[tuple(full)] = None if value is None else value - sum(some) / len(some)
        return out

    return f


def graph(**nodes):
    nodes[list(nodes)[-1]]["result"] = True
    return {"@": "process", "process_graph": nodes}


def call(process_id, **arguments):
    return {"process_id": process_id, "arguments": arguments}


DATA = parameter("data")
MINUS = {"process_graph": {"m": {**call("subtract", x=parameter("x"), y=parameter("y")), "result": True}}}


def inner(process_id, **arguments):
    """A callback inside of a callback."""
    return {"process_graph": {"only": {**call(process_id, **arguments), "result": True}}}


def kernel(weights=((1, 1, 1),)):
    return callback("apply_kernel", data=DATA, kernel=[list(row) for row in weights])


def anomaly(*dims):
    """The distance from the mean along some dimensions."""
    nodes, last = {}, DATA
    for i, dim in enumerate(dims):
        nodes[f"r{i}"] = call("reduce_dimension", data=last, dimension=dim, reducer=inner("mean", data=DATA))
        last = {"from_node": f"r{i}"}
    nodes["merge"] = call("merge_cubes", cube1=DATA, cube2=last, overlap_resolver=MINUS)
    return graph(**nodes)


def px(**sizes):
    return [{"dimension": name, "value": value, "unit": "px"} for name, value in sizes.items()]


rng = np.random.default_rng(7)
small = {"y": axis(5000095.0, -10.0, 5, "y"), "x": axis(500005.0, 10.0, 7, "x")}
pixels = rng.integers(-50, 50, (5, 7)).astype(object) / 4
pixels[1, 2] = pixels[4, 6] = None
plane = encoded(pixels, small)


def windows(data, values, dims, process, f, size, overlap=None, counts=None, seen=None):
    arguments = {"data": data, "process": process, "size": size}
    if overlap is not None:
        arguments["overlap"] = overlap
    returns = encoded(neighborhood(values, counts, seen or [0] * values.ndim, f), dims)
    vector("apply_neighborhood", arguments, returns)


# Tumbling windows, the last ones smaller; without overlap a window ends at its edge.
windows(plane, pixels, small, kernel(), ring_sum, px(x=3, y=2), counts=[2, 3])
# With overlap neighbours are seen, beyond the cube there is no data.
windows(plane, pixels, small, kernel(), ring_sum, px(x=3, y=2), px(x=1), [2, 3], [0, 1])
# A mean of the window and of what lies around it, no-data left out.
windows(plane, pixels, small, anomaly("x"), minus_mean([1]), px(x=2, y=2), px(x=2), [2, 2], [0, 2])
# Metres: pixels of 10 m whose centres lie in windows of 25 m (2, 3, 2 pixels), and the default unit, which is the same.
metres = np.full(pixels.shape, None, object)
for first, last in ((0, 2), (2, 5), (5, 7)):
    metres[:, first:last] = ring_sum(pixels[:, first:last])
for unit in ({"unit": "m"}, {}):
    size = [{"dimension": "x", "value": 25, **unit}]
    vector("apply_neighborhood", {"data": plane, "process": kernel(), "size": size}, encoded(metres, small))

# Durations from the first date on, windows without dates are passed over; overlaps of days.
dates = ["2020-01-20T00:00:00Z", "2020-02-01T00:00:00Z", "2020-02-19T00:00:00Z", "2020-02-20T00:00:00Z", "2020-06-01T00:00:00Z"]
deep = {"t": times(*dates), **small}
series = rng.integers(-50, 50, (5, 5, 7)).astype(object) / 4
series[2, :, 3] = series[0, 0, 0] = None
stack = encoded(series, deep)
months, seen = [(0, 3), (3, 4), (4, 5)], [(0, 4), (2, 4), (4, 5)]
for overlap, outer in ((None, months), ("P5D", seen)):
    out = np.full(series.shape, None, object)
    for (a, b), (c, d) in zip(months, outer):
        out[a:b] = minus_mean([0])(series[c:d])[a - c : b - c]
    arguments = {"data": stack, "process": anomaly("t"), "size": [{"dimension": "t", "value": "P1M"}]}
    if overlap:
        arguments["overlap"] = [{"dimension": "t", "value": overlap}]
    vector("apply_neighborhood", arguments, encoded(out, deep))

# One dimension is handed over as an array: sums up to each date, windows of two dates.
sums = np.full(series.shape, None, object)
for first in (0, 2, 4):
    for row, col in np.ndindex(5, 7):
        total = 0.0
        for t in range(first, min(first + 2, 5)):
            value = series[t, row, col]
            if value is not None:
                total += value
                sums[t, row, col] = total
vector(
    "apply_neighborhood",
    {"data": stack, "process": reducer("cumsum"), "size": px(x=1, y=1, t=2)},
    encoded(sums, deep),
)

# A window in a window.
twice = graph(n=call("apply_neighborhood", data=DATA, size=px(x=2), process={"process_graph": kernel()["process_graph"]}))
windows(
    plane, pixels, small, twice,
    lambda w: neighborhood(w, [None, 2], [0, 0], ring_sum), px(x=5), counts=[None, 5],
)
# The context reaches the callback inside of the callback.
scaled = graph(a=call("apply", data=DATA, context=parameter("context"), process=inner("multiply", x=parameter("x"), y=parameter("context"))))
vector(
    "apply_neighborhood",
    {"data": plane, "process": scaled, "size": px(x=4), "context": 3},
    encoded(np.array([None if v is None else 3 * v for v in pixels.ravel()], object).reshape(5, 7), small),
)

# Errors.
for process, code in (
    (callback("reduce_dimension", data=DATA, dimension="x", reducer=inner("mean", data=DATA)), "DataCubePropertiesImmutable"),
    (callback("rename_dimension", data=DATA, source="x", target="lon"), "DataCubePropertiesImmutable"),
    (callback("filter_bbox", data=DATA, extent={"west": 500000, "south": 5000000, "east": 500030, "north": 5000200, "crs": 32633}), "DataCubePropertiesImmutable"),
):
    vector("apply_neighborhood", {"data": plane, "process": process, "size": px(x=4)}, throws=code)
vector("apply_neighborhood", {"data": plane, "process": kernel(), "size": px(q=4)}, throws="DimensionNotAvailable")
for wrong in ([{"dimension": "x", "value": "P1D"}], px(x=0), px(x=1.5)):
    vector("apply_neighborhood", {"data": plane, "process": kernel(), "size": wrong}, throws="ProcessParameterInvalid")


# Polygons by pixel: boxes of corners between centres.
def box(top, bottom, left, right):
    west, east = 500000 + 10 * left + 2, 500000 + 10 * right + 8
    north, south = 5000100 - 10 * top - 2, 5000100 - 10 * bottom - 8
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def features(*geometries):
    crs = {"type": "name", "properties": {"name": CRS}}
    list_ = [{"type": "Feature", "properties": {}, "geometry": g} for g in geometries]
    return {"type": "FeatureCollection", "crs": crs, "features": list_}


def polygon(*boxes):
    if len(boxes) == 1:
        return {"type": "Polygon", "coordinates": box(*boxes[0])}
    return {"type": "MultiPolygon", "coordinates": [box(*b) for b in boxes]}


def segments(values, areas, f, mask_value=None):
    """`areas` are lists of boxes of rows and columns, ends included."""
    out = values.copy()
    for area in areas:
        inside = np.zeros(values.shape[-2:], bool)
        for top, bottom, left, right in area:
            inside[top : bottom + 1, left : right + 1] = True
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        part = (..., slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        own = inside[part]
        sub = values[part].copy()
        sub[..., ~own] = mask_value
        made = f(sub)
        out[part] = np.where(own, made, out[part])
    return out


def areas(process, f, *groups, mask_value=None, data=plane, values=pixels, dims=small):
    arguments = {"data": data, "geometries": features(*[polygon(*g) for g in groups]), "process": process}
    if mask_value is not None:
        arguments["mask_value"] = mask_value
    vector("apply_polygon", arguments, encoded(segments(values, groups, f, mask_value), dims))


two = [[(0, 2, 0, 2)], [(1, 4, 4, 6)]]
areas(kernel(), ring_sum, *two)
areas(anomaly("x"), minus_mean([1]), *two)
# An angle: what the polygon has not in its box is no-data, or the mask value.
angle = [[(0, 3, 1, 2), (2, 3, 3, 5)]]
areas(kernel(), ring_sum, *angle)
areas(kernel(), ring_sum, *angle, mask_value=100)
areas(anomaly("x"), minus_mean([1]), *angle, mask_value=0.5)
areas(anomaly("t"), minus_mean([0]), *two, data=stack, values=series, dims=deep)
# Labels may change, their number not.
renamed = graph(
    k=call("apply_kernel", data=DATA, kernel=[[1, 1, 1]]),
    r=call("rename_labels", data={"from_node": "k"}, dimension="t", target=["a", "b", "c", "d", "e"], source=dates),
)
areas(renamed, ring_sum, *two, data=stack, values=series, dims=deep)
# A polygon beside the cube changes nothing.
vector("apply_polygon", {"data": plane, "geometries": features(polygon((90, 95, 90, 95))), "process": kernel()}, plane)
vector(
    "apply_polygon",
    {"data": plane, "geometries": features(polygon((0, 2, 0, 2)), polygon((2, 4, 2, 4))), "process": kernel()},
    throws="GeometriesOverlap",
)
point = {"type": "Point", "coordinates": [500005, 5000095]}
vector("apply_polygon", {"data": plane, "geometries": features(point), "process": kernel()}, throws="ProcessParameterInvalid")


# Merging: labels in order, each pixel by hand.
def merged(one, two, order, resolve=None):
    """Cubes as (dims, values); `order` gives the labels of each dimension of the result with their metadata."""
    shape = [len(d["labels"]) for d in order.values()]
    out = np.full(shape, None, object)
    for at in np.ndindex(*shape):
        labels = {name: d["labels"][i] for (name, d), i in zip(order.items(), at)}
        found = []
        for dims, values in (one, two):
            if all(labels[n] in d["labels"] for n, d in dims.items()):
                found.append((values[tuple(d["labels"].index(labels[n]) for n, d in dims.items())],))
            else:
                found.append(())
        if all(found):
            out[at] = resolve(found[0][0], found[1][0])
        elif any(found):
            out[at] = (found[0] or found[1])[0]
    return encoded(out, order)


def minus(x, y):
    return None if x is None or y is None else x - y


def merge(one, two, order, resolver=None, resolve=None):
    arguments = {"cube1": encoded(one[1], one[0]), "cube2": encoded(two[1], two[0])}
    if resolver:
        arguments["overlap_resolver"] = resolver
    vector("merge_cubes", arguments, merged(one, two, order, resolve))


def random(*shape):
    values = rng.integers(-50, 50, shape).astype(object) / 4
    values.ravel()[:: 7] = None
    return values


subtract = callback("subtract", x=parameter("x"), y=parameter("y"))
day = "2020-01-0{}T00:00:00Z".format
x3 = {"x": axis(500005.0, 10.0, 3, "x")}
t = lambda *days: {"t": times(*[day(d) for d in days])}
b = lambda *names: {"bands": bands(*names)}
one, two = {**t(1, 3, 5), **b("r", "g"), **x3}, {**t(2, 4), **b("r", "g"), **x3}
first, second = random(3, 2, 3), random(2, 2, 3)
# Dates that take turns are sorted, whichever cube is the first.
every = {**t(1, 2, 3, 4, 5), **b("r", "g"), **x3}
merge((one, first), (two, second), every)
merge((two, second), (one, first), every)
# Bands in the order of the first cube, then new ones; those of both are resolved.
other = {**t(1, 3, 5), **b("n", "g"), **x3}
merge((one, first), (other, random(3, 2, 3)), {**t(1, 3, 5), **b("r", "g", "n"), **x3}, subtract, minus)
# Some of each: dates and bands of one cube only, of both, of none.
mixed = {**t(2, 3), **b("g", "n"), **x3}
merge((one, first), (mixed, random(2, 2, 3)), {**t(1, 2, 3, 5), **b("r", "g", "n"), **x3}, subtract, minus)
# A cube without dates and bands meets all of them.
merge((one, first), (x3, random(3)), one, subtract, minus)
# Another order of dimensions: that of the first cube is kept.
turned = {**x3, **b("r", "g"), **t(1, 3, 5)}
merge((one, first), (turned, random(3, 2, 3)), one, subtract, minus)
# Coordinates are sorted in the direction of the first cube.
down = {"y": axis(5000095.0, -10.0, 3, "y"), **x3}
below = {"y": axis(5000065.0, -10.0, 2, "y"), **x3}
both = {"y": axis(5000095.0, -10.0, 5, "y"), **x3}
merge((below, random(2, 3)), (down, random(3, 3)), both)
arguments = {"cube1": encoded(first, one), "cube2": encoded(first, one)}
vector("merge_cubes", arguments, throws="OverlapResolverMissing")
arguments = {"cube1": encoded(first, one), "cube2": encoded(random(3), x3)}
vector("merge_cubes", arguments, throws="OverlapResolverMissing")
# Pixels between those of the first cube: the nearest ones, and nothing beyond the second.
grid = {"y": axis(5000095.0, -10.0, 3, "y"), "x": axis(500005.0, 10.0, 4, "x")}
shifted = {"y": axis(5000092.0, -10.0, 3, "y"), "x": axis(500018.0, 10.0, 4, "x")}
a, c = random(3, 4), random(3, 4)
near = np.full((3, 4), None, object)
for row, col in np.ndindex(3, 4):
    # 3 m up and 13 m to the left in pixels of 10 m, rounded to the nearest centre.
    r, k = round(row - 0.3), round(col - 1.3)
    if 0 <= r < 3 and 0 <= k < 4:
        near[row, col] = c[r, k]
arguments = {"cube1": encoded(a, grid), "cube2": encoded(c, shifted), "overlap_resolver": subtract}
expected = np.array([minus(p, q) for p, q in zip(a.ravel(), near.ravel())], object).reshape(3, 4)
vector("merge_cubes", arguments, encoded(expected, grid))

write(__file__)
